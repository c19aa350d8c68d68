"""The backups there are. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from bot.blocks.parts import Message, Option, Sheet, button
from bot.blocks.status import LEVELS
from bot.blocks.text import ago, bold, code, joined, lines, moment, typed, utc
from operations.backup_catalogue import BackupInfo
from operations.measures import counted, size_text

SHOWN = 10


class BackupsCard(Struct, frozen=True):
    """Newest first."""

    environment: str
    now: float
    backups: tuple[BackupInfo, ...]


def message(card: BackupsCard) -> Message:
    """The newest few, each with its age, its level and why it was taken."""
    sheet = Sheet()
    told = f"{card.environment}: {counted(len(card.backups), 'backup')}"
    sheet.header(told)
    if not card.backups:
        sheet.section("There is no backup yet.")
    for backup in card.backups[:SHOWN]:
        sheet.section(_one(backup, card.now))
    if len(card.backups) > SHOWN:
        sheet.section(f"and {len(card.backups) - SHOWN} older ones.")
    sheet.context(joined("As of ", moment(card.now)))
    sheet.actions(
        "next",
        button("Take a backup …", "ask:backup", card.environment),
        button("Restore …", "ask:restore", card.environment) if options(card.backups, card.now) else None,
    )
    newest = f" The newest is {ago(card.backups[0].created, card.now)}." if card.backups else ""
    return sheet.message(f"{told}.{newest}")


def options(backups: Iterable[BackupInfo], now: float) -> tuple[Option, ...]:
    """Those that can be restored, for a menu."""
    return tuple(
        Option(
            f"{ago(one.created, now)} ({utc(one.created)})",
            one.id,
            f"{LEVELS[one.level or 'L0']}, {size_text(one.bytes)}, {one.reason}",
        )
        for one in backups
        if one.own and not one.problems
    )


def _one(backup: BackupInfo, now: float) -> str:
    if backup.problems:
        return lines(joined(code(backup.id), " ", bold("Damaged")), typed(backup.problems[0]))
    held = f"{counted(backup.tables, 'table')}, {counted(backup.rows, 'row')}, {size_text(backup.bytes)}"
    return lines(
        joined(code(backup.id), " ", moment(backup.created), f" ({ago(backup.created, now)})"),
        typed(f"{LEVELS[backup.level or 'L0']} · {held} · {backup.reason}"),
        joined("Kept: ", typed(backup.pinned)) if backup.pinned else "",
        joined(bold("Its test restore failed: "), typed(backup.restore_problems[0])) if backup.restore_problems else "",
    )
