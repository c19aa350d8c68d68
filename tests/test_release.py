"""The application's version: what is read from Docker, what that means, and what will be typed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from operations.adapters.local_host import LocalHost
from operations.commands import compose, git
from operations.errors import CommandFailed, ConfigurationError, DiskFull, LocktenderError, NotFound
from operations.git import trouble
from operations.ports import Completed
from operations.release.machine import Machine
from operations.release.model import (
    ContainerState,
    PlannedRelease,
    Service,
    Version,
    condition,
    containers,
    sources,
    version,
    waves,
)
from operations.release.planning import app_steps, checked, prepared
from operations.release.release import every
from operations.release.watching import Outages
from operations.settings import App

APP = App(directory="/srv/app", services=("web", "worker"), database_service="db")
UP = ["--no-deps", "--pull", "never"]
BASE = ["docker", "compose", "--project-directory", "/srv/app", "--file", "/srv/app/compose.yaml"]


def state(service: str = "web", status: str = "running", health: str | None = None, **more: Any) -> ContainerState:
    values = {
        "id": f"{service}-1",
        "image": f"app-{service}",
        "image_id": "sha256:1",
        "exit_code": 0,
        "restarts": 0,
    } | more
    return ContainerState(service=service, status=status, health=health, **values)


def inspected(service: str, status: str, health: str | None = None, one_off: bool = False) -> dict[str, Any]:
    labels = {"com.docker.compose.service": service, "com.docker.compose.oneoff": str(one_off)}
    return {
        "Id": f"{service}-1",
        "Image": f"sha256:{service}",
        "RestartCount": 2,
        "Config": {"Image": f"app-{service}:latest", "Labels": labels},
        "State": {"Status": status, "ExitCode": 3, **({"Health": {"Status": health}} if health else {})},
    }


def test_containers_are_read_as_docker_tells_of_them_without_one_offs() -> None:
    told = json.dumps([inspected("web", "running", "healthy"), inspected("web", "exited", one_off=True)])
    assert containers(told) == (
        ContainerState("web-1", "web", "app-web:latest", "sha256:web", "running", "healthy", 3, 2),
    )


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([state(), state("worker", health="healthy")], ("well", "all containers are up")),
        ([state()], ("waiting", "worker has no container")),
        ([state(health="starting"), state("worker")], ("waiting", "web is starting")),
        ([state(status="restarting"), state("worker")], ("waiting", "web is restarting")),
        ([state(status="exited", exit_code=7), state("worker")], ("failed", "web ended with exit code 7")),
        (
            [state(health="unhealthy"), state("worker")],
            ("failed", "web is unhealthy, as its own health check says"),
        ),
    ],
)
def test_the_condition_of_an_application(states: list[ContainerState], expected: tuple[str, str]) -> None:
    assert condition(states, APP.services) == expected


def test_a_version_is_one_line_for_each_service_and_survives_the_journal() -> None:
    states = [state(status="exited", image_id="sha256:old"), state(image_id="sha256:new"), state("worker", "exited")]
    found = version("here", "c0ffee", states)
    assert found.services == (
        Service("web", "app-web", "sha256:new", running=True),
        Service("worker", "app-worker", "sha256:1", running=False),
    )
    assert Version.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_waves_keep_the_order() -> None:
    assert waves(("a", "b", "c"), 2) == (("a", "b"), ("c",))


def test_services_are_built_or_fetched_and_a_missing_one_is_named() -> None:
    config = json.dumps({"services": {"web": {"build": {"context": "."}}, "worker": {"image": "x"}}})
    assert sources(config, ("web", "worker")) == (("web",), ("worker",))
    with pytest.raises(KeyError, match="mail"):
        sources(config, ("web", "mail"))


def test_what_is_typed_for_compose() -> None:
    assert compose.config(APP) == [*BASE, "config", "--format", "json"]
    assert compose.container_ids(APP, ["db"]) == [*BASE, "ps", "--quiet", "db"]
    assert compose.container_ids(APP, ["web"], all=True) == [*BASE, "ps", "--quiet", "--all", "web"]
    assert compose.build(APP, ["web"]) == [*BASE, "--progress", "plain", "build", "web"]
    assert compose.stop(APP, ["web", "worker"]) == [*BASE, "stop", "--timeout", "30", "web", "worker"]
    assert compose.up(APP, ["web"]) == [*BASE, "up", "--detach", "--no-build", *UP, "--timeout", "30", "web"]
    assert compose.up_database(APP, "db") == [
        *[*BASE, "up", "--detach", "--no-recreate", "--wait", "--wait-timeout", "120", "db"]
    ]


@pytest.mark.parametrize("ref", ["main", "v1.2.3", "feature/a-b", "a" * 40, "release_2", "fix@home"])
def test_names_of_versions(ref: str) -> None:
    assert git.REF.fullmatch(ref)


@pytest.mark.parametrize(
    "ref", ["--upload-pack=x", "-x", "a..b", "a b", "a:b", "a^", "a~1", "a@{1}", "", "/a", "a//b", "a.lock", "a\n"]
)
def test_names_that_could_be_options_or_expressions_are_none(ref: str) -> None:
    assert not git.REF.fullmatch(ref)


def test_the_steps_say_what_is_typed() -> None:
    release = PlannedRelease("main", "c0ffee", APP.services, ("a", "b", "c"), wave=2)
    steps = app_steps(APP, release, stopped=True)
    assert list(steps) == ["build", "stop", "start_database", "start"]
    assert steps["start"].what == "start the new web, worker on a, b, c, 2 at a time"
    assert steps["stop"].commands == (
        "docker compose --project-directory /srv/app --file /srv/app/compose.yaml stop --timeout 30 web worker",
    )
    assert "stop" not in app_steps(APP, release, stopped=False)
    fetch, checkout, _ = prepared(APP, release)
    assert fetch.startswith("git -C /srv/app fetch --quiet --no-tags origin +main:refs/locktender/")
    assert checkout.endswith("checkout --quiet --detach c0ffee")
    assert len(prepared(APP, PlannedRelease(None, None, APP.services, ("a",), 1))) == 1
    assert checked(APP) == "all containers are well for 5 s"


def test_an_outage_lasts_from_the_last_answer_to_the_next_one() -> None:
    outages = Outages()
    outages.saw(False, 0.0, 1.0)  # never seen well: not out, but not yet there
    assert outages.until(1.0) == 0.0
    outages.saw(True, 1.0, 1.1)
    outages.saw(False, 2.0, 4.0)
    assert outages.until(5.0) == 4.0
    outages.saw(False, 5.0, 6.0)
    outages.saw(True, 6.0, 6.5)
    assert outages.until(9.0) == 5.5
    outages.saw(False, 10.0, 10.1)
    outages.saw(True, 11.0, 11.5)
    assert outages.until(20.0) == 5.5 + 5.5


def test_a_service_may_run_the_image_that_another_one_builds() -> None:
    config = {"web": {"build": {"context": "."}, "image": "shop"}, "worker": {"image": "shop"}, "cache": {"image": "x"}}
    told = json.dumps({"services": config})
    assert sources(told, ("worker", "cache")) == (("web",), ("cache",))
    assert sources(told, ("web", "worker")) == (("web",), ())


def test_what_nobody_has_stopped_runs_be_it_well_or_not() -> None:
    found = version("", None, [state(status="restarting"), state("worker", "exited")])
    assert (found.running, found.present) == (("web",), ("web", "worker"))


def test_only_what_ran_before_must_be_well_again() -> None:
    app = App(directory="/srv/app", services=("web", "worker"), health_url="http://localhost/health")
    machine = Machine("here", LocalHost(), app)
    both = (Service("web", "app", "sha256:1", running=True), Service("worker", "app", "sha256:1", running=True))
    assert machine.as_it_was(Version("", None, both)).app == app
    stopped = Version("", None, (both[0], replace(both[1], running=False)))
    assert machine.as_it_was(stopped).app == replace(app, services=("web",), health_url=None)


@pytest.mark.parametrize(
    ("told", "expected", "says"),
    [
        ("fatal: not a git repository (or any of the parent directories): .git", ConfigurationError, "git clone"),
        ("fatal: detected dubious ownership in repository at '/srv/app'", ConfigurationError, "safe.directory"),
        ("fatal: couldn't find remote ref nowhere", NotFound, "pushed"),
        ("fatal: Unable to create '/srv/app/.git/index.lock': File exists.", CommandFailed, "rm /srv/app/.git/index"),
        ("error: unable to write file x: No space left on device", DiskFull, "df -h"),
    ],
)
def test_what_git_complains_of_comes_with_the_next_thing_to_do(
    told: str, expected: type[LocktenderError], says: str
) -> None:
    error = trouble("app.example", Completed(tuple(git.fetch("/srv/app", "nowhere")), 128, "", told))
    assert type(error) is expected
    assert "app.example" in error.message
    assert says in (error.hint or "")


def test_two_who_fetch_at_the_same_time_keep_their_commits_apart() -> None:
    main, other = git.fetched("/srv/app", "main")[-1], git.fetched("/srv/app", "other")[-1]
    assert main != other
    assert git.fetch("/srv/app", "main")[-1] == "+main:" + main.removesuffix("^{commit}")


def test_all_are_done_although_one_fails_and_the_first_failure_is_told() -> None:
    done = []

    def action(number: int) -> None:
        done.append(number)
        if number != 2:
            raise CommandFailed(str(number))

    with pytest.raises(CommandFailed, match="1"):
        every([1, 2, 3], action)
    assert done == [1, 2, 3]
