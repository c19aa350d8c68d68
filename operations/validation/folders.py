"""A migrations folder as somebody sent it: nothing in it is trusted, nothing is run, all that is odd is kept. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256

from msgspec import Struct

from operations.migrations.model import in_bytes
from operations.migrations.prisma_folder import DOWN, LOCK, SCRIPT, accepted_checksums

MOST_BYTES = 32_000_000
"""Of one file; a larger one is not read."""
MOST_TOGETHER = 256_000_000
MOST_FILES = 20_000
"""In a folder; more are not read."""


class Tree(Struct, frozen=True):
    """What lies below a folder: regular files by their path relative to it, and what was not read, with the reason.

    ``directories`` are those directly in the folder. Symbolic links are never followed: they are ``links``.
    """

    files: Mapping[str, bytes]
    directories: frozenset[str] = frozenset()
    links: tuple[str, ...] = ()
    too_large: Mapping[str, int] = {}
    """Bytes."""
    unread: int = 0
    """Files beyond ``MOST_FILES``."""


class Found(Struct, frozen=True):
    """What somebody sent, by its path relative to the folder; ``read`` gives a regular file's bytes, else ``None``."""

    path: str
    size: int
    read: Callable[[], bytes] | None


def bounded(found: Iterable[Found], directories: Iterable[str]) -> Tree:
    """What of it is read: file by file, as long as the limits allow."""
    files: dict[str, bytes] = {}
    links: list[str] = []
    too_large: dict[str, int] = {}
    unread = total = 0
    for one in found:
        if one.read is None:
            links.append(one.path)
        elif one.size > MOST_BYTES or total + one.size > MOST_TOGETHER:
            too_large[one.path] = one.size
        elif len(files) >= MOST_FILES:
            unread += 1
        else:
            files[one.path] = one.read()
            total += one.size
    return Tree(files, frozenset(directories), tuple(links), too_large, unread)


class Entry(Struct, frozen=True):
    """One migration's directory, as bytes; ``script`` is ``None`` where there is no ``migration.sql`` to read."""

    name: str
    script: bytes | None
    down: bytes | None = None

    @property
    def checksum(self) -> str:
        """Lower-case hex SHA-256 of the script's bytes, empty without one."""
        return sha256(self.script).hexdigest() if self.script is not None else ""

    def same_as(self, other: Entry) -> bool:
        """Whether both scripts are one text, whatever their line endings."""
        if self.script is None or other.script is None:
            return self.script is other.script
        return self.script == other.script or self.checksum in accepted_checksums(other.script)


class Folder(Struct, frozen=True):
    """A folder's migrations by name, in the order they apply, and what else is in it."""

    migrations: Mapping[str, Entry]
    lock: bytes | None = None
    """``migration_lock.toml``."""
    loose: tuple[str, ...] = ()
    """SQL files that lie in no directory of their own."""
    links: tuple[str, ...] = ()
    too_large: Mapping[str, int] = {}
    unread: int = 0


def folder_of(tree: Tree) -> Folder:
    """The migrations in a tree."""
    names = {path.partition("/")[0] for path in tree.files if "/" in path} | set(tree.directories)
    migrations = {
        name: Entry(name, tree.files.get(f"{name}/{SCRIPT}"), tree.files.get(f"{name}/{DOWN}"))
        for name in sorted(names, key=in_bytes)
    }
    return Folder(
        migrations=migrations,
        lock=tree.files.get(LOCK),
        loose=tuple(_loose(tree)),
        links=tuple(sorted(tree.links, key=in_bytes)),
        too_large=tree.too_large,
        unread=tree.unread,
    )


def _loose(tree: Tree) -> Iterator[str]:
    for path in sorted(tree.files, key=in_bytes):
        if path.endswith(".sql") and "/" not in path:
            yield path
