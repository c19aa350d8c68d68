"""``locktender demo``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from cli.desk import Desk
from cli.options import verb
from cli.output import Answer
from cli.tables import frameless
from operations.errors import ExitCode

if TYPE_CHECKING:
    from rich.console import RenderableType

    from cli.demo.story import Step

EXAMPLE = """
locktender demo
locktender demo --json
"""


class DemoResult(Struct, frozen=True):
    """How the story went."""

    steps: tuple[Step, ...]
    commands: tuple[str, ...]
    seconds: float


@verb("demo", EXAMPLE)
def command(desk: Desk) -> Answer:
    """Show the main job as a story, on an embedded PostgreSQL and a copy of an example project.

    Deploys, backs up, lets a migration fail half-way, rolls back one that "succeeded", restores, undoes; after each
    step it looks at the database itself. Leaves nothing running. Exit 0: every step did what it should; 1: one did not.
    """
    from cli.demo.stage import stage
    from cli.demo.story import SCENES, play

    began = time.monotonic()
    with stage(voice_on_stderr=desk.options.json, color=desk.color) as set_up:
        set_up.say("A PostgreSQL of our own is running, with a copy of examples/shop; both are gone when this ends.")
        steps = play(set_up)
    result = DemoResult(steps, tuple(set_up.commands), time.monotonic() - began)
    good = len(steps) == len(SCENES) and all(step.ok for step in steps)
    return Answer(result, lambda: view(result, good), ExitCode.DONE if good else ExitCode.NO)


def view(result: DemoResult, good: bool) -> Iterator[RenderableType | str]:
    """The table at the end."""
    from rich.text import Text

    table = frameless(("", "step", "what happened", "the database now"), ("seconds",))
    for step in result.steps:
        mark = Text("✓", style="green") if step.ok else Text("✗", style="red")
        table.add_row(mark, step.step, step.what, str(step.state or ""), f"{step.seconds:.1f}")
    yield ""
    yield table
    yield ""
    yield f"{'Every step did what it should' if good else 'A step did not do what it should'}: {result.seconds:.0f} s."
