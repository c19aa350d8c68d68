"""``locktender restore``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from cli.approval import approved, refuse_if_wanted
from cli.desk import Desk
from cli.options import verb
from cli.output import Answer
from operations.errors import ExitCode, UsageError
from operations.measures import size_text

if TYPE_CHECKING:
    from operations.context import Context
    from operations.kept import KeptDatabase
    from operations.restore import RestoreResult

EXAMPLE = """
locktender restore latest --dry-run
locktender restore 20240702T101500Z-1a2b3c
locktender restore latest --into shop_copy
locktender restore --undo
locktender restore --prune 7d
"""


@verb("restore", EXAMPLE)
@click.argument("backup_id", metavar="ID|latest", required=False)
@click.option("--into", metavar="DATABASE", help="Into a new database of this name; the live one is not touched.")
@click.option("--undo", is_flag=True, help="Swap back the database that the last restore or rollback replaced.")
@click.option("--prune", metavar="AGE", help="Drop the replaced databases that were kept for longer than this (7d).")
@click.option("--foreign", is_flag=True, help="Allow a backup of another database or server.")
@click.option(
    "--no-emergency-backup",
    is_flag=True,
    help="Do not back up the live database before; it is kept under another name all the same.",
)
@click.option("--dry-run", is_flag=True, help="Check everything that can be checked beforehand; change nothing.")
def command(
    desk: Desk,
    backup_id: str | None,
    into: str | None,
    undo: bool,
    prune: str | None,
    foreign: bool,
    no_emergency_backup: bool,
    dry_run: bool,
) -> Answer:
    """Bring a backup back: beside the live database first, checked there, then swapped in by rename.

    The live database is backed up before, serves until the swap (a fraction of a second), and is kept under another
    name for --undo, until --prune drops it. Exit 3: it failed, and the live database is as it was.
    """
    if (backup_id is not None) + undo + (prune is not None) != 1:
        raise click.UsageError("Name a backup (or latest) to restore, or say --undo or --prune.")
    context = desk.context()
    if undo:
        return _undone(desk, context)
    if prune is not None:
        return _pruned(desk, context, prune, dry_run)

    from operations import restore

    target = context.database.target
    if not dry_run and not into:
        desk.confirm(context, f"This replaces {target} by backup {backup_id}.", word=target.database)
    named, emergency = backup_id or "latest", not no_emergency_backup
    asked = {"backup": named, "into": into, "foreign": foreign, "no_emergency_backup": no_emergency_backup}

    def perform() -> RestoreResult:
        return restore.restore(context, named, into, dry_run, foreign=foreign, emergency=emergency)

    result = perform() if dry_run else approved(desk, context, "restore", asked, perform)
    return Answer(result, lambda: view(context, result), ExitCode.DONE if result.validation.ok else ExitCode.NO)


def _undone(desk: Desk, context: Context) -> Answer:
    from operations import restore

    target = context.database.target
    desk.confirm(context, f"This puts back the database that {target} has replaced.", word=target.database)
    result = approved(desk, context, "restore", {"undo": True}, lambda: restore.undo(context))
    return Answer(result, lambda: view(context, result))


def _pruned(desk: Desk, context: Context, age: str, dry_run: bool) -> Answer:
    from operations import restore
    from operations.settings_values import seconds

    try:
        older_than = seconds(age)
    except ValueError as error:
        raise UsageError(f"--prune {error}.", hint=f"{context.command} restore --prune 7d") from None
    if not dry_run:
        refuse_if_wanted(context.environment, "restore", "--prune")
        desk.confirm(context, f"This drops databases that {context.database.target} has replaced, older than {age}.")
    pruned = restore.prune_kept(context, older_than, dry_run)
    return Answer({"pruned": pruned}, lambda: _dropped(pruned, dry_run))


def _dropped(pruned: Sequence[KeptDatabase], dry_run: bool) -> Iterator[str]:
    if not pruned:
        yield "None is that old."
    for kept in pruned:
        yield f"{'would drop' if dry_run else 'dropped'}  {kept.name}  {size_text(kept.bytes)}"


def view(context: Context, result: RestoreResult) -> Iterator[str]:
    """What is live now, where the former one is, how long it took."""
    if result.steps:
        yield "Planned; nothing was changed."
        yield from (f"  {number}. {step}" for number, step in enumerate(result.steps, 1))
        return
    yield f"Restored {result.restored} into {result.database} in {result.seconds:.1f} s."
    if result.validation.ok and not result.restored.startswith(result.database):
        yield "  compared with its manifest: schema and all rows are equal"
    yield from (f"  differs: {difference}" for difference in result.validation.differences)
    if result.previous_database:
        yield f"  outage: {result.outage_seconds:.2f} s"
        yield f"  the database from before: {result.previous_database}"
    if result.emergency_backup:
        yield f"  and its backup: {result.emergency_backup}"
    for table, rows in (result.written_meanwhile or {}).items():
        yield f"  written meanwhile, and only there: {rows} rows of {table}"
    yield from (f"  note: {note}" for note in result.notes)
    if result.previous_database:
        yield f"next: {context.command} restore --undo swaps back"
