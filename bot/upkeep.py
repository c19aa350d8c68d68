"""What must happen with time, and not because somebody asks: expiry, lost runs, reminders, fresh user groups."""

from __future__ import annotations

from msgspec import Struct

from bot.convergence import REMINDER
from bot.gate import CARD
from bot.roster import Roster, missing
from bot.rounds import Rounds
from operations.approvals.model import Request, State
from operations.ledger import Ledger

REMIND_WITHIN = 600.0
"""Seconds before the expiry; of short-lived requests a quarter of their life."""
INTERVAL = 3.0
"""Seconds between two rounds."""


class Upkeep(Struct, frozen=True):
    """Several workers may do the same."""

    ledger: Ledger
    roster: Roster

    def round(self) -> None:
        """Once. What expires does so whatever Slack says."""
        self.ledger.sweep()
        self.roster.refresh()
        now = self.ledger.now()
        for request in self.ledger.open_requests():
            if is_near_its_end(request, now):
                self._remind(request)

    def rounds(self) -> Rounds:
        """In the background."""
        return Rounds("upkeep", self.round, INTERVAL)

    def _remind(self, request: Request) -> None:
        if any(one.kind == CARD and one.ts for one in self.ledger.messages(request.id)):
            for person in missing(self.roster.directory(), request):
                self.ledger.show_in(request.id, REMINDER, person)


def is_near_its_end(request: Request, now: float) -> bool:
    """Whether it waits for approvers, and not for much longer. Pure."""
    within = min(REMIND_WITHIN, request.policy.expires / 4)
    return request.state is State.PENDING and request.expires_at - within <= now < request.expires_at
