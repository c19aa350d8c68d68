"""Locktender as a measured process."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.locktender_process import Project

from .measure import Timed, timed
from .servers import ROOT, Server

PROGRAM = Path(sys.executable).with_name("locktender")
INTERPRETER = 3
"""Words of ``Project.argv`` that stand for the program."""


def project(server: Server, database: str, directory: Path, migrations: Path, **backups: str) -> Project:
    """Settings for one database of a measured server."""
    settings = {"client_bin": json.dumps(str(server.binaries))}
    return Project(directory, server.url(database), migrations, settings, backups)


def locktender(made: Project, *arguments: str, codes: Iterable[int] = (0,)) -> Timed:
    """The whole program, as a user starts it."""
    return timed([str(PROGRAM), *made.argv(*arguments)[INTERPRETER:]], made.variables, ROOT, codes)


def result(run: Timed) -> dict[str, Any]:
    """The JSON result that it printed."""
    answer: dict[str, Any] = json.loads(run.stdout.strip().splitlines()[-1])["result"]
    return answer
