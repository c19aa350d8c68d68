"""Which failures may pass by themselves. Pure."""

from __future__ import annotations

from operations.errors import (
    BackupFailed,
    ConnectionLost,
    DatabaseUnreachable,
    LockLost,
    LocktenderError,
    NeedsAttention,
    StatementFailed,
)

TRANSIENT = frozenset({"55P03", "40001", "40P01"})
"""Lock not available, serialization failure, deadlock: the same may succeed a moment later."""
OF_A_RUN = (BackupFailed, DatabaseUnreachable, LockLost)
"""What ends a run, without saying that the next one must end so, too."""


def is_transient(error: BaseException) -> bool:
    """Whether the same statement may succeed a moment later."""
    if isinstance(error, ConnectionLost):
        return True
    sqlstate = error.sqlstate if isinstance(error, StatementFailed) else getattr(error, "details", {}).get("sqlstate")
    return isinstance(error, LocktenderError) and sqlstate in TRANSIENT


def may_pass(error: LocktenderError) -> bool:
    """Whether a new run may succeed where one has ended in this error: not where a person or another file is needed."""
    return not isinstance(error, NeedsAttention) and (isinstance(error, OF_A_RUN) or is_transient(error))
