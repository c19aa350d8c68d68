"""A directory tree that was read in one go, as ``Files``."""

from __future__ import annotations

import io
import posixpath
from collections.abc import Mapping
from functools import cached_property

from operations.errors import HostError
from operations.ports import Files, Host


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
        return tuple(sorted(self._directories.get(path, ()), key=lambda name: name.encode(errors="surrogateescape")))

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


def unpacked(archive: bytes) -> dict[str, bytes]:
    """A tar file's regular files and directories (with a ``/`` at the end) by their paths; nothing else of it.

    A file's second name, a hard link, is another file.
    Names that would lead out of the directory are left out. Raises ``HostError`` where it is no tar file.
    """
    import tarfile  # which only trees on other machines come as

    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), encoding="utf-8", errors="surrogateescape") as tar:
            for member in tar:
                name = posixpath.normpath(member.name)
                if name.startswith(("/", "..")) or name == ".":
                    continue
                if member.isdir():
                    found[f"{name}/"] = b""
                elif member.isreg() and (file := tar.extractfile(member)):
                    found[name] = file.read()
                elif member.islnk() and (first := posixpath.normpath(member.linkname)) in found:
                    found[name] = found[first]
    except tarfile.TarError as error:
        raise HostError(f"What was read is no tar file: {error}.") from error
    return found


class TreeOf:
    """The tree below ``root`` on a host, read in one go when it is first asked for, and never again."""

    def __init__(self, host: Host, root: str) -> None:
        self._host = host
        self._root = root

    def read(self, path: str) -> bytes:
        """The file's bytes."""
        return self._tree.read(path)

    def exists(self, path: str) -> bool:
        """Whether it was there."""
        return self._tree.exists(path)

    def list(self, path: str) -> tuple[str, ...]:
        """Sorted byte-wise."""
        return self._tree.list(path)

    @cached_property
    def _tree(self) -> Files:
        there = self._host.exists(self._root)
        return Tree(self._root, self._host.read_tree(self._root)) if there else Tree("", {})
