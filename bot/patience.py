"""Calls of Slack tried again where that can help, for as long as it makes sense."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from bot.slack import SlackAway, SlackBusy

T = TypeVar("T")
TRIES = 5
LONGEST = 60.0
"""Seconds between two tries."""


def patiently(call: Callable[[], T], tries: int = TRIES) -> T:
    """What the call returns; at the pace that Slack asks for. Raises what the last try raised."""
    for number in range(1, tries):
        try:
            return call()
        except SlackBusy as busy:
            time.sleep(min(LONGEST, busy.seconds))
        except SlackAway:
            time.sleep(0.5 * 2**number)
    return call()
