"""Prisma Migrate up to version 7: its folder, and its table ``_prisma_migrations`` byte for byte.

Source: prisma/prisma-engines, ``schema-engine`` (migration persistence, PostgreSQL flavour).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4
from weakref import WeakKeyDictionary

from operations.errors import HistoryConflict, LockHeld, PrivilegeMissing, StatementFailed
from operations.migrations import prisma_folder
from operations.migrations.model import HistoryRow, Migration
from operations.ports import Files, Session
from operations.quoting import identifier, literal

if TYPE_CHECKING:
    from operations.migrations.script import Script

TABLE = "_prisma_migrations"
CREATE_TABLE = """CREATE TABLE {table} (
    id                      VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum                VARCHAR(64) NOT NULL,
    finished_at             TIMESTAMPTZ,
    migration_name          VARCHAR(255) NOT NULL,
    logs                    TEXT,
    rolled_back_at          TIMESTAMPTZ,
    started_at              TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count     INTEGER NOT NULL DEFAULT 0
)"""
_MADE = " ".join(CREATE_TABLE.format(table=TABLE).split())
TABLES_OF_POSTGIS = (
    "spatial_ref_sys", "geometry_columns", "geography_columns", "raster_columns", "raster_overviews"
)  # fmt: skip
"""Prisma calls a schema empty that holds no tables but these; here, none but those of any extension."""

_SCHEMA_OF_TABLE = """
    SELECT n.nspname
    FROM unnest(coalesce(%s::text[], current_schemas(false)::text[])) WITH ORDINALITY AS path (name, place)
    JOIN pg_namespace n ON n.nspname = path.name
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = %s
    ORDER BY path.place LIMIT 1
"""
_FORBIDDEN = "SELECT FROM pg_namespace WHERE nspname = %s AND NOT has_schema_privilege(oid, 'USAGE')"
_HOLDS_TABLES = """
    SELECT EXISTS (
        SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = %s AND c.relkind IN ('r', 'p') AND c.relname <> %s AND lower(c.relname) <> ALL (%s)
          AND NOT EXISTS (SELECT FROM pg_depend d
                          WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    )
"""
_COLUMNS = ", ".join(
    ["id", "migration_name", "checksum", "logs", "applied_steps_count"]
    + [
        f"to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"+00:00\"')"
        for column in ("started_at", "finished_at", "rolled_back_at")
    ]
)
# As text of our own, since how times are written otherwise is up to the role's DateStyle.
# Prisma orders by started_at alone: it must grow although a clock may stand still or be set back. The latest row is the
# session's own, but for its first one and after a rollback; only then all are looked through.
_NOW_AND_LATER = (
    "greatest(clock_timestamp(), coalesce((SELECT started_at FROM {table} WHERE id = {latest}),"
    " (SELECT max(started_at) FROM {table})) + interval '1 microsecond')"
)
_NOW_AND_AFTER = (
    "greatest(clock_timestamp(), (SELECT started_at FROM {table} WHERE id = {latest}) + interval '1 microsecond')"
)
_NOT_BEFORE_START = "greatest(clock_timestamp(), started_at)"
_PATIENCE = "SET LOCAL lock_timeout TO '5s'; SET LOCAL statement_timeout TO 0; "
"""In one message with what it is for, it ends with that: a session behind a pooler may be somebody else's then."""
_PATH_ENTRY = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^",\s]+))\s*(?:,|$)')


class Prisma:
    """The ``Format`` of Prisma up to 7.

    The schema that holds the table (the first of the search path that does, or the first there is) is looked up once
    per session: a script that sets another search path does not lead elsewhere.
    """

    name = "prisma"
    lock_id = 72707369
    history_table = TABLE

    def __init__(self) -> None:
        self._schemas: WeakKeyDictionary[Session, str] = WeakKeyDictionary()
        self._latest: WeakKeyDictionary[Session, str] = WeakKeyDictionary()

    def claims(self, names: Sequence[str]) -> bool:
        """Any folder of directories, and one that holds nothing yet."""
        return not names or prisma_folder.LOCK in names or any(name.endswith("/") for name in names)

    def read(self, files: Files, directory: str) -> tuple[Migration, ...]:
        """Every sub-directory, sorted by the bytes of its name."""
        return prisma_folder.read_folder(files, directory)

    def warnings(self, files: Files, directory: str) -> tuple[str, ...]:
        """Unusual names, names of the same second, loose SQL files."""
        return prisma_folder.oddities(files.list(directory))

    def history(self, session: Session) -> tuple[HistoryRow, ...] | None:
        """As Prisma reads them; raises ``PrivilegeMissing``, ``HistoryConflict`` (a foreign table of that name)."""
        schema = self._find(session)
        if schema is None:
            self._first_schema(session)
            return None
        patience = "" if session.in_transaction else _PATIENCE
        with _explained(), _not_waited_for():
            rows = session.rows(
                f"{patience}SELECT {_COLUMNS} FROM {identifier(schema, TABLE)} h ORDER BY h.started_at ASC"
            )
        return tuple(_row(*row) for row in rows)

    def place(self, session: Session) -> tuple[str, str]:
        """As it is looked up for everything else."""
        return (self._find(session) or self._first_schema(session)), TABLE

    def schema_is_empty(self, session: Session) -> bool:
        """Whether the first schema of the search path holds no table but those of extensions."""
        schema = self._schemas.get(session) or self._first_schema(session)
        ((holds_tables,),) = session.rows(_HOLDS_TABLES, (schema, TABLE, list(TABLES_OF_POSTGIS)))
        return not holds_tables

    def create_history(self, session: Session) -> None:
        """Create the table, and before it the schema where the URL names one that does not exist."""
        schema = self._first_schema(session)
        with _explained():
            if not session.rows("SELECT FROM pg_namespace WHERE nspname = %s", (schema,)):
                session.execute(f"CREATE SCHEMA {identifier(schema)}")
            session.execute(CREATE_TABLE.format(table=identifier(schema, TABLE)))
        self._schemas[session] = schema

    def record_run(
        self,
        session: Session,
        settings: Mapping[str, str],
        row_id: str,
        migration: Migration,
        script: Script | None = None,
        *,
        next_in_transaction: bool = False,
    ) -> None:
        """Started and finished now, in one step.

        To look for another row than the latest, only in case that one is gone, would cost the server as much again.
        """
        moment = _NOW_AND_AFTER if next_in_transaction else _NOW_AND_LATER
        values = ", ".join(map(literal, (row_id, migration.checksum or "", migration.name)))
        self._write_after_reset(
            session,
            settings,
            "INSERT INTO {table} (id, checksum, migration_name, started_at, finished_at, applied_steps_count)"
            f" SELECT {{values}}, moment, moment, 1 FROM (SELECT {moment}) AS m (moment)",
            values,
            script,
        )
        self._latest[session] = row_id

    def recorded(self, session: Session, row_ids: Sequence[str]) -> frozenset[str]:
        """A trigger or a rule can have kept them out, and a script have deleted them, or a column that is read."""
        with _explained():
            table, columns = (text.replace("%", "%%") for text in (self._table(session), _COLUMNS))
            found = session.rows(f"SELECT {columns} FROM {table} WHERE id = ANY (%s)", (list(row_ids),))
            return frozenset(str(row_id) for row_id, *_ in found)

    def record_started(self, session: Session, row_id: str, migration: Migration) -> None:
        """A row that is neither finished nor rolled back."""
        self._write(
            session,
            "INSERT INTO {table} (id, checksum, migration_name, started_at) VALUES (%s, %s, %s, "
            + _NOW_AND_LATER
            + ")",
            (row_id, migration.checksum, migration.name),
        )
        self._latest[session] = row_id

    def record_step(self, session: Session, row_id: str, steps: int) -> bool:
        """In ``applied_steps_count``; Prisma's own rows hold 0 or 1 there. Reads all columns: one may be gone."""
        update = f"UPDATE {{table}} SET applied_steps_count = %s WHERE id = %s RETURNING {_COLUMNS}"
        return self._write(session, update, (steps, row_id)) > 0

    def record_finished(self, session: Session, settings: Mapping[str, str], row_id: str) -> bool:
        """Finished now, in one step."""
        return (
            self._write_after_reset(
                session,
                settings,
                f"UPDATE {{table}} SET finished_at = {_NOT_BEFORE_START}, applied_steps_count = 1, logs = NULL"
                " WHERE id = {values}",
                literal(row_id),
            )
            > 0
        )

    def record_applied(self, session: Session, migration: Migration) -> None:
        """Finished the moment it began, without logs and steps: how a baseline reads."""
        self._write(
            session,
            "INSERT INTO {table} (id, checksum, migration_name, logs, started_at, finished_at)"
            f" SELECT %s, %s, %s, '', moment, moment FROM (SELECT {_NOW_AND_LATER}) AS m (moment)",
            (str(uuid4()), migration.checksum, migration.name),
        )
        self._latest.pop(session, None)

    def mark_rolled_back(self, session: Session, name: str) -> None:
        """Every row of the migration that is neither finished nor rolled back."""
        self._write(
            session,
            f"UPDATE {{table}} SET rolled_back_at = {_NOT_BEFORE_START}"
            " WHERE migration_name = %s AND finished_at IS NULL AND rolled_back_at IS NULL",
            (name,),
        )

    def forget(self, session: Session, row_ids: Sequence[str]) -> None:
        """Delete the rows."""
        self._write(session, "DELETE FROM {table} WHERE id = ANY (%s)", (list(row_ids),))

    def _write(self, session: Session, statement: str, params: Sequence[object]) -> int:
        table, latest = (part.replace("%", "%%") for part in (self._table(session), self._latest_of(session)))
        with _explained():
            return session.execute(statement.format(table=table, latest=latest), params)

    def _write_after_reset(
        self, session: Session, settings: Mapping[str, str], statement: str, values: str, script: Script | None = None
    ) -> int:
        with _explained():
            table, latest = self._table(session), self._latest_of(session)
        then = statement.format(table=table, latest=latest, values=values)
        with _explained(behind=len(script.body_statements) if script else 0):
            return session.reset(settings, then, script.body if script else "")

    def _latest_of(self, session: Session) -> str:
        return literal(self._latest.get(session, ""))

    def _table(self, session: Session) -> str:
        schema = self._schemas.get(session) or self._find(session) or self._first_schema(session)
        return identifier(schema, TABLE)

    def _find(self, session: Session) -> str | None:
        known = self._schemas.get(session)
        found = session.rows(_SCHEMA_OF_TABLE, ([known] if known else None, TABLE))
        if not found:
            return None
        schema = str(found[0][0])
        self._schemas[session] = schema
        return schema

    def _first_schema(self, session: Session) -> str:
        """Where the table belongs: the schema may not exist yet; raises ``PrivilegeMissing`` if it may not be used."""
        ((current, path),) = session.rows("SELECT current_schema(), current_setting('search_path')")
        if current is not None:
            return str(current)
        schema = first_of_path(path)
        if session.rows(_FORBIDDEN, (schema,)):
            raise PrivilegeMissing(
                f"The role may not use schema {schema!r}.",
                hint=f"GRANT USAGE ON SCHEMA {identifier(schema)} TO the role of the database URL.",
            )
        return schema


def _row(
    id: str, name: str, checksum: str, logs: str | None, steps: int, started: str, *later: str | None
) -> HistoryRow:
    finished, rolled_back = (datetime.fromisoformat(time) if time else None for time in later)
    return HistoryRow(id, name, checksum, datetime.fromisoformat(started), finished, rolled_back, logs, steps)


def first_of_path(search_path: str) -> str:
    """The first schema that a ``search_path`` setting names, but for "$user"; ``public`` if it names none."""
    for match in _PATH_ENTRY.finditer(search_path):
        quoted, plain = match.groups()
        name = quoted.replace('""', '"') if quoted is not None else plain
        if name and name != "$user":
            return str(name)
    return "public"


@contextmanager
def _explained(behind: int = 0) -> Iterator[None]:
    """The refusals that a history table can meet, by what they mean; not those of the statements it stands behind."""
    try:
        yield
    except StatementFailed as error:
        if error.statement < behind:
            raise
        if error.sqlstate in ("42501", "25006"):
            raise PrivilegeMissing(
                f"The role lacks rights on the migration history ({TABLE}): {error.message}.",
                hint="Use the role that owns the database, or GRANT it what is missing.",
            ) from error
        elsewhere = error.context  # in a function, such as that of a trigger of the table
        if error.sqlstate in ("42P01", "42703", "42804", "42809", "42883") and not elsewhere:
            raise HistoryConflict(
                f"The table {TABLE} is not as Prisma makes it: {error.message}.",
                hint=f"Has somebody changed it? Put it back, and run the same command again; Prisma's is {_MADE}. "
                "Was it made by another tool? Rename it, or point the URL's ?schema= elsewhere.",
            ) from error
        raise


@contextmanager
def _not_waited_for() -> Iterator[None]:
    """What reading it waits for is only somebody who changes the table itself, or keeps it locked."""
    try:
        yield
    except StatementFailed as error:
        if error.sqlstate != "55P03":
            raise
        raise LockHeld(
            f"Somebody has locked the migration history ({TABLE}), so it cannot be read: {error.message}.",
            hint="Who it is: SELECT pid, query FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE relation = "
            f"'{TABLE}'::regclass AND mode = 'AccessExclusiveLock'",
        ) from error
