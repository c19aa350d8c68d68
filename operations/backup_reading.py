"""Several sessions that read one database at once: in a snapshot that another session holds, or each in its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from operations.backups.rows import fix_settings
from operations.context import Context
from operations.errors import LocktenderError
from operations.ports import Session
from operations.quoting import literal

BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
LOCK_WAIT = 30.0
"""Seconds that reading waits for a table that someone else has locked against readers."""

Work = Callable[[Session], Any]


@dataclass
class _Shared:
    """Work that several threads take from, and where its results go."""

    work: Sequence[Work]
    results: list[Any]
    taken: int = 0
    pids: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> int | None:
        with self.lock:
            if self.taken >= len(self.work):
                return None
            self.taken += 1
            return self.taken - 1

    def stop(self) -> None:
        with self.lock:
            self.taken = len(self.work)


@contextmanager
def reading(
    context: Context, work: Sequence[Work], jobs: int, *, snapshot: str | None = None, database: str | None = None
) -> Iterator[list[Any]]:
    """Do ``work``, the first first, on up to ``jobs`` sessions while the block runs.

    What is yielded holds the results, in the order of the work, once the block has ended; an exception in the block, or
    in one piece of work, cancels the rest.
    """
    shared = _Shared(work, [None] * len(work))
    with ThreadPoolExecutor(max(1, jobs), thread_name_prefix="reading") as pool:
        sessions = min(jobs, len(work))
        futures = [pool.submit(_serve, context, database, snapshot, shared) for _ in range(sessions)]
        try:
            yield shared.results
            for future in futures:
                future.result()
        except BaseException:
            _cancel(context, shared)
            raise


def read(context: Context, work: Sequence[Work], jobs: int, *, database: str | None = None) -> list[Any]:
    """The results of ``work``, done on up to ``jobs`` sessions."""
    with reading(context, work, jobs, database=database) as results:
        pass
    return results


def _serve(context: Context, database: str | None, snapshot: str | None, shared: _Shared) -> None:
    """One session's share."""
    with context.database.session(database, purpose="backup reading") as session:
        pid = session.pid
        shared.pids.add(pid)
        try:
            fix_settings(session, LOCK_WAIT)
            with session.transaction(BEGIN):
                if snapshot:
                    session.execute(f"SET TRANSACTION SNAPSHOT {literal(snapshot)}")
                session.execute("SAVEPOINT piece")
                while (index := shared.take()) is not None:
                    shared.results[index] = shared.work[index](session)
                    # Lets go of the piece's locks: those on thousands of tables would fill the server's lock table.
                    session.execute("ROLLBACK TO SAVEPOINT piece")
        except BaseException:
            shared.stop()
            raise
        finally:
            shared.pids.discard(pid)


def _cancel(context: Context, shared: _Shared) -> None:
    shared.stop()
    try:
        with context.database.session(purpose="backup cancel") as session:
            for pid in tuple(shared.pids):
                session.rows("SELECT pg_cancel_backend(%s)", (pid,))
    except LocktenderError:
        return  # a server that cannot be reached any more ends them by itself
