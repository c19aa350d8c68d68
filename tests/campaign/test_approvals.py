"""Approvals in large numbers: the state machine, and a worker killed at every line of a restore's journal."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from operations.approvals.model import State
from operations.context import Context

from ..approval_machine import Machine
from ..conftest import Server
from ..ledgers import opened
from ..test_worker_kills import shop
from ..worker_kills import Case, Moment, running
from .scale import count, scale, spread

pytestmark = pytest.mark.campaign
STEPS = 50
EXAMPLES = 260
"""Of each 40 and more steps."""
LINES = 5
SECONDS = (0.1, 0.3, 0.6, 1.0, 1.5)
"""After the restore has begun: between the lines of its journal, too."""


@pytest.mark.timeout(7200)
def test_nothing_happens_without_a_valid_approval(server18: Server) -> None:
    wanted = settings(
        max_examples=count(EXAMPLES),
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    with opened(server18.url(server18.create())) as ledger:

        class Here(Machine):
            pass

        Here.ledger = ledger
        run_state_machine_as_test(Here, settings=wanted)
    print(f"{Here.steps} steps, {Here.effects} effects")
    assert Here.steps >= count(10_000)
    if scale() >= 1:  # few steps may have none
        assert Here.effects >= 50, "it must come to effects, or nothing is shown"


def after(seconds: float) -> Moment:
    began: list[float] = []

    def come(case: Case) -> bool:
        if not began and case.state() != State.APPROVED:
            began.append(time.monotonic())
        return bool(began) and time.monotonic() >= began[0] + seconds

    return come


def behind(lines: int) -> Moment:
    return lambda case: len(case.journal_lines()) >= lines


@pytest.mark.timeout(3600)
def test_a_worker_killed_at_any_step_of_a_restore_never_leads_to_two(
    server18: Server, context_of: Callable[..., Context], tmp_path: Path
) -> None:
    moments = {"before it begins": lambda _: True, "as it begins": running}
    moments |= {f"line {number}": behind(number) for number in range(1, LINES + 1)}
    moments |= {f"{seconds} s": after(seconds) for seconds in SECONDS}
    sample = {list(moments)[index] for index in spread(len(moments))} | {f"line {LINES - 2}"}
    chosen = [name for name in moments if name in sample]
    ended = {}
    for number, name in enumerate(chosen):
        url = server18.url(server18.create())
        with opened(url) as ledger:
            context = shop(server18, context_of, name=f"e{number}", backup_dir=str(tmp_path / f"backups {number}"))
            case = Case.prepare(context, ledger, url)
            killed = case.kill(moments[name])
            ended[name] = (killed, case.judge())
    print(ended)
    assert any(state == State.NEEDS_ATTENTION for _, state in ended.values())
