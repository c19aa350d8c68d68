"""What GitHub tells the bot: that it holds a deployment back. It is recorded in the ledger; a worker does the rest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

import anyio
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from bot import metrics
from bot.github import Refusal
from bot.http import body_of
from bot.protection import EVENT, NotOurs, held, is_genuine
from operations.approvals.held import Held
from operations.errors import LocktenderError, UsageError
from operations.secret import Secret
from operations.settings import Environment

THREADS = 4
logger = logging.getLogger("locktender.bot")


class Hook:
    """The signature first, on the bytes as they came. ``hold`` records; the same deployment twice is once.

    What tells one delivery from another (``X-GitHub-Delivery``) is not signed: so it is the deployment that counts.
    """

    def __init__(
        self, secret: Secret, api_url: str, environments: Sequence[Environment], hold: Callable[[Held], bool]
    ) -> None:
        self._secret, self._api_url, self._environments, self._hold = secret, api_url, environments, hold
        self._limiter: anyio.CapacityLimiter | None = None

    async def events(self, request: Request) -> Response:
        """``/github/events``."""
        body = await body_of(request)
        if body is None:
            return _answered("too large", Refusal.TOO_LARGE)
        if not is_genuine(self._secret, request.headers.get("x-hub-signature-256", ""), body):
            return _answered("not signed by GitHub", Refusal.NOT_SIGNED)
        event = request.headers.get("x-github-event", "")
        if event != EVENT:
            return PlainTextResponse("pong" if event == "ping" else "ignored")
        self._limiter = self._limiter or anyio.CapacityLimiter(THREADS)
        return await run_sync(partial(self._taken, body), limiter=self._limiter)

    def _taken(self, body: bytes) -> Response:
        try:
            found = held(body, self._api_url, self._environments)
            new = found is not None and self._hold(found)
        except NotOurs as error:
            return _answered(error.message, Refusal.NOT_OURS)
        except UsageError as error:
            return _answered(error.message, Refusal.MALFORMED)
        except LocktenderError as error:
            logger.error("a deployment that GitHub holds back could not be recorded: %s", error.message)
            metrics.FAILED.inc()
            return PlainTextResponse("failed; deliver it again", 503)
        if found and new:
            metrics.HELD.labels("held").inc()
            logger.info("GitHub holds back run %d of %s, for %s", found.run_id, found.repository, found.environment)
        return PlainTextResponse("held" if new else "known already" if found else "ignored", 202)


def _answered(why: str, status: Refusal) -> Response:
    logger.warning("a request to /github/events was refused: %s", why)
    metrics.REFUSED.labels(f"github: {status}").inc()
    return PlainTextResponse(why, status)
