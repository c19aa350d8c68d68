"""The files of a backup: what they are known by, and sharing those that did not change since an earlier one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from operations.backups.manifest import Manifest, StoredFile
from operations.context import Context
from operations.layout import backup_path

LINKED_FROM = 64 << 10
"""Bytes from which a file is worth a hard link to an equal one of an earlier backup."""


def hashed(context: Context, directory: str) -> Mapping[str, StoredFile]:
    """Every file below a directory, with what tells that it is still the same."""
    sizes = context.host.sizes(directory)
    sums = context.host.sha256(directory, sorted(sizes))
    return {name: StoredFile(size, sums[name]) for name, size in sizes.items()}


def link_unchanged(
    context: Context, directory: str, files: Mapping[str, StoredFile], earlier: Sequence[Manifest]
) -> int:
    """Replace files by hard links to equal ones of earlier backups; returns the bytes saved.

    The earlier file is read again first, so that its damage would never spread to this backup.
    """
    known: dict[StoredFile, str] = {}
    for manifest in reversed(earlier):
        path = backup_path(context.environment, manifest.id)
        known.update({file: f"{path}/{name}" for name, file in manifest.files.items()})
    saved = 0
    for name, file in files.items():
        if file.bytes >= LINKED_FROM and file in known:
            parent, _, base = known[file].rpartition("/")
            if context.host.sha256(parent, [base])[base] == file.sha256:
                context.host.link(known[file], f"{directory}/{name}")
                saved += file.bytes
    return saved
