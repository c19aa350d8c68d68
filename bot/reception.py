"""What is said to the bot, turned into a request, a vote or a look: one short transaction, and the answer.

Nothing here waits for anything but the ledger. What takes longer is in the queue when the answer is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from bot import metrics
from bot.admission import Caller, card_channel, refusal
from bot.asks import Ask, Queue
from bot.blocks import lists, modals, notices
from bot.blocks.parts import Message, Modal, Option
from bot.blocks.request import TITLES, title
from bot.house import House
from bot.opener import Opener
from bot.roster import environment_named, missing
from bot.submission import REQUEST, Metadata, duration_of, submission
from bot.words import BY_NAME, VERBS, Asked, Misunderstood, Verb, parse, time_and_reason
from operations.approvals import asking
from operations.approvals.model import OPEN, Account, Operation, Request, State
from operations.errors import LocktenderError, NotAllowed
from operations.settings import Environment

LOOKS = ("status", "check", "backups", "report")
FORMS = ("restore", "deploy", "rollback", "verify", "freeze")
HISTORY = lists.SHOWN


class Reception(Struct, frozen=True):
    """Everything that an answer needs. ``command`` is what people type."""

    house: House
    queue: Queue
    opener: Opener
    command: str = "/db"

    # --- what is typed --------------------------------------------------------------------------------------------

    def typed(self, caller: Caller, text: str, trigger: str, once: str) -> Message | None:
        """A command; ``once`` stands for this very request. ``None``: a modal is being opened."""
        return _guarded(lambda: self._typed(caller, text, trigger, once))

    def _typed(self, caller: Caller, text: str, trigger: str, once: str) -> Message | None:
        here = self.house.here(caller)
        names = [one.name for one in here]
        asked = parse(text, names)
        if isinstance(asked, Misunderstood):
            return notices.notice(asked.message, f"{self.command} {asked.meant or 'help'}")
        metrics.ASKED.labels(asked.verb.name).inc()
        if asked.verb.several:
            return self._listed(caller, asked.verb, asked.environment, here)
        environment = next((one for one in here if one.name == asked.environment), None)
        if environment is None:
            return notices.which_environment(asked.verb, names)
        return self._begin(caller, environment, asked, trigger, once)

    def _begin(self, caller: Caller, environment: Environment, asked: Asked, trigger: str, once: str) -> Message | None:
        name = asked.verb.name
        if name in LOOKS:
            self.queue.put(Ask("answer", name, environment.name, caller.channel, caller.user))
            return notices.notice(f"One moment: {name} of {environment.name}.")
        if name == "freeze" and time_and_reason(asked.rest)[0]:
            length, reason = time_and_reason(asked.rest)
            return self._freeze(caller, environment, length or "", reason, once)
        if name == "unfreeze":
            return self._unfreeze(caller, environment, asked.rest)
        if name in FORMS:
            return self._form(caller, environment, name, asked.rest, trigger)
        operation: Operation = name  # type: ignore[assignment]
        return self._recorded(self._ask(caller, environment, operation, {}, asked.rest, once))

    def _form(self, caller: Caller, environment: Environment, name: str, rest: str, trigger: str) -> Message | None:
        operation: Operation = "restore" if name == "undo" else name  # type: ignore[assignment]
        self.house.refuse_form(caller, environment, operation)
        if not trigger:
            return notices.form_button(self.command, name, environment.name)
        ask = Ask("form", name, environment.name, caller.channel, caller.user, chosen=rest)
        self.opener.form(trigger, TITLES[operation], ask)
        return None

    def _listed(self, caller: Caller, verb: Verb, environment: str | None, here: tuple[Environment, ...]) -> Message:
        names = [one.name for one in here]
        if verb.name == "help":
            return lists.help_card(self.command, self.house.allowed(here, caller), names)
        if verb.name == "history":
            found = self.house.ledger.history(environment, HISTORY)
            return lists.history(environment, [one for one in found if one.environment in names])
        open_ones = [one for one in self.house.ledger.open_requests(environment) if one.environment in names]
        waiting = [lists.Waiting(one, missing(self.house.roster.directory(), one)) for one in open_ones]
        frozen = [self.house.ledger.frozen(one.name) for one in here if environment in (None, one.name)]
        return lists.pending(environment, waiting, [one for one in frozen if one])

    # --- what is pressed ------------------------------------------------------------------------------------------

    def pressed(self, caller: Caller, action: str, value: str, trigger: str, once: str) -> None:
        """A button or a menu; what there is to say is told to the one who pressed it."""
        said = _guarded(lambda: self._pressed(caller, action, value, trigger, once))
        if said:
            self.opener.tell(caller.channel, caller.user, said)

    def noticed(self, value: str, channel: str, ts: str) -> None:
        """A request's message, of which the ledger may not know: it was posted, and the worker died then."""
        if not (ts and REQUEST.fullmatch(value)):
            return
        request_id = Metadata.of_request(value)[0]

        def adopt() -> None:
            if ts not in {one.ts for one in self.house.ledger.messages(request_id)}:
                self.house.ledger.show_in(request_id, f"copy {ts}", channel, ts)

        self.opener.later(adopt)  # the button has counted, or not; this is about its looks

    def home(self, caller: Caller, once: str) -> None:
        """Somebody has opened App Home; a worker draws it."""
        if not self.house.ledger.seen(once):
            self._home(caller)
            self.house.ledger.first_seen(once)  # not before: what was not taken in, Slack sends again

    def _home(self, caller: Caller) -> None:
        if not refusal(caller, self.house.own_team):
            self.queue.put(Ask("home", "home", "", "", caller.user))

    def mentioned(self, caller: Caller, text: str, once: str) -> None:
        """The bot's name in a message; answered to the one who wrote it. Slack sends events more than once."""
        if self.house.ledger.first_seen(once):
            said = self.typed(caller, text, "", once)
            if said:
                self.opener.tell(caller.channel, caller.user, said)

    def _pressed(self, caller: Caller, action: str, value: str, trigger: str, once: str) -> Message | None:
        kind, _, verb = action.partition(":")
        if kind == "home":
            self._home(caller)
            return None
        if kind in ("ask", "choose"):
            return self._next(caller, verb, value, trigger, once)
        request_id, version = Metadata.of_request(value)
        request = self.house.ledger.request(request_id)
        door = self.house.deciding(caller, request)
        if action == "deny":
            self.opener.open(trigger, modals.denial(value, title(request)), caller.channel, caller.user)
            return None
        account = Account("slack", caller.user)
        if action == "approve":
            if request.executor == "caller":
                self.house.void_if_unfit(caller, request)
            return self._voted(asking.vote(door, request_id, version, account, True))
        if action == "cancel":
            asking.cancel(door, request_id, account)
        elif action == "review":
            asking.review(door, request_id, account, "")
        return None

    def _next(self, caller: Caller, verb: str, value: str, trigger: str, once: str) -> Message | None:
        here = self.house.here(caller, direct=True)
        environment = next((one for one in here if one.name == value), None)
        if environment is None:
            return notices.notice("That cannot be done from here.")
        if verb == "undo":
            return self._form(caller, environment, "undo", "", trigger)
        if verb not in BY_NAME:
            return notices.notice("This button is not known any more.", f"{self.command} help")
        asked = Asked(BY_NAME[verb], environment.name)
        if asked.verb.several:
            return self._listed(caller, asked.verb, environment.name, here)
        return self._begin(caller, environment, asked, trigger, once)

    def _voted(self, request: Request) -> Message | None:
        metrics.VOTES.labels("approve").inc()
        if request.state is State.VOIDED:
            return notices.notice(f"It is void: {request.why}")
        missing = request.policy.required - len(request.agreed)
        return notices.notice(
            "Your approval counts; it begins now." if missing <= 0 else f"Your approval counts; {missing} more needed."
        )

    # --- what is filled in ----------------------------------------------------------------------------------------

    def submitted(self, caller: Caller, view: Mapping[str, Any], once: str) -> dict[str, str] | Modal | None:
        """A form: what is wrong with its fields, or a modal to show in its place, or nothing: it is done."""
        callback, metadata, values = submission(view)
        try:
            self.house.refuse_strangers(caller)
            if callback == "deny":
                self._denied(caller, metadata, values)
                return None
            if callback == "choose":
                return self._chosen(caller, str(view.get("id", "")), values, once)
            return self._filled(caller, metadata, values, once)
        except LocktenderError as error:
            return modals.cannot("Not done", error.message, error.hint or "")

    def _filled(self, caller: Caller, metadata: str, values: Mapping[str, str], once: str) -> dict[str, str] | None:
        form = Metadata.of_form(metadata)
        caller = caller.at(form.channel)
        environment = self.house.named(caller, form.environment)
        if form.database and values.get(modals.NAME, "").strip() != form.database:
            return {modals.NAME: f"This is not it. Type {form.database} if you are sure."}
        reason = values.get(modals.REASON, "").strip()
        if form.operation == "freeze":
            self._freeze(caller, environment, values.get(modals.LENGTH, ""), reason, once)
            return None
        arguments = form.arguments(values)
        emergency = values.get(modals.URGENCY) == modals.EMERGENCY
        self._ask(caller, environment, form.operation, arguments, reason, once, break_glass=emergency)
        return None

    def _denied(self, caller: Caller, metadata: str, values: Mapping[str, str]) -> None:
        request_id, version = Metadata.of_request(metadata)
        request = self.house.ledger.request(request_id)
        environment = environment_named(self.house.settings, request.environment)
        if environment is None:
            raise NotAllowed("Its environment is not in the configuration any more.")
        account = Account("slack", caller.user)
        asking.vote(self.house.door(environment), request_id, version, account, False, values.get(modals.REASON, ""))
        metrics.VOTES.labels("deny").inc()

    def _chosen(self, caller: Caller, view: str, values: Mapping[str, str], once: str) -> Modal | None:
        environment = environment_named(self.house.settings, values.get(modals.ENVIRONMENT, ""))
        verb = values.get("verb", "")
        if environment is None or not environment.slack.channels:
            raise NotAllowed("That cannot be done from here.")
        caller = caller.at(environment.slack.channels[0])
        if verb not in FORMS:
            said = self._next(caller, verb, environment.name, "", once)
            return modals.said(said) if said else None
        operation: Operation = verb  # type: ignore[assignment]
        self.house.refuse_form(caller, environment, operation)
        self.queue.put(Ask("form", verb, environment.name, caller.channel, caller.user, view=view))
        return modals.loading(TITLES[operation])

    def shortcut(self, caller: Caller, trigger: str) -> None:
        """The global shortcut: a modal to choose what and where."""
        said = _guarded(lambda: self._shortcut(caller, trigger))
        if said:
            self.opener.tell(caller.user, caller.user, said)

    def _shortcut(self, caller: Caller, trigger: str) -> None:
        environments = [one for one in self.house.settings.environments if one.slack.channels]
        if not environments:
            raise NotAllowed("No environment names a channel.", hint=f"Type {self.command} in a channel instead.")
        options = [Option(one.name, one.name) for one in environments]
        verbs = [Option(verb.name, verb.name, verb.does) for verb in VERBS]
        self.opener.open(trigger, modals.choose("", verbs, options), caller.user, caller.user)

    # --- who may what ---------------------------------------------------------------------------------------------

    def _ask(
        self, caller: Caller, environment: Environment, operation: Operation, arguments: Mapping[str, Any],
        reason: str, once: str, *, break_glass: bool = False,
    ) -> Request:  # fmt: skip
        return asking.ask(
            self.house.door(environment),
            Account("slack", caller.user),
            operation,
            arguments,
            reason,
            break_glass=break_glass,
            id=once[:20] or None,
            messages=(("card", card_channel(environment, caller)),),
        )

    def _recorded(self, request: Request) -> Message:
        still = request.state in OPEN
        return notices.notice(
            f"{title(request)} is asked for. Its card shows what becomes of it." if still else f"{title(request)}."
        )

    def _freeze(self, caller: Caller, environment: Environment, length: str, reason: str, once: str) -> Message:
        self.house.refuse_unfit(caller)
        seconds = duration_of(length)
        until = self.house.ledger.now() + seconds if seconds else None
        door, account = self.house.door(environment), Account("slack", caller.user)
        if door.rules("freeze").policy.required:
            return self._recorded(self._ask(caller, environment, "freeze", {"until": until}, reason, once))
        asking.freeze(door, account, reason, until)
        self.queue.put(Ask("answer", "frozen", environment.name, card_channel(environment, caller), caller.user))
        return notices.notice(f"{environment.name} is frozen{f' for {length}' if seconds else ''}.")

    def _unfreeze(self, caller: Caller, environment: Environment, reason: str) -> Message:
        self.house.refuse_unfit(caller)
        lifted = asking.unfreeze(self.house.door(environment), Account("slack", caller.user), reason)
        if lifted is None:
            return notices.notice(f"{environment.name} was not frozen.")
        self.queue.put(Ask("answer", "unfrozen", environment.name, card_channel(environment, caller), caller.user))
        return notices.notice(f"{environment.name} is not frozen any more.")


def _guarded(work: Callable[[], Message | None]) -> Message | None:
    try:
        return work()
    except LocktenderError as error:
        return notices.notice(error.message, error.hint or "")
