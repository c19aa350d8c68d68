"""Messages are brought to what the ledger says, again and again, until they show it: whatever failed in between.

The ledger says which messages show less than the truth, and gives each to one worker at a time. Nothing is rendered
from what a message showed before; a message that is gone is posted anew, a channel that is gone is replaced by a direct
message to the one who asked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from msgspec.structs import replace

from bot import metrics
from bot.blocks import outcome
from bot.blocks import request as cards
from bot.blocks.parts import Message as Shown
from bot.blocks.request import RequestView
from bot.gate import CARD
from bot.plan_text import whole_plan
from bot.roster import Roster, everybody, missing
from bot.rounds import Rounds
from bot.slack import Slack, SlackBusy, SlackFailed, SlackGone
from operations.approvals.model import ENDED, Message, Request, State
from operations.errors import LocktenderError
from operations.ledger import Ledger

COPY, PROGRESS, RESULT, TOLD, APPROVER, REMINDER, ALARM, PLAN = (
    "copy", "progress", "result", "told", "approver", "reminder", "alarm", "plan",
)  # fmt: skip
"""Kinds of messages in the ledger."""
IN_THREAD = (PROGRESS, RESULT)
GONE = "gone"
"""Instead of a ts: this place is given up."""
INTERVAL = 0.5
"""Seconds between two questions to the ledger."""
BETWEEN_EDITS = 2.0
"""Of progress, whichever worker makes them."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
REMEMBERED = 1000
"""Messages of which it is known what they say, to save calls; forgetting it costs one."""
LEASE = 45.0
"""Longer than the longest wait: until then the message is ours, and if we die, another worker's."""
TOO_LARGE = ("invalid_blocks", "msg_blocks_too_long", "msg_too_long")
ANEW = ("message_not_found", "cant_update_message", "edit_window_closed")
logger = logging.getLogger("locktender.bot")


@dataclass
class Convergence:
    """``start`` works in the background until ``stop``."""

    ledger: Ledger
    slack: Slack
    roster: Roster
    _due: dict[int, tuple[float, Message]] = field(default_factory=dict)
    _tries: dict[int, int] = field(default_factory=dict)
    _said: dict[int, tuple[int, Shown]] = field(default_factory=dict)
    _under_way: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="convergence")
        self._rounds = Rounds("convergence", self._round, INTERVAL)

    def start(self) -> None:
        """Begin."""
        self._rounds.start()

    def stop(self) -> None:
        """End after the calls that are under way."""
        self._rounds.stop()
        self._pool.shutdown(wait=True)

    def _round(self) -> None:
        for message in self.ledger.stale_messages(lease=LEASE):
            self._due.setdefault(message.id, (time.monotonic(), message))
        for id, (at, message) in list(self._due.items()):
            if at <= time.monotonic() and id not in self._under_way:
                self._under_way.add(id)
                self._pool.submit(self._attempt, message)

    def _attempt(self, message: Message) -> None:
        try:
            wait = self._bring(message)
        except SlackBusy as busy:
            wait = busy.seconds
        except LocktenderError as error:
            wait = self._longer(message)
            logger.warning("a message could not be brought up to date yet: %s", error.message)
        except Exception:
            wait = LONGEST_WAIT
            logger.error("a message of kind %s could not be drawn", message.kind, exc_info=True)
        if wait is None:
            self._done(message)
        else:
            self._due[message.id] = (time.monotonic() + wait, message)
        self._under_way.discard(message.id)

    def _longer(self, message: Message) -> float:
        metrics.SHOWN.labels("retried").inc()
        tries = self._tries[message.id] = self._tries.get(message.id, 0) + 1
        return float(min(LONGEST_WAIT, FIRST_WAIT * 2 ** (tries - 1)))

    def _done(self, message: Message) -> None:
        if len(self._said) > REMEMBERED:
            self._said.clear()
        self._due.pop(message.id, None)
        self._tries.pop(message.id, None)

    def _bring(self, message: Message) -> float | None:
        """Show what the ledger says now; seconds to wait where that must be later."""
        request = self.ledger.request(message.request_id)
        known = {(one.kind, one.channel): one for one in self.ledger.messages(request.id)}
        message = known.get((message.kind, message.channel), message)
        if message.ts == GONE or message.kind == PLAN:
            self.ledger.message_shown(message.id, message.ts, request.revision)
            return None
        thread = None
        if message.kind in IN_THREAD:
            card = known.get((CARD, message.channel))
            if card is None or card.ts is None:
                return FIRST_WAIT
            thread = card.ts
            if thread == GONE:
                self.ledger.message_shown(message.id, GONE, request.revision)
                return None
        if message.kind == CARD:
            for kind, channel in self._wanted(request, message.channel):
                if (kind, channel) not in known:
                    self.ledger.show_in(request.id, kind, channel)
        attached = (PLAN, message.channel) in known
        view = RequestView(request, missing(self.roster.directory(), request), attached)
        ts = self._show(message, view, thread)
        if ts is not None and message.kind == CARD and _must_attach(view):
            ts = self._attach(message, view, ts)
        rest = BETWEEN_EDITS if message.kind == PROGRESS else 0.0
        self.ledger.message_shown(message.id, ts, request.revision if ts else 0, rest)
        metrics.SHOWN.labels("shown" if ts else "anew").inc()
        return None

    def _show(self, message: Message, view: RequestView, thread: str | None) -> str | None:
        """Where it is now; ``None``: it must be posted anew."""
        shown = rendered(message.kind, view)
        try:
            return self._send(message, shown, view.request.revision, thread)
        except SlackGone as gone:
            if message.ts is not None and gone.reason in ANEW:
                return None
            return self._elsewhere(message, view.request, gone)
        except SlackFailed as failed:
            if failed.reason not in TOO_LARGE:
                raise
            logger.error("Slack takes a message of kind %s only as text: %s", message.kind, failed.reason)
            return self._send(message, replace(shown, blocks=()), view.request.revision, thread)

    def _send(self, message: Message, shown: Shown, revision: int, thread: str | None = None) -> str:
        if message.ts is None:
            ts = self.slack.post(message.channel, shown, thread)[1]
        else:
            ts = message.ts
            # A sign of life changes the progress, and nothing else; nobody else has edited it since.
            if self._said.get(message.id) != (message.shown, shown):
                self.slack.update(message.channel, ts, shown)
        self._said[message.id] = (revision, shown)
        return ts

    def _elsewhere(self, message: Message, request: Request, gone: SlackGone) -> str:
        """The channel is out of reach: the one who asked gets it directly; anybody else is not told then."""
        logger.error("%s cannot be shown in %s: %s", message.kind, message.channel, gone.reason)
        metrics.SHOWN.labels("elsewhere").inc()
        asker = request.requester.account.id
        if message.kind == CARD and message.channel != asker:
            self.ledger.show_in(request.id, CARD, asker)
        return GONE

    def _attach(self, message: Message, view: RequestView, ts: str) -> str:
        """A plan that the card shows in part must be there in full before it can be approved."""
        self.ledger.show_in(view.request.id, CARD, message.channel, ts)  # the upload may fail, the card is there
        self.slack.upload(message.channel, ts, (f"plan-{view.request.id}.txt", whole_plan(view.request).encode()))
        self.ledger.show_in(view.request.id, PLAN, message.channel, ts, view.request.revision)
        shown = rendered(CARD, replace(view, plan_attached=True))
        return self._send(replace(message, ts=ts), shown, view.request.revision)

    def _wanted(self, request: Request, channel: str) -> Iterator[tuple[str, str]]:
        """What else is to show a request in this state."""
        directory = self.roster.directory()
        if request.state is State.PENDING:
            yield from ((APPROVER, id) for id in missing(directory, request))
        if request.started_at and request.state is not State.PENDING:
            yield PROGRESS, channel
            if request.break_glass:
                yield from ((ALARM, id) for id in everybody(self.roster, request))
        if request.state in ENDED:
            yield TOLD, request.requester.account.id
            if request.started_at:
                yield RESULT, channel


def rendered(kind: str, view: RequestView) -> Shown:
    """What a message of a kind shows. Pure."""
    word = kind.partition(" ")[0]
    render: Callable[[RequestView], Shown] = {
        CARD: cards.card,
        COPY: cards.card,
        PROGRESS: outcome.progress,
        RESULT: outcome.result,
        TOLD: outcome.for_requester,
        APPROVER: outcome.for_approver,
        REMINDER: outcome.reminder,
        ALARM: outcome.alarm,
    }[word]
    return render(view)


def _must_attach(view: RequestView) -> bool:
    return view.request.state is State.PENDING and view.abridged and not view.plan_attached
