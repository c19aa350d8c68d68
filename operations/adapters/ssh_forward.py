"""A port of this machine that leads to one that the server reaches, through the same SSH connection."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Any

import paramiko

from operations.adapters.ssh_line import BROKEN, Line
from operations.errors import HostError, LocktenderError

HERE = "127.0.0.1"
BLOCK = 1 << 16


class Forward:
    """Listens on a free port of the loopback interface until it is closed; each connection is a channel of its own."""

    def __init__(self, line: Line, address: str, port: int) -> None:
        self._line = line
        self._to = (address, port)
        self._lock = threading.Lock()
        self._spare: Any = None
        self._listener = socket.create_server((HERE, 0), backlog=64)
        threading.Thread(target=self._accept, name="ssh forward", daemon=True).start()

    def address(self) -> tuple[str, int]:
        """Where to connect to, once it is known that somebody answers at the other end; raises ``HostError``.

        The channel that shows it is kept for the next connection.
        """
        with self._lock:
            if self._spare is None or self._spare.closed:
                self._spare = self._open()
        host, port = self._listener.getsockname()
        return host, port

    def close(self) -> None:
        """Take no more connections; those that stand end with the SSH connection."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits there
        self._listener.close()

    def _open(self) -> Any:
        transport = self._line.transport()
        try:
            return transport.open_channel("direct-tcpip", self._to, (HERE, 0))
        except BROKEN as error:
            address, port = self._to
            if not transport.is_active():
                raise self._line.cut(f"a connection to {address}:{port} was being made") from None
            why = error.text if isinstance(error, paramiko.ChannelException) else "no answer in time"
            raise HostError(
                f"{self._line.server.host} reaches nobody at {address}:{port} ({why}).",
                hint="Is it running there? sshd must allow forwarding as well (AllowTcpForwarding).",
            ) from None

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                channel, self._spare = self._spare, None
            try:
                channel = channel if channel and not channel.closed else self._open()
            except LocktenderError:
                return
            with channel:
                back = threading.Thread(target=_pump_back, args=(channel, connection), daemon=True)
                back.start()
                _pump(connection, channel)
                back.join()


def _pump(connection: socket.socket, channel: Any) -> None:
    with suppress(*BROKEN):
        while data := connection.recv(BLOCK):
            channel.sendall(data)
    with suppress(*BROKEN):
        channel.shutdown_write()


def _pump_back(channel: Any, connection: socket.socket) -> None:
    with suppress(*BROKEN):
        while data := channel.recv(BLOCK):
            connection.sendall(data)
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR if channel.closed else socket.SHUT_WR)
