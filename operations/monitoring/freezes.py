"""Which freeze stands: the environment's, which the ledger knows, or that of its alerts alone, on the host."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from operations.context import Context
from operations.errors import LocktenderError
from operations.monitoring import store
from operations.monitoring.freezing import presumed
from operations.monitoring.model import Freeze, State


class Reading(Struct, frozen=True):
    """The freeze that stands, or is taken to; ``known``: whether it could be told if the one before stands."""

    freeze: Freeze | None
    known: bool
    troubles: tuple[str, ...]
    """Why something could not be told, in words."""


def standing(context: Context, before: State, now: float) -> Reading:
    """What stands now, after the look ``before``. When the ledger's ends is told by its database's clock."""
    last = before.freeze
    of_alerts = last if last and last.alerts_only else None
    of_environment = None if of_alerts else last
    alerts, unread = _asked(lambda: _of_alerts(context, now), presumed(of_alerts, now, before.looked_at), now)
    environment, more = _asked(lambda: _of_environment(context), presumed(of_environment, now, before.looked_at), now)
    return Reading(environment or alerts, not (unread if of_alerts else more), (*unread, *more))


def begin(context: Context, reason: str, seconds: float) -> Freeze:
    """Hold back alerts for so long, in place of a freeze of them that there may be."""
    now = context.clock.now()
    made = Freeze(context.actor, reason, now, now + seconds, alerts_only=True)
    store.keep_freeze(context, made)
    return made


def end(context: Context) -> Freeze | None:
    """Before its time; returns the one there was, if it stood."""
    now = context.clock.now()
    stood = _of_alerts(context, now)
    if stood:
        store.keep_freeze(context, replace(stood, until=now))
    return stood


def _asked(
    read: Callable[[], Freeze | None], otherwise: Freeze | None, now: float
) -> tuple[Freeze | None, tuple[str, ...]]:
    try:
        found = read()
    except LocktenderError as error:
        return otherwise, (f"freeze: {error.message}",)
    return (replace(found, read=now) if found else None), ()


def _of_environment(context: Context) -> Freeze | None:
    found = context.freezes.frozen(context.environment.name) if context.freezes else None
    return Freeze(found.by.id, found.reason, found.since, found.until) if found else None


def _of_alerts(context: Context, now: float) -> Freeze | None:
    found = store.freeze(context)
    return found if found and found.until is not None and now < found.until else None
