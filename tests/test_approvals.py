"""Policies, people, digests and states: pure decisions."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from msgspec.structs import fields, replace

from operations.approvals import deciding, policy
from operations.approvals.change import Situation
from operations.approvals.digest import differences, of
from operations.approvals.model import (
    ENDED,
    OPEN,
    Account,
    Event,
    Freeze,
    Outcome,
    Person,
    Proposal,
    Request,
    State,
    Vote,
)
from operations.approvals.people import Directory
from operations.approvals.state import TRANSITIONS, after, applies
from operations.errors import Frozen, LocktenderError, NotAllowed, RequestChanged
from operations.settings import Approval, BreakGlass, Environment
from operations.settings import Person as Named

from .ledgers import ADA, BOB, CY, DIRECTORY, PEOPLE, environment, proposal, rules, slack

NOW = Situation(1000.0, None)


def request_of(of_: Environment | None = None, **changes: Any) -> Request:
    chosen = of_ or environment()
    made = Request(
        id="r",
        version=1,
        revision=1,
        environment=chosen.name,
        operation="restore",
        arguments={"backup": "latest"},
        requester=ADA,
        reason="because",
        state=State.PENDING,
        executor="worker",
        policy=rules(chosen).policy,
        created_at=900.0,
        expires_at=2700.0,
        proposal=proposal(chosen),
        digest=of(proposal(chosen)),
    )
    return replace(made, **changes)


def agreed(person: Person) -> Vote:
    return Vote(person, True, "", 950.0)


def begun(request: Request, now: Proposal, **changes: Any) -> deciding.Change:
    return deciding.started(request, changes.pop("situation", NOW), now, changes.pop("under", rules(environment())))


def test_every_state_has_an_answer_to_every_event() -> None:
    for state, event in product(State, Event):
        assert after(state, event) in State
        assert applies(state, event) or after(state, event) == state


def test_what_has_begun_can_never_begin_again() -> None:
    reached, todo = set(), [State.RUNNING]
    while todo:
        state = todo.pop()
        todo += [end for (start, _), end in TRANSITIONS.items() if start == state and end not in reached]
        reached |= {end for (start, _), end in TRANSITIONS.items() if start == state}
    assert not reached & {State.RUNNING, State.APPROVED, State.PENDING, State.PLANNING}
    starts = {start for (start, event) in TRANSITIONS if event == Event.STARTED}
    assert starts == {State.APPROVED}


def test_only_enough_agreement_makes_a_request_approved() -> None:
    assert {key for key, end in TRANSITIONS.items() if end == State.APPROVED} == {(State.PENDING, Event.APPROVED)}
    assert set(State) == OPEN | ENDED


CHANGED: dict[str, Any] = {
    "operation": "deploy",
    "environment": "staging",
    "arguments": {"backup": "B2"},
    "policy": "another",
    "database": "other",
    "server": "db2:5432",
    "system_identifier": "8",
    "migrations": {"1_init": "ab"},
    "backup_id": "B2",
    "backup_digest": "bc",
    "plan": "cd",
    "commit": "de",
}


@pytest.mark.parametrize("name", [field.name for field in fields(Proposal) if field.name != "explanation"])
def test_whatever_changes_after_the_approval_voids_it(name: str) -> None:
    request = request_of(state=State.APPROVED, votes=(agreed(BOB),))
    assert request.proposal
    same = replace(request.proposal, explanation=replace(request.proposal.explanation, steps=("told otherwise",)))
    assert begun(request, same).events == (Event.STARTED,)
    other = replace(request.proposal, **{name: CHANGED[name]})
    assert of(other) != request.digest
    change = begun(request, other)
    assert change.events == (Event.VOIDED,)
    assert change.reason == "; ".join(differences(request.proposal, other)) != ""


def test_a_change_is_told_in_words() -> None:
    old, new = proposal(environment()), proposal(environment(), migrations={"2_b": "bb"}, arguments={}, commit="ee")
    assert differences(old, new) == (
        "argument backup is gone",
        "migration 1_init is gone",
        "migration 2_b is new",
        "the commit to deploy changed: dd → ee",
    )


@pytest.mark.parametrize("changed", ["proposal", "digest"])
def test_a_row_that_was_tampered_with_is_neither_approved_nor_started(changed: str) -> None:
    other = {"proposal": proposal(environment(), backup_id="B2"), "digest": "0" * 64}[changed]
    request = request_of(**{changed: other})
    with pytest.raises(RequestChanged, match="cannot be approved"):
        deciding.voted(request, 1, agreed(BOB), rules(environment()))
    approved = replace(request, state=State.APPROVED, votes=(agreed(BOB),))
    assert begun(approved, proposal(environment())).events == (Event.VOIDED,)


TWO = environment(2)


def test_nobody_approves_what_they_asked_for_under_any_account() -> None:
    for id in ("UADA", "UADA2"):
        with pytest.raises(NotAllowed, match="asked for this yourself"):
            deciding.voted(request_of(), 1, agreed(slack(id)), rules(environment()))
    github = DIRECTORY.person(Account("github", "ada"))
    with pytest.raises(NotAllowed, match="asked for this yourself"):
        deciding.voted(request_of(), 1, agreed(github), rules(environment()))


def test_a_person_counts_once_over_accounts_and_groups() -> None:
    groups = Directory(PEOPLE, {"S1": ["UBOB", "UADA"], "S2": ["UBOB", "UADA2"]})
    policies = {"restore": Approval(approvers=("S1", "S2", "bob", "github:bob"), required=2)}
    chosen = replace(environment(), approvals=policies)
    under = deciding.Rules(policy.policy_of(chosen, "restore", groups), groups)
    assert under.policy.approvers == {"bob", "ada"}
    request = request_of(chosen, policy=under.policy, requester=CY)
    first = deciding.voted(request, 1, agreed(BOB), under)
    assert first.events == (Event.AGREED,)
    twice = replace(request, votes=(agreed(BOB),))
    with pytest.raises(NotAllowed, match="counts once"):
        deciding.voted(twice, 1, agreed(groups.person(Account("github", "bob"))), under)
    assert deciding.voted(twice, 1, agreed(ADA), under).events == (Event.APPROVED,)


def test_accounts_that_turn_out_to_be_one_person_count_once_at_execution() -> None:
    strangers = Directory(())
    chosen = replace(environment(), approvals={"restore": Approval(approvers=("U1", "U2"), required=2)})
    then = policy.policy_of(chosen, "restore", strangers)
    votes = tuple(agreed(strangers.person(Account("slack", id))) for id in ("U1", "U2"))
    request = request_of(chosen, policy=then, votes=votes, state=State.APPROVED)
    assert policy.why_not(then, request, strangers) is None
    known = Directory((Named("eve", slack=("U1", "U2")),))
    today = policy.policy_of(chosen, "restore", known)
    assert policy.why_not(today, request, known) == "2 must agree, and 1 who count did"


def test_a_group_that_cannot_be_looked_up_has_nobody_in_it() -> None:
    assert Directory(PEOPLE).members(["S1"]) == frozenset()


def test_a_github_account_of_nobody_neither_asks_nor_approves() -> None:
    stranger = DIRECTORY.person(Account("github", "mallory"))
    chosen = replace(environment(), approvals={"restore": Approval(approvers=("github:mallory", "bob"))})
    under = rules(chosen)
    with pytest.raises(NotAllowed, match="not known whose"):
        deciding.voted(request_of(chosen, policy=under.policy), 1, agreed(stranger), under)
    with pytest.raises(NotAllowed, match="not known whose"):
        policy.refuse_asking(under.policy, stranger, DIRECTORY, "restore", "x")


def test_who_is_no_approver_has_no_say() -> None:
    with pytest.raises(NotAllowed, match="not among those who may approve"):
        deciding.voted(request_of(), 1, agreed(slack("UEVE")), rules(environment()))


@pytest.mark.parametrize("state", [state for state in State if state != State.PENDING])
def test_a_click_on_a_request_that_is_not_pending_counts_for_nothing(state: State) -> None:
    with pytest.raises(RequestChanged, match="decided already"):
        deciding.voted(request_of(state=state), 1, agreed(BOB), rules(environment()))


def test_a_click_on_an_older_version_counts_for_nothing() -> None:
    with pytest.raises(RequestChanged, match="changed since"):
        deciding.voted(request_of(version=2), 1, agreed(BOB), rules(environment()))


def test_one_denial_ends_it() -> None:
    change = deciding.voted(request_of(TWO), 1, Vote(BOB, False, "not now", 0.0), rules(TWO))
    assert (change.events, change.reason) == ((Event.DENIED,), "not now")


def test_a_policy_that_was_changed_meanwhile_voids_the_request() -> None:
    assert deciding.voted(request_of(TWO), 1, agreed(BOB), rules(environment())).events == (Event.VOIDED,)


def test_only_who_asked_takes_it_back_or_changes_it() -> None:
    assert deciding.cancelled(request_of(), slack("UADA2"), "", DIRECTORY).events == (Event.CANCELLED,)
    with pytest.raises(NotAllowed):
        deciding.cancelled(request_of(), BOB, "", DIRECTORY)
    with pytest.raises(NotAllowed):
        deciding.amended(request_of(), 1, BOB, {}, "x", rules(environment()))
    assert deciding.amended(request_of(), 1, ADA, {}, "x", rules(environment())).job == "plan"


def asked(chosen: Environment, person: Person = ADA, reason: str = "because", **more: Any) -> None:
    policy.refuse_asking(policy.policy_of(chosen, "restore", DIRECTORY, **more), person, DIRECTORY, "restore", reason)


def without(**changes: Any) -> Environment:
    approval = replace(environment().approvals["restore"], **changes)
    return replace(environment(), approvals={"restore": approval})


def test_who_may_ask() -> None:
    asked(environment(), slack("UANYBODY"))
    with pytest.raises(NotAllowed, match="not among those who may"):
        asked(without(requesters=("bob",)))
    with pytest.raises(NotAllowed, match="no policy"):
        asked(replace(environment(), approvals={}))
    with pytest.raises(NotAllowed, match="reason is wanted"):
        asked(environment(), reason="  ")
    asked(without(reason=False), reason="")
    with pytest.raises(NotAllowed, match="Nobody could approve"):
        asked(without(approvers=("ada",)))


def test_a_backup_needs_no_policy_and_nobody() -> None:
    free = policy.policy_of(replace(environment(), approvals={}), "backup", DIRECTORY)
    assert (free.requesters, free.required) == (None, 0)


EMERGENCY = replace(environment(), break_glass=BreakGlass(members=("ada", "cy")))


def test_break_glass_is_for_its_members_with_a_reason_and_for_what_it_names() -> None:
    asked(EMERGENCY, break_glass=True)
    for call in (
        lambda: asked(EMERGENCY, BOB, break_glass=True),
        lambda: asked(EMERGENCY, reason=" ", break_glass=True),
        lambda: asked(environment(), break_glass=True),
        lambda: policy.policy_of(EMERGENCY, "deploy", DIRECTORY, break_glass=True),
    ):
        with pytest.raises(NotAllowed):
            call()


def test_break_glass_goes_past_a_freeze_and_nothing_else_does() -> None:
    freeze = Freeze("production", BOB, "launch", 0.0)
    normal = policy.policy_of(EMERGENCY, "restore", DIRECTORY)
    glass = policy.policy_of(EMERGENCY, "restore", DIRECTORY, break_glass=True)
    policy.refuse_frozen(freeze, "restore", glass)
    policy.refuse_frozen(freeze, "backup", normal)
    with pytest.raises(Frozen, match="frozen by bob: launch"):
        policy.refuse_frozen(freeze, "restore", normal)
    approved = request_of(state=State.APPROVED, votes=(agreed(BOB),))
    change = begun(approved, proposal(environment()), situation=Situation(1000.0, freeze))
    assert (change.events, change.reason) == ((Event.VOIDED,), "the environment is frozen by bob: launch")


def test_a_break_glass_request_is_reviewed_by_an_approver_who_had_no_part_in_it() -> None:
    glass = policy.policy_of(EMERGENCY, "restore", DIRECTORY, break_glass=True)
    normal = policy.policy_of(EMERGENCY, "restore", DIRECTORY)
    request = request_of(EMERGENCY, policy=glass, state=State.DONE, outcome=Outcome("done"))
    assert deciding.reviewed(request, BOB, "fine", normal, DIRECTORY).events == (Event.REVIEWED,)
    with pytest.raises(NotAllowed):
        deciding.reviewed(request, slack("UADA2"), "fine", normal, DIRECTORY)
    with pytest.raises(RequestChanged):
        deciding.reviewed(replace(request, reviewed_by=BOB), CY, "fine", normal, DIRECTORY)
    with pytest.raises(RequestChanged):
        deciding.reviewed(request_of(state=State.DONE), BOB, "fine", normal, DIRECTORY)


def test_refusals_are_errors_of_ours_that_end_with_5() -> None:
    assert {int(kind.exit_code) for kind in (NotAllowed, RequestChanged, Frozen)} == {5}
    assert issubclass(NotAllowed, LocktenderError)
