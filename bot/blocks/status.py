"""How an environment stands. Pure."""

from __future__ import annotations

from msgspec import Struct

from bot.blocks.parts import Message, Sheet, button
from bot.blocks.text import Marked, ago, bold, code, joined, lines, moment, person, quoted, typed
from operations.backup_catalogue import BackupInfo
from operations.checks.model import Check
from operations.measures import counted, size_text
from operations.status import StatusResult

SHOWN = 8
LISTS = (
    ("failed", "Failed", "started and never finished: nothing is deployed until it is resolved"),
    ("edited", "Edited", "applied, but the file is another one now"),
    ("missing", "Missing", "applied, but no longer in the folder"),
    ("out_of_order", "Out of order", "pending, though later ones are applied"),
    ("pending", "Pending", "in the folder, not applied"),
)
LEVELS = {"L0": "complete", "L1": "readable to its end", "L2": "restored for a test"}
"""What the level of a backup means."""


class AtWork(Struct, frozen=True):
    """Who is doing what now: times in seconds since the epoch."""

    operation: str
    requester: str
    since: float


class Frozen(Struct, frozen=True):
    """Nothing is deployed for now."""

    by: str
    reason: str
    until: float | None
    """``None``: until somebody lifts it."""
    held: int = 0
    """Alerts that it holds back."""


class StatusCard(Struct, frozen=True):
    """``trouble`` instead of what could not be looked at."""

    environment: str
    database: str
    now: float
    status: StatusResult | None = None
    newest: BackupInfo | None = None
    checks: tuple[Check, ...] = ()
    at_work: tuple[AtWork, ...] = ()
    frozen: Frozen | None = None
    trouble: tuple[str, ...] = ()


def message(card: StatusCard) -> Message:
    """One line that says it all, numbers, what wants attention, buttons."""
    sheet = Sheet()
    said = verdict(card)
    sheet.header(f"{card.environment}: {said}")
    sheet.fields(
        ("Migrations", migrations(card.status)),
        ("Last backup", _backup(card)),
        ("Health", health(card.checks)),
        ("At work", _at_work(card)),
    )
    if card.frozen:
        sheet.section(
            lines(
                joined(bold("Frozen"), " by ", person(card.frozen.by), " ", _until(card.frozen)),
                quoted(card.frozen.reason),
                held(card.frozen),
            )
        )
    for trouble in card.trouble:
        sheet.section(joined(bold("Could not be looked at: "), trouble))
    for name, title, meaning in LISTS:
        names = getattr(card.status, name, ())
        if names:
            sheet.section(lines(joined(bold(title), f" ({len(names)}): {meaning}"), *_listed(names)))
    for run in card.status.interrupted if card.status else ():
        sheet.section(
            joined(bold("Interrupted: "), code(run), " died and is not settled yet. The next run settles it.")
        )
    sheet.context(joined(card.database, " · as of ", moment(card.now)))
    waiting = bool(card.status and card.status.pending)
    sheet.actions(
        "next",
        button("Health check", "ask:check", card.environment),
        button("Backups", "ask:backups", card.environment),
        button("Deploy …", "ask:deploy", card.environment) if waiting and not card.frozen else None,
    )
    return sheet.message(f"{card.environment}: {said}. {migrations(card.status)}. Last backup: {_backup(card)}.")


def verdict(card: StatusCard) -> str:
    """The headline, the worst first."""
    status = card.status
    if status is None:
        return "cannot be looked at"
    if status.failed or status.interrupted:
        return "a person is needed"
    if any(check.status == "fail" for check in card.checks):
        return "not healthy"
    if status.edited or status.missing:
        return "folder and database differ"
    if status.pending:
        return f"{counted(len(status.pending), 'migration')} pending"
    return "up to date" if not card.trouble else "up to date, as far as could be seen"


def held(frozen: Frozen) -> str:
    """``3 alerts held back.``; empty for none."""
    return f"{counted(frozen.held, 'alert')} held back." if frozen.held else ""


def health(checks: tuple[Check, ...]) -> str:
    """``2 failed, 1 warning, 20 fine``."""
    if not checks:
        return "not checked"
    numbers = [sum(check.status == status for check in checks) for status in ("fail", "warn", "ok")]
    if not numbers[0] and not numbers[1]:
        return f"all fine ({counted(numbers[2], 'check')})"
    told = [f"{numbers[0]} failed" if numbers[0] else "", counted(numbers[1], "warning") if numbers[1] else ""]
    return ", ".join([*filter(None, told), f"{numbers[2]} fine"])


def migrations(status: StatusResult | None) -> str:
    """``40 applied, 2 pending``."""
    if status is None:
        return "unknown"
    told = [f"{len(getattr(status, name))} {title.lower()}" for name, title, _ in LISTS if getattr(status, name)]
    return ", ".join([f"{len(status.applied)} applied", *told])


def _backup(card: StatusCard) -> str:
    newest = card.newest
    if newest is None:
        return "unknown" if card.trouble else "none yet"
    level = LEVELS.get(newest.level or "", "damaged")
    return f"{ago(newest.created, card.now)}, {level}, {size_text(newest.bytes)}"


def _at_work(card: StatusCard) -> Marked:
    if not card.at_work:
        return typed("nobody")
    return lines(
        *(joined(one.operation, " by ", person(one.requester), f", {ago(one.since, card.now)}") for one in card.at_work)
    )


def _listed(names: tuple[str, ...]) -> list[Marked]:
    shown = [joined("• ", code(name)) for name in names[:SHOWN]]
    return [*shown, typed(f"and {len(names) - SHOWN} more")] if len(names) > SHOWN else shown


def _until(frozen: Frozen) -> Marked:
    return joined("until ", moment(frozen.until)) if frozen.until else typed("until somebody lifts it")
