"""What the bot and its workers answer to those who watch over them."""

from __future__ import annotations

import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import uvicorn

from bot import http
from bot.http import LOOKS_AT_ONCE, application

from .slack.stage import PATIENCE, eventually


@contextmanager
def served(looks: Callable[[], bytes]) -> Iterator[Callable[[], str]]:
    """Yields what asks for ``/metrics``."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        server = uvicorn.Server(uvicorn.Config(application(None, bool, looks=looks), log_config=None))
        running = threading.Thread(target=server.run, args=([door],), daemon=True)
        running.start()

        def page() -> str:
            port = door.getsockname()[1]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as answer:
                return str(answer.read().decode())

        try:
            yield page
        finally:
            server.should_exit = True
            running.join(PATIENCE)


def test_metrics_are_told_without_looks_that_do_not_come_and_with_them_again_when_they_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "LOOKS_WAIT", 0.5)
    back, asked = threading.Event(), []

    def looks() -> bytes:
        asked.append(1)
        return b"of_the_looks 1.0\n" if back.wait() else b""

    with served(looks) as page:
        try:
            for _ in range(LOOKS_AT_ONCE + 2):
                told = page()
                assert "locktender_bot_answers_total" in told
                assert "of_the_looks" not in told
            assert len(asked) <= LOOKS_AT_ONCE, "those that nobody waits for any more do not become many"
        finally:
            back.set()
        eventually(lambda: "of_the_looks 1.0" in page(), "the looks are told again")
