"""Applies the units of a plan on one session that holds the migration lock, with retries.

The history row of what runs in a transaction is part of that transaction, and what is about to be committed stands in
the journal before: whether it happened can then always be looked up, also after the client or the server died.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

from msgspec.structs import replace

from operations.errors import MigrationFailed, PrivilegeMissing, StatementFailed
from operations.migration_failure import lacks_locks
from operations.migration_session import MigrationSession
from operations.migrations.script import may_use_uncommitted
from operations.piecewise import Piecewise
from operations.plan import Unit, split
from operations.segments import segments_of, whole

NOT_IN_TRANSACTION = "25001"
ONLY_TOGETHER = frozenset({"55P04", "55006"})
"""Unsafe use of a new enum value, pending trigger events: gone once the file before is committed."""


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
class Applier(MigrationSession):
    """One application of a plan; ``row_ids`` were journalled before anything was done."""

    may_restore: bool = True
    applied: list[str] = field(default_factory=list)
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
            return self._divide(unit, error)

    def _divide(self, unit: Unit, error: MigrationFailed) -> tuple[Unit, Unit]:
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
            self.attempt(lambda: self._transaction(shared), lambda: self.is_finished(shared.last))
        else:
            self._in_pieces(unit)
        self.applied += shared.unit.migrations
        return (shared.rest,) if shared.rest else ()

    def _in_pieces(self, unit: Unit) -> None:
        (name,) = unit.migrations
        script = self.scripts[name]
        Piecewise(self, name).apply((whole(script),) if unit.kind == "message" else segments_of(script))

    def _transaction(self, shared: _Shared) -> None:
        first, names = self.scripts[shared.unit.migrations[0]], shared.unit.migrations
        doubtful = may_use_uncommitted([self.scripts[name] for name in names]) if self.may_restore else ()
        self.settle_session()
        with self.committing("", 0, first.begin if len(names) == 1 else "BEGIN") as facts:
            if self.create_history:
                self.format.create_history(self.session)
            for name in names:
                if not self._share(shared, name, doubtful=name in doubtful):
                    break
            self.refuse_unrecorded(shared.unit.migrations)
            facts["migration"] = shared.last
        self.create_history = False

    def _share(self, shared: _Shared, name: str, *, doubtful: bool) -> bool:
        """Run one migration in the open transaction; false for a ``doubtful`` one that can only follow its commit."""
        self.report(name)
        began = self.context.clock.now()
        try:
            with self._savepoint() if doubtful else nullcontext(), self.in_one_piece(name):
                self._run_recorded(name, next_in_transaction=name != shared.unit.migrations[0])
        except MigrationFailed as error:
            if not doubtful or error.details.get("sqlstate") not in ONLY_TOGETHER:
                raise
            shared.keep_only(*self._divide(shared.unit, error))
            return False
        self.succeeded(name, began)
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

    def _run_recorded(self, name: str, *, next_in_transaction: bool) -> None:
        """The script and its row in one message: the way to the server and back counts where there are hundreds."""
        script = self.scripts[name]
        parsed = script.statements is not None
        if not parsed:  # in one message with its row, which of both failed could not be told
            self.run(name, script.body)
        self._settled = None
        try:
            self.format.record_run(
                self.session,
                self.settings(),
                self.row_ids[name],
                self.migrations[name],
                script if parsed else None,
                next_in_transaction=next_in_transaction,
            )
        except StatementFailed as error:
            if error.statement < len(script.body_statements):
                raise self.failed(name, error, 0) from error
            raise
