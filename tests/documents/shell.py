"""One shell for a document: what is typed there is typed here, one command after the other, in an empty directory."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..terminal import clean_environment

HERE = Path(__file__).parent
TIMEOUT = 240.0
MARK = "\x1e"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Shell:
    """``meant``: names in the documents, and what they are here; ``called``: the way back."""

    process: subprocess.Popen[bytes]
    directory: Path
    meant: Mapping[str, str]
    called: Mapping[str, str]
    heard: bytes = b""

    def run(self, command: str) -> tuple[int, list[str]]:
        """Exit code, and the lines that were said on either stream, in the documents' names."""
        script = self.directory.parent / "typed.sh"
        script.write_text(_replaced(command, self.meant) + "\n")
        assert self.process.stdin
        self.process.stdin.write(f". {script} < /dev/null\nprintf '\\n%s%d%s\\n' {MARK} $? {MARK}\n".encode())
        self.process.stdin.flush()
        said, code = self._until_marked()
        return code, _replaced(COLOUR.sub("", said), self.called).splitlines()

    def put(self, path: str, text: str) -> None:
        """Write a file, with what the names mean here."""
        target = self.directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_replaced(text, self.meant))

    def _until_marked(self) -> tuple[str, int]:
        assert self.process.stdout
        deadline = time.monotonic() + TIMEOUT
        while (found := re.search(rf"\n?{MARK}(\d+){MARK}\n".encode(), self.heard)) is None:
            assert time.monotonic() < deadline, self.heard.decode(errors="replace")
            if select.select([self.process.stdout], [], [], 1)[0]:
                piece = os.read(self.process.stdout.fileno(), 65536)
                assert piece, f"the shell has ended: {self.heard.decode(errors='replace')}"
                self.heard += piece
        said, self.heard = self.heard[: found.start()], self.heard[found.end() :]
        return said.decode(errors="replace"), int(found[1])


def _replaced(text: str, names: Mapping[str, str]) -> str:
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, names[name])
    return text


@contextmanager
def warmed(directory: Path) -> Iterator[Path]:
    """A program called ``locktender`` that starts quickly; the directory in which it lies."""
    door = directory / "door"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.documents.warm", str(door)],
        cwd=HERE.parents[1],
        env=clean_environment(),
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        program = directory / "bin" / "locktender"
        program.parent.mkdir()
        program.write_text(
            f'#!/bin/sh\n[ "$1" = start ] && exec {sys.executable} -m cli "$@"\n'  # it hands its own process on
            f'exec {sys.executable} -IS {HERE / "warm.py"} {door} -q --yes "$@"\n'
        )
        program.chmod(0o755)
        yield program.parent
    finally:
        process.kill()
        process.communicate()


@contextmanager
def shell(directory: Path, programs: str, meant: Mapping[str, str], called: Mapping[str, str]) -> Iterator[Shell]:
    """In ``directory``, which is made, with ``programs`` first on the PATH."""
    directory.mkdir(parents=True)
    home = directory.parent / "home"
    home.mkdir()
    variables = {
        "HOME": str(home),
        "PATH": f"{programs}:{os.environ['PATH']}",
        "COLUMNS": "120",
        "NO_COLOR": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@shop.example",
        "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@shop.example",
    }  # fmt: skip
    process = subprocess.Popen(
        ["bash", "--norc"],
        cwd=directory,
        env=clean_environment(variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield Shell(process, directory, meant, called)
    finally:
        process.kill()
        process.communicate()
