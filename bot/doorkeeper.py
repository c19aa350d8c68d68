"""GitHub is told what was decided about the deployments that it holds back, until it has taken it in.

For each of them a request is asked for in the ledger, by who started the run; people decide about it in Slack as about
any other; and the answer follows the request's state. All of it is in the ledger: whoever dies, another worker goes on.
The request itself is performed by the run that is let through, which finds it there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from bot import metrics
from bot.gate import CARD, unfit, void
from bot.github import Github, GithubAway, GithubGone
from bot.protection import means
from bot.roster import Roster, environment_named
from bot.rounds import Rounds
from operations.approvals import held as holding
from operations.approvals.asking import Door, ask
from operations.approvals.held import Held, Run, Told
from operations.approvals.model import Request, State
from operations.approvals.people import account
from operations.context import Context
from operations.errors import ConfigurationError, LocktenderError, NotAllowed, NotFound, NotNow, Refused, UsageError
from operations.executing import Workshop, void_unless_it_stands
from operations.ledger import HeldDeployments, Ledger
from operations.secret import Secret, redact
from operations.settings import Environment
from operations.tree import Tree

LEASE = 120.0
"""Longer than all calls for one deployment take; after that, another worker's."""
INTERVAL = 2.0
"""Seconds between two looks of a thread that has found nothing."""
THREADS = 4
"""Deployments that are dealt with at the same time: none waits behind another one that is slow."""
WATCH = 2.0
"""Seconds between two looks at a request that is not decided yet."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
MOST_TRIES = 8
"""How often GitHub is asked for what it says that there is not, before that is believed: it takes some minutes."""
AGAIN = "The run was started again since; who did so has to ask for it."
logger = logging.getLogger("locktender.bot")


class Doorkeeper(Struct, frozen=True):
    """One ``round`` deals with one deployment; ``THREADS`` may do so at the same time."""

    ledger: Ledger
    held: HeldDeployments
    github: Github
    workshop: Workshop
    roster: Roster
    refusal: Callable[[str], str | None]
    """Of a person in Slack: why nothing may be done for them now. Raises ``NotNow``."""
    secrets: tuple[Secret, ...] = ()
    """That nobody is told."""

    def round(self) -> bool:
        """Deal with one that is due; False: there is none."""
        found = self.held.due(LEASE, 1)
        for one in found:
            self._attempt(one)
        return bool(found)

    def rounds(self) -> Rounds:
        """In the background."""
        return Rounds("doorkeeper", self.round, INTERVAL, THREADS)

    def _attempt(self, one: Held) -> None:
        """How often something went wrong is in the ledger: whoever tries next goes on from there."""
        try:
            wait, tries, gone = self._brought(one), 0, 0
        except Exception as error:  # noqa: BLE001 - one of them must not keep the others from being dealt with
            tries, gone = one.tries + 1, one.gone + isinstance(error, GithubGone)
            wait = self._pause(one, error, tries)
        if wait is not None:
            self.held.later(one, wait, tries, gone)

    def _pause(self, one: Held, error: Exception, tries: int) -> float:
        if not isinstance(error, LocktenderError):
            logger.error("a deployment that GitHub holds back could not be dealt with", exc_info=error)
            return LONGEST_WAIT
        logger.warning("run %d of %s is not dealt with yet: %s", one.run_id, one.repository, error.message)
        asked = error.seconds if isinstance(error, GithubAway) else None
        return max(asked or 0.0, longer(tries))

    def _brought(self, one: Held) -> float | None:
        """As ``_bring``; what GitHub does not find, and does not find again, is rejected."""
        try:
            return self._bring(one)
        except GithubGone as error:
            if one.gone < MOST_TRIES:
                raise
            self._reject(one, f"GitHub does not show what would be let through. {error.message}")
            return None

    def _bring(self, one: Held) -> float | None:
        """Seconds to wait for more; ``None``: it is over."""
        environment = environment_named(self.roster.settings, one.environment)
        if environment is None or not means(environment, one.repository, one.there):
            self._reject(one, "Its environment is not deployed from there any more, as Locktender is configured.")
            return None
        if one.request_id is None:
            return self._pass_on(one, self._ask(one, environment))
        return self._follow(one, environment, self.ledger.request(one.request_id))

    def _follow(self, one: Held, environment: Environment, request: Request) -> float | None:
        """The request is read once more after everything was looked at: that takes its time."""
        if holding.told_of(request, self.ledger.now()) is None:
            return WATCH
        run = self.github.run(one.repository, one.run_id)
        if request.id not in holding.request_ids(one, run.attempt):
            self._void(request, AGAIN)
            self._over(one, AGAIN)
            return None
        if request.state is State.APPROVED:
            self._void_unless_it_stands(one, request, run, environment)
        return self._pass_on(one, holding.told_of(self.ledger.request(request.id), self.ledger.now()))

    def _pass_on(self, one: Held, told: Told | None) -> float | None:
        if told is None:
            return WATCH
        self._tell(one, told)
        return None

    def _ask(self, one: Held, environment: Environment) -> Told | None:
        """As who started the run. What Locktender refuses to record is rejected at once."""
        run = self.github.run(one.repository, one.run_id)
        wrong = self._mismatch(one, run, environment)
        if wrong:
            return Told("rejected", f"Refused: {wrong}.")
        try:
            request = self._request(one, run, environment)
        except Refused as error:
            return Told("rejected", error.message)
        self.held.asked(one, request.id)
        return None

    def _request(self, one: Held, run: Run, environment: Environment) -> Request:
        """The one that decides. One that has begun decides about nothing any more: then it is asked for anew."""
        shared, own = holding.request_ids(one, run.attempt)
        known = self._known(shared)
        id = own if known and known.state in holding.BEGUN else shared
        return (self._known(own) if id == own else known) or ask(
            Door(self.ledger, environment, self.roster.fresh()),
            account("github", run.actor),
            "deploy",
            holding.arguments(
                holding.binding(one.repository, one.run_id, run.commit), has_app=environment.app is not None
            ),
            holding.reason(run),
            executor="caller",
            id=id,
            messages=((CARD, environment.slack.channels[0]),),
        )

    def _known(self, id: str) -> Request | None:
        """Asked for by somebody who died then, or for another job of the same attempt."""
        try:
            return self.ledger.request(id)
        except NotFound:
            return None

    def _mismatch(self, one: Held, run: Run, environment: Environment) -> str | None:
        deployment = self.github.deployment(one.repository, one.deployment_id)
        return holding.mismatch(one, run, deployment, environment.github.branch if environment.github else None)

    def _void_unless_it_stands(self, one: Held, request: Request, run: Run, environment: Environment) -> None:
        """Whether all is as it was approved, looked at anew, GitHub's run as well."""
        why = self._mismatch(one, run, environment)
        if why is None and request.arguments.get("github") != holding.binding(one.repository, one.run_id, run.commit):
            why = "the run's commit is not the one that was approved"
        try:
            why = why or unfit(request, self.refusal)
            if why is None:
                void_unless_it_stands(self.workshop, request)
        except (Refused, UsageError) as error:
            why = error.message
        if why:
            self._void(request, why)

    def _reject(self, one: Held, why: str) -> None:
        if one.request_id:
            self._void(self.ledger.request(one.request_id), why)
        self._tell(one, Told("rejected", why))

    def _void(self, request: Request, why: str) -> None:
        void(self.ledger, request, redact(why, self.secrets))

    def _tell(self, one: Held, told: Told) -> None:
        """What GitHub is about to be told is kept before: who repeats it knows what GitHub may have taken in."""
        comment = holding.shortened(redact(told.comment, self.secrets))
        if not self.held.telling(one, told.word):
            return
        try:
            self.github.decide(one.repository, one.run_id, one.there, told.word, comment)
        except GithubGone as error:
            self._over(one, error.message)
        else:
            self._settled(one, told.word, comment)

    def _over(self, one: Held, why: str) -> None:
        """GitHub waits no more. What it may have been told before counts as what it was told."""
        if one.telling is None:
            self._settled(one, "gone", why)
        else:
            self._settled(one, one.telling, f"It may have been told so before. {why}")

    def _settled(self, one: Held, answer: holding.Answer, comment: str) -> None:
        if self.held.answered(one, answer, comment):
            metrics.HELD.labels(answer).inc()
            logger.info("run %d of %s, for %s: %s", one.run_id, one.repository, one.environment, answer)


def longer(tries: int) -> float:
    """Seconds to wait after so many tries in a row that went wrong. Pure."""
    return float(min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(tries - 1, 10)))


class Placing(Struct, frozen=True):
    """Where a request is about a commit on GitHub, the migrations are those of that commit."""

    github: Github

    def __call__(self, context: Context, request: Request) -> Context:
        """As the Action finds them in its checkout. Of an app the server's own clone has them."""
        of_github, here = request.arguments.get("github"), context.environment
        if not of_github or here.app is not None:
            return context
        if here.github is None or here.github.repository.lower() != of_github["repository"]:
            raise NotAllowed("The environment is not deployed from that repository any more.")
        try:
            found = self.github.files(of_github["repository"], str(of_github["commit"]), here.github.migrations)
        except GithubAway as error:
            raise NotNow(error.message) from None
        return replace(context, folder=Tree(here.migrations, found))


def nowhere(_context: Context, request: Request) -> Context:
    """Where there is no GitHub. Raises ``ConfigurationError`` for a request that needs it."""
    if request.arguments.get("github"):
        raise ConfigurationError("It is about a run on GitHub, which this worker is not configured for.")
    return _context
