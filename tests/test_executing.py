"""From asking to the outcome, on real databases: planned, approved, authorised once more, done once, and recorded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from operations import backup, journal
from operations.adapters.ledger import PostgresLedger
from operations.apply import apply
from operations.approvals.asking import Door, ask, cancel, freeze, vote
from operations.approvals.audit import verify
from operations.approvals.model import Account, Operation, Request, State
from operations.awaiting import Asker, perform_approved
from operations.context import Context
from operations.errors import DatabaseUnreachable, NotAllowed, NotFound, RequestChanged
from operations.executing import begin, check, execute, plan
from operations.migrations import formats
from operations.proposing import propose
from operations.resolve import planned, resolve
from operations.restore import restore
from operations.rollback import rollback
from operations.settings import Approval
from operations.status import status

from .conftest import Server
from .folders import write_migration
from .ledger_worker import workshop_of
from .ledgers import DIRECTORY

ADA, BOB, CY = (Account("slack", id) for id in ("UADA", "UBOB", "UCY"))
FREE = Approval(approvers=("ada", "bob", "cy"), reason=False)


POLICIES = {"restore": FREE, "deploy": FREE, "rollback": FREE, "resolve": FREE}


@pytest.fixture
def fresh(server18: Server, context_of: Callable[..., Context]) -> Context:
    """An empty database with one migration to deploy."""
    made = context_of(server18.url(server18.create()), approvals=POLICIES)
    write_migration(made, "20240101000000_init", "CREATE TABLE item (id int PRIMARY KEY);")
    return made


@pytest.fixture
def shop(server18: Server, context_of: Callable[..., Context]) -> Context:
    """100 items with a backup, and all but seven gone since."""
    made = context_of(server18.url(server18.create()), approvals=POLICIES)
    Path(made.environment.migrations).mkdir()
    with made.database.session() as session:
        session.script("CREATE TABLE item (id int PRIMARY KEY); INSERT INTO item SELECT generate_series(1, 100)")
    backup.create(made)
    with made.database.session() as session:
        session.script("DELETE FROM item WHERE id > 7")
    return made


def tables(context: Context) -> list[str]:
    with context.database.session() as session:
        return [name for (name,) in session.rows("SELECT relname FROM pg_class WHERE relname IN ('item', 'a', 'b')")]


def items(context: Context) -> int:
    with context.database.session() as session:
        return int(session.rows("SELECT count(*) FROM item")[0][0])


def door(ledger: PostgresLedger, context: Context) -> Door:
    return Door(ledger, context.environment, DIRECTORY)


def approved(ledger: PostgresLedger, context: Context, operation: Operation, **arguments: object) -> Request:
    """Asked for by ada, planned, agreed to by bob; its job is in the queue."""
    asked = ask(door(ledger, context), ADA, operation, arguments)
    plan(workshop_of(ledger, context.environment), asked.id)
    planned = ledger.request(asked.id)
    assert planned.state == State.PENDING, planned.why
    return vote(door(ledger, context), asked.id, planned.version, BOB, agrees=True)


def done(ledger: PostgresLedger, context: Context, request: Request) -> Request:
    execute(workshop_of(ledger, context.environment), request.id)
    return ledger.request(request.id)


def test_a_click_that_is_refused_takes_nothing_from_an_approval(ledger: PostgresLedger, shop: Context) -> None:
    request = approved(ledger, shop, "restore", backup="latest")
    with pytest.raises(NotAllowed):
        cancel(door(ledger, shop), request.id, CY)
    ended = done(ledger, shop, request)
    assert (ended.state, ended.why, items(shop)) == (State.DONE, "", 100)


def test_a_restore_goes_from_the_question_to_the_rows_through_the_queue(ledger: PostgresLedger, shop: Context) -> None:
    workshop = workshop_of(ledger, shop.environment)
    worker = ledger.worker(workshop.handlers)
    asked = ask(door(ledger, shop), ADA, "restore", {"backup": "latest"}, "rows are gone")
    assert asked.state == State.PLANNING
    worker.run(wait=False)
    planned = ledger.request(asked.id)
    assert planned.state == State.PENDING
    assert planned.proposal
    assert planned.proposal.explanation.steps
    assert planned.proposal.arguments["backup"] == planned.proposal.backup_id
    assert items(shop) == 7

    assert vote(door(ledger, shop), asked.id, planned.version, BOB, agrees=True).state == State.APPROVED
    worker.run(wait=False)
    ended = ledger.request(asked.id)
    assert (ended.state, ended.why) == (State.DONE, "")
    assert ended.outcome
    assert ended.outcome.result["restored"] == planned.proposal.backup_id
    assert items(shop) == 100
    told = [json.loads(entry.body)["event"] for entry in ledger.audit(request_id=asked.id)]
    assert told == ["requested", "planned", "approved", "started", "done"]
    assert verify(ledger).intact

    worker.run(wait=False)
    execute(workshop, asked.id)
    assert [record.operation for record in journal.records(shop)].count("restore") == 1


def test_a_migration_that_lands_after_the_approval_voids_it(ledger: PostgresLedger, fresh: Context) -> None:
    request = approved(ledger, fresh, "deploy")
    write_migration(fresh, "20240103000000_b", "CREATE TABLE b (id int);")
    ended = done(ledger, fresh, request)
    assert ended.state == State.VOIDED
    assert "migration 20240103000000_b is new" in ended.why
    assert tables(fresh) == []


def test_a_change_is_noticed_as_soon_as_the_first_of_two_has_agreed(ledger: PostgresLedger, fresh: Context) -> None:
    two = replace(fresh, environment=replace(fresh.environment, approvals={"deploy": replace(FREE, required=2)}))
    request = approved(ledger, two, "deploy")
    assert request.state == State.PENDING
    worker = ledger.worker(workshop_of(ledger, two.environment).handlers)
    worker.run(wait=False)
    assert ledger.request(request.id).state == State.PENDING
    write_migration(fresh, "20240103000000_b", "CREATE TABLE b (id int);")
    check(workshop_of(ledger, two.environment), request.id)
    assert ledger.request(request.id).state == State.VOIDED


def test_a_plan_that_changes_between_the_last_look_and_the_lock_is_not_performed(shop: Context) -> None:
    context = shop
    write_migration(context, "20240102000000_a", "DROP TABLE item;")
    with pytest.raises(RequestChanged):
        apply(context, baseline="20240102000000_a", approved="0" * 64)
    with pytest.raises(RequestChanged):
        restore(context, "latest", approved="0" * 64)
    assert items(context) == 7


def test_a_deploy_and_its_rollback_run_as_approved(ledger: PostgresLedger, fresh: Context) -> None:
    context = fresh
    deployed = done(ledger, context, approved(ledger, context, "deploy"))
    assert deployed.state == State.DONE, deployed.outcome
    assert deployed.outcome
    assert deployed.outcome.result["applied"] == ["20240101000000_init"]
    assert tables(context) == ["item"]
    with pytest.raises(RequestChanged):
        rollback(context, approved="another run")
    back = done(ledger, context, approved(ledger, context, "rollback"))
    assert back.state == State.DONE, back.outcome
    assert tables(context) == []
    nothing = ask(door(ledger, context), ADA, "rollback", {"run": deployed.outcome.run_id})
    plan(workshop_of(ledger, context.environment), nothing.id)
    assert ledger.request(nothing.id).state == State.VOIDED


def test_an_approver_who_was_removed_since_does_not_count(ledger: PostgresLedger, fresh: Context) -> None:
    request = approved(ledger, fresh, "deploy")
    policies = {**fresh.environment.approvals, "deploy": replace(FREE, approvers=("ada", "cy"))}
    changed = replace(fresh, environment=replace(fresh.environment, approvals=policies))
    ended = done(ledger, changed, request)
    assert ended.state == State.VOIDED
    assert "bob may no longer approve deploy" in ended.why
    assert tables(fresh) == []


def test_a_policy_that_is_gone_lets_nothing_begin(ledger: PostgresLedger, fresh: Context) -> None:
    request = approved(ledger, fresh, "deploy")
    without = replace(fresh, environment=replace(fresh.environment, approvals={}))
    assert done(ledger, without, request).state == State.VOIDED


def test_a_freeze_that_comes_after_the_approval_holds(ledger: PostgresLedger, fresh: Context) -> None:
    request = approved(ledger, fresh, "deploy")
    freeze(door(ledger, fresh), CY, "launch day")
    ended = done(ledger, fresh, request)
    assert ended.state == State.VOIDED
    assert "frozen by cy: launch day" in ended.why


def test_a_backup_that_was_changed_since_is_not_restored(ledger: PostgresLedger, shop: Context) -> None:
    request = approved(ledger, shop, "restore", backup="latest")
    assert request.proposal
    path = Path(shop.environment.backup_dir) / str(request.proposal.backup_id) / "manifest.json"
    path.write_text(path.read_text().replace('"reason"', '"reason" ', 1))
    assert done(ledger, shop, request).state in (State.VOIDED, State.FAILED)
    assert items(shop) == 7


def test_what_fails_ends_as_failed_with_the_next_command(ledger: PostgresLedger, fresh: Context) -> None:
    write_migration(fresh, "20240102000000_a", "SELECT 1 / 0;")
    ended = done(ledger, fresh, approved(ledger, fresh, "deploy"))
    assert ended.state == State.FAILED
    assert ended.outcome
    assert "division by zero" in ended.outcome.summary
    assert ended.outcome.hint


def test_an_approval_that_only_the_table_knows_of_does_not_count(ledger: PostgresLedger, fresh: Context) -> None:
    asked = ask(door(ledger, fresh), ADA, "deploy", {})
    plan(workshop_of(ledger, fresh.environment), asked.id)
    with ledger._transaction() as connection:
        connection.execute("UPDATE requests SET state = 'approved'")
        connection.execute("INSERT INTO votes VALUES (%s, 1, 'bob', 'slack:UBOB', true, '')", (asked.id,))
    ended = done(ledger, fresh, ledger.request(asked.id))
    assert ended.state == State.VOIDED
    assert "audit log does not say" in ended.why
    assert tables(fresh) == []


def test_a_request_is_judged_by_its_own_environment_only(ledger: PostgresLedger, fresh: Context) -> None:
    request = approved(ledger, fresh, "deploy")
    staging = replace(fresh, environment=replace(fresh.environment, name="staging"))
    for act in (
        lambda: vote(door(ledger, staging), request.id, 1, CY, agrees=False),
        lambda: cancel(door(ledger, staging), request.id, ADA),
        lambda: begin(ledger, DIRECTORY, staging, request),
    ):
        with pytest.raises(NotFound):
            act()
    assert ledger.request(request.id) == request


def test_a_backup_needs_nobody_and_runs_at_once(ledger: PostgresLedger, shop: Context) -> None:
    asked = ask(door(ledger, shop), ADA, "backup", {})
    ledger.worker(workshop_of(ledger, shop.environment).handlers).run(wait=False)
    ended = ledger.request(asked.id)
    assert ended.state == State.DONE, ended.why
    assert len(backup.list_backups(shop)) == 2


NAME = "20240101000000_init"


def test_who_agrees_to_resolve_agrees_to_that_file_and_no_other(ledger: PostgresLedger, fresh: Context) -> None:
    request = approved(ledger, fresh, "resolve", name=NAME, applied=True)
    assert request.proposal
    assert list(request.proposal.migrations) == [NAME]
    write_migration(fresh, NAME, "CREATE TABLE item (id bigint PRIMARY KEY);")
    ended = done(ledger, fresh, request)
    assert (ended.state, ended.why.startswith(f"migration {NAME} changed")) == (State.VOIDED, True)
    assert done(ledger, fresh, approved(ledger, fresh, "resolve", name=NAME, applied=True)).state == State.DONE


def test_a_file_that_changes_between_the_last_look_and_the_lock_is_not_recorded(
    ledger: PostgresLedger, fresh: Context
) -> None:
    agreed = planned(fresh, NAME, True).digest
    write_migration(fresh, NAME, "CREATE TABLE item (id bigint PRIMARY KEY);")
    with pytest.raises(RequestChanged):
        resolve(fresh, NAME, True, approved=agreed)
    assert status(fresh).applied == ()
    resolve(fresh, NAME, True, approved=planned(fresh, NAME, True).digest)
    assert status(fresh).applied == (NAME,)


def test_what_the_history_says_is_part_of_what_is_resolved(ledger: PostgresLedger, fresh: Context) -> None:
    write_migration(fresh, NAME, "SELECT 1/0;")
    with fresh.database.session() as session:
        tool = formats.detect(fresh.files, fresh.environment.migrations)
        tool.create_history(session)
        (migration,) = tool.read(fresh.files, fresh.environment.migrations)
        tool.record_started(session, "a", migration)
        request = approved(ledger, fresh, "resolve", name=NAME)
        tool.record_started(session, "b", migration)
    ended = done(ledger, fresh, request)
    assert (ended.state, "the plan" in ended.why) == (State.VOIDED, True)


def test_a_lost_run_is_looked_at_until_it_is_known_what_became_of_it(ledger: PostgresLedger, fresh: Context) -> None:
    request = approved(ledger, fresh, "deploy")
    begun = begin(ledger, DIRECTORY, fresh, request)
    assert begun
    with ledger._transaction() as connection:
        connection.execute("UPDATE requests SET beat_at = beat_at - interval '1 hour'")
        connection.execute("DELETE FROM procrastinate_jobs")
    assert ledger.sweep().lost == (request.id,)
    workshop = workshop_of(ledger, fresh.environment)

    def away(*_: object) -> None:
        raise DatabaseUnreachable("not just now")

    ledger.worker(replace(workshop, context_of=away).handlers).run(wait=False)  # type: ignore[arg-type]
    assert "gives no sign of life" in told(ledger, request.id)
    ledger.sweep()
    ledger.sweep()
    with ledger._transaction() as connection:
        found = connection.execute("SELECT id FROM procrastinate_jobs WHERE scheduled_at > now()").fetchall()
        connection.execute("UPDATE procrastinate_jobs SET scheduled_at = now()")
    assert len(found) == 1
    ledger.worker(workshop.handlers).run(wait=False)
    assert "it had changed nothing yet" in told(ledger, request.id)
    ledger.sweep()
    with ledger._transaction() as connection:
        assert connection.execute("SELECT FROM procrastinate_jobs").fetchall() == []


def told(ledger: PostgresLedger, request_id: str) -> str:
    outcome = ledger.request(request_id).outcome
    assert outcome
    return outcome.summary


def test_what_a_worker_has_other_files_for_is_left_to_who_performs_it(ledger: PostgresLedger, fresh: Context) -> None:
    two = Approval(approvers=("ada", "bob", "cy"), required=2, reason=False)
    fresh = replace(fresh, environment=replace(fresh.environment, approvals={"deploy": two}))
    policy = door(ledger, fresh).rules("deploy").policy
    proposal = propose(fresh, "deploy", {}, policy)
    asked = ask(door(ledger, fresh), ADA, "deploy", {}, executor="caller", proposal=proposal)
    vote(door(ledger, fresh), asked.id, asked.version, BOB, agrees=True)
    write_migration(fresh, "20240102000000_of_the_worker_alone", "CREATE TABLE a (id int);")
    ledger.worker(workshop_of(ledger, fresh.environment).handlers).run(wait=False)
    assert ledger.request(asked.id).state == State.PENDING


def test_who_is_interrupted_just_when_it_is_recorded_takes_it_back(
    ledger: PostgresLedger, fresh: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = ledger.create

    def interrupted(*given: Any, **named: Any) -> Request:
        create(*given, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(ledger, "create", interrupted)
    with pytest.raises(KeyboardInterrupt):
        perform_approved(Asker(fresh, ledger, DIRECTORY, ADA, "why"), "deploy", {})
    assert [one.state for one in ledger.history()] == [State.CANCELLED]
