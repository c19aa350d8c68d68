"""The audit log read back: whether its chain holds, and whether it and the requests tell the same story."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from operations.approvals.change import Verified
from operations.approvals.model import AuditEntry, Request
from operations.errors import UsageError
from operations.ledger import Ledger

FIRST = "0" * 64
"""What the first entry has in place of a hash before it."""
PAGE = 1000
TRIES = 3
MOST_TOLD = 20


def hash_of(previous: str, seq: int, at: str, body: str) -> str:
    """Lower-case hex of SHA-256 over four lines, as the database makes it (``chain`` in ``ledger_1.sql``)."""
    return hashlib.sha256("\n".join((previous, str(seq), at, body)).encode()).hexdigest()


@dataclass
class Chain:
    """The log as far as it has been read."""

    seq: int = 0
    hash: str = FIRST
    problems: list[str] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)
    """Of each request, what its latest entry says."""
    anchor: tuple[int, str] | None = None

    def read(self, entries: Sequence[AuditEntry]) -> None:
        """The next entries, each against the one before."""
        for entry in entries:
            self.problems += self._wrong(entry)
            self.seq, self.hash = entry.seq, entry.hash
            self._take(entry)

    def _wrong(self, entry: AuditEntry) -> Iterator[str]:
        if entry.seq != self.seq + 1:
            yield f"entry {self.seq + 1} is missing: behind {self.seq} comes {entry.seq}"
        if entry.previous != self.hash:
            yield f"entry {entry.seq} does not follow the one before it: that was changed, replaced or removed"
        if entry.hash != hash_of(entry.previous, entry.seq, entry.at, entry.body):
            yield f"entry {entry.seq} was changed: its hash is another one"
        if self.anchor and self.anchor[0] == entry.seq and self.anchor[1] != entry.hash:
            yield f"entry {entry.seq} is not the one whose hash was kept: the log was written anew"

    def _take(self, entry: AuditEntry) -> None:
        try:
            told = json.loads(entry.body)
        except ValueError:
            self.problems.append(f"entry {entry.seq} is no JSON")
            return
        if "state" in told and "request" in told:
            self.states[told["request"]] = told["state"]

    @property
    def head(self) -> str | None:
        """``SEQ:HASH`` of the last entry."""
        return f"{self.seq}:{self.hash}" if self.seq else None


def verify(ledger: Ledger, kept: str | None = None) -> Verified:
    """Read the whole log. ``kept``: a ``head`` from before, which shows also what was cut off at the end.

    Raises ``UsageError`` where that is none.
    """
    chain = Chain(anchor=_anchor(kept) if kept else None)
    told: tuple[str, ...] = ()
    for _ in range(TRIES):  # what goes on meanwhile is no contradiction
        _read_on(ledger, chain)
        standing = dict(ledger.standing())
        _read_on(ledger, chain)
        told = tuple(_contradictions(chain.states, standing))
        if not told:
            break
    if chain.anchor and chain.seq < chain.anchor[0]:
        chain.problems.append(f"the log ends with entry {chain.seq}, and entry {chain.anchor[0]} was there: cut off")
    problems = (*chain.problems, *told)
    shown = (*problems[:MOST_TOLD], *(["…"] if len(problems) > MOST_TOLD else []))
    return Verified(not problems, chain.seq, chain.head, shown)


def unrecorded(request: Request, entries: Sequence[AuditEntry]) -> str | None:
    """Why the log does not bear out that a request was approved; ``None`` where it does.

    ``entries``: its newest, the oldest of them first. What somebody was refused changes no state, and does not count.
    """
    bodies = (json.loads(entry.body) for entry in reversed(entries))
    latest = next((body for body in bodies if isinstance(body, dict) and "state" in body), {})
    if latest.get("state") != str(request.state) or latest.get("digest") != request.digest:
        return "the audit log does not say that it was approved"
    return None


def pages(ledger: Ledger, after: int = 0) -> Iterator[tuple[AuditEntry, ...]]:
    """All entries behind number ``after``, some at a time."""
    while page := ledger.audit(after, PAGE):
        yield page
        after = page[-1].seq


def _read_on(ledger: Ledger, chain: Chain) -> None:
    for page in pages(ledger, chain.seq):
        chain.read(page)


def _contradictions(told: dict[str, str], standing: dict[str, str]) -> Iterator[str]:
    for id in sorted({*told, *standing}):
        if id not in standing:
            yield f"request {id} is in the log, and not among the requests"
        elif told.get(id) != standing[id]:
            yield f"request {id} is {standing[id]}, and the log says {told.get(id, 'nothing')}"


def _anchor(kept: str) -> tuple[int, str]:
    seq, _, hash = kept.partition(":")
    if not seq.isdigit() or len(hash) != len(FIRST):
        raise UsageError(f"{kept!r} is no head of an audit log.", hint="It looks like 42:9f86d0…, as verify prints it.")
    return int(seq), hash
