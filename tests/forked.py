"""The command line run to its end in a fork of a process that has imported it: as ever, but for a third of a second."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from .documents.warm import hand_over

ROOT = Path(__file__).resolve().parents[1]
_warm: list[tuple[subprocess.Popen[bytes], Path]] = []
"""The process that is forked and its directory, once it has started; one per test process."""
_starting = threading.Lock()


def _namespaces() -> list[str]:
    return [os.readlink(f"/proc/thread-self/ns/{name}") for name in ("net", "mnt")]  # noqa: PTH115 - it is no path


HOME = _namespaces()


def possible() -> bool:
    """Not for a thread that is on a network of its own, where no fork of another process would be."""
    return _namespaces() == HOME


def forked(words: Sequence[str], cwd: Path, env: Mapping[str, str], timeout: float) -> tuple[int, str, str]:
    """``locktender WORDS`` in a directory, with these variables and no input: exit code, stdout, stderr."""
    with (
        tempfile.TemporaryFile() as stdout,
        tempfile.TemporaryFile() as stderr,
        Path(os.devnull).open("rb") as nothing,
        socket.socket(socket.AF_UNIX) as line,
    ):
        line.settimeout(timeout)
        with _starting:
            door = _started() / "door"
        line.connect(str(door))
        files = [nothing.fileno(), stdout.fileno(), stderr.fileno()]
        child = hand_over(line, list(words), str(cwd), dict(env), files)
        ended = b""
        try:
            ended = line.recv(1)
        finally:
            if not ended:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
        assert ended, f"locktender {' '.join(words)} was lost"
        said = []
        for file in (stdout, stderr):
            file.seek(0)
            said.append(file.read().decode())
    code = ended[0]
    return (code if code < 128 else 128 - code), said[0], said[1]


def _started() -> Path:
    if not _warm:
        directory = Path(tempfile.mkdtemp(prefix="lt-warm-"))
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.documents.warm", str(directory / "door")],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        _warm.append((process, directory))
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
    return _warm[0][1]


def end() -> None:
    """End the process that is forked, if there is one."""
    while _warm:
        process, directory = _warm.pop()
        process.kill()
        process.communicate()
        shutil.rmtree(directory)
