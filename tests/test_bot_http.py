"""What the bot and its workers answer to those who watch over them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection

import pytest
import uvicorn

from bot import http
from bot.http import LOOKS_AT_ONCE, application

from .slack.stage import PATIENCE, eventually

Asking = Callable[[str], tuple[int, str]]


@contextmanager
def served(ready: Callable[[], None] = lambda: None, looks: Callable[[], bytes] = bytes) -> Iterator[Asking]:
    """Yields what asks for a path, and returns status and text."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        server = uvicorn.Server(uvicorn.Config(application(None, ready, looks=looks), log_config=None))
        running = threading.Thread(target=server.run, args=([door],), daemon=True)
        running.start()

        def ask(path: str) -> tuple[int, str]:
            with closing(HTTPConnection("127.0.0.1", door.getsockname()[1], timeout=PATIENCE)) as line:
                line.request("GET", path)
                answer = line.getresponse()
                return answer.status, answer.read().decode()

        try:
            yield ask
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

    with served(looks=looks) as ask:
        try:
            for _ in range(LOOKS_AT_ONCE + 2):
                _, told = ask("/metrics")
                assert "locktender_bot_answers_total" in told
                assert "of_the_looks" not in told
            assert len(asked) <= LOOKS_AT_ONCE, "those that nobody waits for any more do not become many"
        finally:
            back.set()
        eventually(lambda: "of_the_looks 1.0" in ask("/metrics")[1], "the looks are told again")


def test_who_asks_whether_it_is_ready_gets_an_answer_soon_even_where_the_ledger_gives_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "LOOKS_WAIT", 0.5)
    back = threading.Event()

    def ready() -> None:
        back.wait()

    with served(ready) as ask:
        try:
            for _ in range(LOOKS_AT_ONCE + 2):
                assert ask("/readyz") == (503, "not ready: TimeoutError\n")
        finally:
            back.set()
        eventually(lambda: ask("/readyz") == (200, "ready\n"), "it is ready again")
