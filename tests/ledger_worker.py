"""A worker as a process of its own: the ledger's queue, one environment whose settings come as JSON in argv.

``python -m tests.ledger_worker '{"ledger": URL, "environment": {…}}'``; ends when the queue is empty, or never with
``"wait": true``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from operations.adapters.clock import SystemClock
from operations.adapters.ledger import PostgresLedger
from operations.adapters.local_host import LocalHost
from operations.adapters.postgres import PostgresDatabase
from operations.adapters.processes import LocalProcesses
from operations.adapters.throwaway import embedded_binaries
from operations.context import Context
from operations.database_url import parse_database_url
from operations.executing import Workshop
from operations.ports import Report
from operations.secret import Secret
from operations.settings import Approval, Environment

from .ledgers import DIRECTORY


def workshop_of(ledger: PostgresLedger, environment: Environment) -> Workshop:
    @contextmanager
    def context_of(name: str, actor: str, report: Report) -> Iterator[Context]:
        assert name == environment.name
        host = LocalHost()
        try:
            yield Context(
                environment=environment,
                host=host,
                database=PostgresDatabase(parse_database_url(environment.database_url)),
                clock=SystemClock(),
                processes=LocalProcesses(),
                report=report,
                client_directories=(str(embedded_binaries()),),
                actor=actor,
            )
        finally:
            host.close()

    return Workshop(ledger, context_of, lambda _: DIRECTORY)


def environment_of(told: dict[str, Any]) -> Environment:
    policies = {name: Approval(**policy) for name, policy in told.pop("approvals").items()}
    return Environment(**{**told, "database_url": Secret(told["database_url"]), "approvals": policies})


def main() -> None:
    told = json.loads(sys.argv[1])
    ledger = PostgresLedger(parse_database_url(Secret(told["ledger"]))).open()
    workshop = workshop_of(ledger, environment_of(told["environment"]))
    try:
        ledger.sweep(lost_after=told.get("lost_after", 90.0))
        ledger.worker(workshop.handlers).run(wait=bool(told.get("wait")))
    finally:
        ledger.close()


if __name__ == "__main__":
    main()
