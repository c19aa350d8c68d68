"""A relay on the loopback interface that can fall silent, as a network does whose cable was pulled."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress


class Relay:
    """Passes everything on to ``port`` until ``stall``; then nothing, in either direction, and closes nothing."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._silent = threading.Event()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stall(self) -> None:
        """The lines that stand fall silent for ever; new ones work."""
        self._silent.set()
        self._silent = threading.Event()

    def close(self) -> None:
        self._silent.set()
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._sockets += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(*pair, self._silent), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket, silent: threading.Event) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                if silent.is_set():
                    time.sleep(3600)
                other.sendall(data)
            if not silent.is_set():
                other.shutdown(socket.SHUT_WR)


class LastAnswer(Relay):
    """Passes on one more answer once it is told to, and falls silent then."""

    def __init__(self, port: int) -> None:
        self._last = False
        super().__init__(port)

    def stall_after_an_answer(self) -> None:
        """From now on."""
        self._last = True

    def _pass_on(self, one: socket.socket, other: socket.socket, silent: threading.Event) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                if silent.is_set():
                    time.sleep(3600)
                if self._last and one.getpeername()[1] == self._to:
                    self.stall()
                other.sendall(data)


class LostAnswer(Relay):
    """Shuts a line in place of passing on the answer to its first COMMIT after ``words``; that happens once."""

    def __init__(self, port: int, words: bytes) -> None:
        self._words = words
        self._armed: socket.socket | None = None
        self._unanswered: socket.socket | None = None
        super().__init__(port)

    @property
    def lost(self) -> bool:
        return self._unanswered is not None

    def _pass_on(self, one: socket.socket, other: socket.socket, _silent: threading.Event) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                if one is self._unanswered:
                    for each in (one, other):
                        each.shutdown(socket.SHUT_RDWR)
                    return
                if self._words in data:
                    self._armed = other
                if b"COMMIT" in data and other is self._armed and self._unanswered is None:
                    self._unanswered = other
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)
