"""A run's session that holds the migration lock, and the same again once its connection was lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from operations.advisory import MIGRATION_LET_GO, is_ours, lock_database, steady, take_again
from operations.blockers import Blocker, watching
from operations.context import Context
from operations.errors import (
    ConnectionLost,
    DatabaseUnreachable,
    HistoryConflict,
    LockHeld,
    MigrationFailed,
    StatementFailed,
)
from operations.journal import Journal
from operations.migration_failure import failed, told_of
from operations.migrations.model import Format, HistoryRow
from operations.ports import Session
from operations.retrying import retrying

RECONNECT_FOR = 60.0
_END_THE_ONE_BEFORE = """
    SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a
    WHERE a.application_name = current_setting('application_name') AND a.datname = current_database()
      AND a.usename = session_user AND a.pid <> pg_backend_pid()
"""


@dataclass
class HeldSession:
    """``row_ids`` of the history by migration; ``create_history``: whether its table is still to be made."""

    context: Context
    journal: Journal
    format: Format
    session: Session
    row_ids: Mapping[str, str]
    create_history: bool
    locked: bool = field(default=True, kw_only=True)
    """Whether ``session`` holds the migration lock."""
    notes: list[str] = field(default_factory=list, kw_only=True)
    _in_vain: bool = field(default=False, kw_only=True)
    """Whether the server was waited for until patience ended; the way back then does not wait once more."""
    _pids: dict[int, int] = field(default_factory=dict, kw_only=True)
    _settled: tuple[Session, float] | None = field(default=None, kw_only=True)

    def attempt(
        self,
        action: Callable[[], None],
        done: Callable[[], bool],
        attempts: int | None = None,
        *,
        in_pieces: bool = False,
    ) -> None:
        """Perform with retries on transient errors; after a lost connection look first whether it had happened.

        ``in_pieces``: it is a piece of a file, not the whole.
        """
        seen: tuple[Blocker, ...] = ()

        def once() -> None:
            nonlocal seen
            with watching(self.context, self._pid(), _interval(self.context.environment.lock_timeout)) as watch:
                try:
                    self._perform(action, done)
                finally:
                    seen = watch.seen or seen

        try:
            retrying(self.context, attempts)(once)
        except MigrationFailed as error:
            raise self._explained(error, seen, in_pieces) from error
        except StatementFailed as error:  # at COMMIT, or in keeping the history
            raise self._explained(failed("", error, None), seen, in_pieces) from error

    def _explained(self, error: MigrationFailed, seen: Sequence[Blocker], in_pieces: bool) -> MigrationFailed:
        from operations.time_limits import told_of_limit  # a run that succeeds need not load it

        return told_of_limit(self.context, told_of(error, seen), in_pieces=in_pieces)

    def _perform(self, action: Callable[[], None], done: Callable[[], bool]) -> None:
        try:
            action()
        except ConnectionLost:
            self.reconnect()
            if not done():
                raise

    def reconnect(self) -> None:
        """A session that holds the migration lock again: then the server process before is certainly gone.

        Raises ``LockHeld`` where somebody else has the lock by now, ``HistoryConflict`` where they have used it.
        """
        self.locked = False
        self.session.close()
        until = self.context.clock.now() + (0 if self._in_vain else RECONNECT_FOR)
        while True:
            try:
                self.session = self.context.database.connect(purpose=f"run {self.journal.run_id}")
                self.session.execute("SET ROLE NONE")  # only as who it logged in as may it surely end what was its own
                self.session.rows(_END_THE_ONE_BEFORE)
                self.session.reset(steady(self.context))
                lock_database(self.context, self.session, self.format.lock_id)
                self.locked = True
                self._refuse_interference()
                self._in_vain = False
                return
            except (DatabaseUnreachable, ConnectionLost):
                if self.context.clock.now() >= until:
                    self._in_vain = True
                    raise
                self.context.clock.sleep(0.5)

    @property
    def holds_lock(self) -> bool:
        """Whether ``session`` holds the migration lock, as the server says."""
        try:
            return self.locked and is_ours(self.session, self.format.lock_id)
        except ConnectionLost:
            return False

    def keep_lock(self) -> None:
        """After what committed by itself: a script may let go of the migration lock, which no ROLLBACK brings back."""
        if not self.holds_lock:
            self.take_again()

    def take_again(self) -> None:
        """The lock that a script has let go of.

        Raises ``LockHeld``, ``HistoryConflict`` where somebody else has it by now, or has used it meanwhile.
        """
        self.locked = False
        try:
            take_again(self.context, self.session, self.format.lock_id)
        except LockHeld as held:
            held.message = f"{MIGRATION_LET_GO}. {held.message}"
            raise
        self.locked = True
        with self.context.database.session(purpose="look") as outside:  # the own transaction may see the past alone
            outside.reset(steady(self.context))
            self._refuse_others(self.format.history(outside))
        again = "it was taken again, and nobody else had applied any of these migrations meanwhile."
        self.notes.append(f"{MIGRATION_LET_GO}: {again}")

    def _refuse_interference(self) -> None:
        """While the connection was gone the lock was free: what someone else has applied is not applied again."""
        found = self.format.history(self.session)
        self.create_history = self.create_history and found is None  # the lost answer may have been that of its COMMIT
        self._refuse_others(found)

    def _refuse_others(self, found: Sequence[HistoryRow] | None) -> None:
        ours = set(self.row_ids.values())
        others = [
            r.name for r in found or () if r.name in self.row_ids and r.id not in ours and r.rolled_back_at is None
        ]
        if others:
            raise HistoryConflict(
                f"While the migration lock was free, someone else applied {', '.join(others)}.",
                hint=f"{self.context.command} status shows what stands.",
            )

    def settle_session(self, lock_timeout: float | None = None) -> None:
        """Nothing that a script has set outlives it."""
        limit = self.context.environment.lock_timeout if lock_timeout is None else lock_timeout
        if self._settled != (self.session, limit):
            self.session.reset(self.settings(limit))
            self._settled = (self.session, limit)

    def lift_limits(self, lock_timeout: float | None = None) -> None:
        """For work of our own, which no limit of role or database must end."""
        self._settled = None
        self.session.reset(steady(self.context, lock_timeout))

    def settings(self, lock_timeout: float | None = None) -> dict[str, str]:
        """How long a statement of a script may last is up to role and database, as it is with the migration tool."""
        settings = steady(self.context, lock_timeout)
        return {name: value for name, value in settings.items() if name != "statement_timeout"}

    def _pid(self) -> int:
        """Of the session's server process; asked once, for without a pooler in between it stays the same."""
        if self._pids.get(id(self.session)) is None:
            self._pids[id(self.session)] = self.session.pid
        return self._pids[id(self.session)]

    def _row(self, name: str) -> HistoryRow | None:
        rows = self.format.history(self.session) or ()
        return next((row for row in rows if row.id == self.row_ids[name]), None)

    def is_finished(self, name: str) -> bool:
        """Whether the history says so of this run's row."""
        row = self._row(name)
        return row is not None and row.finished_at is not None

    def steps_of(self, name: str) -> int:
        """How many pieces of the migration the history says are committed."""
        row = self._row(name)
        return row.applied_steps if row else 0


def _interval(lock_timeout: float) -> float:
    """Often enough that a wait is seen before its time-out ends it."""
    return min(0.5, lock_timeout / 4)
