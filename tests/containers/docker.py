"""The docker command line of the lab, and what the tests ask of it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LAB = Path(__file__).with_name("lab.sh")
POSTGRES_IMAGE = "postgres:15-bookworm"
"""Stands in for the official image of that name; see lab.sh."""


@dataclass(frozen=True)
class Docker:
    """Runs ``docker`` with ``variables`` as its whole environment."""

    variables: Mapping[str, str]

    def __call__(
        self,
        *words: str,
        check: bool = True,
        timeout: float = 120,
        cwd: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end; with ``check``, another exit status than 0 fails the test with what was said."""
        done = subprocess.run(
            ["docker", *words],
            env={**self.variables, **(variables or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"docker {' '.join(words)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def inspect(self, name: str) -> dict[str, Any]:
        (found,) = json.loads(self("inspect", name).stdout)
        return dict(found)

    def health(self, container: str) -> str:
        return str(self.inspect(container)["State"]["Health"]["Status"])


def lab_variables(directory: str) -> dict[str, str]:
    """Our environment, with what it takes to talk to the lab in a directory."""
    script = 'eval "$("$0" env "$1")" && env -0'
    told = subprocess.run(["bash", "-c", script, str(LAB), directory], capture_output=True, text=True, check=True)
    return dict(entry.split("=", 1) for entry in told.stdout.split("\0") if entry)


def until(holds: Callable[[], object], what: str, timeout: float = 60) -> None:
    """Poll until it holds; fails the test when it does not."""
    end = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < end, f"not so after {timeout:.0f} s: {what}"
        time.sleep(0.1)


def program_path(directory: Path) -> str:
    """A PATH on which ``locktender`` is this checkout's."""
    program = directory / "locktender"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {ROOT}/.venv/bin/python -P -m cli "$@"\n')
    program.chmod(0o755)
    return f"{program.parent}{os.pathsep}"
