"""Start-up of an application's container: wait for the database, look, apply what is pending once, however many start.

Replicas keep each other out by the locks that every run takes: the host's, where they share the backup directory, and
the database's own in any case. Who finds one held waits and looks again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from operations.context import Context
from operations.errors import (
    ClientToolsMissing,
    ConfigurationError,
    LockHeld,
    LocktenderError,
    MigrationFailed,
    NeedsAttention,
)
from operations.journal import RunRecord, latest
from operations.last_run import LOOKED_AT
from operations.migrations import formats
from operations.reality import MIGRATING
from operations.status import StatusResult, status
from operations.transient import may_pass
from operations.waiting import Repeating, Tell, wait_for_database

if TYPE_CHECKING:
    from operations.outcome import DeployResult

Mode = Literal["apply", "check_only", "no_apply"]
Outcome = Literal["up_to_date", "applied", "not_applied", "not_ready"]
Step = Literal["ready", "wait", "apply"]
POLL, POLL_GROWTH, LONGEST_POLL = 0.2, 1.2, 2.0
"""Seconds between two looks at whether others are done."""
FIRST_PAUSE = 2.0
"""Seconds after the first failed attempt; doubled after each."""
FAILED = ("rolled_back", "needs_attention")


class Limits(Struct, frozen=True):
    """Of a start. Times in seconds; ``attempts`` are whole runs, each with a restore point and a way back."""

    timeout: float = 60.0
    wait_for_others: float = 600.0
    attempts: int = 3


class StartResult(Struct, frozen=True):
    """How a start ended; the application is to be started unless it is ``not_ready``.

    ``up_to_date``: nothing was to be done, or others have done it; ``applied``: by this start; ``not_applied``:
    something is pending or wrong (``problems``), and it was asked to start all the same.
    """

    outcome: Outcome
    waited_seconds: float
    """Until the database answered."""
    pending: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    applied: tuple[str, ...] = ()
    run_id: str | None = None
    backup_id: str | None = None
    attempts: int = 0


def start(context: Context, mode: Mode, limits: Limits, tell: Tell) -> StartResult:
    """Bring the database to what the folder says, or (other modes) only look whether it is.

    Raises what waiting for the database raises, ``LockHeld`` when others take too long, and what ``apply`` raises:
    once a run has begun, its ``DeployResult`` is in ``details["result"]``.
    """
    _refuse_elsewhere(context)
    before = frozenset(record.run_id for record in latest(context, LOOKED_AT) if record.finished)
    waited = wait_for_database(context, limits.timeout, tell)
    tell(f"{context.database.target} answered after {waited:.1f} s")
    if mode == "apply":
        return _Start(context, limits, tell, before, waited).bring_up_to_date()
    found = status(context)
    problems = tuple(problems_of(found, allow_edited=context.environment.allow_edited))
    outcome: Outcome = "not_applied" if mode == "no_apply" else "not_ready"
    return StartResult(outcome if problems else "up_to_date", waited, found.pending, problems)


def _refuse_elsewhere(context: Context) -> None:
    """Paths and database of such an environment are meant as the server sees them, not a container on it."""
    section = "server" if context.environment.server else "app" if context.environment.app else None
    if section:
        raise ConfigurationError(
            f"Environment {context.environment.name!r} has a section [{section}]: it says how the server is reached and"
            " its application is run, and start works inside of that.",
            hint="Give the container a file of its own (LOCKTENDER_CONFIG) with database_url, migrations and backup_dir"
            " as they are in there; or none, but LOCKTENDER_DATABASE_URL, _MIGRATIONS and _BACKUP_DIR.",
        )


def next_step(found: StatusResult, *, allow_edited: bool) -> Step:
    """What to do about it. ``apply`` also where it will be refused: under the locks it is known for certain."""
    if _at_work(found):
        return "wait"
    return "apply" if any(problems_of(found, allow_edited=allow_edited)) else "ready"


def problems_of(found: StatusResult, *, allow_edited: bool) -> Sequence[str]:
    """Why the application would not find what its migrations say, as sentences. What is missing in the folder is no
    reason: it was made by a newer version, and this one is an older one that was started again."""
    edited = () if allow_edited else found.edited
    named = {"pending": found.pending, "failed": found.failed, "edited": edited, "interrupted": found.interrupted}
    said = [f"{what}: {', '.join(names)}" for what, names in named.items() if names]
    if _at_work(found) and found.last_run:
        said.append(f"{found.last_run.operation} {found.last_run.run_id} is at work")
    return said


def failures_of_others(
    records: Sequence[RunRecord], before: frozenset[str], checksums: Mapping[str, str | None]
) -> tuple[RunRecord, ...]:
    """Runs that ended since ``before`` without success in applying the very same files, the newest first."""
    return tuple(
        record
        for record in records
        if record.operation in MIGRATING
        and record.run_id not in before
        and record.outcome in FAILED
        and record.first("run_started").get("migrations") == checksums
    )


def _at_work(found: StatusResult) -> bool:
    return found.last_run is not None and found.last_run.outcome == "running"


@dataclass
class _Start:
    """A start that applies."""

    context: Context
    limits: Limits
    tell: Tell
    before: frozenset[str]
    """Runs that had ended when this start began."""
    waited: float
    attempts: int = 0
    _others_until: float | None = None
    _pause: float = POLL
    _log: Repeating = field(init=False)

    def __post_init__(self) -> None:
        self._log = Repeating(self.context, self.tell)

    def bring_up_to_date(self) -> StartResult:
        """Look, and apply or wait, until there is nothing left to do."""
        while True:
            try:
                result = self._once()
            except LockHeld as held:
                self._await_others(held)
            except LocktenderError as error:
                self._prepare_another_attempt(_with_advice(error))
            else:
                if result:
                    return result

    def _once(self) -> StartResult | None:
        found, allow_edited = status(self.context), self.context.environment.allow_edited
        problems = problems_of(found, allow_edited=allow_edited)
        step = next_step(found, allow_edited=allow_edited)
        if step == "ready":
            self._tell_missing(found)
            return StartResult("up_to_date", self.waited, attempts=self.attempts)
        if step == "wait":
            raise LockHeld(
                f"Someone else is at work on {self.context.database.target}: {problems[-1]}.",
                hint=f"{self.context.command} status shows what stands.",
                prisma_code="P1002",
            )
        self._give_up_with_others(found)
        self.tell("; ".join(problems))
        return self._applied(self._apply())

    def _apply(self) -> DeployResult:
        from operations.apply import apply  # with the parser, which a start that has nothing to do need not load

        return apply(self.context)

    def _applied(self, run: DeployResult) -> StartResult:
        for note in run.notes:
            self.tell(note)
        if run.outcome == "nothing_to_do":
            return StartResult("up_to_date", self.waited, attempts=self.attempts)
        return StartResult(
            "applied",
            self.waited,
            applied=run.applied,
            run_id=run.run_id,
            backup_id=run.backup_id,
            attempts=self.attempts + 1,
        )

    def _await_others(self, held: LockHeld) -> None:
        now = self.context.clock.now()
        if self._others_until is None:
            self._others_until = now + self.limits.wait_for_others
        if now >= self._others_until:
            held.message += f" It was waited for {self.limits.wait_for_others:.0f} s."
            raise held
        self._log.tell(f"waiting for others: {held.message}")
        self.context.clock.sleep(min(self._pause, self._others_until - now))
        self._pause = min(self._pause * POLL_GROWTH, LONGEST_POLL)

    def _prepare_another_attempt(self, error: LocktenderError) -> None:
        """Raise the error where another attempt cannot help, or was the last."""
        self.attempts += 1
        if self.attempts >= self.limits.attempts or not may_pass(error):
            raise error
        pause = FIRST_PAUSE * 2 ** (self.attempts - 1)
        made = f"attempt {self.attempts} of {self.limits.attempts} failed, the next in {pause:.0f} s"
        self.tell(f"{made}: {error.message}")
        self.context.clock.sleep(pause)
        wait_for_database(self.context, self.limits.timeout, self.tell)

    def _give_up_with_others(self, found: StatusResult) -> None:
        """What another replica has tried in vain meanwhile, with the same files, counts as tried."""
        files, folder = self.context.files, self.context.environment.migrations
        pending = set(found.pending)
        checksums = {m.name: m.checksum for m in formats.detect(files, folder).read(files, folder) if m.name in pending}
        failed = failures_of_others(latest(self.context, LOOKED_AT), self.before, checksums)
        if not failed:
            return
        end, undone = failed[0].last("run_finished"), failed[0].outcome == "rolled_back"
        if undone and end.get("may_pass") and len(failed) < self.limits.attempts:
            return
        raise (MigrationFailed if undone else NeedsAttention)(
            f"Run {failed[0].run_id} of another start has failed with the same migrations: {end.get('error')}",
            hint=f"{self.context.command} status shows what stands.",
        )

    def _tell_missing(self, found: StatusResult) -> None:
        if found.missing:
            self.tell(f"applied, but not in this version's folder: {', '.join(found.missing)}")


def _with_advice(error: LocktenderError) -> LocktenderError:
    """Client tools are usually missing because an application's image has none."""
    if isinstance(error, ClientToolsMissing):
        error.hint = (
            f"In a container: build the application's image on Locktender's, which has them, or install them in it "
            f"({error.hint}). Or deploy from outside, and start with --no-apply."
        )
    return error
