"""A folder as it stands at a commit, wherever the commit lies. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Protocol

from msgspec import Struct

from operations.validation.folders import Found, Tree, bounded

LINK = "120000"
"""How git writes that something is a symbolic link."""


class Unreadable(Exception):
    """A commit or a file of it is not there, or cannot be had."""


class Entry(Struct, frozen=True):
    """A file of a commit. ``mode`` as git writes it: ``100644`` for a file, ``120000`` for a symbolic link."""

    mode: str
    sha: str
    size: int


class Objects(Protocol):
    """The files of commits. Raises ``Unreadable``."""

    def files(self, sha: str, folder: str) -> Mapping[str, Entry]:
        """All files below a folder by their path relative to it; empty where there is no such folder."""
        ...

    def blob(self, sha: str) -> bytes:
        """What a file holds."""
        ...


def tree_at(objects: Objects, sha: str, folder: str, known: Mapping[str, bytes]) -> Tree:
    """Within the same limits as a folder on a disk.

    ``known``: contents by git's name for them, which need not be fetched. Raises ``Unreadable``.
    """
    fetched = dict(known)

    def content(name: str) -> bytes:
        if name not in fetched:
            fetched[name] = objects.blob(name)
        return fetched[name]

    entries = objects.files(sha, folder)
    found = (
        Found(path, entry.size, None if entry.mode == LINK else partial(content, entry.sha))
        for path, entry in entries.items()
    )
    return bounded(found, {path.partition("/")[0] for path in entries if "/" in path})


def blobs(tree: Tree) -> dict[str, bytes]:
    """Contents by git's name for them."""
    return {blob_name(data): data for data in tree.files.values()}


def blob_name(data: bytes) -> str:
    """https://git-scm.com/book/en/v2/Git-Internals-Git-Objects"""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
