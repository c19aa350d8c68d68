"""``locktender check``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cli.desk import Desk
from cli.options import verb
from cli.output import Answer
from operations.errors import ExitCode

if TYPE_CHECKING:
    from rich.console import RenderableType

    from operations.health import CheckResult

EXAMPLE = """
locktender check
locktender check --json | jq '.result.checks[] | select(.status != "ok")'
"""
MARKS = {"ok": ("ok", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "bold red")}


@verb("check", EXAMPLE)
def command(desk: Desk) -> Answer:
    """Look at everything that a deploy or a bad night would stumble over, and say for each problem why and what to do.

    Connection, rights, versions, history, schema, tables, sequences, locks, disk, backups, what dead runs left. Changes
    nothing. Exit 0: healthy (warnings are allowed); 1: something failed.
    """
    context = desk.context()

    from operations.health import check

    found = check(context)
    return Answer(found, lambda: view(found), ExitCode.DONE if found.healthy else ExitCode.NO)


def view(found: CheckResult) -> Iterator[RenderableType | str]:
    """A table of all checks; below it what to do about those that are not ok."""
    from rich.table import Table
    from rich.text import Text

    from operations.reporting.text import visible

    table = Table(box=None, pad_edge=False)
    for column in ("", "check", "finding"):
        table.add_column(column, overflow="fold")
    for one in found.checks:
        mark, style = MARKS[one.status]
        table.add_row(Text(mark, style=style), Text(one.name), Text(one.detail))
    yield table
    for one in found.checks:
        if one.status != "ok":
            yield ""
            yield f"{one.name}: {one.why}"
            yield f"  fix: {one.fix}"
            for restated in one.ddl:
                yield f"  {restated.change} {restated.object}"
                yield from (f"    {visible(line)}" for line in restated.lines())
