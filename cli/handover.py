"""Hands this process over to another program: same process id, and nothing of ours left in it."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from operations.errors import UsageError

IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFSZ", "SIGXFZ")
"""What is ignored stays so across exec, and a program that is not written in Python would wonder."""


def refuse_unrunnable(argv: Sequence[str]) -> None:
    """Raise ``UsageError`` where ``hand_over`` could not succeed, as far as that can be told beforehand."""
    program = argv[0]
    if shutil.which(program):
        return
    path = Path(program)
    if "/" not in program:
        why = "is in none of the directories of PATH"
    elif not path.exists():
        why = "does not exist"
    else:
        why = "is a directory" if path.is_dir() else "is not executable"
    raise UsageError(
        f"{program} cannot be started: it {why}. Nothing was touched.",
        hint="What follows -- is the application's own command, such as: locktender start -- node server.js",
    )


def hand_over(argv: Sequence[str], handlers: Mapping[int, Any]) -> NoReturn:
    """Become ``argv``. ``handlers``: what this process had found for the signals that it handles itself.

    Those are not reset before: exec does it, and until then a signal still ends us. Raises ``UsageError``.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    for name in IGNORED_BY_PYTHON:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    for number, handler in handlers.items():
        if handler == signal.SIG_IGN:
            signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        os.execvpe(argv[0], list(argv), _inherited_environment())  # noqa: S606 - no shell is wanted
    except OSError as error:
        raise UsageError(
            f"{argv[0]} cannot be started: {error.strerror}. The database is as it was said.",
            hint="Is it a program for this machine, or a script whose first line names one that is there?",
        ) from error


def _inherited_environment() -> Mapping[bytes, bytes]:
    """As we were given it: Python adds LC_CTYPE to its own where the locale is C, as in most containers."""
    try:
        block = Path("/proc/self/environ").read_bytes()
    except OSError:
        return dict(os.environb)
    return dict(tuple(entry.split(b"=", 1)) for entry in block.split(b"\0") if b"=" in entry)  # type: ignore[misc]
