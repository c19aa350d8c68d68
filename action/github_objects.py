"""Commits and files of a repository on GitHub, by its API."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from github import Github
from github.Repository import Repository

from action.platform import PlatformError
from action.requesting import Requests
from operations.validation.commits import Entry

FOLDER = "040000"
REPOSITORY = "160000"
"""How git writes that something is another repository (a submodule)."""


class GithubObjects:
    """``Objects`` of one repository."""

    def __init__(self, github: Github, repository: str, calling: Requests) -> None:
        self._github, self._name, self._calling = github, repository, calling
        self._trees: dict[tuple[str, bool], dict[str, Entry]] = {}

    @property
    def _repository(self) -> Repository:
        return self._github.get_repo(self._name)

    def resolve(self, name: str) -> str:
        """The commit of a branch, tag or commit."""
        return self._calling(f"find {name}", lambda: str(self._repository.get_commit(name).sha))

    def parents(self, sha: str) -> tuple[str, ...]:
        """In their order."""
        commit = self._calling(f"read commit {sha}", lambda: self._repository.get_git_commit(sha).parents)
        return tuple(str(parent.sha) for parent in commit)

    def merge_base(self, base: str, head: str) -> str:
        """GitHub compares them for that."""
        return self._calling(
            "find where the branch begins", lambda: str(self._repository.compare(base, head).merge_base_commit.sha)
        )

    def files(self, sha: str, folder: str) -> Mapping[str, Entry]:
        """One request for each folder on the way, and one for all that lies below."""
        tree = self._folder(sha, _steps(folder))
        below = self._tree(tree, recursive=True) if tree else {}
        return {path: entry for path, entry in below.items() if entry.mode not in (FOLDER, REPOSITORY)}

    def entry(self, sha: str, path: str) -> Entry | None:
        """One request for each folder on the way."""
        *folders, name = _steps(path)
        tree = self._folder(sha, folders)
        found = self._tree(tree, recursive=False).get(name) if tree else None
        return found if found and found.mode not in (FOLDER, REPOSITORY) else None

    def _folder(self, sha: str, steps: Sequence[str]) -> str | None:
        tree = sha
        for name in steps:
            below = self._tree(tree, recursive=False)
            if name not in below or below[name].mode != FOLDER:
                return None
            tree = below[name].sha
        return tree

    def blob(self, sha: str) -> bytes:
        """As it is, whatever it holds."""

        def read() -> bytes:
            blob = self._repository.get_git_blob(sha)
            return base64.b64decode(blob.content) if blob.encoding == "base64" else str(blob.content).encode()

        return self._calling("read a file", read)

    def _tree(self, sha: str, *, recursive: bool) -> dict[str, Entry]:
        """What git calls by its content never changes, so each is asked for once."""
        if (sha, recursive) not in self._trees:
            self._trees[sha, recursive] = self._calling(
                "list the files of a commit", lambda: self._listed(sha, recursive)
            )
        return self._trees[sha, recursive]

    def _listed(self, sha: str, recursive: bool) -> dict[str, Entry]:
        tree = self._repository.get_git_tree(sha, recursive=recursive)
        if tree.raw_data.get("truncated"):
            raise PlatformError(
                "refused", "The folder holds more files than GitHub lists: check out with fetch-depth: 0."
            )
        return {one.path: Entry(str(one.mode), str(one.sha), int(one.size or 0)) for one in tree.tree}


def _steps(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]
