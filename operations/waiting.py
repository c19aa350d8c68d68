"""Waits until the database answers: a login and a query, which is more than an open port."""

from __future__ import annotations

from collections.abc import Callable

from operations.context import Context
from operations.errors import (
    AuthenticationFailed,
    ConnectionLost,
    DatabaseMissing,
    DatabaseUnreachable,
    LocktenderError,
)

Tell = Callable[[str], None]
"""Told what goes on, in sentences that stay true: for a log."""
ANSWER_TIME = 10.0
"""Seconds that one login and query may take."""
GRACE = 10.0
"""Seconds for which a server may refuse the login, or lack the database: one that is set up right now creates its roles
and databases after it has begun to answer. After that it is the URL that is wrong."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
TELL_AGAIN = 10.0
"""Seconds after which the same reason is told once more."""
REFUSALS = (AuthenticationFailed, DatabaseMissing)


def wait_for_database(context: Context, timeout: float, tell: Tell) -> float:
    """Try until a login and a query succeed, with growing pauses; returns the seconds that it took.

    Raises the last failure after ``timeout`` seconds, and a refused login or a missing database after ``GRACE``.
    """
    began, pause = context.clock.now(), FIRST_PAUSE
    refused: float | None = None
    log = Repeating(context, tell)
    while True:
        try:
            context.database.ping(min(ANSWER_TIME, max(began + timeout - context.clock.now(), 1.0)))
        except (DatabaseUnreachable, ConnectionLost, *REFUSALS) as error:
            now = context.clock.now()
            refused = (now if refused is None else refused) if isinstance(error, REFUSALS) else None
            if gives_up(now, until=began + timeout, refused_since=refused):
                raise _after(error, now - began) from error
            log.tell(f"waiting for {context.database.target}: {error.message}")
            context.clock.sleep(min(pause, began + timeout - now))
            pause = min(pause * 2, LONGEST_PAUSE)
        else:
            return context.clock.now() - began


def gives_up(now: float, *, until: float, refused_since: float | None) -> bool:
    """Whether it is not tried again. ``refused_since``: since when the server has done nothing but refuse."""
    return now >= until or (refused_since is not None and now - refused_since >= GRACE)


class Repeating:
    """Tells a reason when it is another one, or when it was told long ago."""

    def __init__(self, context: Context, tell: Tell) -> None:
        self._clock, self._tell = context.clock, tell
        self._told, self._at = "", 0.0

    def tell(self, text: str) -> None:
        """Or not."""
        now = self._clock.now()
        if text != self._told or now - self._at >= TELL_AGAIN:
            self._tell(text)
            self._told, self._at = text, now


def _after(error: LocktenderError, seconds: float) -> LocktenderError:
    return type(error)(
        f"{error.message.rstrip('.')}. It was tried for {seconds:.0f} s.",
        hint=error.hint,
        prisma_code=error.prisma_code,
        details=error.details,
    )
