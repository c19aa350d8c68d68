"""A report as a page of HTML that needs nothing else, and as Markdown. Pure, but for reading the templates."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from operations.reporting import charts, text
from operations.reporting.model import Report

TEMPLATES = Path(__file__).with_name("templates")
STATUS = {"ok": "ok", "warn": "warning", "fail": "failed"}
ROWS = 10
"""So many of the newest are shown at once; HTML folds the others, Markdown leaves them out."""


@cache
def _templates(escaped: bool) -> Environment:
    """What is written into HTML is escaped; in Markdown every text goes through ``prose`` or ``code``."""
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=escaped,  # noqa: S701
        finalize=_shown if escaped else None,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    written = (text.duration, text.moment, text.size, text.count, text.change, text.outcome)
    templates.filters.update(
        {function.__name__: function for function in (*written, text.visible, text.prose, text.code)}
    )
    templates.globals.update(STATUS=STATUS, UNKNOWN=text.UNKNOWN)
    return templates


def html(report: Report) -> str:
    """One file: no script, no picture, no font from anywhere."""
    page = _templates(True).get_template("report.html.j2")
    return page.render(report=report, charts=charts.drawn(report), style=_style(), most=ROWS)


def markdown(report: Report) -> str:
    """For a terminal, a job's summary, a comment."""
    page = _templates(False).get_template("report.md.j2")
    return page.render(report=report, most=ROWS)


def _shown(value: Any) -> Any:
    return text.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _style() -> str:
    return (TEMPLATES / "report.css").read_text(encoding="utf-8")
