"""Servers of the campaign, one of each version per worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ..conftest import Server
from .ground import Ground, campaign_server
from .kills import Trial
from .scenarios import References, Scenario, Stage


@pytest.fixture(scope="session")
def durable15() -> Iterator[Server]:
    with campaign_server(15) as server:
        yield server


@pytest.fixture(scope="session")
def durable18() -> Iterator[Server]:
    with campaign_server(18) as server:
        yield server


@pytest.fixture(params=[15, 18], ids=["pg15", "pg18"])
def durable(request: pytest.FixtureRequest) -> Server:
    """Both servers, one after the other; what they committed survives their crash."""
    server: Server = request.getfixturevalue(f"durable{request.param}")
    return server


@pytest.fixture
def ground(durable: Server) -> Ground:
    """An empty live database on each server."""
    ground = Ground(durable)
    ground.reset()
    return ground


TrialOf = Callable[[Scenario, Server], Trial]


@pytest.fixture(scope="session")
def trial_of(tmp_path_factory: pytest.TempPathFactory) -> TrialOf:
    """A scenario set up on a server and measured, once per worker."""
    made: dict[tuple[str, int], Trial] = {}

    def make(scenario: Scenario, server: Server) -> Trial:
        key = (scenario.name, server.major)
        if key not in made:
            stage = Stage.build(scenario, server, tmp_path_factory.mktemp("stage"))
            made[key] = Trial(stage, References.measure(stage))
        return made[key]

    return make
