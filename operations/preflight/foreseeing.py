"""The preflight: the pending migrations' demands tried on the rows that are there, read-only and within limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from operations.context import Context
from operations.errors import StatementFailed
from operations.migrations.script import Script
from operations.ports import Progress, Row, Session
from operations.preflight.model import Failing, Foreseen, Probe, Untried, untried
from operations.preflight.probing import Step, probes, steps
from operations.preflight.survey import survey
from operations.preflight.words import fault_of_a_value, reason

BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY"
LOCK_TIMEOUT = 500
"""Milliseconds to wait for a table that somebody holds; nobody waits behind us for longer."""
_NOTHING = Foreseen()


def foresee(context: Context, session: Session, scripts: Sequence[Script]) -> Foreseen:
    """What existing rows would make fail of the scripts, as far as it can be told. Writes nothing.

    A table is locked for no longer than its own question takes, and only against changes of its schema.
    """
    if context.environment.preflight.mode == "off":
        return _NOTHING
    every = steps(scripts)
    if not every:
        return _NOTHING
    try:
        with session.transaction(BEGIN):
            asking = _Asking(context, session)
            return asking.all(asking.planned(every))
    except StatementFailed as error:
        return Foreseen(notes=(f"Existing rows were not tried beforehand: {reason(error.sqlstate)}.",))


@dataclass
class _Asking:
    """One preflight, in the transaction that is open."""

    context: Context
    session: Session
    failing: list[Failing] = field(default_factory=list)
    untried: list[Untried] = field(default_factory=list)
    passed: int = 0

    def planned(self, every: Sequence[Step]) -> Sequence[Probe | Untried]:
        limits = self.context.environment.preflight
        self.session.script(f"SET LOCAL statement_timeout TO {_milliseconds(limits.each)}; {_LOCKS}")
        return tuple(probes(every, survey(self.session, [step.node for step in every if step.node is not None])))

    def all(self, planned: Sequence[Probe | Untried]) -> Foreseen:
        limits = self.context.environment.preflight
        until = self.context.clock.now() + limits.in_all
        for number, one in enumerate(planned):
            if isinstance(one, Untried):
                self.untried.append(one)
                continue
            self.context.report(Progress("trying existing rows", number, len(planned), "questions"))
            left = min(limits.each, until - self.context.clock.now())
            if left <= 0:
                self.untried.append(untried(one.spot, f"all together would take longer than {limits.in_all:g} s"))
            else:
                self._one(one, left)
        return Foreseen(tuple(dict.fromkeys(self.failing)), tuple(dict.fromkeys(self.untried)), self.passed)

    def _one(self, probe: Probe, seconds: float) -> None:
        try:
            row = self._ask(probe.sql, seconds)
        except StatementFailed as error:
            self._refused(probe, error, seconds)
            return
        if probe.is_cast or not row[0]:
            self.passed += 1
        else:
            self.failing.append(_failing(probe, row[0], row[1]))

    def _refused(self, probe: Probe, error: StatementFailed, seconds: float) -> None:
        if probe.is_cast and (what := fault_of_a_value(error.sqlstate)):
            self.failing.append(self._counted(probe, what, seconds))
        elif error.sqlstate == "57014":
            self.untried.append(untried(probe.spot, f"it would take longer than {seconds:.3g} s"))
        else:
            self.untried.append(untried(probe.spot, reason(error.sqlstate)))

    def _counted(self, probe: Probe, what: str, seconds: float) -> Failing:
        """How many rows they are, where that can be told; the first one is known of anyway."""
        try:
            found = self._ask(probe.counted, seconds) if probe.counted else (0, False)
        except StatementFailed:
            found = (0, False)
        return _failing(probe, found[0] or None, found[1], f"{probe.wrong} ({what})")

    def _ask(self, sql: str, seconds: float) -> Row:
        """Within a savepoint, so that the transaction outlives an error, and the locks do not outlive the answer."""
        self.session.script(f"SAVEPOINT asking; SET LOCAL statement_timeout TO {_milliseconds(seconds)}")
        try:
            return self.session.rows(sql)[0]
        finally:
            self.session.script("ROLLBACK TO SAVEPOINT asking; RELEASE SAVEPOINT asking")


_LOCKS = f"SET LOCAL lock_timeout TO {LOCK_TIMEOUT}"


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _failing(probe: Probe, rows: int | None, more: bool, wrong: str | None = None) -> Failing:
    spot = probe.spot
    place = spot.file, spot.line, spot.column, spot.statement, spot.table
    return Failing(*place, probe.kind, wrong or probe.wrong, rows, more, probe.look)
