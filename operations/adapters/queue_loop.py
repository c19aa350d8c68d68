"""How a worker of procrastinate takes jobs until it is told to stop, whenever that is.

A cancellation is no way to tell it: ``asyncio.wait_for`` of Python 3.11, which the pool of connections waits by, loses
one that comes as what it waits for is done (3.12 mended it), and nobody repeats it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Unpack

from procrastinate import App
from procrastinate.app import WorkerOptions
from procrastinate.worker import Worker

SPARE = 2
"""Threads for what the loop itself does, such as to look up names."""
LOOK = 0.2
"""Seconds between two looks whether it is to stop."""


async def work(
    app: App,
    stopping: threading.Event | None,
    beside: Callable[[], Coroutine[Any, Any, None]] | None = None,
    **options: Unpack[WorkerOptions],
) -> None:
    """Do jobs until ``stopping`` is set, where it is given; what is at work is finished first, as ``options`` say.

    ``beside`` runs as long as jobs are taken. Raises ``ProcrastinateException``, ``psycopg_pool.PoolTimeout``.
    """
    options["install_signal_handlers"] = False
    threads = ThreadPoolExecutor(options.get("concurrency", 1) + SPARE, thread_name_prefix="jobs")
    asyncio.get_running_loop().set_default_executor(threads)  # its own has few, whatever the concurrency
    told = asyncio.create_task(_told(stopping))
    opening = asyncio.create_task(app.connector.open_async())
    try:
        await asyncio.wait({opening, told}, return_when=asyncio.FIRST_COMPLETED)
        if not told.done():
            opening.result()
            await _take_jobs(Worker(app, **options), told, beside)
    finally:
        await _end(told)
        await _end(opening)
        await app.close_async()


async def _take_jobs(
    worker: Worker, told: asyncio.Task[None], beside: Callable[[], Coroutine[Any, Any, None]] | None
) -> None:
    running = asyncio.create_task(worker.run())  # type: ignore[no-untyped-call]
    companion = asyncio.create_task(beside()) if beside else None
    try:
        await asyncio.wait({running, told}, return_when=asyncio.FIRST_COMPLETED)
        while not running.done():
            worker.stop()  # type: ignore[no-untyped-call] # again and again: one that is about to begin forgets it
            await asyncio.wait({running}, timeout=LOOK)
        running.result()
    finally:
        if companion:
            await _end(companion)


async def _told(stopping: threading.Event | None) -> None:
    """Looked at again and again: what sets it, such as a handler of signals, wakes no loop."""
    while not (stopping and stopping.is_set()):
        await asyncio.sleep(LOOK)


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel it until it has ended."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=LOOK)
