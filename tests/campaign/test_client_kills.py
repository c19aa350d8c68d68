"""SIGKILL of the whole client process, at moments spread over its run and at every line of its journal."""

from __future__ import annotations

import random

import pytest

from ..conftest import Server
from .conftest import TrialOf
from .kills import after_line, after_seconds
from .results import Finding, save
from .scale import count, crossed, spread, thinned
from .scenarios import SCENARIOS, Scenario

MOMENTS = 12
"""Per scenario and server: with 11 scenarios on two servers 264 kills, besides those at the journal's lines."""
pytestmark = [pytest.mark.campaign, pytest.mark.timeout(3600)]


@pytest.mark.parametrize(("scenario", "durable"), crossed(SCENARIOS, (15, 18)), indirect=["durable"], ids=str)
def test_a_killed_client_leaves_the_old_or_the_new_state(
    durable: Server, trial_of: TrialOf, scenario: Scenario
) -> None:
    trial = trial_of(scenario, durable)
    seconds = trial.references.seconds
    chance = random.Random(f"{scenario.name} {durable.major}")
    found = Finding("client killed", scenario.name, f"PostgreSQL {durable.major}")
    found.figures["seconds undisturbed"] = round(seconds, 2)
    moments = count(MOMENTS)
    for number in range(moments):
        share = (number + chance.random()) / moments
        settle_by = "deploy" if scenario.verb == ("deploy",) and number % 2 else "backup"
        found.add(trial.kill_client(after_seconds(share * seconds), settle_by))
    save(found)


@pytest.mark.parametrize("scenario", thinned(SCENARIOS), ids=lambda scenario: scenario.name)
def test_a_client_killed_at_a_journal_line_leaves_the_old_or_the_new_state(
    durable18: Server, trial_of: TrialOf, scenario: Scenario
) -> None:
    trial = trial_of(scenario, durable18)
    found = Finding("client killed at a journal line", scenario.name, f"PostgreSQL {durable18.major}")
    for line in spread(trial.references.lines):
        found.add(trial.kill_client(after_line(line + 1), "backup"))
    save(found)
