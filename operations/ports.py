"""What the use cases need from outside, as protocols; ``operations/adapters`` holds the only implementations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from operations.approvals.change import Decide, NewRequest, Swept
    from operations.approvals.held import Answer, Held, Word
    from operations.approvals.model import AuditEntry, Freeze, Message, Person, Request
    from operations.monitoring.model import State

from operations.secret import Secret

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Completed:
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


@dataclass(frozen=True)
class Target:
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
    def in_transaction(self) -> bool:
        """Whether a transaction is open, be it by us or by a script's own BEGIN."""
        ...

    def rows(self, query: str, params: Sequence[Any] = ()) -> list[Row]:
        """Run one statement with ``%s`` parameters and fetch its rows."""
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

    def reset(self, settings: Mapping[str, str] = MappingProxyType({}), then: str = "") -> None:
        """All settings, role and search path back to what they were when the session began, then ``settings`` set.

        Locks and temporary tables are kept. ``then`` is SQL to run afterwards, in the same message.
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


@dataclass(frozen=True)
class Progress:
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


class MonitorMemory(Protocol):
    """What the monitor of one environment knows from look to look, and its history.

    Every method raises what reaching it may: ``HostUnreachable``, ``DatabaseUnreachable`` and so on.
    """

    def load(self) -> State:
        """The state after the last look; an empty one where there was none."""
        ...

    def save(self, state: State, before: State, look: Mapping[str, Any] | None) -> bool:
        """Keep a state in place of the one before, with the line of its look, if it is one.

        False: somebody else has kept another one meanwhile, and nothing was kept.
        """
        ...

    def looks(self, since: float) -> Iterable[Mapping[str, Any]]:
        """The lines of looks that are kept since then, oldest first: at least all that had something to tell."""
        ...


class Freezes(Protocol):
    """Knows what is frozen. Raises as a ``Ledger`` does."""

    def frozen(self, environment: str) -> Freeze | None:
        """The freeze that stands now."""
        ...


class Processes(Protocol):
    """Tells whether the process that left a lock behind is still there."""

    def identity(self) -> str:
        """This process, told apart from every other one on any machine, also after a reboot."""
        ...

    def alive(self, identity: str) -> bool | None:
        """Whether that process still runs; ``None`` where it cannot be told from here (another machine)."""
        ...


class Ledger(Freezes, Protocol):
    """Requests, votes, freezes and the audit log, in a PostgreSQL of their own; and the queue of what is to be done.

    Several processes and threads may use it at once. Every method raises ``DatabaseUnreachable``, ``ConnectionLost``,
    ``StatementFailed``; what changes something is one commit with its entries in the audit log and its job, and can be
    tried again after either: the second time it finds that it has happened, or does it.
    """

    def now(self) -> float:
        """The database's clock, in seconds since the epoch."""
        ...

    def create(self, new: NewRequest, *, per_hour: int | None = None) -> Request:
        """Record a request. Raises ``RateLimited`` if that person has made ``per_hour`` of them within the hour."""
        ...

    def change(self, request_id: str, decide: Decide) -> Request:
        """Let ``decide`` say what becomes of a request, and do that.

        Raises ``NotFound``; ``RequestChanged`` if what it says is not possible (any more); whatever ``decide`` raises.
        """
        ...

    def beat(self, request_id: str, token: int, progress: str | None = None) -> bool:
        """A sign of life of who runs it, with how far it is; False if it does not run it any more."""
        ...

    def request(self, request_id: str) -> Request:
        """One request with its votes. Raises ``NotFound``."""
        ...

    def open_requests(self, environment: str | None = None) -> tuple[Request, ...]:
        """All that have not ended, the oldest first; with break-glass requests that nobody has reviewed yet."""
        ...

    def history(self, environment: str | None = None, limit: int = 20) -> tuple[Request, ...]:
        """The newest requests, whatever their state, newest first."""
        ...

    def typical_seconds(self, environment: str, operation: str) -> float | None:
        """The median of how long it took when it went well, of the latest twenty; ``None``: never yet."""
        ...

    def freeze(self, freeze: Freeze) -> Freeze:
        """Freeze an environment, in place of the freeze that there may be; ``since`` is set by the database."""
        ...

    def unfreeze(self, environment: str, by: Person, reason: str) -> Freeze | None:
        """Lift the freeze; returns the one there was, ``None`` if there was none."""
        ...

    def show_in(self, request_id: str, kind: str, channel: str, ts: str | None = None, shown: int = 0) -> Message:
        """Record that a message is to show a request, or where one does already; once per kind and channel."""
        ...

    def messages(self, request_id: str) -> tuple[Message, ...]:
        """All that show a request."""
        ...

    def stale_messages(self, limit: int = 20, lease: float = 30.0) -> tuple[Message, ...]:
        """Messages that show less than the truth. Nobody else is given the same ones for ``lease`` seconds."""
        ...

    def message_shown(self, message_id: int, ts: str | None, revision: int, rest: float = 0.0) -> None:
        """A message shows that revision now, and is where ``ts`` says; a ``None`` forgets where it was.

        Nobody is given it again before ``rest`` seconds have passed.
        """
        ...

    def first_seen(self, signature: str) -> bool:
        """Whether this (a digest of a signed request, in hex) comes for the first time in 15 minutes at least."""
        ...

    def seen(self, signature: str) -> bool:
        """Whether it has come already, by ``first_seen``; this look does not count."""
        ...

    def note(self, event: str, by: Person | None, **facts: Any) -> AuditEntry:
        """An entry in the audit log that belongs to no request: a refusal, say."""
        ...

    def audit(self, after: int = 0, limit: int = 1000, request_id: str | None = None) -> tuple[AuditEntry, ...]:
        """Entries of the audit log in their order, from the one behind number ``after``."""
        ...

    def audit_latest(self, after: int, limit: int, request_id: str | None = None) -> tuple[AuditEntry, ...]:
        """The latest ``limit`` entries behind number ``after``, in their order."""
        ...

    def standing(self) -> Mapping[str, str]:
        """The state of every request, by its id, for comparing with the audit log."""
        ...

    @property
    def held(self) -> HeldDeployments:
        """What GitHub holds back."""
        ...

    def memory(self, environment: str) -> MonitorMemory:
        """What the monitor of an environment knows, where workers watch it."""
        ...

    def sweep(self, lost_after: float = 90.0) -> Swept:
        """End what has expired, give up runs without a sign of life for ``lost_after`` seconds, requeue lost jobs."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class HeldDeployments(Protocol):
    """Deployments that GitHub holds back, in the ledger. Raises as a ``Ledger`` does, and may be tried again."""

    def hold(self, one: Held) -> bool:
        """Record one; False: it is there already."""
        ...

    def was_held(self, environment: str, repository: str, run_id: int) -> bool:
        """Whether a deployment of that run to the environment is there, decided or not."""
        ...

    def due(self, lease: float, limit: int = 20) -> tuple[Held, ...]:
        """Those that GitHub has not been told of yet. Nobody else is given the same ones for ``lease`` seconds."""
        ...

    def asked(self, one: Held, request_id: str) -> None:
        """The request that decides."""
        ...

    def later(self, one: Held, seconds: float, tries: int = 0, gone: int = 0) -> None:
        """Nothing can be done about it now; it is given out again then, with these counts.

        Without effect once it is somebody else's.
        """
        ...

    def telling(self, one: Held, word: Word) -> bool:
        """Keep what GitHub is about to be told; False: it is somebody else's by now, or over."""
        ...

    def answered(self, one: Held, answer: Answer, comment: str) -> bool:
        """GitHub has been told; it is over. False: it was already."""
        ...

    def redeliver(self, guid: str, most: int) -> bool:
        """Whether the caller is to have GitHub deliver that webhook again now.

        True for one caller only, ever less often, and ``most`` times at all.
        """
        ...
