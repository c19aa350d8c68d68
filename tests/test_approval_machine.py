"""A slice of the state machine: no effect without a valid approval, whatever happens in whatever order."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from .approval_machine import Machine
from .conftest import Server
from .ledgers import opened

SLICE = settings(
    max_examples=20,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_nothing_happens_without_a_valid_approval(server18: Server) -> None:
    with opened(server18.url(server18.create())) as ledger:

        class Here(Machine):
            pass

        Here.ledger = ledger
        run_state_machine_as_test(Here, settings=SLICE)
        assert Here.steps > 100
        assert Here.effects >= 3
