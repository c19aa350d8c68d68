"""What is done at set times: procrastinate's periodic tasks. Of all workers one does it, and never twice at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from procrastinate import App

from operations.errors import LocktenderError

logger = logging.getLogger("locktender.bot")


class Scheduled(Struct, frozen=True):
    """``work`` is given the environment's name at the times of ``cron`` (UTC)."""

    task: str
    environment: str
    cron: str
    work: Callable[[str], None]


def register(app: App, queue: str, scheduled: Sequence[Scheduled]) -> None:
    """Each for itself. While one waits or is at work, the next one does not pile up behind it."""
    for one in scheduled:
        name = f"locktender.{one.task} {one.environment}"
        periodic = app.periodic(cron=one.cron, periodic_id=one.environment, queue=queue, lock=name, queueing_lock=name)
        periodic(app.task(name=name, queue=queue)(_performing(one)))


def _performing(one: Scheduled) -> Callable[..., None]:
    def perform(_timestamp: int = 0, **_ignored: Any) -> None:
        try:
            one.work(one.environment)
        except LocktenderError as error:
            logger.error("%s of %s could not be done: %s", one.task, one.environment, error.message)

    return perform
