"""The health check: each kind of trouble is found, a healthy database has none, and nothing is changed by looking."""

from __future__ import annotations

import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from operations import backup, journal
from operations.adapters.local_host import LocalHost
from operations.backups.manifest import from_bytes, to_bytes
from operations.checks import disk
from operations.checks.clock import behind
from operations.checks.model import Check, Probe, listed
from operations.context import Context
from operations.errors import StatementFailed
from operations.health import NAMES, check
from operations.layout import kept_name, scratch_prefix, state_directory
from operations.lock import held
from operations.measures import age_text, size_text
from operations.ports import Completed
from operations.quoting import identifier
from operations.secret import Secret
from operations.settings import Alerts

from .conftest import OWNER_PASSWORD, Server
from .folders import write_migration

pytestmark = pytest.mark.each_version

TABLES = "CREATE TABLE \"User\" (id serial PRIMARY KEY, email text); INSERT INTO \"User\" (email) VALUES ('a'), ('a');"


@pytest.fixture
def shop(context: Context) -> Context:
    """A database with one table, deployed by nobody, and an empty migrations folder."""
    write_migration(context, "1_init", "SELECT 1;")
    with context.database.session() as session:
        session.script(TABLES)
        session.script(
            "CREATE TABLE _prisma_migrations (id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL,"
            " finished_at timestamptz, migration_name varchar(255) NOT NULL, logs text, rolled_back_at timestamptz,"
            " started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0);"
            "INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, applied_steps_count) SELECT"
            " '1', encode(sha256('SELECT 1;'), 'hex'), now(), '1_init', 1"
        )
    return context


def found(context: Context, name: str) -> Check:
    others = tuple(other for other in NAMES if other != name)
    (one,) = [each for each in check(limited(context, ignore=others)).checks if each.name == name]
    return one


def limited(context: Context, **limits: object) -> Context:
    """With other thresholds."""
    checks = replace(context.environment.checks, **limits)  # type: ignore[arg-type]
    return replace(context, environment=replace(context.environment, checks=checks))


def run_sql(context: Context, script: str) -> None:
    with context.database.session() as session:
        session.script(script)


def test_a_healthy_database_has_nothing_to_complain_about(shop: Context) -> None:
    backup.create(shop, verify="L2")
    result = check(shop)
    assert [each for each in result.checks if each.status != "ok"] == []
    assert result.healthy
    assert {each.why + each.fix for each in result.checks} == {""}
    assert len(result.checks) == len({(each.name, each.subject) for each in result.checks})
    names = [each.name for each in result.checks]
    assert {"connection", "rights", "server_version", "client_tools", "pooler", "migrations"} <= set(names)


def test_every_finding_says_why_it_matters_and_what_to_do(shop: Context) -> None:
    run_sql(shop, 'CREATE TABLE loose (a int); ALTER TABLE "User" ADD CHECK (id > 1) NOT VALID')
    bad = [each for each in check(shop).checks if each.status != "ok"]
    assert {each.name for each in bad} == {"primary_keys", "constraints", "backups"}
    assert all(each.detail and each.why and each.fix for each in bad)


def test_an_unreachable_database_is_a_finding_and_the_rest_is_looked_at(shop: Context, server: Server) -> None:
    context = replace(shop, database=server.superuser("no such database"))
    assert found(context, "connection").status == "fail"
    assert found(context, "backups").status == "warn"
    assert not check(context).healthy


def test_a_server_that_admits_nobody_is_told_once(
    shop: Context, server: Server, context_of: Callable[..., Context]
) -> None:
    wrong = context_of(server.url(shop.database.target.database, password=Secret("wrong")))
    assert [each.name for each in check(wrong).checks if each.status == "fail"] == ["connection"]


def test_what_the_role_may_not_do(shop: Context, server: Server, context_of: Callable[..., Context]) -> None:
    name = shop.database.target.database
    with server.superuser().session() as session:
        session.script(f"DROP ROLE IF EXISTS weak; CREATE ROLE weak LOGIN PASSWORD '{OWNER_PASSWORD.reveal()}'")
    weak = found(context_of(server.url(name, user="weak")), "rights")
    assert weak.status == "fail"
    assert weak.detail == f"weak does not own {name}, may not create databases, may not create tables here"
    assert weak.fix.startswith(f'As a superuser: ALTER DATABASE "{name}" OWNER TO "weak"; ALTER ROLE "weak" CREATEDB;')
    elsewhere = Secret(f"{server.url(name, user='weak').reveal()}?schema=Shop")
    assert 'GRANT CREATE ON SCHEMA "Shop" TO "weak";' in found(context_of(elsewhere), "rights").fix
    superuser = replace(shop, database=server.superuser(name))
    assert found(superuser, "rights").detail == "postgres is a superuser"


def test_missing_client_tools(shop: Context, tmp_path: Path) -> None:
    context = replace(shop, environment=replace(shop.environment, client_bin=str(tmp_path)))
    tools = found(context, "client_tools")
    assert (tools.status, "postgresql-client-" in tools.fix) == ("fail", True)


def test_histories(shop: Context) -> None:
    write_migration(shop, "2_more", "SELECT 2;")
    assert (found(shop, "migrations").status, found(shop, "migrations").detail) == ("warn", "pending: 2_more")
    write_migration(shop, "1_init", "SELECT 'edited';")
    assert found(shop, "migrations").detail == "applied, but edited since: 1_init"
    run_sql(shop, "UPDATE _prisma_migrations SET finished_at = NULL")
    assert found(shop, "migrations").detail == "failed: 1_init"
    run_sql(shop, "UPDATE _prisma_migrations SET finished_at = now(), migration_name = '0_gone'")
    assert found(shop, "migrations").detail == "applied, but not in the folder: 0_gone"
    nowhere = replace(shop, environment=replace(shop.environment, migrations="/nowhere"))
    assert found(nowhere, "migrations").status == "fail"


def test_invalid_indexes(shop: Context) -> None:
    with shop.database.session() as session, pytest.raises(StatementFailed, match="could not create unique index"):
        session.execute('CREATE UNIQUE INDEX CONCURRENTLY "User_email_key" ON "User" (email)')
    index = found(shop, "indexes")
    assert (index.status, index.detail) == ("fail", 'invalid: public."User_email_key"')
    run_sql(shop, 'DELETE FROM "User" WHERE id = 2')
    run_sql(shop, index.fix.split(" (or")[0])
    assert found(shop, "indexes").status == "ok"


def test_constraints_never_validated_and_the_fix_mends_them(shop: Context) -> None:
    run_sql(shop, 'ALTER TABLE "User" ADD CONSTRAINT "id is positive" CHECK (id > 0) NOT VALID')
    constraint = found(shop, "constraints")
    assert (constraint.status, constraint.detail) == ("warn", 'never validated: "id is positive" ON "User"')
    run_sql(shop, constraint.fix)
    assert found(shop, "constraints").status == "ok"


def test_tables_without_primary_keys_but_not_prismas_many_to_many_tables(shop: Context) -> None:
    run_sql(shop, 'CREATE TABLE "_AToB" ("A" int, "B" int); CREATE UNIQUE INDEX ON "_AToB" ("A", "B")')
    assert found(shop, "primary_keys").status == "ok"
    run_sql(shop, "CREATE TABLE loose (a int) PARTITION BY LIST (a); CREATE TABLE l1 PARTITION OF loose DEFAULT")
    assert found(shop, "primary_keys").detail == "without one: loose"


@pytest.mark.parametrize(("value", "status"), [(1_600_000_000, "ok"), (1_700_000_000, "warn"), (2_147_483_000, "fail")])
def test_ids_that_run_out(shop: Context, value: int, status: str) -> None:
    run_sql(shop, f"SELECT setval('\"User_id_seq\"', {value})")
    assert found(shop, "sequences").status == status
    assert found(limited(shop, ids_fail=74), "sequences").status == "fail"


def test_a_narrow_column_runs_out_before_its_wide_sequence(shop: Context) -> None:
    run_sql(
        shop,
        "CREATE SEQUENCE wide; CREATE TABLE narrow (id smallint PRIMARY KEY DEFAULT nextval('wide'));"
        "ALTER SEQUENCE wide OWNED BY narrow.id; SELECT setval('wide', 30000); CREATE SEQUENCE unused",
    )
    sequence = found(shop, "sequences")
    assert (sequence.status, sequence.detail) == ("warn", "wide has used 92% of its numbers")
    assert sequence.fix.startswith('ALTER TABLE narrow ALTER COLUMN "id" TYPE bigint;')


@contextmanager
def waiting_for_a_lock(context: Context) -> Iterator[int]:
    """A session that waits for another one; yields the pid of the one in the way."""
    with context.database.session() as holder, context.database.session() as waiter, context.database.session() as eye:
        blocker, waiting = holder.pid, waiter.pid
        holder.execute("BEGIN")
        holder.execute('LOCK TABLE "User"')
        thread = threading.Thread(target=lambda: waiter.rows('SELECT count(*) FROM "User"'))
        thread.start()
        deadline = time.monotonic() + 60
        query = "SELECT count(*) FROM pg_locks WHERE pid = %s AND NOT granted AND waitstart IS NOT NULL"
        while eye.rows(query, (waiting,)) != [(1,)]:
            assert time.monotonic() < deadline
        try:
            yield blocker
        finally:
            holder.execute("ROLLBACK")
            thread.join()


def test_who_blocks_whom(shop: Context) -> None:
    assert found(shop, "lock_queue").status == "ok"
    impatient = limited(shop, lock_wait=0.0, long_transaction=0.0)
    with waiting_for_a_lock(shop) as blocker:
        queue, old = found(impatient, "lock_queue"), found(impatient, "long_transactions")
    assert queue.status == "warn"
    assert f'for {blocker}: SELECT count(*) FROM "User"' in queue.detail
    assert queue.fix == f"SELECT pg_terminate_backend({blocker}); frees the queue"
    assert f"pid {blocker} (app_owner, idle in transaction" in old.detail


@dataclass(frozen=True)
class Later:
    """A clock that goes ``seconds`` ahead."""

    seconds: float

    def now(self) -> float:
        return time.time() + self.seconds

    def sleep(self, seconds: float) -> None:
        raise NotImplementedError


def test_backups_that_are_missing_old_untested_or_damaged(shop: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(shop, "backups").fix == "locktender backup create"
    made = backup.create(shop)
    untested = found(shop, "backups")
    assert (untested.status, untested.fix) == ("warn", f"locktender backup verify {made.id} --test-restore")
    old = found(replace(shop, clock=Later(27 * 3600)), "backups")
    assert (old.status, "27 h old" in old.detail) == ("fail", True)
    monkeypatch.setattr(disk, "ROOM", 1e12)
    assert found(shop, "disk").status == "warn"
    manifest = Path(made.path, "manifest.json")
    manifest.write_bytes(manifest.read_bytes().replace(b'"tester"', b'"testes"'))
    assert (found(shop, "damaged_backups").status, found(shop, "backups").status) == ("fail", "warn")


def test_a_backup_that_may_well_be_whole_is_not_to_be_removed(
    shop: Context, context_of: Callable[..., Context], server: Server
) -> None:
    made = backup.create(shop)
    url = server.url(shop.database.target.database)
    keyed = context_of(url, backups=replace(shop.environment.backups, signing_key=Secret("k" * 32)))
    other = found(keyed, "damaged_backups")
    assert (other.status, "signature" in other.detail) == ("fail", True)
    assert other.fix.startswith("If the key was changed since, set signing_key")
    assert "somebody who does not have the key has written it" in other.fix
    assert "rm -r" not in other.fix
    assert other.fix.endswith(f"locktender backup verify {made.id}")

    manifest = Path(made.path, "manifest.json")
    written = manifest.read_bytes()
    manifest.write_bytes(to_bytes(replace(from_bytes(written), version=2)))
    newer = found(shop, "damaged_backups")
    assert (newer.status, newer.fix.startswith("Use the Locktender that wrote it")) == ("warn", True)

    manifest.unlink()
    manifest.mkdir()  # nobody can read that, not even root
    shut = found(shop, "damaged_backups")
    assert (shut.status, shut.fix.startswith("See who may read it")) == ("fail", True)


class AsNobody(LocalHost):
    """Programs run as an account that may do nothing."""

    def run(self, argv: Sequence[str], **more: Any) -> Completed:
        nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if os.getuid() == 0 else ()
        return super().run([*nobody, *argv], **more)


def test_a_directory_that_may_not_be_written_is_told_before_anything_wants_to(shop: Context) -> None:
    with tempfile.TemporaryDirectory() as above:
        Path(above).chmod(0o555)
        asked = replace(shop, host=AsNobody(), environment=replace(shop.environment, backup_dir=f"{above}/b"))
        missing = found(asked, "disk")
        assert (missing.status, f" may not write to {above}" in missing.detail) == ("fail", True)
        assert re.fullmatch(rf"As root: install -d -o \w+ -m 700 {above}/b", missing.fix)
        Path(above).chmod(0o755)
        state = Path(state_directory(asked.environment))
        state.mkdir(parents=True)
        state.chmod(0o555)
        state.parent.parent.chmod(0o777)
        inner = found(asked, "disk")
        assert re.fullmatch(rf"As root: chown -R \w+ {state}", inner.fix)
        state.chmod(0o777)
        assert found(asked, "disk").status == "ok"


def test_what_runs_leave_behind(shop: Context, server: Server) -> None:
    name = shop.database.target.database
    partial = Path(backup.create(shop).path + backup_ending(shop))
    partial.mkdir()
    kept = kept_name(name, "20240101T000000Z-abcdef")
    scratch = scratch_prefix(shop.environment, name) + "12345678"
    with shop.database.session("postgres") as session:
        for each in (kept, scratch):
            session.execute(f"CREATE DATABASE {identifier(each)}")
    with held(shop, "deploy", "20240102T000000Z-abcdef") as lock:
        journal.Journal.open(shop, lock, "deploy")
        assert found(shop, "runs").detail == "deploy (run 20240102T000000Z-abcdef) is at work"
        assert found(shop, "scratch_databases").status == "ok"
    assert kept in found(shop, "kept_databases").detail
    assert found(shop, "kept_databases").fix.startswith("locktender restore --prune 7d")
    assert found(shop, "scratch_databases").detail == scratch
    assert found(shop, "partial_backups").detail == partial.name
    dead = found(shop, "runs")
    assert (dead.status, dead.detail) == ("fail", "died before its end: 20240102T000000Z-abcdef (deploy)")


def backup_ending(context: Context) -> str:
    from operations.backup_leftovers import partial_path

    return partial_path(context, "").rpartition("/")[2]


def test_names_that_no_check_has_are_told(shop: Context) -> None:
    silent = replace(shop.environment, alerts=Alerts(silence=("disk", "dsik")))
    configured = found(replace(shop, environment=silent), "configuration")
    assert (configured.status, configured.detail) == ("warn", "no check is called dsik")


def test_looking_is_bounded_and_cannot_write(shop: Context) -> None:
    with shop.database.session() as session:
        with Probe(shop, session).reading() as reading:
            assert reading.rows("SHOW statement_timeout") == [("5s",)]
            assert reading.rows("SHOW transaction_read_only") == [("on",)]
        assert session.rows("SHOW statement_timeout") == [("0",)]


def test_words() -> None:
    assert listed("abcdefg") == "a, b, c, d, e and 2 more"
    assert [age_text(t) for t in (59, 119, 130, 7200, 200_000)] == ["59 s", "119 s", "2 min", "2 h", "2 d"]
    assert [size_text(n) for n in (999, 1500, 3e13)] == ["999 B", "1.5 kB", "30.0 TB"]


@pytest.mark.parametrize(
    ("asked", "told", "answered", "expected"),
    [(100.9, 100.0, 101.0, 0.0), (100.0, 101.0, 105.0, 0.0), (100.0, 59.0, 100.2, 40.0), (100.0, 140.0, 102.0, -38.0)],
)
def test_a_clock_is_only_as_wrong_as_it_must_be(asked: float, told: float, answered: float, expected: float) -> None:
    assert behind(asked, told, answered) == expected
