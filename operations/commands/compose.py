"""What is typed to build, start and stop an application with Docker Compose v2.

See https://docs.docker.com/reference/cli/docker/compose/.
"""

from __future__ import annotations

from collections.abc import Sequence

from operations.settings import App


def base(app: App) -> list[str]:
    """How every command begins; Compose itself would look for a relative file where it is started."""
    file = app.compose_file if app.compose_file.startswith("/") else f"{app.directory}/{app.compose_file}"
    return ["docker", "compose", "--project-directory", app.directory, "--file", file]


def config(app: App) -> list[str]:
    """The project as Compose understands it, as JSON; fails where the file is wrong."""
    return [*base(app), "config", "--format", "json"]


def container_ids(app: App, services: Sequence[str] = (), *, all: bool = False) -> list[str]:
    """Prints the ids of the services' containers, a line each; ``all``: of stopped ones and one-offs, too.

    Without ``services``: of the whole project, and of services that its file does not name any more.
    """
    return [*base(app), "ps", "--quiet", *(["--all"] if all else []), *services]


def build(app: App, services: Sequence[str]) -> list[str]:
    """Build their images; the containers that run are left alone."""
    return [*base(app), "--progress", "plain", "build", *services]


def pull(app: App, services: Sequence[str]) -> list[str]:
    """Fetch the images of services that are not built here."""
    return [*base(app), "pull", "--quiet", *services]


def stop(app: App, services: Sequence[str]) -> list[str]:
    """Stop their containers, and keep them; one that does not stop in time is killed."""
    return [*base(app), "stop", "--timeout", str(round(app.stop_timeout)), *services]


def up(app: App, services: Sequence[str]) -> list[str]:
    """Start them from the images that are there, and no others; a container that is as it should be goes on running."""
    stopping = ["--timeout", str(round(app.stop_timeout))]
    return [*base(app), "up", "--detach", "--no-build", "--no-deps", "--pull", "never", *stopping, *services]


def up_database(app: App, service: str) -> list[str]:
    """Start the database and wait until it is healthy; a container that exists is never replaced."""
    waiting = ["--wait", "--wait-timeout", str(round(app.start_timeout))]
    return [*base(app), "up", "--detach", "--no-recreate", *waiting, service]


def logs(app: App, service: str, lines: int) -> list[str]:
    """The last lines that a service has written."""
    return [*base(app), "logs", "--no-color", "--no-log-prefix", "--tail", str(lines), service]
