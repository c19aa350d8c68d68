"""Builds what the Action works with; besides ``__main__`` nothing else in it knows adapters."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from action.ends import FirstOf
from action.event import Event
from action.inputs import Inputs
from action.job import Compared, Job
from action.log import Log
from action.platform import Objects
from operations.adapters.clock import SystemClock
from operations.adapters.git_objects import GitObjects
from operations.adapters.trials_ahead import Ahead
from operations.database_url import parse_database_url
from operations.errors import UsageError
from operations.secret import Secret
from operations.validation.folders import Tree, folder_of

if TYPE_CHECKING:
    from action.github import GithubPlatform
    from operations.approvals.people import Directory
    from operations.context import Context
    from operations.ledger import Ledger
    from operations.settings import Environment
    from operations.validation.model import Validation
    from operations.validation.trial import Trial, Trials

TIMEOUT = "LOCKTENDER_GITHUB_TIMEOUT"
PAUSE = "LOCKTENDER_GITHUB_PAUSE"
DEFAULT_API = "https://api.github.com"


class RealMeans:
    """Databases, servers and time as they are."""

    def __init__(self, pause: float, inputs: Inputs) -> None:
        self._pause = pause
        self._ahead = Ahead(_own_server) if inputs.command == "validate" and not inputs.database_url else None

    def context(self, chosen: Environment, command: str, actor: str, log: Log) -> Context:
        """The means to work on an environment."""
        from operations.adapters.assembly import assembled
        from operations.adapters.log_file import followed

        made = assembled(chosen, log.progress, command=command, actor=actor)
        return followed(made, "action", os.environ, log.say)

    def folder(self, path: Path, within: Path) -> Tree:
        """A folder that may hold anything."""
        from operations.adapters.folder import read_folder

        return read_folder(path, within)

    def validate(self, job: Job, compared: Compared) -> Validation:
        """On a throwaway server: one of our own, or databases of our own on that of ``database-url``."""
        from operations.validate import Question, validate

        return validate(
            Question(
                head=folder_of(compared.head),
                base=folder_of(compared.base),
                ancestor=folder_of(compared.ancestor) if compared.ancestor else None,
                trials=self._ahead or _named_server(job.inputs.database_url),
                clock=SystemClock(),
                fail_on=job.inputs.fail_on,
                report=job.log.progress,
                notes=compared.notes,
                levels=compared.levels,
                schema=compared.schema,
                rows=compared.rows,
            )
        )

    def ledger(self, url: Secret) -> AbstractContextManager[Ledger]:
        """With its tables."""
        from operations.adapters.ledger import PostgresLedger

        return closing(PostgresLedger(parse_database_url(url), connections=2).open())

    def directory(self, config: Path) -> Directory:
        """Without a file nobody is known."""
        from operations.approvals.people import Directory
        from operations.settings_file import load_people

        return Directory(load_people(config)) if config.exists() else Directory()

    def sleep(self, seconds: float) -> None:
        """Wait, in units of the configured pause."""
        time.sleep(seconds * self._pause)

    def close(self) -> None:
        """Without the server to try things on."""
        if self._ahead:
            self._ahead.close()


def job(inputs: Inputs, event: Event, environ: Mapping[str, str], log: Log) -> Job:
    """Everything that one run works with."""
    workspace = Path(environ.get("GITHUB_WORKSPACE") or os.getcwd()).resolve()  # noqa: PTH109
    pause = _number(environ, PAUSE, 1.0)
    with ExitStack() as if_it_fails:
        means = RealMeans(pause, inputs)
        if_it_fails.callback(means.close)
        platform = _platform(inputs, event, environ, pause)
        if_it_fails.pop_all()
    places: list[Objects] = [GitObjects(workspace / ".git" / "objects")]
    if platform:
        places.append(platform.objects)
    return Job(inputs, event, workspace, environ, log, FirstOf(places), platform, means)


def _own_server() -> AbstractContextManager[Trial]:
    """No base is kept from run to run: whoever could write it would write the verdict, and what the server runs."""
    from operations.adapters.trials import OwnServer

    return OwnServer().open([])


def _named_server(url: Secret) -> Trials:
    from operations.adapters.postgres import PostgresDatabase
    from operations.adapters.trials import NamedServer

    return NamedServer(PostgresDatabase(parse_database_url(url)))


def _platform(inputs: Inputs, event: Event, environ: Mapping[str, str], pause: float) -> GithubPlatform | None:
    if not (inputs.github_token and event.repository):
        return None
    from action.github import GithubPlatform  # takes as long as a third of a second

    return GithubPlatform(
        event.repository,
        inputs.github_token,
        api_url=environ.get("GITHUB_API_URL") or DEFAULT_API,
        timeout=max(1, round(_number(environ, TIMEOUT, 20.0))),
        pause=pause,
        sleep=time.sleep,
    )


def _number(environ: Mapping[str, str], name: str, default: float) -> float:
    try:
        return float(environ.get(name) or default)
    except ValueError:
        raise UsageError(f"{name} must be a number of seconds.") from None
