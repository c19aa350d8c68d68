"""The list of an archive's entries, as ``pg_restore --list`` writes it and ``--use-list`` reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping

ENTRY = re.compile(r"^(\d+); \d+ \d+ (.*)$")
EXTENSION_COMMENT = re.compile(r"^\d+; \d+ \d+ COMMENT - EXTENSION ")
LARGE_OBJECTS = "BLOBS "


def for_plain_role(text: str) -> str:
    """The list without comments on extensions: only their owner may write those, and CREATE EXTENSION does anyway."""
    return "".join(line for line in text.splitlines(keepends=True) if not EXTENSION_COMMENT.match(line))


def shared_out(text: str, files: Mapping[str, int], parts: int) -> list[str]:
    """Up to ``parts`` lists that together name every entry once, with about as many bytes of data each.

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
    return ["\n".join(lines) + "\n" for lines in lists if lines]


def _bytes_by_entry(files: Mapping[str, int]) -> Mapping[str, int]:
    """The file of entry 3363 is ``3363.dat``, with the compression's suffix."""
    return {name.split(".", 1)[0]: size for name, size in files.items() if ".dat" in name}


def _weight(entry: re.Match[str], sizes: Mapping[str, int], files: Mapping[str, int]) -> int:
    if entry[2].startswith(LARGE_OBJECTS):
        return sum(size for name, size in files.items() if name.startswith("blob"))
    return sizes.get(entry[1], 0)
