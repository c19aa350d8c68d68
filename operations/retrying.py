"""What failed for a reason that may pass by itself is tried again."""

from __future__ import annotations

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from operations.context import Context
from operations.transient import is_transient


def retrying(context: Context, attempts: int | None = None) -> Retrying:
    """To be called with what is to be done: at most ``attempts`` times, or as often as the environment says.

    It returns what that returns, and raises what it raised last.
    """
    return Retrying(
        stop=stop_after_attempt(attempts or context.environment.attempts),
        wait=wait_random_exponential(multiplier=0.5, max=5.0),
        retry=retry_if_exception(is_transient),
        sleep=context.clock.sleep,
        reraise=True,
    )
