"""``locktender rehearse``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from cli.desk import Desk
from cli.options import verb
from cli.output import Answer
from cli.tables import frameless
from operations.errors import ExitCode
from operations.measures import size_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from operations.rehearse import Rehearsal
    from operations.validation.model import StatementRun

EXAMPLE = """
locktender rehearse
locktender rehearse --backup 20240702T101500Z-1a2b3c --json | jq .result.statements
"""
MOST = 60


@verb("rehearse", EXAMPLE)
@click.option("--backup", "backup_id", metavar="ID", default="latest", help="Which backup (default: the newest).")
def command(desk: Desk, backup_id: str) -> Answer:
    """Run the pending migrations on a restored copy of a backup, and measure them: time, locks, rewrites, WAL.

    The copy is a database beside the live one, which is not touched; it needs room on the same server, and is dropped
    at the end. Exit 1: a migration fails on it.
    """
    context = desk.context()

    from operations.rehearse import rehearse

    found = rehearse(context, backup_id)
    return Answer(found, lambda: view(found), ExitCode.DONE if found.ok else ExitCode.NO)


def view(found: Rehearsal) -> Iterator[RenderableType | str]:
    """What came of it, then every statement."""
    from cli.screen import shown

    count = len(found.pending)
    if not count:
        yield f"Nothing is pending on backup {found.backup}."
        return
    ended = click.style("failed", fg="red", bold=True) if found.failed else click.style("went well", fg="green")
    yield f"Rehearsal of {count} pending migration{'s' * (count != 1)} on backup {found.backup} {ended}."
    yield (
        f"  restored in {found.restore_seconds:.2f} s, applied in {found.seconds:.2f} s,"
        f" {size_text(found.wal_bytes)} of WAL"
    )
    if found.failed:
        one = found.failed
        yield f"  {shown(one.file)}:{one.line}:{one.column}: {shown(one.message)}"
        yield f"  fix: {shown(one.help)}"
    if found.statements:
        yield _table(found.statements[:MOST])
    if len(found.statements) > MOST:
        yield f"  and {len(found.statements) - MOST} more"
    yield from (f"note: {shown(note)}" for note in found.notes)


def _table(runs: tuple[StatementRun, ...]) -> RenderableType:
    from rich.text import Text

    from cli.screen import shown

    table = frameless(("  statement", "at", "locks", "rewrites", "reads in full"), ("seconds", "WAL"))
    for run in runs:
        locks = "\n".join(f"{shown(lock.relation)} {lock.mode.removesuffix('Lock')}" for lock in run.locks)
        where = f"{shown(run.file.split('/')[0])}:{run.line}"
        cells = (f"  {run.kind}", where, locks, "\n".join(map(shown, run.rewrites)), "\n".join(map(shown, run.scans)))
        table.add_row(*map(Text, cells), f"{run.seconds:.2f}", size_text(run.wal_bytes or 0))
    return table
