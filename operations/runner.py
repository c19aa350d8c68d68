"""The one loop over a plan's steps: journal, perform, journal; the first failure ends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from msgspec import Struct

from operations.context import Context
from operations.journal import Journal
from operations.plan import Plan
from operations.ports import Progress

Performer = Callable[[], None]


class StepResult(Struct, frozen=True):
    """How a step ended, and the seconds it took."""

    name: str
    status: Literal["done", "failed", "skipped"]
    seconds: float


class StepFailed(Exception):
    """A step's error, with the results up to and including it; never leaves the use case that runs the plan."""

    def __init__(self, results: tuple[StepResult, ...], error: BaseException) -> None:
        super().__init__(str(error))
        self.results = results
        self.error = error


def run(context: Context, journal: Journal, plan: Plan, perform: Mapping[str, Performer]) -> tuple[StepResult, ...]:
    """Perform every step of the plan in order. Raises ``StepFailed`` at the first one that does not succeed."""
    results: list[StepResult] = []
    for number, step in enumerate(plan.steps):
        began = context.clock.now()
        try:
            context.report(Progress(step.what, number, len(plan.steps), "steps"))
            journal.note("step_started", name=step.name)
            perform[step.name]()
            journal.note("step_finished", name=step.name)
        except BaseException as error:  # also Ctrl-C: what was begun must be put back
            results.append(StepResult(step.name, "failed", _seconds(context, began)))
            results += [StepResult(later.name, "skipped", 0.0) for later in plan.steps[number + 1 :]]
            raise StepFailed(tuple(results), error) from error
        results.append(StepResult(step.name, "done", _seconds(context, began)))
    return tuple(results)


def _seconds(context: Context, began: float) -> float:
    return round(context.clock.now() - began, 3)
