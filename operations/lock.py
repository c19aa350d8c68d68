"""One run at a time per environment: a directory on the host, with its owner's name and a fencing token.

The directory is prepared under another name and renamed, which either takes the place or fails: a lock is never seen
without its owner. An owner that died on this machine is known to be dead; one elsewhere counts as dead when its
heartbeat stops. Whoever lost its lock that way finds another owner there before its next effect, and stops.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import asdict

from operations.context import Context
from operations.errors import HostError, HostUnreachable, LockHeld, LockLost
from operations.layout import state_directory
from operations.meanwhile import meanwhile

HEARTBEAT = 10.0
PRESUMED_DEAD = 60.0
"""Seconds without a heartbeat after which an owner on another machine counts as dead."""


class Owner(Struct, frozen=True):
    """Who holds the lock. ``process`` as in ``ports.Processes``; ``token`` grows with every owner."""

    run_id: str
    operation: str
    actor: str
    process: str
    since: str
    token: int


UNREADABLE = Owner("unknown", "a run", "someone unknown (owner.json cannot be read)", "", "an unknown time", 0)
_TEXTS = ("run_id", "operation", "actor", "process", "since")


class Lock(Struct, frozen=True):
    """A lock that this run holds."""

    context: Context
    owner: Owner
    displaced: str | None = None
    """The dead run that had it before, where there was one."""

    def check(self) -> None:
        """Raise ``LockLost`` unless the lock is still ours; called before every effect."""
        current = current_owner(self.context)
        if current != self.owner:
            raise LockLost(
                f"The lock of environment {self.context.environment.name!r} was taken over"
                + (f" by run {current.run_id} ({current.operation})." if current else "."),
                hint=f"{self.context.command} status shows what stands.",
            )


@contextmanager
def held(context: Context, operation: str, run_id: str) -> Iterator[Lock]:
    """Hold the environment's lock for the block.

    Raises ``LockHeld`` (as Prisma's P1002) naming the owner if a live run has it.
    """
    lock = _acquire(context, operation, run_id)
    heartbeat = f"{_path(context)}/heartbeat"
    try:
        # A missed beat is no reason to fail: the owner checks the lock before every effect.
        with meanwhile("lock heartbeat", HEARTBEAT, lambda: context.host.write(heartbeat, b"")):
            yield lock
    finally:
        # A lock that cannot be removed is found to be a dead process's by the next run.
        with suppress(HostError, HostUnreachable):
            _release(lock)


def current_owner(context: Context) -> Owner | None:
    """Who holds the lock now, dead or alive."""
    try:
        return _owner(context.host.read(f"{_path(context)}/owner.json"))
    except HostError:
        return None


def _owner(data: bytes) -> Owner:
    """As it is written there. A newer version's may tell more; one that cannot be read is somebody all the same."""
    try:
        told = json.loads(data)
        run_id, operation, actor, process, since = (str(told[name]) for name in _TEXTS)
        return Owner(run_id, operation, actor, process, since, int(told["token"]))
    except (ValueError, TypeError, KeyError):
        return UNREADABLE


def is_alive(context: Context, owner: Owner) -> bool:
    """Whether the lock's owner still runs, as far as can be told."""
    known = context.processes.alive(owner.process)
    if known is not None:
        return known
    try:
        return context.host.age(f"{_path(context)}/heartbeat") < PRESUMED_DEAD
    except HostError:
        return False


def at_work(context: Context) -> Owner | None:
    """The lock's owner, if it still runs."""
    owner = current_owner(context)
    return owner if owner and is_alive(context, owner) else None


def _release(lock: Lock) -> None:
    """Moved aside first: a lock that is half removed would be nobody's, and in everybody's way."""
    context = lock.context
    if current_owner(context) == lock.owner:
        aside = f"{_path(context)}.{lock.owner.run_id}"
        if context.host.rename(_path(context), aside):
            context.host.remove(aside)


def _path(context: Context) -> str:
    return f"{state_directory(context.environment)}/lock"


def _acquire(context: Context, operation: str, run_id: str) -> Lock:
    host, base = context.host, state_directory(context.environment)
    host.make_directory(base)
    displaced = _remove_dead(context)
    owner = Owner(
        run_id=run_id,
        operation=operation,
        actor=context.actor,
        process=context.processes.identity(),
        since=datetime.fromtimestamp(context.clock.now(), UTC).isoformat(timespec="seconds"),
        token=_next_token(context),
    )
    prepared = f"{base}/lock.{run_id}"
    host.remove(prepared)
    host.make_directory(prepared)
    host.write(f"{prepared}/owner.json", json.dumps(asdict(owner)).encode())
    host.write(f"{prepared}/heartbeat", b"")
    if not host.rename(prepared, _path(context)):
        host.remove(prepared)
        raise _held_by(context, current_owner(context))
    host.write(f"{base}/fence", str(owner.token).encode())
    return Lock(context, owner, displaced)


def _remove_dead(context: Context) -> str | None:
    """Make place, if a dead run has it; returns that run's id."""
    owner = current_owner(context)
    if owner is None:
        _remove_ownerless(context)
        return None
    if is_alive(context, owner):
        return None
    aside = f"{_path(context)}.dead.{owner.token}"
    if not _moved_aside(context, aside):
        return None
    moved = _owner(context.host.read(f"{aside}/owner.json"))
    if moved != owner and context.host.rename(aside, _path(context)):
        return None  # another run had taken over in between: what was moved is its lock, put back
    context.host.remove(aside)
    return moved.run_id


def _moved_aside(context: Context, aside: str) -> bool:
    """False where another run that found it dead was quicker, or its owner has let go of it after all."""
    try:
        return context.host.rename(_path(context), aside)
    except HostError:
        if context.host.exists(_path(context)):
            raise
        return False


def _remove_ownerless(context: Context) -> None:
    """A lock always appears with its owner; one without was being removed by someone who died over it."""
    with suppress(HostError):
        if context.host.age(_path(context)) > PRESUMED_DEAD:
            context.host.remove(_path(context))


def _next_token(context: Context) -> int:
    try:
        return int(context.host.read(f"{state_directory(context.environment)}/fence")) + 1
    except (HostError, ValueError):
        from operations.journal import last_token  # which needs the lock itself

        return last_token(context) + 1  # runs are ordered by it: a rollback would undo another one than the last


def _held_by(context: Context, owner: Owner | None) -> LockHeld:
    who = f"{owner.operation} of {owner.actor}, run {owner.run_id}, since {owner.since}" if owner else "another run"
    return LockHeld(
        f"Someone else is at work on environment {context.environment.name!r}: {who}.",
        hint=f"Wait for it to end and try again; {context.command} status shows what stands.",
        prisma_code="P1002",
    )
