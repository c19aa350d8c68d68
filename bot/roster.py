"""Who is who in Slack: user groups and profiles, looked up, and kept for a short while. What fails means no."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.patience import patiently
from bot.slack import Profile, Slack, SlackFailed
from operations.approvals.model import Request
from operations.approvals.people import Directory, groups_named
from operations.settings import Environment, Settings

KEPT = 60.0
"""Seconds that a look-up is good for; ``usergroups.*`` takes twenty calls a minute."""
DIRECT = ("D", "U", "W")
"""How the ids of conversations between two begin."""
SHARED = "people of other organisations are in this channel"


@dataclass
class Roster:
    """Looked up anew where older than ``KEPT``. ``directory`` never waits for Slack; ``refresh`` does."""

    slack: Slack
    settings: Settings
    _groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _read: float = float("-inf")
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def directory(self) -> Directory:
        """As it was known a moment ago; a group that could not be looked up has nobody in it."""
        return Directory(self.settings.people, dict(self._groups))

    def fresh(self) -> Directory:
        """As it is now."""
        self.refresh()
        return self.directory()

    def refresh(self) -> None:
        """Look the groups up, if that was long ago."""
        with self._lock:
            if time.monotonic() - self._read < KEPT:
                return
            wanted = {group for one in self.settings.environments for group in groups_named(one)}
            self._groups = {group: found for group in sorted(wanted) if (found := self._members(group)) is not None}
            self._read = time.monotonic()

    def refusal(self, person: str, own_team: str) -> str | None:
        """Why this account may do nothing at all, as Slack says now; ``None``: it may. Waits for Slack."""
        try:
            return unfit(patiently(lambda: self.slack.profile(person)), own_team)
        except SlackFailed as error:
            return f"who you are could not be looked up ({error.reason})"

    def refusal_at_once(self, person: str, channel: str, own_team: str) -> str | None:
        """The same, and of the channel, by one question each: for what takes effect before a worker looks at it."""
        try:
            why = unfit(self.slack.profile(person), own_team)
            return why or (SHARED if channel[:1] not in DIRECT and self.slack.is_shared(channel) else None)
        except SlackFailed as error:
            return f"who you are, and where, could not be looked up ({error.reason})"

    def _members(self, group: str) -> tuple[str, ...] | None:
        try:
            return self.slack.group(group)
        except SlackFailed:
            return None


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
