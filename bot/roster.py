"""Who is who in Slack: user groups and profiles, looked up, and kept for a short while.

That there is no such group or person is an answer, and means no. That Slack does not say is none: then nothing is
decided, and it is tried again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial

from bot.patience import patiently
from bot.slack import Profile, Slack, SlackBusy, SlackFailed, SlackGone
from operations.approvals.model import Request
from operations.approvals.people import Directory, groups_named
from operations.errors import NotNow
from operations.settings import Environment, Settings

KEPT = 60.0
"""Seconds that a look-up is good for; ``usergroups.*`` takes twenty calls a minute."""
AGAIN = 5.0
"""Seconds after which it is tried again, where Slack has not answered."""
DIRECT = ("D", "U", "W")
"""How the ids of conversations between two begin."""
SHARED = "people of other organisations are in this channel"


@dataclass
class Roster:
    """Looked up anew where older than ``KEPT``. ``directory`` never waits for Slack; ``refresh`` does."""

    slack: Slack
    settings: Settings
    at_once: float = 10.0
    """Seconds that a person may wait for what Slack must be asked before they are answered."""
    _directory: Directory = field(init=False)
    _next: float = float("-inf")
    _said: dict[str, tuple[float, frozenset[str]]] = field(default_factory=dict)
    """By id, and until when it is good."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._directory = Directory(self.settings.people, unknown=self._wanted)

    @property
    def _wanted(self) -> frozenset[str]:
        return frozenset(group for one in self.settings.environments for group in groups_named(one))

    def directory(self) -> Directory:
        """As it was known a moment ago."""
        return self._directory

    def fresh(self) -> Directory:
        """As it is now."""
        self.refresh()
        return self.directory()

    def refresh(self) -> None:
        """Look the groups up, if that was long ago."""
        with self._lock:
            if time.monotonic() < self._next:
                return
            groups: dict[str, tuple[str, ...]] = {}
            unknown, pause = set(), 0.0
            for group in sorted(self._wanted):
                try:
                    groups[group] = self._members(group)
                except SlackFailed as error:
                    unknown.add(group)
                    pause = max(pause, error.seconds if isinstance(error, SlackBusy) else AGAIN)
            self._directory = Directory(self.settings.people, groups, frozenset(unknown))
            self._next = time.monotonic() + (pause if unknown else KEPT)

    def refusal(self, person: str, own_team: str) -> str | None:
        """Why this account may do nothing at all, as Slack says now; ``None``: it may. Waits for Slack.

        Raises ``NotNow`` where it does not say.
        """
        return of_person(person, lambda: unfit(patiently(lambda: self.slack.profile(person)), own_team))

    def refusals_at_once(self, persons: Sequence[str], channel: str, own_team: str) -> list[str | None]:
        """The same of each of them, and last of the channel: for what takes effect before a worker looks at it.

        All is asked at the same time, as who pressed a button waits for no more than three seconds. Raises ``NotNow``.
        """
        questions = [partial(self._refusal_now, person, own_team) for person in persons]
        questions.append(partial(self._shared_now, channel))
        pool = ThreadPoolExecutor(len(questions), thread_name_prefix="at once")
        asked = [pool.submit(question) for question in questions]
        pool.shutdown(wait=False)
        if wait(asked, self.at_once).not_done:
            raise NotNow("Slack does not say in time who is who.", hint="Try again.")
        return [one.result() for one in asked]

    def _refusal_now(self, person: str, own_team: str) -> str | None:
        return of_person(person, lambda: unfit(self.slack.profile(person), own_team))

    def _shared_now(self, channel: str) -> str | None:
        return of_channel(lambda: SHARED if channel[:1] not in DIRECT and self.slack.is_shared(channel) else None)

    def sees(self, person: str, environment: Environment, own_team: str) -> bool:
        """Whether somebody is in one of its channels, where it is talked about anyway, and in one of its workspaces.

        Waits for Slack. Raises ``NotNow`` where it does not say, and has not said before.
        """
        channels, teams = environment.slack.channels, environment.slack.teams
        if teams and own_team not in teams and self._known(person, partial(self._places, person)).isdisjoint(teams):
            return False
        return not channels or any(person in self._known(one, partial(self.slack.members, one)) for one in channels)

    def _places(self, person: str) -> frozenset[str]:
        profile = self.slack.profile(person)
        return frozenset({profile.team, profile.enterprise} - {""})

    def _known(self, id: str, ask: Callable[[], frozenset[str]]) -> frozenset[str]:
        """Of a channel who is in it, of a person where they are, as Slack says or, if it does not, as it said last."""
        until, known = self._said.get(id, (float("-inf"), None))
        if known is not None and time.monotonic() < until:
            return known
        good = KEPT
        try:
            known = patiently(ask)
        except SlackGone:
            known = frozenset()
        except SlackFailed as error:
            if known is None:
                raise NotNow(f"Slack does not say who is where: {error.reason}.", hint="Try again.") from None
            good = AGAIN
        self._said[id] = (time.monotonic() + good, known)
        return known

    def _members(self, group: str) -> tuple[str, ...]:
        try:
            return self.slack.group(group)
        except SlackGone:
            return ()


def of_person(person: str, refusal: Callable[[], str | None]) -> str | None:
    """What is said against them; also that there is no such person. Raises ``NotNow`` where Slack does not say."""
    return _looked_up(refusal, "who you are", f"who {person} is")


def of_channel(refusal: Callable[[], str | None]) -> str | None:
    """The same of a channel that somebody speaks in."""
    return _looked_up(refusal, "this channel", "who is in this channel")


def _looked_up(refusal: Callable[[], str | None], what: str, question: str) -> str | None:
    try:
        return refusal()
    except SlackGone as error:
        return f"{what} could not be looked up ({error.reason})"
    except SlackFailed as error:
        raise NotNow(f"Slack does not say {question}: {error.reason}.", hint="Try again.") from None


def unfit(profile: Profile, own_team: str) -> str | None:
    """Why such an account may do nothing. Pure."""
    if profile.deleted:
        return "this account was deactivated"
    if profile.is_bot:
        return "this is an account of a bot"
    if profile.restricted:
        return "this is a guest's account"
    if own_team not in (profile.team, profile.enterprise):
        return "this account belongs to another workspace"
    return None


def slack_ids(directory: Directory, persons: Sequence[str] | frozenset[str]) -> tuple[str, ...]:
    """The Slack accounts of persons, one each, for mentioning them. Pure."""
    named = {one.name: one.slack for one in directory.people}
    found: list[str] = []
    for person in sorted(persons):
        accounts = named.get(person, (person.removeprefix("slack:"),) if person.startswith("slack:") else ())
        found += accounts[:1]
    return tuple(found)


def missing(directory: Directory, request: Request) -> tuple[str, ...]:
    """The Slack ids of those who may agree, and have not said their word. Pure."""
    said = {vote.person.id for vote in request.votes} | {request.requester.id}
    return slack_ids(directory, request.policy.approvers - said)


def everybody(roster: Roster, request: Request) -> tuple[str, ...]:
    """The Slack ids of all who would have had to agree, and of the emergency group: but not of who asked."""
    directory, environment = roster.directory(), environment_named(roster.settings, request.environment)
    usual = environment.approvals.get(request.operation) if environment else None
    members = directory.members(usual.approvers) if usual else frozenset()
    return slack_ids(directory, (members | request.policy.approvers) - {request.requester.id})


def environment_named(settings: Settings, name: str) -> Environment | None:
    """One of the configuration. Pure."""
    return next((one for one in settings.environments if one.name == name), None)
