"""The file that keeps a schema: gzip, and in it lines of JSON.

The first line says whose schema it is, each other one is an object, ``[identity, definition]``, in the order of the
identities: so it can be read without holding all of it.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from msgspec import Struct

from operations.catalog import Catalog
from operations.errors import Tampered

NAME = "schema.json.gz"
VERSION = 3
"""The second had all objects in one line, the first all in the first line."""


class SchemaRecord(Struct, frozen=True):
    """What the database was when ``run_id`` had ended: ``major`` its server's version, ``applied`` its migrations."""

    run_id: str
    at: str
    major: int
    applied: tuple[str, ...]
    catalog: Catalog
    stamp: str = ""
    """``catalog.stamp`` from just before: while it is the same, nothing has changed. Empty in older records."""

    def to_bytes(self) -> bytes:
        """The file; the same record gives the same bytes."""
        told = {
            "version": VERSION,
            "run": self.run_id,
            "at": self.at,
            "major": self.major,
            "applied": list(self.applied),
            "stamp": self.stamp,
            "unreadable": list(self.catalog.unreadable),
        }
        lines = (json.dumps(one, ensure_ascii=False) for one in (told, *sorted(self.catalog.objects.items())))
        return gzip.compress("\n".join(lines).encode(), mtime=0)

    @classmethod
    def from_bytes(cls, data: bytes) -> SchemaRecord:
        """Raises ``Tampered`` for anything that no version of ``to_bytes`` writes."""
        with _opened(data) as (told, lines):
            return cls._of(told, Catalog(dict(_objects(told, lines)), tuple(told.get("unreadable", ()))))

    @classmethod
    def without_objects(cls, data: bytes) -> SchemaRecord:
        """The same with an empty catalog, in little memory; all of it is read, so that damage is found."""
        with _opened(data) as (told, lines):
            for _ in lines:
                pass
            return cls._of(told, Catalog({}, tuple(told.get("unreadable", ()))))

    @classmethod
    def _of(cls, told: dict[str, Any], catalog: Catalog) -> SchemaRecord:
        applied = tuple(told["applied"])
        return cls(told["run"], told["at"], told["major"], applied, catalog, str(told.get("stamp", "")))


def objects(data: bytes) -> Iterator[tuple[str, str]]:
    """Identities and definitions, one after the other; raises ``Tampered``."""
    with _opened(data) as (told, lines):
        yield from _objects(told, lines)


@contextmanager
def _opened(data: bytes) -> Iterator[tuple[dict[str, Any], Iterator[bytes]]]:
    """The first line, and the others."""
    try:
        with gzip.open(BytesIO(data)) as file:
            yield json.loads(file.readline()), file
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise Tampered(
            f"The schema recorded after the last run ({NAME}) cannot be read.", hint="The next deploy records it anew."
        ) from error


def _objects(told: dict[str, Any], lines: Iterator[bytes]) -> Iterator[tuple[str, str]]:
    if told["version"] < VERSION:
        whole = told["catalog"] if told["version"] == 1 else json.loads(next(lines, b""))
        yield from Catalog.from_json(whole).objects.items()
        return
    for line in lines:
        identity, definition = json.loads(line)
        if not (isinstance(identity, str) and isinstance(definition, str)):
            raise TypeError(identity)
        yield identity, definition
