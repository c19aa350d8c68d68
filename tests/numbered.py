"""Another migration tool's format, as one file: ``0001_name.sql`` and ``0001_name.undo.sql`` in one folder.

``python -m tests.numbered`` is Locktender where that format is listed beside Prisma's.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from hashlib import sha256
from uuid import uuid4

from operations.migrations import formats
from operations.migrations.model import HistoryRow, Migration
from operations.migrations.script import Script
from operations.ports import Files, Session
from operations.quoting import literal

SCRIPT = re.compile(r"(\d{4}_\w+)\.sql")
TABLE = "public.versions"
NOW = "clock_timestamp()"


class Numbered:
    """A ``Format``."""

    name = "numbered"
    lock_id = 4711
    history_table = "versions"

    def claims(self, names: Sequence[str]) -> bool:
        return any(map(SCRIPT.fullmatch, names))

    def read(self, files: Files, directory: str) -> tuple[Migration, ...]:
        names = files.list(directory)
        return tuple(
            self._migration(files, directory, match[1], names) for match in map(SCRIPT.fullmatch, names) if match
        )

    def _migration(self, files: Files, directory: str, name: str, names: Sequence[str]) -> Migration:
        data, undo = files.read(f"{directory}/{name}.sql"), f"{name}.undo.sql"
        checksum = sha256(data).hexdigest()
        down = files.read(f"{directory}/{undo}").decode() if undo in names else None
        return Migration(name, f"{name}.sql", data.decode(), checksum, frozenset({checksum}), down)

    def warnings(self, files: Files, directory: str) -> tuple[str, ...]:
        return () if files.list(directory) else ("There is nothing in it yet.",)

    def history(self, session: Session) -> tuple[HistoryRow, ...] | None:
        if session.rows(f"SELECT to_regclass('{TABLE}')") == [(None,)]:
            return None
        columns = "id, name, checksum, began, ended, undone, logs, steps"
        return tuple(HistoryRow(*row) for row in session.rows(f"SELECT {columns} FROM {TABLE} ORDER BY began"))

    def place(self, session: Session) -> tuple[str, str]:  # noqa: ARG002
        return ("public", self.history_table)

    def schema_is_empty(self, session: Session) -> bool:
        return session.rows("SELECT FROM pg_tables WHERE schemaname = 'public'") == []

    def create_history(self, session: Session) -> None:
        session.execute(
            f"CREATE TABLE {TABLE} (id text PRIMARY KEY, name text, checksum text, began timestamptz,"
            " ended timestamptz, undone timestamptz, logs text, steps int NOT NULL DEFAULT 0)"
        )

    def record_run(
        self,
        session: Session,
        settings: Mapping[str, str],
        row_id: str,
        migration: Migration,
        script: Script | None = None,
        *,
        next_in_transaction: bool = False,  # noqa: ARG002
    ) -> None:
        values = ", ".join(map(literal, (row_id, migration.name, migration.checksum or "")))
        session.reset(
            settings,
            f"INSERT INTO {TABLE} (id, name, checksum, began, ended, steps) VALUES ({values}, {NOW}, {NOW}, 1)",
            script.body if script else "",
        )

    def recorded(self, session: Session, row_ids: Sequence[str]) -> frozenset[str]:
        found = session.rows(f"SELECT id FROM {TABLE} WHERE id = ANY (%s)", (list(row_ids),))
        return frozenset(str(row_id) for (row_id,) in found)

    def record_started(self, session: Session, row_id: str, migration: Migration) -> None:
        session.execute(
            f"INSERT INTO {TABLE} (id, name, checksum, began) VALUES (%s, %s, %s, {NOW})",
            (row_id, migration.name, migration.checksum),
        )

    def record_step(self, session: Session, row_id: str, steps: int) -> bool:
        return session.execute(f"UPDATE {TABLE} SET steps = %s WHERE id = %s", (steps, row_id)) > 0

    def record_finished(self, session: Session, settings: Mapping[str, str], row_id: str) -> bool:
        return session.reset(settings, f"UPDATE {TABLE} SET ended = {NOW}, steps = 1 WHERE id = {literal(row_id)}") > 0

    def record_applied(self, session: Session, migration: Migration) -> None:
        session.execute(
            f"INSERT INTO {TABLE} (id, name, checksum, began, ended) VALUES (%s, %s, %s, {NOW}, {NOW})",
            (str(uuid4()), migration.name, migration.checksum),
        )

    def mark_rolled_back(self, session: Session, name: str) -> None:
        session.execute(
            f"UPDATE {TABLE} SET undone = {NOW} WHERE name = %s AND ended IS NULL AND undone IS NULL", (name,)
        )

    def forget(self, session: Session, row_ids: Sequence[str]) -> None:
        session.execute(f"DELETE FROM {TABLE} WHERE id = ANY (%s)", (list(row_ids),))


if __name__ == "__main__":
    formats.FORMATS = (*formats.FORMATS, Numbered())
    from cli.__main__ import main

    sys.exit(main())
