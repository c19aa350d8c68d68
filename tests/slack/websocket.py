"""Slack's end of Socket Mode: a WebSocket server (RFC 6455) as small as the SDK's client lets it be."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import struct
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PATIENCE = 60.0
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


@dataclass
class SocketMode:
    """Sends envelopes over any one connection, and keeps what was acknowledged: envelope id → payload."""

    port: int = 0
    connections: list[socket.socket] = field(default_factory=list)
    acknowledged: dict[str, Any] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/link/?ticket=x"

    def send(self, kind: str, payload: dict[str, Any], envelope: str | None = None) -> str:
        envelope = envelope or str(uuid.uuid4())
        told = {"type": kind, "envelope_id": envelope, "accepts_response_payload": True, "payload": payload}
        until = time.monotonic() + PATIENCE
        while True:
            try:
                with self.lock:
                    _write(self.connections[-1], TEXT, json.dumps(told).encode())
                return envelope
            except OSError:  # the client is about to open another one
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def serve(self, line: socket.socket) -> None:
        with line, suppress(OSError, ConnectionError):
            _shake_hands(line)
            with self.lock:
                _write(line, TEXT, json.dumps({"type": "hello", "num_connections": 1}).encode())
                self.connections.append(line)
            while True:
                kind, data = _read(line)
                if kind == CLOSE:
                    return
                if kind == PING:
                    with self.lock:
                        _write(line, PONG, data)
                elif kind == TEXT:
                    told = json.loads(data)
                    self.acknowledged[told["envelope_id"]] = told.get("payload")


@contextmanager
def listening() -> Iterator[SocketMode]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = SocketMode(port=server.getsockname()[1])

        def accept() -> None:
            with suppress(OSError):
                while True:
                    line, _ = server.accept()
                    threading.Thread(target=made.serve, args=(line,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown(socket.SHUT_RDWR)
            for line in made.connections:
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)
            thread.join()


def _shake_hands(line: socket.socket) -> None:
    asked = b""
    while b"\r\n\r\n" not in asked:
        asked += line.recv(4096) or _lost()
    key = next(one for one in asked.decode().split("\r\n") if one.lower().startswith("sec-websocket-key")).split(": ")[
        1
    ]
    accept = base64.b64encode(hashlib.sha1((key.strip() + GUID).encode()).digest()).decode()
    line.sendall(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
    )


def _write(line: socket.socket, kind: int, data: bytes) -> None:
    length = len(data)
    if length < 126:
        head = struct.pack("!BB", 0x80 | kind, length)
    elif length < 65536:
        head = struct.pack("!BBH", 0x80 | kind, 126, length)
    else:
        head = struct.pack("!BBQ", 0x80 | kind, 127, length)
    line.sendall(head + data)


def _read(line: socket.socket) -> tuple[int, bytes]:
    first, second = _exactly(line, 2)
    length = second & 0x7F
    if length == 126:
        (length,) = struct.unpack("!H", _exactly(line, 2))
    elif length == 127:
        (length,) = struct.unpack("!Q", _exactly(line, 8))
    mask = _exactly(line, 4) if second & 0x80 else b"\0\0\0\0"
    data = _exactly(line, length)
    return first & 0x0F, bytes(byte ^ mask[number % 4] for number, byte in enumerate(data))


def _exactly(line: socket.socket, number: int) -> bytes:
    found = b""
    while len(found) < number:
        found += line.recv(number - len(found)) or _lost()
    return found


def _lost() -> bytes:
    raise ConnectionError("the other end has closed")
