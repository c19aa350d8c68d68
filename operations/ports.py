"""What the use cases need from outside, as protocols; ``operations/adapters`` holds the only implementations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Any, Protocol

from msgspec import Struct

from operations.secret import Secret

Row = tuple[Any, ...]


class Completed(Struct, frozen=True):
    """A program that ran to its end."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


class Files(Protocol):
    """A directory tree that is only read: a host's, or one at a commit. Paths are absolute POSIX paths."""

    def read(self, path: str) -> bytes:
        """A file's bytes; raises ``HostError``, ``HostUnreachable``."""
        ...

    def exists(self, path: str) -> bool:
        """Whether there is such a file or directory."""
        ...

    def list(self, path: str) -> tuple[str, ...]:
        """Names in a directory, sorted byte-wise; empty if it does not exist. Directories (no links) end in ``/``."""
        ...


class ProjectFiles(Protocol):
    """Writes into a person's own project. Raises ``HostError``."""

    def create(self, path: str, data: bytes, *, executable: bool) -> bool:
        """A new file, with its directories; false, and nothing touched, where there is anything of that name."""
        ...

    def replace(self, path: str, old: bytes, new: bytes) -> bool:
        """Put ``new`` in place of ``old``; false, and nothing touched, if the file holds anything else."""
        ...


class Host(Files, Protocol):
    """The machine beside the database: where client tools run and backups, journal and lock lie.

    Paths are absolute POSIX paths on that machine. Every method raises ``HostError`` (``DiskFull`` where that is the
    cause), ``HostUnreachable`` where the machine is another one and the line to it breaks, and nothing of the operating
    system's own. Several threads may use it at once.
    """

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        timeout: float,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run a program; ``env`` is added to the host's own. ``on_line`` gets each line of stderr as it comes.

        Raises ``ProgramUnusable`` when there is none, ``CommandFailed`` when it still runs after ``timeout`` seconds
        (it is killed then); any exit status, however, is returned.
        """
        ...

    def write(self, path: str, data: bytes) -> None:
        """Create or replace a file: after a crash it holds the old bytes or the new ones. Mode 0600, synced."""
        ...

    def append(self, path: str, data: bytes, *, sync: bool = True) -> None:
        """Add to a file's end, creating it (mode 0600); by default synced, with all that was appended before."""
        ...

    def make_directory(self, path: str) -> None:
        """Create a directory (mode 0700) and its parents; it may exist."""
        ...

    def rename(self, old: str, new: str) -> bool:
        """Rename a directory or file atomically and sync the parent. False if ``new`` is taken; never overwrites."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file or a whole directory; it may be absent."""
        ...

    def sizes(self, path: str) -> Mapping[str, int]:
        """Every file below a directory: path relative to it → bytes. Symbolic links are not followed, and an error."""
        ...

    def sha256(self, directory: str, names: Sequence[str]) -> Mapping[str, str]:
        """Lower-case hex SHA-256 of each file, by its path relative to ``directory``; hashed in parallel."""
        ...

    def read_gzip(self, directory: str, names: Sequence[str], jobs: int, /) -> Mapping[str, str | None]:
        """Read gzip files, by their paths relative to ``directory``, to their ends: each → what is wrong, or ``None``.

        ``jobs`` are read at a time.
        A host that has nothing quicker at hand than the client tools leaves all out.
        """
        ...

    def sync(self, path: str) -> None:
        """Flush every file and directory of a tree to the disk."""
        ...

    def link(self, source: str, target: str) -> None:
        """Replace ``target`` by a hard link to ``source``, atomically."""
        ...

    def free_bytes(self, path: str) -> int:
        """Bytes that may still be written on the file system of ``path`` (or of its nearest existing parent)."""
        ...

    def age(self, path: str) -> float:
        """Seconds since a file's or directory's last change, by the host's own clock."""
        ...

    def read_tree(self, path: str) -> Mapping[str, bytes]:
        """All below a directory at once: path relative to it → bytes. Directories end in ``/``; links are left out."""
        ...

    def reach(self, address: str, port: int) -> tuple[str, int]:
        """Where this process can connect to what the host reaches at ``address:port``, until ``close``."""
        ...

    def close(self) -> None:
        """Let go of connections; nothing can be done with the host afterwards."""
        ...


class Target(Struct, frozen=True):
    """Which database, as it may be shown: never a password."""

    host: str
    port: int
    database: str
    user: str
    schema: str | None = None
    hostaddr: str | None = None
    """Numeric address to connect to, where ``host`` is not to be looked up; the name is still what TLS compares."""

    def __str__(self) -> str:
        return f"{self.database} on {self.host}:{self.port}"


class Session(Protocol):
    """One connection. Outside of ``transaction`` every statement commits by itself.

    Raises ``StatementFailed`` for what the server refuses, ``ConnectionLost`` when it goes away.
    """

    @property
    def pid(self) -> int:
        """The server process behind this connection, as the server itself says."""
        ...

    @property
    def claimed_pid(self) -> int:
        """The server process named when the connection was made; a pooler in between invents one."""
        ...

    @property
    def server_version(self) -> int:
        """As PostgreSQL counts: 150018 is 15.18."""
        ...

    @property
    def server_encoding(self) -> str:
        """Of the database, as PostgreSQL names it: ``UTF8``."""
        ...

    @property
    def closed(self) -> bool:
        """Whether the connection is gone, be it that we have cut it."""
        ...

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, be it by us or by a script's own BEGIN."""
        ...

    def rows(self, query: str, params: Sequence[Any] = ()) -> list[Row]:
        """Run one statement with ``%s`` parameters and fetch its rows.

        Without parameters it may be several, of which the last one's are fetched.
        """
        ...

    def stream(self, query: str) -> Iterator[Row]:
        """The rows of one statement as they come, never all at once; meanwhile the session can be asked nothing."""
        ...

    def execute(self, query: str, params: Sequence[Any] = ()) -> int:
        """Run one statement and return the number of rows it touched (-1 where the server tells none)."""
        ...

    def script(self, text: str) -> int:
        """Send a whole script as one message, as it is; returns how many statements ran.

        ``StatementFailed.statement`` and ``.position`` then refer to the script.
        """
        ...

    def transaction(self, begin: str = "BEGIN") -> AbstractContextManager[None]:
        """A transaction opened by ``begin``; committed at the end of the block, rolled back by any exception.

        If the connection is lost during COMMIT itself, ``ConnectionLost`` says ``in_doubt`` in its details.
        """
        ...

    def reset(self, settings: Mapping[str, str] = MappingProxyType({}), then: str = "", first: str = "") -> int:
        """All settings, role and search path back to what they were when the session began, then ``settings`` set.

        Locks and temporary tables are kept. ``then`` is a statement to run afterwards, and ``first`` a script to run
        before, in the same message; returns the number of rows that ``then`` touched. ``StatementFailed.statement``
        and ``.position`` refer to the message: what is beyond ``first`` is no failure of the script's.
        """
        ...

    def close(self) -> None:
        """End the session."""
        ...


class Database(Protocol):
    """A PostgreSQL database, and through it its server."""

    @property
    def target(self) -> Target:
        """What may be shown of where it is."""
        ...

    def connect(self, database: str | None = None, *, purpose: str = "") -> Session:
        """A new session, to this database or to another one of the same server.

        ``purpose`` shows in ``pg_stat_activity.application_name``. Raises ``DatabaseUnreachable``,
        ``AuthenticationFailed``, ``DatabaseMissing``.
        """
        ...

    def ping(self, timeout: float) -> None:
        """One login and one query, in about ``timeout`` seconds together. Raises as ``connect``, ``ConnectionLost``."""
        ...

    def session(self, database: str | None = None, *, purpose: str = "") -> AbstractContextManager[Session]:
        """``connect``, closed at the end of the block."""
        ...

    def address(self) -> tuple[str, int] | None:
        """Where this process connects to; ``None`` for a socket in the file system."""
        ...

    def client_environment(self, database: str | None = None) -> Mapping[str, str]:
        """Variables (PGHOST, PGPASSWORD …) with which the client tools on the host reach the same database."""
        ...


class Progress(Struct, frozen=True):
    """How far something is: ``done`` of ``total`` ``unit`` (total 0: unknown)."""

    label: str
    done: int = 0
    total: int = 0
    unit: str = "bytes"


Report = Callable[[Progress], None]
"""Told what is going on; front doors show it, tests ignore it."""


def silent(_: Progress) -> None:
    """A ``Report`` that shows nothing."""


Log = Callable[[str, Mapping[str, Any]], None]
"""Told what happens, as an event and its facts, for a log that is kept."""


def unlogged(_event: str, _facts: Mapping[str, Any]) -> None:
    """A ``Log`` that keeps nothing."""


class Http(Protocol):
    """Asks for pages, to see whether an application answers, and sends messages."""

    def status(self, url: str, address: tuple[str, int], timeout: float) -> int | None:
        """The status with which ``url`` answers at ``address``; ``None`` for no answer within ``timeout`` seconds.

        Redirections are not followed.
        """
        ...

    def send(
        self, url: Secret, body: bytes | None, headers: Mapping[str, str], timeout: float, *, internal: bool
    ) -> int:
        """POST ``body``, or GET where there is none; the status of the answer, which may be a redirection.

        Everything together ends within about ``timeout`` seconds. Without ``internal`` only https is spoken, and only
        with addresses that anybody can reach. Raises ``Refused``, ``OperationFailed``; neither repeats the URL.
        """
        ...


class Services(Protocol):
    """Tells people by whatever service an address means."""

    def tell(self, url: Secret, message: Mapping[str, str], timeout: float, *, internal: bool) -> int | None:
        """Tell a ``title``, a ``text`` and what ``kind`` it is: ``info``, ``success``, ``warning`` or ``failure``.

        Everything together ends within about ``timeout`` seconds. ``None``: it was taken; otherwise the status with
        which an HTTP service has not taken it. Without ``internal`` HTTP is https, and nothing is reached that not
        anybody can reach. Raises ``Refused``, ``OperationFailed``; neither repeats the URL.
        """
        ...


class Certificates(Protocol):
    """Looks at the certificates that servers show."""

    def end(self, name: str, address: tuple[str, int], timeout: float, *, postgres: bool) -> float | None:
        """When the one shown for ``name`` ends, in seconds since the epoch; ``None`` where none is shown.

        ``postgres``: TLS begins after PostgreSQL's own request for it. Nobody is trusted or mistrusted for it.
        """
        ...


class Clock(Protocol):
    """Time, given in so that decisions can be tested."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Processes(Protocol):
    """Tells whether the process that left a lock behind is still there."""

    def identity(self) -> str:
        """This process, told apart from every other one on any machine, also after a reboot."""
        ...

    def alive(self, identity: str) -> bool | None:
        """Whether that process still runs; ``None`` where it cannot be told from here (another machine)."""
        ...
