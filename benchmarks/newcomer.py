"""How long a newcomer needs from a project with Prisma to a practised restore, as far as it is the program's time."""

from __future__ import annotations

import statistics

from operations.adapters.throwaway import embedded_binaries
from tests.action.openapi import DescriptionMissing, description
from tests.newcomer import Step, walk

from .measure import NotMeasured
from .report import Goal, Section
from .servers import running
from .settings import Scope

GOAL = 120.0


def sections(scope: Scope) -> list[Section]:
    """The whole part."""
    try:
        description()
    except DescriptionMissing as lack:
        raise NotMeasured(str(lack)) from None
    with running("PostgreSQL 18", embedded_binaries()) as server:
        walks = []
        for number in range(scope.runs):
            server.create(f"newcomer_{number}")
            url = server.url(f"newcomer_{number}").reveal()
            walks.append(list(walk(scope.work / f"newcomer-{number}", url)))
    return [_section(walks)]


def _section(walks: list[list[Step]]) -> Section:
    section = Section("A newcomer's path", _WORDS, ("reached", "by", "seconds"))
    for steps in zip(*walks, strict=True):
        section.rows.append((steps[0].reached, steps[0].typed, _seconds([step.seconds for step in steps])))
    totals = [sum(step.seconds for step in steps) for steps in walks]
    section.rows.append(("**all of it**", "", _seconds(totals)))
    median = statistics.median(totals)
    section.goals.append(
        Goal("newcomer: from a project to a practised restore", f"≤{GOAL:.0f} s", f"{median:.0f} s", median <= GOAL)
    )
    return section


def _seconds(found: list[float]) -> str:
    spread = f" ({min(found):.1f}–{max(found):.1f})" if len(found) > 1 else ""
    return f"{statistics.median(found):.1f}{spread}"


_WORDS = """A repository with a Prisma project and an empty database, nothing else; what is typed are the documents' own
commands ([the first pull request](how-to/first-pull-request.md), [guide](guide.md), [the restore
drill](how-to/restore-drill.md)), one process each. The Action runs as GitHub's runner starts it, with the inputs of the
workflow that `init` wrote, against a stand-in of GitHub. Not counted is what only people do, such as reading, and on
GitHub the minute in which the image is built."""
