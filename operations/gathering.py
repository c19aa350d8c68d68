"""The facts that a deploy is planned from, read without changing anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from operations import admission
from operations.blockers import Blocker, holding
from operations.context import Context
from operations.migrations import formats
from operations.migrations.beyond import beyond
from operations.migrations.history import standing
from operations.migrations.model import Format, Migration, Standing
from operations.migrations.partitioned import outside_where_partitioned
from operations.migrations.script import Script, read_script
from operations.migrations.unhurried import without_concurrently
from operations.ports import Session
from operations.preflight.model import Foreseen
from operations.readable_names import refuse_unreadable_names

BLOCKER_AGE = 1.0
"""Seconds: a transaction that has lasted longer may well last longer than a lock time-out, too."""

_HOLDS_SOMETHING = """
    WITH users AS (
        SELECT oid FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
    )
    SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace IN (SELECT oid FROM users))
        OR EXISTS (SELECT FROM pg_proc WHERE pronamespace IN (SELECT oid FROM users))
        OR EXISTS (SELECT FROM pg_type WHERE typnamespace IN (SELECT oid FROM users))
        OR EXISTS (SELECT FROM pg_extension WHERE extname <> 'plpgsql')
        OR EXISTS (SELECT FROM pg_namespace WHERE oid IN (SELECT oid FROM users) AND nspname <> 'public')
        OR EXISTS (SELECT FROM pg_largeobject_metadata)
        OR EXISTS (SELECT FROM pg_default_acl)
        OR EXISTS (SELECT FROM pg_namespace n LEFT JOIN pg_init_privs i
                   ON i.objoid = n.oid AND i.classoid = 'pg_namespace'::regclass AND i.objsubid = 0
                   WHERE n.nspname = 'public' AND n.nspacl IS DISTINCT FROM i.initprivs)
        OR NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'public' AND oid < 16384)
        OR EXISTS (SELECT FROM unnest(ARRAY(
            SELECT oid FROM pg_event_trigger UNION ALL SELECT oid FROM pg_publication UNION ALL SELECT oid FROM pg_cast
            UNION ALL SELECT oid FROM pg_foreign_data_wrapper UNION ALL SELECT oid FROM pg_foreign_server
            UNION ALL SELECT oid FROM pg_language)) made (oid) WHERE made.oid >= 16384)
"""
# What it lacks of that, the way back finds: a new database must have the schema that this one had.
_HOLDS_TABLES = """
    SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE c.relkind IN ('r', 'p', 'm', 'f') AND n.nspname NOT LIKE 'pg\\_%'
                     AND n.nspname <> 'information_schema')
"""
_TARGET = """
    SELECT oid::bigint, pg_database_size(oid), pg_is_in_recovery(), current_setting('transaction_read_only')::bool,
           (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
           (SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user),
           pg_has_role(current_user, datdba, 'USAGE'),
           coalesce(has_schema_privilege(current_schema(), 'CREATE'), has_database_privilege(oid, 'CREATE'))
    FROM pg_database WHERE datname = current_database()
"""


class TargetFacts(Struct, frozen=True):
    """The database and what the role may do with it. ``size`` in bytes."""

    oid: int
    size: int
    standby: bool
    read_only: bool
    superuser: bool
    may_create_databases: bool
    owns_database: bool
    may_create_tables: bool
    empty: bool
    """Nothing in it that a backup could hold, and no schema ``public`` but the one of a new database."""
    holds_tables: bool
    """Without any, nobody can be kept waiting."""


class Facts(Struct, frozen=True):
    """All that the plan of a deploy depends on."""

    format: Format
    migrations: tuple[Migration, ...]
    standing: Standing
    target: TargetFacts
    baseline: tuple[Migration, ...]
    pending: tuple[Migration, ...]
    scripts: Mapping[str, Script]
    blockers: tuple[Blocker, ...]
    foreseen: Foreseen
    """What existing rows would make fail."""
    notes: tuple[str, ...]


def gather(context: Context, session: Session, *, to: str | None = None, baseline: str | None = None) -> Facts:
    """Read folder, history and database.

    Raises what ``formats.detect``, ``Format.read``, ``admission`` and ``readable_names`` refuse.
    """
    environment, command = context.environment, context.command
    format = formats.detect(context.files, environment.migrations)
    migrations = format.read(context.files, environment.migrations)
    now = standing(migrations, format.history(session))
    baselined = admission.select_baseline(migrations, now, baseline) if baseline else ()
    if not baselined:
        admission.refuse_foreign_schema(now, format.schema_is_empty(session), command)
    admission.refuse_conflicts(now, allow_edited=environment.allow_edited, command=command)
    recorded = {migration.name for migration in baselined}
    pending = tuple(m for m in admission.select_pending(migrations, now, to) if m.name not in recorded)
    target = read_target(session)
    refuse_unreadable_names(session)
    scripts = {m.name: read_script(m.name, m.script or "") for m in pending}
    if not target.holds_tables:
        scripts = without_concurrently(scripts)
    scripts = outside_where_partitioned(session, scripts)
    foreseen = (
        _foreseen(context, session, {m.file: scripts[m.name] for m in pending}) if target.holds_tables else Foreseen()
    )
    return Facts(
        format=format,
        migrations=migrations,
        standing=now,
        target=target,
        baseline=baselined,
        pending=pending,
        scripts=scripts,
        blockers=_blockers(session, tuple(scripts.values())),
        foreseen=foreseen,
        notes=(
            *foreseen.notes,
            *format.warnings(context.files, environment.migrations),
            *_notes(now, pending),
            *_beyond(scripts),
        ),
    )


def read_target(session: Session) -> TargetFacts:
    """What database this is, and what the role may do there."""
    (row,) = session.rows(_TARGET)
    (something,) = session.rows(_HOLDS_SOMETHING)[0]
    (tables,) = session.rows(_HOLDS_TABLES)[0] if something else (False,)
    return TargetFacts(*row, empty=not something, holds_tables=tables)  # type: ignore[misc]


def _foreseen(context: Context, session: Session, scripts: Mapping[str, Script]) -> Foreseen:
    from operations.preflight.foreseeing import foresee  # only a database that holds tables needs it

    return foresee(context, session, scripts)


def _blockers(session: Session, scripts: Sequence[Script]) -> tuple[Blocker, ...]:
    touched = sorted({name for script in scripts for s in script.statements or () for name in s.relations})
    return holding(session, touched, BLOCKER_AGE) if touched else ()


def _beyond(scripts: Mapping[str, Script]) -> Iterator[str]:
    """What no backup holds: said before it is done."""
    for script in scripts.values():
        for statement, what in beyond(script.statements or ()):
            undone = statement.transactional and not what.for_good
            alone = "only its own transaction takes it back" if undone else "nothing takes it back"
            yield (
                f"{script.name}, line {statement.line}: {what.what} reaches beyond this database: no backup holds it, "
                f"and {alone}."
            )


def _notes(now: Standing, pending: Sequence[Migration]) -> tuple[str, ...]:
    notes = []
    late = [migration.name for migration in pending if migration.name in now.out_of_order]
    if late:
        notes.append(f"Landed behind migrations that are applied already: {', '.join(late)}.")
    if now.missing:
        notes.append(f"Applied, but no longer in the folder: {', '.join(now.missing)}.")
    if now.edited:
        notes.append(f"Applied files that were edited since: {', '.join(now.edited)}.")
    return tuple(notes)
