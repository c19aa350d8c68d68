"""What a backup says of itself. It is written last, and never again: its digest stands for the backup.

What is found out about a backup later (that it could be restored) is a ``Verification``, a sealed file of its own
beside the manifest that names the manifest's digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal, TypeVar

from msgspec import Struct, ValidationError, to_builtins

from operations.backups.seal import digest_of, seal, unseal
from operations.catalog.properties import DatabaseProperties
from operations.described import read_data
from operations.errors import Refused, Tampered
from operations.secret import Secret

VERSION = 1
OTHER_VERSION = "Use the Locktender that wrote it, or a newer one."
VERIFICATION = "verification.json"
CATALOG = "catalog.json"
"""Every object's definition, as ``Catalog.to_json`` gives it, so that a difference can be named later."""

Level = Literal["L0", "L1", "L2"]
"""L0: complete, checksums right. L1: and readable to its end. L2: and restored, with the same rows and schema."""

T = TypeVar("T")


class StoredFile(Struct, frozen=True):
    """A file of a backup: its size and lower-case hex SHA-256."""

    bytes: int
    sha256: str


class TableRows(Struct, frozen=True):
    """What a table held: ``hash`` is a decimal sum over the hashes of its rows, ``None`` where they were not hashed."""

    rows: int
    hash: str | None = None


class SequenceState(Struct, frozen=True):
    """Where a sequence stood that nobody moved during the backup."""

    last_value: int
    is_called: bool


class Manifest(Struct, frozen=True, dict=True):
    """Names of tables and sequences are quoted as SQL needs it; versions are as 150018 for 15.18; sizes in bytes."""

    id: str
    environment: str
    database: str
    server: str
    """Host and port, as it was reached."""
    created: str
    """The moment of the snapshot, UTC, ISO 8601."""
    server_version: int
    client_version: int
    system_identifier: str | None
    """Tells clusters apart; ``None`` where the role may not read it."""
    reason: str
    run: str | None
    actor: str
    migrations: tuple[str, ...]
    """Those applied, oldest first."""
    schema_fingerprint: str
    tables: Mapping[str, TableRows]
    sequences: Mapping[str, SequenceState | None]
    """``None`` for one that moved during the backup."""
    large_objects: TableRows
    files: Mapping[str, StoredFile]
    """By path relative to the backup's directory; the manifest itself and its verification are not among them."""
    properties: DatabaseProperties
    extensions: Mapping[str, str]
    """Name to version."""
    schemas: tuple[str, ...]
    roles: tuple[str, ...]
    """All that own something or are granted something in the database."""
    owners: tuple[str, ...]
    tablespaces: tuple[str, ...]
    database_bytes: int
    compression: str
    warnings: tuple[str, ...] = ()
    level: Level = "L0"
    """What was known when the manifest was written; a ``Verification`` says more."""
    version: int = VERSION

    @property
    def created_at(self) -> float:
        """``created`` in seconds since the epoch."""
        return datetime.fromisoformat(self.created).timestamp()

    @property
    def bytes(self) -> int:
        """Size of all files; those shared with other backups count too."""
        return sum(file.bytes for file in self.files.values())

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(table.rows for table in self.tables.values())

    @cached_property
    def digest(self) -> str:
        """SHA-256 that stands for the whole backup: for its files, too, since theirs are in it."""
        return digest_of(to_builtins(self))

    def strange_to(self, database: str, system_identifier: str | None) -> tuple[str, ...]:
        """In which ways this is a backup of something else; empty for one of this very database."""
        found = []
        if self.database != database:
            found.append(f"it is a backup of database {self.database!r}, not of {database!r}")
        if system_identifier and self.system_identifier and self.system_identifier != system_identifier:
            found.append(f"it comes from another server ({self.server}, system identifier {self.system_identifier})")
        return tuple(found)


class Verification(Struct, frozen=True):
    """The level a backup was found to have. ``problems`` is why it has not reached the next one, if that was tried."""

    backup: str
    manifest_digest: str
    level: Level
    checked: str
    """UTC, ISO 8601."""
    actor: str
    server_version: int | None = None
    problems: tuple[str, ...] = ()


def timestamp(seconds: float) -> str:
    """Seconds since the epoch as ``created`` has it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_bytes(manifest: Manifest, key: Secret | None = None) -> bytes:
    """The manifest's file."""
    return seal(to_builtins(manifest), key)


def from_bytes(data: bytes, key: Secret | None = None, what: str = "manifest.json") -> Manifest:
    """The manifest in a file; raises ``Tampered`` for any that ``to_bytes`` did not write with this key."""
    body = unseal(data, key, what)
    if body.get("version") != VERSION:
        raise Refused(
            f"{what} has version {body.get('version')}, and this Locktender knows version {VERSION}.",
            hint=OTHER_VERSION,
            details={"doubt": "other_version"},
        )
    return _parsed(Manifest, body, what)


def verification_to_bytes(verification: Verification, key: Secret | None = None) -> bytes:
    """The verification's file."""
    return seal(to_builtins(verification), key)


def verification_from_bytes(data: bytes, manifest: Manifest, key: Secret | None = None) -> Verification:
    """The verification in a file; raises ``Tampered`` where it is not one of this very backup."""
    what = f"{manifest.id}/{VERIFICATION}"
    found = _parsed(Verification, unseal(data, key, what), what)
    if (found.backup, found.manifest_digest) != (manifest.id, manifest.digest):
        raise Tampered(f"{what} speaks of another backup than the one that it lies in.")
    return found


def _parsed(kind: type[T], body: dict[str, Any], what: str) -> T:
    try:
        value = read_data(body, kind)
    except ValidationError as error:
        raise Tampered(f"{what} is none that Locktender writes: {error}.") from None
    if digest_of(to_builtins(value)) != digest_of(body):
        raise Tampered(f"{what} is none that Locktender writes: it holds more than is known.")
    return value
