"""How a deploy, an apply or a rollback ended."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from operations.blockers import Blocker
from operations.plan import Plan
from operations.preflight.model import Foreseen
from operations.runner import StepResult
from operations.undoing import Rollback

Outcome = Literal["planned", "deployed", "nothing_to_do", "rolled_back", "needs_attention"]


class DeployResult(Struct, frozen=True):
    """How a deploy or apply ended. ``rollback`` says how the old state was brought back, where it had to be."""

    run_id: str
    outcome: Outcome
    applied: tuple[str, ...] = ()
    backup_id: str | None = None
    atomic: bool = True
    rollback: Rollback | None = None
    steps: tuple[StepResult, ...] = ()
    downtime_seconds: float = 0.0
    plan: Plan | None = None
    blockers: tuple[Blocker, ...] = ()
    preflight: Foreseen = field(default_factory=Foreseen)
    """What existing rows would have made fail, when the plan was made."""
    notes: tuple[str, ...] = ()
    undoes: tuple[str, ...] = ()
    """Of a planned rollback: the runs that it would undo, newest first."""
