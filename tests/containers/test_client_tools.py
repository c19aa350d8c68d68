"""Backups of a database in a container, by client tools where the data is: nothing is left running, nothing is told."""

from __future__ import annotations

import grp
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from operations import client_places
from operations.adapters.local_host import LocalHost
from operations.adapters.postgres import PostgresDatabase
from operations.client_places import Inside, Sidecar, account
from operations.commands.docker import LOCK_VARIABLE
from operations.database_container import find, seen_from_host
from operations.database_url import parse_database_url
from operations.errors import CommandFailed
from operations.secret import Secret
from operations.settings import App

from .compose_database import ComposeDatabase, Run, processes, wait_for
from .docker import Docker

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]

CLIENTS = pytest.mark.parametrize("client", ["sidecar", "container"])
UNPRIVILEGED = "nobody"
FIRST = (
    "CREATE TABLE t (id int PRIMARY KEY, x text); INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, 5000) i;"
)
SECOND = "CREATE INDEX CONCURRENTLY i ON t (x); ALTER TABLE t DROP COLUMN x;"
BIG = "CREATE TABLE big AS SELECT i, repeat(md5(i::text), 20) x FROM generate_series(1, 20000) i;"


@pytest.fixture(scope="session")
def lab(docker: Docker) -> dict[str, str]:
    """What leads to a Docker of our own."""
    return {name: docker.variables[name] for name in ("DOCKER_HOST", "DOCKER_CONFIG", "PATH")}


@pytest.fixture(scope="session")
def make_project(lab: dict[str, str]) -> Iterator[Callable[..., ComposeDatabase]]:
    """Projects with a running database; further lines of its service may be given."""
    made: list[ComposeDatabase] = []

    def make(more: str = "") -> ComposeDatabase:
        directory = Path(tempfile.mkdtemp(prefix="shop-", dir="/var/tmp"))
        directory.chmod(0o755)
        made.append(ComposeDatabase(directory, lab))
        made[-1].write(more)
        made[-1].up()
        return made[-1]

    yield make
    for project in made:
        project.compose("down", "--volumes", "--timeout", "1")
        shutil.rmtree(project.directory)


@pytest.fixture(scope="session")
def project(make_project: Callable[..., ComposeDatabase]) -> ComposeDatabase:
    """One that no test stops."""
    return make_project()


@pytest.fixture
def prepared(project: ComposeDatabase) -> Callable[..., Run]:
    """A run on a new database of ``project`` (or of ``of``)."""

    def make(of: ComposeDatabase | None = None, **changes: object) -> Run:
        chosen = of or project
        run = Run(chosen, chosen.create(), **changes)  # type: ignore[arg-type]
        run.prepare()
        run.migration("1_init", FIRST)
        return run

    return make


@pytest.fixture
def here(lab: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> LocalHost:
    """This machine with the lab's Docker, for this process too."""
    for name, value in lab.items():
        monkeypatch.setenv(name, value)
    return LocalHost()


def app_of(project: ComposeDatabase) -> App:
    return App(directory=str(project.directory), services=("web",), database_service="db")


@CLIENTS
@pytest.mark.parametrize("who", ["root", UNPRIVILEGED])
def test_all_that_needs_the_client_tools(prepared: Callable[..., Run], client: str, who: str) -> None:
    groups = () if who == "root" else (grp.getgrnam("docker").gr_gid,)
    run = prepared(client=client, account=who, groups=groups)
    run.done("apply")
    backup = run.done("backup", "create", "--test-restore").result
    assert backup["verified"]
    run.migration("2_drop", SECOND)
    assert run.done("apply").result["backup_id"]
    assert run.rows("SELECT count(*) FROM information_schema.columns WHERE table_name = 't'") == "1"
    assert run.done("rollback").result["rollback"]["method"] == "swap"
    assert run.rows("SELECT count(x) FROM t") == "5000"
    run.rows("DELETE FROM t WHERE id > 10")
    restored = run.done("restore", backup["id"]).result
    assert restored["validation"]["ok"]
    assert run.rows("SELECT count(*) FROM t") == "5000"
    run.done("restore", "--undo")
    assert run.rows("SELECT count(*) FROM t") == "10"
    for reader in (run, replace(run, account="root")):
        assert reader.done("backup", "verify", backup["id"]).result["intact"]
    assert {path.owner() for path in run.backups.rglob("*")} == {who}
    assert run.project.locks() == []
    assert run.project.docker("ps", "--all", "--quiet", "--filter", "name=locktender-") == ""
    run.done("backup", "prune")


@CLIENTS
def test_check_says_where_the_tools_are(prepared: Callable[..., Run], client: str) -> None:
    where = {"sidecar": "in a sidecar of postgres:15-bookworm", "container": "in the database's own container"}
    checks = {one["name"]: one for one in prepared(client=client).run("check").result["checks"]}
    assert where[client] in checks["client_tools"]["detail"]
    assert checks["connection"]["status"] == "ok"


def test_of_itself_it_takes_installed_tools_of_the_right_version_else_a_sidecar(prepared: Callable[..., Run]) -> None:
    def tools(run: Run) -> str:
        checks = {one["name"]: one["detail"] for one in run.run("check").result["checks"]}
        return str(checks["client_tools"])

    run = prepared(client="auto", settings={"client_bin": '"/nonexistent"'})
    assert "in a sidecar" in tools(run)
    installed = replace(run, settings={"client_bin": '"/usr/lib/postgresql/15/bin"'})
    installed.prepare()
    assert tools(installed) == f"/usr/lib/postgresql/15/bin/pg_dump {installed_version()}, installed on the host"
    installed.done("apply")
    assert installed.done("backup", "create", "--test-restore").result["verified"]


def installed_version() -> str:
    told = subprocess.run(
        ["/usr/lib/postgresql/15/bin/pg_dump", "--version"], capture_output=True, text=True, check=True
    )
    return told.stdout.split()[2]


def test_a_published_port(make_project: Callable[..., ComposeDatabase], prepared: Callable[..., Run]) -> None:
    project = make_project('    ports: ["127.0.0.1::5432"]')
    published = project.compose("port", "db", "5432")
    run = prepared(of=project, host=published)
    run.done("apply")
    assert run.done("backup", "create", "--test-restore").result["verified"]
    wrong = replace(run, host="127.0.0.1:1")
    assert wrong.run("backup", "create").exit_code == 3


@CLIENTS
def test_no_secret_shows_in_any_list_of_processes(prepared: Callable[..., Run], client: str) -> None:
    run = prepared(client=client)
    run.migration("2_big", BIG)
    run.done("apply")
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            seen.update(words for _, words, _ in processes())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        run.done("backup", "create", "--test-restore")
    finally:
        over.set()
        thread.join()
    assert any(words.startswith("docker ") and "pg_dump" in words for words in seen)
    assert any(words.startswith("pg_dump ") for words in seen)
    assert any(words.startswith("pg_restore ") for words in seen)
    assert [words for words in seen if run.project.password in words] == []


def marked(run: Run, program: str) -> list[int]:
    mark = f"{LOCK_VARIABLE}={run.backups}/.locktender/local"
    return [pid for pid, words, env in processes() if words.startswith(program) and mark in env.splitlines()]


def test_a_sidecar_of_a_killed_client_is_gone_after_the_next_run(prepared: Callable[..., Run]) -> None:
    run = prepared()
    run.migration("2_big", BIG)
    run.done("apply")
    process = run.start("backup", "create")
    wait_for(run.project.locks, "a sidecar dumps")
    (sidecar,) = run.project.locks()
    run.project.docker("pause", sidecar)  # so that it is certainly not done
    process.kill()
    process.communicate()
    assert run.project.locks() == [sidecar]
    other = prepared()
    other.done("apply")
    other.done("backup", "create")
    assert run.project.locks() == [sidecar], "another environment's run removed it"
    assert run.done("backup", "create", "--test-restore").result["verified"]
    assert run.project.locks() == []
    assert [path.name for path in run.backups.glob("*.partial")] == []


def test_a_tool_inside_the_database_container_is_ended_after_a_killed_client(prepared: Callable[..., Run]) -> None:
    """PostgreSQL is process 1 there, so it inherits the tool's workers: one that is killed would look like its own."""
    run = prepared(client="container")
    run.migration("2_big", BIG.replace("20000", "200000"))
    run.done("apply")
    started = run.rows("SELECT pg_postmaster_start_time()")
    process = run.start("backup", "create")
    wait_for(lambda: len(marked(run, "pg_dump")) > 2, "pg_dump runs inside, and its workers")
    for pid in marked(run, "pg_dump"):
        os.kill(pid, signal.SIGSTOP)
    process.kill()
    process.communicate()
    assert len(marked(run, "pg_dump")) > 2
    assert run.done("backup", "create", "--test-restore").result["verified"]
    assert marked(run, "pg_dump") == []
    assert "terminated by signal" not in run.project.log(), "the server has taken a tool for a process of its own"
    assert run.rows("SELECT pg_postmaster_start_time()") == started


@CLIENTS
def test_a_tool_whose_time_is_over_does_not_go_on(project: ComposeDatabase, here: LocalHost, client: str) -> None:
    container = find(here, app_of(project), "db")
    place: Sidecar | Inside = Sidecar(container, 5432, account(here), str(project.backups), f"/{client}")
    if client == "container":
        place = Inside(container, 5432, account(here), str(project.backups), f"/{client}", "/backups")
    with pytest.raises(CommandFailed, match="still running after 2 s"):
        client_places.run(here, place, ["sleep", "4711"], env={}, timeout=2, connects=True)
    wait_for(lambda: not [pid for pid, words, _ in processes() if words.startswith("sleep 4711")], "it ends", 10)
    assert project.locks() == []


def test_interrupted_by_ctrl_c_nothing_goes_on(prepared: Callable[..., Run]) -> None:
    run = prepared()
    run.migration("2_big", BIG)
    run.done("apply")
    process = run.start("backup", "create")
    wait_for(run.project.locks, "a sidecar dumps")
    run.project.docker("pause", *run.project.locks())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert run.project.locks() == []


def test_a_new_address_is_found(
    make_project: Callable[..., ComposeDatabase], prepared: Callable[..., Run], here: LocalHost
) -> None:
    project = make_project()
    run = prepared(of=project)
    run.done("apply")
    parameters = parse_database_url(Secret(project.url(run.database)))
    asked: list[tuple[str, int]] = []

    def address() -> tuple[str, int]:
        asked.append(seen_from_host(here, app_of(project), parameters.target))
        return asked[-1]

    database = PostgresDatabase(parameters, address)
    database.connect().close()
    (network,) = project.docker("inspect", "--format", "{{range $n, $_ := .NetworkSettings.Networks}}{{$n}} {{end}}",
                                project.container).split()  # fmt: skip
    project.compose("stop", "--timeout", "5", "db")
    taken(project, network)
    try:
        project.up()
        database.connect().close()
        assert asked[-1][0] != asked[0][0]
        assert run.done("backup", "create", "--test-restore").result["verified"]
    finally:
        project.docker("rm", "--force", f"taker-{network}")


def taken(project: ComposeDatabase, network: str) -> None:
    """Docker gives the lowest free address, which is the stopped container's."""
    project.docker(
        "run", "--detach", "--name", f"taker-{network}", "--network", network,
        "--entrypoint", "sleep", "postgres:15-bookworm", "600",
    )  # fmt: skip


def test_what_is_wrong_with_docker_is_told(prepared: Callable[..., Run], tmp_path: Path) -> None:
    run = prepared()
    cases = [
        (replace(run, account=UNPRIVILEGED), 2, "docker_unusable", "may not use Docker", "usermod -aG docker"),
        (with_variable(run, "PATH", str(tmp_path)), 2, "docker_unusable", "docker cannot be run", "docker version"),
        (with_variable(run, "DOCKER_CONFIG", str(tmp_path)), 2, "docker_unusable", "no Compose v2", "plugin"),
        (
            with_variable(run, "DOCKER_HOST", f"unix://{tmp_path}/none"),
            3,
            "docker_unreachable",
            "does not answer",
            "start",
        ),
    ]
    for wrong, exit_code, code, message, hint in cases:
        wrong.prepare()
        for verb in ("status", "apply"):
            ran = wrong.run(verb)
            assert (ran.exit_code, ran.error["code"]) == (exit_code, code), ran.said
            assert message in ran.error["message"]
            assert hint in ran.error["hint"]


def with_variable(run: Run, name: str, value: str) -> Run:
    return replace(run, variables={name: value})


def test_a_service_that_is_missing_stopped_or_gone(
    make_project: Callable[..., ComposeDatabase], prepared: Callable[..., Run], inline: list[str]
) -> None:
    project = make_project()
    run = prepared(of=project)
    run.done("apply")
    file = run.directory / "locktender.toml"
    right = file.read_text()
    file.write_text(right.replace('database_service = "db"', 'database_service = "nope"'))
    told(run, 2, "configuration", "no such service: nope")
    file.write_text(right.replace(f'directory = "{project.directory}"', 'directory = "/nonexistent"'))
    told(run, 2, "configuration", "/nonexistent/compose.yaml")
    file.write_text(right)
    project.compose("stop", "--timeout", "5", "db")
    (typed,) = inline
    up = typed.removeprefix("docker compose ")
    assert up in told(run, 3, "database_unreachable", "'db' is exited")
    project.compose("rm", "--force", "db")
    assert up in told(run, 3, "database_unreachable", "'db' has not been created")
    project.compose(*up.split())
    assert "db" in project.compose("ps", "--services", "--status", "running").split()


def told(run: Run, exit_code: int, code: str, message: str) -> str:
    ran = run.run("backup", "create")
    assert (ran.exit_code, ran.error["code"]) == (exit_code, code), ran.said
    assert message in ran.error["message"]
    return str(ran.error["hint"])
