"""App Home: the board of all environments that a person may see. Pure.

Moments are absolute, so that the same truth gives the same view: it is only published anew when something has changed.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from bot.blocks.parts import Board, Sheet, button
from bot.blocks.request import title
from bot.blocks.status import LEVELS, AtWork, Frozen, held
from bot.blocks.text import Marked, bold, joined, lines, moment, people, person, quoted, typed
from operations.approvals.model import Request, State
from operations.measures import counted, size_text

WHOLE = 12
"""So many environments are shown whole; of more, each is a paragraph."""
PARAGRAPHS = 90
WAITING = 4
STATES = {State.PLANNING: "being planned", State.PENDING: "waits for approval", State.APPROVED: "approved, begins"}


class Looked(Struct, frozen=True):
    """What was last found at an environment; texts are plain. ``at`` in seconds since the epoch."""

    at: float
    verdict: str
    migrations: str = ""
    health: str = ""
    backup_at: float | None = None
    backup_level: str = ""
    backup_bytes: int = 0
    trouble: tuple[str, ...] = ()


class Waiting(Struct, frozen=True):
    """An open request, with the Slack ids of those who may agree and have not said their word."""

    request: Request
    missing: tuple[str, ...] = ()


class Environment(Struct, frozen=True):
    """One of the board. ``channel``: where it is operated on; ``looked`` is ``None`` until the first look."""

    name: str
    channel: str = ""
    looked: Looked | None = None
    waiting: tuple[Waiting, ...] = ()
    at_work: tuple[AtWork, ...] = ()
    frozen: Frozen | None = None


def board(environments: tuple[Environment, ...], refusal: str = "", command: str = "/db") -> Board:
    """The whole view; ``refusal`` says why there is nothing to see."""
    sheet = Sheet()
    if refusal or not environments:
        sheet.header("Nothing to see here")
        sheet.section(refusal or "Become a member of an environment's channel, then open this page again.")
    draw = _whole if len(environments) <= WHOLE else _short
    for one in environments[:PARAGRAPHS]:
        draw(sheet, one)
    if len(environments) > PARAGRAPHS:
        sheet.section(f"and {len(environments) - PARAGRAPHS} more: {command} status NAME shows each.")
    if environments:
        sheet.actions("home", button("Look again", "home:refresh"))
        sheet.context(
            f"What is asked for and who is at work is always as it is now. {command} help says what you may do."
        )
    return Board(tuple(sheet.blocks))


def _whole(sheet: Sheet, one: Environment) -> None:
    found = one.looked
    sheet.header(f"{one.name}: {found.verdict if found else 'being looked at'}")
    sheet.fields(
        ("Migrations", typed(found.migrations) if found else "…"),
        ("Last backup", _backup(found) if found else "…"),
        ("Health", typed(found.health) if found else "…"),
        ("At work", _at_work(one)),
    )
    if one.frozen:
        sheet.section(lines(_frozen(one.frozen), quoted(one.frozen.reason), held(one.frozen)))
    for trouble in found.trouble if found else ():
        sheet.section(joined(bold("Could not be looked at: "), trouble))
    sheet.section(lines(*map(_waiting, one.waiting[:WAITING]), _more(one)))
    sheet.context(joined("Looked at ", moment(found.at)) if found else "", _where(one))
    sheet.divider()


def _short(sheet: Sheet, one: Environment) -> None:
    found = one.looked
    told = [bold(f"{one.name}: {found.verdict if found else 'being looked at'}")]
    if found:
        told.append(joined(typed(found.migrations), " · backup: ", _backup(found), " · ", typed(found.health)))
    if one.frozen:
        told.append(lines(_frozen(one.frozen), held(one.frozen)))
    if one.at_work:
        told.append(joined(bold("At work: "), _at_work(one)))
    if one.waiting:
        told.append(joined(bold("Open: "), counted(len(one.waiting), "request")))
    sheet.section(lines(*told))


def _backup(found: Looked) -> Marked:
    if found.backup_at is None:
        return typed(found.backup_level or "none yet")
    level = LEVELS.get(found.backup_level, "damaged")
    return joined(moment(found.backup_at), f", {level}, {size_text(found.backup_bytes)}")


def _at_work(one: Environment) -> Marked:
    if not one.at_work:
        return typed("nobody")
    told: Callable[[AtWork], Marked] = lambda work: joined(  # noqa: E731
        work.operation, " by ", person(work.requester), " since ", moment(work.since)
    )
    return lines(*map(told, one.at_work))


def _frozen(frozen: Frozen) -> Marked:
    until = joined(" until ", moment(frozen.until)) if frozen.until else typed(" until somebody lifts it")
    return joined(bold("Frozen"), " by ", person(frozen.by), until)


def _waiting(one: Waiting) -> Marked:
    request = one.request
    state = STATES.get(request.state, "must be reviewed")
    what = bold(title(request).partition(" · ")[0])
    who = joined(" by ", people(one.missing, 4)) if one.missing and request.state is State.PENDING else Marked("")
    until = joined(", until ", moment(request.expires_at)) if request.state is State.PENDING else Marked("")
    return joined(what, ", asked for by ", person(request.requester.account.id), ": ", state, who, until)


def _more(one: Environment) -> str:
    return f"and {len(one.waiting) - WAITING} more: see the channel" if len(one.waiting) > WAITING else ""


def _where(one: Environment) -> Marked:
    return joined("Operated on in ", Marked(f"<#{one.channel}>")) if one.channel else Marked("")
