"""Ports of the loopback for servers that must be told theirs before they start."""

from __future__ import annotations

import os
import random
import socket

FIRST, EACH = 12_000, 1_200
"""Below what Linux gives to outgoing connections (32768 and up); so many for each of the test processes, up to 16."""
_given: set[int] = set()


def free_port(address: str = "127.0.0.1") -> int:
    """One that nothing listens on; no other test process is given it, nor this one a second time."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 16
    ours = range(FIRST + number * EACH, FIRST + (number + 1) * EACH)
    for port in random.sample(ours, len(ours)):
        if port not in _given and _is_free(address, port):
            _given.add(port)
            return port
    raise AssertionError(f"no port is free between {ours.start} and {ours.stop}")


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
