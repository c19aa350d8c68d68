"""Undo migrations by their ``down.sql`` or by the inverse of each statement, in one transaction, and only with proof.

The proof, before the commit: the schema's fingerprint is what it was at the restore point, and so are the rows of every
table that stood there and that the runs or the scripts can have changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct

from operations import catalog, writes
from operations.advisory import UNDOING_LETS_GO, steady, take_again
from operations.context import Context
from operations.counting import MigrationLock, announced, counted, locked
from operations.down_scripts import Down, NotThisWay, downs_of
from operations.errors import StatementFailed
from operations.journal import Journal
from operations.leftovers import Outside, drop_new_invalid_indexes
from operations.migrations.model import Format, HistoryRow, Migration
from operations.migrations.script import read_script
from operations.own_writes import written_by_others
from operations.piecewise import CONCURRENT_LOCK_TIMEOUT
from operations.ports import Session
from operations.quoting import identifier
from operations.retrying import retrying
from operations.segments import segments_of
from operations.traces import RestorePoint, Trace
from operations.uncounted import LAG
from operations.writes import Counters, Written

if TYPE_CHECKING:
    from operations.down_proof import Proof


class Undoing(Struct, frozen=True):
    """What is to be undone: ``traces``, newest first, on a ``session`` that holds the migration lock.

    ``completed``: one of the runs had come to its end, so that applications may use what it had added.
    ``same_database``: it is the one that the runs were in, not one that was swapped in since.
    """

    context: Context
    journal: Journal
    traces: Sequence[Trace]
    session: Session
    format: Format
    completed: bool
    accept_data_loss: bool
    same_database: bool

    @property
    def point(self) -> RestorePoint:
        """Where the way back leads; raises ``NotThisWay``."""
        point = self.traces[-1].restore_point
        if point is None:
            raise NotThisWay("there is no restore point to compare with")
        return point

    def written(self) -> Written:
        """What others have written since the restore point, as far as their counts are in by now."""
        return written_since(self.context, self.traces[-1], self.session, self.format, self.same_database)

    def settle_session(self, lock_timeout: float | None = None) -> None:
        """Nothing that a script has set outlives it."""
        self.session.reset(steady(self.context, lock_timeout))


def written_since(context: Context, origin: Trace, session: Session, format: Format, same_database: bool) -> Written:
    """What others have written since the restore point of ``origin``."""
    if not same_database:
        return Written.unknown("the database was replaced since that run, by a restore or a rollback")
    return written_by_others(context, origin, session, writes.counters(session), format.history_table)


def go_down(undoing: Undoing) -> bool:
    """Undo the runs by scripts; returns whether nothing was lost by it.

    Raises ``NotThisWay``, with the database as it was, where that cannot be done or proven.
    """
    rows = {row.id: row for row in undoing.format.history(undoing.session) or ()}
    refused = NotThisWay("there is nothing to do it by")
    for downs in _ways(undoing, rows):
        try:
            return _go(undoing, rows, downs)
        except NotThisWay as error:
            refused = error
    raise refused


def _ways(undoing: Undoing, rows: Mapping[str, HistoryRow]) -> Iterator[tuple[Down, ...]]:
    """By inverses wherever there are, for they lose no rows; then by what people wrote, where that is another way."""
    context = undoing.context
    folder = {m.name: m for m in undoing.format.read(context.files, context.environment.migrations)}
    in_doubt = {trace.run_id: _in_doubt(undoing, trace, rows, folder) for trace in undoing.traces}

    def way(written_first: bool) -> tuple[Down, ...]:
        return tuple(
            down
            for trace in undoing.traces
            for down in downs_of(trace, rows, folder, in_doubt[trace.run_id], written_first=written_first)
        )

    first = way(written_first=False)
    yield first
    second = way(written_first=True)
    if second != first:
        yield second


def _go(undoing: Undoing, rows: Mapping[str, HistoryRow], downs: Sequence[Down]) -> bool:
    context = undoing.context
    patient = undoing.completed or any(down.compare_all for down in downs)
    lagging = _lagging(context, undoing.session, LAG if patient else 0.0)
    attempt = _Attempt(undoing, rows, downs, undoing.written(), bool(lagging))
    try:
        return retrying(context)(attempt.perform)
    except StatementFailed as error:
        raise NotThisWay(f"undoing it by script failed ({error.message})") from error


def _lagging(context: Context, session: Session, patience: float) -> tuple[str, ...]:
    """Sessions whose counts are not in yet, after waiting for those that have only just become idle."""
    until = context.clock.now() + patience
    while (found := writes.lagging(session)) and context.clock.now() < until:
        context.clock.sleep(0.5)
    return found


def _in_doubt(undoing: Undoing, trace: Trace, rows: Mapping[str, HistoryRow], folder: Mapping[str, Migration]) -> int:
    """How many pieces were done without being recorded: one, if the last statement outside of transactions was."""
    if not trace.statements or "outside" not in trace.statements[-1]:
        return 0
    last = trace.statements[-1]
    row = rows.get(trace.row_ids[last["migration"]])
    if row is None or row.finished_at is not None or row.applied_steps >= last["piece"]:
        return 0
    before = Outside.from_json(last["outside"])
    undoing.settle_session(CONCURRENT_LOCK_TIMEOUT)
    try:
        drop_new_invalid_indexes(undoing.session, before, _text(last["migration"], last["piece"], folder))
    except StatementFailed as error:
        raise NotThisWay(f"an index that was left half-built could not be dropped ({error.message})") from error
    return 0 if Outside.read(undoing.session).same_as(before) else 1


def _text(name: str, piece: int, folder: Mapping[str, Migration]) -> str:
    """The statement that was the migration's piece of that number; empty where the folder no longer tells."""
    migration = folder.get(name)
    script = read_script(name, (migration.script if migration else None) or "")
    pieces = segments_of(script) if script.statements else ()
    return pieces[piece - 1].text if piece <= len(pieces) else ""


class _Attempt(Struct, frozen=True, dict=True):
    undoing: Undoing
    rows: Mapping[str, HistoryRow]
    downs: Sequence[Down]
    written: Written
    lagging: bool

    @cached_property
    def inverses_only(self) -> bool:
        return not any(down.compare_all for down in self.downs)

    @cached_property
    def proof(self) -> Proof:
        """With all that it needs of the host."""
        from operations import down_proof  # as in ``undoing``: a deploy that succeeds need not load it

        context, traces, point = self.undoing.context, self.undoing.traces, self.undoing.point
        runs, before = down_proof.runs_of(context, traces), down_proof.manifest_of(context, point)
        session, format = self.undoing.session, self.undoing.format
        return down_proof.Proof(context, session, format, traces, self.rows, point, runs, before)

    def perform(self) -> bool:
        undoing, session, proof = self.undoing, self.undoing.session, self.proof
        place = undoing.format.place(session)
        undoing.settle_session()
        runs = [trace.run_id for trace in undoing.traces]
        announced(session, undoing.journal)
        lock = MigrationLock(undoing.format.lock_id, self._let_go)
        with counted(session, undoing.journal, lock, "BEGIN", "undoing", method="down", runs=runs):
            unused = self.inverses_only and not undoing.completed and proof.only_ours()
            for down in self.downs:
                self._run(down)
            self._forget(place)
            own = writes.own(session)
            lossless = self._loses_nothing(own, unused)
            if not (lossless or undoing.accept_data_loss):
                raise NotThisWay(self._at_risk())
            if catalog.read(session, frozenset({place})).fingerprint != undoing.point.fingerprint:
                raise NotThisWay("after undoing it by script the schema would not be what it was")
            proof.prove_rows(own, inverses_only=self.inverses_only)
            undoing.settle_session()
        return lossless

    def _run(self, down: Down) -> None:
        if not down.script.strip():
            return
        if not read_script(down.migration, down.script).verdict.atomic:
            raise NotThisWay(f"the script that undoes {down.migration} cannot run in a transaction")
        self.undoing.session.script(down.script)
        self.undoing.settle_session()

    def _let_go(self) -> None:
        """What comes instead needs the lock, too: no ROLLBACK brings it back. Raises ``LockHeld``, ``NotThisWay``."""
        take_again(self.undoing.context, self.undoing.session, self.undoing.format.lock_id)
        raise NotThisWay(UNDOING_LETS_GO)

    def _forget(self, place: tuple[str, str]) -> None:
        format, session = self.undoing.format, self.undoing.session
        ids = [row_id for trace in self.undoing.traces for row_id in trace.row_ids.values()]
        if format.history(session) is None:
            return
        format.forget(session, ids)
        if not self.undoing.point.had_history and not format.history(session):
            session.execute(f"DROP TABLE {identifier(*place)}")

    def _loses_nothing(self, own: Counters, unused: bool) -> bool:
        """Whether everything that others wrote is still there afterwards.

        Inverses leave all rows alone but those in what the runs had added. ``unused``: nobody has put any there.
        Otherwise what others wrote must certainly lie in tables that the scripts left alone.
        """
        history = self.undoing.format.history_table
        if unused and not own.without(history).tables():
            return True
        changed = locked(self.undoing.session, without=history)
        return not changed or (self.written.only_outside(changed) and not self.lagging)

    def _at_risk(self) -> str:
        if self.lagging and self.written.certain_none:
            return "sessions that are at work may have written to tables that undoing it would change"
        if self.written.certain_none:
            return "tables that the run had added hold other rows than it had put there"
        return f"others have written to tables that undoing it would change ({self.written})"
