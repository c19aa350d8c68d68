"""Rows of the ledger's tables as the frozen data of ``operations.approvals``, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from msgspec.json import encode
from msgspec.structs import asdict

from operations.approvals.digest import canonical
from operations.approvals.model import (
    AuditEntry,
    Event,
    Freeze,
    Message,
    Outcome,
    Person,
    Policy,
    Proposal,
    Request,
    State,
    Vote,
)
from operations.approvals.people import account as account_of
from operations.described import read_json

T = TypeVar("T")
COLUMNS = """id, version, revision, environment, operation, arguments::text, person, account, reason, state, executor,
    policy::text, extract(epoch FROM created_at), extract(epoch FROM expires_at), proposal::text, digest, why,
    extract(epoch FROM decided_at), extract(epoch FROM started_at), extract(epoch FROM ended_at), token,
    extract(epoch FROM beat_at), progress, outcome::text, reviewer, reviewer_account,
    (SELECT coalesce(json_agg(json_build_array(v.person, v.account, v.agrees, v.reason, extract(epoch FROM v.at))
                              ORDER BY v.at, v.person), '[]')::text
       FROM votes v WHERE v.request_id = requests.id AND v.version = requests.version)"""
"""Of ``requests``, as ``request_of`` takes them."""
FREEZE_COLUMNS = "environment, person, account, reason, extract(epoch FROM since), extract(epoch FROM until)"
MESSAGE_COLUMNS = "m.id, m.request_id, m.kind, m.channel, m.ts, m.shown, m.wanted"
AUDIT_COLUMNS = "seq, at, body, previous, hash"


def request_of(row: Sequence[Any]) -> Request:
    """One row of ``COLUMNS``."""
    (id, version, revision, environment, operation, arguments, person, account, reason, state, executor) = row[:11]
    (policy, created, expires, proposal, digest, why, decided, started, ended, token, beat, progress) = row[11:23]
    outcome, reviewer, reviewer_account, votes = row[23:]
    return Request(
        id=id,
        version=version,
        revision=revision,
        environment=environment,
        operation=operation,
        arguments=json.loads(arguments),
        requester=person_of(person, account),
        reason=reason,
        state=State(state),
        executor=executor,
        policy=parsed(Policy, policy),
        created_at=float(created),
        expires_at=float(expires),
        proposal=parsed(Proposal, proposal) if proposal else None,
        digest=digest,
        votes=tuple(Vote(person_of(p, a), agrees, said, float(at)) for p, a, agrees, said, at in json.loads(votes)),
        why=why,
        decided_at=_seconds(decided),
        started_at=_seconds(started),
        ended_at=_seconds(ended),
        token=token,
        beat_at=_seconds(beat),
        progress=progress,
        outcome=parsed(Outcome, outcome) if outcome else None,
        reviewed_by=person_of(reviewer, reviewer_account) if reviewer else None,
    )


def person_of(person: str, account: str) -> Person:
    """``ada``, ``slack:U0AAAA``."""
    kind, _, id = account.partition(":")
    return Person(person, account_of(kind, id))


def freeze_of(row: Sequence[Any]) -> Freeze:
    """One row of ``FREEZE_COLUMNS``."""
    environment, person, account, reason, since, until = row
    return Freeze(environment, person_of(person, account), reason, float(since), _seconds(until))


def message_of(row: Sequence[Any]) -> Message:
    """One row of ``MESSAGE_COLUMNS``."""
    return Message(*row)


def entry_of(row: Sequence[Any]) -> AuditEntry:
    """One row of ``AUDIT_COLUMNS``."""
    return AuditEntry(*row)


def to_json(value: object) -> str | None:
    """A struct as JSON that ``parsed`` takes."""
    return None if value is None else encode(value).decode()


def parsed(kind: type[T], text: str) -> T:
    """The struct that ``to_json`` wrote."""
    return read_json(text, kind)


def body(event: Event | str, by: Person | None, request: Request | None, facts: Mapping[str, Any]) -> str:
    """What an entry of the audit log says, as canonical JSON."""
    told: dict[str, Any] = {"event": str(event)}
    if by:
        told |= {"person": by.id, "account": str(by.account)}
    if request:
        told |= {
            "request": request.id,
            "version": request.version,
            "environment": request.environment,
            "operation": request.operation,
            "digest": request.digest,
            "state": str(request.state),
        }
    return canonical(told | {name: value for name, value in facts.items() if value not in (None, "")})


def facts_of(request: Request) -> dict[str, Any]:
    """What the audit log keeps of a request as it was asked for."""
    return {
        "arguments": dict(request.arguments),
        "reason": request.reason,
        "executor": request.executor,
        "policy": request.policy.version,
        "break_glass": request.break_glass or None,
    }


def outcome_facts(outcome: Outcome | None) -> dict[str, Any]:
    """What the audit log keeps of how it ended."""
    return {"outcome": {k: v for k, v in asdict(outcome).items() if v not in (None, "", {})}} if outcome else {}


def _seconds(value: Any) -> float | None:
    return None if value is None else float(value)
