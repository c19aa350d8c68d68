"""The queue: procrastinate, with its jobs in the ledger's own database.

A job is deferred on the connection of the ledger's transaction (``connection=``), so it is there exactly if the
approval is. It carries nothing but a request's id.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
from procrastinate import App, SyncPsycopgConnector

from operations.adapters.ledger_schema import SETTINGS
from operations.approvals.change import Job
from operations.approvals.model import Request

QUEUE = "locktender"
Handlers = Mapping[Job, Callable[[str], None]]
"""What to do with a request's id; each deals with its own errors, and may be called again for the same one."""


def task_name(job: Job) -> str:
    """As it stands in the queue's table."""
    return f"locktender.{job}"


def defer(connection: psycopg.Connection[Any], job: Job, request: Request, *, seconds: int = 0) -> None:
    """Put a job into the queue, in the connection's transaction; of an environment, one is executed at a time.

    It is not taken before ``seconds`` have passed.
    """
    lock = f"environment {request.environment}" if job == "execute" else None
    later = {"seconds": seconds} if seconds else None
    task = _DEFERRING.configure_task(task_name(job), queue=QUEUE, lock=lock, connection=connection, schedule_in=later)
    task.defer(request_id=request.id)


_DEFERRING = App(connector=SyncPsycopgConnector())
"""Never opened: it only writes on connections that it is given."""


async def _configured(connection: psycopg.AsyncConnection[Any]) -> None:
    await connection.set_autocommit(True)
    for setting in SETTINGS:
        await connection.execute(setting.encode())


class Worker:
    """Takes jobs one after the other until it is told to stop."""

    def __init__(self, keywords: Mapping[str, Any], handlers: Handlers, concurrency: int = 1) -> None:
        from operations.adapters.queue_connector import Connector  # who only defers needs no worker

        own = {name: value for name, value in keywords.items() if name != "autocommit"}  # set for listening anyway
        connector = Connector(kwargs=own, configure=_configured, min_size=1, max_size=concurrency + 3, timeout=15.0)
        self._app = App(connector=connector)
        self._concurrency = concurrency
        for job, handle in handlers.items():
            self._register(job, handle)

    def _register(self, job: Job, handle: Callable[[str], None]) -> None:
        @self._app.task(name=task_name(job), queue=QUEUE)
        def perform(request_id: str = "", **_ignored: Any) -> None:
            handle(str(request_id))

    def run(self, *, wait: bool = True, stopping: threading.Event | None = None) -> None:
        """Until ``stopping`` is set (what is at work is finished first), or without ``wait`` until no job is left."""
        asyncio.run(self._run(wait, stopping))

    async def _run(self, wait: bool, stopping: threading.Event | None) -> None:
        from operations.adapters.queue_loop import work

        await work(
            self._app,
            stopping,
            queues=[QUEUE],
            concurrency=self._concurrency,
            wait=wait,
            delete_jobs="always",
            listen_notify=wait,
        )
