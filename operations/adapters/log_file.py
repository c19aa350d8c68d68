"""A log of JSON lines on this machine: one line an event, redacted, rotated, shared by any number of processes."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from operations.context import Context
from operations.secret import Secret, redact

VARIABLE = "LOCKTENDER_LOG"
"""A file for all environments that name none."""
LARGEST = 10_000_000
"""Bytes before a file is put aside."""
KEPT = 5
"""So many that were put aside: ``.1`` is the newest."""
LONGEST = 2_000
"""Characters of one text."""


def followed(context: Context, door: str, environ: Mapping[str, str], trouble: Callable[[str], None]) -> Context:
    """The same with its log, where one is wanted; ``door`` is who calls. The command line opens its own."""
    path = context.environment.log_file or environ.get(VARIABLE)
    if not path:
        return context
    fixed = {
        "call": os.urandom(4).hex(),
        "door": door,
        "environment": context.environment.name,
        "actor": context.actor,
    }
    return replace(context, log=LogFile(path, fixed, context.secrets, trouble))


class LogFile:
    """``fixed`` stands in every line. ``trouble`` is told, once, why it cannot be written: nothing fails for that."""

    def __init__(
        self, path: str, fixed: Mapping[str, Any], secrets: tuple[Secret, ...], trouble: Callable[[str], None]
    ) -> None:
        self._path = Path(path)
        self._fixed = fixed
        self._secrets = secrets
        self._trouble: Callable[[str], None] | None = trouble

    def __call__(self, event: str, facts: Mapping[str, Any]) -> None:
        """One line; of ``facts`` what is a text, a number or a truth: lists of rows are the journal's."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        told = {"at": now, "event": event, **self._fixed, **facts}
        kept = {name: self._shown(value) for name, value in told.items() if isinstance(value, (str, int, float))}
        line = json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
        try:
            with self._locked() as file:
                os.write(file, line)
                if os.fstat(file).st_size > LARGEST:
                    self._put_aside()
        except OSError as error:
            if self._trouble:
                self._trouble(f"The log {self._path} cannot be written: {error.strerror}.")
                self._trouble = None

    def _shown(self, value: Any) -> Any:
        return redact(value, self._secrets)[:LONGEST] if isinstance(value, str) else value

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The file that bears the name now, for us alone: another process may just have put it aside."""
        while True:
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                if self._is_current(file):
                    yield file
                    return
            finally:
                os.close(file)

    def _is_current(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), self._path.stat())
        except FileNotFoundError:
            return False

    def _put_aside(self) -> None:
        for number in range(KEPT - 1, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            if older.exists():
                older.replace(self._path.with_name(f"{self._path.name}.{number + 1}"))
        self._path.replace(self._path.with_name(f"{self._path.name}.1"))
