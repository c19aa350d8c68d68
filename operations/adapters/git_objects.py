"""Commits and files out of a checkout's object store. Nothing of the checkout itself is run or obeyed.

git is started with an empty repository of its own, which borrows the checkout's objects: neither the checkout's
configuration nor its hooks, attributes or replacements are read, whoever has written them before us.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

from operations.adapters import git_contents
from operations.adapters.git_contents import GitContents
from operations.commands.git import SHA
from operations.validation.commits import Entry, Unreadable

TIMEOUT = 60.0
MOST = 64_000_000
"""Bytes of an answer."""
MOST_LISTED = 8_000_000
"""Bytes of a listing: some 60 and its path for each file."""
OF_SHA256 = re.compile(r"[0-9a-f]{64}(?:\^\{commit\})?")


class GitObjects:
    """Of a checkout, by its directory of objects. What a shallow one lacks is ``Unreadable``."""

    def __init__(self, objects: Path) -> None:
        self._objects = objects.absolute()
        self._contents: dict[int, GitContents] = {}

    def resolve(self, name: str) -> str:
        """Names of commits only: what a branch is, only the origin knows."""
        if not SHA.fullmatch(name):
            raise Unreadable(f"{name} is no commit's name.")
        self._git("cat-file", "-e", f"{name}^{{commit}}")
        return name

    def parents(self, sha: str) -> tuple[str, ...]:
        """As the commit itself says: a shallow checkout knows their names, though not them."""
        head = self._git("cat-file", "commit", _checked(sha)).partition(b"\n\n")[0].decode(errors="replace")
        return tuple(line.split()[1] for line in head.splitlines() if line.startswith("parent "))

    def merge_base(self, base: str, head: str) -> str:
        """Where there is enough history for it."""
        return self._git("merge-base", _checked(base), _checked(head)).decode().strip()

    def files(self, sha: str, folder: str) -> Mapping[str, Entry]:
        """All below the folder but other repositories."""
        path = "/".join(part for part in folder.split("/") if part not in ("", "."))
        prefix = f"{path}/" if path else ""
        return {name.removeprefix(prefix): entry for name, entry in self._listed(sha, prefix, "-r").items()}

    def entry(self, sha: str, path: str) -> Entry | None:
        """One file, if it is one."""
        return self._listed(sha, path).get(path)

    def _listed(self, sha: str, path: str, *options: str) -> dict[str, Entry]:
        where = ("--", path) if path else ()
        command = ("--literal-pathspecs", "ls-tree", *options, "-l", "-z", _checked(sha), *where)
        listed = self._git(*command, most=MOST_LISTED)
        found: dict[str, Entry] = {}
        for line in filter(None, listed.split(b"\0")):
            about, _, name = line.partition(b"\t")
            mode, kind, blob, size = about.decode().split()
            if kind == "blob":
                if not size.isdecimal():  # of a file that a partial clone lacks
                    raise Unreadable(f"The checkout does not hold {os.fsdecode(name)!r}.")
                found[os.fsdecode(name)] = Entry(mode, blob, int(size))
        return found

    def blob(self, sha: str) -> bytes:
        """What a file holds."""
        length = len(_checked(sha))
        there = self._contents.get(length)
        if not (there and there.usable):
            there = self._contents[length] = self._opened(sha)
        return there.blob(sha)

    def _opened(self, sha: str) -> GitContents:
        self._refuse_without_objects()
        try:
            directory = tempfile.mkdtemp(prefix="locktender-git-")
            _empty_repository(Path(directory), bool(OF_SHA256.fullmatch(sha)))
            start = partial(self._started, git_contents.ARGV, directory, subprocess.DEVNULL, subprocess.PIPE)
            return GitContents(start, directory, TIMEOUT, MOST)
        except OSError as error:
            raise Unreadable(f"git cat-file cannot be used: {type(error).__name__}.") from error

    def _refuse_without_objects(self) -> None:
        if not self._objects.is_dir():
            raise Unreadable("The workspace is no git checkout.")

    def _git(self, *words: str, most: int = MOST) -> bytes:
        command = next(word for word in words if not word.startswith("-"))
        self._refuse_without_objects()
        with tempfile.TemporaryDirectory(prefix="locktender-git-") as directory:
            _empty_repository(Path(directory), any(map(OF_SHA256.fullmatch, words)))
            errors = Path(directory) / "stderr"
            try:
                with errors.open("wb") as stderr, self._started(words, directory, stderr) as process:
                    answer = _read(process, most)
            except OSError as error:
                raise Unreadable(f"git {command} cannot be used: {type(error).__name__}.") from error
            told = errors.read_text(errors="replace").strip()
        if len(answer) > most:
            raise Unreadable(f"git {command} tells more than {most // 1_000_000} MB.")
        if process.returncode < 0:
            raise Unreadable(f"git {command} was ended by a signal, perhaps after {TIMEOUT:.0f} s.")
        if process.returncode:
            raise Unreadable(f"The checkout does not hold what git {command} looked for: {told}")
        return answer

    def _started(
        self, words: Sequence[str], directory: str, stderr: BinaryIO | int, stdin: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["git", *words],
            env=self._variables(directory),
            cwd=directory,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )

    def _variables(self, directory: str) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": directory,
            "LC_ALL": "C",
            "GIT_DIR": directory,
            "GIT_OBJECT_DIRECTORY": str(self._objects),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_TERMINAL_PROMPT": "0",
        }


def _read(process: subprocess.Popen[bytes], most: int) -> bytes:
    """What it prints, and a byte more than allowed where it is too much; then it has ended."""
    assert process.stdout  # noqa: S101 - a pipe
    timer = threading.Timer(TIMEOUT, process.kill)
    timer.start()
    try:
        answer = process.stdout.read(most + 1)
        if len(answer) > most:
            process.kill()
        process.wait()
    finally:
        timer.cancel()
        process.kill()
    return answer


def _empty_repository(directory: Path, sha256: bool) -> None:
    """What git takes for one."""
    for name in ("objects", "refs"):
        (directory / name).mkdir()
    (directory / "HEAD").write_text("ref: refs/heads/none\n")
    if sha256:
        (directory / "config").write_text("[core]\nrepositoryformatversion = 1\n[extensions]\nobjectformat = sha256\n")


def _checked(sha: str) -> str:
    if not SHA.fullmatch(sha):
        raise Unreadable(f"{sha[:60]!r} is no commit's name.")
    return sha
