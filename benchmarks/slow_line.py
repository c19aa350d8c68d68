"""A relay on the loopback interface, as slow as a database far away or under load: each message waits on its way in."""

from __future__ import annotations

import queue
import socket
import threading
import time
from contextlib import suppress


class SlowLine:
    """Passes what clients send on to ``port`` after ``seconds``, in its order; answers come back at once."""

    def __init__(self, port: int, seconds: float) -> None:
        self._to, self._seconds = port, seconds
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """No new lines; those that stand end with their clients."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        far = socket.create_connection(("127.0.0.1", self._to))
        far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        waiting: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        threading.Thread(target=self._take, args=(near, waiting), daemon=True).start()
        threading.Thread(target=self._deliver, args=(waiting, far), daemon=True).start()
        with suppress(OSError):
            while data := far.recv(65536):
                near.sendall(data)
        for end in (near, far):
            end.close()

    def _take(self, near: socket.socket, waiting: queue.SimpleQueue[tuple[float, bytes]]) -> None:
        data = b"x"
        while data:
            try:
                data = near.recv(65536)
            except OSError:
                data = b""
            waiting.put((time.monotonic() + self._seconds, data))

    @staticmethod
    def _deliver(waiting: queue.SimpleQueue[tuple[float, bytes]], far: socket.socket) -> None:
        with suppress(OSError):
            while True:
                at, data = waiting.get()
                if not data:
                    far.shutdown(socket.SHUT_WR)
                    return
                time.sleep(max(0.0, at - time.monotonic()))
                far.sendall(data)
