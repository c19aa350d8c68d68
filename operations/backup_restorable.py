"""A test restore: a backup is brought back under another name, compared, and dropped again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from operations import catalog
from operations.backup_archive import archive_into, jobs_for
from operations.backup_reading import LOCK_WAIT, Work, read
from operations.backup_space import refuse_full_server
from operations.backups.manifest import CATALOG, Manifest
from operations.backups.rows import count_large_objects, count_tables, differences, fix_settings
from operations.backups.sequences import read_sequences, sequence_differences
from operations.backups.stderr import without_passwords
from operations.backups.surroundings import read_role, restore_obstacles
from operations.backups.tables import Table, batches, read_tables
from operations.catalog import Catalog
from operations.catalog.properties import DatabaseProperties, create_statement
from operations.context import Context
from operations.dropping import NO_RIGHT, drop_database
from operations.errors import (
    AuthenticationFailed,
    LocktenderError,
    NotEnoughSpace,
    PrivilegeMissing,
    RestoreFailed,
    StatementFailed,
    listed,
)
from operations.layout import backup_path
from operations.ports import Progress
from operations.quoting import identifier
from operations.scratch import in_use, scratch_name
from operations.swap import maintenance

MOST_SHOWN = 20
FIRST_WITH_LOGIN_TRIGGERS = 170000
"""PostgreSQL's version."""


def refuse_unrestorable(context: Context, manifest: Manifest) -> None:
    """Raise ``PrivilegeMissing`` or ``NotEnoughSpace`` where a test restore cannot succeed here."""
    refuse_unrestorable_by(context, (*manifest.owners, manifest.properties.owner), manifest.database_bytes)


def refuse_unrestorable_by(context: Context, owners: tuple[str, ...], size: int) -> None:
    """The same before there is a manifest: for what roles ``owners`` own in the live database."""
    with maintenance(context, "backup check"):
        pass  # what stands in its way is better known now than after the dump
    with context.database.session(purpose="backup check") as session:
        fix_settings(session, LOCK_WAIT)
        role = read_role(session)
        found = list(restore_obstacles(session, role, owners))
        if found:
            raise PrivilegeMissing(
                f"A backup could not be tested by restoring it: {listed(found)}",
                hint=f'Give role {role.name!r} these rights, or do without: test_restore = "never" under [backups].',
                details={"obstacles": found},
            )
        refuse_full_server(context, session, size)


def restore_problems(context: Context, manifest: Manifest) -> tuple[str, ...]:
    """Restore a backup into a scratch database, and say what failed or is not the same; empty: it is verified.

    Raises ``RestoreFailed`` where that may not be the backup's fault (the server went away, its disk is full …).
    """
    try:
        with (
            scratch_database(context, manifest.properties, manifest.database_bytes) as name,
            quiet_logins(context, manifest, name),
        ):
            archive_into(context, manifest, name)
            context.report(Progress("comparing the restored database"))
            return _shortened(restored_differences(context, manifest, name))
    except (StatementFailed, AuthenticationFailed, NotEnoughSpace) as error:
        told = " ".join(filter(None, (error.message, error.hint)))
        raise RestoreFailed(f"The test restore could not be done: {told}") from error
    except RestoreFailed as error:
        if error.details.get("passing"):
            raise
        return (error.message,)


def restored_differences(context: Context, manifest: Manifest, database: str) -> tuple[str, ...]:
    """In what a restored database is not what the manifest says: rows, sequences, large objects, definitions."""
    tables, role = read(context, [read_tables, read_role], 1, database=database)
    jobs = jobs_for(context, role.free_connections)
    present = {table.name: table for table in tables}
    names = manifest.tables.keys() & present.keys()
    work: list[Work] = [
        catalog.read,
        read_sequences,
        partial(count_large_objects, hashed=manifest.large_objects.hash is not None, warn=_ignore),
        *(_counting(batch, manifest) for batch in batches(present[name] for name in names)),
    ]
    schema, sequences, large_objects, *counts = read(context, work, jobs, database=database)
    counted = {name: rows for batch in counts for name, rows in batch.items()}
    compared = [differences(name, rows, counted.get(name)) for name, rows in manifest.tables.items()]
    compared.append(differences("large objects", manifest.large_objects, large_objects))
    return (
        *(problem for problem in compared if problem),
        *sequence_differences(manifest.sequences, sequences),
        *_schema_differences(context, manifest, schema),
    )


@contextmanager
def quiet_logins(context: Context, manifest: Manifest, database: str) -> Iterator[None]:
    """While a new database is filled and compared, logins of ours and of pg_restore fire no trigger: it might write.

    Only superusers may say so, as only they can restore such triggers. Raises ``StatementFailed`` where it cannot be
    taken back: a database that is swapped in must fire its triggers.
    """
    quiet = manifest.server_version >= FIRST_WITH_LOGIN_TRIGGERS and _quieted(context, database)
    yield
    if quiet:
        with maintenance(context, "restore") as session:
            session.execute(f"ALTER DATABASE {identifier(database)} RESET event_triggers")


def _quieted(context: Context, database: str) -> bool:
    try:
        with maintenance(context, "restore") as session:
            session.execute(f"ALTER DATABASE {identifier(database)} SET event_triggers TO off")
    except StatementFailed as error:
        if error.sqlstate != NO_RIGHT:
            raise
        return False
    return True


@contextmanager
def scratch_database(context: Context, properties: DatabaseProperties, size: int) -> Iterator[str]:
    """An empty database like the original, under a name of our own, that is gone afterwards.

    Raises ``NotEnoughSpace`` where ``size`` bytes do not fit by now: a dump may have taken its room on the same disk;
    and ``PoolerInBetween``.
    """
    name = scratch_name(context)
    with in_use(context, name):
        try:
            with maintenance(context, "backup test") as session:
                refuse_full_server(context, session, size)
                session.execute(create_statement(name, properties))
            yield name
        finally:
            _drop(context, name)


def _drop(context: Context, name: str) -> None:
    try:
        with maintenance(context, "backup test") as session:
            drop_database(session, name)
    except LocktenderError:
        return  # what went wrong before says more; the next run drops what bears the prefix


def _counting(tables: Sequence[Table], manifest: Manifest) -> Work:
    hashed = any(manifest.tables[table.name].hash is not None for table in tables)
    return partial(count_tables, tables=tables, hashed=hashed, warn=_ignore)


def _schema_differences(context: Context, manifest: Manifest, restored: Catalog) -> Iterator[str]:
    file = f"{backup_path(context.environment, manifest.id)}/{CATALOG}"
    original = Catalog.from_json(json.loads(context.host.read(file)))
    for difference in catalog.diff(original.as_restored(), restored.as_restored()):
        yield f"{difference.object}: {without_passwords(str(difference))}"


def _shortened(problems: tuple[str, ...]) -> tuple[str, ...]:
    more = len(problems) - MOST_SHOWN
    return (*problems[:MOST_SHOWN], f"and {more} more") if more > 0 else problems


def _ignore(_: str) -> None:
    return
