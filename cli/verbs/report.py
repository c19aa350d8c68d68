"""``locktender report``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from cli.desk import Desk
from cli.options import verb
from cli.output import Answer, as_json
from operations.errors import UsageError

if TYPE_CHECKING:
    from operations.reporting.model import Report

EXAMPLE = """
locktender report
locktender report --out report.html
locktender report --format json | jq .summary
"""
Format = Literal["html", "markdown", "json"]
SUFFIXES: dict[str, Format] = {".html": "html", ".htm": "html", ".md": "markdown", ".json": "json"}


@verb("report", EXAMPLE)
@click.option("--format", "kind", type=click.Choice(["html", "markdown", "json"]), help="By default, as --out ends.")
@click.option("--out", metavar="FILE", help="Where to write it (default: to stdout).")
def command(desk: Desk, kind: Format | None, out: str | None) -> Answer:
    """Tell what happened, how long it took and how healthy everything is.

    Runs with durations and downtime, the time of each migration, sizes and growth, backups and their test restores, and
    what check finds. HTML is one file that needs nothing else, with charts; Markdown, the default, fits a job's
    summary. Changes nothing and takes no lock.
    """
    chosen = kind or SUFFIXES.get(Path(out).suffix.lower() if out else "", "markdown")
    context = desk.context()

    from operations.report import report

    told = report(context, desk.ledger_if_any)
    text = written(told, chosen)
    if out is None:
        return Answer(told, lambda: [text.rstrip("\n")])
    try:
        Path(out).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}.", hint="Name another file with --out.") from None
    return Answer({**as_json(told), "path": str(Path(out).absolute())}, lambda: [f"Report: {out}"])


def written(told: Report, kind: Format) -> str:
    """The report in one of its formats."""
    from operations.reporting.rendering import html, markdown

    if kind == "json":
        return json.dumps(as_json(told), ensure_ascii=False, indent=2) + "\n"
    return html(told) if kind == "html" else markdown(told)
