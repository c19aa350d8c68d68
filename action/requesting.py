"""Requests by PyGithub: repeated where that is safe, their errors turned into ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import requests
from github import BadAttributeException, GithubException, RateLimitExceededException
from msgspec import Struct

from action.platform import Kind, PlatformError

T = TypeVar("T")

ATTEMPTS = 4
LONGEST_WAIT = 30.0
"""Seconds; a rate limit that lasts longer is not waited for."""
KINDS: dict[int, Kind] = {401: "forbidden", 403: "forbidden", 404: "missing", 409: "refused", 422: "refused"}
NOT_AS_DOCUMENTED = (
    *(BadAttributeException, LookupError, TypeError, AttributeError, ValueError, AssertionError, ArithmeticError),
    RecursionError,
)
FOREIGN = (GithubException, requests.RequestException, *NOT_AS_DOCUMENTED)
"""What comes out of PyGithub."""


class Requests(Struct, frozen=True):
    """``pause``: seconds before the second try; they double from try to try."""

    pause: float
    sleep: Callable[[float], None]

    def __call__(self, what: str, request: Callable[[], T], *, again: bool = True) -> T:
        """``again``: it may be repeated although it may have been obeyed."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return request()
            except FOREIGN as error:
                trouble = translated(what, error)
                safe = again or not trouble.maybe_done
                wait = self.pause * 2 ** (attempt - 1) if trouble.wait is None else trouble.wait
                if (
                    attempt == ATTEMPTS
                    or not safe
                    or trouble.kind not in ("limited", "unreachable")
                    or wait > LONGEST_WAIT
                ):
                    raise trouble from error
            self.sleep(wait)
        raise AssertionError("unreachable")


def translated(what: str, error: BaseException) -> PlatformError:
    """What went wrong, with what it was for. Pure."""
    if isinstance(error, requests.RequestException):
        refused = isinstance(error, requests.ConnectTimeout)
        why = "it did not answer in time" if isinstance(error, requests.Timeout) else "the connection failed"
        return PlatformError("unreachable", f"GitHub was asked to {what}: {why}.", maybe_done=not refused)
    if not isinstance(error, GithubException):
        told = f"GitHub was asked to {what}, and answered otherwise than it documents ({type(error).__name__})."
        return PlatformError("unexpected", told, maybe_done=True)
    said = f"GitHub was asked to {what}: {error.status} {_message(error)}"
    if error.status == 429 or isinstance(error, RateLimitExceededException):
        return PlatformError("limited", said, wait=_wait(error))
    if error.status >= 500:
        return PlatformError("unreachable", said, maybe_done=True, wait=_wait(error))
    return PlatformError(KINDS.get(error.status, "unexpected"), said, maybe_done=error.status < 400)


def _message(error: GithubException) -> str:
    data = error.data
    return str(data.get("message") or "") if isinstance(data, dict) else ""


def _wait(error: GithubException) -> float | None:
    """Seconds, where GitHub says how many (``Retry-After``)."""
    told = {key.lower(): value for key, value in (error.headers or {}).items()}.get("retry-after", "")
    return float(told) if told.isascii() and told.isdigit() else None
