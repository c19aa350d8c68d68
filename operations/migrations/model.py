"""A migration history as a tool's folder and table tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from operations.ports import Files, Session

if TYPE_CHECKING:
    from operations.migrations.script import Script


def in_bytes(name: str) -> bytes:
    """What migrations' names are ordered by, whatever the locale says."""
    return name.encode(errors="surrogateescape")


class Migration(Struct, frozen=True):
    """One migration of the folder. ``script`` is ``None`` where its file is missing."""

    name: str
    file: str
    """Where its script lies, or should, below the folder."""
    script: str | None
    checksum: str | None = None
    """Lower-case hex SHA-256 of the file's bytes."""
    accepted_checksums: frozenset[str] = frozenset()
    """``checksum`` and those of the same text with other line endings."""
    down: str | None = None
    """The script that undoes it, where there is one."""


class HistoryRow(Struct, frozen=True):
    """One row of the history table."""

    id: str
    name: str
    checksum: str
    started_at: datetime
    finished_at: datetime | None
    rolled_back_at: datetime | None
    logs: str | None
    applied_steps: int


class Standing(Struct, frozen=True):
    """How folder and database stand to each other; names in folder order, ``missing`` in the table's.

    ``applied``: finished and not rolled back. ``pending``: in the folder, without a row that is not rolled back.
    ``failed``: a row neither finished nor rolled back. ``edited``: applied, but the file is another one now.
    ``missing``: applied, but no longer in the folder. ``out_of_order``: pending, but an applied one sorts behind it.
    """

    applied: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    out_of_order: tuple[str, ...] = ()
    has_table: bool = True


class Format(Protocol):
    """A migration tool's folder and history table. Another tool is one more file beside ``prisma.py``."""

    name: str
    lock_id: int
    """Key of the advisory lock that the tool itself takes while it migrates."""
    history_table: str

    def claims(self, names: Sequence[str]) -> bool:
        """Whether a folder with these entries (directories end in ``/``) can be this tool's."""
        ...

    def read(self, files: Files, directory: str) -> tuple[Migration, ...]:
        """The folder's migrations in the order they apply; raises ``MigrationFilesError``."""
        ...

    def warnings(self, files: Files, directory: str) -> tuple[str, ...]:
        """What is odd about the folder, but no reason to refuse it."""
        ...

    def history(self, session: Session) -> tuple[HistoryRow, ...] | None:
        """The table's rows, oldest first; ``None`` if there is no table."""
        ...

    def place(self, session: Session) -> tuple[str, str]:
        """Schema and name of the history table: where it is, or would be created."""
        ...

    def schema_is_empty(self, session: Session) -> bool:
        """Whether a history may begin here without a baseline."""
        ...

    def create_history(self, session: Session) -> None:
        """Create the table, byte for byte as the tool would."""
        ...

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
        """Insert the row of a migration that has run, in the same transaction, as a success.

        In one message with the body of its ``script``, unless that has run before, and a ``Session.reset`` to
        ``settings`` in between, as it may have left others. Raises ``StatementFailed`` as it came where one of the
        script's ``body_statements`` is what failed. ``next_in_transaction``: the row recorded last by this session
        was recorded in this same transaction.
        """
        ...

    def recorded(self, session: Session, row_ids: Sequence[str]) -> frozenset[str]:
        """Those of the rows that stand in the history."""
        ...

    def record_started(self, session: Session, row_id: str, migration: Migration) -> None:
        """Insert the row of a migration that is about to run; it reads as failed until it is finished."""
        ...

    def record_step(self, session: Session, row_id: str, steps: int) -> bool:
        """Note how many pieces of an unfinished migration are committed; whether its row still stands."""
        ...

    def record_finished(self, session: Session, settings: Mapping[str, str], row_id: str) -> bool:
        """Mark the row as a success, after a reset as in ``record_run``; whether it still stands."""
        ...

    def record_applied(self, session: Session, migration: Migration) -> None:
        """Record without running (a baseline, or ``resolve --applied``)."""
        ...

    def mark_rolled_back(self, session: Session, name: str) -> None:
        """Mark the open failed rows of a migration as rolled back."""
        ...

    def forget(self, session: Session, row_ids: Sequence[str]) -> None:
        """Remove rows that a run inserted, when that run is undone."""
        ...
