"""Everything that would make a restore fail, looked for before anything is touched, and told all at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from operations.backup_space import refuse_full_server
from operations.backups.manifest import Manifest
from operations.backups.surroundings import Role, read_role
from operations.beside import recorded_catalog
from operations.catalog import Catalog
from operations.catalog.properties import DEFAULT_TABLESPACE, obstacles
from operations.client_tools import find, shown
from operations.context import Context
from operations.errors import Refused, StatementFailed, UsageError, listed
from operations.journal import records
from operations.ports import Session
from operations.quoting import MAX_NAME_BYTES
from operations.swap import maintenance, refuse_hindered_swap

BUILT_IN = "plpgsql"
FOR_SUPERUSERS = (
    "event trigger ", "foreign data wrapper ", "language ", "access method ", "subscription ", "privileges of ",
)  # fmt: skip
"""Begins of the identities of what nobody else may create; the last are those of the system and of extensions."""
FROM_16 = 160000
"""Since then being a member of a role and being allowed to become it are two things."""

_MISSING_ROLES = """
    SELECT name FROM unnest(%s::text[]) name
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = name) ORDER BY 1
"""
_FOREIGN_ROLES = """
    SELECT rolname FROM pg_catalog.pg_roles
    WHERE rolname = ANY (%s) AND NOT pg_has_role(current_user, oid, %s) ORDER BY 1
"""
_TABLESPACES = """
    SELECT name, t.oid IS NULL FROM unnest(%s::text[]) name LEFT JOIN pg_catalog.pg_tablespace t ON t.spcname = name
    WHERE t.oid IS NULL OR NOT has_tablespace_privilege(t.oid, 'CREATE') ORDER BY 1
"""
_EXTENSIONS = """
    SELECT name, version, superuser AND NOT trusted FROM pg_catalog.pg_available_extension_versions
    WHERE name = ANY (%s)
"""


def system_identifier(session: Session) -> str | None:
    """What tells servers apart; ``None`` where the role may not read it."""
    try:
        return str(session.rows("SELECT system_identifier FROM pg_catalog.pg_control_system()")[0][0])
    except StatementFailed:
        return None


def refuse_unfit(context: Context, manifest: Manifest, *, live: bool, into: str | None, foreign: bool) -> None:
    """Raise ``Refused`` with everything that stands in the way of restoring a backup that is intact.

    ``live``: whether there is a live database to be replaced. ``foreign``: it may be a backup of something else.
    ``into``: restored under that name only.
    """
    with maintenance(context, "restore check") as session:
        found = [] if foreign or into else list(_foreign(context, session, manifest))
        found += _server(session, manifest)
        found += _surroundings(session, manifest, recorded_catalog(context, manifest))
        if into is not None:
            found += _name(context, session, into)
        elif live:
            found += obstacles(session, context.database.target.database, manifest.properties)
            found += _swappable(context)
        if not found:
            find(context, session.server_version)
            refuse_full_server(context, session, manifest.database_bytes)
    if found:
        raise Refused(
            f"Backup {manifest.id} cannot be restored here: {listed(found)}",
            hint="Nothing was touched. Put these right, and try again.",
            details={"problems": found},
        )


def _foreign(context: Context, session: Session, manifest: Manifest) -> Iterator[str]:
    for strange in manifest.strange_to(context.database.target.database, system_identifier(session)):
        yield f"{strange} (--foreign restores it all the same)"


def _server(session: Session, manifest: Manifest) -> Iterator[str]:
    if manifest.server_version // 10000 != session.server_version // 10000:
        yield (
            f"it comes from PostgreSQL {shown(manifest.server_version)}, and this is {shown(session.server_version)}"
            " (pg_restore alone may bring it over, its archive directory is plain pg_dump's)"
        )


def _surroundings(session: Session, manifest: Manifest, catalog: Catalog) -> Iterator[str]:
    role, properties = read_role(session), manifest.properties
    if role.standby:
        yield "the server is a standby, and no database can be created there"
    if not role.may_create_databases:
        yield f"role {role.name!r} may not create databases (CREATEDB)"
    wanted = sorted({*manifest.roles, *properties.roles})
    for (name,) in session.rows(_MISSING_ROLES, (wanted,)):
        yield f"role {name!r} does not exist, but owns or may do something in it"
    yield from _tablespaces(session, manifest)
    yield from _extensions(session, manifest, role)
    if not role.superuser:
        yield from _beyond_a_plain_role(session, manifest, role, catalog)


def _tablespaces(session: Session, manifest: Manifest) -> Iterator[str]:
    wanted = sorted({*manifest.tablespaces, manifest.properties.tablespace} - {DEFAULT_TABLESPACE})
    for name, missing in session.rows(_TABLESPACES, (wanted,)):
        yield f"tablespace {name!r} {'does not exist' if missing else 'may not be used by this role'}"


def _extensions(session: Session, manifest: Manifest, role: Role) -> Iterator[str]:
    wanted = {name: version for name, version in manifest.extensions.items() if name != BUILT_IN}
    available: dict[str, dict[str, bool]] = {}
    for name, version, restricted in session.rows(_EXTENSIONS, (list(wanted),)):
        available.setdefault(name, {})[version] = restricted
    for name, version in wanted.items():
        versions = available.get(name, {})
        if not versions:
            yield f"extension {name} is not installed on the server"
        elif version not in versions:
            yield f"extension {name} {version} is not available, only {', '.join(sorted(versions))}"
        elif versions[version] and not role.superuser:
            yield f"only a superuser can create extension {name}"


def _beyond_a_plain_role(session: Session, manifest: Manifest, role: Role, catalog: Catalog) -> Iterator[str]:
    owners = {*manifest.owners, manifest.properties.owner, *_of_default_privileges(catalog)}
    membership = "SET" if session.server_version >= FROM_16 else "MEMBER"
    for (owner,) in session.rows(_FOREIGN_ROLES, (sorted(owners), membership)):
        yield f"role {role.name!r} is no member of {owner!r}, to whom some of it belongs"
    for identity in only_for_superusers(catalog):
        yield f"only a superuser can create {identity}"


def only_for_superusers(catalog: Catalog) -> Iterator[str]:
    """Objects that PostgreSQL lets nobody else create. Pure."""
    for identity, definition in sorted(catalog.objects.items()):
        all_tables = identity.startswith("publication ") and json.loads(definition).get("all_tables")
        of_schema = identity.startswith("publication ") and " of schema " in identity
        if all_tables or of_schema or identity.startswith(FOR_SUPERUSERS):
            yield f"{identity} (for all tables)" if all_tables else identity


def _of_default_privileges(catalog: Catalog) -> set[str]:
    begin = "default privileges of "
    names = (identity[len(begin) :].split(" on ", 1)[0] for identity in catalog.objects if identity.startswith(begin))
    return {name.strip('"').replace('""', '"') for name in names}


def _name(context: Context, session: Session, into: str) -> Sequence[str]:
    if not into or len(into.encode()) > MAX_NAME_BYTES or "\0" in into:
        raise UsageError(f"{into!r} cannot be the name of a database: it must have 1 to {MAX_NAME_BYTES} bytes.")
    taken = session.rows("SELECT 1 FROM pg_catalog.pg_database WHERE datname = %s", (into,))
    if not taken:
        return []
    told = f"there is a database {into!r} already"
    made = next((record for record in reversed(records(context)) if record.into == into), None)
    if made and made.outcome == "interrupted":
        told += f", which may hold only a part of a backup: run {made.run_id} died while it made it"
    return [told]


def _swappable(context: Context) -> Sequence[str]:
    try:
        refuse_hindered_swap(context)
    except Refused as error:
        return [error.message]
    return []
