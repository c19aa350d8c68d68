"""``python -m bot``: speak with Slack. ``python -m bot worker``: do what was asked for."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from bot import wiring
from bot.http import application
from operations.errors import LocktenderError

GRACE = 10
"""Seconds for requests that are being dealt with when the end comes."""
REFRESH = 30.0
logger = logging.getLogger("locktender.bot")


def main() -> int:
    """Exit 2 for a configuration that cannot work, 3 where a part cannot be reached at the start."""
    parser = argparse.ArgumentParser(prog="python -m bot", description=__doc__)
    parser.add_argument("role", nargs="?", choices=("bot", "worker"), default="bot")
    role = parser.parse_args().role
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr
    )
    logger.setLevel(logging.INFO)
    try:
        given = wiring.variables(os.environ)
        if role == "worker":
            _work(given)
        else:
            _speak(given)
    except LocktenderError as error:
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"next: {error.hint}", file=sys.stderr)
        return int(error.exit_code)
    return 0


def _work(given: wiring.Variables) -> None:
    crew = wiring.crew(given, os.environ)
    if given.worker_port:
        server = _server(given, given.worker_port, application(None, crew.ready))
        threading.Thread(target=server.run, name="watched", daemon=True).start()
    logger.info("worker started")
    crew.run()
    logger.info("worker stopped")


def _server(given: wiring.Variables, port: int, answering: Starlette) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            answering,
            host=given.address,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE,
            timeout_keep_alive=75,
        )
    )


def _speak(given: wiring.Variables) -> None:
    made = wiring.bot(given)
    stopping = threading.Event()
    refresher = threading.Thread(target=_refresh, args=(made, stopping), name="roster", daemon=True)
    refresher.start()
    socket = wiring.socket(given, made) if given.app_token else None
    front = None if socket else wiring.front(given, made)

    def ready() -> None:
        made.ledger.now()
        if socket and not socket.is_connected():
            raise ConnectionError("Socket Mode is not connected")

    hook = made.hook.events if made.hook else None
    server = _server(given, given.port, application(front, ready, hook))
    try:
        if socket:
            socket.connect()
        logger.info("bot started: %s, port %d", "Socket Mode" if socket else "HTTP", given.port)
        server.run()
    finally:
        stopping.set()
        if socket:
            socket.close()
        made.close()
        logger.info("bot stopped")


def _refresh(made: wiring.Bot, stopping: threading.Event) -> None:
    """Keeps user groups fresh for answers that must not wait for Slack."""
    while not stopping.is_set():
        made.roster.refresh()
        stopping.wait(REFRESH)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminate)  # until uvicorn or the worker takes it over
    sys.exit(main())
