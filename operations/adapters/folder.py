"""Reads a folder that may hold anything: no link is followed, only regular files are opened, sizes are bounded."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from operations.errors import MigrationFilesError
from operations.validation.folders import MOST_BYTES, Found, Tree, bounded


def read_folder(path: Path, within: Path | None = None) -> Tree:
    """All below a directory. ``within``: where the directory must lie once all links on the way are resolved.

    Raises ``MigrationFilesError``.
    """
    root = path.resolve()
    if within is not None and not root.is_relative_to(within.resolve()):
        raise MigrationFilesError(
            f"{path} leads out of {within}.", hint="Commit the folder itself, and no link to one."
        )
    if not root.is_dir():
        raise MigrationFilesError(
            f"There is no migrations folder at {path}.",
            hint="Name it with --migrations, or as `migrations` of the environment in locktender.toml.",
        )
    try:
        return _read(root)
    except OSError as error:
        raise MigrationFilesError(f"{error.filename or path} cannot be read: {error.strerror}.") from error


def _read(root: Path) -> Tree:
    return bounded(_files(root), (entry.name for entry in os.scandir(root) if entry.is_dir(follow_symlinks=False)))


def _files(root: Path) -> Iterator[Found]:
    """Everything but directories, one at a time: there may be any number."""
    for parent, below, names in os.walk(root):
        for name in (*below, *names):
            full = os.path.join(parent, name)  # noqa: PTH118 - a name may be no valid text
            status = os.lstat(full)
            if not stat.S_ISDIR(status.st_mode):
                read = partial(_content, full) if stat.S_ISREG(status.st_mode) else None
                yield Found(os.path.relpath(full, root), status.st_size, read)


def _content(path: str) -> bytes:
    """Not through a link that has taken the file's place since it was looked at."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MOST_BYTES + 1)
