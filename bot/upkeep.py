"""What must happen with time, and not because somebody asks: expiry, lost runs, reminders, fresh user groups."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field

from bot.convergence import REMINDER
from bot.gate import CARD
from bot.roster import Roster, missing
from operations.approvals.model import Request, State
from operations.errors import LocktenderError
from operations.ports import Ledger

REMIND_WITHIN = 600.0
"""Seconds before the expiry; of short-lived requests a quarter of their life."""
logger = logging.getLogger("locktender.bot")


@dataclass
class Upkeep:
    """A round every ``interval`` seconds, in the background, until ``stop``. Several workers may do the same."""

    ledger: Ledger
    roster: Roster
    interval: float = 3.0
    _stopping: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.round()
            except LocktenderError as error:
                logger.warning("%s", error.message)
            self._stopping.wait(self.interval)

    def round(self) -> None:
        """Once."""
        self.roster.refresh()
        self.ledger.sweep()
        now = self.ledger.now()
        for request in self.ledger.open_requests():
            if is_near_its_end(request, now):
                self._remind(request)

    def _remind(self, request: Request) -> None:
        if any(one.kind == CARD and one.ts for one in self.ledger.messages(request.id)):
            for person in missing(self.roster.directory(), request):
                self.ledger.show_in(request.id, REMINDER, person)


def is_near_its_end(request: Request, now: float) -> bool:
    """Whether it waits for approvers, and not for much longer. Pure."""
    within = min(REMIND_WITHIN, request.policy.expires / 4)
    return request.state is State.PENDING and request.expires_at - within <= now < request.expires_at
