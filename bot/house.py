"""Who may want what from where in Slack: the configuration, the ledger, and who is who, taken together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from bot.admission import Caller, may_decide, refusal, usable
from bot.gate import involved, unfit, void
from bot.roster import Roster, environment_named
from bot.words import VERBS, Verb
from operations.approvals.asking import Door
from operations.approvals.model import Account, Operation, Request
from operations.errors import NotAllowed, NotNow
from operations.ledger import Ledger
from operations.settings import Environment, Settings


class House(Struct, frozen=True):
    """``own_team`` is the workspace that the bot is installed in."""

    settings: Settings
    ledger: Ledger
    roster: Roster
    own_team: str

    def allowed(self, here: tuple[Environment, ...], caller: Caller) -> list[Verb]:
        """What this person may ask for in one of these environments at least, and all looks."""
        return [verb for verb in VERBS if not verb.asks or any(self._may(caller, verb, one) for one in here)]

    def _may(self, caller: Caller, verb: Verb, environment: Environment) -> bool:
        operation: Operation = verb.name  # type: ignore[assignment]
        try:
            self.refuse_form(caller, environment, operation)
        except (NotAllowed, NotNow):
            return False
        return True

    def refuse_form(self, caller: Caller, environment: Environment, operation: Operation) -> None:
        """Raise ``NotAllowed`` for who may not ask for it anyway: nobody fills in a form in vain."""
        door = self.door(environment)
        person = door.directory.person(Account("slack", caller.user))
        door.rules_for(person, operation)
        if operation == "unfreeze":
            door.refuse_lifting(person, self.ledger.frozen(environment.name))

    def here(self, caller: Caller, *, direct: bool = False) -> tuple[Environment, ...]:
        """The environments that may be operated on from there. Raises ``NotAllowed`` where there is none."""
        self.refuse_strangers(caller)
        every = self.settings.environments
        found = tuple(one for one in every if may_decide(one, caller)) if direct else usable(every, caller)
        if not found:
            raise NotAllowed("Nothing can be done from this channel.", hint="Go to the channel that was set up for it.")
        return found

    def named(self, caller: Caller, name: str) -> Environment:
        """One of them. Raises ``NotAllowed``."""
        found = next((one for one in self.here(caller, direct=True) if one.name == name), None)
        if found is None:
            raise NotAllowed(f"{name} cannot be operated on from here.")
        return found

    def deciding(self, caller: Caller, request: Request) -> Door:
        """The way to a request that may be decided from there. Raises ``NotAllowed``."""
        self.refuse_strangers(caller)
        environment = environment_named(self.settings, request.environment)
        if environment is None or not may_decide(environment, caller):
            raise NotAllowed("That cannot be decided from here.")
        return self.door(environment)

    def door(self, environment: Environment) -> Door:
        """Where somebody stands who wants something."""
        return Door(self.ledger, environment, self.roster.directory())

    def refuse_unfit(self, caller: Caller) -> None:
        """Raise ``NotAllowed`` for whom Slack says that nothing may be done for; waits for Slack, but not long."""
        self._others(caller, ())

    def void_if_unfit(self, caller: Caller, request: Request) -> None:
        """Before an approval of what no worker begins: whether who has had a part in it still may, and who agrees now.

        Void, if one of the others may not. Raises ``NotAllowed``, ``NotNow``; waits for Slack, but not long.
        """
        why = unfit(request, self._others(caller, involved(request)).get)
        if why:
            void(self.ledger, request, why)
            raise NotAllowed(f"It is void: {why}")

    def _others(self, caller: Caller, others: Sequence[str]) -> Mapping[str, str | None]:
        """Why nothing may be done for each of the others, where something may be done for the caller."""
        mine, *theirs, place = self.roster.refusals_at_once((caller.user, *others), caller.channel, self.own_team)
        if mine or place:
            raise NotAllowed(f"Nothing was done: {mine or place}.")
        return dict(zip(others, theirs, strict=True))

    def refuse_strangers(self, caller: Caller) -> None:
        """Raise ``NotAllowed`` for whom nothing is done, whatever it is."""
        why = refusal(caller, self.own_team)
        if why:
            raise NotAllowed(why)
