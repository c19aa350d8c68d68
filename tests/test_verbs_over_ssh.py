"""The verbs as whole processes, with everything but the migrations on a server behind a real sshd."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from operations.adapters.postgres import PostgresDatabase
from operations.adapters.throwaway import embedded_binaries
from operations.database_url import parse_database_url

from .conftest import DEBIAN_BINARIES, Server
from .locktender_process import Project, finish
from .ports import free_port
from .sshd import Sshd, keygen, public_of, running
from .test_host import processes_with, wait_until

INIT = 'CREATE TABLE "Item" (id serial PRIMARY KEY, price int NOT NULL);\nINSERT INTO "Item" (price) VALUES (1), (2);\n'


@dataclass(frozen=True)
class Shop:
    project: Project
    database: PostgresDatabase

    def migration(self, name: str, sql: str) -> None:
        folder = self.project.migrations / name
        folder.mkdir(parents=True)
        (folder / "migration.sql").write_text(sql)
        (self.project.migrations / "migration_lock.toml").write_text('provider = "postgresql"\n')

    def prices(self) -> list[int]:
        with self.database.session() as session:
            return [price for (price,) in session.rows('SELECT price FROM "Item" ORDER BY id')]


def shop_on(server: Server, sshd: Sshd, directory: Path, **settings: str) -> Shop:
    url = server.url(server.create())
    binaries = DEBIAN_BINARIES if server.major == 15 else embedded_binaries()
    project = Project(
        directory / "here",
        url,
        directory / "here/migrations",
        settings={"client_bin": f'"{binaries}"', **settings},
        backup_dir=directory / "there/backups",
        server=sshd.toml(),
    )
    return Shop(project, PostgresDatabase(parse_database_url(url)))


@pytest.fixture
def shop15(server15: Server, sshd: Sshd, tmp_path: Path) -> Shop:
    return shop_on(server15, sshd, tmp_path)


def ok(shop: Shop, *words: str) -> dict[str, object]:
    ran = shop.project.run(*words)
    assert ran.exit_code == 0, ran.said
    return ran.result


@pytest.mark.campaign
def test_a_database_is_deployed_rolled_back_and_restored_on_a_server(shop15: Shop) -> None:
    shop = shop15
    shop.migration("1_init", INIT)
    assert shop.project.run("status").result["pending"] == ["1_init"]
    assert ok(shop, "apply")["applied"] == ["1_init"]
    backup = ok(shop, "backup", "create", "--test-restore")
    assert backup["verified"]
    assert Path(str(backup["path"]), "manifest.json").exists()
    shop.migration("2_wrong", 'UPDATE "Item" SET price = 0;')
    deployed = ok(shop, "deploy")
    assert (deployed["outcome"], shop.prices()) == ("deployed", [0, 0])
    assert shop.project.run("check").exit_code == 0
    ok(shop, "rollback")
    assert shop.prices() == [1, 2]
    with shop.database.session() as session:
        session.execute('DELETE FROM "Item" WHERE id = 1')
    assert ok(shop, "restore", "latest")["restored"]
    assert shop.prices() == [1, 2]
    ok(shop, "restore", "--undo")
    assert shop.prices() == [2]
    newest, *others = shop.project.run("backup", "list").result["backups"]
    assert others
    assert ok(shop, "backup", "verify", newest["id"])["intact"]


@pytest.mark.campaign
def test_the_clients_of_another_major_version_work_there_as_well(server18: Server, sshd: Sshd, tmp_path: Path) -> None:
    shop = shop_on(server18, sshd, tmp_path)
    shop.migration("1_init", INIT)
    ok(shop, "apply")
    shop.migration("2_more", 'UPDATE "Item" SET price = 0;')
    backup_id = ok(shop, "deploy")["backup_id"]
    assert shop.prices() == [0, 0]
    ok(shop, "restore", str(backup_id))
    assert shop.prices() == [1, 2]


def test_an_sshd_must_allow_what_the_guide_says_and_no_more(
    server15: Server, tmp_path: Path, inline: list[str]
) -> None:
    forwarding, sftp = inline
    with running(tmp_path, forwarding, sftp=sftp) as started:
        shop = shop_on(server15, started, tmp_path)
        shop.migration("1_init", INIT)
        ok(shop, "apply")
    for lacking, allowed in ((forwarding, "AllowTcpForwarding no"), (sftp, "")):
        (directory := tmp_path / lacking.split()[0]).mkdir()
        given = {forwarding: forwarding, sftp: sftp, lacking: allowed}
        with running(directory, given[forwarding], sftp=given[sftp]) as started:
            shop = shop_on(server15, started, directory)
            shop.migration("1_init", INIT)
            ran = shop.project.run("status")
            assert (ran.exit_code, lacking.split()[0] in ran.error["hint"]) == (3, True), ran.said


def test_a_migration_that_fails_leaves_the_old_state(shop15: Shop) -> None:
    shop15.migration("1_init", INIT)
    ok(shop15, "apply")
    shop15.migration("2_fails", 'UPDATE "Item" SET price = 0;\nSELECT 1/0;\n')
    ran = shop15.project.run("deploy")
    assert (ran.exit_code, shop15.prices()) == (3, [1, 2])
    assert "2_fails" in ran.error["message"]


def test_migrations_of_an_app_are_read_from_its_directory_on_the_server(shop15: Shop, tmp_path: Path) -> None:
    shop15.migration("1_init", INIT)
    there = tmp_path / "there/app/prisma/migrations"
    there.parent.mkdir(parents=True)
    shop15.project.migrations.rename(there)
    text = shop15.project.configuration.read_text().replace(
        f'migrations = "{shop15.project.migrations}"', 'migrations = "prisma/migrations"'
    )
    app = f'[environments.local.app]\ndirectory = "{tmp_path}/there/app"\nservices = ["web"]\n'
    (tmp_path / "with_app.toml").write_text(text + app)
    shop = replace(shop15, project=_Fixed(**{**vars(shop15.project), "path": tmp_path / "with_app.toml"}))
    assert shop.project.run("status").result["pending"] == ["1_init"]
    assert ok(shop, "apply")["applied"] == ["1_init"]
    there.rename(there.with_name("elsewhere"))
    ran = shop.project.run("status")
    assert (ran.exit_code, ran.error["code"]) == (2, "migration_files")
    assert f"There is no migrations folder at {there}." in ran.error["message"]


@dataclass(frozen=True)
class _Fixed(Project):
    """One with a configuration file that was written already."""

    path: Path = Path()

    @property
    def configuration(self) -> Path:
        return self.path


@pytest.mark.parametrize(
    ("verb", "change", "code", "exit_code"),
    [
        ("deploy", lambda tmp: {"known_hosts": f'"host {public_of(keygen(tmp / "k"))}"'}, "host_key", 5),
        ("check", lambda tmp: {"known_hosts": f'"host {public_of(keygen(tmp / "k"))}"'}, "host_key", 5),
        ("status", lambda tmp: {"private_key": f'"file:{keygen(tmp / "k")}"'}, "host_login", 2),
        ("status", lambda _: {"private_key": '"file:locktender.toml"'}, "configuration", 2),
        ("deploy", lambda _: {"port": str(free_port())}, "host_unreachable", 3),
        ("check", lambda _: {"port": str(free_port())}, None, 1),
    ],
)
def test_a_server_that_cannot_be_used_is_told_with_its_exit_code(
    shop15: Shop,
    tmp_path: Path,
    verb: str,
    change: Callable[[Path], dict[str, str]],
    code: str | None,
    exit_code: int,
) -> None:
    shop15.migration("1_init", INIT)
    project = replace(shop15.project, server={**shop15.project.server, **change(tmp_path)})
    ran = project.run(verb, timeout=60)
    assert ran.exit_code == exit_code, ran.said
    if code is None:
        (found,) = ran.result["checks"]
        assert (found["name"], found["status"]) == ("server", "fail")
    else:
        assert ran.error["code"] == code
        assert ran.error["hint"]
    assert not project.backup_path.exists()


@pytest.mark.campaign
def test_a_line_cut_in_the_middle_of_a_migration_leaves_it_applied_once_or_not_at_all(shop15: Shop, sshd: Sshd) -> None:
    shop15.migration("1_init", INIT)
    ok(shop15, "apply")
    shop15.migration("2_raise", 'UPDATE "Item" SET price = price + 1;\nSELECT pg_sleep(3);')
    process = shop15.project.start("deploy")
    with shop15.database.session() as session:
        sleeping = (
            "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%%pg_sleep(3)%%' AND pid <> %s"
        )
        wait_until(lambda: bool(session.rows(sleeping, (session.pid,))), 60)
    sshd.cut()
    ran = finish(process, 100)
    assert ran.exit_code in (0, 3), ran.said
    assert shop15.prices() == ([2, 3] if ran.exit_code == 0 else [1, 2])
    ok(shop15, "deploy")
    assert shop15.prices() == [2, 3]


def slow_dump(directory: Path, mark: str) -> None:
    """Client tools of which pg_dump never comes to its end."""
    directory.mkdir()
    (directory / "pg_restore").symlink_to(DEBIAN_BINARIES / "pg_restore")
    (directory / "pg_dump").write_text(
        f'#!/bin/sh\ncase $* in *--format=directory*) ;; *) exec {DEBIAN_BINARIES}/pg_dump "$@" ;; esac\n'
        f"sleep {mark} & sleep {mark}\n"
    )
    (directory / "pg_dump").chmod(0o755)


@pytest.mark.campaign
@pytest.mark.parametrize("how", ["line cut", "client killed", "interrupted"])
def test_a_run_that_ends_in_the_middle_of_a_dump_leaves_nothing_behind(
    server15: Server, sshd: Sshd, tmp_path: Path, how: str
) -> None:
    mark = f"7{os.getpid()}{os.urandom(3).hex()}".translate(str.maketrans("abcdef", "123456"))
    slow_dump(tmp_path / "tools", mark)
    shop = shop_on(server15, sshd, tmp_path, client_bin=f'"{tmp_path}/tools"')
    shop.migration("1_init", INIT)
    ok(shop, "apply")
    shop.migration("2_more", 'UPDATE "Item" SET price = 0;')
    process = shop.project.start("deploy")
    wait_until(lambda: bool(processes_with(mark)), 30)
    assert list(shop.project.backup_path.glob("*.partial"))
    if how == "line cut":
        sshd.cut()
    else:
        os.kill(process.pid, signal.SIGKILL if how == "client killed" else signal.SIGINT)
    ran = finish(process, 60)
    assert ran.exit_code == {"client killed": -9, "line cut": 3, "interrupted": 3}[how], ran.said
    wait_until(lambda: not processes_with(mark), 20)
    assert shop.prices() == [1, 2]
    (tmp_path / "tools/pg_dump").unlink()
    (tmp_path / "tools/pg_dump").symlink_to(DEBIAN_BINARIES / "pg_dump")
    assert ok(shop, "deploy")["applied"] == ["2_more"]
    assert shop.prices() == [0, 0]
    assert not list(shop.project.backup_path.glob("*.partial"))
    status = shop.project.run("status")
    assert (status.exit_code, status.result["interrupted"]) == (0, [])
