"""The list of an archive's entries, as ``pg_restore --list`` writes it and ``--use-list`` reads it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

ENTRY = re.compile(r"^(\d+); \d+ \d+ (.*)$")
EXTENSION_COMMENT = re.compile(r"^\d+; \d+ \d+ COMMENT - EXTENSION ")
SCHEMA = re.compile(r"^\d+; \d+ \d+ (?:SCHEMA - |(?:ACL|COMMENT) - SCHEMA )")
GZIPPED_ROWS = re.compile(r"[0-9]+\.dat\.gz")
"""The file of a table's rows, named after its entry."""
LARGE_OBJECTS = "BLOBS "


def for_plain_role(text: str) -> tuple[str, str]:
    """Two lists for a role without superuser rights to restore one after the other: the schemas, then the rest.

    pg_restore grants at the very end, but a role can only be given a table if it may create in the schema by then.
    Comments on extensions are in neither: only their owner may write those, and CREATE EXTENSION does anyway.
    """
    entries = [line for line in text.splitlines(keepends=True) if not EXTENSION_COMMENT.match(line)]
    schemas = [line for line in entries if SCHEMA.match(line)]
    return "".join(schemas), "".join(line for line in entries if line not in schemas)


def shared_out(text: str, files: Mapping[str, int], parts: int) -> list[str]:
    """Up to ``parts`` lists, at least one, that together name every entry once, with about as many bytes of data each.

    ``files`` are the archive's, with their bytes.
    """
    sizes = _bytes_by_entry(files)
    weighed = [(_weight(match, sizes, files), line) for line in text.splitlines() if (match := ENTRY.match(line))]
    lists: list[list[str]] = [[] for _ in range(max(1, parts))]
    loads = [0] * len(lists)
    for weight, line in sorted(weighed, key=lambda entry: -entry[0]):
        lightest = loads.index(min(loads))
        lists[lightest].append(line)
        loads[lightest] += weight
    return ["".join(f"{line}\n" for line in lines) for lines in lists if lines] or [""]


def without(text: str, files: Collection[str]) -> str:
    """The list without the entries whose rows are in these files."""
    read = _bytes_by_entry(dict.fromkeys(files, 0))
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not ((entry := ENTRY.match(line)) and entry[1] in read))


def _bytes_by_entry(files: Mapping[str, int]) -> Mapping[str, int]:
    """The file of entry 3363 is ``3363.dat``, with the compression's suffix."""
    return {name.split(".", 1)[0]: size for name, size in files.items() if ".dat" in name}


def _weight(entry: re.Match[str], sizes: Mapping[str, int], files: Mapping[str, int]) -> int:
    if entry[2].startswith(LARGE_OBJECTS):
        return sum(size for name, size in files.items() if name.startswith("blob"))
    return sizes.get(entry[1], 0)
