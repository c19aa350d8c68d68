"""What must be said to Slack at once and is no answer to a request: a modal within three seconds, a line to a person.

In threads of its own, after the answer: nothing here is waited for by Slack, and nothing here is a promise. If the
process dies in between, no modal opens, and the person types the command again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from msgspec.structs import replace

from bot.asks import Ask, Queue
from bot.blocks import modals
from bot.blocks.notices import notice
from bot.blocks.parts import Message, Modal
from bot.slack import Slack
from operations.errors import LocktenderError

logger = logging.getLogger("locktender.bot")


class Opener:
    """Talks to Slack in ``threads`` threads."""

    def __init__(self, slack: Slack, queue: Queue, threads: int) -> None:
        self._slack, self._queue = slack, queue
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="opener")

    def form(self, trigger: str, title: str, ask: Ask) -> None:
        """Open a modal that a worker fills."""

        def work() -> None:
            opened = self._slack.open(trigger, modals.loading(title))
            self._queue.put(replace(ask, view=opened.view, hash=opened.hash))

        self._submit(work, ask.channel, ask.user)

    def open(self, trigger: str, modal: Modal, channel: str, user: str) -> None:
        """Open a modal that is complete."""
        self._submit(lambda: self._slack.open(trigger, modal), channel, user)

    def tell(self, channel: str, user: str, message: Message) -> None:
        """Show a line to one person."""
        self._submit(lambda: self._slack.tell(channel, user, message))

    def later(self, work: Callable[[], object]) -> None:
        """Something that no answer waits for."""
        self._submit(work)

    def close(self) -> None:
        """Finish what has begun."""
        self._pool.shutdown(wait=True)

    def _submit(self, work: Callable[[], object], channel: str = "", user: str = "") -> None:
        def guarded() -> None:
            try:
                work()
            except LocktenderError as error:
                logger.warning("%s", error.message)
                if user:
                    self.tell(channel, user, notice(error.message, "Try again."))

        self._pool.submit(guarded)
