"""A transaction to look around in, that is in nobody's way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from operations.fixed_settings import set_local
from operations.ports import Session

LIMITS = {"statement_timeout": "5s", "lock_timeout": "1s"}


@contextmanager
def read_only(session: Session) -> Iterator[Session]:
    """No statement in it lasts longer than 5 s, or waits for a lock for longer than 1 s.

    The limits end with the transaction: behind a pooler the server session goes to somebody else next.
    """
    with session.transaction("BEGIN READ ONLY"):
        session.script(set_local(LIMITS))
        yield session
