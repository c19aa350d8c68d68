"""The session of a run, as scripts of migrations are run on it, in a transaction of ours or outside of any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from operations.counting import MigrationLock, announced, counted
from operations.errors import HistoryConflict, MigrationFailed, StatementFailed
from operations.held_session import HeldSession
from operations.migration_failure import failed, history_changed, spot
from operations.migrations.model import Migration
from operations.migrations.script import Script
from operations.ports import Progress


@dataclass
class MigrationSession(HeldSession):
    """A failure is told with its place in the migration's file."""

    migrations: Mapping[str, Migration]
    scripts: Mapping[str, Script]
    began_with_data: bool = True
    """False where the database was empty: there, changes of the schema by others are not looked for."""
    seconds: dict[str, float] = field(default_factory=dict)
    """How long each migration took, without waiting for its commit where it shares a transaction."""

    def run(self, name: str, text: str, offset: int = 0) -> None:
        """Send what stands at ``offset`` of the migration's file as one message; raises ``MigrationFailed``."""
        self._settled = None
        try:
            self.session.script(text)
        except StatementFailed as error:
            raise self.failed(name, error, offset) from error

    def failed(self, name: str, error: StatementFailed, offset: int) -> MigrationFailed:
        """What the server said of a text that stands at ``offset`` of the migration's file."""
        file = f"{self.context.environment.migrations}/{self.migrations[name].file}"
        return failed(name, error, spot(self.scripts[name], file, error, offset))

    def report(self, name: str) -> None:
        """Say that the migration is being applied."""
        self.context.report(Progress(f"applying {name}", self._numbers[name], len(self._numbers), "migrations"))

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.row_ids)}

    def succeeded(self, name: str, began: float) -> None:
        """Its row says so; in the message that wrote that, the session was reset."""
        self.seconds[name] = self.context.clock.now() - began
        self._settled = (self.session, self.context.environment.lock_timeout)

    def refuse_unrecorded(self, names: Sequence[str]) -> None:
        """What the history does not tell of would be applied once more, and could not be told from the old state."""
        with self.on_history(names):
            found = self.format.recorded(self.session, [self.row_ids[name] for name in names])
        missing = [name for name in names if self.row_ids[name] not in found]
        if missing:
            raise self.unrecorded(missing)

    @contextmanager
    def on_history(self, names: Sequence[str]) -> Iterator[None]:
        """It was as it should be when the run began: what makes it unusable since is one of these migrations."""
        try:
            yield
        except HistoryConflict as error:
            speaking = [name for name in names if self.format.history_table in self.scripts[name].text]
            raise history_changed(speaking or names, error) from error

    def unrecorded(self, names: Sequence[str]) -> HistoryConflict:
        """To be raised where rows are not there after they were written."""
        return HistoryConflict(
            f"The history does not keep what is written to it of {', '.join(names)}: a trigger or a rule of the"
            " history table, or a migration, removes it.",
            hint=f"Look at \\d {self.format.history_table}, and at the migrations for what they do with it.",
        )

    @contextmanager
    def committing(self, name: str, piece: int, begin: str = "BEGIN") -> Iterator[dict[str, Any]]:
        """A transaction whose own writes stand in the journal just before it commits, or when it has failed."""
        if self.began_with_data:
            announced(self.session, self.journal)
        lock = MigrationLock(self.format.lock_id, self.take_again)
        with counted(self.session, self.journal, lock, begin, "committing", migration=name, piece=piece) as facts:
            yield facts

    @contextmanager
    def in_one_piece(self, name: str, piece: int = 1) -> Iterator[None]:
        """Should the server read a COMMIT where we read none, a part stands: the way back must not take it for nothing.

        How it reads strings is up to ``standard_conforming_strings`` of role and database.
        """
        try:
            yield
        finally:
            if not self.session.in_transaction:
                self.journal.record("statement", migration=name, piece=piece, verbatim=True)
                raise MigrationFailed(
                    f"The transaction of {name} ended before its end: the server reads a COMMIT or a ROLLBACK in it.",
                    hint="Look at its strings with backslashes, and at standard_conforming_strings of role and "
                    "database: write them so that they read the same either way (E'…').",
                    prisma_code="P3018",
                    details={"migration": name, "sqlstate": "2D000", "reason": "it ends its transaction"},
                )
