"""Applies the units of a plan on one session that holds the migration lock, with retries.

The history row of what runs in a transaction is part of that transaction, and what is about to be committed stands in
the journal before: whether it happened can then always be looked up, also after the client or the server died.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from msgspec.structs import replace

from operations.counting import MigrationLock, announced, counted, counted_outside
from operations.errors import (
    HistoryConflict,
    MigrationFailed,
    PrivilegeMissing,
    StatementFailed,
)
from operations.held_session import HeldSession
from operations.left_prepared import to_be_prepared
from operations.leftovers import Outside, drop_new_invalid_indexes, recreate_dropped_indexes
from operations.migration_failure import failed, history_changed, lacks_locks, spot
from operations.migrations.model import Migration
from operations.migrations.script import Script, may_use_uncommitted
from operations.outlasting import stood as stood_before
from operations.plan import Unit, split
from operations.ports import Progress
from operations.segments import Segment, commits_within, segments_of, whole
from operations.uncounted import Alone

NOT_IN_TRANSACTION = "25001"
ONLY_TOGETHER = frozenset({"55P04", "55006"})
"""Unsafe use of a new enum value, pending trigger events: gone once the file before is committed."""
CONCURRENT_LOCK_TIMEOUT = 600.0
"""Seconds that CREATE INDEX CONCURRENTLY and its like may wait for older transactions: nobody queues behind that."""
DROP_INDEX = "DROP INDEX"


@dataclass
class _Shared:
    """The migrations of a transaction, and those that turned out to be able only to follow it."""

    unit: Unit
    rest: Unit | None = None

    @property
    def last(self) -> str:
        return self.unit.migrations[-1]

    def keep_only(self, first: Unit, rest: Unit) -> None:
        """What an earlier attempt had found to come later still does."""
        behind = self.rest.migrations if self.rest else ()
        self.unit, self.rest = first, replace(rest, migrations=(*rest.migrations, *behind))


@dataclass
class Applier(HeldSession):
    """One application of a plan; ``row_ids`` were journalled before anything was done."""

    migrations: Mapping[str, Migration]
    scripts: Mapping[str, Script]
    may_restore: bool = True
    began_with_data: bool = True
    """False where the database was empty: there, changes of the schema by others are not looked for."""
    applied: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    """How long each migration took, without waiting for its commit where it shares a transaction."""
    divided: bool = False

    def apply(self, unit: Unit) -> None:
        """Apply one unit. Raises ``MigrationFailed``; what it had committed until then stands in the journal."""
        left = [unit]
        while left:
            left[:0] = self._begin_with(left.pop(0))

    def _begin_with(self, unit: Unit) -> tuple[Unit, ...]:
        """Apply a unit, or what of it can be; returns what is left to be applied."""
        try:
            return self._apply(unit)
        except MigrationFailed as error:
            sqlstate = error.details.get("sqlstate")
            together = len(unit.migrations) > 1 and (sqlstate in ONLY_TOGETHER or lacks_locks(error))
            if (sqlstate == NOT_IN_TRANSACTION or together) and not self.may_restore:
                raise PrivilegeMissing(
                    f"{error.message} So it would take more than one transaction, and the role could not restore the "
                    "database if that failed half-way.",
                    hint="ALTER ROLE … CREATEDB for the role of the database URL, which must own the database.",
                ) from error
            unparsed = self.scripts[unit.migrations[0]].statements is None
            if sqlstate == NOT_IN_TRANSACTION and unparsed and unit.kind == "transaction":
                self.notes.append(f"{unit.migrations[0]} was sent as one message: {error.details['reason']}.")
                return (replace(unit, kind="message"),)
            if not together:
                raise
            return self._divided(unit, error)

    def _divided(self, unit: Unit, error: MigrationFailed) -> tuple[Unit, Unit]:
        self.divided = True
        at = error.details["migration"]
        if lacks_locks(error):  # others need some as well
            at = unit.migrations[max(1, (unit.migrations.index(at) if at else len(unit.migrations)) // 2)]
        self.notes.append(
            f"{at} cannot share a transaction with the migrations before it "
            f"({error.details['sqlstate']}: {error.details['reason']}), so those were committed first."
        )
        return split(unit, at)

    def _apply(self, unit: Unit) -> tuple[Unit, ...]:
        shared = _Shared(unit)
        if unit.kind == "transaction":
            self._attempt(lambda: self._transaction(shared), lambda: self._finished(shared.last))
        else:
            self._piecewise(unit)
        self.applied += shared.unit.migrations
        return (shared.rest,) if shared.rest else ()

    def _transaction(self, shared: _Shared) -> None:
        first, names = self.scripts[shared.unit.migrations[0]], shared.unit.migrations
        doubtful = may_use_uncommitted([self.scripts[name] for name in names]) if self.may_restore else ()
        self._settle_session()
        with self._committing("", 0, first.begin if len(names) == 1 else "BEGIN") as facts:
            if self.create_history:
                self.format.create_history(self.session)
            for name in names:
                if not self._share(shared, name, doubtful=name in doubtful):
                    break
            self._refuse_unrecorded(shared.unit.migrations)
            facts["migration"] = shared.last
        self.create_history = False

    def _refuse_unrecorded(self, names: Sequence[str]) -> None:
        """What the history does not tell of would be applied once more, and could not be told from the old state."""
        with self._on_history(names):
            found = self.format.recorded(self.session, [self.row_ids[name] for name in names])
        missing = [name for name in names if self.row_ids[name] not in found]
        if missing:
            raise self._unrecorded(missing)

    @contextmanager
    def _on_history(self, names: Sequence[str]) -> Iterator[None]:
        """It was as it should be when the run began: what makes it unusable since is one of these migrations."""
        try:
            yield
        except HistoryConflict as error:
            speaking = [name for name in names if self.format.history_table in self.scripts[name].text]
            raise history_changed(speaking or names, error) from error

    def _unrecorded(self, names: Sequence[str]) -> HistoryConflict:
        return HistoryConflict(
            f"The history does not keep what is written to it of {', '.join(names)}: a trigger or a rule of the"
            " history table, or a migration, removes it.",
            hint=f"Look at \\d {self.format.history_table}, and at the migrations for what they do with it.",
        )

    def _share(self, shared: _Shared, name: str, *, doubtful: bool) -> bool:
        """Run one migration in the open transaction; false for a ``doubtful`` one that can only follow its commit."""
        self._report(name)
        began = self.context.clock.now()
        try:
            with self._savepoint() if doubtful else nullcontext(), self._in_one_piece(name):
                self._run_recorded(name, next_in_transaction=name != shared.unit.migrations[0])
        except MigrationFailed as error:
            if not doubtful or error.details.get("sqlstate") not in ONLY_TOGETHER:
                raise
            shared.keep_only(*self._divided(shared.unit, error))
            return False
        self.seconds[name] = self.context.clock.now() - began
        self._settled = (self.session, self.context.environment.lock_timeout)
        return True

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        """What failed is undone, but not what came before it: no migration need be run twice."""
        self.session.execute("SAVEPOINT one_migration")
        try:
            yield
        except MigrationFailed:
            self.session.execute("ROLLBACK TO SAVEPOINT one_migration")
            raise
        self.session.execute("RELEASE SAVEPOINT one_migration")

    def _piecewise(self, unit: Unit) -> None:
        (name,) = unit.migrations
        began = self.context.clock.now()
        self._settle_session()
        if self.create_history:
            self._create_history()
        self.format.record_started(self.session, self.row_ids[name], self.migrations[name])
        self._refuse_unrecorded(unit.migrations)
        script = self.scripts[name]
        segments = (whole(script),) if unit.kind == "message" else segments_of(script)
        for number, segment in enumerate(segments, start=1):
            self._report(name)
            self._piece(name, number, segment)
            if number < len(segments) and not segment.in_transaction and not segment.verbatim:
                self._settle_session()
                self._record_step(name, number)
        if self.session.in_transaction:
            self._leave_transaction("COMMIT")
            self._keep_lock()
        with self._on_history([name]):
            kept = self.format.record_finished(self.session, self._settings(), self.row_ids[name])
        if not kept:
            raise self._unrecorded([name])
        self.seconds[name] = self.context.clock.now() - began
        self._settled = (self.session, self.context.environment.lock_timeout)

    def _piece(self, name: str, number: int, segment: Segment) -> None:
        if segment.in_transaction:
            self._attempt(lambda: self._grouped(name, number, segment), lambda: self._steps(name) >= number)
        elif segment.verbatim:
            self._attempt(lambda: self._verbatim(name, number, segment), lambda: False, attempts=1)
        else:
            self._concurrent(name, number, segment)

    def _grouped(self, name: str, number: int, segment: Segment) -> None:
        self._settle_session()
        with self._committing(name, number):
            with self._in_one_piece(name, number):
                self._run(name, segment.text, segment.offset)
            self._settle_session()
            self._refuse_unrecorded([name])
            self._record_step(name, number)

    def _record_step(self, name: str, number: int) -> None:
        with self._on_history([name]):
            kept = self.format.record_step(self.session, self.row_ids[name], number)
        if not kept:
            raise self._unrecorded([name])

    def _verbatim(self, name: str, number: int, segment: Segment) -> None:
        if not self.session.in_transaction:
            self._settle_session()
        prepares, stood = to_be_prepared(self.session, segment.text), stood_before(self.session, segment.statements)
        self.journal.record("statement", migration=name, piece=number, verbatim=True, prepares=prepares, stood=stood)
        try:
            self._run(name, segment.text, segment.offset)
        except MigrationFailed:
            self._leave_transaction("ROLLBACK")
            raise
        if not self.session.in_transaction:  # else its SET TRANSACTION could come too late
            self._keep_lock()

    def _leave_transaction(self, command: str) -> None:
        """End one that the file's own commands have left open."""
        if self.session.in_transaction:
            self.session.execute(command)

    def _concurrent(self, name: str, number: int, segment: Segment) -> None:
        """A statement that PostgreSQL runs outside of transactions only: what it did shows in the catalog."""
        before, (statement,) = Outside.read(self.session), segment.statements
        commits = commits_within(segment)
        alone = Alone.read(self.context, self.session, statement.text) if self.began_with_data else None
        self.journal.record(
            "statement",
            sync=False,  # lost with the machine, it makes the way back refuse, not err
            migration=name,
            piece=number,
            verbatim=commits,
            stood=stood_before(self.session, segment.statements),
            outside=before.to_json(),
            alone=alone.to_json() if alone else None,
            undo=recreate_dropped_indexes(self.session, statement) if statement.kind.startswith(DROP_INDEX) else None,
        )

        def perform() -> None:
            self._settle_session(CONCURRENT_LOCK_TIMEOUT if statement.kind.endswith("CONCURRENTLY") else None)
            try:
                self._run(name, segment.text, segment.offset)
            except MigrationFailed:
                drop_new_invalid_indexes(self.session, before, statement.text)
                raise
            self._keep_lock()

        def done() -> bool:
            if commits:
                return False  # what it changes shows nowhere
            drop_new_invalid_indexes(self.session, before, statement.text)
            return not Outside.read(self.session).same_as(before)

        counting = counted_outside(lambda: self.session, self.journal, alone) if self.began_with_data else nullcontext()
        with counting:
            self._attempt(perform, done, attempts=1 if commits else None)

    def _create_history(self) -> None:
        with self._committing("", 0):
            self.format.create_history(self.session)
        self.create_history = False

    @contextmanager
    def _committing(self, name: str, piece: int, begin: str = "BEGIN") -> Iterator[dict[str, Any]]:
        """A transaction whose own writes stand in the journal just before it commits, or when it has failed."""
        if self.began_with_data:
            announced(self.session, self.journal)
        lock = MigrationLock(self.format.lock_id, self._take_again)
        with counted(self.session, self.journal, lock, begin, "committing", migration=name, piece=piece) as facts:
            yield facts

    @contextmanager
    def _in_one_piece(self, name: str, piece: int = 1) -> Iterator[None]:
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

    def _run_recorded(self, name: str, *, next_in_transaction: bool) -> None:
        """The script and its row in one message: the way to the server and back counts where there are hundreds."""
        script = self.scripts[name]
        statements = len(script.body_statements)
        if script.statements is None:  # what failed could not be told
            self._run(name, script.body)
        self._settled = None
        try:
            with self._on_history([name]):
                self.format.record_run(
                    self.session,
                    self._settings(),
                    self.row_ids[name],
                    self.migrations[name],
                    script="" if script.statements is None else script.body,
                    statements=statements,
                    next_in_transaction=next_in_transaction,
                )
        except StatementFailed as error:
            if error.statement < statements:
                raise self._failed(name, error, 0) from error
            raise

    def _run(self, name: str, text: str, offset: int = 0) -> None:
        self._settled = None
        try:
            self.session.script(text)
        except StatementFailed as error:
            raise self._failed(name, error, offset) from error

    def _report(self, name: str) -> None:
        self.context.report(Progress(f"applying {name}", self._numbers[name], len(self._numbers), "migrations"))

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.row_ids)}

    def _failed(self, name: str, error: StatementFailed, offset: int) -> MigrationFailed:
        file = f"{self.context.environment.migrations}/{self.migrations[name].file}"
        return failed(name, error, spot(self.scripts[name], file, error, offset))
