"""A real pgbouncer in front of a throwaway server."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from operations.secret import Secret

from .conftest import OWNER_PASSWORD, Server, missing
from .ports import free_port

Mode = Literal["session", "transaction", "statement"]
PATHS = "/usr/sbin:/usr/local/sbin:/usr/bin"


@contextmanager
def pgbouncer(server: Server, mode: Mode, **settings: str) -> Iterator[int]:
    """A pooler in front of every database of a server; yields its port."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:{PATHS}")
    if program is None:
        missing("pgbouncer")
    directory = Path(tempfile.mkdtemp(prefix="locktender-pgbouncer-"))
    port = free_port()
    _configure(directory, server, port, {"pool_mode": mode, **settings})
    account = _account(directory)
    process = subprocess.Popen(
        [str(program), "-q", str(directory / "pgbouncer.ini")],
        user=account,
        extra_groups=[] if account else None,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await_port(port, process)
        yield port
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(directory, ignore_errors=True)


def through(url: Secret, port: int, parameters: str = "") -> Secret:
    """The same database URL by way of the pooler."""
    head, tail = url.reveal().rsplit("@", 1)
    return Secret(f"{head}@127.0.0.1:{port}/{tail.split('/', 1)[1]}{parameters}")


def _configure(directory: Path, server: Server, port: int, settings: dict[str, str]) -> None:
    (directory / "users.txt").write_text(f'"app_owner" "{OWNER_PASSWORD.reveal()}"\n')
    options = {
        "listen_addr": "127.0.0.1",
        "listen_port": str(port),
        "unix_socket_dir": "",
        "auth_type": "scram-sha-256",
        "auth_file": str(directory / "users.txt"),
        "logfile": str(directory / "log"),
        **settings,
    }
    lines = "\n".join(f"{key} = {value}" for key, value in options.items())
    (directory / "pgbouncer.ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={server.process.port}\n\n[pgbouncer]\n{lines}\n"
    )


def _account(directory: Path) -> str | None:
    """pgbouncer refuses to run as root."""
    if os.geteuid() != 0:
        return None
    user = pwd.getpwnam("nobody")
    for path in (directory, *directory.iterdir()):
        os.chown(path, user.pw_uid, user.pw_gid)
    return "nobody"


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert process.poll() is None, "pgbouncer ended at once"
            assert time.monotonic() < deadline, "pgbouncer does not listen"
            time.sleep(0.02)
        else:
            return
