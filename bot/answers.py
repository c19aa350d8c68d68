"""What a worker answers: looks at an environment, and forms filled with what there is to choose from.

Who asked, and from where, is looked at here once more, with what Slack says of them now.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from bot import metrics
from bot.admission import Caller, may_decide
from bot.asks import Ask
from bot.blocks import backups, check, modals, notices, report, status
from bot.blocks.parts import Message, Modal
from bot.blocks.request import TITLES
from bot.forms import form_of
from bot.patience import patiently
from bot.roster import DIRECT, SHARED, Roster, environment_named, of_channel
from bot.slack import Opened, Slack, SlackFailed
from operations.approvals.asking import Door
from operations.approvals.model import Account, Freeze, State
from operations.backup_catalogue import list_backups
from operations.checks.model import Check
from operations.context import Context
from operations.errors import LocktenderError, NotAllowed
from operations.health import check as look_at_health
from operations.ledger import Ledger
from operations.ports import Report, silent
from operations.report import report as whole_report
from operations.reporting.charts import drawn
from operations.reporting.pictures import png
from operations.reporting.rendering import html
from operations.secret import redact
from operations.settings import Environment, Settings
from operations.status import status as look_at_status

ContextOf = Callable[[str, str, Report], AbstractContextManager[Context]]
KEPT = 60.0
"""Seconds that it is known whether a channel is shared."""
logger = logging.getLogger("locktender.bot")


@dataclass
class Answers:
    """``handle`` is given what lies in the queue."""

    settings: Settings
    ledger: Ledger
    slack: Slack
    roster: Roster
    context_of: ContextOf
    own_team: str
    _shared: dict[str, tuple[float, bool]] = field(default_factory=dict)

    def handle(self, ask: Ask) -> None:
        """Answer it, or say to who asked why there is no answer."""
        outcome = "answered"
        try:
            environment = self._admitted(ask)
            if ask.kind == "form":
                self._fill(ask, environment)
            else:
                self._look(ask, environment)
        except LocktenderError as error:
            outcome = "failed"
            self._apologise(ask, error)
        metrics.ANSWERS.labels(ask.verb[:20], outcome).inc()

    def _look(self, ask: Ask, environment: Environment) -> None:
        if ask.verb == "report":
            self.report(environment, f"slack:{ask.user}", lambda message: self._say(ask, message))
        else:
            self._say(ask, self._answer(ask, environment))

    def report(self, environment: Environment, actor: str, say: Callable[[Message], tuple[str, str]]) -> None:
        """The report in a few lines, and in its thread the page, which needs nothing else, and its charts."""
        with self.context_of(environment.name, actor, silent) as context:
            told = whole_report(context, lambda: self.ledger)
            page = redact(html(told), context.secrets).encode()
        channel, ts = say(report.message(told))
        files = [(f"report-{environment.name}.html", page)]
        files += [(f"{id}.png", png(chart)) for id, chart in drawn(told).items() if chart]
        patiently(lambda: self.slack.upload(channel, ts, *files))

    def refusal(self, user: str, channel: str) -> str | None:
        """Why nothing is done for this person from this channel, as Slack says now."""
        return self.roster.refusal(user, self.own_team) or self.shared_refusal(channel)

    def _admitted(self, ask: Ask) -> Environment:
        environment = environment_named(self.settings, ask.environment)
        caller = Caller(ask.user, self.own_team, ask.channel)
        if environment is None or not may_decide(environment, caller):
            raise NotAllowed(f"{ask.environment} cannot be looked at from here.")
        why = self.refusal(ask.user, ask.channel)
        if why:
            raise NotAllowed(f"Nothing was done: {why}.")
        return environment

    def shared_refusal(self, channel: str) -> str | None:
        """Why nothing is done from this channel, as Slack says, or said a minute ago. Raises ``NotNow``."""
        if channel[:1] in DIRECT:
            return None
        return of_channel(lambda: SHARED if self._is_shared(channel) else None)

    def _is_shared(self, channel: str) -> bool:
        at, shared = self._shared.get(channel, (float("-inf"), False))
        if time.monotonic() - at > KEPT:
            shared = patiently(lambda: self.slack.is_shared(channel))
            self._shared[channel] = (time.monotonic(), shared)
        return shared

    def _answer(self, ask: Ask, environment: Environment) -> Message:
        if ask.verb in ("frozen", "unfrozen"):
            standing = self.ledger.frozen(environment.name)
            watched = environment.schedule.monitor is not None
            return notices.freeze_told(environment.name, ask.user, standing, environment.alerts, watched=watched)
        with self.context_of(environment.name, f"slack:{ask.user}", silent) as context:
            if ask.verb == "check":
                now = context.clock.now()
                return check.message(check.CheckCard(environment.name, now, look_at_health(context).checks))
            if ask.verb == "backups":
                return backups.message(
                    backups.BackupsCard(environment.name, context.clock.now(), list_backups(context))
                )
            return status.message(self.status_of(context))

    def status_of(self, context: Context) -> status.StatusCard:
        """All that is said of how an environment stands."""
        trouble: list[str] = []

        def looked(look: Callable[[], object]) -> object:
            try:
                return look()
            except LocktenderError as error:
                trouble.append(error.message)
                return None

        found = looked(lambda: look_at_status(context))
        kept = looked(lambda: list_backups(context)) or ()
        checks: tuple[Check, ...] = ()
        if found is not None:
            checks = look_at_health(context).checks
        name = context.environment.name
        freeze = self.ledger.frozen(name)
        running = [one for one in self.ledger.open_requests(name) if one.state is State.RUNNING]
        return status.StatusCard(
            environment=name,
            database=str(context.database.target),
            now=context.clock.now(),
            status=found,  # type: ignore[arg-type]
            newest=next((one for one in kept if one.own), None),  # type: ignore[attr-defined]
            checks=checks,
            at_work=tuple(
                status.AtWork(one.operation, one.requester.account.id, one.started_at or one.created_at)
                for one in running
            ),
            frozen=frozen(freeze, self.ledger) if freeze else None,
            trouble=tuple(trouble),
        )

    def _fill(self, ask: Ask, environment: Environment) -> None:
        operation = "restore" if ask.verb == "undo" else ask.verb
        door = Door(self.ledger, environment, self.roster.fresh())
        try:
            with self.context_of(environment.name, f"slack:{ask.user}", silent) as context:
                modal = form_of(ask, context, door, door.directory.person(Account("slack", ask.user)))
        except LocktenderError as error:
            title = TITLES.get(operation, "Locktender")  # type: ignore[call-overload]
            modal = modals.cannot(title, error.message, error.hint or "")
        self._replace(ask, modal)

    def _replace(self, ask: Ask, modal: Modal) -> None:
        patiently(lambda: self.slack.replace(Opened(ask.view, ask.hash), modal))

    def _say(self, ask: Ask, message: Message) -> tuple[str, str]:
        """In the channel; where that cannot be, directly. Where it is now."""
        try:
            return patiently(lambda: self.slack.post(ask.channel, message, ask.thread or None))
        except SlackFailed as error:
            logger.warning("%s; it is said directly instead", error.message)
            return patiently(lambda: self.slack.post(ask.user, message))

    def _apologise(self, ask: Ask, error: LocktenderError) -> None:
        said = notices.failure(f"{ask.verb} of {ask.environment} could not be shown.", error.message, error.hint or "")
        try:
            if ask.kind == "form":
                self._replace(ask, modals.said(said))
            else:
                patiently(lambda: self.slack.tell(ask.channel, ask.user, said))
        except SlackFailed:
            patiently(lambda: self.slack.post(ask.user, said))


def frozen(freeze: Freeze, ledger: Ledger) -> status.Frozen:
    """It, with what it holds back, as far as workers look."""
    held = ledger.memory(freeze.environment).load().held_back
    return status.Frozen(freeze.by.account.id, freeze.reason, freeze.until, held)
