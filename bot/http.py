"""What the bot answers over HTTP: Slack's requests, and those who watch over it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Generic, TypeVar

import anyio
from anyio.to_thread import run_sync
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from slack_bolt import BoltRequest, BoltResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot import metrics
from bot.signature import Forged, Genuine, judge
from operations.secret import Secret

LARGEST = 1_000_000
"""Bytes of a request; Slack's are some thousands."""
LOOKS_WAIT = 3.0
"""Seconds that ``/readyz`` and ``/metrics`` wait for a look; Prometheus gives up after 10."""
LOOKS_AT_ONCE = 2
"""How many of a kind may be under way: those that nobody waits for any more must not become many."""
logger = logging.getLogger("locktender.bot")

Dispatch = Callable[[BoltRequest], BoltResponse]
T = TypeVar("T")


class Front:
    """Slack's side: signature first, on the bytes as they came; only then is anything of them parsed.

    ``first_seen`` says whether a request comes for the first time. Both it and ``dispatch`` are called in one of
    ``threads`` threads, which nothing else uses.
    """

    def __init__(self, secret: Secret, first_seen: Callable[[str], bool], dispatch: Dispatch, threads: int) -> None:
        self._secret, self._first_seen, self._dispatch = secret, first_seen, dispatch
        self._threads = threads
        self._limiter: anyio.CapacityLimiter | None = None

    async def events(self, request: Request) -> Response:
        """``/slack/events``: commands, buttons, forms and events alike."""
        began = time.monotonic()
        body = await body_of(request)
        if body is None:
            return PlainTextResponse("too large", 413)
        verdict = judge(self._secret, request.headers, body, time.time())
        if isinstance(verdict, Forged):
            return _refused(verdict.reason)
        self._limiter = self._limiter or anyio.CapacityLimiter(self._threads)
        response = await run_sync(partial(self._answer, request, verdict), limiter=self._limiter)
        metrics.ACK.observe(time.monotonic() - began)
        return response

    def _answer(self, request: Request, genuine: Genuine) -> Response:
        try:
            if not self._first_seen(genuine.digest):
                return _refused("the same request once more")
            asked = BoltRequest(body=genuine.text, query=request.url.query, headers=dict(request.headers))
            asked.context["digest"] = genuine.digest
            answer = self._dispatch(asked)
        except Exception as error:  # noqa: BLE001 - whatever it is, Slack and the person must get an answer
            logger.error("a request from Slack could not be dealt with: %s: %s", type(error).__name__, error)
            metrics.FAILED.inc()
            return PlainTextResponse("failed", 500)
        return Response(answer.body, answer.status, answer.first_headers_without_set_cookie())


class Look(Generic[T]):
    """Something that may take longer than whoever asks for it has patience."""

    def __init__(self, take: Callable[[], T]) -> None:
        self._take = take
        self._free = threading.Semaphore(LOOKS_AT_ONCE)

    async def taken(self) -> T:
        """Raises ``TimeoutError`` after ``LOOKS_WAIT``, which it may have waited for others to end."""
        with anyio.fail_after(LOOKS_WAIT):
            return await run_sync(self._one_of_few, abandon_on_cancel=True)

    def _one_of_few(self) -> T:
        if not self._free.acquire(timeout=LOOKS_WAIT):
            raise TimeoutError
        try:
            return self._take()
        finally:
            self._free.release()


Endpoint = Callable[[Request], Awaitable[Response]]


def application(
    front: Front | None,
    ready: Callable[[], None],
    github: Endpoint | None = None,
    looks: Callable[[], bytes] = bytes,
) -> Starlette:
    """The whole: without a ``front`` (Socket Mode) only what watches over it, and GitHub's side where it is wanted.

    ``ready`` raises what is amiss; ``looks`` are further metrics. Both count only if they are quick enough.
    """
    readiness, further = Look(ready), Look(looks)

    async def readyz(_: Request) -> Response:
        try:
            await readiness.taken()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is not ready
            return PlainTextResponse(f"not ready: {type(error).__name__}\n", 503)
        return PlainTextResponse("ready\n")

    async def measured(_: Request) -> Response:
        found = b""
        with suppress(TimeoutError):
            found = await further.taken()
        return Response(generate_latest() + found, media_type=CONTENT_TYPE_LATEST)

    routes = [
        Route("/healthz", _healthz),
        Route("/readyz", readyz),
        Route("/metrics", measured),
        *([Route("/slack/events", front.events, methods=["POST"])] if front else []),
        *([Route("/github/events", github, methods=["POST"])] if github else []),
    ]
    return Starlette(routes=routes)


async def _healthz(_: Request) -> Response:
    return PlainTextResponse("alive\n")


async def body_of(request: Request) -> bytes | None:
    """All of it; ``None`` where it is larger than anything that is ours."""
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > LARGEST:
            return None
    return bytes(found)


def _refused(reason: str) -> Response:
    logger.warning("a request to /slack/events was refused: %s", reason)
    metrics.REFUSED.labels(reason).inc()
    return PlainTextResponse("refused", 401)
