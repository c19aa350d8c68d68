"""Webhooks that did not arrive, since no bot was there to take them, are asked for again.

GitHub itself delivers once. It keeps a webhook for three days, and delivers it again when it is asked to.
Source: https://docs.github.com/en/webhooks/using-webhooks/handling-failed-webhook-deliveries
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from bot import metrics
from bot.github import Delivery, Github, GithubAway, GithubFailed
from bot.protection import EVENT
from bot.rounds import Rounds
from operations.ledger import HeldDeployments

INTERVAL = 60.0
"""Seconds between two looks."""
TRIES = 300
"""At once, after half a minute, one, two, then every quarter of an hour: for the three days that GitHub keeps it.

It is more than fits into them: so a try that GitHub was away for costs nothing."""
REFUSED = 2
"""As often as the bot has refused it, it is given up: once more than the first time, whatever went before."""
MOST = 500
"""Deliveries that are looked at, the newest ones."""
logger = logging.getLogger("locktender.bot")


class Redelivery(Struct, frozen=True):
    """All workers may do the same: the ledger says whose turn it is, and how often it may be tried."""

    held: HeldDeployments
    github: Github

    def round(self) -> None:
        """Ask for each once, where it is due. Raises ``GithubFailed``."""
        for one in lost(self.github.deliveries(MOST)):
            if self.held.redeliver(one.guid, TRIES):
                self._again(one)

    def rounds(self) -> Rounds:
        """In the background."""
        return Rounds("redelivery", self.round, INTERVAL)

    def _again(self, one: Delivery) -> None:
        try:
            self.github.redeliver(one.id)
        except GithubAway:
            raise
        except GithubFailed as error:  # too old, say
            logger.warning("webhook %s did not arrive, and cannot be delivered again: %s", one.guid, error.message)
        else:
            metrics.HELD.labels("redelivered").inc()
            logger.info("webhook %s did not arrive; GitHub delivers it again", one.guid)


def lost(deliveries: Sequence[Delivery]) -> list[Delivery]:
    """Of each webhook that has never arrived, and is not given up, its newest delivery. Pure.

    ``deliveries``: the newest first. It is they that tell how often one was refused: so GitHub has made each such try.
    """
    ours = [one for one in deliveries if one.event == EVENT]
    arrived = {one.guid for one in ours if one.arrived}
    refused = Counter(one.guid for one in ours if one.refused)
    newest: dict[str, Delivery] = {}
    for one in ours:
        newest.setdefault(one.guid, one)
    return [one for guid, one in newest.items() if guid not in arrived and refused[guid] < REFUSED]
