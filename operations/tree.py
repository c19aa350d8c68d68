"""A directory tree that was read in one go, as ``Files``. Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping

from operations.errors import HostError


class Tree:
    """What stood below ``root``: path relative to it → bytes, directories with a ``/`` at the end."""

    def __init__(self, root: str, found: Mapping[str, bytes]) -> None:
        self._files: dict[str, bytes] = {}
        self._directories: dict[str, set[str]] = {root: set()}
        for relative, data in found.items():
            self._enter(root, relative, data)

    def read(self, path: str) -> bytes:
        """The file's bytes."""
        if path not in self._files:
            raise HostError(f"{path}: No such file.")
        return self._files[path]

    def exists(self, path: str) -> bool:
        """Whether it was there."""
        return path in self._files or path in self._directories

    def list(self, path: str) -> tuple[str, ...]:
        """Sorted byte-wise."""
        return tuple(sorted(self._directories.get(path, ()), key=os.fsencode))

    def _enter(self, root: str, relative: str, data: bytes) -> None:
        *parents, name = relative.rstrip("/").split("/")
        directory = root
        for parent in parents:
            directory = self._enter_directory(directory, parent)
        if relative.endswith("/"):
            self._enter_directory(directory, name)
        else:
            self._directories[directory].add(name)
            self._files[f"{directory}/{name}"] = data

    def _enter_directory(self, directory: str, name: str) -> str:
        self._directories[directory].add(f"{name}/")
        path = f"{directory}/{name}"
        self._directories.setdefault(path, set())
        return path
