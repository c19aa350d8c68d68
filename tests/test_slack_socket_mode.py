"""The bot in Socket Mode, with two environments: deploys, plans too long for a card, emergencies, a clean end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from operations.adapters.postgres import PostgresDatabase
from operations.approvals.model import State
from operations.database_url import parse_database_url

from .conftest import Server
from .ports import free_port
from .slack.stage import ADA, BOB, CLEO, OPS, PATIENCE, Stage, eventually, staged
from .slack.standin import APP_TOKEN, TEAM, Fault, Posted
from .slack.websocket import SocketMode, listening

MORE = """
[environments.production.break_glass]
members = ["U0ADA", "U0DAN"]
operations = ["deploy"]

[environments.staging]
database_url = "env:TARGET_URL"
migrations = "migrations"
backup_dir = "staging-backups"
[environments.staging.slack]
channels = ["C0OPS", "C0SHARED"]
[environments.staging.approvals.backup]
approvers = ["bob"]
"""


@pytest.fixture(scope="module")
def line() -> Iterator[SocketMode]:
    with listening() as made:
        yield made


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, server18: Server, line: SocketMode) -> Iterator[Stage]:
    target, ledger = server18.url(server18.create()), server18.url(server18.create())
    with staged(tmp_path_factory.mktemp("socket"), target, ledger, more=MORE) as made:
        made.slack.socket_url = line.url
        made.slack.add_channel("C0SHARED", is_ext_shared=True)
        made.bot(socket_mode=True)
        made.worker_port = free_port()
        made.worker(LOCKTENDER_WORKER_PORT=str(made.worker_port))
        (made.directory / "migrations" / "migration_lock.toml").write_text('provider = "postgresql"\n')
        yield made


def add_migrations(stage: Stage, count: int) -> None:
    folder = stage.directory / "migrations"
    first = len(list(folder.iterdir()))
    for number in range(first, first + count):
        one = folder / f"202401{number:02}000000_a_step_with_a_rather_long_name"
        one.mkdir()
        (one / "migration.sql").write_text(f"CREATE TABLE t{number} (id int PRIMARY KEY);\n")


def answer(line: SocketMode, envelope: str) -> Any:
    eventually(lambda: envelope in line.acknowledged, "an acknowledgement")
    return line.acknowledged[envelope]


def press(stage: Stage, line: SocketMode, message: Posted, action: str, user: str) -> None:
    payload = {
        "type": "block_actions",
        "user": {"id": user, "team_id": TEAM},
        "team": {"id": TEAM},
        "channel": {"id": message.channel},
        "container": {"type": "message", "message_ts": message.ts, "channel_id": message.channel},
        "trigger_id": stage.slack.trigger(),
        "actions": [{**eventually(lambda: message.actions.get(action)), "action_ts": "1.0"}],
    }
    answer(line, line.send("interactive", payload))


def asked(stage: Stage, line: SocketMode, reason: str, **more: str) -> Posted:
    """A deploy that is asked for by its form."""
    known, database = set(stage.slack.views), stage.target.reveal().rpartition("/")[2]
    assert answer(line, line.send("slash_commands", stage.fields("deploy production"))) is None
    form = eventually(lambda: next((v for v in set(stage.slack.views) - known if _filled(stage, v)), None))
    view = {
        **stage.slack.views[form].view,
        "id": form,
        "state": {"values": _values({"reason": reason, "name": database, **more})},
    }
    payload = {"type": "view_submission", "user": {"id": ADA, "team_id": TEAM}, "team": {"id": TEAM}, "view": view}
    assert answer(line, line.send("interactive", payload)) is None
    return stage.card(reason)


def _filled(stage: Stage, view: str) -> bool:
    return bool(stage.slack.views[view].view["callback_id"] == "ask")


def _values(given: dict[str, str]) -> dict[str, Any]:
    menus = ("urgency",)
    return {k: {k: {"selected_option": {"value": v}} if k in menus else {"value": v}} for k, v in given.items()}


def test_where_there_are_several_environments_it_is_asked_which(stage: Stage, line: SocketMode) -> None:
    said = answer(line, line.send("slash_commands", stage.fields("status")))
    menu = said["blocks"][0]["accessory"]
    assert [option["value"] for option in menu["options"]] == ["production", "staging"]
    shown = Posted(OPS, "1.1", "", said["blocks"])
    shown.blocks[0]["accessory"] = {**menu, "selected_option": menu["options"][1]}
    press(stage, line, shown, "choose:status", ADA)
    stage.card("staging: ")


def test_the_same_envelope_once_more_has_no_second_effect(stage: Stage, line: SocketMode) -> None:
    fields = stage.fields("freeze staging 2h over the socket")
    envelope = line.send("slash_commands", fields)
    answer(line, envelope)
    for _ in range(5):
        line.send("slash_commands", fields, envelope)
    answer(line, line.send("slash_commands", stage.fields("history")))
    answer(line, line.send("slash_commands", stage.fields("unfreeze staging")))
    events = [json.loads(entry.body) for entry in stage.ledger.audit()]
    assert [one["event"] for one in events if one.get("reason") == "over the socket"] == ["frozen"]


@pytest.mark.campaign
def test_a_plan_that_does_not_fit_is_attached_before_it_can_be_approved(stage: Stage, line: SocketMode) -> None:
    add_migrations(stage, 10)
    stage.slack.fail("files.getUploadURLExternal", Fault(status=500), Fault(status=429, retry_after=1))
    stage.slack.fail("files.completeUploadExternal", Fault(status=0))
    card = asked(stage, line, "ten migrations")
    eventually(lambda: "approve" in card.actions)
    assert len([one for one in stage.slack.of(OPS) if "ten migrations" in one.all_text]) == 1
    file = next(one for one in stage.slack.files.values() if one.get("thread_ts") == card.ts)
    assert file["channel"] == OPS
    assert file["content"].count(b"_a_step_with_a_rather_long_name") >= 10
    assert "This is not the whole plan" in card.all_text
    press(stage, line, card, "approve", BOB)
    eventually(lambda: "Deploy · production: done" in card.all_text, card.text)
    result = stage.in_thread(card, "ask:rollback")
    assert "migrations applied" in result.all_text


def test_what_changes_after_it_was_approved_voids_it(stage: Stage, line: SocketMode) -> None:
    add_migrations(stage, 1)
    card = asked(stage, line, "one more")
    eventually(lambda: "approve" in card.actions)
    add_migrations(stage, 1)
    press(stage, line, card, "approve", BOB)
    eventually(lambda: "void" in card.all_text, card.text)
    assert "is new" in card.all_text


def test_an_emergency_passes_the_approvals_over_and_is_told_and_reviewed(stage: Stage, line: SocketMode) -> None:
    add_migrations(stage, 1)
    card = asked(stage, line, "the shop is down", urgency="emergency")
    eventually(lambda: "Deploy · production: done" in card.all_text, card.text)
    assert "Emergency" in card.all_text
    result = stage.in_thread(card, "I have reviewed this")
    for person in (BOB, CLEO):
        eventually(lambda person=person: [m for m in stage.slack.direct_to(person) if "passes over" in m.all_text])  # type: ignore[misc]
    press(stage, line, result, "review", BOB)
    eventually(lambda: "reviewed" not in json.dumps(result.actions))
    (found,) = [one for one in stage.ledger.history() if one.reason == "the shop is down"]
    assert found.reviewed_by is not None
    assert found.state is State.DONE


def test_who_may_approve_is_reminded_and_after_that_it_has_expired(stage: Stage, line: SocketMode) -> None:
    answer(line, line.send("slash_commands", stage.fields("backup staging before it expires")))
    card = stage.card("before it expires")
    eventually(lambda: "approve" in card.actions)
    ends(stage, "expires_at - interval '25 min'")
    eventually(lambda: [m for m in stage.slack.direct_to(BOB) if "Nobody has decided yet" in m.all_text])
    ends(stage, "clock_timestamp()")
    eventually(lambda: "Backup · staging: expired" in card.all_text, card.text)
    eventually(lambda: not any(m.actions for m in stage.slack.direct_to(BOB) if "Backup · staging" in m.all_text))
    eventually(lambda: [m for m in stage.slack.direct_to(ADA) if "Backup · staging: expired" in m.all_text])


def ends(stage: Stage, when: str) -> None:
    """As if that much time had passed."""
    with PostgresDatabase(parse_database_url(stage.ledger_url)).session() as session:
        session.execute(f"UPDATE locktender.requests SET expires_at = {when} WHERE reason = 'before it expires'")


def test_nothing_is_done_from_a_channel_with_other_organisations(stage: Stage, line: SocketMode) -> None:
    answer(line, line.send("slash_commands", stage.fields("status staging", channel="C0SHARED")))
    eventually(lambda: [one for one in stage.slack.ephemerals if "other organisations" in one["text"]])
    assert stage.slack.of("C0SHARED") == []
    event = {"type": "app_mention", "user": ADA, "text": "<@U0BOT> backup staging", "channel": "C0SHARED", "ts": "1.1"}
    told = {"type": "event_callback", "team_id": TEAM, "event_id": "EvS", "event": event, "is_ext_shared_channel": True}
    answer(line, line.send("events_api", told))
    eventually(lambda: [one for one in stage.slack.ephemerals if "nothing is done from here" in one["text"]])


def test_the_shortcut_asks_what_and_where(stage: Stage, line: SocketMode) -> None:
    before = len(stage.slack.of(OPS))
    assert "One moment: status of staging" in json.dumps(chosen(stage, line, "status")[1])
    stage.card("staging: ", after=before)
    for verb, told in (
        ("history", "staging: history"),
        ("pending", "staging: nothing pending"),
        ("help", "/db status"),
    ):
        said = chosen(stage, line, verb)[1]
        assert told in json.dumps(said), said
    form, said = chosen(stage, line, "freeze")
    assert said["view"]["callback_id"] == "loading"
    eventually(lambda: _filled(stage, form))
    assert "freeze:staging:C0OPS:" in json.dumps(stage.slack.views[form].view)


def chosen(stage: Stage, line: SocketMode, verb: str) -> tuple[str, Any]:
    """The form of the shortcut, sent with a verb; its id, and the answer."""
    known = set(stage.slack.views)
    who = {"user": {"id": ADA, "team_id": TEAM}, "team": {"id": TEAM}}
    shortcut = {"type": "shortcut", "callback_id": "locktender", "trigger_id": stage.slack.trigger(), **who}
    answer(line, line.send("interactive", shortcut))
    form = eventually(lambda: next(iter(set(stage.slack.views) - known), None))
    given = {"verb": verb, "environment": "staging"}
    state = {"values": {key: {key: {"selected_option": {"value": value}}} for key, value in given.items()}}
    view = {**stage.slack.views[form].view, "id": form, "state": state}
    return form, answer(line, line.send("interactive", {"type": "view_submission", "view": view, **who}))


@pytest.mark.campaign
def test_who_finds_slack_out_of_order_at_the_start_waits_for_it(stage: Stage, line: SocketMode) -> None:
    stage.slack.fail("auth.test", Fault(status=500), Fault(status=429, retry_after=1))
    stage.slack.fail("apps.connections.open", Fault(status=0))
    port = str(free_port())
    with listening() as another:
        stage.slack.socket_url = another.url
        process = stage.start(SLACK_APP_TOKEN=APP_TOKEN, SLACK_SIGNING_SECRET="", PORT=port)
        eventually(lambda: stage.get("/readyz", int(port)) == 200, "it is ready")
        stage.slack.fail("apps.connections.open", Fault(error="invalid_auth"))
        refused = stage.start(SLACK_APP_TOKEN=APP_TOKEN, SLACK_SIGNING_SECRET="", PORT=str(free_port()))
        assert refused.wait(PATIENCE) == 3
        assert stage.stop(process) == 0
    stage.slack.socket_url = line.url
    assert "error: Slack did not take apps.connections.open: invalid_auth." in stage.logs()


def test_bot_and_worker_end_cleanly(stage: Stage, line: SocketMode) -> None:
    bot, worker = stage.processes[:2]
    assert [process.poll() for process in (bot, worker)] == [None, None], stage.logs()
    for port in (stage.port, stage.worker_port):
        eventually(lambda port=port: stage.get("/readyz", port) == 200, "it is ready")  # type: ignore[misc]
    assert stage.get("/slack/events", stage.port) == 404
    answer(line, line.send("slash_commands", stage.fields("backup production at work when it ends")))

    def begun() -> str | None:
        return next((r.id for r in stage.ledger.history() if r.reason == "at work when it ends" and r.started_at), None)

    request = eventually(begun, "it has begun")
    assert stage.stop(worker) == 0
    assert stage.ledger.request(request).state is State.DONE, "what had begun is finished"
    assert stage.stop(bot) == 0
    assert "worker stopped" in stage.logs()
    assert Path(stage.configuration).exists()
