"""The environment that a run is about: the configuration file, and what the inputs add to it or replace."""

from __future__ import annotations

import posixpath
import re
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from action.ends import file_at
from action.inputs import Inputs, variable
from action.job import Job
from operations.context import Context
from operations.database_url import parse_database_url
from operations.errors import ConfigurationError, UsageError
from operations.secret import Secret
from operations.settings import Environment, Level, Server
from operations.settings_file import UNSET, load_environment, load_without_secrets
from operations.validation.search_path import schema_of

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


class Asked(Struct, frozen=True):
    """What the configuration says of a validation.

    ``folder``: the migrations, from the repository's root. ``levels``: how grave the findings of some lint rules are.
    ``schema``: where the tables live. ``live``: the environment, where its secrets are there to ask its database with.
    """

    folder: str
    levels: Mapping[str, Level] = {}
    schema: str | None = None
    live: Environment | None = None


def asked(job: Job, base: str) -> Asked:
    """What is to be validated; the configuration that counts is the base's.

    Secrets are not needed for it. Raises ``ConfigurationError``, ``UsageError``, ``OperationFailed``.
    """
    directory, config = job.inputs.working_directory, within(job.inputs.working_directory, job.inputs.config)
    text = file_at(job.objects, base, config)
    if text is None:
        folder = job.inputs.migrations or DEFAULT_MIGRATIONS
        job.log.say(f"The base has no {config}: the migrations are looked for in {folder}.")
        return Asked(within(directory, folder), schema=schema_of(None, None, job.inputs.database_url))
    with tempfile.TemporaryDirectory(prefix="locktender-") as temporary:
        path = Path(temporary).resolve() / Path(config).name
        path.write_bytes(text)
        name = job.inputs.environment or _only(text)
        with _hint_of_an_input():
            chosen = load_without_secrets(path, name, None if _of_somebody_else(job) else job.environ)
        live = _live(job, path, name)
        written = within(posixpath.dirname(config), posixpath.relpath(chosen.migrations, path.parent))
    known = parse_database_url(live.database_url).target if live else None
    schema = schema_of(known, chosen, job.inputs.database_url)
    folder = within(directory, job.inputs.migrations) if job.inputs.migrations else written
    return Asked(folder, chosen.rules, schema, live)


def _of_somebody_else(job: Job) -> bool:
    pull = job.event.pull
    return bool(pull and (pull.fork or pull.dependabot))


def _live(job: Job, path: Path, name: str | None) -> Environment | None:
    """Never for somebody else's pull request, whatever secrets the event brings along."""
    if _of_somebody_else(job):
        return None
    try:
        return load_environment(path, name, job.environ, _of_server(job.inputs))
    except ConfigurationError as error:  # as is usual, where secrets are not there: they are those of deploys
        problems = [found for found in error.details.get("problems", ()) if not re.match(UNSET, found["message"])]
        told = "; ".join(f"{found['key']}: {found['message']}" for found in problems)
        if told:
            job.log.say(f"The database of the configuration is not looked at: {told}")
        return None


@contextmanager
def opened(job: Job, chosen: Environment) -> Iterator[Context]:
    """The means to work on an environment, let go of at the end."""
    event = job.event
    actor = f"{event.actor or 'unknown'} (GitHub, run {event.key} of {event.repository})"
    context = job.means.context(chosen, f"locktender --env {chosen.name}", actor, job.log)
    began = context.clock.now()
    context.log("call_started", {"verb": job.inputs.command})
    try:
        yield context
    finally:
        context.log("call_ended", {"verb": job.inputs.command, "seconds": round(context.clock.now() - began, 3)})
        for host in (context.host, *context.app_hosts.values()):
            host.close()


def _only(text: bytes) -> str | None:
    """The first of several environments that all have the same migrations: which one is meant makes no difference."""
    try:
        found = tomllib.loads(text.decode("utf-8-sig")).get("environments")
    except ValueError:
        return None  # what is wrong with it is told with its line
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        return None
    return next(iter(found)) if len({str(one.get("migrations")) for one in found.values()}) == 1 else None


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
    with _hint_of_an_input():
        return load_environment(path, inputs.environment or None, job.environ, changes(inputs))


@contextmanager
def _hint_of_an_input() -> Iterator[None]:
    """Nobody can give an Action the command line's options."""
    try:
        yield
    except ConfigurationError as error:
        if "--env" in (error.hint or ""):
            error.hint = "Say which one by the input environment."
        raise


def changes(inputs: Inputs) -> Mapping[str, Any]:
    """What the inputs say of an environment, as its section would; secrets stay where they are, in variables."""
    found = _of_server(inputs)
    if inputs.migrations:
        found["migrations"] = inputs.migrations
    if inputs.database_url:
        found["database_url"] = _written(inputs, "database_url")
    return found


def _of_server(inputs: Inputs) -> dict[str, Any]:
    server = {key: _written(inputs, name) for key, name in OF_SERVER.items() if getattr(inputs, name)}
    return {"server": server} if server else {}


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
