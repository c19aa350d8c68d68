"""What every use case is handed."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from operations.ledger import Freezes, MonitorMemory
from operations.ports import (
    Certificates,
    Clock,
    Database,
    Files,
    Host,
    Http,
    Log,
    Processes,
    Report,
    Services,
    silent,
    unlogged,
)
from operations.secret import Secret
from operations.settings import Environment


class Context(Struct, frozen=True):
    """An environment with the means to work on it. Built by the front doors' wiring and by tests."""

    environment: Environment
    host: Host
    database: Database
    clock: Clock
    processes: Processes
    report: Report = silent
    log: Log = unlogged
    client_directories: tuple[str, ...] = ()
    """Where the host may hold PostgreSQL's client tools besides the usual places."""
    command: str = "locktender"
    """How a command given as a hint begins, with the options that choose this environment."""
    actor: str = "unknown"
    """Who asked for it, for the journal and the manifest."""
    app_hosts: Mapping[str, Host] = {}
    """Machines that run the application, by name, where it is not the host itself."""
    http: Http | None = None
    """Needed where there is a ``health_url``, a webhook or a heartbeat."""
    services: Services | None = None
    """Needed where there are addresses of other services."""
    certificates: Certificates | None = None
    """Without it nobody looks when certificates run out."""
    memory: MonitorMemory | None = None
    """What the monitor knows; ``None``: it lies on the host."""
    freezes: Freezes | None = None
    """Where the freezes of environments are known; ``None``: there is no ledger."""
    secrets: tuple[Secret, ...] = ()
    """Texts that nothing which is kept may hold."""
    folder: Files | None = None
    """Where the migrations are read from, if not from the host as it is."""

    @property
    def files(self) -> Files:
        """Where the migrations are read from."""
        return self.folder or self.host
