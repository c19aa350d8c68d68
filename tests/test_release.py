"""The application's version: what is read from Docker, what that means, and what will be typed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from operations.commands import compose, git
from operations.release.model import (
    ContainerState,
    PlannedRelease,
    Service,
    Version,
    built_here,
    condition,
    containers,
    version,
    waves,
)
from operations.release.planning import app_steps, checked, prepared
from operations.release.watching import Outages
from operations.settings import App

APP = App(directory="/srv/app", services=("web", "worker"), database_service="db")
BASE = ["docker", "compose", "--project-directory", "/srv/app", "--file", "/srv/app/compose.yaml"]


def state(service: str = "web", status: str = "running", health: str | None = None, **more: Any) -> ContainerState:
    values = {"image": f"app-{service}", "image_id": "sha256:1", "exit_code": 0, "restarts": 0} | more
    return ContainerState(service=service, status=status, health=health, **values)


def inspected(service: str, status: str, health: str | None = None, one_off: bool = False) -> dict[str, Any]:
    labels = {"com.docker.compose.service": service, "com.docker.compose.oneoff": str(one_off)}
    return {
        "Image": f"sha256:{service}",
        "RestartCount": 2,
        "Config": {"Image": f"app-{service}:latest", "Labels": labels},
        "State": {"Status": status, "ExitCode": 3, **({"Health": {"Status": health}} if health else {})},
    }


def test_containers_are_read_as_docker_tells_of_them_without_one_offs() -> None:
    told = json.dumps([inspected("web", "running", "healthy"), inspected("web", "exited", one_off=True)])
    assert containers(told) == (ContainerState("web", "app-web:latest", "sha256:web", "running", "healthy", 3, 2),)


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
    assert built_here(config, ("web", "worker")) == (("web",), ("worker",))
    with pytest.raises(KeyError, match="mail"):
        built_here(config, ("web", "mail"))


def test_what_is_typed_for_compose() -> None:
    assert compose.config(APP) == [*BASE, "config", "--format", "json"]
    assert compose.container_ids(APP, ["db"]) == [*BASE, "ps", "--quiet", "db"]
    assert compose.container_ids(APP, ["web"], all=True) == [*BASE, "ps", "--quiet", "--all", "web"]
    assert compose.build(APP, ["web"]) == [*BASE, "--progress", "plain", "build", "web"]
    assert compose.stop(APP, ["web", "worker"]) == [*BASE, "stop", "--timeout", "30", "web", "worker"]
    assert compose.up(APP, ["web"]) == [*BASE, "up", "--detach", "--no-build", "--no-deps", "--timeout", "30", "web"]
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
    assert prepared(APP, release)[0].endswith("checkout --quiet --detach c0ffee")
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
