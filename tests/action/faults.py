"""Faults by chance, as they may be."""

from __future__ import annotations

import random

from .standin import Fault

REFUSALS = (403, 404, 409, 422, 429)
FAILURES = (500, 502, 503, -1)
NO_ANSWER = 0
PATIENCE = 3
"""Seconds that a client waits in these tests. Less, and a busy machine's delay would be a request obeyed after it."""


def any_fault(dice: random.Random) -> Fault:
    """Only where the server itself failed, or is too slow, may it have obeyed nevertheless."""
    status = NO_ANSWER if dice.random() < 0.07 else dice.choice((*REFUSALS, *FAILURES))
    return Fault(
        status,
        dice.choice(("GET", "POST", "PATCH", ".*")),
        times=dice.randint(1, 6 if status else 2),
        after=status not in REFUSALS and dice.random() < 0.5,
        headers={"Retry-After": "0"},
    )
