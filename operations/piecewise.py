"""Applies a migration that cannot run in one transaction: piece by piece, each of which commits whole or not at all.

Its row in the history is inserted before the first piece, and counts those that are committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from msgspec import Struct

from operations.counting import counted_outside
from operations.errors import MigrationFailed, StatementFailed
from operations.left_prepared import to_be_prepared
from operations.leftovers import Outside, drop_new_invalid_indexes, recreate_dropped_indexes
from operations.migration_session import MigrationSession
from operations.migrations.statement import Statement
from operations.outlasting import stood as stood_before
from operations.segments import Segment, commits_within
from operations.uncounted import Alone

CONCURRENT_LOCK_TIMEOUT = 600.0
"""Seconds that CREATE INDEX CONCURRENTLY and its like may wait for older transactions: nobody queues behind that."""
DROP_INDEX = "DROP INDEX"


class Piecewise(Struct, frozen=True):
    """The application of one migration."""

    held: MigrationSession
    name: str

    def apply(self, segments: Sequence[Segment]) -> None:
        """Raises ``MigrationFailed``; what was committed until then stands in history and journal."""
        held, name = self.held, self.name
        began = held.context.clock.now()
        held.settle_session()
        if held.create_history:
            self._create_history()
        held.format.record_started(held.session, held.row_ids[name], held.migrations[name])
        held.refuse_unrecorded([name])
        for number, segment in enumerate(segments, start=1):
            held.report(name)
            self._perform(number, segment)
            if number < len(segments) and not segment.in_transaction and not segment.verbatim:
                held.settle_session()
                self._record_step(number)
        if held.session.in_transaction:
            self._leave_transaction("COMMIT")
            held.keep_lock()
        held.settle_session()
        held.refuse_unrecorded([name])  # a piece can have committed a change of the history
        with held.on_history([name]):
            kept = held.format.record_finished(held.session, held.settings(), held.row_ids[name])
        if not kept:
            raise held.unrecorded([name])
        held.succeeded(name, began)

    def _create_history(self) -> None:
        with self.held.committing("", 0):
            self.held.format.create_history(self.held.session)
        self.held.create_history = False

    def _perform(self, number: int, segment: Segment) -> None:
        held = self.held
        if segment.in_transaction:
            held.attempt(
                lambda: self._grouped(number, segment), lambda: held.steps_of(self.name) >= number, in_pieces=True
            )
        elif segment.verbatim:
            held.attempt(lambda: self._verbatim(number, segment), lambda: False, attempts=1, in_pieces=True)
        else:
            self._concurrent(number, segment)

    def _grouped(self, number: int, segment: Segment) -> None:
        held = self.held
        held.settle_session()
        with held.committing(self.name, number):
            with held.in_one_piece(self.name, number):
                held.run(self.name, segment.text, segment.offset)
            held.settle_session()
            self._record_step(number)

    def _record_step(self, number: int) -> None:
        held = self.held
        with held.on_history([self.name]):
            kept = held.format.record_step(held.session, held.row_ids[self.name], number)
        if not kept:
            raise held.unrecorded([self.name])

    def _verbatim(self, number: int, segment: Segment) -> None:
        held = self.held
        if not held.session.in_transaction:
            held.settle_session()
        prepares, stood = to_be_prepared(held.session, segment.text), stood_before(held.session, segment.statements)
        held.journal.record(
            "statement", migration=self.name, piece=number, verbatim=True, prepares=prepares, stood=stood
        )
        try:
            held.run(self.name, segment.text, segment.offset)
        except MigrationFailed:
            self._leave_transaction("ROLLBACK")
            raise
        if not held.session.in_transaction:  # else its SET TRANSACTION could come too late
            held.keep_lock()

    def _leave_transaction(self, command: str) -> None:
        """End one that the file's own commands have left open."""
        if self.held.session.in_transaction:
            self.held.session.execute(command)

    def _concurrent(self, number: int, segment: Segment) -> None:
        """A statement that PostgreSQL runs outside of transactions only: what it did shows in the catalog."""
        held, (statement,) = self.held, segment.statements
        held.lift_limits()
        before = Outside.read(held.session)
        commits = commits_within(segment)
        alone = Alone.read(held.context, held.session, statement.text) if held.began_with_data else None
        held.journal.record(
            "statement",
            sync=False,  # lost with the machine, it makes the way back refuse, not err
            migration=self.name,
            piece=number,
            verbatim=commits,
            stood=stood_before(held.session, segment.statements),
            outside=before.to_json(),
            alone=alone.to_json() if alone else None,
            undo=recreate_dropped_indexes(held.session, statement) if statement.kind.startswith(DROP_INDEX) else None,
        )
        once = _Attempts(held, self.name, segment, statement, before)
        counting = counted_outside(lambda: held.session, held.journal, alone) if held.began_with_data else nullcontext()
        with counting:
            held.attempt(once.perform, once.done, attempts=1 if commits else None, in_pieces=True)


@dataclass
class _Attempts:
    """The attempts at such a statement, ``before`` which that stood."""

    held: MigrationSession
    name: str
    segment: Segment
    statement: Statement
    before: Outside
    failure: MigrationFailed | None = None
    again: bool = False

    def perform(self) -> None:
        """Raises ``MigrationFailed``, and has then dropped what it has left half-built, if that can be done."""
        held, segment = self.held, self.segment
        if self.again:
            self._clear()  # left standing, it would be taken by IF NOT EXISTS for what is to be made
        self.again = True
        held.settle_session(CONCURRENT_LOCK_TIMEOUT if self.statement.kind.endswith("CONCURRENTLY") else None)
        try:
            held.run(self.name, segment.text, segment.offset)
        except MigrationFailed as error:
            self.failure = error
            self._clear()
            raise
        held.lift_limits()
        held.keep_lock()

    def done(self) -> bool:
        """Whether it had happened when the connection was lost."""
        if commits_within(self.segment):
            return False  # what it changes shows nowhere
        self._clear()
        return not Outside.read(self.held.session).same_as(self.before)

    def _clear(self) -> None:
        """Where it cannot be done it is left to the way back: raises what the statement itself had failed by."""
        try:
            self.held.lift_limits(CONCURRENT_LOCK_TIMEOUT)
            drop_new_invalid_indexes(self.held.session, self.before, self.statement.text)
        except StatementFailed as error:
            failure = self.failure or self.held.failed(self.name, error, self.segment.offset)
            raise failure from failure.__cause__ or error
