"""Prisma's migrations folder: one directory per migration, in the byte order of their names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from operations.errors import HostError, MigrationFilesError, listed
from operations.migrations.model import Migration, in_bytes
from operations.ports import Files

SCRIPT = "migration.sql"
DOWN = "down.sql"
LOCK = "migration_lock.toml"
PROVIDERS = ("postgresql", "postgres")
_PROVIDER = re.compile(r"""^\s*provider\s*=\s*["']([^"']*)["']""", re.MULTILINE)  # a line is all Prisma looks for, too
PRISMA_8 = frozenset({"ops.json", "migration.json"})

_USUAL_NAME = re.compile(r"(\d{14})_\w*", re.ASCII)


def read_folder(files: Files, directory: str) -> tuple[Migration, ...]:
    """Every migration of the folder, or ``MigrationFilesError`` with all that is wrong with it."""
    names = _list(files, directory)
    refuse_other_provider(files, directory, names)
    found: list[Migration] = []
    problems: list[str] = []
    for name in directories(names):
        try:
            found.append(_read_migration(files, directory, name))
        except _Unreadable as error:
            problems.append(str(error))
    if problems:
        raise MigrationFilesError(
            listed(problems), hint="Put the files back as they were committed; Prisma writes them in UTF-8."
        )
    return tuple(found)


def file_of(name: str) -> str:
    """Where a migration's script lies below the folder."""
    return f"{name}/{SCRIPT}"


def directories(names: Sequence[str]) -> tuple[str, ...]:
    """Names of the migrations among a folder's entries; plain files are none."""
    found = (name.removesuffix("/") for name in names if name.endswith("/"))
    return tuple(sorted(found, key=in_bytes))


def accepted_checksums(data: bytes) -> frozenset[str]:
    """Checksums of a file under which it counts as unedited: as it is, with LF and with CRLF (git may convert them)."""
    unix = data.replace(b"\r\n", b"\n")
    return frozenset(sha256(text).hexdigest() for text in {data, unix, unix.replace(b"\n", b"\r\n")})


def refuse_other_provider(files: Files, directory: str, names: Sequence[str]) -> None:
    """Raise ``MigrationFilesError`` (P3019) where ``migration_lock.toml`` speaks of another database system."""
    if LOCK not in names:
        return
    try:
        provider = provider_of(files.read(f"{directory}/{LOCK}"))
    except HostError as error:
        raise MigrationFilesError(error.message) from error
    if provider is not None and provider not in PROVIDERS:
        raise MigrationFilesError(
            f"The migrations in {directory} were written for {provider!r} ({LOCK}), not for PostgreSQL.",
            hint="Point `migrations` at the folder of the PostgreSQL schema.",
            prisma_code="P3019",
        )


def provider_of(lock: bytes) -> str | None:
    """The database system that a ``migration_lock.toml`` names."""
    match = _PROVIDER.search(lock.decode(errors="replace"))
    return match[1] if match else None


def oddities(names: Sequence[str]) -> tuple[str, ...]:
    """What is unusual about a folder's entries, though Prisma accepts it."""
    migrations = directories(names)
    found = []
    usual = frozenset(filter(usual_name, migrations))
    if unusual := [name for name in migrations if name not in usual]:
        found.append(f"Named otherwise than Prisma does (14 digits of date and time, _, a name): {_few(unusual)}.")
    stamps = Counter(name[:14] for name in usual)
    twice = [name for name in migrations if stamps[name[:14]] > 1]
    if twice:
        found.append(f"Of the same second, so that only the rest of the name orders them: {_few(twice)}.")
    loose = [name for name in names if name.endswith(".sql")]
    if loose:
        found.append(f"Not in a directory of their own, so they are never applied: {_few(loose)}.")
    return tuple(found)


class _Unreadable(Exception):
    """Why one migration cannot be read."""


def _list(files: Files, path: str) -> tuple[str, ...]:
    try:
        return files.list(path)
    except HostError as error:
        raise MigrationFilesError(f"The migrations folder cannot be read: {error.message}") from error


def _read_migration(files: Files, directory: str, name: str) -> Migration:
    path = f"{directory}/{name}"
    if in_bytes(name).decode(errors="replace") != name:
        raise _Unreadable(f"The directory name {in_bytes(name)!r} in {directory} is not UTF-8.")
    try:
        names = files.list(path)
        if SCRIPT not in names:
            _refuse_prisma_8(files, path, names)
            if f"{SCRIPT}/" in names:
                raise _Unreadable(f"{path}/{SCRIPT} is a directory.")
            return Migration(name, file_of(name), script=None)
        data = files.read(f"{path}/{SCRIPT}")
        down = files.read(f"{path}/{DOWN}") if DOWN in names else None
    except HostError as error:
        raise _Unreadable(error.message) from error
    return Migration(
        name,
        file_of(name),
        script=_text(data, f"{path}/{SCRIPT}"),
        checksum=sha256(data).hexdigest(),
        accepted_checksums=accepted_checksums(data),
        down=None if down is None else _text(down, f"{path}/{DOWN}").removeprefix("\ufeff"),
    )


def _text(data: bytes, path: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        why = "it looks like UTF-16" if utf16 else f"byte {error.start} (0x{data[error.start]:02x}) is not"
        raise _Unreadable(f"{path} is not UTF-8: {why}.") from error


def _refuse_prisma_8(files: Files, path: str, names: Sequence[str]) -> None:
    """Its migrations lie in ``migrations/app/NAME`` (in early versions ``migrations/NAME``), and hold no SQL."""
    below = [f"{path}/{name.removesuffix('/')}" for name in names if name.endswith("/")]
    if not PRISMA_8.isdisjoint(names) or any(not PRISMA_8.isdisjoint(files.list(inner)) for inner in below):
        raise MigrationFilesError(
            f"{path} was written by Prisma 8: it holds ops.json and migration.json instead of {SCRIPT}.",
            hint="Locktender works with the migrations of Prisma up to 7. Deploy these with Prisma's own db migrate.",
        )


def usual_name(name: str) -> bool:
    """Whether a directory is named as Prisma names it: 14 digits of date and time, ``_``, a name."""
    match = _USUAL_NAME.fullmatch(name)
    if not match:
        return False
    try:
        datetime.fromisoformat(f"{match[1][:8]}T{match[1][8:]}")
    except ValueError:
        return False
    return True


def _few(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(repr(name) if " " in name else name for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
