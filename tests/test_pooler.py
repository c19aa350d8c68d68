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


MUTATING = (("deploy",), ("apply",), ("backup", "create"), ("restore", "latest"), ("rollback",))


@pytest.mark.parametrize("verb", MUTATING, ids=" ".join)
def test_every_verb_that_works_on_the_database_refuses(server15: Server, tmp_path: Path, verb: tuple[str, ...]) -> None:
    (tmp_path / "migrations" / "1_init").mkdir(parents=True)
    (tmp_path / "migrations" / "1_init" / "migration.sql").write_text("CREATE TABLE a (id int);")
    url = server15.url(server15.create())
    direct = Project(tmp_path, url, tmp_path / "migrations")
    assert direct.run("apply").exit_code == 0
    assert direct.run("backup", "create").exit_code == 0
    with pgbouncer(server15, "transaction") as port:
        pooled = Project(tmp_path, through(url, port), tmp_path / "migrations")
        ran = pooled.run(*verb)
        assert ran.exit_code == 5, ran.said
        assert ran.error["code"] == "pooler"


def test_a_deploy_through_session_mode_works(server15: Server, tmp_path: Path) -> None:
    (tmp_path / "migrations" / "1_init").mkdir(parents=True)
    (tmp_path / "migrations" / "1_init" / "migration.sql").write_text("CREATE TABLE a (id int);")
    with pgbouncer(server15, "session") as port:
        project = Project(tmp_path, through(server15.url(server15.create()), port), tmp_path / "migrations")
        for verb in (("deploy",), ("backup", "create"), ("status",)):
            ran = project.run(*verb)
            assert ran.exit_code == 0, ran.said
        (tmp_path / "migrations" / "2_more").mkdir()
        (tmp_path / "migrations" / "2_more" / "migration.sql").write_text("CREATE TABLE b (id int);")
        again = (("deploy",), ("restore", "latest", "--yes"), ("restore", "--undo", "--yes"), ("rollback", "--yes"))
        for verb in again:
            ran = project.run(*verb)
            assert ran.exit_code == 0, ran.said
