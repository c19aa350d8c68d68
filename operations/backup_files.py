"""The files of a backup: what they are known by, sharing those that did not change since an earlier one, damage."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from msgspec import Struct

from operations.backups.manifest import VERIFICATION, Manifest, StoredFile
from operations.context import Context
from operations.errors import HostError
from operations.layout import MANIFEST, backup_path

LINKED_FROM = 64 << 10
"""Bytes from which a file is worth a hard link to an equal one of an earlier backup."""
TEMPORARY = re.compile(rf"{re.escape(VERIFICATION)}\.[0-9a-f]+\.tmp")
"""What a crash leaves of ``Host.write``; it is never read."""


class Damage(Struct, frozen=True):
    """``file`` is not as the manifest says, and ``why``, as a sentence; ``gone``: there is none to be read."""

    file: str
    why: str
    gone: bool = False


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


def visible_damage(context: Context, manifest: Manifest) -> tuple[Damage, ...]:
    """Missing, surplus and cut files, without reading them."""
    try:
        sizes = dict(context.host.sizes(backup_path(context.environment, manifest.id)))
    except HostError as error:
        return (Damage("", error.message, gone=True),)
    for name in [name for name in sizes if name in (MANIFEST, VERIFICATION) or TEMPORARY.fullmatch(name)]:
        del sizes[name]
    found = []
    for name in sorted(manifest.files.keys() | sizes.keys()):
        if name not in sizes:
            found.append(Damage(name, f"{name} is missing", gone=True))
        elif name not in manifest.files:
            found.append(Damage(name, f"{name} does not belong to it"))
        elif sizes[name] != manifest.files[name].bytes:
            found.append(Damage(name, f"{name} has {sizes[name]} bytes, and had {manifest.files[name].bytes}"))
    return tuple(found)


def changed(context: Context, manifest: Manifest) -> tuple[Damage, ...]:
    """Files that hold something else, after reading every one. Raises ``HostError``."""
    names = sorted(manifest.files)
    sums = context.host.sha256(backup_path(context.environment, manifest.id), names)
    return tuple(
        Damage(name, f"{name}: its SHA-256 is another one")
        for name in names
        if sums[name] != manifest.files[name].sha256
    )


def sharing(
    context: Context, manifest: Manifest, damaged: Sequence[str], others: Sequence[Manifest]
) -> Mapping[str, tuple[str, ...]]:
    """Which of ``others`` hold ``damaged`` files of a backup as well, by file: they were equal, and still are.

    What cannot be read is left out.
    """
    names = [name for name in damaged if name in manifest.files and manifest.files[name].bytes >= LINKED_FROM]
    now = _sums(context, manifest.id, names)
    found = defaultdict[str, tuple[str, ...]](tuple)
    for other in others:
        places = {file: name for name, file in other.files.items()}
        theirs = {name: places[manifest.files[name]] for name in now if manifest.files[name] in places}
        sums = _sums(context, other.id, sorted(set(theirs.values())))
        for name, place in theirs.items():
            if sums.get(place) == now[name]:
                found[name] += (other.id,)
    return dict(found)


def _sums(context: Context, backup_id: str, names: Sequence[str]) -> Mapping[str, str]:
    try:
        return context.host.sha256(backup_path(context.environment, backup_id), names) if names else {}
    except HostError:
        return {}
