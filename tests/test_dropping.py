"""A database of ours can be dropped whoever is in it, also by a role that may not end what it finds there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from operations.adapters.postgres import PostgresDatabase
from operations.adapters.throwaway import embedded_binaries
from operations.database_url import parse_database_url
from operations.dropping import drop_database
from operations.ports import Session

from .conftest import Server, start

WORKERS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' AND datname = %s"


def autovacuum_at_work(session: Session, watcher: Session, name: str) -> None:
    """A table that takes long to vacuum, as the worker sleeps after every page; returns when it has begun."""
    session.script(
        "CREATE TABLE slow WITH (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1,"
        " autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0)"
        " AS SELECT repeat('x', 500) FROM generate_series(1, 20000); DELETE FROM slow"
    )
    while watcher.rows(WORKERS, (name,)) == [(0,)]:
        watcher.rows("SELECT pg_sleep(0.05)")


@pytest.fixture
def server() -> Iterator[Server]:
    """With no other databases that autovacuum would have to visit before, which it does without delay."""
    yield from start(embedded_binaries(), 18, autovacuum_naptime="1s")


@pytest.mark.campaign
@pytest.mark.timeout(120)
def test_while_autovacuum_is_at_work_there(server: Server) -> None:
    name = server.create()
    database = PostgresDatabase(parse_database_url(server.url(name)))
    with database.session("postgres") as session:
        with database.session() as inside, server.superuser().session() as watcher:
            autovacuum_at_work(inside, watcher, name)
            drop_database(session, name)
        assert session.rows("SELECT FROM pg_database WHERE datname = %s", (name,)) == []
        drop_database(session, name)
