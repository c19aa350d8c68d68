"""``python -m bot``: speak with Slack. ``python -m bot worker``: do what was asked for."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys
import threading
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from bot import wiring
from bot.http import application
from bot.rounds import Rounds
from bot.variables import Variables, variables
from operations.errors import ConfigurationError, LocktenderError, OperationFailed
from operations.signals import insist

GRACE = 10
"""Seconds for requests that are being dealt with when the end comes."""
REFRESH = 5.0
"""Seconds between two looks whether user groups are to be looked up anew, for answers that must not wait for Slack."""
BACKLOG = 2048
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
        given = variables(os.environ)
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


def _work(given: Variables) -> None:
    door = _listening(given.address, given.worker_port, "LOCKTENDER_WORKER_PORT") if given.worker_port else None
    crew = wiring.crew(given, os.environ)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):  # nothing that has begun is broken off by an exception
        signal.signal(number, lambda *_: stopping.set())
    watched = _Watched(_server(application(None, crew.ready, looks=crew.looks)), door) if door else None
    logger.info("worker started")
    crew.run(stopping)
    logger.info("worker stopped")
    if watched and watched.broken:
        raise OperationFailed("The worker could not be watched over any more, and has ended.", hint="Start it again.")


class _Watched:
    """A server beside the worker. Nobody would know of a worker that nobody can watch: it ends if its server does."""

    def __init__(self, server: uvicorn.Server, door: socket.socket) -> None:
        self._server, self._door, self.broken = server, door, False
        threading.Thread(target=self._run, name="watched", daemon=True).start()

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._door])
        finally:  # it has no reason to
            logger.error("the worker cannot be watched over any more, and ends")
            self.broken = True
            os.kill(os.getpid(), signal.SIGTERM)


def _listening(address: str, port: int, variable: str) -> socket.socket:
    """Taken before anything begins. Raises ``ConfigurationError``."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"{address}, port {port}, cannot be listened on: {os.strerror(error.errno or 0)}.",
            hint=f"Is another process there? {variable} chooses another port, LOCKTENDER_BOT_ADDRESS an address.",
        ) from None


def _server(answering: Starlette) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            answering,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE,
            timeout_keep_alive=75,
        )
    )


def _speak(given: Variables) -> None:
    door = _listening(given.address, given.port, "PORT")
    made = wiring.bot(given)
    refreshing = Rounds("roster", made.roster.refresh, REFRESH)
    refreshing.start()
    socket_mode = wiring.socket(given, made) if given.app_token else None
    front = None if socket_mode else wiring.front(given, made)

    def ready() -> None:
        made.ledger.now()
        if socket_mode and not socket_mode.is_connected():
            raise ConnectionError("Socket Mode is not connected")

    hook = made.hook.events if made.hook else None
    server = _server(application(front, ready, hook))
    try:
        if socket_mode:
            wiring.at_the_start(socket_mode.connect)
        logger.info("bot started: %s, port %d", "Socket Mode" if socket_mode else "HTTP", given.port)
        server.run(sockets=[door])
    finally:
        refreshing.stop()
        if socket_mode:
            socket_mode.close()
        made.close()
        logger.info("bot stopped")


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminate)  # until uvicorn, or what works, can be told to end
    insist(signal.SIGTERM, SystemExit)
    sys.exit(main())
