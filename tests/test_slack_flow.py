"""The bot from outside: real processes, a real ledger, a real database, and a stand-in for Slack that is strict.

One bot and one worker serve all tests of this file; each looks only at what it has caused itself.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest

from bot.ask_queue import AskQueue
from bot.asks import Ask
from bot.words import BY_NAME
from operations.adapters.ledger_connection import keywords_of
from operations.approvals.asking import Door, ask
from operations.approvals.model import Account, Proposal, State
from operations.approvals.people import Directory
from operations.database_url import parse_database_url
from operations.settings_file import load_shape

from .conftest import Server
from .slack.stage import ADA, BOB, CLEO, DAN, OPS, PATIENCE, Stage, eventually, staged
from .slack.standin import TEAM, Fault, Posted

LOG = "operations.log"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, server18: Server) -> Iterator[Stage]:
    target, ledger = server18.create(), server18.create()
    with server18.superuser(target).session() as session:
        session.script("CREATE TABLE items (id int PRIMARY KEY); INSERT INTO items SELECT generate_series(1, 100)")
        session.execute("ALTER TABLE items OWNER TO app_owner")
    more = '[environments.production.approvals.verify]\napprovers = ["bob", "U0CLEO", "U0DAN"]\nrequired = 2\n'
    with staged(tmp_path_factory.mktemp("bot"), server18.url(target), server18.url(ledger), more=more) as made:
        made.slack.add_channel("C0LUNCH")
        made.slack.add_user("U0GUEST", is_restricted=True)
        made.slack.add_user("U0GONE", deleted=True)
        made.bot()
        made.worker(LOCKTENDER_LOG=str(made.directory / LOG))
        made.command("backup production the first")
        made.card("Backup · production: done")
        yield made


def name(stage: Stage) -> str:
    return stage.target.reveal().rpartition("/")[2]


def rows(server: Server, stage: Stage) -> int:
    with server.superuser(name(stage)).session() as session:
        ((count,),) = session.rows("SELECT count(*) FROM items")
    return int(count)


def pending(stage: Stage, reason: str, user: str = ADA) -> Posted:
    """A verification that is asked for by its form, and waits for two approvals; the reason tells it from others."""
    known = set(stage.slack.views)
    assert stage.command("verify production", user).body == b""
    form = eventually(lambda: next((v for v in set(stage.slack.views) - known if is_filled(stage, v)), None))
    values = {"backup": backups(stage, form)[0], "level": "read", "reason": reason}
    assert stage.submit(form, values, user).body == b""
    return stage.card(reason)


def is_filled(stage: Stage, view: str) -> bool:
    return bool(stage.slack.views[view].view["callback_id"] == "ask")


def backups(stage: Stage, form: str) -> list[str]:
    blocks = stage.slack.views[form].view["blocks"]
    element = next(block["element"] for block in blocks if block.get("block_id") == "backup")
    return [option["value"] for option in element["options"]]


def shown(stage: Stage, card: Posted, containing: str) -> Posted:
    eventually(lambda: containing in card.all_text, f"{containing!r} in {card.text}")
    return card


def state(stage: Stage, card: Posted) -> State:
    return stage.ledger.request(request_of(card)).state


def request_of(card: Posted) -> str:
    return str(
        card.raw["blocks"][[b["type"] for b in card.blocks].index("context")]["elements"][0]["text"].split("`")[1]
    )


def told(stage: Stage, user: str, containing: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        with stage.slack.lock:
            every = list(stage.slack.ephemerals)
        return next((one for one in every if one["user"] == user and containing in one["text"]), None)

    return eventually(look, f"{containing!r} told to {user}: {[one['text'] for one in stage.slack.ephemerals]}")


def test_a_restore_that_somebody_else_approves(stage: Stage, server18: Server) -> None:
    with server18.superuser(name(stage)).session() as session:
        session.execute("DELETE FROM items WHERE id > 7")
    assert stage.command("restore production").body == b""
    form = eventually(lambda: next((v for v in stage.slack.views if "Restore" in str(stage.slack.views[v].view)), None))
    eventually(lambda: is_filled(stage, form))
    given = {"backup": backups(stage, form)[0], "reason": "rows are gone"}
    wrong = stage.submit(form, {**given, "name": "another"}, ADA)
    assert wrong.json["response_action"] == "errors"
    assert stage.submit(form, {**given, "name": name(stage)}, ADA).body == b""

    card = stage.card("Restore · production: waits for approval")
    assert given["backup"] in card.all_text
    stage.press(card, "approve", ADA)
    told(stage, ADA, "yourself")
    stage.press(card, "approve", DAN)
    told(stage, DAN, "not among those")
    assert rows(server18, stage) == 7
    (asked,) = eventually(lambda: [one for one in stage.slack.direct_to(CLEO) if "rows are gone" in one.all_text])
    stage.press(asked, "approve", CLEO)
    shown(stage, card, "Restore · production: done")
    result = stage.in_thread(card, "ask:undo")
    assert rows(server18, stage) == 100
    assert set(card.actions) == set()
    assert "Kept beside it" in result.all_text
    eventually(lambda: "approve" not in asked.actions)
    eventually(lambda: [one for one in stage.slack.direct_to(ADA) if "Restore · production: done" in one.all_text])
    assert "approved by" in stage.command("history production").json["blocks"][1]["text"]["text"]
    request = stage.ledger.history("production", 1)[0]
    lines = [json.loads(line) for line in (stage.directory / LOG).read_text().splitlines()]
    of_run = [one for one in lines if request.outcome and one.get("run") == request.outcome.run_id]
    assert {one["event"] for one in of_run} >= {"run_started", "swap_finished", "run_finished"}
    assert {one["door"] for one in of_run} == {"bot"}
    assert all(f"request {request.id}" in one["actor"] for one in of_run), "so one leads to the other"


def test_looks_are_answered_where_they_were_asked(stage: Stage) -> None:
    before = len(stage.slack.of(OPS))
    for verb in ("status", "check", "backups", "report"):
        assert stage.command(verb).text == f"One moment: {verb} of production."
    for said in ("Last backup", "Check again", "Restore …", "production: report"):
        stage.card(said, after=before)

    def attached() -> dict[str, Any] | None:
        with stage.slack.lock:
            files = {one["name"]: one for one in stage.slack.files.values() if one.get("thread_ts")}
        return files if "backups.png" in files else None

    files = eventually(attached, "the report's files")
    assert b"<html" in files["report-production.html"]["content"]
    assert files["backups.png"]["content"].startswith(b"\x89PNG"), "charts are there as pictures"
    assert "/db freeze" in json.dumps(stage.command("help").json)
    assert "There is no 'statsu'" in stage.command("statsu").text


def test_two_of_three_must_agree_and_a_person_with_two_accounts_is_one(stage: Stage) -> None:
    card = pending(stage, "two of three")
    stage.press(card, "approve", BOB)
    shown(stage, card, "1 more approval")
    stage.press(card, "approve", "U0BOB2")
    told(stage, "U0BOB2", "once, over all accounts")
    assert state(stage, card) is State.PENDING
    stage.press(card, "approve", DAN)
    shown(stage, card, "Verify a backup · production: done")


def test_fifty_clicks_at_once_are_one_vote_and_one_job(stage: Stage) -> None:
    card = pending(stage, "fifty clicks")
    stage.press(card, "approve", BOB)
    shown(stage, card, "1 more approval")
    seen = asked_of(stage, card)
    with ThreadPoolExecutor(25) as many:
        answers = list(many.map(lambda _: stage.press(seen, "approve", CLEO), range(50)))
    assert {one.status for one in answers} == {200}
    shown(stage, card, "Verify a backup · production: done")
    found = stage.ledger.request(request_of(card))
    assert [vote.person.id for vote in found.votes] == ["bob", "slack:U0CLEO"]
    events = [json.loads(entry.body)["event"] for entry in stage.ledger.audit(request_id=found.id)]
    assert events.count("started") == 1


def test_a_denial_has_a_reason_and_ends_it(stage: Stage) -> None:
    card = pending(stage, "to be denied")
    known = set(stage.slack.views)
    stage.press(card, "deny", BOB)
    form = eventually(lambda: next(iter(set(stage.slack.views) - known), None))
    assert stage.submit(form, {"reason": "not before the <sale> ends"}, BOB).body == b""
    shown(stage, card, "not before the &lt;sale&gt; ends")
    assert set(card.actions) == set()
    eventually(lambda: [one for one in stage.slack.direct_to(ADA) if "sale" in one.all_text])
    stage.press(asked_of(stage, card), "approve", CLEO)
    told(stage, CLEO, "decided already")


def asked_of(stage: Stage, card: Posted) -> Posted:
    """A card as somebody still sees it, whose window is older than the truth."""
    value = f"{request_of(card)}:1"
    button = {"type": "button", "action_id": "approve", "value": value, "text": {"type": "plain_text", "text": "x"}}
    return Posted(card.channel, card.ts, "", [{"type": "actions", "block_id": "decide", "elements": [button]}])


def test_who_asked_can_take_it_back_and_nobody_else(stage: Stage) -> None:
    card = pending(stage, "taken back")
    stage.press(card, "cancel", BOB)
    told(stage, BOB, "Only who asked")
    stage.press(card, "cancel", ADA)
    shown(stage, card, "Verify a backup · production: cancelled")


def test_a_freeze_is_told_and_listed_and_lifted(stage: Stage) -> None:
    assert "is frozen for 2h" in stage.command("freeze production 2h Black Friday").text
    stage.card("is frozen")
    assert "Black Friday" in json.dumps(stage.command("pending").json)
    known = set(stage.slack.views)
    stage.command("restore production")
    form = eventually(lambda: next((v for v in set(stage.slack.views) - known if is_filled(stage, v)), None))
    given = {"backup": backups(stage, form)[0], "reason": "although it is frozen", "name": name(stage)}
    assert "Black Friday" in json.dumps(stage.submit(form, given, ADA).json)
    assert "not frozen any more" in stage.command("unfreeze production", BOB).text


def test_guests_strangers_and_other_places_are_refused(stage: Stage) -> None:
    before = len(stage.slack.of(OPS))
    assert "from this channel" in stage.command("status", channel="C0LUNCH").text
    assert "not the workspace" in stage.command("status", team_id="T0OTHER").text
    stage.command("status", "U0GUEST")
    told(stage, "U0GUEST", "guest")
    for verb in ("freeze production 2h mine", "unfreeze production"):
        assert "guest" in stage.command(verb, "U0GUEST").text
    assert "mine" not in json.dumps(stage.command("pending").json)
    stage.command("status", "U0GONE")
    told(stage, "U0GONE", "deactivated")
    stage.command("backup production", "U0GUEST")
    card = stage.card("guest", after=before)
    assert "void" in card.all_text


FORGERIES: dict[str, dict[str, str]] = {
    "no signature": {},
    "stamp no number": {"X-Slack-Request-Timestamp": "soon"},
    "signature of another form": {"X-Slack-Signature": "v0=é"},
    "signed by somebody else": {"secret": "another"},
    "too old": {"at": "-301"},
    "ahead": {"at": "+200"},
    "ssl_check": {"body": "ssl_check=1&token=x"},
    "not UTF-8": {"body": "\udcff\udcfe"},
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_request_is_refused_and_has_no_effect(stage: Stage, forgery: str) -> None:
    how = FORGERIES[forgery]
    fields = {
        "command": "/db",
        "text": f"backup production {forgery}",
        "user_id": ADA,
        "team_id": TEAM,
        "channel_id": OPS,
    }
    body = how.get("body", urlencode(fields)).encode("utf-8", "surrogateescape")
    headers = stage.signed(
        body, time.time() + float(how.get("at", "0")), **({"secret": how["secret"]} if "secret" in how else {})
    )
    if forgery in ("no signature", "ssl_check"):
        headers = {}
    headers |= {key: value for key, value in how.items() if key.startswith("X-")}
    before = len(stage.ledger.history())
    assert stage.post(body, headers).status == 401
    assert len(stage.ledger.history()) == before
    assert "backup production" not in stage.logs()


def test_the_same_request_once_more_has_no_second_effect(stage: Stage) -> None:
    fields = {
        "command": "/db",
        "text": "backup production replayed",
        "user_id": ADA,
        "team_id": TEAM,
        "channel_id": OPS,
    }
    body = urlencode(fields).encode()
    headers = stage.signed(body)
    assert stage.post(body, headers).status == 200
    assert [stage.post(body, headers).status for _ in range(3)] == [401] * 3
    assert [one.reason for one in stage.ledger.history(limit=50)].count("replayed") == 1


def test_values_that_were_tampered_with_are_refused(stage: Stage) -> None:
    card = pending(stage, "tampered with")
    for value in (
        "",
        "x",
        f"{request_of(card)}:2",
        "../../etc:1",
        f"{request_of(card)}:1:approved",
        "'; DROP TABLE requests;--:1",
    ):
        assert stage.press(card, "approve", BOB, value=value).status == 200
    assert state(stage, card) is State.PENDING
    assert stage.ledger.request(request_of(card)).votes == ()
    form = next(v for v in stage.slack.views if "Verify" in str(stage.slack.views[v].view["title"]))
    before = len(stage.ledger.history(limit=200))
    for metadata in (
        "",
        "verify:staging:C0OPS:",
        "verify:production:C0LUNCH:",
        "resolve:production:C0OPS:\n",
        "drop:production:C0OPS:",
    ):
        answer = stage.submit(form, {"backup": "latest", "reason": "x"}, ADA, private_metadata=metadata)
        assert answer.json["response_action"] == "update", metadata
    assert len(stage.ledger.history(limit=200)) == before
    stage.press(card, "cancel", ADA)


def test_who_approved_and_was_deactivated_before_it_began_does_not_count(stage: Stage) -> None:
    card = pending(stage, "deactivated meanwhile")
    stage.press(card, "approve", CLEO)
    shown(stage, card, "1 more approval")
    (_, worker) = stage.processes[:2]
    worker.send_signal(signal.SIGSTOP)
    try:
        stage.press(card, "approve", DAN)
        assert state(stage, card) is State.APPROVED
        stage.slack.users[CLEO]["deleted"] = True
    finally:
        worker.send_signal(signal.SIGCONT)
    shown(stage, card, "Verify a backup · production: void")
    assert "deactivated" in card.all_text
    stage.slack.users[CLEO]["deleted"] = False


def by_caller(stage: Stage, reason: str) -> Posted:
    """What the command line asks for, and performs itself."""
    settings = load_shape(stage.configuration)
    door = Door(stage.ledger, settings.environments[0], Directory(settings.people))
    policy = door.rules("verify").policy
    plan = Proposal("verify", "production", {"backup": "x"}, policy.version, "shop", "db:5432", backup_id="x")
    shown_in = (("card", OPS),)
    ask(door, Account("slack", ADA), "verify", {}, reason, executor="caller", proposal=plan, messages=shown_in)
    return stage.card(reason)


def test_what_no_worker_begins_is_looked_at_when_it_is_approved(stage: Stage) -> None:
    card = by_caller(stage, "asked for on the command line")
    stage.press(card, "approve", CLEO)
    shown(stage, card, "1 more approval")
    stage.slack.fail("users.info", Fault(status=429, retry_after=1, containing=DAN))
    stage.press(card, "approve", DAN)
    told(stage, DAN, "Slack does not say who U0DAN is")
    assert state(stage, card) is State.PENDING
    stage.slack.users[DAN]["deleted"] = True
    try:
        stage.press(card, "approve", DAN)
        told(stage, DAN, "deactivated")
        assert state(stage, card) is State.PENDING
    finally:
        stage.slack.users[DAN]["deleted"] = False
    stage.slack.users[CLEO]["deleted"] = True
    try:
        stage.press(card, "approve", DAN)
        shown(stage, card, "Verify a backup · production: void")
    finally:
        stage.slack.users[CLEO]["deleted"] = False
    assert "deactivated" in card.all_text
    again = by_caller(stage, "asked for once more")
    stage.press(again, "approve", CLEO)
    stage.press(again, "approve", DAN)
    shown(stage, again, "Verify a backup · production: approved")


def test_a_backup_that_is_an_option_or_a_path_is_none(stage: Stage) -> None:
    stage.press(pending(stage, "to have a form"), "cancel", ADA)
    form = next(v for v in stage.slack.views if "Verify" in str(stage.slack.views[v].view["title"]))
    id = backups(stage, form)[0]
    shutil.copytree(stage.directory / "backups" / id, stage.directory / "elsewhere" / id)  # whole, but none of ours
    for number, backup in enumerate(("--help", f"../elsewhere/{id}", "latest; rm -rf /", "-Fd")):
        reason = f"injection {number}"
        assert stage.submit(form, {"backup": backup, "level": "read", "reason": reason}, ADA).body == b""
        shown(stage, stage.card(reason), "Verify a backup · production: void")
        assert "There is no backup" in stage.card(reason).all_text, "its name alone is enough to refuse it"


def test_what_lies_in_the_queue_is_not_believed(stage: Stage) -> None:
    queue = AskQueue(keywords_of(parse_database_url(stage.ledger_url), "test"), 1)
    try:
        queue.put(Ask("answer", "backups", "production", "C0LUNCH", ADA))
        queue.put(Ask("answer", "backups", "production", OPS, "U0GUEST", thread="forged"))
        queue.put(Ask("answer", "backups", "nowhere", OPS, ADA))
    finally:
        queue.close()
    told(stage, "U0GUEST", "backups of production could not be shown")
    told(stage, ADA, "nowhere cannot be looked at")
    assert stage.slack.of("C0LUNCH") == []
    assert stage.slack.of(OPS, "forged") == []


def test_whatever_goes_wrong_in_slack_the_last_message_says_the_truth(stage: Stage) -> None:
    away = [Fault(status=429, retry_after=1), Fault(status=500), Fault(status=0), Fault(error="internal_error")]
    stage.slack.fail("chat.postMessage", *away)
    stage.slack.fail("chat.update", *away)
    card = pending(stage, "through a storm")
    stage.press(card, "approve", BOB)
    stage.press(card, "approve", DAN)
    last = stage.card("through a storm")
    eventually(lambda: "Verify a backup · production: done" in stage.card("through a storm").all_text)
    assert set(stage.card("through a storm").actions) == set()
    assert last.channel == OPS


def test_a_card_that_was_deleted_is_posted_anew(stage: Stage) -> None:
    card = pending(stage, "to be deleted")
    seen = asked_of(stage, card)
    eventually(lambda: "approve" in card.actions)
    with stage.slack.lock:
        stage.slack.messages.remove(card)
    stage.press(seen, "approve", BOB)
    anew = stage.card("to be deleted")
    shown(stage, anew, "1 more approval")
    assert anew.ts != card.ts
    stage.press(anew, "cancel", ADA)


def test_a_card_that_nobody_knows_of_follows_once_it_is_pressed(stage: Stage) -> None:
    stage.slack.fail("chat.postMessage", Fault(status=500, after=True, containing="shown twice"))
    pending(stage, "shown twice")
    first, second = eventually(
        lambda: (found := [m for m in stage.slack.of(OPS) if "shown twice" in m.all_text])[1:] and found
    )
    eventually(lambda: "approve" in second.actions)
    stage.press(first, "cancel", ADA)
    for card in (first, second):
        shown(stage, card, "Verify a backup · production: cancelled")
        assert set(card.actions) == set()


def test_a_channel_that_is_gone_is_replaced_by_a_direct_message(stage: Stage) -> None:
    stage.slack.channels[OPS]["member"] = False
    try:
        stage.command("backup production nobody may post here")
        eventually(
            lambda: [
                m for m in stage.slack.direct_to(ADA) if "nobody may post here" in m.all_text and "done" in m.all_text
            ]
        )
    finally:
        stage.slack.channels[OPS]["member"] = True


def test_a_form_that_slack_does_not_open_is_told_and_one_that_it_takes_late_is_filled(stage: Stage) -> None:
    assert stage.command("restore production", trigger_id="used.1").body == b""
    told(stage, ADA, "Slack did not take views.open: exchanged_trigger_id")
    stage.slack.fail("views.open", Fault(status=500))
    assert stage.command("restore production").body == b""
    told(stage, ADA, "Slack did not take views.open: ratelimited")
    known = set(stage.slack.views)
    stage.slack.fail("views.update", Fault(status=500), Fault(status=429, retry_after=1), Fault(status=0))
    assert stage.command("restore production").body == b""
    eventually(lambda: next((v for v in set(stage.slack.views) - known if is_filled(stage, v)), None))


def mentioned(stage: Stage, text: str, id: str) -> None:
    event = {"type": "app_mention", "user": ADA, "text": f"<@U0BOT> {text}", "channel": OPS, "ts": "1.1"}
    body = json.dumps({"type": "event_callback", "team_id": TEAM, "event_id": id, "event": event}).encode()
    assert stage.post(body, stage.signed(body), "application/json").status == 200


def test_a_mention_does_the_same(stage: Stage) -> None:
    before = len(stage.slack.of(OPS))
    mentioned(stage, "status production", "Ev1")
    stage.card("Last backup", after=before)
    challenge = json.dumps({"type": "url_verification", "challenge": "abc"}).encode()
    assert stage.post(challenge, stage.signed(challenge), "application/json").json == {"challenge": "abc"}


PLACES = {"staging": "production", "ENVIRONMENT": "production", "BACKUP": "latest", "REF": "main", "REASON": "by day"}
SAID = {
    "status": "One moment: status of production.",
    "check": "One moment: check of production.",
    "backups": "One moment: backups of production.",
    "report": "One moment: report of production.",
    "backup": "is asked for",
    "history": "Backup",
    "pending": "",
    "help": "/db rollback",
    "freeze": "is frozen for 2h",
    "unfreeze": "not frozen any more",
}
"""What the answer says; to all others it is a form that opens."""


def as_typed(words: str) -> set[str]:
    """With and without what is optional; behind ``/db`` or the bot's name."""
    rest = words.partition(" ")[2]
    for name, here in PLACES.items():
        rest = rest.replace(name, here)
    return {re.sub(r"[\[\]]", "", rest), re.sub(r" \[.*\]", "", rest)}


def test_whatever_the_documents_type_in_slack_is_understood(stage: Stage, inline: list[str]) -> None:
    commands = set().union(*(as_typed(words) for words in inline if words.startswith("/db")))
    assert {text.split()[0] for text in commands} == set(BY_NAME)
    for text in sorted(commands, key=lambda text: (text.partition(" ")[0] in ("freeze", "unfreeze"), text)):
        known, before, verb = set(stage.slack.views), len(stage.slack.of(OPS)), text.split()[0]
        answer = stage.command(text)
        assert answer.status == 200
        if answer.body:
            assert SAID[verb] in json.dumps(answer.json), text
        else:
            assert verb not in SAID or text == "freeze"
            eventually(lambda known=known: set(stage.slack.views) - known, f"the form of {text}")
        if verb == "backup":
            stage.card("Backup · production: done", after=before)
    (mention,) = (words for words in inline if words.startswith("@"))
    before = len(stage.slack.of(OPS))
    mentioned(stage, *as_typed(mention), "EvByTheBook")
    stage.card("Last backup", after=before)


@pytest.mark.campaign
def test_where_it_cannot_be_reached_it_does_not_go_on(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        worker, bot = stage.start("worker", LOCKTENDER_WORKER_PORT=port), stage.start(PORT=port)
        assert [worker.wait(PATIENCE), bot.wait(PATIENCE)] == [2, 2]
    assert stage.logs().count(f"error: 127.0.0.1, port {port}, cannot be listened on: Address already in use.") == 2
    assert "next: Is another process there? LOCKTENDER_WORKER_PORT chooses another port" in stage.logs()


# --- App Home -----------------------------------------------------------------------------------------------------


def open_home(stage: Stage, user: str, id: str, attempt: int = 0) -> None:
    event = {"type": "app_home_opened", "user": user, "channel": f"D{user[1:]}", "tab": "home"}
    told = {"type": "event_callback", "team_id": TEAM, "event_id": id, "event": event, "attempt": attempt}
    body = json.dumps(told).encode()
    assert stage.post(body, stage.signed(body), "application/json").status == 200


def at_home(stage: Stage, user: str) -> str:
    with stage.slack.lock:
        return json.dumps(stage.slack.homes.get(user, [{}])[-1], ensure_ascii=False)


def test_home_shows_who_may_see_it_how_everything_stands_and_follows(stage: Stage) -> None:
    stage.slack.add_user("U0EVE")
    stage.slack.channels[OPS]["members"] = ["U0BOT", ADA, BOB, CLEO, DAN]
    open_home(stage, ADA, "EvHome1")
    eventually(lambda: "production: up to date" in at_home(stage, ADA), "the environment, looked at")
    assert "being looked at" in json.dumps(stage.slack.homes[ADA][0]), "what is known is shown at once"
    card = pending(stage, "seen at home")
    eventually(lambda: "waits for approval" in at_home(stage, ADA), "the request")
    published = stage.slack.count("views.publish")
    stage.press(card, "cancel", ADA)
    eventually(lambda: "waits for approval" not in at_home(stage, ADA), "the request is gone")
    for attempt in range(3):
        open_home(stage, ADA, "EvHome2", attempt)
    open_home(stage, "U0EVE", "EvHome3")
    eventually(lambda: "Become a member" in at_home(stage, "U0EVE"), "nothing for who is in none of its channels")
    open_home(stage, "U0GUEST", "EvHome4")
    eventually(lambda: "a guest's account" in at_home(stage, "U0GUEST"), "nothing for a guest")
    assert "production" not in at_home(stage, "U0EVE") + at_home(stage, "U0GUEST")
    assert stage.slack.count("views.publish") <= published + 6, "it is drawn when something has changed, not else"


def test_home_is_drawn_at_the_pace_that_slack_asks_for(stage: Stage) -> None:
    stage.slack.fail("views.publish", Fault(status=429, retry_after=1), Fault(status=500))
    open_home(stage, BOB, "EvHome5")
    eventually(lambda: "production: " in at_home(stage, BOB), "it is shown after all")


def test_those_who_watch_over_it_are_answered(stage: Stage) -> None:
    assert [stage.get(path) for path in ("/healthz", "/readyz", "/metrics", "/slack/events", "/")] == [
        200,
        200,
        200,
        405,
        404,
    ]
