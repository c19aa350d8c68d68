"""The environment that a run is about: the configuration file, and what the inputs add to it or replace."""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from action.ends import file_at
from action.inputs import Inputs, variable
from action.job import Job
from operations.errors import UsageError
from operations.secret import Secret
from operations.settings import Environment, Server
from operations.settings_file import load_environment, load_without_secrets

DEFAULT_MIGRATIONS = "prisma/migrations"
LOCAL = "local"
BACKUP_DIR = "LOCKTENDER_BACKUP_DIR"
OF_SERVER = {
    "host": "ssh_host",
    "user": "ssh_user",
    "port": "ssh_port",
    "private_key": "ssh_private_key",
    "known_hosts": "ssh_known_hosts",
}
"""Keys of the server's section, and the inputs that stand in for them."""


def migrations_folder(job: Job, base: str) -> str:
    """The folder to validate, from the repository's root; the configuration that counts is the base's.

    Secrets are not needed for it, and not read. Raises ``ConfigurationError``, ``UsageError``, ``OperationFailed``.
    """
    inputs = job.inputs
    if inputs.migrations:
        return within(inputs.working_directory, inputs.migrations)
    config = within(inputs.working_directory, inputs.config)
    text = file_at(job.objects, base, config)
    if text is None:
        job.log.say(f"The base has no {config}: the migrations are looked for in {DEFAULT_MIGRATIONS}.")
        return within(inputs.working_directory, DEFAULT_MIGRATIONS)
    with tempfile.TemporaryDirectory(prefix="locktender-") as directory:
        path = Path(directory).resolve() / Path(config).name
        path.write_bytes(text)
        written = load_without_secrets(path, inputs.environment or None).migrations
        return within(posixpath.dirname(config), posixpath.relpath(written, path.parent))


def within(*parts: str) -> str:
    """A path from the repository's root. Raises ``UsageError`` where it leads out of it."""
    path = posixpath.normpath(posixpath.join("", *parts))
    if posixpath.isabs(path) or path.split("/")[0] == "..":
        raise UsageError(f"{path} leads out of the repository.", hint="Paths count from the repository's root.")
    return path


def environment(job: Job) -> Environment:
    """The environment to work on, with its secrets. Raises ``ConfigurationError``, ``UsageError``."""
    inputs = job.inputs
    path = job.directory / inputs.config
    if not path.exists():
        return _without_file(job)
    return load_environment(path, inputs.environment or None, job.environ, changes(inputs))


def changes(inputs: Inputs) -> Mapping[str, Any]:
    """What the inputs say of an environment, as its section would; secrets stay where they are, in variables."""
    server = {key: _written(inputs, name) for key, name in OF_SERVER.items() if getattr(inputs, name)}
    found: dict[str, Any] = {"server": server} if server else {}
    if inputs.migrations:
        found["migrations"] = inputs.migrations
    if inputs.database_url:
        found["database_url"] = _written(inputs, "database_url")
    return found


def _written(inputs: Inputs, name: str) -> object:
    value = getattr(inputs, name)
    return f"env:{variable(name)}" if isinstance(value, Secret) else value


def _without_file(job: Job) -> Environment:
    inputs, backup_dir = job.inputs, job.environ.get(BACKUP_DIR, "")
    lacking = [name for name, value in (("database-url", inputs.database_url), (BACKUP_DIR, backup_dir)) if not value]
    if lacking:
        raise UsageError(
            f"There is no {inputs.config} in the workspace, and without one {' and '.join(lacking)} must be given.",
            hint="Check out the repository first (actions/checkout), and write a locktender.toml.",
        )
    return Environment(
        name=inputs.environment or LOCAL,
        database_url=inputs.database_url,
        migrations=str((job.directory / (inputs.migrations or DEFAULT_MIGRATIONS)).absolute()),
        backup_dir=str((job.directory / backup_dir).absolute()),
        server=_server(inputs),
    )


def _server(inputs: Inputs) -> Server | None:
    if not inputs.ssh_host:
        return None
    lacking = [name for name in ("ssh_user", "ssh_private_key", "ssh_known_hosts") if not getattr(inputs, name)]
    if lacking:
        raise UsageError(
            f"With ssh-host, {', '.join(name.replace('_', '-') for name in lacking)} must be given.",
            hint="ssh-keyscan shows what ssh-known-hosts should be; compare it with the server's own.",
        )
    return Server(
        host=inputs.ssh_host,
        user=inputs.ssh_user,
        private_key=inputs.ssh_private_key,
        known_hosts=inputs.ssh_known_hosts,
        port=inputs.ssh_port or 22,
    )
