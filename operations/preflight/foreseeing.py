"""The preflight: the pending migrations' demands tried on the rows that are there, read-only and within limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from operations.context import Context
from operations.errors import LocktenderError, StatementFailed
from operations.fixed_settings import NAMES, ROWS, set_local, without_limits
from operations.migrations.script import Script
from operations.ports import Progress, Row, Session
from operations.preflight.model import Failing, Foreseen, Probe, Untried, untried
from operations.preflight.probing import probes, steps
from operations.preflight.sqlstates import fault_of_a_value, reason
from operations.preflight.survey import survey
from operations.taken_back import taken_back

BEGIN = f"""
    BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
    {set_local({"idle_in_transaction_session_timeout": "5min"})};
    {without_limits("transaction_timeout", local=True)}
"""
"""In one message, so that no limit of the role's can end the session; ours ends one that nobody is behind any more."""
LOCKS = {"lock_timeout": "500ms"}
"""To wait for a table that somebody holds; nobody waits behind us for longer."""
_NOTHING = Foreseen()


def foresee(context: Context, session: Session, scripts: Mapping[str, Script]) -> Foreseen:
    """What existing rows would make fail of the scripts, as far as it can be told. Writes nothing.

    ``scripts`` are by their files below the migrations folder, in the order of their application. A table is locked
    for no longer than its own question takes, and only against changes of its schema.
    """
    if context.environment.preflight.mode == "off":
        return _NOTHING
    try:
        return _Asking(context, session).foreseen(scripts)
    except StatementFailed as error:
        why = reason(error.sqlstate)
    except LocktenderError:
        raise
    except Exception as error:  # noqa: BLE001 - a deploy that does without it must not end for what is wrong in it
        why = f"unexpectedly, {type(error).__name__}"
    return Foreseen(notes=(f"Existing rows were not tried beforehand: {why}.",))


@dataclass
class _Asking:
    """One preflight."""

    context: Context
    session: Session
    failing: list[Failing] = field(default_factory=list)
    untried: list[Untried] = field(default_factory=list)
    passed: int = 0

    def foreseen(self, scripts: Mapping[str, Script]) -> Foreseen:
        """The transaction for the catalogs is over before it is thought about what they hold."""
        every = steps(scripts)
        if not every:
            return _NOTHING
        limits = {**LOCKS, **_limit(self.context.environment.preflight.each)}
        with self.session.transaction(BEGIN):
            self.session.script(set_local(limits))
            known = survey(self.session, [step.node for step in every if step.node is not None])
        planned = tuple(probes(every, known))
        with self.session.transaction(BEGIN):
            self.session.script(set_local({**limits, **NAMES, **ROWS}))
            return self.all(planned)

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
        refused = bool(self.failing) and self.context.environment.preflight.mode == "refuse"
        failing, untold = tuple(dict.fromkeys(self.failing)), tuple(dict.fromkeys(self.untried))
        return Foreseen(failing, untold, self.passed, refused=refused)

    def _one(self, probe: Probe, seconds: float) -> None:
        try:
            row = self._ask(probe.sql, seconds)
        except StatementFailed as error:
            self._refused(probe, error, seconds)
            return
        if probe.trial or not row[0]:
            self.passed += 1
        else:
            self.failing.append(_failing(probe, row[0], row[1]))

    def _refused(self, probe: Probe, error: StatementFailed, seconds: float) -> None:
        if probe.trial and (what := fault_of_a_value(error.sqlstate)):
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
        with taken_back(self.session):
            self.session.script(set_local(_limit(seconds)))
            return self.session.rows(sql)[0]


def _limit(seconds: float) -> dict[str, str]:
    """Of what is left: 0 would mean none."""
    return {"statement_timeout": f"{max(1, round(seconds * 1000))}ms"}


def _failing(probe: Probe, rows: int | None, more: bool, wrong: str | None = None) -> Failing:
    spot = probe.spot
    place = spot.file, spot.line, spot.column, spot.statement, spot.table
    return Failing(*place, probe.kind, wrong or probe.wrong, rows, more, probe.look)
