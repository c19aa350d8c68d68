"""What any number of git's files hold, from one process: https://git-scm.com/docs/git-cat-file#_batch_output."""

from __future__ import annotations

import shutil
import subprocess
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import IO

from operations.validation.commits import Unreadable

ARGV = ("cat-file", "--batch")
LONGEST_HEADER = 200


class GitContents:
    """A ``git cat-file --batch`` that is started in ``directory``, which goes with it when nobody needs it any more."""

    def __init__(self, start: Callable[[], subprocess.Popen[bytes]], directory: str, timeout: float, most: int) -> None:
        self._timeout, self._most = timeout, most
        try:
            self._process = start()
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        self._end = weakref.finalize(self, _ended, self._process, directory)

    @property
    def usable(self) -> bool:
        """Whether it can be asked again."""
        return self._end.alive

    def blob(self, sha: str) -> bytes:
        """Of one file, by a full name. Raises ``Unreadable``."""
        timer = threading.Timer(self._timeout, self._process.kill)
        timer.start()
        try:
            return self._answer(sha)
        except (OSError, ValueError) as error:  # what comes next belongs to no question, if anything does
            self._end()
            raise Unreadable(f"git {ARGV[0]} does not tell {sha[:12]}: {error or type(error).__name__}.") from error
        except BaseException:
            self._end()
            raise
        finally:
            timer.cancel()

    def _answer(self, sha: str) -> bytes:
        questions, answers = self._process.stdin, self._process.stdout
        assert questions and answers  # noqa: S101, PT018 - pipes
        questions.write(f"{sha}\n".encode())
        questions.flush()
        header = answers.readline(LONGEST_HEADER).decode().split()
        if header[1:] == ["missing"]:
            raise Unreadable(f"The checkout does not hold {sha}.")
        if len(header) != 3:
            raise ValueError("it has ended, or took too long")
        kind, size = header[1], int(header[2])
        if kind != "blob" or size > self._most:
            raise ValueError(f"a {kind} of {size} bytes")
        data = answers.read(size + 1)
        if len(data) != size + 1:
            raise ValueError("it has ended, or took too long")
        return data[:size]


def _ended(process: subprocess.Popen[bytes], directory: str) -> None:
    process.kill()
    process.wait()
    pipes: tuple[IO[bytes] | None, ...] = (process.stdin, process.stdout)
    for pipe in pipes:
        with suppress(OSError):  # of a question that was not read
            if pipe:
                pipe.close()
    shutil.rmtree(directory, ignore_errors=True)
