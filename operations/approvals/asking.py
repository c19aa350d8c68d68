"""What people do with requests: ask, vote, take back, amend, review, freeze. For every front door the same.

Each call is one short transaction. A refusal of the policy is noted in the audit log, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from msgspec import Struct

from operations.approvals import deciding
from operations.approvals import policy as policies
from operations.approvals.change import Change, NewRequest
from operations.approvals.model import Account, Executor, Freeze, Operation, Person, Proposal, Request, Vote
from operations.approvals.people import Directory
from operations.errors import NotAllowed, NotFound
from operations.ledger import Ledger
from operations.settings import Environment


class Door(Struct, frozen=True):
    """Where somebody stands who wants something: the ledger, the environment they mean, and who is who."""

    ledger: Ledger
    environment: Environment
    directory: Directory

    def rules(self, operation: Operation, *, break_glass: bool = False) -> deciding.Rules:
        """Today's. Raises ``NotAllowed`` where there is no policy."""
        policy = policies.policy_of(self.environment, operation, self.directory, break_glass=break_glass)
        return deciding.Rules(policy, self.directory)

    def rules_of(self, request: Request) -> deciding.Rules:
        """Today's, for a request of this environment. Raises ``NotFound`` for one of another."""
        self.refuse_other(request)
        return self.rules(request.operation, break_glass=request.break_glass)

    def rules_for(self, person: Person, operation: Operation) -> deciding.Rules:
        """By which this person may ask for it: the usual ones, or else those of an emergency. Raises ``NotAllowed``."""
        try:
            rules = self.rules(operation)
            policies.refuse_asking(rules.policy, person, self.directory, operation, "to be given yet")
        except NotAllowed:
            if not self.breaks_glass(person, operation):
                raise
            return self.rules(operation, break_glass=True)
        return rules

    def breaks_glass(self, person: Person, operation: Operation) -> bool:
        """Whether this person may ask for it in an emergency."""
        try:
            return person.id in (self.rules(operation, break_glass=True).policy.requesters or ())
        except NotAllowed:
            return False

    def refuse_lifting(self, person: Person, standing: Freeze | None) -> None:
        """Raise ``NotAllowed`` for who may not lift that freeze, where there is no policy for it."""
        if "unfreeze" in self.environment.approvals or standing is None:
            return
        lists = [entry for approval in self.environment.approvals.values() for entry in approval.approvers]
        if person.id not in self.directory.members(lists) | {standing.by.id}:
            raise NotAllowed(f"Only {standing.by.id}, who froze it, and approvers can lift this freeze.")

    def refuse_other(self, request: Request) -> None:
        """A request is judged by its own environment's policy, and by no other."""
        if request.environment != self.environment.name:
            raise NotFound(f"Request {request.id} is none of {self.environment.name}.")


def ask(
    door: Door,
    account: Account,
    operation: Operation,
    arguments: Mapping[str, Any],
    reason: str = "",
    *,
    break_glass: bool = False,
    executor: Executor = "worker",
    proposal: Proposal | None = None,
    id: str | None = None,
    messages: tuple[tuple[str, str], ...] = (),
) -> Request:
    """Record a request; a worker plans it, unless it comes with its ``proposal``.

    Whether the account is a full member of the right workspace is for the front door to know. Raises ``NotAllowed``,
    ``Frozen``, ``RateLimited``.
    """
    person = door.directory.person(account)
    with _refusals_noted(door, person, f"ask for {operation}"):
        rules = door.rules(operation, break_glass=break_glass)
        policies.refuse_asking(rules.policy, person, door.directory, operation, reason)
        policies.refuse_frozen(door.ledger.frozen(door.environment.name), operation, rules.policy)
    new = NewRequest(
        environment=door.environment.name,
        operation=operation,
        arguments=arguments,
        requester=person,
        reason=reason.strip(),
        policy=rules.policy,
        executor=executor,
        proposal=proposal,
        id=id,
        messages=messages,
    )
    return door.ledger.create(new, per_hour=door.environment.requests_per_hour)


def vote(door: Door, request_id: str, version: int, account: Account, agrees: bool, reason: str = "") -> Request:
    """Somebody's word. The request that comes back says what it came to.

    ``approved`` (its job is queued), still ``pending``, ``denied``, or ``voided`` because of a changed policy. Raises
    ``NotAllowed``, ``RequestChanged``, ``NotFound``; with each of them nothing has changed.
    """
    word = Vote(door.directory.person(account), agrees, reason.strip(), 0.0)
    with _refusals_noted(door, word.person, "approve" if agrees else "deny", request_id):
        return door.ledger.change(
            request_id, lambda request, _: deciding.voted(request, version, word, door.rules_of(request))
        )


def cancel(door: Door, request_id: str, account: Account, reason: str = "") -> Request:
    """Taken back by who asked, until it begins. Raises as ``vote`` does."""
    person = door.directory.person(account)

    def decide(request: Request, _: object) -> Change:
        door.refuse_other(request)
        return deciding.cancelled(request, person, reason.strip(), door.directory)

    with _refusals_noted(door, person, "cancel", request_id):
        return door.ledger.change(request_id, decide)


def amend(
    door: Door, request_id: str, version: int, account: Account, arguments: Mapping[str, Any], reason: str
) -> Request:
    """Changed by who asked: it is planned anew, and every vote is void. Raises as ``vote`` does."""
    person = door.directory.person(account)
    with _refusals_noted(door, person, "amend", request_id):
        return door.ledger.change(
            request_id,
            lambda request, _: deciding.amended(
                request, version, person, arguments, reason.strip(), door.rules_of(request)
            ),
        )


def review(door: Door, request_id: str, account: Account, note: str) -> Request:
    """A break-glass request looked at afterwards. Raises as ``vote`` does."""
    person = door.directory.person(account)

    def decide(request: Request, _: object) -> Change:
        door.refuse_other(request)
        return deciding.reviewed(request, person, note.strip(), door.rules(request.operation).policy, door.directory)

    with _refusals_noted(door, person, "review", request_id):
        return door.ledger.change(request_id, decide)


def freeze(door: Door, account: Account, reason: str, until: float | None = None) -> Freeze:
    """Nothing that changes the environment may begin until then. ``until``: seconds since the epoch.

    Raises ``NotAllowed``, also where the policy for ``freeze`` wants approvals: then ``ask`` for it.
    """
    person = _may_at_once(door, account, "freeze", reason)
    return door.ledger.freeze(Freeze(door.environment.name, person, reason.strip(), 0.0, until))


def unfreeze(door: Door, account: Account, reason: str = "") -> Freeze | None:
    """Lift the freeze; ``None``: there was none.

    Without a policy of its own: by who set it, or by an approver of anything here. Raises as ``freeze`` does.
    """
    person = _may_at_once(door, account, "unfreeze", reason)
    standing = door.ledger.frozen(door.environment.name)
    with _refusals_noted(door, person, "unfreeze"):
        door.refuse_lifting(person, standing)
    return door.ledger.unfreeze(door.environment.name, person, reason.strip())


def _may_at_once(door: Door, account: Account, operation: Operation, reason: str) -> Person:
    person = door.directory.person(account)
    with _refusals_noted(door, person, operation):
        policy = door.rules(operation).policy
        policies.refuse_asking(policy, person, door.directory, operation, reason)
        if policy.required:
            raise NotAllowed(f"To {operation} {door.environment.name} needs an approval: ask for it.")
    return person


@contextmanager
def _refusals_noted(door: Door, person: Person, what: str, request_id: str | None = None) -> Iterator[None]:
    try:
        yield
    except NotAllowed as error:
        door.ledger.note(
            "refused", person, environment=door.environment.name, request=request_id, what=what, reason=error.message
        )
        raise
