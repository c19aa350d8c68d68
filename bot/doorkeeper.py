"""GitHub is told what was decided about the deployments that it holds back, until it has taken it in.

For each of them a request is asked for in the ledger, by who started the run; people decide about it in Slack as about
any other; and the answer follows the request's state. All of it is in the ledger: whoever dies, another worker goes on.
The request itself is performed by the run that is let through, which finds it there.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bot import metrics
from bot.gate import CARD, unfit, void
from bot.github import Github, GithubAway, GithubGone
from bot.roster import Roster, environment_named
from operations.approvals import held as holding
from operations.approvals.asking import Door, ask
from operations.approvals.held import Held, Told
from operations.approvals.model import Request, State
from operations.approvals.people import account
from operations.context import Context
from operations.errors import ConfigurationError, LocktenderError, NotAllowed, NotFound, NotNow, Refused, UsageError
from operations.executing import Workshop, void_unless_it_stands
from operations.ports import HeldDeployments, Ledger
from operations.settings import Environment
from operations.tree import Tree

LEASE = 60.0
"""Longer than all calls for one deployment take; after that, another worker's."""
WATCH = 2.0
"""Seconds between two looks at a request that is not decided yet."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
logger = logging.getLogger("locktender.bot")


@dataclass
class Doorkeeper:
    """``start`` works in the background until ``stop``."""

    ledger: Ledger
    held: HeldDeployments
    github: Github
    workshop: Workshop
    roster: Roster
    refusal: Callable[[str], str | None]
    """Of a person in Slack: why nothing may be done for them now. Raises ``NotNow``."""
    interval: float = 0.5
    _tries: dict[int, int] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="doorkeeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after what is under way."""
        self._stopping.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                for one in self.held.due(LEASE):
                    self._attempt(one)
            except LocktenderError as error:
                logger.warning("%s", error.message)
            self._stopping.wait(self.interval)

    def _attempt(self, one: Held) -> None:
        try:
            wait = self._bring(one)
        except GithubAway as error:
            wait = max(error.seconds or 0.0, self._longer(one, error.message))
        except GithubGone as error:
            self._settled(one, "gone", error.message)
            wait = None
        except LocktenderError as error:
            wait = self._longer(one, error.message)
        except Exception:
            logger.error("a deployment that GitHub holds back could not be dealt with", exc_info=True)
            wait = LONGEST_WAIT
        if wait is None:
            self._tries.pop(one.id, None)
        else:
            self.held.later(one, wait)

    def _longer(self, one: Held, why: str) -> float:
        logger.warning("run %d of %s is not dealt with yet: %s", one.run_id, one.repository, why)
        tries = self._tries[one.id] = self._tries.get(one.id, 0) + 1
        return float(min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(tries - 1, 10)))

    def _bring(self, one: Held) -> float | None:
        """Seconds to wait for more; ``None``: it is over."""
        environment = environment_named(self.roster.settings, one.environment)
        if environment is None or environment.github is None:
            told: Told | None = Told("rejected", "Its environment is not configured in Locktender any more.")
        elif one.request_id is None:
            told = self._ask(one, environment)
        else:
            told = self._decided(one, one.request_id)
        if told is None:
            return WATCH
        self._tell(one, told)
        return None

    def _decided(self, one: Held, request_id: str) -> Told | None:
        request = self.ledger.request(request_id)
        if request.state is State.APPROVED and not self._stands(one, request):
            request = self.ledger.request(request.id)
        return holding.told_of(request)

    def _ask(self, one: Held, environment: Environment) -> Told | None:
        """As who started the run. What Locktender refuses to record is rejected at once."""
        run = self.github.run(one.repository, one.run_id)
        wrong = holding.mismatch(one, run, self.github.deployment(one.repository, one.deployment_id))
        if wrong:
            return Told("rejected", f"Refused: {wrong}.")
        id = holding.request_id(one, run.attempt)
        try:
            request = self._known(id) or ask(
                Door(self.ledger, environment, self.roster.fresh()),
                account("github", run.actor),
                "deploy",
                holding.arguments(one, run.commit, has_app=environment.app is not None),
                f"GitHub, started by {run.actor}: {run.url}",
                executor="caller",
                id=id,
                messages=((CARD, environment.slack.channels[0]),),
            )
        except Refused as error:
            return Told("rejected", error.message)
        self.held.asked(one, request.id)
        return None

    def _known(self, id: str) -> Request | None:
        """Asked for by somebody who died then, or for another job of the same attempt."""
        try:
            return self.ledger.request(id)
        except NotFound:
            return None

    def _stands(self, one: Held, request: Request) -> bool:
        """Whether all is as it was approved, looked at anew, GitHub's run as well; else it is void."""
        run = self.github.run(one.repository, one.run_id)
        why = holding.mismatch(one, run, self.github.deployment(one.repository, one.deployment_id))
        if why is None and request.arguments.get("github") != holding.binding(one.repository, one.run_id, run.commit):
            why = "the run's commit is not the one that was approved"
        why = why or unfit(request, self.refusal)
        if why:
            void(self.ledger, request, why)
            return False
        try:
            return void_unless_it_stands(self.workshop, request) is None
        except (Refused, UsageError) as error:
            void(self.ledger, request, error.message)
            return False

    def _tell(self, one: Held, told: Told) -> None:
        comment = holding.shortened(told.comment)
        self.github.decide(one.repository, one.run_id, one.there, told.word, comment)
        self._settled(one, told.word, comment)

    def _settled(self, one: Held, answer: holding.Answer, comment: str) -> None:
        self.held.answered(one, answer, comment)
        metrics.HELD.labels(answer).inc()
        logger.info("run %d of %s, for %s: %s", one.run_id, one.repository, one.environment, answer)


@dataclass(frozen=True)
class Placing:
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
