"""Commits and files out of a checkout's object store. Nothing of the checkout itself is run or obeyed.

git is started with an empty repository of its own, which borrows the checkout's objects: neither the checkout's
configuration nor its hooks, attributes or replacements are read, whoever has written them before us.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from operations.commands.git import SHA
from operations.validation.commits import Entry, Unreadable

TIMEOUT = 60.0
OF_SHA256 = re.compile(r"[0-9a-f]{64}(?:\^\{commit\})?")


class GitObjects:
    """Of a checkout, by its directory of objects. What a shallow one lacks is ``Unreadable``."""

    def __init__(self, objects: Path) -> None:
        self._objects = objects

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
        listed = self._git("--literal-pathspecs", "ls-tree", *options, "-l", "-z", _checked(sha), *where)
        found: dict[str, Entry] = {}
        for line in filter(None, listed.split(b"\0")):
            about, _, name = line.partition(b"\t")
            mode, kind, blob, size = about.decode().split()
            if kind == "blob":
                found[os.fsdecode(name)] = Entry(mode, blob, int(size))
        return found

    def blob(self, sha: str) -> bytes:
        """What a file holds."""
        return self._git("cat-file", "blob", _checked(sha))

    def _git(self, *words: str) -> bytes:
        if not self._objects.is_dir():
            raise Unreadable("The workspace is no git checkout.")
        with tempfile.TemporaryDirectory(prefix="locktender-git-") as directory:
            _empty_repository(Path(directory), any(map(OF_SHA256.fullmatch, words)))
            try:
                done = subprocess.run(
                    ["git", *words],
                    env=self._variables(directory),
                    cwd=directory,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=TIMEOUT,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                raise Unreadable(f"git {words[0]} cannot be used: {type(error).__name__}.") from error
        if done.returncode:
            told = done.stderr.decode(errors="replace").strip()
            raise Unreadable(f"The checkout does not hold what git {words[0]} looked for: {told}")
        return done.stdout

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
