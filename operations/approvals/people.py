"""Who is who: accounts to persons, and the lists of the configuration to persons. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from operations import settings
from operations.approvals.model import Account, Person
from operations.errors import NotNow

SLACK_USER = re.compile(r"[UW][A-Z0-9]+")
SLACK_GROUP = re.compile(r"S[A-Z0-9]+")
GITHUB = "github:"
NOBODY: frozenset[str] = frozenset()


def account(kind: str, id: str) -> Account:
    """An account as it is compared: GitHub's logins know no case. Raises ``ValueError`` for another kind."""
    if kind == "slack":
        return Account("slack", id)
    if kind == "github":
        return Account("github", id.lower())
    raise ValueError(kind)


class Directory(Struct, frozen=True):
    """All that is known about people. ``groups``: Slack group id → the ids of its members, as looked up just now.

    A group that is not in it has nobody in it. ``unknown`` are those of which Slack did not say who is in them:
    whatever depends on one of them cannot be decided now.
    """

    people: Sequence[settings.Person] = ()
    groups: Mapping[str, Iterable[str]] = {}
    unknown: frozenset[str] = NOBODY

    def person(self, used: Account) -> Person:
        """Whose account it is: one of ``[people]``, or else a person that is known by this account alone."""
        owner = next((name for name, owned in self._accounts() if owned == used), None)
        return Person(owner or str(used), used)

    def is_known(self, used: Account) -> bool:
        """Whether it is told whose it is. A GitHub account of which it is not may belong to anybody in Slack."""
        return any(owned == used for _, owned in self._accounts())

    def members(self, entries: Iterable[str]) -> frozenset[str]:
        """A list of the configuration as the ids of persons: names, Slack users, Slack groups, ``github:login``.

        Raises ``NotNow``.
        """
        names = {one.name for one in self.people}
        found: set[str] = set()
        for entry in entries:
            if entry in names:
                found.add(entry)
            elif entry in self.unknown:
                raise NotNow(f"Slack does not say who is in the group {entry}.", hint="Try again in a moment.")
            else:
                found |= {self.person(one).id for one in self._named(entry)}
        return frozenset(found)

    def _named(self, entry: str) -> Iterator[Account]:
        if entry.startswith(GITHUB):
            yield account("github", entry.removeprefix(GITHUB))
        elif SLACK_GROUP.fullmatch(entry):
            yield from (account("slack", id) for id in self.groups.get(entry, ()))
        elif SLACK_USER.fullmatch(entry):
            yield account("slack", entry)

    def _accounts(self) -> Iterator[tuple[str, Account]]:
        for one in self.people:
            yield from ((one.name, account("slack", id)) for id in one.slack)
            yield from ((one.name, account("github", login)) for login in one.github)


def groups_named(environment: settings.Environment) -> frozenset[str]:
    """The Slack groups that must be looked up for this environment's policies."""
    return frozenset(entry for _, entries in lists_of(environment) for entry in entries if SLACK_GROUP.fullmatch(entry))


def lists_of(environment: settings.Environment) -> Iterator[tuple[tuple[str, ...], Sequence[str]]]:
    """Every list of people in an environment's section, with its key."""
    for operation, approval in environment.approvals.items():
        yield ("approvals", operation, "approvers"), approval.approvers
        yield ("approvals", operation, "requesters"), approval.requesters
    if environment.break_glass:
        yield ("break_glass", "members"), environment.break_glass.members


def problems(
    environments: Iterable[settings.Environment], people: Sequence[settings.Person]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong with who is who in a configuration, each with its key."""
    directory = Directory(people)
    accounts = Counter(owned for _, owned in directory._accounts())
    for name, owned in directory._accounts():
        if accounts[owned] > 1:
            yield ("people", name, owned.kind), f"{owned.id} is there more than once; an account belongs to one person"
    names = {one.name for one in people}
    for environment in environments:
        for key, entries in lists_of(environment):
            for entry in entries:
                if not (entry in names or _is_account(entry)):
                    told = f"{entry!r} is nobody: neither a name in [people], nor a Slack id, nor github:LOGIN"
                    yield ("environments", environment.name, *key), told
        yield from _never_enough(environment, directory)


def _never_enough(environment: settings.Environment, directory: Directory) -> Iterator[tuple[tuple[str, ...], str]]:
    for operation, approval in environment.approvals.items():
        there = len(directory.members(approval.approvers))
        if there < approval.required and not any(SLACK_GROUP.fullmatch(entry) for entry in approval.approvers):
            told = f"requires {approval.required} approvals, but its approvers are {there} different people"
            yield ("environments", environment.name, "approvals", operation), told


def _is_account(entry: str) -> bool:
    return entry.startswith(GITHUB) or bool(SLACK_USER.fullmatch(entry) or SLACK_GROUP.fullmatch(entry))
