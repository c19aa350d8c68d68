"""Whole runs against a GitHub that answers anything at any time: the exit code is right, and nothing is there twice."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from operations.adapters.throwaway import embedded_binaries

from ..campaign.scale import count
from ..conftest import Server
from .conftest import NEXT, Project
from .faults import PATIENCE, any_fault
from .test_operations import CONFIGURATION, Production
from .test_pull_request import ADDS, FAILS

pytestmark = pytest.mark.campaign


@pytest.mark.parametrize("seed", range(count(80)))
def test_a_verdict_does_not_depend_on_what_github_answers(seed: int, project: Project, shadow: str) -> None:
    dice = random.Random(seed)
    sql, expected = dice.choice(((ADDS, 0), (FAILS, 1)))
    proposal = project.proposed({NEXT: sql})
    state = project.github.state
    state.faults += [any_fault(dice) for _ in range(dice.randint(1, 8))]
    for _ in range(2):
        ran = proposal.run({"database-url": shadow}, depth=0, LOCKTENDER_GITHUB_TIMEOUT=str(PATIENCE))
        assert ran.exit_code == expected, ran.said
        assert ran.outputs["outcome"] == ("failed" if expected else "passed")
        assert ran.summary
    assert len(state.comments) <= 1
    assert len(state.check_runs) <= 2  # one for each attempt
    for run in state.check_runs.values():
        places = [(one["path"], one["start_line"], one["title"]) for one in run["annotations"]]
        assert len(places) == len(set(places))


@pytest.mark.parametrize("seed", range(count(40)))
def test_a_deploy_does_not_depend_on_what_github_answers(
    seed: int, project: Project, server18: Server, tmp_path: Path
) -> None:
    dice = random.Random(seed)
    production = Production(project, server18.url(server18.create()).reveal(), tmp_path)
    production.push({"locktender.toml": CONFIGURATION.format(backups=tmp_path / "b", binaries=embedded_binaries())})
    state = project.github.state
    state.faults += [any_fault(dice) for _ in range(dice.randint(1, 8))]
    ran = production.run("deploy", LOCKTENDER_GITHUB_TIMEOUT=str(PATIENCE))
    assert (ran.exit_code, ran.outputs["outcome"]) == (0, "deployed"), ran.said
    assert len(state.deployments) <= 1
    for said in production.states():
        assert len(said) == len(set(said))
