"""What a worker does with a request of the ledger: plan it, check it, execute it once, find out what became of it.

A job says which request, and nothing more. Everything that decides whether and what is done is read from the ledger and
looked at anew: state, votes, people, policy, freeze, expiry, and the plan. What has begun never begins again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress

from msgspec import Struct

from operations.approvals import deciding
from operations.approvals.asking import Door
from operations.approvals.audit import unrecorded
from operations.approvals.change import Change, Decide, Job, Situation
from operations.approvals.model import Event, Freeze, Outcome, Request, State
from operations.approvals.people import Directory
from operations.context import Context
from operations.errors import ConnectionLost, DatabaseUnreachable, LocktenderError, NotNow, RequestChanged, as_ours
from operations.ledger import Ledger
from operations.lost_runs import found_of
from operations.meanwhile import meanwhile
from operations.performing import Performed, perform
from operations.ports import Clock, Progress, Report, silent
from operations.proposing import propose, timed
from operations.secret import Secret, redact
from operations.settings import Environment

LOST = deciding.LOST
BEAT = 10.0
"""Seconds between signs of life."""
PROGRESS = 2.0
"""Seconds between two words on how far it is."""
RECORD_FOR = 900.0
"""Seconds for which recording an outcome is tried again, if the ledger does not answer."""

ContextOf = Callable[[str, str, Report], AbstractContextManager[Context]]
"""Environment's name, who it is done for, progress → the means. Raises ``ConfigurationError`` for an unknown name."""
Placed = Callable[[Context, Request], Context]
"""The means with the files that a request is about, where those lie elsewhere. Raises ``NotNow``."""


class Workshop(Struct, frozen=True):
    """All that a worker needs. ``tell`` hears of every change it makes, after the commit."""

    ledger: Ledger
    context_of: ContextOf
    directory_of: Callable[[Environment], Directory]
    tell: Callable[[Request], None] = lambda _: None
    placed: Placed = lambda context, _: context

    @property
    def handlers(self) -> Mapping[Job, Callable[[str], None]]:
        """For the queue."""
        return {
            "plan": lambda request_id: plan(self, request_id),
            "check": lambda request_id: check(self, request_id),
            "execute": lambda request_id: execute(self, request_id),
            "look": lambda request_id: look(self, request_id),
        }

    def changed(self, request: Request, decide: Decide) -> None:
        """Write it and tell it, unless somebody else was quicker."""
        now = changed(self.ledger, request, decide)
        if now:
            self.tell(now)


def changed(ledger: Ledger, request: Request, decide: Decide) -> Request | None:
    """What it is then; ``None``: it was not possible any more."""
    try:
        return ledger.change(request.id, decide)
    except RequestChanged:
        return None


def plan(workshop: Workshop, request_id: str) -> None:
    """Find out what exactly would be done, and offer it to the approvers; or say why it cannot be."""
    request = workshop.ledger.request(request_id)
    if request.state != State.PLANNING:
        return
    with _at(workshop, request, silent) as context:
        context = workshop.placed(context, request)
        found = propose(context, request.operation, request.arguments, request.policy)
        proposal = timed(found, workshop.ledger.typical_seconds(request.environment, request.operation))
        workshop.changed(request, lambda now, _: deciding.planned_as(now, request.version, proposal))


def check(workshop: Workshop, request_id: str) -> None:
    """After somebody has agreed, and others still have to: void it if it would not do the same any more.

    Whoever performs it may have other files than a worker has; those of a run on GitHub can be had.
    """
    request = workshop.ledger.request(request_id)
    if request.state != State.PENDING or request.proposal is None:
        return
    if request.executor == "caller" and not request.arguments.get("github"):
        return
    arguments, policy = request.proposal.arguments, request.policy
    # What cannot be looked at just now is, before it begins.
    with suppress(LocktenderError), workshop.context_of(request.environment, actor(request), silent) as context:
        context = workshop.placed(context, request)
        now = propose(context, request.operation, arguments, policy, explain=False)
        workshop.changed(request, lambda latest, _: deciding.checked(latest, request.version, now))


def execute(workshop: Workshop, request_id: str) -> None:
    """Authorise it once more, and if all is as it was approved, do it: once, whatever happens."""
    request = workshop.ledger.request(request_id)
    if request.state != State.APPROVED or request.executor != "worker":
        return
    report = Reporter()
    with _at(workshop, request, report) as context:
        begun = begin(workshop.ledger, workshop.directory_of(context.environment), context, request)
        if begun:
            workshop.tell(begun)
        if begun and begun.state == State.RUNNING:
            run(workshop.ledger, context, begun, report)
            workshop.tell(workshop.ledger.request(request.id))


@contextmanager
def _at(workshop: Workshop, request: Request, report: Report) -> Iterator[Context]:
    """The environment's context. What goes wrong before it begins voids the request: who asked is told in any case."""
    secrets: tuple[Secret, ...] = ()
    try:
        with workshop.context_of(request.environment, actor(request), report) as context:
            secrets = context.secrets
            yield context
    except NotNow:  # no answer is no reason: ``Ledger.sweep`` puts its job into the queue again
        raise
    except Exception as error:  # noqa: BLE001
        told = as_ours(error)
        why = redact(" ".join(filter(None, (told.message, told.hint))), secrets)
        workshop.changed(request, lambda *_: Change((Event.VOIDED,), reason=why))


def look(workshop: Workshop, request_id: str) -> None:
    """Say what the journal knows of a run that was given up for lost."""
    request = workshop.ledger.request(request_id)
    if request.state != State.NEEDS_ATTENTION or not request.outcome or request.outcome.error != LOST:
        return
    with suppress(LocktenderError), workshop.context_of(request.environment, actor(request), silent) as context:
        event, outcome = found_of(context, mark(request), request.outcome)
        workshop.changed(request, lambda *_: deciding.ended(event, request.token or 0, outcome))


def begin(ledger: Ledger, directory: Directory, context: Context, request: Request) -> Request | None:
    """The request as it is running, with its token, or voided; ``None``: it does not begin (any more)."""
    return changed(ledger, request, _judged(ledger, directory, context, request))


def void_unless_it_stands(workshop: Workshop, request: Request) -> Request | None:
    """Look at everything that ``begin`` looks at, and begin nothing: voided, or ``None``: it may, or is over.

    Raises what planning raises, ``NotNow``: then nothing has changed.
    """
    with workshop.context_of(request.environment, actor(request), silent) as context:
        context = workshop.placed(context, request)
        directory = workshop.directory_of(context.environment)
        judge = _judged(workshop.ledger, directory, context, request)

    def decide(latest: Request, situation: Situation) -> Change:
        change = judge(latest, situation)
        if Event.VOIDED not in change.events:
            raise RequestChanged("There is no reason to void it.")
        return change

    return changed(workshop.ledger, request, decide)


def _judged(ledger: Ledger, directory: Directory, context: Context, request: Request) -> Decide:
    """Everything gathered anew that decides whether it may begin."""
    rules = Door(ledger, context.environment, directory).rules_of(request)
    arguments = request.proposal.arguments if request.proposal else request.arguments
    now = propose(context, request.operation, arguments, rules.policy, explain=False)
    recorded = unrecorded(request, ledger.audit_latest(0, 1000, request.id))
    return lambda latest, situation: deciding.started(latest, situation, now, rules, recorded)


def run(ledger: Ledger, context: Context, request: Request, report: Reporter) -> Performed:
    """Perform a request that this process has just begun, with signs of life, and record how it ended."""
    assert request.proposal is not None  # noqa: S101 - it runs
    with beating(ledger, request, report):
        done = _of_the_ledger(ledger, request) or perform(context, request.proposal)
    record(ledger, context.clock, request, done)
    return done


def record(ledger: Ledger, clock: Clock, request: Request, done: Performed) -> None:
    """How it ended into the ledger, also into one that does not answer just now."""
    until = clock.now() + RECORD_FOR
    while True:
        try:
            changed(ledger, request, lambda *_: deciding.ended(done.event, request.token or 0, done.outcome))
            return
        except (DatabaseUnreachable, ConnectionLost):
            if clock.now() >= until:
                raise
            clock.sleep(PROGRESS)


def _of_the_ledger(ledger: Ledger, request: Request) -> Performed | None:
    """What is done in the ledger itself."""
    if request.operation == "freeze":
        until = request.arguments.get("until")
        ledger.freeze(Freeze(request.environment, request.requester, request.reason, 0.0, until))
        return Performed(Event.DONE, Outcome(f"{request.environment} is frozen."))
    if request.operation == "unfreeze":
        ledger.unfreeze(request.environment, request.requester, request.reason)
        return Performed(Event.DONE, Outcome(f"{request.environment} is not frozen any more."))
    return None


class Reporter:
    """Keeps the latest word on how far it is, and passes it on."""

    def __init__(self, further: Report = silent) -> None:
        self.text = ""
        self._further = further

    def __call__(self, progress: Progress) -> None:
        """A ``Report``."""
        share = f" {100 * progress.done // progress.total} %" if progress.total else ""
        self.text = f"{progress.label}{share}"
        self._further(progress)


@contextmanager
def beating(ledger: Ledger, request: Request, report: Reporter) -> Iterator[None]:
    """Signs of life while the block runs."""
    said, last = "", time.monotonic()

    def beat() -> None:
        nonlocal said, last
        now, text = time.monotonic(), report.text
        if text != said or now - last >= BEAT:
            ledger.beat(request.id, request.token or 0, text)
            said, last = text, now

    with meanwhile("request heartbeat", PROGRESS, beat):
        yield


def actor(request: Request) -> str:
    """Who it is done for, as journal and manifest have it."""
    agreed = ", ".join(vote.person.id for vote in request.agreed)
    return f"{request.requester.id}{f', agreed by {agreed}' if agreed else ''}, {mark(request)}"


def mark(request: Request) -> str:
    """By which a run in the journal is known to be this request's."""
    return f"request {request.id}"
