"""The monitor, as workers do it: a look at an environment, with what is known of it in the ledger."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from bot.answers import ContextOf
from operations.monitor import once
from operations.ports import silent

ACTOR = "schedule"
logger = logging.getLogger("locktender.bot")


@dataclass(frozen=True)
class Watch:
    """``look`` is done at the times of ``schedule.monitor``."""

    context_of: ContextOf

    def look(self, environment: str) -> None:
        """Once, with its alerts delivered or left in the outbox for the next one."""
        with self.context_of(environment, ACTOR, silent) as context:
            found = once(context)
        for event in found.events:
            logger.info("%s: %s %s", environment, event.check, event.kind)
        for trouble in found.troubles:
            logger.warning("%s: %s", environment, trouble)
