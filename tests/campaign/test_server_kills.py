"""The server dies under a run: as if by power loss, and by SIGKILL of the backend that works for us."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from operations.errors import LocktenderError

from ..conftest import Server
from ..locktender_process import finish
from .conftest import TrialOf
from .ground import OURS
from .kills import after_seconds, ended_as_promised, person_follows
from .results import Finding, save
from .scale import count, crossed
from .scenarios import SCENARIOS, Scenario

MOMENTS = 2
"""Per scenario, server and manner: 88 in all."""
pytestmark = [pytest.mark.campaign, pytest.mark.timeout(3600)]


def power_loss(server: Server) -> None:
    """Everything stops at once; the machine is back a moment later."""
    server.process.crash()
    server.process.launch()


def dead_backend(server: Server) -> None:
    """The postmaster answers the death of one backend by ending all others and recovering."""
    with server.superuser().session() as session:
        found = session.rows(f"SELECT pid FROM pg_stat_activity WHERE {OURS} ORDER BY state = 'active' DESC LIMIT 1")
        if not found:
            return
        with suppress(ProcessLookupError):  # it may have ended by itself meanwhile
            os.kill(found[0][0], signal.SIGKILL)
    deadline = time.monotonic() + 60
    while True:
        try:
            with server.superuser().session() as session:
                session.rows("SELECT 1")
        except LocktenderError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


@pytest.mark.parametrize("strike", [power_loss, dead_backend], ids=lambda strike: strike.__name__)
@pytest.mark.parametrize(("scenario", "durable"), crossed(SCENARIOS, (15, 18)), indirect=["durable"], ids=str)
def test_a_killed_server_leaves_the_old_or_the_new_state(
    durable: Server, trial_of: TrialOf, scenario: Scenario, strike: Callable[[Server], None]
) -> None:
    trial = trial_of(scenario, durable)
    stage = trial.stage
    chance = random.Random(f"{scenario.name} {durable.major} {strike.__name__}")
    found = Finding(f"server killed ({strike.__name__})", scenario.name, f"PostgreSQL {durable.major}")
    moments = count(MOMENTS)
    for number in range(moments):
        stage.reset()
        process = stage.start()
        share = (number + chance.random()) / moments
        after_seconds(share * trial.references.seconds)(stage, lambda p=process: p.poll() is not None)  # type: ignore[misc]
        strike(durable)
        ran = finish(process)
        ended_as_promised(trial, ran)
        told = scenario.verb == ("deploy",) and ran.exit_code == 4 and "rollback --run" in ran.error["hint"]
        stood = person_follows(trial, ran) if told else trial.judge("backup", counts_lost=True)
        found.add(f"exit {ran.exit_code}, {stood}")
    save(found)
