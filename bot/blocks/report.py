"""What was asked for in the last days, in numbers. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bot.blocks.parts import Message, Sheet, button
from bot.blocks.request import HEADLINES, TITLES, row
from bot.blocks.text import bold, counted, duration, joined, lines, moment, typed
from operations.approvals.model import Request, State

DAYS = 7
TROUBLE = (State.FAILED, State.NEEDS_ATTENTION, State.VOIDED)
SHOWN = 8


@dataclass(frozen=True)
class ReportCard:
    """Requests newest first, of which those of the last seven days count."""

    environment: str
    now: float
    requests: Sequence[Request]


def message(card: ReportCard) -> Message:
    """By operation how it ended, how long people waited for an approval, what went wrong."""
    recent = [one for one in card.requests if one.created_at >= card.now - DAYS * 86400]
    sheet = Sheet()
    told = f"{card.environment}: {counted(len(recent), 'request')} in {DAYS} days"
    sheet.header(told)
    if not recent:
        sheet.section("Nothing was asked for.")
    by_operation = Counter((one.operation, one.state) for one in recent)
    sheet.section(
        lines(
            *(
                joined(bold(TITLES[operation]), f": {number} {HEADLINES[state]}")
                for (operation, state), number in sorted(by_operation.items())
            )
        )
    )
    waits = [one.votes[-1].at - one.created_at for one in recent if one.agreed and one.decided_at]
    runs = [one.outcome.seconds for one in recent if one.outcome and one.outcome.seconds is not None]
    sheet.fields(
        ("Until approved, in the middle", duration(median(waits)) if waits else ""),
        ("Took, in the middle", duration(median(runs)) if runs else ""),
    )
    wrong = [one for one in recent if one.state in TROUBLE]
    for one in wrong[:SHOWN]:
        sheet.section(lines(row(one), typed(one.outcome.summary if one.outcome else one.why, 300)))
    sheet.context(joined("As of ", moment(card.now), ". The whole of it, with charts, is the page in this thread."))
    sheet.actions("next", button("Status", "ask:status", card.environment))
    return sheet.message(f"{told}, {len(wrong)} of them with trouble.")
