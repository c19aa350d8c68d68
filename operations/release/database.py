"""The database as one of the project's own services: started where it does not run, and waited for."""

from __future__ import annotations

from operations.context import Context
from operations.errors import ConnectionLost, DatabaseUnreachable
from operations.ports import Progress
from operations.waiting import wait_for_database

QUICK = 5.0


def ensure_database(context: Context) -> None:
    """Start it if it does not answer, and wait for a login and a query; without a service of its own nothing is done.

    Raises what starting it raises, and what ``wait_for_database`` raises after ``start_timeout``.
    """
    app = context.environment.app
    if app is None or app.database_service is None:
        return
    from operations.release.release import database_machine

    try:
        context.database.ping(QUICK)
    except (DatabaseUnreachable, ConnectionLost):
        context.report(Progress("starting the database"))
        database_machine(context, app).up_database()
        wait_for_database(context, app.start_timeout, lambda text: context.report(Progress(text)))
