"""May the role do all that a deploy, a backup and a restore will need?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, Probe
from operations.gathering import read_target
from operations.quoting import identifier


def look(probe: Probe) -> Iterator[Check]:
    """Ownership, CREATEDB, and CREATE in the schema."""
    target = probe.context.database.target
    with probe.reading() as session:
        may = read_target(session)
    role, database, schema = (identifier(one) for one in (target.user, target.database, target.schema or "public"))
    lacks = []
    if not may.owns_database:
        lacks.append((f"does not own {target.database}", f"ALTER DATABASE {database} OWNER TO {role};"))
    if not may.may_create_databases:
        lacks.append(("may not create databases", f"ALTER ROLE {role} CREATEDB;"))
    if not may.may_create_tables:
        lacks.append(("may not create tables here", f"GRANT CREATE ON SCHEMA {schema} TO {role};"))
    if lacks:
        yield Check(
            "rights",
            "warn" if may.may_create_tables else "fail",
            f"{target.user} " + ", ".join(what for what, _ in lacks),
            "Restores, rollbacks by swap and test restores make a second database and rename it.",
            "As a superuser: " + " ".join(how for _, how in lacks),
        )
    elif may.superuser:
        yield Check(
            "rights",
            "warn",
            f"{target.user} is a superuser",
            "A migration could then run programs on the server and read its files.",
            f"Use a role that owns {target.database} and has CREATEDB; nothing more is needed.",
        )
    else:
        yield Check("rights", "ok", f"{target.user} owns {target.database} and may create databases")
