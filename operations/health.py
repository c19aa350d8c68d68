"""Check: one look at everything that a deploy or a bad night would stumble over. Changes nothing, takes no lock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue

from msgspec import Struct

from operations.checks import (
    app,
    backups,
    bloat,
    certificates,
    client_tools,
    clock,
    configuration,
    connection,
    connections,
    constraints,
    containers,
    damaged_backups,
    dead_rows,
    disk,
    drift,
    foreign_key_indexes,
    indexes,
    integer_keys,
    kept_databases,
    lock_queue,
    long_transactions,
    migrations,
    partial_backups,
    pooler,
    prepared_transactions,
    primary_keys,
    replication_slots,
    restarts,
    retention,
    rights,
    runs,
    scratch_databases,
    sequences,
    server_disk,
    server_version,
    test_restores,
    transaction_ids,
)
from operations.checks.model import Check, Look, Probe
from operations.context import Context
from operations.errors import ConnectionLost, HostUnreachable, LocktenderError
from operations.ports import Session

IN_DATABASE: tuple[tuple[str, Look], ...] = (
    ("connection", connection.look),
    ("rights", rights.look),
    ("server_version", server_version.look),
    ("client_tools", client_tools.look),
    ("pooler", pooler.look),
    ("migrations", migrations.look),
    ("drift", drift.look),
    ("indexes", indexes.look),
    ("constraints", constraints.look),
    ("primary_keys", primary_keys.look),
    ("foreign_key_indexes", foreign_key_indexes.look),
    ("sequences", sequences.look),
    ("integer_keys", integer_keys.look),
    ("transaction_ids", transaction_ids.look),
    ("dead_rows", dead_rows.look),
    ("bloat", bloat.look),
    ("long_transactions", long_transactions.look),
    ("lock_queue", lock_queue.look),
    ("prepared_transactions", prepared_transactions.look),
    ("connections", connections.look),
    ("replication_slots", replication_slots.look),
    ("scratch_databases", scratch_databases.look),
    ("kept_databases", kept_databases.look),
)
BESIDE: tuple[tuple[str, Callable[[Context], Iterable[Check]]], ...] = (
    ("clock", clock.look),
    ("backups", backups.look),
    ("retention", retention.look),
    ("damaged_backups", damaged_backups.look),
    ("test_restores", test_restores.look),
    ("partial_backups", partial_backups.look),
    ("disk", disk.look),
    ("server_disk", server_disk.look),
    ("containers", containers.look),
    ("restarts", restarts.look),
    ("app", app.look),
    ("certificates", certificates.look),
    ("runs", runs.look),
    ("configuration", configuration.look),
)
SERVER = "server"
"""The one finding where the machine beside the database cannot be reached."""
NAMES = tuple(name for name, _ in (*IN_DATABASE, *BESIDE))
AT_ONCE = 3
"""So many sessions look around at the same time, and so many threads beside them."""


class CheckResult(Struct, frozen=True):
    """All findings, in the order in which one would look."""

    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing failed; warnings are no failures."""
        return all(check.status != "fail" for check in self.checks)

    @property
    def blind(self) -> bool:
        """Whether the server or the database could not be reached, so that much was not looked at."""
        return any(check.status == "fail" and check.name in (SERVER, "connection") for check in self.checks)


def check(context: Context) -> CheckResult:
    """Look at everything, several things at a time. What cannot be looked at is a finding itself.

    Raised is only what says that this is not the server: ``HostKeyRefused``, ``HostLoginRefused``.
    """
    try:
        context.host.exists("/")
    except HostUnreachable as error:
        why = "Database, backups and runs are there, and nothing of them can be looked at."
        return CheckResult((Check(SERVER, "fail", error.message, why, error.hint or ""),))
    ignored = context.environment.checks.ignore
    with ThreadPoolExecutor(2 * AT_ONCE, thread_name_prefix="check") as pool:
        beside = [
            pool.submit(_guarded, context, name, partial(look, context)) for name, look in BESIDE if name not in ignored
        ]
        within = list(_in_database(context, pool, ignored))
        return CheckResult((*within, *(found for one in beside for found in one.result())))


def _in_database(context: Context, pool: ThreadPoolExecutor, ignored: tuple[str, ...]) -> Iterator[Check]:
    try:
        first = context.database.connect(purpose="check")
    except LocktenderError as error:
        why = "Without the database nothing else in it can be looked at."
        yield Check("connection", "fail", error.message, why, error.hint or "")
        return
    sessions = _Sessions(context, first)
    try:
        looks: list[Future[tuple[Check, ...]]] = [
            pool.submit(_guarded, context, name, partial(sessions.look, look))
            for name, look in IN_DATABASE
            if name not in ignored
        ]
        for one in looks:
            yield from one.result()
    finally:
        sessions.close()


@dataclass
class _Sessions:
    """A few sessions, each lent to one look at a time; ``first`` is there, the others are made when they are needed."""

    context: Context
    first: Session
    _free: SimpleQueue[Session | None] = field(default_factory=SimpleQueue)

    def __post_init__(self) -> None:
        for session in (self.first, *[None] * (AT_ONCE - 1)):
            self._free.put(session)

    def look(self, look: Look) -> Iterable[Check]:
        """What a look finds with one of them."""
        with self._lent() as session:
            return tuple(look(Probe(self.context, session)))

    @contextmanager
    def _lent(self) -> Iterator[Session]:
        session = self._free.get()
        try:
            session = session or self.context.database.connect(purpose="check")
            yield session
        except ConnectionLost:
            session = None  # the next one has to connect anew
            raise
        finally:
            self._free.put(session)

    def close(self) -> None:
        """End them, once nobody looks any more."""
        for _ in range(AT_ONCE):
            if session := self._free.get():
                session.close()


def _guarded(context: Context, name: str, look: Callable[[], Iterable[Check]]) -> tuple[Check, ...]:
    """A look that fails costs its own finding, not the others'."""
    try:
        return tuple(look())
    except LocktenderError as error:
        fix = error.hint or f"Mend that, and look again: {context.command} check"
        return (Check(name, "fail", error.message, "It could not be looked at.", fix),)
