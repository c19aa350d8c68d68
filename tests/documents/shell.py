"""One shell for a document: what is typed there is typed here, one command after the other, in an empty directory."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from operations.adapters.throwaway import embedded_binaries

from ..terminal import clean_environment

HERE = Path(__file__).parent
TIMEOUT = 600.0
MARK = "\x1e"
UNTIL_IT_SPEAKS = """\
rm -f {said}
( exec > {said} 2>&1; exec {command}
) &
until [ -s {said} ] || ! kill -0 $! 2> /dev/null; do sleep 0.1; done
kill -TERM $! 2> /dev/null; wait $!
set -- $?; cat {said}; ( exit $1 )
"""
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Shell:
    """``meant``: names in the documents, and what they are here; ``called``: the way back."""

    process: subprocess.Popen[bytes]
    directory: Path
    meant: Mapping[str, str]
    called: Mapping[str, str]
    heard: bytes = b""

    def run(self, command: str, answers: Sequence[str] = (), timeout: float = TIMEOUT) -> tuple[int, list[str]]:
        """Exit code, and the lines that were said on either stream, in the documents' names."""
        script, given = (self.directory.parent / name for name in ("typed.sh", "answers"))
        script.write_text(_replaced(command, self.meant) + "\n")
        given.write_text("".join(f"{answer}\n" for answer in answers))
        assert self.process.stdin
        self.process.stdin.write(f". {script} < {given}\nprintf '\\n%s%d%s\\n' {MARK} $? {MARK}\n".encode())
        self.process.stdin.flush()
        said, code = self._until_marked(timeout)
        return code, _replaced(COLOUR.sub("", said), self.called).splitlines()

    def run_until_it_speaks(self, command: str) -> tuple[int, list[str]]:
        """The same of one that goes on until it is stopped."""
        return self.run(UNTIL_IT_SPEAKS.format(command=command, said=self.directory.parent / "said"))

    def put(self, path: str, text: str) -> None:
        """Write a file, with what the names mean here."""
        target = self.directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_replaced(text, self.meant))

    def _until_marked(self, timeout: float) -> tuple[str, int]:
        assert self.process.stdout
        deadline = time.monotonic() + timeout
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
def warmed(directory: Path, on: Sequence[str] = ()) -> Iterator[str]:
    """The beginning of a PATH on which ``locktender`` starts quickly, with PostgreSQL's programs behind it.

    ``on``: what a command begins with that shall run on another machine.
    """
    directory.mkdir(exist_ok=True)
    door = directory / "door"
    process = subprocess.Popen(
        [*on, sys.executable, "-m", "tests.documents.warm", str(door)],
        env=clean_environment(),
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        program = directory / "bin" / "locktender"
        program.parent.mkdir()
        program.write_text(
            "#!/bin/sh\n"  # a signal, and a process that is handed on, want one of its own
            f'case "$*" in start*|"monitor continuous"*) exec {sys.executable} -m cli "$@";; esac\n'
            f'exec {sys.executable} -IS {HERE / "warm.py"} {door} -q --yes "$@"\n'
        )
        program.chmod(0o755)
        yield f"{program.parent}:{embedded_binaries()}:{Path(sys.executable).parent}"
    finally:
        process.kill()
        process.communicate()


@contextmanager
def shell(
    directory: Path,
    programs: str,
    meant: Mapping[str, str] | None = None,
    called: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    on: Sequence[str] = (),
) -> Iterator[Shell]:
    """In ``directory``, which is made, with ``programs`` first on the PATH; ``on`` as above. It has no terminal."""
    directory.mkdir(parents=True)
    home = directory.parent / "home"
    home.mkdir()
    ours = {
        "HOME": str(home),
        "PATH": f"{programs}:{os.environ['PATH']}",
        "COLUMNS": "120",
        "NO_COLOR": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@shop.example",
        "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@shop.example",
        **(variables or {}),
    }  # fmt: skip
    process = subprocess.Popen(
        [*on, "bash", "--norc"],
        env=clean_environment(ours),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        typed = Shell(process, directory, meant or {}, called or {})
        typed.run(f"cd {directory}")
        yield typed
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
