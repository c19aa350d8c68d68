"""The health check. Pure."""

from __future__ import annotations

from msgspec import Struct

from bot.blocks.parts import Message, Sheet, button
from bot.blocks.status import health
from bot.blocks.text import Marked, bold, joined, lines, moment, typed
from operations.checks.model import Check

WORDS = {"fail": "Failed", "warn": "Warning"}
SHOWN = 12


class CheckCard(Struct, frozen=True):
    """All findings, in the order in which one would look."""

    environment: str
    now: float
    checks: tuple[Check, ...]


def message(card: CheckCard) -> Message:
    """Each finding with what is wrong, why it matters and what to do; what is fine by name only."""
    sheet = Sheet()
    failed = any(check.status == "fail" for check in card.checks)
    told = f"{card.environment}: {'not healthy' if failed else 'healthy'}"
    sheet.header(told)
    sheet.section(health(card.checks))
    findings = sorted(
        (check for check in card.checks if check.status != "ok"), key=lambda check: check.status != "fail"
    )
    for check in findings[:SHOWN]:
        sheet.section(
            lines(
                joined(bold(f"{WORDS[check.status]}: {check.name}"), ". ", typed(check.detail)),
                typed(check.why),
                joined(bold("Do: "), typed(check.fix)) if check.fix else Marked(""),
            )
        )
    if len(findings) > SHOWN:
        sheet.section(f"and {len(findings) - SHOWN} more findings: locktender check lists them all.")
    fine = ", ".join(dict.fromkeys(check.name for check in card.checks if check.status == "ok"))
    sheet.context(joined("Fine: ", typed(fine)) if fine else "", joined("As of ", moment(card.now)))
    sheet.actions(
        "next", button("Check again", "ask:check", card.environment), button("Status", "ask:status", card.environment)
    )
    worst = "; ".join(f"{check.name}: {check.detail}" for check in findings[:3])
    return sheet.message(f"{told}. {health(card.checks)}. {worst}")
