"""What is typed to work with a project of Docker Compose (v2)."""

from __future__ import annotations

from operations.settings import App


def base(app: App) -> list[str]:
    """How every command begins; Compose itself would look for a relative file where it is started."""
    file = app.compose_file if app.compose_file.startswith("/") else f"{app.directory}/{app.compose_file}"
    return ["docker", "compose", "--project-directory", app.directory, "--file", file]


def container_ids(app: App, service: str, all: bool = False) -> list[str]:
    """Prints the ids of a service's running containers, one a line; ``all``: of stopped ones and one-offs, too."""
    return [*base(app), "ps", "--quiet", *(["--all"] if all else []), service]
