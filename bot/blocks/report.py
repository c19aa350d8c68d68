"""The report in a few lines; the whole of it, and its charts, are files in the thread. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from bot.blocks.parts import Message, Sheet, button
from bot.blocks.status import health
from bot.blocks.text import Marked, bold, duration, joined, lines, moment, typed
from operations.measures import size_text
from operations.reporting.model import Report

SHOWN = 5
DAYS = 90
"""Of approvals and alerts; runs and backups are told as far as they are kept."""


def message(told: Report) -> Message:
    """The numbers that one looks at first, what went wrong, what stands."""
    sheet = Sheet()
    said = f"{told.environment}: report"
    sheet.header(said)
    sheet.fields(*_numbers(told))
    bad = [run for run in told.runs if not run.good and run.outcome != "running"]
    sheet.section(_listed("Went wrong", [f"{run.operation}, {run.at[:10]}: {run.error or run.outcome}" for run in bad]))
    standing = [f"{one.check}: {one.status}, since {one.at[:10]}" for one in told.alerts if one.recovered_at is None]
    sheet.section(_listed("Stands", standing))
    unreviewed = [one for one in told.approvals or () if one.break_glass and not one.reviewed_by]
    sheet.section(_listed("Break-glass, not reviewed", [f"{one.operation}, {one.at[:10]}" for one in unreviewed]))
    for sentence in told.missing[:SHOWN]:
        sheet.section(joined(bold("Missing: "), typed(sentence, 300)))
    at = datetime.fromisoformat(told.generated).timestamp()
    sheet.context(
        joined("As of ", moment(at), f"; approvals and alerts of {DAYS} days. Page and charts: in the thread.")
    )
    sheet.actions("next", button("Status", "ask:status", told.environment))
    summary = ", ".join(f"{label.lower()}: {text}" for label, text in _numbers(told))
    return sheet.message(f"{said}. {summary}.")


def _numbers(told: Report) -> Iterator[tuple[str, str]]:
    summary, watched = told.summary, told.watched
    yield "Health", health(told.checks)
    yield "Deploys", f"{summary.deploys}, {summary.failed_deploys} failed" + _middle(summary.median_deploy_seconds)
    out, most = summary.downtime_seconds, summary.longest_downtime_seconds
    known = out is not None and most is not None
    yield "Downtime", f"{duration(out or 0)}, at most {duration(most or 0)} at a time" if known else "not measured"
    applied, pending = ("–" if number is None else number for number in (summary.migrations, summary.pending))
    yield "Migrations", f"{applied} applied, {pending} pending"
    yield "Backups", f"{summary.backups}, {summary.restorable_backups} restored for a test"
    size = summary.database_bytes
    yield "Database", "could not be looked at" if size is None else size_text(size)
    if watched.asked is not None:
        given = f"{watched.asked} asked, {watched.granted} granted, {watched.denied} denied"
        yield "Approvals", given + _middle(watched.median_waited)
    yield "Alerts", f"{watched.alerts}, {watched.standing} standing" + _middle(watched.median_recovery)


def _middle(seconds: float | None) -> str:
    return "" if seconds is None else f"; {duration(seconds)} in the middle"


def _listed(title: str, entries: list[str]) -> Marked:
    if not entries:
        return Marked("")
    more = f"and {len(entries) - SHOWN} more" if len(entries) > SHOWN else ""
    told = [joined("• ", typed(entry, 300)) for entry in entries[:SHOWN]]
    return lines(bold(f"{title} ({len(entries)})"), *told, more)
