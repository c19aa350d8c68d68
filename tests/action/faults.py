"""Faults by chance, as they may be."""

from __future__ import annotations

import random

from .standin import Fault

REFUSALS = (403, 404, 409, 422, 429)
FAILURES = (500, 502, 503, -1)


def any_fault(dice: random.Random) -> Fault:
    """Only where the server itself failed may it have obeyed nevertheless."""
    status = dice.choice((*REFUSALS, *FAILURES))
    return Fault(
        status,
        dice.choice(("GET", "POST", "PATCH", ".*")),
        times=dice.randint(1, 6),
        after=status in FAILURES and dice.random() < 0.5,
        headers={"Retry-After": "0"},
    )
