"""The one SSH connection of a run: opened at first use, watched, opened anew after it broke.

Nothing is ever sent a second time by itself: what was under way when the line was cut ends with ``HostUnreachable``.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import fabric
import paramiko

from operations.adapters.ssh_keys import STANDARD_PORT, KnownHosts, private_key
from operations.errors import (
    AGAIN,
    ConfigurationError,
    HostError,
    HostKeyRefused,
    HostLoginRefused,
    HostUnreachable,
    LocktenderError,
)
from operations.settings import Server

MISSED = 4
"""Signs of life in a row without an answer, after which a line counts as cut."""
FIRST_BEAT = 0.5
"""Seconds that a short run has to end before the watch begins; a program that is started there begins it at once."""
NO_ANSWER, CLOSED = "it did not answer in time", "the connection was closed"
NO_REFUSAL = {
    "Authentication timeout": NO_ANSWER,
    "Authentication failed: transport shut down or saw EOF": CLOSED,
    "No existing session": CLOSED,
}
"""What paramiko says of a line that broke during the login, and what that is."""
SETTLING = 0.5
PARTING = 1.0
GUARD = 'while [ "$(timeout {seconds} head -c 1)" ]; do :; done; kill "$PPID"\n'
"""Ends its sshd when the beats stop: a server would keep a silent line, and with it a database session, for hours."""
logging.getLogger("paramiko").addHandler(logging.NullHandler())  # what is said of a failure is said by its error
BROKEN = (paramiko.SSHException, EOFError, OSError)


class Line:
    """A Fabric connection that several threads may use at once."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._known = KnownHosts(server.known_hosts)
        self._key = private_key(server.private_key, server.passphrase)
        self._hops = [*map(partial(hop, server), server.jump), (server.user, server.host, server.port)]
        self._lock = threading.Lock()
        self._connections: list[Any] = []
        self._refusal: LocktenderError | None = None
        self._early: LocktenderError | None = None
        self._closed = threading.Event()
        self._watching = threading.Event()

    def transport(self) -> Any:
        """paramiko's transport, connected; raises ``HostUnreachable``, ``HostKeyRefused``, ``HostLoginRefused``."""
        with self._lock:
            if self._closed.is_set():
                raise HostError("The connection was closed already.")
            if self._early:
                error, self._early = self._early, None
                raise error
            if self._refusal:
                raise self._refusal  # asked again, sshd would say the same, and lock the account in the end
            self._stand()
            return self._connections[-1].transport

    def begin(self, first: Callable[[], object]) -> None:
        """Connect beside whatever else is being prepared, and do ``first``; a failure is told at the first use."""

        def connect() -> None:
            with self._lock:
                try:
                    self._stand()
                except LocktenderError as error:
                    self._early = error
                    return
            with suppress(LocktenderError):
                first()

        threading.Thread(target=connect, name="ssh connect", daemon=True).start()

    def watch(self) -> None:
        """Begin the watch now: there will be something on the server that a cut line must end."""
        self._watching.set()

    def session(self) -> Any:
        """A new channel for a program or a subsystem."""
        transport = self.transport()
        with self.told("no session could be opened"):
            return transport.open_session(timeout=self.server.connect_timeout)

    @contextmanager
    def told(self, what: str, refused: str | None = None) -> Iterator[None]:
        """What breaks a connection, as our errors; ``refused`` is the hint where the connection itself still stands."""
        try:
            yield
        except paramiko.ChannelException as error:
            raise HostError(f"{self.where}: {what}: {error.text}.") from None
        except BROKEN as error:
            self._see_it_end()
            transport = self._connections[-1].transport if self._connections else None
            if refused and transport and transport.is_active():
                raise HostUnreachable(f"{self.where}: {what} ({_reason(error)}).", hint=refused) from None
            raise self.cut(f"{what} ({_reason(error)})") from None

    def _see_it_end(self) -> None:
        """A channel may end a moment before the connection does, which the next call must not take for a good one."""
        for connection in reversed(self._connections[:]):
            if transport := connection.transport:  # none any more where another thread has closed it
                transport.join(SETTLING)

    def cut(self, what: str) -> HostUnreachable:
        """The error for something that was under way when the line broke."""
        return HostUnreachable(
            f"The SSH connection to {self.where} was cut: {what}.",
            hint=AGAIN,
        )

    @property
    def where(self) -> str:
        """Host and port, for messages."""
        return f"{self.server.host}:{self.server.port}"

    def close(self) -> None:
        """For good."""
        self._closed.set()
        self._watching.set()
        if self._lock.acquire(timeout=PARTING):  # whoever is connecting sees it and ends by itself
            try:
                self._drop()
            finally:
                self._lock.release()

    def _stand(self) -> None:
        if not (self._connections and self._connections[-1].transport.is_active()):
            self._drop()
            self._open()

    def _open(self) -> None:
        try:
            self._connect()
        except (HostKeyRefused, HostLoginRefused) as error:
            self._drop()
            self._refusal = error
            raise
        except BaseException:
            self._drop()
            raise
        if self._closed.is_set():
            self._drop()
            raise HostError("The connection was closed already.")
        transport = self._connections[-1].transport
        threading.Thread(target=self._watch, args=(transport,), name="ssh keep-alive", daemon=True).start()

    def _connect(self) -> None:
        for user, host, port in self._hops:
            connection = self._connection(user, host, port)
            self._connections.append(connection)
            try:
                connection.open()
            except LocktenderError:
                raise
            except BROKEN as error:
                why = _reason(error)
                if isinstance(error, paramiko.AuthenticationException) and why not in NO_REFUSAL.values():
                    raise HostLoginRefused(
                        f"{host}:{port} refused the login of {user!r}: {why}.",
                        hint=f"Is this key's public half in ~{user}/.ssh/authorized_keys there?",
                    ) from None
                raise HostUnreachable(
                    f"No SSH connection to {host}:{port} could be made: {why}.",
                    hint="Is sshd running there, and does a firewall let this machine through?",
                ) from None

    def _connection(self, user: str, host: str, port: int) -> Any:
        patience = self.server.connect_timeout
        connection = fabric.Connection(
            host,
            user=user,
            port=port,
            gateway=self._connections[-1] if self._connections else False,
            config=fabric.Config(lazy=True, overrides={"load_ssh_configs": False}),
            connect_timeout=patience,
            connect_kwargs={
                "pkey": self._key,
                "look_for_keys": False,
                "allow_agent": False,
                "banner_timeout": patience,
                "auth_timeout": patience,
                "channel_timeout": patience,
                "transport_factory": partial(_transport, self._known.types(host, port)),
            },
        )
        connection.client.set_missing_host_key_policy(_Pinned(partial(self._known.refuse_other, host, port)))
        return connection

    def _drop(self) -> None:
        while self._connections:
            connection = self._connections.pop()
            with suppress(*BROKEN):
                connection.close()
            if connection.client.get_transport():  # Fabric leaves one that never got as far as a login
                connection.client.close()

    def _watch(self, transport: Any) -> None:
        """Beats that must be answered; without an answer the connection is ended, and all that waits for it."""
        interval = self.server.keepalive
        self._watching.wait(min(FIRST_BEAT, interval))
        if self._closed.is_set():
            return
        silence = interval * (MISSED - 1)
        with _closed_after(transport, max(silence, self.server.connect_timeout)):
            guard = self._guard(transport)
        while transport.is_active():
            with _closed_after(transport, silence), suppress(*BROKEN):
                if guard:
                    guard.sendall(b".")
                transport.global_request("keepalive@openssh.com", wait=True)
            if self._closed.wait(interval):
                return

    def _guard(self, transport: Any) -> Any:
        with suppress(*BROKEN):
            channel = transport.open_session(timeout=self.server.connect_timeout)
            channel.exec_command("exec /bin/sh")
            channel.sendall(f"{{ {GUARD.format(seconds=max(1, round(self.server.keepalive * MISSED)))}}}\n".encode())
            return channel
        return None


@contextmanager
def _closed_after(transport: Any, seconds: float) -> Iterator[None]:
    """The connection is, where the block takes longer: paramiko would wait for some answers for ever."""
    late = threading.Timer(seconds, transport.close)
    late.daemon = True
    late.start()
    try:
        yield
    finally:
        late.cancel()


class _Pinned(paramiko.RejectPolicy):  # type: ignore[misc]
    """Rejects every key but the pinned ones: paramiko's own list knows no patterns, and one key of a kind only."""

    def __init__(self, refuse_other: Callable[[Any], None]) -> None:
        self._refuse_other = refuse_other

    def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:  # noqa: ARG002
        """Called for every host, since paramiko is given no list."""
        self._refuse_other(key)


def _transport(known: frozenset[str], sock: Any, **options: Any) -> Any:
    """One that asks for the kinds of host keys that are known first, as ssh does, and for the quickest ciphers.

    paramiko puts those that need no checksum of their own last, behind 3DES.
    """
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    transport = paramiko.Transport(sock, **options)
    security = transport.get_security_options()
    names = {"rsa-sha2-512": "ssh-rsa", "rsa-sha2-256": "ssh-rsa"}
    security.key_types = sorted(security.key_types, key=lambda name: names.get(name, name) not in known)
    security.ciphers = sorted(security.ciphers, key=lambda name: "-gcm@" not in name)
    return transport


def hop(server: Server, written: str) -> tuple[str, str, int]:
    """``user@host:port``, of which user and port may be missing; an IPv6 address with a port stands in brackets."""
    user, _, place = written.rpartition("@")
    bracketed = place.startswith("[")
    host, _, port = place[1:].rpartition("]") if bracketed else place.partition(":" if place.count(":") == 1 else "\0")
    port = port.removeprefix(":")
    if not host or (port and not port.isdigit()):
        raise ConfigurationError(f"{written!r} names no machine.", hint="Write it as user@host:port.")
    return user or server.user, host, int(port or STANDARD_PORT)


def _reason(error: BaseException) -> str:
    if isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
        error = next(iter(error.errors.values()))
    if isinstance(error, TimeoutError):
        return NO_ANSWER
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    said = str(error).strip().rstrip(".:")
    return NO_REFUSAL.get(said, said) or CLOSED
