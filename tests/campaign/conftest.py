"""Servers of the campaign, one of each version per worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..conftest import Server
from .ground import campaign_server


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
