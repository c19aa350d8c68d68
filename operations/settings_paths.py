"""On which machine a path of the configuration lies, and what a relative one counts from. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from msgspec.structs import replace

from operations.settings import Environment

ON_THE_SERVER = ("backup_dir", "client_bin")


def misplaced(environment: Environment) -> Iterator[tuple[tuple[str, ...], str]]:
    """Keys whose path says nothing, each with what is wrong: on a server there is nothing to count from."""
    if environment.server is None:
        if environment.app and environment.app.hosts:
            yield ("app", "hosts"), "needs a server section, whose account and key they are logged in to with"
        return
    for key in ON_THE_SERVER:
        if (path := getattr(environment, key)) and not PurePosixPath(path).is_absolute():
            yield (key,), "must be an absolute path, since it lies on the server"
    if environment.app and not PurePosixPath(environment.app.directory).is_absolute():
        yield ("app", "directory"), "must be an absolute path, since it lies on the server"


def located(environment: Environment, directory: Path) -> Environment:
    """With absolute paths: relative ones count from ``directory``, the configuration file's.

    With a server, backups, client tools and the app lie there; so do the app's migrations, which count from it.
    """
    app = environment.app
    if app:  # without the / that people put at its end
        begin = PurePosixPath("/") if environment.server else directory
        app = replace(app, directory=str(begin / app.directory))
    base = PurePosixPath(app.directory) if app and environment.server else directory
    return replace(
        environment,
        app=app,
        migrations=str(base / environment.migrations),
        backup_dir=str(directory / environment.backup_dir),
        client_bin=str(directory / environment.client_bin) if environment.client_bin else None,
        log_file=str(directory / environment.log_file) if environment.log_file else None,
    )


def migrations_on_server(environment: Environment) -> bool:
    """Whether the migrations are read there: with an app they are part of its checkout."""
    return environment.server is not None and environment.app is not None
