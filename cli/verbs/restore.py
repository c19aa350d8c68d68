"""``locktender restore``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from cli.desk import Desk
from cli.options import verb
from cli.output import Answer

if TYPE_CHECKING:
    from operations.restore import RestoreResult

EXAMPLE = """
locktender restore latest --dry-run
locktender restore 20240702T101500Z-1a2b3c
locktender restore latest --into shop_copy
locktender restore --undo
"""


@verb("restore", EXAMPLE)
@click.argument("backup_id", metavar="ID|latest", required=False)
@click.option("--into", metavar="DATABASE", help="Into a new database of this name; the live one is not touched.")
@click.option("--undo", is_flag=True, help="Swap back the database that the last restore or rollback replaced.")
@click.option("--dry-run", is_flag=True, help="Check everything that can be checked beforehand; change nothing.")
def command(desk: Desk, backup_id: str | None, into: str | None, undo: bool, dry_run: bool) -> Answer:
    """Bring a backup back: beside the live database first, checked there, then swapped in by rename.

    The live database is backed up before, serves until the swap (a fraction of a second), and is kept under another
    name for --undo.
    """
    if undo == (backup_id is not None) or (undo and into):
        raise click.UsageError("Name a backup (or latest) to restore, or say --undo.")
    context = desk.context("restore")

    from operations import restore

    target = context.database.target
    if backup_id is None:
        desk.confirm(context, f"This puts back the database that {target} replaced.", word=target.database)
        result = restore.undo(context)
    else:
        if not dry_run and not into:
            desk.confirm(context, f"This replaces {target} by backup {backup_id}.", word=target.database)
        result = restore.restore(context, backup_id, into=into, dry_run=dry_run)
    return Answer(result, lambda: view(result))


def view(result: RestoreResult) -> Iterator[str]:
    """What is live now, where the former one is, how long it took."""
    yield f"Restored {result.restored} in {result.seconds:.1f} s."
