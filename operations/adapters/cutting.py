"""A time limit that nothing on the other end, be it a pooler, needs to know of."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg


@contextmanager
def cut_after(connection: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
    """The line is cut if the block takes longer; whoever waits for an answer then gets ``psycopg.OperationalError``."""
    timer = threading.Timer(seconds, _shut, [connection.fileno()])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # the descriptor's number may mean something else as soon as the connection is closed


def _shut(descriptor: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as line:
        line.shutdown(socket.SHUT_RDWR)
