"""``Queue`` in procrastinate, beside the ledger's own jobs: looks must not wait behind a long restore."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import psycopg_pool
from procrastinate import App, SyncPsycopgConnector
from procrastinate.exceptions import ProcrastinateException
from procrastinate.jobs import Job, Status

from bot.asks import Ask, from_payload, to_payload
from bot.schedule import Scheduled, register
from operations.adapters.queue_connector import Connector
from operations.adapters.queue_loop import work
from operations.errors import DatabaseUnreachable, LocktenderError

QUEUE = "locktender-asks"
TASK = "locktender.ask"
SEARCH_PATH = "-c search_path=locktender -c statement_timeout=30s"
PATIENCE = 15.0
RETRY = 2.0
DEAD_AFTER = 60.0
"""Seconds without a heartbeat of a worker, which sends one every ten."""
RESCUE = 30.0
"""Seconds between two looks for what dead workers had begun."""
TRIES = 3
WARM = 8
"""Connections that are always there: making one takes ten times as long as an ask."""
logger = logging.getLogger("locktender.bot")


class AskQueue:
    """Puts asks into the queue; threads may share it."""

    def __init__(self, keywords: Mapping[str, Any], connections: int) -> None:
        self._pool = psycopg_pool.ConnectionPool(
            kwargs={**_keywords(keywords), "autocommit": True},
            min_size=min(WARM, connections),
            max_size=connections,
            timeout=PATIENCE,
            check=_refuse_closed,
            open=False,
        )
        self._pool.open()
        self._app = App(connector=SyncPsycopgConnector())
        self._app.open(self._pool)

    def put(self, ask: Ask) -> None:
        """As in ``Queue``."""
        try:
            self._app.configure_task(TASK, queue=QUEUE).defer(**to_payload(ask))
        except (ProcrastinateException, psycopg_pool.PoolTimeout) as error:
            raise DatabaseUnreachable(
                f"The ledger's database did not take it: {error.__cause__ or error}", hint="Try again in a moment."
            ) from None

    def close(self) -> None:
        """Let go of connections."""
        self._pool.close()


class AskWorker:
    """Answers asks in threads of its own until it is told to stop; those at work are finished first."""

    def __init__(
        self,
        keywords: Mapping[str, Any],
        handle: Callable[[Ask], None],
        concurrency: int,
        scheduled: Sequence[Scheduled] = (),
    ) -> None:
        concurrency += len(scheduled)  # so that nobody waits behind an environment that does not answer
        connector = Connector(kwargs=_keywords(keywords), min_size=1, max_size=concurrency + 3, timeout=PATIENCE)
        self._app = App(connector=connector)
        self._concurrency = concurrency
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="asks", daemon=True)

        @self._app.task(name=TASK, queue=QUEUE)
        def perform(**payload: Any) -> None:
            ask = from_payload(payload)
            if ask is None:
                return
            try:
                handle(ask)
            except LocktenderError as error:
                logger.error("%s of %s could not be answered: %s", ask.verb, ask.environment, error.message)

        register(self._app, QUEUE, scheduled)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is at work and end."""
        self._stopping.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                asyncio.run(self._serve())
            except (ProcrastinateException, psycopg.Error, psycopg_pool.PoolTimeout) as error:
                logger.warning("the queue of asks is out of reach, and tried again: %s", type(error).__name__)
            except Exception:
                logger.error("asks could not be answered, and are taken up again", exc_info=True)
            self._stopping.wait(RETRY)

    async def _serve(self) -> None:
        await work(
            self._app,
            self._stopping,
            self._rescue,
            queues=[QUEUE],
            concurrency=self._concurrency,
            delete_jobs="always",
            shutdown_graceful_timeout=20,
        )

    async def _rescue(self) -> None:
        """What another worker had begun when it died is answered after all, or let go; a failure ends nothing."""
        while True:
            with _told():
                for job in await self._app.job_manager.get_stalled_jobs(
                    queue=QUEUE, seconds_since_heartbeat=DEAD_AFTER
                ):
                    with _told():
                        await self._take_up(job)
            await asyncio.sleep(RESCUE)

    async def _take_up(self, job: Job) -> None:
        """An ask again: a look twice does no harm. What is done at set times is done the next time.

        Its next one may wait already, behind the dead one's lock, and then the dead one cannot wait as well. And what
        was posted is not posted twice.
        """
        if job.queueing_lock is None and job.attempts < TRIES:
            await self._app.job_manager.retry_job(job)
        else:
            await self._app.job_manager.finish_job(job, Status.FAILED, delete_job=True)


@contextmanager
def _told() -> Iterator[None]:
    """What goes wrong in it is logged, and nothing ends by it."""
    try:
        yield
    except (ProcrastinateException, psycopg.Error) as error:
        logger.warning("what a dead worker had begun could not be taken up: %s", type(error).__name__)


def _refuse_closed(connection: psycopg.Connection[Any]) -> None:
    """Raise if the server has closed it meanwhile: that has arrived already, and costs no round trip to see."""
    connection.pgconn.consume_input()


def _keywords(keywords: Mapping[str, Any]) -> dict[str, Any]:
    more = " ".join(filter(None, [str(keywords.get("options", "")), SEARCH_PATH]))
    return {**{name: value for name, value in keywords.items() if name != "autocommit"}, "options": more}
