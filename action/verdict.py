"""A validation in one sentence, and one line for each migration. Pure."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from operations.rules.model import Severity
from operations.validation.losing import objects
from operations.validation.model import RollbackProof, Validation

MARKS: dict[Severity, str] = {"error": "❌", "warning": "⚠️", "note": "💡"}
PLURALS = {"error": "errors", "warning": "warnings", "note": "notes"}
WAYS = {
    "transaction": "the transaction",
    "down": "`down.sql`",
    "proposed": "a proposed `down.sql`",
    "swap": "the backup, swapped in",
}
PROOFS = {
    "proved": "proved",
    "lossy": "proved, but what is written until then would be lost",
    "refuted": "**does not lead back**",
    "unproved": "not proved",
}


class Line(Struct, frozen=True):
    """What is to be said of one migration."""

    name: str
    change: str
    atomic: str
    """``yes``, ``no`` or empty, where it is not known."""
    reason: str
    way_back: str
    findings: str


def headline(validation: Validation) -> str:
    """Whether it may be merged, and what it is: ``2 new migrations: …``."""
    counts = Counter(finding.severity for finding in validation.findings)
    told = [counted(counts[kind], kind) for kind in ("error", "warning") if counts[kind]]
    if not validation.ok:
        return f"{MARKS['error']} {', '.join(told) or 'Not as it should be'}: look before you merge"
    mark = MARKS["warning"] if told else "✅"
    return f"{mark} {subject(validation)}" + (f", {', '.join(told)}" if told else "")


def counted(number: int, kind: str) -> str:
    """``1 error``, ``2 errors``."""
    return f"{number} {kind if number == 1 else PLURALS.get(kind, kind + 's')}"


def subject(validation: Validation) -> str:
    """What the pull request brings."""
    new = len(validation.changes.new)
    if not new:
        return "No new migration"
    whole = validation.whole
    how = "" if whole is None else ": all or nothing" if whole.atomic else ": not in one transaction"
    return f"{counted(new, 'new migration')}{how}"


def lines(validation: Validation) -> tuple[Line, ...]:
    """One for each migration that is new or otherwise touched, in the order they apply."""
    changes = validation.changes
    what = dict.fromkeys(changes.edited, "edited after it has landed") | dict.fromkeys(changes.deleted, "deleted")
    what |= {new: f"renamed from {old}" for old, new in (changes.renamed or {}).items()}
    what |= dict.fromkeys(changes.new, "new") | dict.fromkeys(changes.late, "new, but before one that has landed")
    proofs = {proof.migration: proof for proof in validation.rollback_proof}
    counts = Counter((finding.file.partition("/")[0], finding.severity) for finding in validation.findings)
    return tuple(_line(validation, name, change, proofs.get(name), counts) for name, change in sorted(what.items()))


def _line(
    validation: Validation, name: str, change: str, proof: RollbackProof | None, counts: Counter[tuple[str, Severity]]
) -> Line:
    verdict = validation.verdicts.get(name)
    way = WAYS[proof.method] if proof else WAYS[verdict.rollback] if verdict else ""
    return Line(
        name=name,
        change=change,
        atomic="" if verdict is None else "yes" if verdict.atomic else "no",
        reason=verdict.reason if verdict else "",
        way_back=f"{way}: {PROOFS[proof.state]}{_counted(proof)}" if proof else way,
        findings=" ".join(f"{mark} {counts[name, kind]}" for kind, mark in MARKS.items() if counts[name, kind]),
    )


def _counted(proof: RollbackProof) -> str:
    return f" ({objects(proof.loss)})" if proof.loss else ""
