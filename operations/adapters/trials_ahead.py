"""A trial server that starts, and stops, while its user does other things."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager

from operations.validation.trial import Trial


class Ahead:
    """``Trials`` for one use, without kept bases. What goes wrong with the start is raised when it is opened.

    ``close`` waits until nothing of it is left, whether it was used or not.
    """

    def __init__(self, start: Callable[[], AbstractContextManager[Trial]]) -> None:
        self._beside = ThreadPoolExecutor(1, "trial server")
        self._server = ExitStack()
        self._started = self._beside.submit(lambda: self._server.enter_context(start()))
        self._stopped: Future[None] | None = None

    @contextmanager
    def open(
        self,
        landed: Sequence[str],  # noqa: ARG002 - nothing is kept
        schema: str | None = None,
    ) -> Iterator[Trial]:
        """As soon as it has started."""
        trial = self._started.result()
        trial.schema = schema
        try:
            yield trial
        finally:
            self._stopped = self._beside.submit(self._server.close)

    def close(self) -> None:
        """Stop it, if that was not begun already."""
        stopped = self._stopped or self._beside.submit(self._server.close)
        self._beside.shutdown()
        stopped.result()
