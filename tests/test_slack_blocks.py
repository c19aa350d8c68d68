"""What Slack is sent: as the golden files have it, within Slack's limits, and nothing typed is taken for markup."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bot.blocks import backups, check, home, lists, notices, outcome, parts, request, status, text
from bot.blocks.request import RequestView
from operations.approvals.model import Explanation, Outcome, State, Vote
from operations.checks.model import Check

from .slack import limits, samples

GOLDEN = Path(__file__).parent / "golden" / "slack"


def as_json(part: object) -> str:
    return json.dumps(part, ensure_ascii=False, indent=1) + "\n"


def payload(message: parts.Message) -> dict[str, Any]:
    return {"text": message.text, "blocks": list(message.blocks)}


def test_a_freeze_promises_to_hold_back_alerts_only_where_workers_send_them() -> None:
    told = [
        str(payload(notices.freeze_told("production", "U0BOB", samples.FROZEN, samples.ALERTS, watched=watched)))
        for watched in (True, False)
    ]
    assert ["held back" in one for one in told] == [True, False]


@pytest.mark.parametrize("name", samples.MESSAGES)
def test_messages_are_as_their_golden_files_and_within_the_limits(name: str) -> None:
    sent = payload(samples.MESSAGES[name])
    assert limits.of_message(sent) == []
    assert as_json(sent) == (GOLDEN / f"{name}.json").read_text()


@pytest.mark.parametrize("name", samples.MODALS)
def test_forms_are_as_their_golden_files_and_within_the_limits(name: str) -> None:
    view = samples.MODALS[name].view()
    assert limits.of_view(view) == []
    assert as_json(view) == (GOLDEN / f"{name}.json").read_text()


@pytest.mark.parametrize("name", samples.BOARDS)
def test_boards_are_as_their_golden_files_and_within_the_limits(name: str) -> None:
    view = samples.BOARDS[name].view()
    assert json.loads((GOLDEN / f"{name}.json").read_text()) == view
    assert limits.of_view(view) == []


@pytest.mark.parametrize("number", [1, 12, 13, 90, 91, 500])
def test_a_board_of_many_environments_keeps_to_the_limits_and_leaves_none_out_silently(number: int) -> None:
    every = tuple(replace(samples.WATCHED[n % 4], name=f"customer-{n:03}") for n in range(number))
    view = home.board(every).view()
    assert limits.of_view(view) == []
    told = json.dumps(view)
    shown = sum(one.name in told for one in every)
    assert shown == min(number, home.PARAGRAPHS)
    assert (f"and {number - shown} more" in told) is (shown < number)


def test_there_is_no_golden_file_too_many() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == {*samples.MESSAGES, *samples.MODALS, *samples.BOARDS}


ANY = st.text(alphabet=st.characters(), max_size=4000) | st.just("<!channel>`&" * 400)


@settings(deadline=None, max_examples=12)
@given(ANY, st.sampled_from([0, 1, 12, 60]))
def test_whatever_people_type_however_much_there_is_the_limits_hold(said: str, many: int) -> None:
    told = Explanation(steps=(said,) * many, loses=said, undo=said, notes=(said,) * many, seconds=1.0)
    proposal = replace(samples.PROPOSAL, explanation=told, database=said, server=said)
    votes = (Vote(samples.BOB, True, said, 0.0),) * min(many, 30)
    asked = replace(samples.PENDING, reason=said, proposal=proposal, votes=votes, progress=said, why=said)
    ended = replace(asked, outcome=Outcome(said, said, said, 1.0, {"restored": said}, said))
    for state in State:
        for one in (asked, ended):
            view = RequestView(replace(one, state=state), ("U0BOB",) * many)
            for made in (request.card, outcome.progress, outcome.result, outcome.for_approver, outcome.reminder):
                assert limits.of_message(payload(made(view))) == []
    card = replace(samples.STATUS_CARD, status=replace(samples.STATUS, pending=(said or "x",) * many))
    assert limits.of_message(payload(status.message(card))) == []
    checks = tuple(Check(said, "fail", said, said, said) for _ in range(many))
    assert limits.of_message(payload(check.message(check.CheckCard("production", 0.0, checks)))) == []
    assert limits.of_message(payload(lists.history(None, (ended,) * many))) == []
    waiting = tuple(lists.Waiting(asked, ("U0BOB",) * many) for _ in range(many))
    assert limits.of_message(payload(lists.pending(None, waiting, ()))) == []
    many_backups = (replace(samples.BACKUPS[0], reason=said, problems=()),) * (2 * many)
    assert limits.of_message(payload(backups.message(backups.BackupsCard("p", 0.0, many_backups)))) == []


@settings(deadline=None)
@given(ANY)
def test_nothing_that_was_typed_is_markup(said: str) -> None:
    for shown in (text.typed(said, 5000), text.quoted(said, 5000), text.code(said, 5000)):
        inside = shown.removeprefix("`").removesuffix("`") if shown.startswith("`") else shown
        assert "<" not in inside
        assert "`" not in inside
        rest = inside.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
        assert "&" not in rest


def test_a_second_line_of_a_reason_cannot_pass_for_one_of_ours() -> None:
    shown = text.quoted("fine\n*Approved by* <@U0CLEO>")
    assert shown == "> fine\n> *Approved by* &lt;@U0CLEO&gt;"


def test_what_cannot_be_seen_is_left_out() -> None:
    assert text.typed("a\u202eb\u200bc\u0007d\u2066e\ufeff") == "abcde"


def test_a_card_that_shows_less_than_the_plan_cannot_be_approved_from_it() -> None:
    proposal = replace(samples.PROPOSAL, explanation=Explanation(steps=("a step",) * (request.STEPS + 1)))
    view = RequestView(replace(samples.PENDING, proposal=proposal), ("U0BOB",))
    assert '"approve"' not in json.dumps(request.card(view).blocks)
    assert '"approve"' in json.dumps(request.card(replace(view, plan_attached=True)).blocks)


@pytest.mark.parametrize("state", [state for state in State if state is not State.PENDING])
def test_only_a_pending_request_can_be_decided(state: State) -> None:
    shown = json.dumps(request.card(RequestView(replace(samples.DONE, state=state), ("U0BOB",))).blocks)
    assert '"action_id": "approve"' not in shown
    assert '"action_id": "deny"' not in shown


def test_buttons_carry_the_request_and_its_version_and_nothing_else() -> None:
    (actions,) = (b for b in request.card(RequestView(samples.PENDING)).blocks if b["type"] == "actions")
    values = {e["action_id"]: e["value"] for e in actions["elements"]}
    assert values == dict.fromkeys(("approve", "deny", "cancel"), "r7Qm2xKfA9:1")


def test_every_state_is_said_in_words() -> None:
    for state in State:
        assert request.headline(replace(samples.PENDING, state=state)).partition(": ")[2]
