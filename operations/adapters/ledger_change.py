"""Writes what becomes of a request, on a connection that is given: row, vote, job, audit entries, one commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from msgspec.structs import replace

from operations.adapters import ledger_rows as rows
from operations.adapters import ledger_sql as sql
from operations.adapters.queue import defer
from operations.approvals import state as states
from operations.approvals.change import Change, NewRequest, Situation
from operations.approvals.digest import bound, canonical, of
from operations.approvals.model import ENDED, Event, Request, State, Vote
from operations.errors import NotFound, RequestChanged

Connection = psycopg.Connection[Any]
EXPLAINED = frozenset({State.DENIED, State.VOIDED, State.CANCELLED, State.EXPIRED})


def locked(connection: Connection, request_id: str) -> tuple[Request, Situation]:
    """Begin a transaction, and hold the request's row in it. Raises ``NotFound``."""
    with connection.pipeline():
        connection.execute(sql.BEGIN)
        connection.execute(sql.LOCK, (request_id,))
        found = connection.execute(sql.LOCKED.encode(), (request_id,))
        frozen = connection.execute(sql.FREEZE_OF.encode(), (request_id,))
    row = found.fetchone()
    if row is None:
        raise no_request()
    freeze = frozen.fetchone()
    return rows.request_of(row[:-1]), Situation(float(row[-1]), rows.freeze_of(freeze) if freeze else None)


def written(connection: Connection, request: Request, change: Change) -> tuple[Request, list[str]]:
    """The request as it is now, and the audit entries to commit. Raises ``RequestChanged``: it is not possible."""
    path = _path(request.state, change.events)
    with connection.pipeline():
        updated = connection.execute(sql.CHANGE.encode(), _changes(request, change, path[-1]))
        voted = connection.execute(sql.VOTE, _vote(request, change.vote)) if change.vote else None
        read = connection.execute(sql.ONE.encode(), (request.id,))
    if updated.rowcount != 1:
        raise _refused(change)
    if voted and voted.rowcount != 1:
        raise RequestChanged("That person has said their word on this already.")
    changed = rows.request_of(one(read))
    if change.job and (change.job != "execute" or request.executor == "worker"):
        defer(connection, change.job, changed)
    steps = zip(change.events, path, strict=True)
    facts = _facts(request, changed, change)
    return changed, [rows.body(event, change.by, replace(changed, state=state), facts) for event, state in steps]


def commit(
    connection: Connection,
    entries: Sequence[str],
    request: Request | None = None,
    messages: Sequence[tuple[str, str]] = (),
) -> None:
    """Messages, audit entries and COMMIT, all at once: the chain is locked no longer than the server itself needs."""
    with connection.pipeline():
        if request:
            connection.execute(sql.WANT, (request.revision, request.id))
            for kind, channel in messages:
                connection.execute(sql.SHOW_IN, (kind, channel, None, 0, request.id))
        for entry in entries:
            connection.execute(sql.AUDIT.encode(), (entry,))
        connection.execute("COMMIT")


def one(cursor: psycopg.Cursor[Any]) -> Any:
    """The only row of a statement that always has one."""
    row = cursor.fetchone()
    assert row is not None  # noqa: S101
    return row


def no_request() -> NotFound:
    """Nobody can have such a button, unless it is forged."""
    return NotFound("There is no such request.", hint="history shows the latest ones.")


def cleaned(text: str) -> str:
    """What PostgreSQL can hold of what people typed."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def values_of(id: str, new: NewRequest) -> tuple[Any, ...]:
    """For ``sql.CREATE``."""
    return (
        id,
        new.environment,
        new.operation,
        canonical(dict(new.arguments)),
        new.requester.id,
        str(new.requester.account),
        cleaned(new.reason),
        new.executor,
        rows.to_json(new.policy),
        new.policy.break_glass,
        new.policy.expires,
    )


def _path(state: State, events: Sequence[Event]) -> list[State]:
    path = []
    for event in events:
        if not (states.applies(state, event) or (event == Event.REVIEWED and state in ENDED)):
            raise RequestChanged(f"It cannot be {event} any more: it is {str(state).replace('_', ' ')}.")
        state = states.after(state, event)
        path.append(state)
    return path


def _vote(request: Request, vote: Vote) -> tuple[Any, ...]:
    by = vote.person
    return (request.id, request.version, by.id, str(by.account), vote.agrees, cleaned(vote.reason))


def _refused(change: Change) -> RequestChanged:
    if change.token is not None:
        return RequestChanged("This run has been given up for lost, or its request is another's.")
    if change.after_expiry or change.silent_for is not None:
        return RequestChanged("There is no reason to end it any more.")
    return RequestChanged("It has expired.", hint="Ask for it again.")


def _changes(request: Request, change: Change, new: State) -> dict[str, Any]:
    reviewer = change.by if Event.REVIEWED in change.events else None
    return {
        "id": request.id,
        "old": request.state,
        "version": request.version,
        "new": new,
        "amended": Event.AMENDED in change.events,
        "arguments": None if change.arguments is None else canonical(dict(change.arguments)),
        "new_reason": None if change.new_reason is None else cleaned(change.new_reason),
        "proposal": rows.to_json(change.proposal),
        "digest": of(change.proposal) if change.proposal else None,
        "why": cleaned(change.reason) if new in EXPLAINED else None,
        "outcome": rows.to_json(change.outcome),
        "reviewer": reviewer.id if reviewer else None,
        "reviewer_account": str(reviewer.account) if reviewer else None,
        "expires_in": change.expires_in,
        "decided": new not in (State.PLANNING, State.PENDING),
        "started": Event.STARTED in change.events,
        "ended": new in ENDED,
        "any_time": change.any_time,
        "after_expiry": change.after_expiry,
        "token": change.token,
        "silent_for": change.silent_for,
    }


def _facts(request: Request, changed: Request, change: Change) -> dict[str, Any]:
    """What the audit log keeps besides who, which and what state."""
    told: dict[str, Any] = {"reason": cleaned(change.reason), **change.details}
    if change.vote:
        told |= {"agrees": change.vote.agrees, "reason": cleaned(change.vote.reason)}
    if Event.APPROVED in change.events:
        told |= {"agreed": [f"{vote.person.id} ({vote.person.account})" for vote in changed.agreed]}
    if change.proposal:
        told |= {"plan": bound(change.proposal)}
    if Event.AMENDED in change.events:
        told |= {"arguments": dict(changed.arguments), "asked_for": dict(request.arguments)}
    if Event.STARTED in change.events:
        told |= {"token": changed.token}
    return told | rows.outcome_facts(change.outcome)
