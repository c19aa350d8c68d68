"""The steps of a deploy that concern the application, each with what is typed for it. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from operations.commands import compose, git
from operations.plan import Step
from operations.release.model import PlannedRelease
from operations.settings import App


def app_steps(app: App, release: PlannedRelease, *, stopped: bool) -> dict[str, Step]:
    """By name: ``build``, ``stop`` if the application is to be ``stopped``, ``start_database``, ``start``."""
    names, services = ", ".join(release.services), release.services
    where = f" on {', '.join(release.machines)}" if len(release.machines) > 1 else ""
    steps = {"build": Step("build", f"build {names}{where}", _typed(compose.build(app, services)))}
    if stopped:
        steps["stop"] = Step("stop", f"stop {names}{where}", _typed(compose.stop(app, services)))
    if app.database_service:
        command = compose.up_database(app, app.database_service)
        steps["start_database"] = Step("start_database", "start the database if it does not run", _typed(command))
    waves = f", {release.wave} at a time" if len(release.machines) > release.wave else ""
    steps["start"] = Step("start", f"start the new {names}{where}{waves}", _typed(compose.up(app, services)))
    return steps


def prepared(app: App, release: PlannedRelease) -> tuple[str, ...]:
    """What is typed before anything is built."""
    moving = []
    if release.ref and release.commit:
        moving = [git.fetch(app.directory, release.ref), git.checkout(app.directory, release.commit)]
    return _typed(*moving, compose.config(app))


def checked(app: App) -> str:
    """What the last step waits for."""
    answering = f" and {app.health_url} answers" if app.health_url else ""
    return f"all containers are well{answering} for {app.health_for:g} s"


def _typed(*commands: Sequence[str]) -> tuple[str, ...]:
    return tuple(shlex.join(command) for command in commands)
