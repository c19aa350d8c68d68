"""How what ``validate`` found is shown at a terminal: somebody else's text, so control characters are escaped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from cli.screen import shown
from cli.tables import frameless

if TYPE_CHECKING:
    from rich.console import RenderableType

    from operations.rules.model import Finding
    from operations.validation.model import RollbackProof, SchemaChange, StatementRun, Validation

COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}
WEAK = frozenset({"AccessShareLock", "RowShareLock", "RowExclusiveLock"})
"""What reading and writing take; nobody waits for those but a migration."""
MOST = 40
"""Lines of a table that are shown; --json has all."""
WAYS = {
    "transaction": "its transaction undoes it",
    "down": "a proven script undoes it",
    "swap": "the backup from before is brought back",
}


def view(found: Validation) -> Iterator[RenderableType | str]:
    """The verdict first, then what it rests on."""
    yield _headline(found)
    for name, one in found.verdicts.items():
        atomic = click.style("atomic", fg="green") if one.atomic else click.style("not atomic", fg="yellow")
        yield f"  {shown(name)}: {atomic}, {shown(one.reason)}"
    if found.whole and len(found.verdicts) > 1:
        together = "in one transaction" if found.whole.atomic else "not in one transaction"
        yield f"  all together: {together}, {shown(found.whole.reason)}"
    if found.whole:
        yield f"  if a deploy of them fails: {WAYS[found.whole.rollback]}"
    for finding in found.findings:
        yield from _finding(finding)
    yield from _statements(found.statements)
    yield from _changes(found.schema_changes)
    yield from _proofs(found.rollback_proof)
    if found.notes:
        yield ""
    yield from (f"note: {shown(note)}" for note in found.notes)


def _headline(found: Validation) -> str:
    count = len(found.changes.new)
    what = f"{count} new migration{'s' * (count != 1)}"
    numbers = Counter(finding.severity for finding in found.findings)
    told = [f"{numbers[s]} {s}{'s' * (numbers[s] != 1)}" for s in ("error", "warning", "note") if numbers[s]]
    mark = click.style("passed", fg="green", bold=True) if found.ok else click.style("failed", fg="red", bold=True)
    version = f", tried on PostgreSQL {found.server_version}" if found.server_version else ""
    return f"Validation {mark}: {what}, {', '.join(told) or 'no findings'}{version}."


def _finding(one: Finding) -> Iterator[str]:
    yield ""
    place = f"{shown(one.file)}:{one.line}:{one.column}"
    yield f"{click.style(one.severity, fg=COLOURS[one.severity], bold=True)} {place} [{one.rule}]"
    yield from (f"  {shown(line)}" for line in one.message.splitlines())
    yield from (f"  fix: {shown(line)}" for line in one.help.splitlines()[:1])
    yield from (f"       {shown(line)}" for line in one.help.splitlines()[1:])


def _statements(runs: Sequence[StatementRun]) -> Iterator[RenderableType | str]:
    """Those that others would notice."""
    from rich.text import Text

    heavy = [r for r in runs if r.rewrites or r.scans or any(lock.mode not in WEAK for lock in r.locks)]
    if not heavy:
        return
    yield ""
    table = frameless(("statement", "at", "locks", "rewrites", "reads in full"))
    for run in heavy[:MOST]:
        locks = "\n".join(f"{shown(k.relation)} {k.mode.removesuffix('Lock')}" for k in run.locks if k.mode not in WEAK)
        where = f"{shown(run.file.split('/')[0])}:{run.line}"
        cells = (run.kind, where, locks, "\n".join(map(shown, run.rewrites)), "\n".join(map(shown, run.scans)))
        table.add_row(*map(Text, cells))
    yield table
    if len(heavy) > MOST:
        yield f"  and {len(heavy) - MOST} more"


def _changes(changes: Sequence[SchemaChange]) -> Iterator[RenderableType | str]:
    from rich.text import Text

    if not changes:
        return
    yield ""
    table = frameless(("schema", "", "before", "after"))
    for one in changes[:MOST]:
        texts = ("\n".join(shown(line) for line in (text or "–").splitlines()) for text in (one.before, one.after))
        table.add_row(*map(Text, (one.change, f"{one.kind} {shown(one.object)}", *texts)))
    yield table
    if len(changes) > MOST:
        yield f"  and {len(changes) - MOST} more"


def _proofs(proofs: Sequence[RollbackProof]) -> Iterator[str]:
    from operations.validation.losing import objects, rows

    if not proofs:
        return
    yield ""
    for one in proofs:
        yield f"undo by {one.method}: {shown(one.migration)}: {one.state}"
        yield from (f"  differs: {shown(text)}" for text in one.differences)
        yield from (f"  would be lost: {shown(text)}" for text in one.lost)
        if one.loss:
            yield f"  that is {objects(one.loss)}; what is written until then is counted by the rollback itself"
            yield from (f"    {shown(text)}" for text in rows(one.loss))
        if one.proposal:
            yield f"  proposed {shown(one.migration)}/down.sql:"
            yield from (f"    {shown(line)}" for line in one.proposal.splitlines())
