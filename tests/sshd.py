"""A real sshd with keys and a configuration of its own, by default on the loopback interface."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from operations.secret import Secret
from operations.settings import Server

from .conftest import missing
from .ports import free_port

BINARY = Path("/usr/sbin/sshd")
# SHLVL: so that bash leaves the ~/.bashrc of whoever runs the tests alone, which may take its time.
CONFIGURATION = """\
Port {port}
ListenAddress {address}
HostKey {directory}/host_key
HostKey {directory}/host_ecdsa
PidFile {directory}/sshd.pid
AuthorizedKeysFile {directory}/authorized_keys
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
LogLevel VERBOSE
SetEnv SHLVL=9 {variables}
{more}
{sftp}
"""
SFTP = "Subsystem sftp internal-sftp"


@dataclass(frozen=True)
class Sshd:
    """A running one. Whoever holds the key in ``key`` may log in as the user that runs the tests."""

    directory: Path
    port: int
    process: subprocess.Popen[bytes]
    address: str = "127.0.0.1"

    @property
    def user(self) -> str:
        return pwd.getpwuid(os.getuid()).pw_name

    @property
    def key(self) -> Secret:
        return Secret((self.directory / "user_key").read_text())

    @property
    def known_hosts(self) -> str:
        return f"[{self.address}]:{self.port} {public_of(self.directory / 'host_key')}\n"

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def server(self, **changes: object) -> Server:
        """The settings with which it is reached."""
        values: dict[str, object] = {
            "host": self.address,
            "port": self.port,
            "user": self.user,
            "private_key": self.key,
            "known_hosts": Secret(self.known_hosts),
            "connect_timeout": 10.0,
            "keepalive": 15.0,
            **changes,
        }
        return Server(**values)  # type: ignore[arg-type]

    def toml(self) -> dict[str, str]:
        """The same as keys of a ``[…server]`` section, with the secrets in files."""
        (self.directory / "known_hosts").write_text(self.known_hosts)
        return {
            "host": f'"{self.address}"',
            "port": str(self.port),
            "user": f'"{self.user}"',
            "private_key": f'"file:{self.directory}/user_key"',
            "known_hosts": f'"file:{self.directory}/known_hosts"',
        }

    def connections(self) -> list[int]:
        """Processes that each serve one connection."""
        return children(self.process.pid)

    def cut(self) -> None:
        """End every connection, as a server does that goes down."""
        for child in self.connections():
            for pid in (*children(child), child):
                with_luck_kill(pid)


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in found.read_text().split()] if found.exists() else []


def with_luck_kill(pid: int) -> None:
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        return


def public_of(path: Path) -> str:
    return " ".join(path.with_name(f"{path.name}.pub").read_text().split()[:2])


def keygen(path: Path, *more: str, kind: str = "ed25519", passphrase: str = "") -> Path:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "test", *more, "-f", str(path)],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return path


@contextmanager
def running(
    directory: Path, more: str = "", variables: str = "", address: str = "127.0.0.1", sftp: str = SFTP
) -> Iterator[Sshd]:
    """One with new keys; ``more`` are further lines of its configuration, ``variables`` every session has."""
    if not BINARY.exists() or not shutil.which("ssh-keygen"):
        missing("sshd")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    keygen(directory / "host_key")
    keygen(directory / "host_ecdsa", kind="ecdsa")
    keygen(directory / "user_key")
    (directory / "authorized_keys").write_text(public_of(directory / "user_key") + "\n")
    port = free_port(address)
    (directory / "config").write_text(
        CONFIGURATION.format(address=address, port=port, directory=directory, more=more, variables=variables, sftp=sftp)
    )
    sshd = launch(directory, port, address)
    try:
        yield sshd
    finally:
        end(sshd)


def launch(directory: Path, port: int, address: str = "127.0.0.1") -> Sshd:
    """Start what is configured in the directory."""
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(
            [BINARY, "-D", "-e", "-f", directory / "config"], stderr=log, stdin=subprocess.DEVNULL
        )
    try:
        wait_for(address, port, process)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return Sshd(directory, port, process, address)


def end(sshd: Sshd) -> None:
    """SIGKILL it and the processes that serve its connections."""
    for child in sshd.connections():
        with_luck_kill(child)
    sshd.process.kill()
    sshd.process.wait()


def wait_for(address: str, port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert process.poll() is None, "sshd did not start"
        with socket.socket() as probe:
            probe.settimeout(5)
            with suppress(TimeoutError):
                if probe.connect_ex((address, port)) == 0 and probe.recv(4):  # by then it is in the log
                    return
        time.sleep(0.02)
    raise AssertionError("sshd does not answer")
