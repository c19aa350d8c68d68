"""Dumps one snapshot of the database, and reads in the very same snapshot what the dump must hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from msgspec import Struct

from operations import catalog
from operations.backup_reading import BEGIN, LOCK_WAIT, Work, reading
from operations.backups.manifest import SequenceState, TableRows
from operations.backups.progress import Meter
from operations.backups.rows import count_large_objects, count_tables, fix_settings
from operations.backups.sequences import read_sequences, unmoved
from operations.backups.stderr import DISK_FULL, telling
from operations.backups.surroundings import Role, Surroundings, read_surroundings
from operations.backups.tables import Table, batches, read_tables, table_names
from operations.blockers import Watch, watching
from operations.catalog.properties import DatabaseProperties, read_properties
from operations.client_tools import ClientTools
from operations.commands import postgres_client as client
from operations.context import Context
from operations.errors import BackupFailed, Refused, StatementFailed, listed
from operations.meanwhile import meanwhile
from operations.ports import Completed, Progress, Session
from operations.secret import Secret

ATTEMPTS = 5
BEAT = 60.0
"""Seconds between signs of life of the session that holds the snapshot: without them the server ends it in minutes."""
LOCK_NOT_AVAILABLE = "55P03"
UNDEFINED_TABLE = "42P01"
BYTES_PER_SECOND = 1_000_000
"""A dump or restore that is slower than this, after the first hour, hangs."""


class Facts(Struct, frozen=True):
    """What is read beside the rows, from the same snapshot."""

    catalog: catalog.Catalog
    surroundings: Surroundings
    properties: DatabaseProperties
    migrations: tuple[str, ...]


class Dumped(Struct, frozen=True):
    """What the archive holds. ``taken`` is the moment of the snapshot, in seconds since the epoch."""

    taken: float
    facts: Facts
    tables: Mapping[str, TableRows]
    large_objects: TableRows
    sequences: Mapping[str, SequenceState | None]
    warnings: tuple[str, ...]


def dump(context: Context, tools: ClientTools, role: Role, directory: str, jobs: int) -> Dumped:
    """Write the archive into the new directory ``directory``; raises ``BackupFailed``. Nothing is synced yet."""
    hashed = role.database_bytes <= context.environment.backups.hash_limit
    warnings: list[str] = []
    with context.database.session(purpose="backup snapshot") as keeper, _readable(context, keeper):
        taken = context.clock.now()
        tables = read_tables(keeper)
        before = read_sequences(keeper)
        snapshot = keeper.rows("SELECT pg_export_snapshot()")[0][0]
        work = _work(context, tables, hashed, warnings)
        awake = meanwhile("snapshot heartbeat", BEAT, lambda: keeper.rows("SELECT 1"))
        with awake, reading(context, work, jobs, snapshot=snapshot) as results:
            _run_pg_dump(context, tools, role, directory, tables, snapshot, jobs)
            context.report(Progress("counting rows"))
        facts, large_objects, *counts = results
        sequences = unmoved(before, read_sequences(keeper))
    rows = {name: table for counted in counts for name, table in counted.items()}
    return Dumped(taken, facts, rows, large_objects, sequences, tuple(warnings))


def patience(size: int) -> float:
    """Seconds after which a client tool that has ``size`` bytes to go through is ended."""
    return 3600.0 + size / BYTES_PER_SECOND


def tool_secrets(context: Context) -> tuple[Secret, ...]:
    """What may not be shown of a client tool's output."""
    password = context.database.client_environment().get("PGPASSWORD", "")
    return (context.environment.database_url, Secret(password))


@contextmanager
def _readable(context: Context, session: Session) -> Iterator[None]:
    """A transaction whose snapshot is younger than its locks on all tables.

    A TRUNCATE or a rewriting ALTER TABLE between snapshot and lock would make a table look empty to the snapshot: so
    all tables are locked first (against nothing but such changes), as LOCK TABLE itself takes no snapshot.
    """
    fix_settings(session, LOCK_WAIT)
    for attempt in range(1, ATTEMPTS + 1):
        known = table_names(session)
        begun = False
        try:
            # Any query, be it for the watched session's own pid, would take the snapshot: so it is asked before.
            with ExitStack() as waiting:
                watch = waiting.enter_context(watching(context, session.pid, LOCK_WAIT / 10))
                with session.transaction(BEGIN):
                    _lock(session, list(known.values()), watch)
                    _lock(session, [t for oid, t in table_names(session).items() if oid not in known], watch)
                    waiting.close()
                    begun = True
                    yield
                    return
        except StatementFailed as error:
            if begun or error.sqlstate != UNDEFINED_TABLE or attempt == ATTEMPTS:
                raise


def _lock(session: Session, tables: Sequence[Table], watch: Watch) -> None:
    if not tables:
        return
    names = ", ".join(table.source for table in tables)
    try:
        session.execute(f"LOCK TABLE {names} IN ACCESS SHARE MODE")
    except StatementFailed as error:
        if error.sqlstate != LOCK_NOT_AVAILABLE:
            raise
        who = listed([str(blocker) for blocker in watch.seen]) if watch.seen else "it could not be seen who"
        raise BackupFailed(
            f"A table is locked against readers, and was not let go within {LOCK_WAIT:g} s: {who}.",
            hint="Wait for that transaction to end, or end it, and try again.",
        ) from None


def _work(context: Context, tables: Sequence[Table], hashed: bool, warnings: list[str]) -> list[Work]:
    return [
        partial(_read_facts, context, warnings),
        partial(count_large_objects, hashed=hashed, warn=warnings.append),
        *(partial(count_tables, tables=batch, hashed=hashed, warn=warnings.append) for batch in batches(tables)),
    ]


def _read_facts(context: Context, warnings: list[str], session: Session) -> Facts:
    return Facts(
        catalog=catalog.read(session),
        surroundings=read_surroundings(session),
        properties=read_properties(session, context.database.target.database),
        migrations=_migrations(session, warnings),
    )


def _migrations(session: Session, warnings: list[str]) -> tuple[str, ...]:
    """Names that the first history table found says are applied; a backup does not fail for a table it cannot read."""
    from operations.migrations.formats import FORMATS

    session.execute("SAVEPOINT history")
    session.reset()
    try:
        for tool in FORMATS:
            history = tool.history(session)
            if history is not None:
                return tuple(row.name for row in history if row.finished_at and not row.rolled_back_at)
    except (StatementFailed, Refused) as error:
        session.execute("ROLLBACK TO SAVEPOINT history")
        warnings.append(f"Which migrations are applied could not be read: {error.message}")
    return ()


def _run_pg_dump(
    context: Context,
    tools: ClientTools,
    role: Role,
    directory: str,
    tables: Sequence[Table],
    snapshot: str,
    jobs: int,
) -> None:
    meter = Meter("dumping", tables, context.report)
    target = context.database.target
    completed = tools.run_connected(
        context,
        client.dump(
            tools.pg_dump,
            tools.seen(target),
            directory,
            jobs=jobs,
            snapshot=snapshot,
            compression=tools.compression,
            lock_wait=LOCK_WAIT,
        ),
        target.database,
        timeout=patience(role.database_bytes),
        on_line=meter.line,
    )
    if completed.returncode:
        raise _failed(context, completed)


def _failed(context: Context, completed: Completed) -> BackupFailed:
    why = telling(completed.stderr, tool_secrets(context))
    if DISK_FULL in completed.stderr:
        return BackupFailed(
            f"The disk that holds {context.environment.backup_dir} is full: {why}",
            hint=f"Make room (df -h {context.environment.backup_dir}), or {context.command} backup prune.",
        )
    return BackupFailed(
        f"pg_dump failed: {why}", hint=f"{context.command} check tells what is wrong with the database."
    )
