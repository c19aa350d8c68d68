"""What is typed to Docker, to the letter; and what it says, read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from operations.adapters.local_host import LocalHost
from operations.client_places import Inside, Installed, Sidecar, relocated
from operations.client_tools import find
from operations.commands import docker
from operations.commands import postgres_client as client
from operations.context import Context
from operations.database_container import DatabaseContainer, is_ordinary, parsed, seen_from_host
from operations.docker import ask, is_dockers_own, trouble
from operations.errors import (
    CommandFailed,
    ConfigurationError,
    DockerUnreachable,
    DockerUnusable,
    LocktenderError,
    UsageError,
)
from operations.ports import Completed, Target
from operations.secret import Secret
from operations.settings import App

APP = App(directory="/srv/app", services=("web",), database_service="db")
INSPECTED = {
    "Id": "c0ffee",
    "Name": "/app-db-1",
    "Image": "sha256:1ab",
    "Config": {"Image": "postgres:15", "Labels": {"com.docker.compose.service": "db"}},
    "State": {"Status": "running"},
    "HostConfig": {"NetworkMode": "app_default"},
    "NetworkSettings": {
        "Ports": {
            "5432/tcp": [{"HostIp": "127.0.0.1", "HostPort": "5433"}],
            "9/udp": [{"HostPort": "9"}],
            "1/tcp": None,
        },
        "Networks": {
            "app_default": {"IPAddress": "10.1.0.2", "GlobalIPv6Address": "", "Aliases": ["db", "postgres"]},
            "gone": None,
            "six": {"IPAddress": "", "GlobalIPv6Address": "fd00::2", "DNSNames": ["store"]},
        },
    },
    "Mounts": [
        {"Type": "volume", "Source": "/var/lib/docker/volumes/d/_data", "Destination": "/var/lib/pg", "RW": True},
        {"Type": "bind", "Source": "/srv/backups", "Destination": "/backups/", "RW": True},
        {"Type": "bind", "Source": "/srv/backups/old", "Destination": "/old", "RW": False},
    ],
}
CONTAINER = parsed(INSPECTED)
SIDECAR = Sidecar(CONTAINER, 5432, "1000:1000", "/srv/backups/app", "/srv/backups/app/.locktender/x")
INSIDE = Inside(CONTAINER, 5432, "1000:1000", "/srv/backups/app", "/srv/backups/app/.locktender/x", "/backups/app")
DUMP = ["pg_dump", "--file=/srv/backups/app/1.partial/archive", "--dbname=x"]
ENV = {"PGPASSWORD": "hidden", "LC_ALL": "C"}


def target(host: str, port: int = 5432) -> Target:
    return Target(host, port, "shop", "app")


def changed(**values: object) -> DatabaseContainer:
    return parsed({**INSPECTED, **values})


def test_docker() -> None:
    assert docker.inspect(["a", "b"]) == ["docker", "inspect", "--type", "container", "a", "b"]
    assert docker.security_options() == ["docker", "info", "--format", "{{json .SecurityOptions}}"]
    assert docker.root_directory() == ["docker", "info", "--format", "{{.DockerRootDir}}"]
    assert docker.labelled("k", "v") == [
        "docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", "label=k=v",
    ]  # fmt: skip
    assert docker.remove(["a"]) == ["docker", "rm", "--force", "--volumes", "a"]
    assert docker.execute("c", ["ls", "/"], user="1:2", variables=["B", "A"]) == [
        "docker", "exec", "--user", "1:2", "--env", "A", "--env", "B", "c", "ls", "/",
    ]  # fmt: skip
    killing = docker.end_marked("c", "/b/.locktender/x", user="1:2")
    assert killing[:7] == ["docker", "exec", "--user", "1:2", "c", "sh", "-c"]
    assert killing[8:] == ["sh", "LOCKTENDER_LOCK=/b/.locktender/x"]


HARDENED = [
    "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--log-driver", "none",
]  # fmt: skip


def test_a_sidecar_that_connects() -> None:
    call = SIDECAR.call(DUMP, ENV, connects=True)
    name = call.argv[6]
    assert call.argv == [
        "docker", "run", "--rm", "--pull", "never", "--name", name, "--user", "1000:1000",
        "--network", "container:c0ffee", *HARDENED,
        "--label", "locktender.lock=/srv/backups/app/.locktender/x",
        "--mount", "type=bind,source=/srv/backups/app,target=/srv/backups/app",
        "--env", "LC_ALL", "--env", "PGPASSWORD",
        "--entrypoint", "pg_dump", "sha256:1ab", "--file=/srv/backups/app/1.partial/archive", "--dbname=x",
    ]  # fmt: skip
    assert call.env == ENV
    assert call.ending == ["docker", "rm", "--force", "--volumes", name]
    assert SIDECAR.call(DUMP, ENV, connects=True).argv[6] != name


def test_root_reaches_files_of_other_accounts_as_outside() -> None:
    argv = docker.sidecar("i", ["true"], name="n", user="0:0")
    assert argv[argv.index("--cap-drop") : argv.index("--security-opt")] == [
        "--cap-drop", "ALL", "--cap-add", "DAC_OVERRIDE",
    ]  # fmt: skip


def test_a_sidecar_that_does_not_connect_has_no_network_and_is_nobodys_to_remove() -> None:
    call = SIDECAR.call(["pg_dump", "--version"], {}, connects=False)
    assert call.argv[7:11] == ["--user", "1000:1000", "--network", "none"]
    assert call.argv[11:] == [*HARDENED, "--entrypoint", "pg_dump", "sha256:1ab", "--version"]


def test_files_that_libpq_needs_are_mounted_to_be_read_only() -> None:
    env = {"PGSSLROOTCERT": '/etc/ca,"1".pem', "PGSSLCERT": "relative", "PGHOST": "/run"}
    argv = SIDECAR.call(["pg_dump"], env, connects=True).argv
    mounts = [argv[i + 1] for i, word in enumerate(argv) if word == "--mount"]
    assert mounts == ['type=bind,"source=/etc/ca,""1"".pem","target=/etc/ca,""1"".pem",readonly']


def test_inside_the_database_container() -> None:
    call = INSIDE.call(DUMP, ENV, connects=True)
    assert call.argv == [
        "docker", "exec", "--user", "1000:1000", "--env", "LC_ALL", "--env", "LOCKTENDER_LOCK", "--env", "PGPASSWORD",
        "c0ffee", "pg_dump", "--file=/backups/app/1.partial/archive", "--dbname=x",
    ]  # fmt: skip
    assert call.env == {**ENV, "LOCKTENDER_LOCK": "/srv/backups/app/.locktender/x"}
    assert call.ending == docker.end_marked("c0ffee", "/srv/backups/app/.locktender/x", user="1000:1000")
    assert INSIDE.call(DUMP, ENV, connects=False).env != call.env


def test_only_paths_below_the_directory_are_moved() -> None:
    words = ["/b", "/b/x", "/bb", "--file=/b/x", "--dbname=host='/b'", "--verbose", "-o=/b/x"]
    assert relocated(words, "/b", "/in") == [
        "/in", "/in/x", "/bb", "--file=/in/x", "--dbname=host='/b'", "--verbose", "-o=/b/x",
    ]  # fmt: skip


def test_where_the_database_is_seen_from() -> None:
    assert Installed().seen(target("db")) == target("db")
    at = Installed(("10.1.0.2", 5432)).seen(target("db", 5439))
    assert client.connection_string(at) == "host='db' port='5432' user='app' dbname='shop' hostaddr='10.1.0.2'"
    assert SIDECAR.seen(target("127.0.0.1", 5433)).port == 5432
    assert SIDECAR.seen(target("db")).hostaddr == INSIDE.seen(target("db")).hostaddr == "127.0.0.1"


def test_a_container_is_read() -> None:
    assert CONTAINER.names == {"app-db-1", "db", "postgres", "store"}
    assert CONTAINER.addresses == ("10.1.0.2", "fd00::2")
    assert CONTAINER.published == {5433: 5432}
    assert (CONTAINER.id, CONTAINER.image, CONTAINER.image_name) == ("c0ffee", "sha256:1ab", "postgres:15")


def test_which_port_of_a_container_a_url_leads_to() -> None:
    assert CONTAINER.port_for(target("db", 5439)) == 5439
    assert CONTAINER.port_for(target("10.1.0.2")) == 5432
    assert CONTAINER.port_for(target("127.0.0.1", 5433)) == 5432
    assert CONTAINER.port_for(target("127.0.0.1", 5432)) is None
    assert CONTAINER.port_for(target("elsewhere.example.com")) is None
    assert changed(HostConfig={"NetworkMode": "host"}).port_for(target("127.0.0.1", 5432)) == 5432


def test_what_a_path_is_called_inside() -> None:
    assert CONTAINER.outside("/var/lib/pg/data") == "/var/lib/docker/volumes/d/_data/data"
    assert CONTAINER.outside("/backups") == "/srv/backups"
    assert CONTAINER.outside("/var/lib/pg2") is None
    assert CONTAINER.inside("/srv/backups") == "/backups"
    assert CONTAINER.inside("/srv/backups/app") == "/backups/app"
    assert CONTAINER.inside("/srv/backups/old/app") is None
    assert CONTAINER.inside("/srv/backups2") is None
    assert CONTAINER.inside("/srv") is None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "/run/postgresql"])
def test_for_an_ordinary_address_docker_is_not_asked(host: str) -> None:
    assert is_ordinary(host)
    assert seen_from_host(NoDocker(), APP, target(host, 5433)) == (host, 5433)


class NoDocker(LocalHost):
    def run(self, *arguments: object, **options: object) -> Completed:
        raise AssertionError(arguments, options)


SAID: Mapping[str, tuple[str, type[LocktenderError], str]] = {
    "no Compose": (
        "docker: 'compose' is not a docker command.\nSee 'docker --help'",
        DockerUnusable,
        "docker-compose-plugin",
    ),
    "no Compose, newer": ("docker: unknown command: docker compose\n\nRun 'docker --help'", DockerUnusable, "plugin"),
    "no Compose, older": ("unknown flag: --project-directory\nSee 'docker --help'.", DockerUnusable, "plugin"),
    "no right": (
        "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get …",
        DockerUnusable,
        "usermod -aG docker",
    ),
    "no right, newer": (
        "permission denied while trying to connect to the docker API at unix:///var/run/docker.sock",
        DockerUnusable,
        "usermod -aG docker",
    ),
    "no daemon": (
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        DockerUnreachable,
        "systemctl start docker",
    ),
    "no daemon, newer": (
        "failed to connect to the docker API at unix:///var/run/docker.sock; check if the path is correct",
        DockerUnreachable,
        "systemctl start docker",
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_what_docker_lacks_is_told_with_what_to_do(case: str) -> None:
    said, kind, hint = SAID[case]
    error = trouble(Completed(("docker", "compose"), 1, "", said))
    assert type(error) is kind
    assert hint in str(error.hint)


def test_other_failures_of_docker_are_told_as_they_are() -> None:
    refused = Completed(("docker", "run", "x"), 125, "", "docker: Error response from daemon: no space.\nSee help")
    assert is_dockers_own(refused)
    assert trouble(refused).message == "docker run failed: docker: Error response from daemon: no space."
    assert is_dockers_own(Completed(("docker", "exec"), 1, "", "Error response from daemon: it is not running"))
    assert not is_dockers_own(Completed(("docker", "run"), 1, "", "pg_dump: error: permission denied for table t"))


def test_docker_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DockerUnusable, match="docker cannot be run: No such file") as caught:
        ask(LocalHost(), ["docker", "version"])
    assert caught.value.exit_code == 2
    assert "docs.docker.com" in str(caught.value.hint)
    assert type(trouble(Completed(("docker",), 127, "", "sh: 1: docker: not found"))) is DockerUnusable


@pytest.fixture
def fake_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ``docker`` that answers with files of this directory, called as the words that tell the command."""
    directory = tmp_path / "docker"
    directory.mkdir()
    program = directory / "docker"
    program.write_text(
        f'#!/bin/sh\ncd {directory}\ncase "$1" in compose) shift 5;; esac\n'
        'cat "$1" 2>/dev/null || { echo "no such service: db" >&2; exit 1; }\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(directory), prepend=os.pathsep)
    return directory


def test_the_name_of_a_service_becomes_its_address(fake_docker: Path) -> None:
    (fake_docker / "ps").write_text("c0ffee\nfeed\n")
    once = {**INSPECTED, "Config": {"Image": "i", "Labels": {"com.docker.compose.oneoff": "True"}}}
    (fake_docker / "inspect").write_text(json.dumps([INSPECTED, once]))
    host = LocalHost()
    assert seen_from_host(host, APP, target("db")) == ("10.1.0.2", 5432)
    assert seen_from_host(host, APP, target("postgres", 5439)) == ("10.1.0.2", 5439)
    assert seen_from_host(host, APP, target("db.example.com")) == ("db.example.com", 5432)
    assert seen_from_host(host, App("/srv/app", ("web",)), target("db")) == ("db", 5432)
    assert seen_from_host(host, None, target("db")) == ("db", 5432)


@pytest.mark.parametrize(
    ("inspected", "message", "code"),
    [
        ([], "has not been created", "database_unreachable"),
        ([{**INSPECTED, "State": {"Status": "exited"}}], "'db' is exited", "database_unreachable"),
        ([INSPECTED, INSPECTED], "has 2 containers", "configuration"),
        ([{**INSPECTED, "NetworkSettings": {"Networks": {}}}], "has no address", "configuration"),
    ],
)
def test_a_container_that_cannot_be_connected_to(
    fake_docker: Path, inspected: list[object], message: str, code: str
) -> None:
    (fake_docker / "ps").write_text("c0ffee\n" if inspected else "")
    (fake_docker / "inspect").write_text(json.dumps(inspected))
    host_name = "app-db-1" if "no address" in message else "db"
    with pytest.raises(LocktenderError, match=message) as caught:
        seen_from_host(LocalHost(), APP, target(host_name))
    assert caught.value.code == code
    if code == "database_unreachable":
        assert str(caught.value.hint).endswith("--file /srv/app/compose.yaml up --detach db")


def test_a_service_that_is_not_in_the_project(fake_docker: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such service: db") as caught:
        seen_from_host(LocalHost(), APP, target("db"))
    assert "database_service under [app]" in str(caught.value.hint)


def test_docker_needs_to_be_told_the_service(context_of: Callable[..., Context]) -> None:
    for place in ("sidecar", "container"):
        with pytest.raises(ConfigurationError, match="needs to know which service"):
            find(context_of(Secret("postgresql://u@db/d"), client=place), 150000)


def test_tools_in_docker_of_a_database_elsewhere_are_refused(
    fake_docker: Path, context_of: Callable[..., Context]
) -> None:
    (fake_docker / "ps").write_text("c0ffee\n")
    (fake_docker / "inspect").write_text(json.dumps([INSPECTED]))
    context = context_of(Secret("postgresql://u@db.example.com/d"), client="sidecar", app=APP)
    with pytest.raises(ConfigurationError, match=r"db\.example\.com:5432, and that is not .* publishes port 5433"):
        find(context, 150000)


def test_a_backup_directory_that_the_container_does_not_have(
    fake_docker: Path, context_of: Callable[..., Context]
) -> None:
    (fake_docker / "ps").write_text("c0ffee\n")
    (fake_docker / "info").write_text("[]\n")
    (fake_docker / "inspect").write_text(json.dumps([INSPECTED]))
    context = context_of(Secret("postgresql://u@db/d"), client="container", app=APP)
    with pytest.raises(UsageError, match="is not mounted there") as caught:
        find(context, 150000)
    assert "sidecar" in str(caught.value.hint)
    (fake_docker / "info").write_text('["name=seccomp,profile=default","name=userns"]\n')
    with pytest.raises(DockerUnusable, match="userns-remap"):
        find(context, 150000)


def test_what_is_marked_is_asked_to_end_even_if_it_is_stopped_and_all_else_is_spared() -> None:
    """The script that is run inside a container, run here: it needs nothing but a shell, tr and grep."""
    mark = f"/tmp/{os.getpid()}.lock"
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    processes = [
        subprocess.Popen(sleep, env={**os.environ, docker.LOCK_VARIABLE: value})
        for value in (mark, f"{mark}#1", f"{mark}/other")
    ]
    try:
        processes[0].send_signal(signal.SIGSTOP)
        words = docker.end_marked("c", mark, user="0:0")
        ran = subprocess.run(words[words.index("sh") :], check=True, timeout=60, capture_output=True)
        assert processes[0].wait(10) == -signal.SIGTERM
        assert (ran.stdout, ran.stderr) == (b"", b"")
        assert [process.poll() for process in processes[1:]] == [None, None]
    finally:
        for process in processes:
            process.kill()
            process.wait()


DEAF = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); sys.stdin.read()"


def test_what_does_not_end_is_named_and_not_killed() -> None:
    mark = f"/tmp/{os.getpid()}.deaf"
    words = docker.end_marked("c", mark, user="0:0")
    words = [word.replace(" 2 3 4 5 6 7 8 9 10", "") for word in words[words.index("sh") :]]
    env = {**os.environ, docker.LOCK_VARIABLE: mark}
    with subprocess.Popen([sys.executable, "-c", DEAF], env=env, stdin=-1, stdout=-1) as process:
        assert process.stdout is not None
        process.stdout.readline()
        ran = subprocess.run(words, timeout=120, capture_output=True, text=True)
        assert (ran.returncode, ran.stderr) == (1, f"error: still running: {process.pid}\n")
        assert process.poll() is None
        process.kill()


def test_a_command_that_docker_cannot_run_at_all_is_no_success(fake_docker: Path) -> None:
    with pytest.raises(CommandFailed, match="docker rm failed"):
        ask(LocalHost(), docker.remove(["x"]))
