"""Which scripts undo what a run has committed: a migration's ``down.sql``, or the inverse of each statement. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from operations.migrations.inverse import inverse
from operations.migrations.model import HistoryRow, Migration
from operations.migrations.script import Script, Statement, read_script
from operations.segments import TRANSACTION_COMMANDS, commits_within, segments_of
from operations.traces import Trace


class NotThisWay(Exception):
    """Why this rung of the ladder does not hold; never leaves the undoing."""


class Down(Struct, frozen=True):
    """The script that undoes one migration, or the part of it that was committed.

    ``inverse``: it takes back additions and renames alone, neither of which can have cost a row. ``half_done``: more
    than what the script takes back may have been committed.
    """

    migration: str
    script: str
    inverse: bool = False
    half_done: bool = False

    @property
    def compare_all(self) -> bool:
        """Whether it takes all rows to prove it, and not only those of tables that the run wrote to."""
        return self.half_done or not self.inverse


def downs_of(
    trace: Trace,
    rows: Mapping[str, HistoryRow],
    folder: Mapping[str, Migration],
    in_doubt: int = 0,
    *,
    written_first: bool = False,
) -> Iterator[Down]:
    """Scripts that undo what of the run is committed, latest first; raises ``NotThisWay``.

    ``in_doubt``: pieces of an unfinished migration that are done, but not recorded in its row. ``written_first``:
    prefer a ``down.sql`` where there are inverses, too.
    """
    for name, row_id in reversed(tuple(trace.row_ids.items())):
        row, migration = rows.get(row_id), folder.get(name)
        if row is None or row.rolled_back_at is not None:
            continue
        if migration is None or migration.script is None or migration.checksum != trace.checksums.get(name):
            raise NotThisWay(f"the folder no longer holds {name} as it was applied")
        journalled = {s["piece"]: s["undo"] for s in trace.statements if s["migration"] == name and s.get("undo")}
        yield _down(migration, row, in_doubt, journalled, written_first)


def _down(
    migration: Migration, row: HistoryRow, in_doubt: int, journalled: Mapping[int, str], written_first: bool
) -> Down:
    written = migration.down if row.finished_at is not None else None
    if written is not None and written_first:
        return Down(migration.name, written)
    try:
        return _by_inverses(migration, row, in_doubt, journalled)
    except NotThisWay:
        if written is None:
            raise
        return Down(migration.name, written)


def _by_inverses(migration: Migration, row: HistoryRow, in_doubt: int, journalled: Mapping[int, str]) -> Down:
    finished = row.finished_at is not None
    script = read_script(migration.name, migration.script or "")
    commands = any(one.kind in TRANSACTION_COMMANDS for one in script.statements or ())
    if not finished and (script.statements is None or commands):
        # How far it came is not known; if nothing of it stayed, the proof will tell.
        return Down(migration.name, "")
    if script.statements is None:
        raise NotThisWay(f"{migration.name} has no down.sql and could not be parsed")
    if finished and script.verdict.atomic:
        return Down(migration.name, _inverses(migration.name, script, script.statements), inverse=True)
    pieces = segments_of(script)
    done = pieces if finished else pieces[: row.applied_steps + in_doubt]
    numbered = reversed(tuple(enumerate(done, start=1)))
    parts = [journalled.get(n) or _inverses(migration.name, script, piece.statements) for n, piece in numbered]
    # Of a block that commits by itself, and failed, a part may stay: all rows must be compared then.
    half_done = any(commits_within(piece) for piece in pieces[len(done) : len(done) + 1])
    return Down(migration.name, ";\n".join(parts), inverse=True, half_done=half_done)


def _inverses(name: str, script: Script, statements: Sequence[Statement]) -> str:
    found = []
    for statement in reversed(statements):
        if statement.kind in TRANSACTION_COMMANDS or not script.body[statement.start : statement.end].strip():
            continue
        undone = inverse(statement.text)
        if undone is None:
            raise NotThisWay(f"{name} has no down.sql, and its {statement.kind} has no inverse")
        found.append(undone)
    return ";\n".join(found)
