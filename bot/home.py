"""App Home, kept true: drawn when somebody opens it, and again for an hour whenever the ledger says something else.

What is asked for, who is at work and what is frozen comes from the ledger and costs nothing; an environment itself is
looked at when its board is opened, and after something was done to it. Looks lie in the ledger, for all workers.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import asdict

from bot.answers import Answers, frozen
from bot.asks import Ask
from bot.blocks import home as blocks
from bot.blocks import status
from bot.blocks.parts import Board
from bot.patience import patiently
from bot.roster import Roster, missing
from bot.rounds import Rounds
from bot.slack import Slack, SlackBusy, SlackFailed, SlackGone
from operations.approvals.model import Request, State
from operations.errors import LocktenderError, NotNow
from operations.ledger import Ledger
from operations.ports import silent
from operations.settings import Environment, Settings

FRESH = 60.0
"""Seconds that a look is good for."""
KEPT_TRUE = 3600.0
"""Seconds after it was opened for which a page follows what changes; nobody knows when it is closed."""
LEASE = 30.0
AT_ONCE = 4
INTERVAL = 2.0
"""Seconds between two rounds."""
logger = logging.getLogger("locktender.bot")


class Homes(Protocol):
    """Who has opened the page, what it shows, and what was found at environments. Raises as a ``Ledger`` does."""

    def opened(self, person: str) -> None:
        """Now."""
        ...

    def due(self, within: float, lease: float) -> Iterable[tuple[str, str]]:
        """Who has opened it within so many seconds, and the digest of what is shown; leased to the caller."""
        ...

    def shown(self, person: str, digest: str) -> None:
        """It shows that now; the lease ends."""
        ...

    def keep(self, environment: str, look: Mapping[str, Any]) -> None:
        """In place of the look before."""
        ...

    def looks(self) -> Mapping[str, Mapping[str, Any]]:
        """The last of each environment."""
        ...


class Home(Struct, frozen=True):
    """``open`` answers who opens the page; ``round`` keeps pages true."""

    settings: Settings
    ledger: Ledger
    homes: Homes
    slack: Slack
    roster: Roster
    answers: Answers

    # --- a page that is opened ------------------------------------------------------------------------------------

    def open(self, ask: Ask) -> None:
        """Show what is known at once, look at what is out of date, and show that."""
        try:
            why = self.roster.refusal(ask.user, self.answers.own_team)
            if why:
                self._publish(ask.user, _nothing(why))
                return
            self.homes.opened(ask.user)
            seen = self._visible(ask.user)
            self._show(ask.user, seen)
            stale = [one for one in seen if self._is_stale(one, FRESH)]
            if stale:
                self._look(stale)
                self._show(ask.user, seen)
        except LocktenderError as error:
            logger.warning("the home page could not be shown: %s", error.message)

    def _visible(self, person: str) -> tuple[Environment, ...]:
        return tuple(one for one in self.settings.environments if self._sees(person, one))

    def _sees(self, person: str, environment: Environment) -> bool:
        return self.roster.sees(person, environment, self.answers.own_team)

    def _is_stale(self, environment: Environment, fresh: float) -> bool:
        look = self.homes.looks().get(environment.name)
        return look is None or self.ledger.now() - float(look["at"]) > fresh

    def _look(self, environments: Iterable[Environment]) -> None:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="home") as pool:
            list(pool.map(self._look_at, environments))

    def _look_at(self, environment: Environment) -> None:
        """What cannot be looked at is told, too. What ends while it is looked at may not have been seen."""
        began = self.ledger.now()
        try:
            with self.answers.context_of(environment.name, "home", silent) as context:
                found = looked(self.answers.status_of(context), began)
        except LocktenderError as error:
            found = blocks.Looked(began, "cannot be looked at", trouble=(error.message,))
        self.homes.keep(environment.name, asdict(found))

    # --- pages that are kept true ---------------------------------------------------------------------------------

    def round(self) -> None:
        """Once: whoever sees something else than what is so gets it."""
        due = dict(self.homes.due(KEPT_TRUE, LEASE))
        seen = {person: self._seen_by(person) for person in due}
        shown = {one.name: one for every in seen.values() for one in every or ()}
        changed = [one for one in shown.values() if self._was_changed(one)]
        if changed:
            self._look(changed)
        for person, every in seen.items():
            if every is not None:
                self._show(person, every, due[person])

    def rounds(self) -> Rounds:
        """In the background."""
        return Rounds("home", self.round, INTERVAL)

    def _seen_by(self, person: str) -> tuple[Environment, ...] | None:
        """``None`` while Slack does not say: the page stays as it is, and is looked at again when the lease ends."""
        try:
            return self._visible(person)
        except NotNow as error:
            logger.warning("a home page is not kept up to date just now: %s", error.message)
            return None

    def _was_changed(self, environment: Environment) -> bool:
        """Whether something has ended there since it was looked at."""
        look = self.homes.looks().get(environment.name)
        ended = max((one.ended_at or 0.0 for one in self.ledger.history(environment.name, 5)), default=0.0)
        return look is not None and ended > float(look["at"])

    def _show(self, person: str, seen: tuple[Environment, ...], before: str = "") -> None:
        made = blocks.board(tuple(self._drawn(seen)))
        digest = hashlib.sha256(json.dumps(made.view(), sort_keys=True).encode()).hexdigest()
        if digest == before or self._publish(person, self._fit(person, made)):
            self.homes.shown(person, digest)

    def _fit(self, person: str, board: Board) -> Board:
        """It, unless nothing may be shown to them any more. Raises ``NotNow``."""
        why = self.roster.refusal(person, self.answers.own_team)
        return _nothing(why) if why else board

    def _publish(self, person: str, board: Board) -> bool:
        """Whether it is there; what failed is tried again when the lease ends."""
        try:
            patiently(lambda: self.slack.publish(person, board))
        except SlackBusy:
            raise
        except SlackFailed as error:
            logger.warning("a home page could not be shown: %s", error.message)
            return isinstance(error, SlackGone)  # nor will it ever
        return True

    def _drawn(self, seen: tuple[Environment, ...]) -> Iterable[blocks.Environment]:
        looks, requests = self.homes.looks(), self.ledger.open_requests()
        for one in seen:
            mine = [request for request in requests if request.environment == one.name]
            freeze = self.ledger.frozen(one.name)
            yield blocks.Environment(
                one.name,
                one.slack.channels[0] if one.slack.channels else "",
                read(looks.get(one.name)),
                tuple(self._waiting(request) for request in mine if request.state is not State.RUNNING),
                tuple(at_work(request) for request in mine if request.state is State.RUNNING),
                frozen(freeze, self.ledger) if freeze else None,
            )

    def _waiting(self, request: Request) -> blocks.Waiting:
        return blocks.Waiting(request, missing(self.roster.directory(), request))


def _nothing(why: str) -> Board:
    return blocks.board((), f"Nothing is shown: {why}.")


def at_work(request: Request) -> status.AtWork:
    """Who is doing what. Pure."""
    return status.AtWork(request.operation, request.requester.account.id, request.started_at or request.created_at)


def looked(card: status.StatusCard, now: float) -> blocks.Looked:
    """A look in the few words that a board shows. Pure."""
    newest = card.newest
    return blocks.Looked(
        at=now,
        verdict=status.verdict(card),
        migrations=status.migrations(card.status),
        health=status.health(card.checks),
        backup_at=newest.created if newest else None,
        backup_level=(newest.level or "") if newest else "unknown" if card.trouble else "",
        backup_bytes=newest.bytes if newest else 0,
        trouble=card.trouble,
    )


def read(look: Mapping[str, Any] | None) -> blocks.Looked | None:
    """A look as it lies in the ledger; ``None`` for none, or one of another version. Pure."""
    try:
        return blocks.Looked(**{**look, "trouble": tuple(look["trouble"])}) if look else None
    except (TypeError, KeyError):
        return None
