"""Whether the new migrations are atomic, and how a deploy would return from them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from operations.migrations.script import Script, combined
from operations.validation.model import RollbackProof, Verdict

Way = Literal["transaction", "down", "swap"]
UNDOES = ("proved", "lossy")


def verdict(script: Script, proofs: Sequence[RollbackProof]) -> Verdict:
    """Of one migration; ``proofs`` are its own."""
    atomic, reason = _refuted(proofs) or (script.verdict.atomic, script.verdict.reason)
    return Verdict(atomic, reason, _way(atomic, [proofs]))


def whole(scripts: Sequence[Script], proofs: Sequence[RollbackProof]) -> Verdict | None:
    """Of all of them as one deploy; ``None`` where there are none."""
    if not scripts:
        return None
    judged = combined(scripts)
    atomic, reason = _refuted(proofs) or (judged.atomic, judged.reason)
    return Verdict(atomic, reason, _way(atomic, [[p for p in proofs if p.migration == s.name] for s in scripts]))


def _refuted(proofs: Sequence[RollbackProof]) -> tuple[bool, str] | None:
    """What was tried counts for more than what was read."""
    for proof in proofs:
        if proof.method == "transaction" and proof.state == "refuted":
            return False, f"{proof.migration} could not be taken back when it was tried: {proof.differences[0]}"
    return None


def _way(atomic: bool, proofs: Sequence[Sequence[RollbackProof]]) -> Way:
    """The cheapest that holds for all: nothing of a transaction stays, the rest needs a script that was proven."""
    if atomic:
        return "transaction"
    undone = all(any((p.method == "down" or p.by_itself) and p.state in UNDOES for p in own) for own in proofs)
    return "down" if undone else "swap"
