"""The database as one of the project's own services: started where it does not run, and waited for."""

from __future__ import annotations

from operations.context import Context
from operations.errors import DatabaseUnreachable
from operations.ports import Progress
from operations.release.release import database_machine

POLL = 0.5


def ensure_database(context: Context) -> None:
    """Start it if it does not answer, and wait for a login and a query; without a service of its own nothing is done.

    Raises what starting it raises, and what connecting raises once ``start_timeout`` has passed.
    """
    app = context.environment.app
    if app is None or app.database_service is None or _answers(context):
        return
    context.report(Progress("starting the database"))
    database_machine(context, app).up_database()
    until = context.clock.now() + app.start_timeout
    while not _answers(context):
        if context.clock.now() >= until:
            with context.database.session(purpose="wait") as session:
                session.rows("SELECT 1")
            return
        context.clock.sleep(POLL)


def _answers(context: Context) -> bool:
    try:
        with context.database.session(purpose="wait") as session:
            return session.rows("SELECT 1") == [(1,)]
    except DatabaseUnreachable:
        return False
