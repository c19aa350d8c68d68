"""What workers do at set times: look at an environment, as the monitor does; post its report."""

from __future__ import annotations

import logging

from msgspec import Struct

from bot.answers import Answers
from bot.patience import patiently
from bot.roster import environment_named
from operations.errors import ConfigurationError, NotAllowed
from operations.monitor import once
from operations.ports import silent
from operations.settings import Settings

ACTOR = "schedule"
logger = logging.getLogger("locktender.bot")


class Watch(Struct, frozen=True):
    """What is done at the times of ``schedule``."""

    settings: Settings
    answers: Answers

    def look(self, environment: str) -> None:
        """Once, with its alerts delivered or left in the outbox for the next one."""
        with self.answers.context_of(environment, ACTOR, silent) as context:
            found = once(context)
        for event in found.events:
            logger.info("%s: %s %s", environment, event.check, event.kind)
        for trouble in found.troubles:
            logger.warning("%s: %s", environment, trouble)

    def report(self, environment: str) -> None:
        """To the first of its channels. Raises ``ConfigurationError`` where it has none."""
        one = environment_named(self.settings, environment)
        if one is None or not one.slack.channels:
            raise ConfigurationError("It names no channel to post the report to.", hint="Set channels in its [slack].")
        channel = one.slack.channels[0]
        why = self.answers.shared_refusal(channel)
        if why:
            raise NotAllowed(f"The report was not posted: {why}.")
        self.answers.report(one, ACTOR, lambda message: patiently(lambda: self.answers.slack.post(channel, message)))
