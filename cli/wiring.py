"""Builds the adapters that the verbs hand to the use cases; nothing else in the command line knows them."""

from __future__ import annotations

import getpass
import shlex
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.options import Options
from operations.adapters.assembly import assembled
from operations.adapters.clock import SystemClock
from operations.adapters.local_host import LocalHost
from operations.agreement import LEDGER
from operations.context import Context
from operations.database_url import parse_database_url
from operations.errors import UsageError
from operations.ledger import Freezes, Ledger
from operations.ports import Database, Host, Log, ProjectFiles, Report
from operations.secret import Secret
from operations.settings import Environment
from operations.settings_secrets import secrets_of, secrets_of_url

if TYPE_CHECKING:
    from operations.adapters.metrics import Metrics
    from operations.adapters.throwaway import ThrowawayServer
    from operations.approvals.people import Directory
    from operations.validation.asking import Means
    from operations.validation.trial import Trials

DEFAULT_FILE = "locktender.toml"
DEFAULT_MIGRATIONS = "prisma/migrations"
LOCAL = "local"
DIRECT = ("database_url", "migrations", "backup_dir")
"""What stands in for a configuration file."""
__all__ = [
    "command_prefix",
    "context",
    "database",
    "directory",
    "environment",
    "ledger",
    "secrets_of",
    "secrets_of_url",
    "throwaway_server",
    "validation_means",
]


def environment(options: Options, environ: Mapping[str, str]) -> Environment:
    """The environment that was asked for: of the file, or put together from three options.

    Options on the command line win over a file that merely lies there, the file over variables. Raises
    ``ConfigurationError``, ``UsageError``.
    """
    direct = [name for name in DIRECT if name in options.typed]
    if direct and "config" in options.typed:
        raise UsageError(
            f"--config and --{direct[0].replace('_', '-')} exclude each other.",
            hint="Give the file, or the database itself.",
        )
    path = configuration(options)
    if path and not direct:
        from operations.settings_file import load_environment

        return load_environment(Path(path), options.env, environ)
    return _local(options)


def _local(options: Options) -> Environment:
    missing = [f"--{n.replace('_', '-')}" for n in ("database_url", "backup_dir") if not getattr(options, n)]
    if missing:
        raise UsageError(
            f"There is no {DEFAULT_FILE} here, and without one {' and '.join(missing)} must be given.",
            hint="locktender init writes one that fits the project; or set LOCKTENDER_DATABASE_URL and "
            "LOCKTENDER_BACKUP_DIR.",
        )
    if options.env not in (None, LOCAL):
        raise UsageError(f"There is no configuration file, so no environment {options.env!r}.", hint="Give --config.")
    return Environment(
        name=LOCAL,
        database_url=Secret(options.database_url or ""),
        migrations=str(Path(options.migrations or DEFAULT_MIGRATIONS).absolute()),
        backup_dir=str(Path(options.backup_dir or "").absolute()),
    )


def configuration(options: Options) -> str | None:
    """The file that was named, or that lies here."""
    return options.config or (DEFAULT_FILE if Path(DEFAULT_FILE).exists() else None)


def context(chosen: Environment, options: Options, report: Report) -> Context:
    """The means to work on an environment, for the person at this terminal."""
    return assembled(chosen, report, command=command_prefix(options), actor=f"{_user()}@{socket.gethostname()}")


def command_prefix(options: Options) -> str:
    """How a command in a hint begins, so that it can be typed as it stands; a password in it is left out."""
    words = ["locktender"]
    for name in ("config", "env", *DIRECT):
        value = getattr(options, name)
        if name in options.typed and value:
            words += [f"--{name.replace('_', '-')}", _without_password(value) if name == "database_url" else value]
    return shlex.join(words)


def ledger(environ: Mapping[str, str]) -> Ledger:
    """The ledger, with its tables. Raises ``UsageError`` where nothing says where it is, as connecting does."""
    url = environ.get(LEDGER)
    if not url:
        raise UsageError(
            f"{LEDGER} does not say where the ledger is.",
            hint="Set it to the URL of its PostgreSQL database: postgresql://user:password@host/database",
        )
    from operations.adapters.ledger import PostgresLedger

    return PostgresLedger(parse_database_url(Secret(url)), connections=2).open()


def freezes(environ: Mapping[str, str]) -> Freezes | None:
    """What the ledger knows to be frozen; ``None`` where nothing says where it is. Raises ``ConfigurationError``."""
    url = environ.get(LEDGER)
    if not url:
        return None
    from operations.adapters.ledger_freezes import LedgerFreezes

    return LedgerFreezes(parse_database_url(Secret(url)))


def directory(options: Options) -> Directory:
    """Who is who, as the configuration file says."""
    from operations.approvals.people import Directory

    path = configuration(options)
    if path is None:
        return Directory()
    from operations.settings_file import load_people

    return Directory(load_people(Path(path)))


def database(url: Secret) -> Database:
    """A database by its URL alone, for the demonstration."""
    from operations.adapters.postgres import PostgresDatabase

    return PostgresDatabase(parse_database_url(url))


def project() -> tuple[Host, ProjectFiles]:
    """This machine, to look at a project on it and to write into it."""
    from operations.adapters.project_files import ProjectFolder

    return LocalHost(), ProjectFolder()


def log(path: str, fixed: Mapping[str, Any], secrets: tuple[Secret, ...], trouble: Callable[[str], None]) -> Log:
    """Where every operation leaves its lines."""
    from operations.adapters.log_file import LogFile

    return LogFile(path, fixed, secrets, trouble)


def metrics(environment: str) -> Metrics:
    """What Prometheus is told."""
    from operations.adapters.metrics import Metrics

    return Metrics(environment)


def throwaway_server() -> ThrowawayServer:
    """A PostgreSQL of our own, for the demonstration."""
    from operations.adapters.throwaway import ThrowawayServer

    return ThrowawayServer()


def validation_settings(options: Options, environ: Mapping[str, str]) -> tuple[str, Environment | None]:
    """Where the migrations to be validated lie, and the environment as the file has it, if one is asked."""
    path = configuration(options)
    typed = str(Path(options.migrations or DEFAULT_MIGRATIONS).absolute())
    if path and ("migrations" not in options.typed or options.config):
        from operations.settings_file import load_without_secrets

        found = load_without_secrets(Path(path), options.env, environ)
        return typed if "migrations" in options.typed else found.migrations, found
    return typed, None


def validation_schema(live: Database | None, configured: Environment | None, shadow_url: Secret) -> str | None:
    """Where the tables live."""
    from operations.validation.search_path import schema_of

    return schema_of(live.target if live else None, configured, shadow_url)


def validation_means(shadow_url: Secret, cache: str | None) -> Means:
    """What a validation works with."""
    from operations.adapters.folder import read_folder
    from operations.adapters.git_objects import GitObjects
    from operations.validation.asking import Means

    return Means(
        read=lambda path: read_folder(Path(path)),
        objects=lambda path: GitObjects(Path(path)),
        host=LocalHost(),
        trials=_trials(shadow_url, cache),
        clock=SystemClock(),
    )


def _trials(shadow_url: Secret, cache: str | None) -> Trials:
    from operations.adapters.trials import NamedServer, OwnServer

    if shadow_url:
        from operations.adapters.postgres import PostgresDatabase

        return NamedServer(PostgresDatabase(parse_database_url(shadow_url)))
    return OwnServer(Path(cache) if cache else None)


def _without_password(url: str) -> str:
    head, at, rest = url.rpartition("@")
    scheme, separator, login = head.partition("://")
    return f"{scheme}{separator}{login.partition(':')[0]}:***{at}{rest}" if ":" in login else url


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return "unknown"
