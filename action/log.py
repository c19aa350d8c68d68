"""The log of the run, as the runner reads it: groups, annotations, and text that it must not obey."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from action import commands
from action.escaping import plain
from operations.measures import size_text
from operations.ports import Progress
from operations.secret import Secret, redact

INTERVAL = 5.0
"""Seconds between two lines about the same work."""


class Log:
    """Writes to the runner. It obeys nothing but what ``_issue`` writes: commands are stopped all the while.

    May be used by several threads.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.RLock()
        self._secrets: tuple[Secret, ...] = ()
        self._token = ""
        self._told: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._stop()

    def hide(self, more: Iterable[Secret]) -> None:
        """Texts that shall not be shown from now on."""
        every = {secret.reveal(): secret for secret in (*self._secrets, *more) if secret}
        self._secrets = tuple(every[text] for text in sorted(every, key=len, reverse=True))

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """What is hidden: the one list for every sink."""
        return self._secrets

    def clean(self, text: str) -> str:
        """Without secrets: what every other sink is given, too."""
        return redact(text, self._secrets)

    def say(self, *lines: str) -> None:
        """Text, a line each, that may come from anywhere."""
        with self._lock:
            for text in lines:
                self._stream.write(plain(self.clean(text)) + "\n")
            self._stream.flush()

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """What is said inside can be folded away; the seconds it took come last."""
        began = time.monotonic()
        self._issue(commands.command("group", plain(self.clean(title))))
        try:
            yield
        finally:
            self.say(f"({time.monotonic() - began:.1f} s)")
            self._issue(commands.command("endgroup"))

    def annotate(self, level: commands.Level, text: str, **properties: object) -> None:
        """A message that GitHub shows on the run's page; more than it takes become plain lines."""
        self._counts[level] = self._counts.get(level, 0) + 1
        if self._counts[level] > commands.MOST_OF_A_LEVEL:
            self.say(f"{level}: {text}")
            return
        cleaned: Mapping[str, object] = {
            key: plain(self.clean(one)) if isinstance(one, str) else one for key, one in properties.items()
        }
        self._issue(commands.annotation(level, plain(self.clean(text)), cleaned))

    def progress(self, progress: Progress) -> None:
        """A ``Report``: the steps of a run, and how far a long piece of work is."""
        now = time.monotonic()
        steps = progress.unit == "steps"
        if not steps and now - self._told.get(progress.label, 0.0) < INTERVAL:
            return
        self._told[progress.label] = now
        self.say(f"[{progress.done + 1}/{progress.total}] {progress.label}" if steps else far(progress))

    def close(self) -> None:
        """Let the runner obey those who come after us."""
        with self._lock:
            self._stream.write(commands.resume(self._token) + "\n")
            self._stream.flush()

    def _issue(self, line: str) -> None:
        with self._lock:
            self._stream.write(f"{commands.resume(self._token)}\n{line}\n")
            self._stop()

    def _stop(self) -> None:
        self._token = secrets.token_hex(16)
        self._stream.write(commands.stop(self._token) + "\n")
        self._stream.flush()


def far(progress: Progress) -> str:
    """``dump: 40 % of 1.1 GB``."""
    if not progress.total:
        return progress.label
    total = size_text(progress.total) if progress.unit == "bytes" else f"{progress.total:,} {progress.unit}"
    return f"{progress.label}: {100 * progress.done // progress.total} % of {total}"
