"""Poolers in between: a real pgbouncer in each of its modes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from operations.context import Context
from operations.errors import ExitCode, PoolerInBetween
from operations.pooler import refuse_pooler
from operations.secret import Secret

from .conftest import Server
from .locktender_process import Project
from .pooler import Mode, pgbouncer, through

ContextOf = Callable[[Secret], Context]


@pytest.mark.parametrize("mode", ["transaction", "statement"])
@pytest.mark.parametrize("pool_size", ["1", "20"])
def test_shared_sessions_are_refused(server: Server, context_of: ContextOf, mode: Mode, pool_size: str) -> None:
    with (
        pgbouncer(server, mode, default_pool_size=pool_size) as port,
        pytest.raises(PoolerInBetween, match="transaction mode") as caught,
    ):
        refuse_pooler(context_of(through(server.url(server.create()), port)))
    assert caught.value.exit_code is ExitCode.REFUSED
    assert caught.value.hint
    assert "directUrl" in caught.value.hint


def test_sessions_of_ones_own_pass(server: Server, context_of: ContextOf) -> None:
    with pgbouncer(server, "session") as port:
        refuse_pooler(context_of(through(server.url(server.create()), port)))


def test_no_pooler_passes(server: Server, context_of: ContextOf) -> None:
    refuse_pooler(context_of(server.url(server.create())))


def test_a_url_meant_for_a_pooler_is_refused_unconnected(context_of: ContextOf) -> None:
    with pytest.raises(PoolerInBetween, match="pgbouncer=true"):
        refuse_pooler(context_of(Secret("postgresql://u:p@127.0.0.1:1/x?pgbouncer=true")))


MUTATING = (
    ("deploy",),
    ("apply",),
    ("backup", "create"),
    ("backup", "verify", "latest", "--test-restore"),
    ("rehearse",),
    ("restore", "latest"),
    ("rollback",),
)


def test_every_verb_that_works_on_the_database_refuses(server15: Server, tmp_path: Path) -> None:
    write_migration(tmp_path, "1_init", "CREATE TABLE a (id int);")
    url = server15.url(server15.create())
    direct = Project(tmp_path, url, tmp_path / "migrations")
    assert direct.run("apply").exit_code == 0
    assert direct.run("backup", "create").exit_code == 0
    with pgbouncer(server15, "transaction") as port:
        pooled = Project(tmp_path, through(url, port), tmp_path / "migrations")
        for verb in MUTATING:
            ran = pooled.run(*verb)
            assert (ran.exit_code, ran.error["code"]) == (5, "pooler"), ran.said


BACK = (("restore", "latest", "--yes"), ("restore", "--undo", "--yes"), ("rollback", "--yes"))
"""The pooler keeps sessions for others, so each of them waits for what those may have counted."""


@pytest.mark.parametrize("ways", [(), pytest.param(BACK, marks=pytest.mark.campaign)], ids=["deploys", "ways back"])
def test_a_deploy_through_session_mode_works(
    server15: Server, tmp_path: Path, ways: tuple[tuple[str, ...], ...]
) -> None:
    write_migration(tmp_path, "1_init", "CREATE TABLE a (id int);")
    with pgbouncer(server15, "session") as port:
        project = Project(tmp_path, through(server15.url(server15.create()), port), tmp_path / "migrations")
        for verb in (("deploy",), ("backup", "create"), ("status",)):
            ran = project.run(*verb)
            assert ran.exit_code == 0, ran.said
        write_migration(tmp_path, "2_more", "CREATE TABLE b (id int);")
        for verb in (("deploy",), *ways):
            ran = project.run(*verb)
            assert ran.exit_code == 0, ran.said


def write_migration(directory: Path, name: str, sql: str) -> None:
    folder = directory / "migrations" / name
    folder.mkdir(parents=True)
    (folder / "migration.sql").write_text(sql)
