"""A request as everybody sees it: the card with its plan, who may agree, until when. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from bot.blocks.parts import Element, Message, Sheet, button, confirm
from bot.blocks.text import Marked, bold, code, duration, joined, lines, moment, people, person, quoted, typed
from operations.approvals.model import Operation, Person, Request, State, Vote
from operations.measures import counted

TITLES: dict[Operation, str] = {
    "backup": "Backup",
    "verify": "Verify a backup",
    "restore": "Restore",
    "deploy": "Deploy",
    "apply": "Apply migrations",
    "rollback": "Roll back",
    "resolve": "Resolve a migration",
    "freeze": "Freeze",
    "unfreeze": "Unfreeze",
}
HEADLINES = {
    State.PLANNING: "being planned",
    State.PENDING: "waits for approval",
    State.APPROVED: "approved, about to begin",
    State.RUNNING: "running",
    State.DONE: "done",
    State.FAILED: "failed; the old state stands",
    State.NEEDS_ATTENTION: "a person is needed",
    State.DENIED: "denied",
    State.EXPIRED: "expired",
    State.CANCELLED: "cancelled",
    State.VOIDED: "void: something has changed",
}
SYMBOLS = {
    State.DONE: ":white_check_mark:",
    State.FAILED: ":x:",
    State.NEEDS_ATTENTION: ":rotating_light:",
    State.DENIED: ":no_entry:",
    State.EXPIRED: ":hourglass:",
    State.CANCELLED: ":heavy_minus_sign:",
    State.VOIDED: ":warning:",
    State.RUNNING: ":arrow_forward:",
    State.APPROVED: ":ballot_box_with_check:",
}
STEPS, STEP = 20, 300
"""What is shown of a plan: so many steps, each of so many characters."""
NOTES = 8


class RequestView(Struct, frozen=True):
    """A request with what the ledger does not know of it.

    ``approvers``: Slack ids of those who may agree. ``plan_attached``: the whole plan lies in the thread as a file.
    """

    request: Request
    approvers: tuple[str, ...] = ()
    plan_attached: bool = False

    @property
    def abridged(self) -> bool:
        """Whether the card shows less than the whole plan; then it must not be approved from the card alone."""
        proposal = self.request.proposal
        if proposal is None:
            return False
        told = proposal.explanation
        return (
            len(told.steps) > STEPS
            or len(told.notes) > NOTES
            or any(len(text) > STEP for text in (*told.steps, *told.notes, told.loses, told.undo))
        )


def title(request: Request) -> str:
    """``Restore · production``."""
    what = "Undo a restore" if request.arguments.get("undo") else TITLES[request.operation]
    return f"{what} · {request.environment}"


def headline(request: Request) -> str:
    """``Restore · production: waits for approval``."""
    return f"{title(request)}: {HEADLINES[request.state]}"


def card(view: RequestView) -> Message:
    """In the channel: what, who, why, the plan, who may agree, until when; buttons while it is open."""
    request = view.request
    sheet = Sheet()
    sheet.header(headline(request))
    if request.break_glass:
        sheet.section(joined(bold("Emergency."), " The usual approvals were passed over; somebody must review it."))
    sheet.fields(
        ("Asked for by", person(slack_id(request.requester))),
        ("Database", _database(request)),
        ("What", _what(request)),
        ("Usually takes", _usually(request)),
    )
    if request.reason:
        sheet.section(lines(bold("Why"), quoted(request.reason)))
    for part in _plan(view):
        sheet.section(part)
    sheet.section(_standing(view))
    sheet.context(joined("Request ", code(request.id), f" · version {request.version}", _digest(request)))
    sheet.actions("decide", *buttons(view))
    return sheet.message(_in_a_sentence(view))


def row(request: Request) -> Marked:
    """One line of a list."""
    who = person(slack_id(request.requester))
    ended = request.ended_at or request.decided_at or request.created_at
    return joined(bold(title(request)), ": ", HEADLINES[request.state], " · ", who, " · ", moment(ended))


def _plan(view: RequestView) -> Iterator[Marked]:
    proposal = view.request.proposal
    if proposal is None:
        return
    told = proposal.explanation
    if told.steps:
        shown = [joined(f"{number}. ", typed(step, STEP)) for number, step in enumerate(told.steps[:STEPS], 1)]
        over = view.request.state in (State.DENIED, State.EXPIRED, State.CANCELLED, State.VOIDED)
        yield lines(bold("What would have happened" if over else "What will happen"), *shown)
    if view.abridged:
        where = "is the file in this thread." if view.plan_attached else "is being attached; it can be approved then."
        yield joined(bold("This is not the whole plan. "), "The whole of it ", where)
    if told.loses:
        yield joined(bold("What is lost: "), typed(told.loses, STEP))
    if told.undo:
        yield joined(bold("How it can be undone: "), typed(told.undo, STEP))
    if told.notes:
        yield lines(bold("To know"), *(joined("• ", typed(note, STEP)) for note in told.notes[:NOTES]))


def _standing(view: RequestView) -> Marked:
    request = view.request
    votes = lines(*(_vote(vote) for vote in request.votes))
    if request.state is State.PLANNING:
        return typed("What exactly would be done is being found out.")
    if request.state is State.PENDING:
        missing = request.policy.required - len(request.agreed)
        need = counted(missing, "more approval" if request.agreed else "approval")
        return lines(
            joined(bold("Needs: "), need, " from ", people(view.approvers), "; not from who asked"),
            joined(bold("Until: "), moment(request.expires_at)),
            votes,
        )
    if request.state is State.APPROVED:
        begins = joined("It begins before ", moment(request.expires_at), ", or never.")
        return lines(votes or typed("No approval is needed for it."), begins)
    if request.state is State.RUNNING:
        since = moment(request.started_at or request.created_at)
        return lines(votes, joined(bold("Running since "), since, "; more in the thread."))
    return lines(votes, *ending(request))


def ending(request: Request) -> Iterator[Marked]:
    """How it ended, and what to do next."""
    if request.why and request.why not in (vote.reason for vote in request.votes):
        yield lines(bold("Because"), quoted(request.why, 1500))
    if request.state is State.EXPIRED:
        agreed = len(request.agreed) >= request.policy.required
        why = "It was approved, and did not begin in time." if agreed else "Nobody decided in time."
        yield typed(f"{why} Nothing was done.")
    if request.state in (State.DENIED, State.CANCELLED, State.VOIDED):
        yield typed("Nothing was done.")
    if request.outcome:
        yield typed(request.outcome.summary, 1500)
        if request.outcome.hint:
            yield joined(bold("Next: "), typed(request.outcome.hint, 600))


def _vote(vote: Vote) -> Marked:
    symbol = Marked(":white_check_mark: Approved" if vote.agrees else ":no_entry: Denied")
    said = joined(symbol, " by ", person(slack_id(vote.person)), ", ", moment(vote.at))
    return lines(said, quoted(vote.reason)) if vote.reason else said


def buttons(view: RequestView) -> Iterator[Element]:
    """What can still be done with it."""
    request = view.request
    value = f"{request.id}:{request.version}"
    if request.state is State.PENDING:
        if not view.abridged or view.plan_attached:
            sure = confirm("Approve this?", f"{title(request)}: {_needs_no_more(request)}", "Approve", style="danger")
            yield button("Approve", "approve", value, style="primary", confirm=sure)
        yield button("Deny …", "deny", value, style="danger")
    if request.state in (State.PLANNING, State.PENDING, State.APPROVED):
        yield button("Cancel request", "cancel", value)


def _needs_no_more(request: Request) -> str:
    last = len(request.agreed) + 1 >= request.policy.required
    return "it begins at once, exactly as this card says." if last else "more approvals are needed after yours."


def _in_a_sentence(view: RequestView) -> Marked:
    request = view.request
    if request.state is State.PENDING:
        return joined(headline(request), ". ", _what(request), ". Approve or deny it in Slack.")
    return joined(headline(request), ". ", summary(request))


def summary(request: Request) -> str:
    """What now stands, in a sentence."""
    return request.outcome.summary if request.outcome else request.why


def _what(request: Request) -> Marked:
    """The arguments, as they came to be."""
    proposal = request.proposal
    told = []
    if proposal and proposal.backup_id:
        told.append(joined("backup ", code(proposal.backup_id)))
    if proposal and proposal.commit:
        told.append(joined("commit ", code(proposal.commit[:12])))
    if proposal and proposal.migrations:
        told.append(typed(counted(len(proposal.migrations), "migration")))
    if not told:
        told = [typed(_argument(key, value), 120) for key, value in request.arguments.items() if value]
    return Marked(", ".join(told)) or typed(TITLES[request.operation].lower())


def _argument(key: str, value: object) -> str:
    told = " ".join(map(str, value.values())) if isinstance(value, Mapping) else value
    return key.replace("_", " ") if value is True else f"{key.replace('_', ' ')} {told}"


def _database(request: Request) -> Marked:
    proposal = request.proposal
    return joined(code(proposal.database), " on ", typed(proposal.server, 80)) if proposal else Marked("")


def _usually(request: Request) -> str:
    proposal = request.proposal
    if proposal is None:
        return ""
    seconds = proposal.explanation.seconds
    return "no past run to tell" if seconds is None else duration(seconds)


def _digest(request: Request) -> Marked:
    return joined(" · plan ", code(request.digest[:12])) if request.digest else Marked("")


def slack_id(someone: Person) -> str:
    """The account in Slack, or else the name."""
    return someone.account.id if someone.account.kind == "slack" else someone.id
