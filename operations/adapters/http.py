"""HTTP by the standard library, to an address that need not be the URL's own."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from urllib.parse import SplitResult, urlsplit

from operations.adapters.public_addresses import INTERNAL, is_public
from operations.errors import OperationFailed, Refused
from operations.secret import Secret

READ = 1 << 16
"""Bytes of an answer that are taken off the line; nothing is done with them."""


class HttpClient:
    """One connection for each question."""

    def status(self, url: str, address: tuple[str, int], timeout: float) -> int | None:
        """The status, or ``None``; the ``Host`` header and a certificate's name are the URL's."""
        parts = urlsplit(url)
        connection = _connection(parts, address, timeout)
        try:
            with _cut_after(connection, timeout):
                connection.request("GET", _path(parts), headers={"Host": _host(parts), "Connection": "close"})
                response = connection.getresponse()
                response.read1(READ)  # a stream of events has no end
                return response.status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def send(
        self, url: Secret, body: bytes | None, headers: Mapping[str, str], timeout: float, *, internal: bool
    ) -> int:
        """Connects to the very address that was judged: a name cannot mean another one a moment later."""
        parts = urlsplit(url.reveal())
        port = _port(parts, internal)
        address = _judged(parts.hostname or "", port, internal)
        connection = _connection(parts, (address, port), timeout)
        told = {"Host": _host(parts), "Connection": "close", **headers}
        try:
            with _cut_after(connection, timeout):
                connection.request("GET" if body is None else "POST", _path(parts), body, told)
                response = connection.getresponse()
                status = response.status
                response.read(READ)
                return status
        except (OSError, ValueError, http.client.HTTPException) as error:
            why = type(error).__name__ if isinstance(error, (ValueError, http.client.HTTPException)) else str(error)
            raise OperationFailed(f"{parts.hostname} did not answer: {why or type(error).__name__}.") from None
        finally:
            connection.close()


def _connection(parts: SplitResult, address: tuple[str, int], timeout: float) -> _Http | _Https:
    if parts.scheme == "https":
        return _Https(parts.hostname or "", address, timeout)
    return _Http(*address, timeout=timeout)


def _path(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _host(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]


def _port(parts: SplitResult, internal: bool) -> int:
    try:
        port = parts.port
    except ValueError:
        raise Refused("The port of a webhook's address is none.", hint="Correct it.") from None
    if parts.scheme not in (("https", "http") if internal else ("https",)) or not parts.hostname:
        raise Refused("A webhook's address does not begin with https://.", hint=INTERNAL)
    return port or (443 if parts.scheme == "https" else 80)


def _judged(name: str, port: int, internal: bool) -> str:
    """An address of that name that may be talked to. One that may not is enough to refuse them all."""
    try:
        found = [str(info[4][0]) for info in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        raise OperationFailed(f"{name} has no address.") from None
    private = [address for address in found if not is_public(address)]
    if private and not internal:
        raise Refused(f"{name} leads to {private[0]}, which is no public address.", hint=INTERNAL)
    return found[0]


@contextmanager
def _cut_after(connection: _Http | _Https, seconds: float) -> Iterator[None]:
    """``timeout`` counts from byte to byte: who sends one now and then would hold us for ever."""
    late = threading.Event()

    def cut() -> None:
        late.set()
        if connection.line:
            with suppress(OSError):
                socket.socket.shutdown(connection.line, socket.SHUT_RDWR)  # TLS' own would take it from who reads

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if late.is_set():  # the end of the line passes for the end of an answer
        raise TimeoutError("it took too long")


class _Http(http.client.HTTPConnection):
    """Keeps the socket in sight, which the base class hands over to the answer."""

    line: socket.socket | None = None

    def connect(self) -> None:
        """As the base class does."""
        super().connect()
        self.line = self.sock


class _Https(http.client.HTTPSConnection):
    """Connects to an address, and checks the certificate for a name."""

    line: socket.socket | None = None

    def __init__(self, name: str, address: tuple[str, int], timeout: float) -> None:
        super().__init__(*address, timeout=timeout)
        self._name = name
        self._tls = ssl.create_default_context()

    def connect(self) -> None:
        """As the base class does, but with the name of the URL."""
        http.client.HTTPConnection.connect(self)
        tls = self._tls.wrap_socket(self.sock, server_hostname=self._name, do_handshake_on_connect=False)
        self.sock = self.line = tls
        tls.do_handshake()
