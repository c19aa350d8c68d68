"""Scripts out of the bytes of a folder: what can be run, and a finding for each that cannot."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import TypeVar

from msgspec import Struct

from operations.errors import MigrationFilesError
from operations.migrations.model import Migration
from operations.migrations.parsing import Parsing, parse
from operations.migrations.prisma_folder import DOWN, accepted_checksums, file_of
from operations.migrations.script import BYTE_ORDER_MARK, Script, refuse_unsendable, script_of
from operations.rules import linting
from operations.rules.model import Finding
from operations.validation.findings import at, of_file
from operations.validation.folders import Entry

STACK = 16 << 20
"""Bytes; a thread may have 2 MB by default, which the parser overflows before it is too deep for its own limits."""
T = TypeVar("T")


def beside(threads: Executor, work: Callable[[], T]) -> Future[T]:
    """Begun in a new thread that may parse whatever the main one may."""
    before = threading.stack_size(STACK)
    try:
        return threads.submit(work)
    finally:
        threading.stack_size(before)


class Source(Struct, frozen=True):
    """A new migration, read; ``lint``: as the rules look at it."""

    migration: Migration
    script: Script
    lint: linting.Source
    down: Script | None = None


def read_source(entry: Entry) -> tuple[Source | None, tuple[Finding, ...]]:
    """What an entry holds; without a source where it cannot be run (a missing script is a finding of the changes)."""
    if entry.script is None:
        return None, ()
    file = file_of(entry.name)
    read, wrong = _read(entry.name, file, entry.script)
    down, wrong_down = _read(entry.name, f"{entry.name}/{DOWN}", entry.down) if entry.down is not None else (None, ())
    found = (*wrong, *wrong_down)
    if read is None:
        return None, found
    script, parsing = read
    migration = Migration(
        entry.name,
        file,
        script.text,
        entry.checksum,
        accepted_checksums(entry.script),
        down[0].text if down else None,
    )
    return Source(migration, script, linting.source_of(file, script.text, parsing), down[0] if down else None), found


def _read(name: str, file: str, data: bytes) -> tuple[tuple[Script, Parsing] | None, tuple[Finding, ...]]:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        return None, (_not_utf8(file, data, error),)
    if file.endswith(DOWN):
        text = text.removeprefix(BYTE_ORDER_MARK)
    try:
        refuse_unsendable(name, text)
    except MigrationFilesError as error:
        rule = "byte-order-mark" if text.startswith(BYTE_ORDER_MARK) else "nul-character"
        return None, (of_file(rule, "error", file, error.message, error.hint or ""),)
    parsing = parse(text)
    return (script_of(name, text, parsing), parsing), ()


def _not_utf8(file: str, data: bytes, error: UnicodeDecodeError) -> Finding:
    before = data[: error.start].decode()
    why = (
        "it looks like UTF-16"
        if data.startswith((b"\xff\xfe", b"\xfe\xff"))
        else f"byte {error.start} (0x{data[error.start]:02x}) is not"
    )
    return at("not-utf8", "error", file, before, len(before), f"The file is not UTF-8: {why}.", "Save it as UTF-8.")
