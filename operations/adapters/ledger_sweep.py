"""What is cleaned up from time to time: the overdue, the silent, and jobs that have got lost with their worker."""

from __future__ import annotations

from typing import Any

import psycopg

from operations.adapters import ledger_rows as rows
from operations.adapters import ledger_sql as sql
from operations.adapters.ledger_change import one
from operations.adapters.queue import QUEUE, defer
from operations.approvals.model import State

DEAD_AFTER = 60.0
"""Seconds without a heartbeat of a worker, which sends one every ten."""
LOOK_AGAIN = 60
"""Seconds between two looks at what became of a run, where the first could not tell."""


def requeue(connection: psycopg.Connection[Any]) -> tuple[str, ...]:
    """Put the jobs of requests back that have not begun; the rest of a transaction that ``connection`` is in.

    What has begun has no way back to the queue: starting is a change of state that happens once.
    """
    if not one(connection.execute(sql.ONE_SWEEPER))[0]:
        return ()
    connection.execute(sql.DROP_DEAD_JOBS, (QUEUE, DEAD_AFTER))
    lost = [rows.request_of(row) for row in connection.execute(sql.WITHOUT_JOB.encode()).fetchall()]
    for request in lost:
        defer(connection, "plan" if request.state == State.PLANNING else "execute", request)
    for row in connection.execute(sql.WITHOUT_LOOK.encode()).fetchall():
        defer(connection, "look", rows.request_of(row), seconds=LOOK_AGAIN)
    connection.execute(sql.FORGET_SIGNATURES)
    return tuple(request.id for request in lost)
