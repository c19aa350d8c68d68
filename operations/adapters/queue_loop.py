"""How a worker of procrastinate takes jobs until it is told to stop, whenever that is.

A cancellation is no way to tell it: ``asyncio.wait_for`` of Python 3.11, which the pool of connections waits by, loses
one that comes as what it waits for is done (3.12 mended it), and nobody repeats it. What has to end is told so again
and again here, until it has.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Unpack

from procrastinate import App
from procrastinate.app import WorkerOptions
from procrastinate.worker import Worker

SPARE = 2
"""Threads for what the loop itself does, such as to look up names."""
LOOK = 0.2
"""Seconds between two looks whether it is to stop: what tells it, such as a handler of signals, wakes no loop."""
GRACE = 10.0
"""Seconds for the ledger to be told of the end, once no job is at work any more: it may not answer, for ever."""
logger = logging.getLogger("locktender.queue")


async def work(
    app: App,
    stopping: threading.Event | None,
    beside: Callable[[], Coroutine[Any, Any, None]] | None = None,
    **options: Unpack[WorkerOptions],
) -> None:
    """Do jobs until ``stopping`` is set, where it is given; what is at work is finished first, as ``options`` say.

    ``beside`` runs as long as jobs are taken, and no job is taken without it: what it raises is raised.
    Raises ``ProcrastinateException``, ``psycopg_pool.PoolTimeout``.
    """
    threads = ThreadPoolExecutor(options.get("concurrency", 1) + SPARE, thread_name_prefix="jobs")
    asyncio.get_running_loop().set_default_executor(threads)  # its own has few, whatever the concurrency
    told = (stopping or threading.Event()).is_set
    opening = asyncio.create_task(app.connector.open_async())
    try:
        await _ended(opening, told, opening.cancel)
        if not opening.cancelled():
            opening.result()
            await _take_jobs(app, told, beside, options)
    finally:
        await app.close_async()


async def _take_jobs(
    app: App,
    told: Callable[[], bool],
    beside: Callable[[], Coroutine[Any, Any, None]] | None,
    options: WorkerOptions,
) -> None:
    at_work = _AtWork()
    options["install_signal_handlers"] = False
    options["worker_middleware"] = [at_work.counted]
    worker = Worker(app, **options)
    running = asyncio.create_task(worker.run())  # type: ignore[no-untyped-call]
    companion = asyncio.create_task(beside()) if beside else None

    def stop() -> None:
        worker.stop()  # type: ignore[no-untyped-call]
        if at_work.is_over():
            running.cancel()

    await _ended(running, lambda: told() or bool(companion and companion.done()), stop)
    if companion:
        await _ended(companion, lambda: True, companion.cancel)
    if running.cancelled():
        logger.warning("the queue did not answer at the end, and was left as if the worker had died")
    else:
        running.result()
    if companion and not companion.cancelled():
        companion.result()


async def _ended(task: asyncio.Task[None], told: Callable[[], bool], stop: Callable[[], object]) -> None:
    """Wait until it has. Once ``told``, ``stop`` is called again and again: what is about to begin may forget it."""
    while not task.done():
        if told():
            stop()
        await asyncio.wait({task}, timeout=LOOK)


class _AtWork:
    """How many jobs are being done, and for how long it has been none."""

    def __init__(self) -> None:
        self._jobs = 0
        self._none_since: float | None = None

    async def counted(self, go_on: Callable[[], Awaitable[Any]], _job: object, _worker: object) -> Any:
        """A middleware of procrastinate's."""
        self._jobs += 1
        try:
            return await go_on()
        finally:
            self._jobs -= 1

    def is_over(self) -> bool:
        """Whether there was none for ``GRACE`` since this was asked first, as it is again and again from then on."""
        now = time.monotonic()
        if self._jobs or self._none_since is None:
            self._none_since = now
        return now - self._none_since > GRACE
