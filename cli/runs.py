"""How a deploy, an apply or a rollback is shown, whether it went well or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from cli.output import Answer
from cli.tables import frameless
from operations.errors import ExitCode, LocktenderError
from operations.measures import counted

if TYPE_CHECKING:
    from rich.console import RenderableType

    from operations.outcome import DeployResult

HEADLINES = {
    "planned": "Planned; nothing was changed.",
    "deployed": "Deployed.",
    "nothing_to_do": "Nothing to do: every migration of the folder is applied.",
    "rolled_back": "Rolled back.",
    "needs_attention": "Stopped.",
}
UNTRIED_SHOWN = 10
METHODS = {
    "transaction": "the transaction undid everything",
    "down": "undone by its own way down, and proved equal to before",
    "swap": "the backup from before was restored beside it and swapped in",
}


def answered(run: Callable[[], DeployResult]) -> Answer:
    """Run it; a failure that has a result shows both."""
    try:
        result = run()
    except LocktenderError as error:
        failed: DeployResult | None = error.details.pop("result", None)
        return Answer(failed, lambda: view(failed) if failed else (), error.exit_code, error)
    refused = result.outcome == "planned" and result.preflight.refused
    return Answer(result, lambda: view(result), ExitCode.NO if refused else ExitCode.DONE)


def view(result: DeployResult) -> Iterator[RenderableType | str]:
    """What came of it, its steps, what to know besides."""
    headline = HEADLINES[result.outcome]
    yield f"{headline} Run {result.run_id}." if result.steps else headline
    if result.rollback:
        yield f"  way back: {METHODS[result.rollback.method]}" + (
            "" if result.rollback.lossless else " (with data loss)"
        )
        if result.rollback.kept_database:
            yield f"  kept beside it: database {result.rollback.kept_database}"
        yield from (f"  stays: {one}" for one in result.rollback.stays)
    if result.backup_id:
        yield f"  backup: {result.backup_id}"
    if result.plan and result.plan.release and result.plan.release.commit:
        yield f"  version: {result.plan.release.commit[:12]} ({result.plan.release.ref})"
    if result.downtime_seconds:
        yield f"  the application was out for {result.downtime_seconds:.1f} s"
    if result.outcome == "planned" and result.plan:
        yield from _plan(result)
    for name in result.applied:
        yield f"  applied: {name}"
    if result.steps:
        yield _steps(result)
    if result.outcome == "planned":
        yield from _preflight(result)
    yield from (f"  blocks: {blocker}" for blocker in result.blockers)
    yield from (f"  note: {note}" for note in result.notes)


def _plan(result: DeployResult) -> Iterator[RenderableType | str]:
    from rich.text import Text

    assert result.plan  # noqa: S101 - asked by the caller
    several = f"several transactions: {result.plan.verdict}"
    whole = "one transaction: all of it happens, or nothing" if result.plan.atomic else several
    yield f"  {counted(len(result.plan.migrations), 'migration')} in {whole}; plan {result.plan.digest[:12]}"
    table = frameless(("  migration", "atomic", "because", "way back"))
    for one in result.plan.migrations:
        atomic = Text("yes", style="green") if one.atomic else Text("no", style="yellow")
        way = "down.sql" if one.down else "inverse or backup"
        table.add_row(Text(f"  {one.name}"), atomic, Text(one.reason), Text(way))
    yield table
    for number, step in enumerate(result.plan.steps, 1):
        yield f"  {number}. {step.name}: {step.what}"
        yield from (f"       $ {typed}" for typed in step.commands)


def _preflight(result: DeployResult) -> Iterator[str]:
    found = result.preflight
    for failing in found.failing:
        yield f"  would fail: {failing}"
        yield f"       {failing.query}"
    if found.passed:
        yield f"  existing rows: {counted(found.passed, 'demand')} of the migrations tried, and met"
    yield from (f"  not tried on existing rows: {one}" for one in found.untried[:UNTRIED_SHOWN])
    if len(found.untried) > UNTRIED_SHOWN:
        yield f"  not tried on existing rows: {len(found.untried) - UNTRIED_SHOWN} more (--json has them all)"
    if found.untried:
        yield "       rehearse tries all of it on a restored copy"


def _steps(result: DeployResult) -> RenderableType:
    from rich.text import Text

    table = frameless(("  step", "status"), ("seconds",))
    for step in result.steps:
        style = {"done": "green", "failed": "red"}.get(str(step.status), "")
        table.add_row(Text(f"  {step.name}"), Text(str(step.status), style=style), Text(f"{step.seconds:.2f}"))
    return table
