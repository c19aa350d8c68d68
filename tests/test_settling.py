"""A deploy that dies at every step of its journal: old state or new state, said by status, settled by the next run."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import pytest

from operations.adapters.local_host import LocalHost
from operations.apply import apply
from operations.context import Context
from operations.deploy import deploy
from operations.journal import records
from operations.layout import scratch_prefix, state_directory
from operations.lock import current_owner
from operations.settings import Backups
from operations.status import status

from .conftest import Server
from .folders import write_migration
from .test_deploy import SHOP, state

NEXT = {
    "atomic": (
        'ALTER TABLE "Product" ADD COLUMN note text;',
        'UPDATE "Product" SET note = name; CREATE TABLE other (a int);',
    ),
    "concurrent": (
        'ALTER TABLE "Product" ADD COLUMN note text;',
        'CREATE INDEX CONCURRENTLY i ON "Product" (price);\nALTER TABLE "Product" ADD COLUMN tag text;\n'
        'DROP INDEX CONCURRENTLY i;\nCREATE INDEX CONCURRENTLY j ON "Product" (name);',
    ),
    "rows": (
        'UPDATE "Product" SET price = price + 1;',
        'CREATE INDEX CONCURRENTLY i ON "Product" (price);',
    ),
}


class DyingHost(LocalHost):
    """A machine that loses our process at the n-th write to a journal: before it, or right after it."""

    def __init__(self, at: int, after: bool) -> None:
        self.left, self.after = at, after

    def append(self, path: str, data: bytes, *, sync: bool = True) -> None:
        self.left -= 1
        if self.left == 0 and not self.after:
            os._exit(9)
        super().append(path, data, sync=sync)
        if self.left == 0:
            os._exit(9)


def run_dying(context: Context, at: int, after: bool) -> bool:
    """Deploy in a process of its own that dies on the way; whether it did."""
    child = os.fork()
    if not child:
        try:
            deploy(replace(context, host=DyingHost(at, after)))
        finally:
            os._exit(0)
    _, code = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(code) == 9


@pytest.mark.parametrize("scenario", NEXT)
def test_dying_at_every_journal_entry(scenario: str, server18: Server, context_of: Callable[..., Context]) -> None:
    """Before one entry and after the next, in turn."""
    die_everywhere(scenario, server18, context_of, lambda at: (at % 2 == 0,))


@pytest.mark.campaign
@pytest.mark.parametrize("scenario", NEXT)
def test_dying_before_and_after_every_journal_entry(
    scenario: str, server15: Server, context_of: Callable[..., Context]
) -> None:
    die_everywhere(scenario, server15, context_of, lambda _: (False, True))


def die_everywhere(
    scenario: str, server: Server, context_of: Callable[..., Context], when: Callable[[int], tuple[bool, ...]]
) -> None:
    quick = Backups(test_restore="never")
    context = context_of(server.url(server.create()), backups=quick)
    write_migration(context, "1_init", SHOP)
    deploy(context)
    write_migration(context, "2_first", NEXT[scenario][0])
    write_migration(context, "3_second", NEXT[scenario][1])
    template = context.database.target.database
    old = state(context)
    new: object = None
    for at in range(1, 100):
        for after in when(at):
            victim = copy_of(context, server, template, f"{template}_{at}_{after:d}")
            if not run_dying(victim, at, after):
                assert (status(victim).last_run or status).outcome == "deployed"  # type: ignore[union-attr]
                assert at > 5
                return
            seen = status(victim).last_run
            found = state(victim)
            if seen and seen.operation == "deploy" and seen.outcome == "interrupted" and seen.state != "between":
                assert (found == old) == (seen.state == "old"), (at, after, seen)
            settled = apply(victim, to="1_init")
            assert settled.outcome == "nothing_to_do"
            found = state(victim)
            if found != old:
                without_history = (found[0], [row for row in found[1] if "_prisma" not in str(row[0])])
                new = new or without_history
                assert without_history == new, (at, after)
                assert status(victim).pending == ()
            else:
                assert status(victim).pending == ("2_first", "3_second")
            assert all(record.finished for record in records(victim))
            leaves_nothing(victim)
            if at % 5 == 0:
                assert deploy(victim).outcome in ("deployed", "nothing_to_do")
            drop(server, victim)
    pytest.fail("it never came to its end")


def copy_of(context: Context, server: Server, template: str, name: str) -> Context:
    """The same situation on a database of its own."""
    with server.superuser().session() as session:
        session.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" OWNER app_owner')
    from operations.adapters.postgres import PostgresDatabase
    from operations.database_url import parse_database_url

    url = server.url(name)
    environment = replace(context.environment, database_url=url, backup_dir=f"{context.environment.backup_dir}-{name}")
    return replace(context, environment=environment, database=PostgresDatabase(parse_database_url(url)))


def drop(server: Server, context: Context) -> None:
    with server.superuser().session() as session:
        session.execute(f'DROP DATABASE "{context.database.target.database}" WITH (FORCE)')


def leaves_nothing(context: Context) -> None:
    """No scratch database, no lock, no half-written backup."""
    prefix = scratch_prefix(context.environment, context.database.target.database)
    with context.database.session() as session:
        assert session.rows("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (prefix,)) == []
    assert current_owner(context) is None
    left = context.host.list(context.environment.backup_dir)
    assert [name for name in left if "partial" in name] == []
    assert {
        name for name in context.host.list(state_directory(context.environment)) if name.startswith("lock")
    } == set()
