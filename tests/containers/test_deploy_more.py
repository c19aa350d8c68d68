"""Deploys of a small application that die, or fail, wherever they can: database and version always fit each other."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from operations.adapters.local_host import LocalHost
from operations.context import Context
from operations.deploy import deploy
from operations.errors import AppNotWell, CommandFailed, ConfigurationError, LocktenderError, NotFound, Refused
from operations.journal import records
from operations.lock import held
from operations.ports import Completed, Host
from operations.release.machine import KEPT
from operations.rollback import rollback
from operations.settings import App, Backups
from operations.settling import settle

from ..conftest import Server
from .docker import Docker

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]

DOCKERFILE = "FROM python:3.11-slim-bookworm\nCOPY version /version\nCMD {command}\n"
STAYS, ENDS = '["sleep", "10000"]', '["false"]'
COMPOSE = "services:\n{services}"
SERVICE = "  {name}:\n    build: .\n    init: true\n    stop_grace_period: 1s\n"


class DyingHost(LocalHost):
    """A machine that loses our process at the n-th time that a command or a journal's line has ``text`` in it."""

    def __init__(self, text: str, count: int = 1, *, after: bool = False) -> None:
        self.text, self.left, self.after = text, count, after

    def append(self, path: str, data: bytes, *, sync: bool = True) -> None:
        self._around(data.decode(), lambda: super(DyingHost, self).append(path, data, sync=sync))

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        timeout: float,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        ran: list[Completed] = []
        act = super().run
        self._around(" ".join(argv), lambda: ran.append(act(argv, env=env, timeout=timeout, on_line=on_line)))
        return ran[0]

    def _around(self, said: str, action: Callable[[], None]) -> None:
        self.left -= self.text in said
        dies = self.text in said and self.left == 0
        if dies and not self.after:
            os._exit(9)
        action()
        if dies:
            os._exit(9)


@dataclass(frozen=True)
class Project:
    """A repository, its clone where the application runs, and the database."""

    docker: Docker
    context: Context
    work: Path

    @property
    def directory(self) -> Path:
        app = self.context.environment.app
        assert app
        return Path(app.directory)

    def version(
        self, name: str, sql: str | None = None, *, command: str = STAYS, services: Sequence[str] = ("web",)
    ) -> str:
        """Push a version that is made from the last one; its commit."""
        (self.work / "version").write_text(name)
        (self.work / "Dockerfile").write_text(DOCKERFILE.format(command=command))
        text = "".join(SERVICE.format(name=service) for service in services)
        (self.work / "compose.yaml").write_text(COMPOSE.format(services=text))
        folder = self.work / "prisma" / "migrations" / f"2024_{name}"
        if sql:
            folder.mkdir(parents=True)
            (folder / "migration.sql").write_text(sql)
        git(self.work, "add", "--all")
        git(self.work, "commit", "-q", "-m", name)
        commit = git(self.work, "rev-parse", "HEAD")
        git(self.work, "push", "-q", "--force", "origin", "HEAD:main", f"HEAD:refs/tags/{name}")
        return commit

    def on(self, commit: str) -> None:
        """The next version is made from that one."""
        git(self.work, "reset", "-q", "--hard", commit)

    @property
    def running(self) -> dict[str, str]:
        """Version by service, of those that run."""
        told = self.docker("compose", "ps", "--format", "{{.Service}} {{.ID}}", cwd=self.directory).stdout
        pairs = [line.split() for line in told.splitlines()]
        return {service: self.docker("exec", id, "cat", "/version").stdout for service, id in pairs}

    @property
    def columns(self) -> tuple[str, ...]:
        with self.context.database.session(purpose="test") as session:
            found = session.rows(
                "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('t') AND attnum > 0"
                " AND NOT attisdropped ORDER BY attnum"
            )
        return tuple(name for (name,) in found)

    @property
    def commit(self) -> str:
        return git(self.directory, "rev-parse", "HEAD")

    @property
    def state(self) -> tuple[object, ...]:
        changed = git(self.directory, "status", "--porcelain", "--untracked-files=no")
        return self.running, self.columns, self.commit, changed

    def dies(self, host: Host, run: Callable[[Context], object]) -> None:
        """Run in a process of its own, which must die of ``host``."""
        child = os.fork()
        if not child:
            try:
                run(replace(self.context, host=host))
            finally:
                os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9

    def settle(self) -> str:
        """As the next run does, whichever it is."""
        with held(self.context, "backup", "20990101T000000-aaaaaa") as lock:
            said = settle(self.context, lock)
        assert all(record.finished for record in records(self.context))
        return " ".join(said)


def git(directory: Path, *words: str) -> str:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@shop.example", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", *who, *words], cwd=directory, capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()


@pytest.fixture
def project(
    docker: Docker,
    server15: Server,
    context_of: Callable[..., Context],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Project]:
    """An application that runs in version ``one``, with its table."""
    for name in ("DOCKER_HOST", "DOCKER_CONFIG", "PATH"):
        monkeypatch.setenv(name, docker.variables[name])
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "small")
    upstream, work, directory = (tmp_path / name for name in ("upstream.git", "work", "app"))
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(upstream))
    git(tmp_path, "init", "-q", "-b", "main", str(work))
    git(work, "remote", "add", "origin", str(upstream))
    git(tmp_path, "init", "-q", "-b", "main", str(directory))
    git(directory, "remote", "add", "origin", str(upstream))
    app = App(str(directory), ("web",), health_for=0.5, start_timeout=20.0, stop_timeout=2.0)
    context = context_of(
        server15.url(server15.create()),
        app=app,
        migrations=str(directory / "prisma" / "migrations"),
        backups=Backups(test_restore="never"),
    )
    variables = {**docker.variables, "COMPOSE_PROJECT_NAME": "small"}
    made = Project(Docker(variables), context, work)
    try:
        made.version("one", "CREATE TABLE t (a int);")
        git(directory, "fetch", "-q", "origin")
        git(directory, "checkout", "-q", "--detach", "origin/main")
        deploy(context, ref="main")
        yield made
    finally:
        made.docker("compose", "-p", "small", "down", "--volumes", "--remove-orphans", "--timeout", "1", cwd=tmp_path)


B = "ALTER TABLE t ADD COLUMN b int;"
OLD = [
    ("image tag", 1, True),
    ('"event":"release"', 1, True),
    ("checkout --quiet", 1, True),
    ("compose --project-directory", 5, False),
    (" build web", 1, True),
    ('"event":"app_stopping"', 1, True),
    (" stop --timeout", 1, True),
    ('"event":"restore_point"', 1, True),
    ('"event":"committing"', 1, True),
]
NEW = [
    ('"name":"start"', 1, False),
    ('"event":"app_starting"', 1, True),
    (" up --detach", 1, True),
    ('"name":"check"', 1, True),
    ('"event":"run_finished"', 1, False),
]


def test_a_deploy_that_dies_anywhere_is_settled_to_the_old_state_or_the_new_one(project: Project) -> None:
    old = project.state
    new_commit = project.version("two", B)
    new = ({"web": "two"}, ("a", "b"), new_commit, "")
    for expected, deaths in ((old, OLD), (new, NEW)):
        for text, count, after in deaths:
            project.dies(DyingHost(text, count, after=after), lambda context: deploy(context, ref=new_commit))
            said = project.settle()
            assert project.state == expected, (text, after, said)
            if expected is new:
                assert rollback(project.context).outcome == "rolled_back"
                assert project.state == old, text


def test_a_failing_deploy_that_dies_on_its_way_back_gets_there_by_the_next_run(project: Project) -> None:
    old = project.state
    bad = project.version("bad", B, command=ENDS)
    for text, count, after in (
        (" up --detach", 1, True),
        (" stop --timeout", 2, True),
        ('"event":"undoing"', 1, False),
        ('"event":"app_going_back"', 1, True),
        (" up --detach", 2, False),
    ):
        project.dies(DyingHost(text, count, after=after), lambda context: deploy(context, ref=bad))
        said = project.settle()
        assert project.state == old, (text, after, said)


def test_a_rollback_that_dies_anywhere_is_settled(project: Project) -> None:
    old = project.state
    two = project.version("two", B)
    new = ({"web": "two"}, ("a", "b"), two, "")
    for text, count, after, expected in (
        (" stop --timeout", 1, True, new),
        ('"event":"app_going_back"', 1, False, old),
        (" up --detach", 1, False, old),
        ('"event":"run_finished"', 1, False, old),
    ):
        deploy(project.context, ref=two)
        project.dies(DyingHost(text, count, after=after), rollback)
        said = project.settle()
        assert project.state == expected, (text, after, said)
        if expected == new:
            rollback(project.context)
    three = project.version("three-alone")
    deploy(project.context, ref=two)
    deploy(project.context, ref=three)
    project.dies(DyingHost(" up --detach", 1), rollback)
    project.settle()
    assert project.state == new


class InterruptedHost(LocalHost):
    """Somebody types Ctrl-C when a command has ``text`` in it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def append(self, path: str, data: bytes, *, sync: bool = True) -> None:
        super().append(path, data, sync=sync)
        if self.text in data.decode():
            self.text = "nothing more"
            raise KeyboardInterrupt


def test_after_an_interrupted_rollback_the_application_goes_on_in_the_version_it_has(project: Project) -> None:
    two = project.version("two", B)
    deploy(project.context, ref=two)
    new = project.state
    with pytest.raises(KeyboardInterrupt):
        rollback(replace(project.context, host=InterruptedHost('"event":"undoing"')))
    assert project.state == new
    assert all(record.finished for record in records(project.context))


def test_a_version_with_a_new_service_that_fails_leaves_nothing_of_it(project: Project) -> None:
    old = project.state
    app = project.context.environment.app
    assert app
    more = replace(app, services=("web", "worker"))
    context = replace(project.context, environment=replace(project.context.environment, app=more))
    bad = project.version("bad", B, command=ENDS, services=("web", "worker"))
    with pytest.raises(AppNotWell):
        deploy(context, ref=bad)
    assert project.state == old
    assert project.docker("compose", "ps", "--all", "--quiet", cwd=project.directory).stdout.count("\n") == 1
    project.on(old[2])  # type: ignore[arg-type]
    good = project.version("good", B, services=("web", "worker"))
    assert deploy(context, ref=good).outcome == "deployed"
    assert project.running == {"web": "good", "worker": "good"}
    assert rollback(context).outcome == "rolled_back"
    assert project.state == old


def test_what_was_stopped_by_hand_is_stopped_afterwards_and_still_there(project: Project) -> None:
    project.docker("compose", "stop", cwd=project.directory)
    bad = project.version("bad", B, command=ENDS)
    with pytest.raises(AppNotWell):
        deploy(project.context, ref=bad)
    assert (project.running, project.columns) == ({}, ("a",))
    assert project.docker("compose", "ps", "--all", "--quiet", cwd=project.directory).stdout.count("\n") == 1


def test_the_first_version_ever_that_fails_leaves_no_container(project: Project) -> None:
    project.docker("compose", "down", "--timeout", "1", cwd=project.directory)
    bad = project.version("bad", B, command=ENDS)
    with pytest.raises(AppNotWell, match="old state stands"):
        deploy(project.context, ref=bad)
    assert (project.running, project.columns) == ({}, ("a",))
    assert project.docker("compose", "ps", "--all", "--quiet", cwd=project.directory).stdout == ""


def test_files_that_a_dead_checkout_left_half_way_are_put_aside_and_none_is_lost(project: Project) -> None:
    old = project.state
    two = project.version("two", B)
    project.dies(DyingHost("checkout --quiet"), lambda context: deploy(context, ref=two))
    (project.directory / "version").write_text("half")
    project.settle()
    assert project.state == old
    assert "on the way back from run" in git(project.directory, "stash", "list")


def test_a_rollback_whose_version_cannot_come_back_touches_nothing(project: Project) -> None:
    deploy(project.context, ref=project.version("two", B))
    new = project.state
    run_id = records(project.context)[-1].run_id
    project.docker("image", "rm", f"small-web:{KEPT}{run_id}")
    with pytest.raises(Refused, match="small-web"):
        rollback(project.context)
    assert project.state == new
    (project.directory / "version").write_text("a quick fix")
    with pytest.raises(Refused, match="changed by hand"):
        rollback(project.context)


def test_machines_that_were_renamed_since_are_named_and_bar_nothing(project: Project) -> None:
    old = project.state
    two = project.version("two", B)
    there = {"app1": project.context.host}
    project.dies(
        DyingHost(" build web"), lambda context: deploy(replace(context, app_hosts={"app1": context.host}), ref=two)
    )
    assert "app1" in project.settle()
    git(project.directory, "checkout", "-q", str(old[2]))
    assert deploy(replace(project.context, app_hosts=there), ref=two).outcome == "deployed"


def bad_directory(project: Project) -> str:
    (project.directory / ".git").rename(project.directory / "no.git")
    return "main"


def without_compose_file(project: Project) -> str:
    commit = project.version("two")
    (project.work / "compose.yaml").unlink()
    git(project.work, "commit", "-q", "-a", "-m", "no compose.yaml")
    git(project.work, "push", "-q", "origin", "HEAD:main")
    assert commit
    return "main"


def without_the_service(project: Project) -> str:
    return project.version("two", services=("site",))


def without_migrations(project: Project) -> str:
    git(project.work, "rm", "-r", "-q", "prisma")
    return project.version("two")


def taken_port(project: Project) -> str:
    project.version("two", B)
    path = project.work / "compose.yaml"
    path.write_text(path.read_text() + "    ports: ['127.0.0.1:1:1', '127.0.0.1:1:2']\n")
    git(project.work, "commit", "-q", "-a", "-m", "ports")
    git(project.work, "push", "-q", "origin", "HEAD:main")
    return "main"


@pytest.mark.parametrize(
    ("prepare", "error", "says"),
    [
        (bad_directory, ConfigurationError, "no git repository"),
        (lambda _: "nowhere", NotFound, "'nowhere'"),
        (without_compose_file, CommandFailed, "compose.yaml"),
        (without_the_service, ConfigurationError, "no service 'web'"),
        (without_migrations, LocktenderError, "prisma/migrations"),
        (taken_port, CommandFailed, "port is already allocated"),
    ],
)
def test_what_cannot_be_deployed_is_said_and_changes_nothing(
    project: Project, prepare: Callable[[Project], str], error: type[LocktenderError], says: str
) -> None:
    running, columns = project.running, project.columns
    with pytest.raises(error, match=says):
        deploy(project.context, ref=prepare(project))
    assert (project.running, project.columns) == (running, columns)
