"""Short answers that one person gets to see. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.blocks.parts import Message, Option, Sheet, button, menu
from bot.blocks.text import bold, joined, lines, moment, person, quoted, typed
from bot.words import Verb
from operations.approvals.model import Freeze
from operations.settings import Alerts, FreezeHolds


def notice(text: str, hint: str = "") -> Message:
    """A sentence, and what to do next."""
    sheet = Sheet()
    sheet.section(lines(typed(text, 1500), joined(bold("Next: "), typed(hint)) if hint else ""))
    return sheet.message(f"{text} {hint}".strip())


def failure(what: str, message: str, hint: str = "") -> Message:
    """Why something could not be done."""
    sheet = Sheet()
    sheet.section(
        lines(bold(what), typed(message, 1500), joined(bold("Next: "), typed(hint)) if hint else ""),
    )
    return sheet.message(f"{what} {message} {hint}".strip())


def which_environment(verb: Verb, environments: Sequence[str]) -> Message:
    """A menu to complete a command with."""
    sheet = Sheet()
    choice = menu(f"choose:{verb.name}", "Environment", [Option(name, name) for name in environments])
    sheet.section(joined(bold(verb.name), ": of which environment?"), choice)
    return sheet.message(f"{verb.name}: of which environment?")


def form_button(command: str, verb: str, environment: str) -> Message:
    """Where no form can be opened without a press: after a mention."""
    sheet = Sheet()
    sheet.section(joined(bold(verb), f" {environment}: it needs some details."))
    sheet.actions("form", button("Open the form", f"ask:{verb}", environment))
    return sheet.message(f"{verb} {environment}: type {command} {verb} {environment}, or press the button.")


HELD: Mapping[FreezeHolds, str] = {
    "nothing": "",
    "warnings": "Until then warnings are held back; failures are told.",
    "everything": "Until then no alert is sent, not even of a failure.",
}
"""What becomes of alerts."""


def freeze_told(environment: str, by: str, freeze: Freeze | None, alerts: Alerts, *, watched: bool) -> Message:
    """To the channel: that nothing is deployed for now, or is again; ``watched``: whether workers send its alerts."""
    sheet = Sheet()
    if freeze is None:
        sheet.section(joined(bold(f"{environment} is not frozen any more"), ", by ", person(by), "."))
        return sheet.message(f"{environment} is not frozen any more.")
    until = joined("until ", moment(freeze.until)) if freeze.until else typed("until somebody lifts it")
    told = joined(bold(f"{environment} is frozen"), " by ", person(by), " ", until, ".")
    held = HELD[alerts.freeze_holds] if watched and (alerts.webhooks or alerts.slack or alerts.apprise) else ""
    sheet.section(lines(told, quoted(freeze.reason) if freeze.reason else "", held))
    return sheet.message(f"{environment} is frozen: {freeze.reason}")
