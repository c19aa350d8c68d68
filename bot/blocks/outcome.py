"""What becomes of a request, told in its thread and directly to those it concerns. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bot.blocks.parts import Element, Message, Sheet, button
from bot.blocks.request import (
    HEADLINES,
    SYMBOLS,
    TITLES,
    RequestView,
    buttons,
    card,
    ending,
    headline,
    slack_id,
    summary,
    title,
)
from bot.blocks.text import Marked, bold, code, duration, joined, moment, person, typed
from operations.approvals.model import Request, State

ASKED_AGAIN = (State.EXPIRED, State.VOIDED, State.FAILED)


def progress(view: RequestView) -> Message:
    """In the thread while it runs."""
    request = view.request
    sheet = Sheet()
    told = request.progress or "started"
    if request.state is not State.RUNNING:
        told = HEADLINES[request.state]
    sheet.section(joined(_symbol(request), bold(TITLES[request.operation]), ": ", typed(told, 300)))
    if request.started_at:
        sheet.context(joined("Since ", moment(request.started_at)))
    return sheet.message(f"{title(request)}: {told}")


def result(view: RequestView) -> Message:
    """In the thread at the end: what now stands, and the next step."""
    request = view.request
    sheet = _ended(request)
    sheet.fields(*_facts(request))
    sheet.context(*_small_print(request))
    sheet.actions("next", *_next(request))
    return sheet.message(f"{headline(request)}. {summary(request)}")


def for_approver(view: RequestView) -> Message:
    """To each who may agree, directly: what is asked of them, with the same buttons."""
    request = view.request
    if request.state is not State.PENDING:
        return _told(view, "You were asked to decide on this.")
    return card(view)


def for_requester(view: RequestView) -> Message:
    """To who asked, directly, in any case and at the end."""
    return _told(view, "You asked for this.")


def reminder(view: RequestView) -> Message:
    """To those who may agree, some time before it expires."""
    request = view.request
    if request.state is not State.PENDING:
        return _told(view, "You were reminded of this.")
    sheet = Sheet()
    asked = person(slack_id(request.requester))
    sheet.section(joined(bold(title(request)), ", asked for by ", asked, ", expires ", moment(request.expires_at), "."))
    sheet.section("Nobody has decided yet. After that it is void, and must be asked for anew.")
    sheet.actions("decide", *(one for one in buttons(view) if one["action_id"] in ("approve", "deny")))
    return sheet.message(f"{title(request)} still waits for your approval, and expires soon.")


def alarm(view: RequestView) -> Message:
    """To everybody who would have had to agree: somebody has passed that over."""
    return _told(view, "An emergency request passes over your approval. One of you must review it afterwards.")


def _facts(request: Request) -> Iterator[tuple[str, str]]:
    outcome = request.outcome
    if outcome is None:
        return
    result = outcome.result
    if outcome.seconds is not None:
        yield "Took", duration(outcome.seconds)
    for key, label in (("downtime_seconds", "Application out for"), ("outage_seconds", "Database out for")):
        if isinstance(result.get(key), int | float) and result[key]:
            yield label, duration(float(result[key]))
    named = (
        ("restored", "Restored"),
        ("backup_id", "Backup"),
        ("id", "Backup"),
        ("emergency_backup", "Backup from before"),
        ("previous_database", "Kept beside it"),
    )
    for key, label in named:
        if isinstance(result.get(key), str) and result[key]:
            yield label, code(result[key])
    if outcome.run_id:
        yield "Run", code(outcome.run_id)


def _small_print(request: Request) -> Iterator[Marked]:
    agreed = ", ".join(person(slack_id(vote.person)) for vote in request.agreed)
    asked = joined("Asked for by ", person(slack_id(request.requester)))
    yield joined(asked, ", approved by ", Marked(agreed)) if agreed else asked
    if request.outcome and request.outcome.error:
        yield joined("Error ", code(request.outcome.error))


def _next(request: Request) -> Iterator[Element | None]:
    result = request.outcome.result if request.outcome else {}
    done = request.state is State.DONE
    if done and request.operation == "restore" and result.get("previous_database"):
        yield button("Undo …", "ask:undo", request.environment)
    if done and request.operation in ("deploy", "apply") and result.get("outcome") == "deployed":
        yield button("Roll back …", "ask:rollback", request.environment)
    if done and request.operation == "backup":
        yield button("Verify by a test restore", "ask:verify", request.environment)
    if request.state in ASKED_AGAIN and request.operation in ("restore", "deploy", "rollback"):
        yield button("Ask again …", f"ask:{request.operation}", request.environment)
    if request.break_glass and request.reviewed_by is None and request.started_at:
        yield button("I have reviewed this", "review", f"{request.id}:{request.version}")
    yield button("Status", "ask:status", request.environment)
    yield button("Report", "ask:report", request.environment)


def _told(view: RequestView, why: str) -> Message:
    sheet = _ended(view.request)
    sheet.context(why)
    return sheet.message(f"{headline(view.request)}. {summary(view.request)}")


def _ended(request: Request) -> Sheet:
    """How every message begins that tells of an end."""
    sheet = Sheet()
    sheet.section(joined(_symbol(request), bold(headline(request))))
    for part in ending(request):
        sheet.section(part)
    return sheet


def _symbol(request: Request) -> Marked:
    return Marked(f"{SYMBOLS[request.state]} ") if request.state in SYMBOLS else Marked("")
