"""The command line as it is typed: the real program in a process of its own, with or without a terminal."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import forked
from .locktender_process import Ran, finish, run_forked

ROOT = Path(__file__).resolve().parents[1]
MODULE = ("-m", "cli")
OURS = ("LOCKTENDER_", "NO_COLOR", "COLUMNS", "DATABASE_URL")


def clean_environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Nothing of this machine's own settings, and the checkout on the path wherever the program is started."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
    return {**kept, "PYTHONPATH": str(ROOT), **(variables or {})}


def start(
    *words: str, cwd: Path, env: Mapping[str, str] | None = None, python: Sequence[str] = MODULE
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *python, *words],
        cwd=cwd,
        env=clean_environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def locktender(*words: str, cwd: Path, env: Mapping[str, str] | None = None, python: Sequence[str] = MODULE) -> Ran:
    """Run it without a terminal, to its end."""
    if python is MODULE and forked.possible():
        return run_forked(words, cwd, clean_environment(env), timeout=400)
    return finish(start(*words, cwd=cwd, env=env, python=python), timeout=400)


def at_a_terminal(
    *words: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    answers: Mapping[str, str] | None = None,
    python: Sequence[str] = MODULE,
) -> tuple[int, str]:
    """Run it at a real terminal, typing each answer once its question is on the screen; exit code and the screen."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, *python, *words],
        cwd=cwd,
        env=clean_environment({"TERM": "xterm", "COLUMNS": "120", **(env or {})}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    screen, waiting, deadline = "", dict(answers or {}), time.monotonic() + 120
    try:
        while time.monotonic() < deadline:
            ready, _, _ = select.select([ours], [], [], 1)
            try:
                piece = os.read(ours, 65536) if ready else b""
            except OSError:  # Linux's way to say that the other side is closed
                break
            screen += piece.decode(errors="replace")
            for question in [q for q in waiting if q in screen]:
                os.write(ours, f"{waiting.pop(question)}\n".encode())
        return process.wait(10), screen
    finally:
        process.kill()
        process.wait()
        os.close(ours)
