"""The backups there are. The directories are the whole catalogue: nothing else needs to survive.

A backup's directory is ``manifest.json``, the files that it names, and ``verification.json`` once more is known of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from operations.backup_files import Damage, changed, sharing, visible_damage
from operations.backups.manifest import (
    VERIFICATION,
    Level,
    Manifest,
    Verification,
    from_bytes,
    verification_from_bytes,
    verification_to_bytes,
)
from operations.context import Context
from operations.errors import HostError, NotFound, Refused, Tampered, listed
from operations.layout import MANIFEST, PARTIAL, backup_path, state_directory
from operations.ports import Progress

LATEST = "latest"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
OUR_NAME = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")
UNREADABLE = "See who may read it, and whether its disk is well."
Doubt = Literal["other_key", "other_version", "unreadable"]
"""Why it cannot be told whether a backup is whole: signed with another key or by nobody, or not to be read by us."""


class BackupInfo(Struct, frozen=True):
    """A backup as the catalogue shows it: ``created`` in seconds since the epoch, the rest as its manifest says.

    ``level`` is the best that was found; ``None``, and most else empty, where ``problems`` say that it is damaged.
    Problems are those that can be seen without reading the files: only ``verify`` and ``load_intact`` do that.
    ``own``: of this environment and its database. ``pinned``: why it must stay. ``restore_problems``: why the last test
    restore of an intact backup failed. ``doubt``: why the problem may say nothing against the backup itself;
    ``remedy``: what to do then.
    """

    id: str
    path: str
    created: float = 0.0
    environment: str = ""
    database: str = ""
    reason: str = ""
    run: str | None = None
    level: Level | None = None
    verified: bool = False
    bytes: int = 0
    tables: int = 0
    rows: int = 0
    own: bool = False
    pinned: str | None = None
    problems: tuple[str, ...] = ()
    doubt: Doubt | None = None
    remedy: str = ""
    restore_problems: tuple[str, ...] = ()


class Entry(Struct, frozen=True):
    """What the catalogue knows of one directory; ``manifest`` is ``None`` where it cannot be read."""

    info: BackupInfo
    manifest: Manifest | None = None


def list_backups(context: Context) -> tuple[BackupInfo, ...]:
    """All backups in the directory, newest first by their manifests; changes nothing, reads no archive."""
    return tuple(entry.info for entry in entries(context))


def entries(context: Context, *, at_once: int = 1) -> tuple[Entry, ...]:
    """The same with their manifests; ``at_once`` are read at the same time."""
    with ThreadPoolExecutor(at_once) as pool:
        found = list(pool.map(lambda name: _entry(context, name), _names(context)))
    return tuple(sorted(found, key=lambda entry: (entry.info.created, entry.info.id), reverse=True))


def show(context: Context, backup_id: str) -> Manifest:
    """A backup's manifest, with the level that is known by now; raises ``NotFound``, ``Tampered``."""
    manifest = load(context, backup_id)
    return replace(manifest, level=level_of(manifest, verification(context, manifest)))


def level_of(manifest: Manifest, known: Verification | None) -> Level:
    """The best that was found."""
    return max(manifest.level, known.level) if known else manifest.level


class Pin(Struct, frozen=True):
    """Why a backup is kept whatever the rules say; ``None`` where they decide."""

    id: str
    pinned: str | None


def resolve_id(context: Context, backup_id: str) -> str:
    """The id of an existing backup: as given, or the newest of this environment for ``latest``.

    Raises ``NotFound``; ``Tampered`` where a damaged backup could be newer than the newest sound one.
    """
    if backup_id == LATEST:
        return _latest(context)
    if not NAME.fullmatch(backup_id) or f"{backup_id}/" not in context.host.list(context.environment.backup_dir):
        raise _not_found(context, f"There is no backup {backup_id!r}.")
    return backup_id


def load(context: Context, backup_id: str) -> Manifest:
    """A backup's manifest, sound in itself; the files are not looked at. Raises ``NotFound``, ``Tampered``."""
    name = resolve_id(context, backup_id)
    path = f"{backup_path(context.environment, name)}/{MANIFEST}"
    if not context.host.exists(path):
        raise Tampered(f"Backup {name} is damaged: it has no {MANIFEST}.", hint=_hint(context))
    manifest = from_bytes(context.host.read(path), context.environment.backups.signing_key, f"{name}/{MANIFEST}")
    if manifest.id != name:
        raise Tampered(f"Backup {name} is a copy of backup {manifest.id} under another name.", hint=_hint(context))
    return manifest


def load_intact(context: Context, backup_id: str) -> Manifest:
    """A backup of which every byte is as it was written; raises ``NotFound``, or ``Tampered`` naming what is not.

    Whether it is one of the right database is another question: ``Manifest.strange_to``.
    """
    manifest = load(context, backup_id)
    found = damage(context, manifest)
    if found:
        raise Tampered(
            f"Backup {manifest.id} is damaged or was changed, and was not used: {listed(found)}",
            hint=_hint(context),
            details={"problems": list(found)},
        )
    return manifest


def damage(context: Context, manifest: Manifest) -> tuple[str, ...]:
    """What is not as the manifest says, after reading every file."""
    found = visible_damage(context, manifest)
    if not found:
        try:
            verification(context, manifest)
        except Tampered as error:
            return (error.message,)
        context.report(Progress("checking files", 0, manifest.bytes))
        found = changed(context, manifest)
        context.report(Progress("checking files", manifest.bytes, manifest.bytes))
    return _with_sharers(context, manifest, found) if found else ()


def _with_sharers(context: Context, manifest: Manifest, found: Sequence[Damage]) -> tuple[str, ...]:
    """Whoever hears of one backup must hear of the others that the same file is in."""
    others = [entry.manifest for entry in entries(context) if entry.manifest and entry.manifest.id != manifest.id]
    sharers = sharing(context, manifest, [one.file for one in found if not one.gone], others)
    return tuple(
        f"{one.why}; the same file is in {', '.join(sharers[one.file])}" if one.file in sharers else one.why
        for one in found
    )


def verification(context: Context, manifest: Manifest) -> Verification | None:
    """What was found out about a backup after it was made; raises ``Tampered``."""
    path = f"{backup_path(context.environment, manifest.id)}/{VERIFICATION}"
    if not context.host.exists(path):
        return None
    return verification_from_bytes(context.host.read(path), manifest, context.environment.backups.signing_key)


def record(context: Context, manifest: Manifest, found: Verification) -> None:
    """Write down what was found out, in place of what was known before."""
    path = f"{backup_path(context.environment, manifest.id)}/{VERIFICATION}"
    context.host.write(path, verification_to_bytes(found, context.environment.backups.signing_key))


def pin(context: Context, backup_id: str, reason: str) -> Pin:
    """Keep a backup from being pruned; ``reason``, made one line, takes the place of an earlier one.

    Raises ``NotFound``.
    """
    name, pins, why = resolve_id(context, backup_id), _pins(context), " ".join(reason.split())
    context.host.make_directory(pins)
    context.host.write(f"{pins}/{name}", why.encode())
    return Pin(name, why)


def unpin(context: Context, backup_id: str) -> Pin:
    """Leave a backup to the rules again, be it pinned or not. Raises ``NotFound``."""
    name = resolve_id(context, backup_id)
    context.host.remove(f"{_pins(context)}/{name}")
    return Pin(name, None)


def _names(context: Context) -> Iterator[str]:
    base = context.environment.backup_dir
    for entry in context.host.list(base):
        name = entry.removesuffix("/")
        if name == entry or name.startswith(".") or name.endswith(PARTIAL):
            continue
        if OUR_NAME.fullmatch(name) or context.host.exists(f"{base}/{name}/{MANIFEST}"):
            yield name


def _entry(context: Context, name: str) -> Entry:
    path = backup_path(context.environment, name)
    try:
        manifest = load(context, name)
        known = verification(context, manifest)
        problems = tuple(one.why for one in visible_damage(context, manifest))
    except (Refused, HostError) as error:
        doubt: Doubt | None = "unreadable" if isinstance(error, HostError) else error.details.get("doubt")
        remedy = (UNREADABLE if doubt == "unreadable" else error.hint or "") if doubt else ""
        return Entry(BackupInfo(name, path, problems=(error.message,), doubt=doubt, remedy=remedy))
    database, level = context.database.target.database, level_of(manifest, known)
    info = BackupInfo(
        id=name,
        path=path,
        created=manifest.created_at,
        environment=manifest.environment,
        database=manifest.database,
        reason=manifest.reason,
        run=manifest.run,
        level=None if problems else level,
        verified=level == "L2" and not problems,
        bytes=manifest.bytes,
        tables=len(manifest.tables),
        rows=manifest.rows,
        own=(manifest.environment, manifest.database) == (context.environment.name, database),
        pinned=_pinned(context, name),
        problems=problems,
        restore_problems=known.problems if known else (),
    )
    return Entry(info, manifest)


def _pinned(context: Context, name: str) -> str | None:
    path = f"{_pins(context)}/{name}"
    return context.host.read(path).decode() if context.host.exists(path) else None


def _latest(context: Context) -> str:
    found = entries(context)
    unreadable = [entry.info for entry in found if entry.manifest is None]
    usable = [entry.info.id for entry in found if entry.info.own and entry.info.created <= context.clock.now()]
    if not usable and not unreadable:
        raise _not_found(context, f"Environment {context.environment.name!r} has no backup yet.")
    for info in unreadable:
        # Its time cannot be read any more, but its name holds one: going back further than meant would lose data.
        if not usable or _second(info.id) >= _second(usable[0]):
            raise Tampered(
                f"Which backup is the latest cannot be told: {info.problems[0]}",
                hint=f"Name the one you mean: {context.command} backup list shows them.",
            )
    return usable[0]


def _second(backup_id: str) -> str:
    return backup_id.partition("-")[0]


def _pins(context: Context) -> str:
    return f"{state_directory(context.environment)}/pins"


def _not_found(context: Context, message: str) -> NotFound:
    return NotFound(message, hint=f"{context.command} backup list shows those there are.")


def _hint(context: Context) -> str:
    return f"Use another one: {context.command} backup list shows them, {context.command} backup verify ID checks one."
