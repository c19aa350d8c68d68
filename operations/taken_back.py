"""Something done that never happened: undone at its end, whichever that is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from operations.errors import ConnectionLost
from operations.ports import Session


class _Undone(Exception):
    """Ends a transaction that nothing is to stay of."""


@contextmanager
def taken_back(session: Session, begin: str = "BEGIN") -> Iterator[None]:
    """What the block does is undone at its end: of the transaction that is open only this.

    Else it is done in one of its own, opened by ``begin``. Settings and locks go with it.
    """
    if not session.in_transaction:
        with suppress(_Undone), session.transaction(begin):
            yield
            raise _Undone
        return
    session.execute("SAVEPOINT taken_back")
    back = "ROLLBACK TO SAVEPOINT taken_back; RELEASE SAVEPOINT taken_back"
    try:
        yield
    except BaseException:
        with suppress(ConnectionLost):  # of which the block has told, if so
            session.script(back)
        raise
    session.script(back)
