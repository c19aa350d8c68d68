"""``locktender backup …``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from cli.approval import approved, refuse_if_wanted
from cli.desk import Desk
from cli.options import VerbGroup, verb
from cli.output import Answer
from cli.tables import frameless
from operations.errors import ExitCode
from operations.measures import size_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from operations.backup import BackupInfo, BackupResult, Pin, PruneResult, VerifyResult
    from operations.backups.manifest import Manifest
    from operations.context import Context


@click.group("backup", cls=VerbGroup)
def command() -> None:
    """Create, list, show, verify, pin and prune backups.

    A backup is one directory that plain pg_restore can read without Locktender.
    """


@verb("create", "locktender backup create\nlocktender backup create --test-restore")
@click.option("--test-restore", is_flag=True, help="Prove it by a restore into a throwaway database.")
def create(desk: Desk, test_restore: bool) -> Answer:
    """Take a backup from one consistent snapshot, and check it."""
    context = desk.context()

    from operations import backup

    made = approved(
        desk,
        context,
        "backup",
        {"test_restore": test_restore},
        lambda: backup.create(context, "manual", verify="L2" if test_restore else "L1"),
    )
    return Answer(made, lambda: _created(context, made))


@verb("list", "locktender backup list\nlocktender backup list --json | jq -r '.result.backups[0].id'")
def list_(desk: Desk) -> Answer:
    """List all backups, the newest first."""
    context = desk.context()

    from operations import backup

    backups = backup.list_backups(context)
    return Answer({"backups": backups}, lambda: _listed(backups))


@verb("show", "locktender backup show latest")
@click.argument("backup_id", metavar="ID|latest")
def show(desk: Desk, backup_id: str) -> Answer:
    """Show a backup's manifest: what it holds, from where, how it was checked."""
    context = desk.context()

    from operations import backup

    manifest = backup.show(context, backup_id)
    return Answer(manifest, lambda: _shown(manifest))


@verb("verify", "locktender backup verify latest\nlocktender backup verify latest --test-restore")
@click.argument("backup_id", metavar="ID|latest")
@click.option("--test-restore", is_flag=True, help="Restore it into a throwaway database and compare rows and schema.")
def verify(desk: Desk, backup_id: str, test_restore: bool) -> Answer:
    """Read a backup to its end and compare it with its manifest. Exit 1: it is not intact."""
    context = desk.context()

    from operations import backup

    asked = {"backup": backup_id, "test_restore": test_restore}
    found = approved(
        desk, context, "verify", asked, lambda: backup.verify(context, backup_id, test_restore=test_restore)
    )
    return Answer(found, lambda: _verified(found), ExitCode.DONE if found.intact else ExitCode.NO)


@verb("pin", 'locktender backup pin latest --reason "before the audit"')
@click.argument("backup_id", metavar="ID|latest")
@click.option("--reason", default="by hand", show_default=True, help="Why it must stay; backup list shows it.")
def pin(desk: Desk, backup_id: str, reason: str) -> Answer:
    """Keep a backup, whatever the keep_… rules say, until backup unpin."""
    context = desk.context()

    from operations import backup

    pinned = backup.pin(context, backup_id, reason)
    return Answer(pinned, lambda: _pin(pinned))


@verb("unpin", "locktender backup unpin latest")
@click.argument("backup_id", metavar="ID|latest")
def unpin(desk: Desk, backup_id: str) -> Answer:
    """Leave a backup to the keep_… rules again."""
    context = desk.context()

    from operations import backup

    refuse_if_wanted(context.environment, "backup", "unpin")
    unpinned = backup.unpin(context, backup_id)
    return Answer(unpinned, lambda: _pin(unpinned))


@verb("prune", "locktender backup prune --dry-run\nlocktender backup prune --yes")
@click.option("--dry-run", is_flag=True, help="Say what would be kept and why; remove nothing.")
def prune(desk: Desk, dry_run: bool) -> Answer:
    """Remove the backups that no keep_… rule wants any more.

    The newest verified one always stays, and so does any that is pinned or that a run still needs.
    """
    context = desk.context()

    from operations import backup

    if not dry_run:
        refuse_if_wanted(context.environment, "backup", "prune")
        desk.confirm(context, f"This removes old backups from {context.environment.backup_dir}.")
    pruned = backup.prune(context, dry_run=dry_run)
    return Answer(pruned, lambda: _pruned(pruned, dry_run))


for each in (create, list_, show, verify, pin, unpin, prune):
    command.add_command(each)


def _created(context: Context, made: BackupResult) -> Iterator[str]:
    yield f"Backup {made.id}: {made.tables} tables, {made.rows:,} rows, {size_text(made.bytes)} ({made.level})."
    yield f"  {made.path}"
    if made.linked_bytes:
        yield f"  {size_text(made.linked_bytes)} of it are shared with earlier backups"
    if made.pruned:
        yield f"  removed, since no rule keeps them any more: {', '.join(made.pruned)}"
    yield from (f"  note: {warning}" for warning in (*made.notes, *made.warnings))
    if not made.verified:
        yield f"next: {context.command} backup verify {made.id} --test-restore"


def _listed(backups: Sequence[BackupInfo]) -> Iterator[RenderableType | str]:
    from rich.text import Text

    if not backups:
        yield "No backups yet."
        return
    table = frameless(("id", "taken (UTC)", "level", "database", "reason"), ("size", "rows"))
    for one in backups:
        if one.problems:
            table.add_row(one.id, "", Text("damaged", style="red"), "", one.problems[0], "", "")
            continue
        taken = f"{datetime.fromtimestamp(one.created, UTC):%Y-%m-%d %H:%M:%S}"
        reason = one.reason + (f" (pinned: {one.pinned})" if one.pinned else "")
        size = size_text(one.bytes)
        table.add_row(one.id, taken, str(one.level), one.database, reason, size, f"{one.rows:,}")
    yield table
    yield "L0 complete, checksums right; L1 read to its end; L2 restored for a test, rows and schema equal"


def _shown(manifest: Manifest) -> Iterator[str]:
    from cli.output import as_json

    for key, value in as_json(manifest).items():
        if isinstance(value, (list, dict)):
            yield f"{key}: {len(value)}"
            yield from (f"  {item}" for item in _items(value))
        else:
            yield f"{key}: {value}"


def _items(value: Sequence[object] | dict[str, object]) -> Iterator[str]:
    pairs = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    for name, item in pairs:
        text = ", ".join(f"{key} {part}" for key, part in item.items()) if isinstance(item, dict) else str(item)
        yield f"{name}: {text}" if name is not None else text


def _verified(found: VerifyResult) -> Iterator[str]:
    yield f"Backup {found.id} is intact ({found.level})." if found.intact else f"Backup {found.id} is NOT intact."
    yield from (f"  {problem}" for problem in found.problems)


def _pin(found: Pin) -> Iterator[str]:
    if found.pinned is None:
        yield f"Backup {found.id} is not pinned: the keep_… rules decide when it goes."
    else:
        yield f"Backup {found.id} stays until it is unpinned: {found.pinned}."


def _pruned(pruned: PruneResult, dry_run: bool) -> Iterator[str]:
    for decision in pruned.decisions:
        fate = "keep" if decision.keep else ("would remove" if dry_run else "removed")
        yield f"{fate}  {decision.id}  {', '.join(decision.reasons)}"
