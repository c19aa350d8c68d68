"""What was asked for, what waits, and what one may do here. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from bot.blocks.parts import Message, Sheet
from bot.blocks.request import row
from bot.blocks.text import bold, code, joined, lines, moment, people, person, quoted, typed
from bot.words import Verb
from operations.approvals.model import Freeze, Request, State

SHOWN = 15


class Waiting(Struct, frozen=True):
    """An open request, and the Slack ids of those it waits for."""

    request: Request
    approvers: tuple[str, ...]


def history(environment: str | None, requests: Sequence[Request]) -> Message:
    """Newest first: what, who, how it ended."""
    sheet = Sheet()
    where = environment or "all environments"
    sheet.header(f"{where}: history")
    if not requests:
        sheet.section("Nothing has been asked for yet.")
    for request in requests[:SHOWN]:
        agreed = people(tuple(vote.person.account.id for vote in request.agreed))
        sheet.section(
            lines(
                row(request),
                joined("approved by ", agreed) if request.agreed else "",
                typed(request.outcome.summary if request.outcome else request.why, 300),
            )
        )
    if len(requests) >= SHOWN:
        sheet.context("The newest few. locktender audit list shows all of them.")
    return sheet.message(f"{where}: {len(requests[:SHOWN])} requests, newest first.")


def pending(environment: str | None, waiting: Sequence[Waiting], freezes: Sequence[Freeze]) -> Message:
    """All that waits for somebody, and whom it waits for."""
    sheet = Sheet()
    where = environment or "all environments"
    sheet.header(f"{where}: {len(waiting) or 'nothing'} pending")
    if not waiting:
        sheet.section("Nothing waits for anybody.")
    for one in waiting[:SHOWN]:
        sheet.section(_waiting(one))
    if len(waiting) > SHOWN:
        sheet.context(f"and {len(waiting) - SHOWN} more.")
    for freeze in freezes:
        until = joined("until ", moment(freeze.until)) if freeze.until else typed("until somebody lifts it")
        sheet.section(
            lines(
                joined(bold(f"{freeze.environment} is frozen"), " by ", person(freeze.by.account.id), " ", until),
                quoted(freeze.reason) if freeze.reason else "",
            )
        )
    return sheet.message(f"{where}: {len(waiting) or 'nothing'} pending.")


def _waiting(one: Waiting) -> str:
    request = one.request
    if request.state is State.PENDING:
        missing = request.policy.required - len(request.agreed)
        need = joined(f"{missing} more of ", people(one.approvers), ", until ", moment(request.expires_at))
    elif request.state is State.NEEDS_ATTENTION:
        need = typed(request.outcome.hint if request.outcome else "Somebody must look at it.", 300)
    else:
        need = typed(request.progress, 200)
    return lines(row(request), need)


def help_card(command: str, verbs: Sequence[Verb], environments: Sequence[str]) -> Message:
    """Only what this person may do here."""
    sheet = Sheet()
    sheet.header("What you can do here")
    for some in ([v for v in verbs if not v.asks], [v for v in verbs if v.asks]):
        sheet.section(lines(*(_usage(command, verb, len(environments) > 1) for verb in some)))
    sheet.context(f"Environments: {', '.join(environments)}." if environments else "No environment can be used here.")
    return sheet.message(f"{command}: {', '.join(verb.name for verb in verbs)}")


def _usage(command: str, verb: Verb, several: bool) -> str:
    where = "" if verb.name == "help" or not several else "[ENVIRONMENT]" if verb.several else "ENVIRONMENT"
    words = [command, verb.name, *filter(None, [where, verb.usage])]
    return joined(code(" ".join(words)), " ", verb.does)
