"""What pg_dump and pg_restore say when they fail, cut down to what tells why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from operations.secret import Secret, redact

SPOKEN = re.compile(r"^pg_(?:dump|restore): ")
ERROR = re.compile(r"^pg_(?:dump|restore): (?:error|fatal): ")
NOT_TOLD = re.compile(r"^(?:Command was:|pg_\w+: (?:error|detail): [Qq]uery was:|pg_\w+: hint: )")
ENTRY = re.compile(r"^pg_restore: from TOC entry \d+; \d+ \d+ (.*)$")
COPY_FAILED = re.compile(r'COPY failed for table "(.*?)"', re.DOTALL)
PASSWORD = re.compile(
    r"""(password(?:\s*=\s*|\s+(?=')))('(?:[^']|'')*'|(?<="password=)[^"]*|[^\s'",]+)""", re.IGNORECASE
)
"""As an option in SQL, in a connection string, and as one of a list in JSON."""
MAX_LINES = 8
PASSING = (
    "No space left on device",
    "server closed the connection",
    "could not connect to server",
    "connection to server",
    "terminating connection",
    "canceling statement",
    "out of shared memory",
)
DISK_FULL = "No space left on device"


def telling(stderr: str, secrets: Iterable[Secret]) -> str:
    """The first error with what belongs to it, without the statement that failed: that may hold data or passwords."""
    kept: list[str] = []
    for line in stderr.splitlines():
        if ERROR.match(line) and not NOT_TOLD.match(line):
            if kept:
                break
            kept.append(ERROR.sub("", line))
        elif kept and (SPOKEN.match(line) or NOT_TOLD.match(line)):
            break
        elif kept and line.strip():
            kept.append(line.strip())
    lines = kept[:MAX_LINES] or [line for line in stderr.splitlines() if line.strip()][-2:]
    return without_passwords(redact(" ".join(lines), secrets))


def without_passwords(text: str) -> str:
    """``text`` without what stands behind the word password, as in options of a foreign server."""
    return PASSWORD.sub(r"\1***", text)


def is_passing(stderr: str) -> bool:
    """Whether it was the server or the connection that failed: then another time it may work."""
    return any(words in stderr for words in PASSING)


def failed_object(stderr: str, tables: Mapping[str, str]) -> str | None:
    """What could not be restored: ``table public.t`` for rows, else pg_restore's own words for the entry.

    ``tables`` maps bare names of tables that were being filled to full ones.
    """
    if failed := COPY_FAILED.search(stderr):
        return f"table {tables.get(failed[1], failed[1])}"
    entries = [match[1] for line in stderr.splitlines() if (match := ENTRY.match(line))]
    return entries[-1] if entries else None
