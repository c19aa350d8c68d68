"""What an approval is bound to: SHA-256 over everything that would be done, and how it differs from another. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict

from operations.errors import RequestChanged

if TYPE_CHECKING:
    from operations.approvals.model import Proposal

WORDS = {
    "operation": "the operation",
    "environment": "the environment",
    "policy": "the policy, or who is who in it",
    "database": "the database's name",
    "server": "the server's address",
    "system_identifier": "the server itself (its system identifier)",
    "backup_id": "which backup is the one",
    "backup_digest": "the content of the backup",
    "plan": "the plan (what stands in the database, or how the run would go)",
    "commit": "the commit to deploy",
}


def canonical(value: Any) -> str:
    """JSON in exactly one way: sorted keys, no spaces, ASCII only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def bound(proposal: Proposal) -> dict[str, Any]:
    """All that the digest covers: the whole proposal but what is only said about it."""
    return {name: value for name, value in asdict(proposal).items() if name != "explanation"}


def of(proposal: Proposal) -> str:
    """Lower-case hex."""
    return hashlib.sha256(canonical(bound(proposal)).encode()).hexdigest()


def differences(approved: Proposal, now: Proposal) -> tuple[str, ...]:
    """What has changed, in words; empty exactly if the digests are equal."""
    old, new = bound(approved), bound(now)
    return tuple(told for name in old if old[name] != new[name] for told in _told(name, old[name], new[name]))


def refuse_other(approved: str | None, found: str, what: str) -> None:
    """Raise ``RequestChanged`` where it is not the one that was approved; ``None``: any may be."""
    if approved is not None and approved != found:
        raise RequestChanged(
            f"The {what} is not the one that was approved, so nothing was done.",
            hint="Something has changed since; ask for an approval of what would be done now.",
        )


def _told(name: str, old: Any, new: Any) -> Iterator[str]:
    if name not in ("arguments", "migrations"):
        shown = f": {old} → {new}" if name in ("database", "server", "backup_id", "commit") else ""
        yield f"{WORDS[name]} changed{shown}"
        return
    noun = "migration" if name == "migrations" else "argument"
    yield from (f"{noun} {key} {how}" for key, how in _changes(old, new))


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in sorted({*old, *new}):
        if key not in new:
            yield key, "is gone"
        elif key not in old:
            yield key, "is new"
        elif old[key] != new[key]:
            yield key, "changed"
