"""A freeze of alerts: weeks of it with a given clock, and with a real ledger, real webhooks and the real programs."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from cli.desk import Desk
from cli.options import Options
from operations import monitor
from operations.adapters.ledger import PostgresLedger
from operations.adapters.ledger_freezes import LedgerFreezes
from operations.adapters.postgres import PostgresDatabase
from operations.agreement import LEDGER
from operations.approvals.model import Freeze as Frozen
from operations.checks.model import Check, Status
from operations.context import Context
from operations.database_url import parse_database_url
from operations.errors import ConnectionLost, DatabaseUnreachable
from operations.monitoring import freezes, store
from operations.monitoring.decide import Quiet, decide, merged
from operations.monitoring.freezing import UNREAD, News, presumed, sifted
from operations.monitoring.messages import payload, slack, spoken
from operations.monitoring.model import Event, Freeze, Frost, Held, Passed, Standing, State
from operations.secret import Secret
from operations.settings import Alerts

from .conftest import Server
from .ledgers import ADA, BOB
from .locktender_process import Project
from .ports import free_port
from .slack.stage import eventually, staged
from .test_monitor import MINUTE, RULES, Clock, hook, ledger, project, watched
from .test_schedule import OTHERS

__all__ = ["ledger", "project", "watched"]
At = Callable[[int], Mapping[str, Status]]
HOLIDAYS = Freeze("ada", "holidays", 0.0)
NIGHT = 24 * 60


# --- minute by minute ----------------------------------------------------------------------------------------------


@dataclass
class Heard:
    """What was sent: minute, kind, check, status; and what was said of freezes that ended."""

    told: list[tuple[int, str, str, Status]] = field(default_factory=list)
    ends: list[tuple[int, Frost]] = field(default_factory=list)
    happened: list[tuple[int, str, str, Status]] = field(default_factory=list)
    """As it is in the history."""


def watch(
    at: At,
    frozen: Callable[[int], bool],
    minutes: int,
    rules: Alerts = RULES,
    quiet: Callable[[int, str], bool] = lambda _, __: False,
    after_each: Callable[[int, State, tuple[Event, ...]], None] = lambda *_: None,
) -> Heard:
    """Look every minute. The state goes through its bytes whenever there was news."""
    state, heard = State(), Heard()
    for minute in range(minutes):
        now, checks = minute * MINUTE, [Check(name, status, f"{name} {status}") for name, status in at(minute).items()]
        hushed = lambda name: quiet(minute, name)  # noqa: E731, B023 - called at once
        decided = decide(state.standing, checks, now, rules, quiet=hushed)
        stands = replace(HOLIDAYS, read=now) if frozen(minute) else None
        news = sifted(state, decided, merged(checks), stands, now, rules, hushed)
        state = State(now, news.standing, freeze=news.freeze, held=news.held)
        if decided[1] or news.told:
            assert State.from_bytes(state.to_bytes()) == state
        heard.happened += [(minute, one.kind, one.check, one.status) for one in decided[1]]
        heard.told += [(minute, one.kind, one.check, one.status) for one in news.told]
        heard.ends += [(minute, news.frost)] if news.frost and news.frost.over else []
        assert news.worth_telling == bool(news.told or (news.frost and news.frost.over))
        after_each(minute, state, news.told)
    return heard


def between(*spans: tuple[int, int], status: Status = "warn") -> Callable[[int], Status]:
    return lambda minute: status if any(begin <= minute < end for begin, end in spans) else "ok"


def test_a_week_with_a_freeze_in_it_and_faults_before_in_and_across_its_ends() -> None:
    troubles = {
        "before": between((100, 200)),
        "into": between((900, 1100)),
        "through": between((950, 3000)),
        "within": between((1200, 1300), (1500, 1600)),
        "out_of": between((1900, 2100)),
        "last": between((1900, 1998)),
        "after": between((2500, 2600)),
        "dead": between((1700, 1800), status="fail"),
    }
    heard = watch(
        lambda minute: {name: of(minute) for name, of in troubles.items()},
        lambda minute: 1000 <= minute < 2000,
        7 * NIGHT,
        replace(RULES, remind=0.0),
    )
    assert heard.told == [
        (101, "raised", "before", "warn"),
        (202, "recovered", "before", "ok"),
        (901, "raised", "into", "warn"),
        (951, "raised", "through", "warn"),
        (1701, "raised", "dead", "fail"),
        (1802, "recovered", "dead", "ok"),
        (2000, "recovered", "into", "ok"),
        (2000, "raised", "out_of", "warn"),
        (2000, "reminder", "through", "warn"),
        (2102, "recovered", "out_of", "ok"),
        (2501, "raised", "after", "warn"),
        (2602, "recovered", "after", "ok"),
        (3002, "recovered", "through", "ok"),
    ]
    ((minute, frost),) = heard.ends
    assert (minute, frost.held, frost.freeze.reason) == (2000, 7, "holidays")
    assert [(one.check, one.worst, one.began, one.ended, one.detail) for one in frost.passed] == [
        ("within", "warn", 1201 * MINUTE, 1602 * MINUTE, "within warn"),
        ("last", "warn", 1901 * MINUTE, 2000 * MINUTE, "last warn"),
    ]
    assert (1201, "raised", "within", "warn") in heard.happened, "the history has what was held back"


def test_a_freeze_in_which_nothing_happens_says_nothing() -> None:
    heard = watch(lambda _: {"disk": "ok"}, lambda minute: 10 <= minute < 500, NIGHT)
    assert (heard.told, heard.ends) == ([], [])


def test_a_failure_that_grew_out_of_a_warning_held_back_is_news() -> None:
    heard = watch(
        lambda m: {"disk": "warn" if 20 <= m < 100 or 200 <= m < 240 else "fail" if 100 <= m < 200 else "ok"},
        lambda minute: 10 <= minute < 300,
        400,
    )
    assert heard.told == [
        (101, "raised", "disk", "fail"),
        (202, "eased", "disk", "warn"),
        (300, "recovered", "disk", "ok"),
    ], "what people know to stand is told to be over once it can be"


def test_everything_is_held_back_where_that_is_asked_for_and_nothing_likewise() -> None:
    def at(minute: int) -> Mapping[str, Status]:
        return {"app": between((50, 100), status="fail")(minute), "disk": between((5, 400), status="fail")(minute)}

    told = watch(at, lambda minute: 20 <= minute < 300, 350, replace(RULES, freeze_holds="everything"))
    assert told.told == [(6, "raised", "disk", "fail"), (300, "reminder", "disk", "fail")]
    assert [one.check for _, frost in told.ends for one in frost.passed] == ["app"]
    told = watch(at, lambda minute: 20 <= minute < 300, 350, replace(RULES, freeze_holds="nothing"))
    assert [one[:3] for one in told.told] == [
        (6, "raised", "disk"),
        (51, "raised", "app"),
        (102, "recovered", "app"),
        (246, "reminder", "disk"),
    ]
    assert told.ends == []


def test_reminders_of_warnings_wait_too_and_count_for_nothing() -> None:
    heard = watch(lambda m: {"disk": between((0, 5000))(m)}, lambda minute: 10 <= minute < 2000, 2300)
    assert heard.told == [
        (1, "raised", "disk", "warn"),
        (2000, "reminder", "disk", "warn"),
        (2240, "reminder", "disk", "warn"),
    ]
    assert [frost.held for _, frost in heard.ends] == [0]


def test_while_a_run_is_at_work_the_end_of_a_freeze_is_not_told_but_after_it() -> None:
    heard = watch(
        lambda m: {"disk": between((20, 900))(m), "bloat": between((30, 60))(m)},
        lambda minute: 10 <= minute < 100,
        200,
        quiet=lambda minute, _: 100 <= minute < 120,
    )
    assert heard.told == [(120, "raised", "disk", "warn")]
    assert [(minute, [one.check for one in frost.passed]) for minute, frost in heard.ends] == [(120, ["bloat"])]


def test_what_is_silenced_at_the_end_of_a_freeze_is_told_when_that_ends() -> None:
    heard = watch(
        lambda m: {"disk": between((20, 900))(m), "bloat": between((20, 900))(m)},
        lambda minute: 10 <= minute < 100,
        200,
        quiet=lambda minute, name: name == "disk" and 50 <= minute < 150,
    )
    assert [one[:3] for one in heard.told] == [
        (100, "raised", "bloat"),
        (150, "reminder", "bloat"),
        (150, "raised", "disk"),
    ]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("holds", ["nothing", "warnings", "everything"])
def test_people_know_what_stands_but_for_what_a_freeze_holds_back(seed: int, holds: str) -> None:
    chance = random.Random(seed)
    rules = replace(RULES, after=chance.randint(1, 3), freeze_holds=holds)  # type: ignore[arg-type]
    found: dict[str, Status] = dict.fromkeys("abcd", "ok")
    frozen = silenced = False
    weather: list[tuple[dict[str, Status], bool, bool]] = []
    for _ in range(1000):
        found = {
            n: chance.choice(("ok", "ok", "warn", "fail")) if chance.random() < 0.07 else s for n, s in found.items()
        }
        frozen ^= chance.random() < 0.02
        silenced ^= chance.random() < 0.03
        weather.append((found, frozen, silenced))
    known: dict[str, Status] = {}

    def quiet(minute: int, name: str) -> bool:
        return name == "d" and weather[minute][2]

    def learnt(minute: int, state: State, told: tuple[Event, ...]) -> None:
        for event in told:
            assert known.get(event.check, "ok") == event.before, (minute, event)
            assert (event.kind == "reminder") == (event.before == event.status)
            known[event.check] = event.status
        for name in "abc" if quiet(minute, "d") else "abcd":
            stands = state.standing[name].announced if name in state.standing else "ok"
            if not weather[minute][1] or holds == "nothing" or (holds == "warnings" and stands == "fail"):
                assert known.get(name, "ok") == stands, (minute, name)
            if holds == "warnings" and known.get(name) == "fail":
                assert stands == "fail", "that it is over is told as well"

    heard = watch(lambda m: weather[m][0], lambda m: weather[m][1], len(weather), rules, quiet, learnt)
    raised = sum(kind == "raised" for _, kind, *_ in heard.happened)
    assert raised > 10
    assert sum(kind == "raised" for _, kind, *_ in heard.told) <= raised


def test_what_stood_last_is_presumed_to_stand_while_nobody_can_tell_but_not_for_long() -> None:
    known = Freeze("ada", "holidays", 0.0, until=9000.0, read=1000.0)
    assert presumed(known, 1000.0 + UNREAD, 4000.0) == known
    assert presumed(known, 1001.0 + UNREAD, 4000.0) is None
    assert presumed(known, 1001.0 + UNREAD, 1000.0) == known, "one look that cannot tell is nothing, however rare"
    assert presumed(replace(known, until=1500.0), 1500.0, 1000.0) is None
    assert presumed(replace(known, over=True), 1001.0, 1000.0) is None
    assert presumed(None, 0.0, 0.0) is None


def test_what_a_freeze_held_back_of_which_nobody_can_tell_is_not_told_as_if_it_were_over() -> None:
    stood = replace(HOLIDAYS, until=9000.0, read=60.0)
    held = {"disk": Held("ok", 0.0, "warn", 60.0, 60.0, alerts=1), "app": Held("ok", 0.0, "warn", 60.0, 60.0, alerts=2)}
    before = State(60.0, {"disk": Standing("warn", 60.0)}, freeze=stood, held=held)

    def let_go(now: float, quiet: Quiet = lambda _: False) -> News:
        return sifted(before, (before.standing, ()), {}, None, now, RULES, quiet, known=False)

    frost = let_go(4000.0).frost
    assert frost
    assert (frost.over, frost.known, frost.held, [one.check for one in frost.passed]) == (False, False, 3, ["app"])
    silenced = let_go(4000.0, lambda name: name == "app")
    assert (list(silenced.held), silenced.freeze) == (["app"], stood), (
        "what is silenced waits, and it is asked for anew"
    )
    frost = let_go(9000.0).frost
    assert frost
    assert (frost.over, frost.known) == (True, True), "its own time has come"
    passed = replace(before, standing={}, held={"app": held["app"]})
    assert sifted(passed, ({}, ()), {}, None, 4000.0, RULES, lambda _: False, known=False).worth_telling


# --- messages ------------------------------------------------------------------------------------------------------

EVENT = Event("raised", "disk", "fail", "ok", 1000.0, "full", "why", "fix")
FREEZE = Freeze("<@U0ADA>", "no *changes* <!channel>", 0.0, 3600.0)
PASSED = Passed("bloat", "warn", 120.0, 420.0, "half of it `x`")


def test_a_message_says_that_the_environment_is_frozen_in_the_documented_schema() -> None:
    told = payload("production", "shop", [EVENT], 1060.0, Frost(FREEZE, False, 2))
    assert told["summary"] == "production, frozen: disk fail"
    assert told["freeze"] == {
        "by": "<@U0ADA>",
        "reason": FREEZE.reason,
        "since": "1970-01-01T00:00:00+00:00",
        "until": "1970-01-01T01:00:00+00:00",
        "over": False,
        "known": True,
        "held": 2,
        "passed": [],
    }
    over = payload("production", "shop", [], 4000.0, Frost(replace(FREEZE, until=None), True, 2, (PASSED,)))
    assert (over["status"], over["summary"]) == ("ok", "production, not frozen any more: bloat came and went")
    assert over["freeze"]["until"] is None
    lost = payload("production", "shop", [EVENT], 4000.0, Frost(FREEZE, False, 2, (PASSED,), known=False))
    assert lost["summary"] == "production, perhaps still frozen: disk fail, bloat came and went"
    assert (lost["freeze"]["over"], lost["freeze"]["known"], lost["freeze"]["held"]) == (False, False, 2)
    text = (Path(__file__).parents[1] / "docs" / "monitoring.md").read_text()
    for name in (*told["freeze"], *over["freeze"]["passed"][0], *told):
        assert f"`{name}`" in text, f"{name} is not documented"


def test_people_read_of_the_freeze_and_nothing_in_its_reason_means_anything() -> None:
    frozen, over = Frost(FREEZE, False, 1), Frost(FREEZE, True, 3, (PASSED,) * 25)
    text = slack("production", "shop", [EVENT], 1060.0, frozen)["text"]
    assert "Frozen by &lt;@U0ADA&gt; until 1970-01-01T01:00:00+00:00: no ∗changes∗" in text
    assert text.index("Frozen") < text.index("disk")
    assert "1 alert" in text
    text = slack("production", "shop", [], 4000.0, over)["text"]
    assert "<" not in text
    assert text.count("bloat: warn, from 1970-01-01T00:02:00+00:00 for 5 min") == 20
    assert text.endswith("and 5 more")
    plain = spoken("production", "shop", [EVENT], 4000.0, over)
    assert plain["title"].startswith("production, not frozen any more: disk fail, bloat came and went")
    assert "3 alerts" in plain["text"]
    assert "@" not in plain["text"]
    lost = replace(frozen, freeze=replace(FREEZE, read=120.0), known=False)
    text = slack("production", "shop", [EVENT], 4000.0, lost)["text"]
    assert "still stands is not known since 1970-01-01T00:02:00+00:00: it cannot be read" in text
    assert "ot frozen any more" not in text


# --- looks ---------------------------------------------------------------------------------------------------------


def later(context: Context, minutes: float) -> Context:
    return replace(context, clock=Clock(context.clock.now() + minutes * MINUTE))


def test_the_ledgers_freeze_holds_warnings_back_until_its_database_says_that_it_ends(
    watched: Callable[..., Context], ledger: PostgresLedger
) -> None:
    with hook() as one:
        context = replace(watched(webhooks=(Secret(one.url),)), freezes=ledger, memory=ledger.memory("local"))
        ledger.freeze(Frozen("local", BOB, "holidays", 0.0, until=ledger.now() + 3600))
        during = monitor.once(context)
        assert (during.events, during.held, during.standing, one.got) == ((), 1, {"backups": "warn"}, [])
        assert during.freeze
        assert (during.freeze.by, during.freeze.reason) == ("bob", "holidays")
        (line,) = ledger.memory("local").looks(0)
        assert ([event[:3] for event in line["events"]], line["held"]) == ([["raised", "backups", "warn"]], ["backups"])
        ledger.freeze(Frozen("local", BOB, "holidays", 0.0, until=ledger.now() - 1))
        monitors = [monitor.Monitor(later(context, 1)) for _ in range(2)]
        for each in monitors:
            each._remembered()  # both have begun with the same knowledge
        looks = [each.look(wait=30) for each in monitors]
        assert [[event.check for event in look.events] for look in looks] == [["backups"], []], "one of two tells it"
        assert monitor.once(later(context, 2)).events == ()
    ((_, _, body),) = one.got
    told = json.loads(body)
    assert told["summary"] == "local, not frozen any more: backups warn"
    assert (told["freeze"]["by"], told["freeze"]["over"], told["freeze"]["held"]) == ("bob", True, 1)
    assert ledger.memory("local").load().held == {}


def test_a_database_that_dies_is_told_although_it_is_frozen(
    watched: Callable[..., Context], ledger: PostgresLedger
) -> None:
    dead = PostgresDatabase(parse_database_url(Secret(f"postgresql://app:s3cret@127.0.0.1:{free_port()}/shop")))
    with hook() as one:
        context = replace(watched(webhooks=(Secret(one.url),)), freezes=ledger)
        ledger.freeze(Frozen("local", ADA, "holidays", 0.0))
        assert (monitor.once(context).events, one.got) == ((), []), "the lack of a backup can wait"
        look = monitor.once(replace(later(context, 1), database=dead))
    assert [(event.check, event.status) for event in look.events] == [("connection", "fail")]
    told = json.loads(one.got[0][2])
    assert told["summary"] == "local, frozen: connection fail"
    assert (told["freeze"]["by"], told["freeze"]["until"], told["freeze"]["held"]) == ("ada", None, 1)


@dataclass
class Unreachable:
    """A ledger that does not answer."""

    asked: int = 0

    def frozen(self, _environment: str) -> Frozen | None:
        self.asked += 1
        raise ConnectionLost("The ledger does not answer.")


def test_a_ledger_that_cannot_be_asked_ends_no_freeze_and_begins_none(
    watched: Callable[..., Context], ledger: PostgresLedger
) -> None:
    context = replace(watched(), freezes=Unreachable())
    look = monitor.once(context)
    assert [event.kind for event in look.events] == ["raised"], "who knows of no freeze tells"
    assert look.troubles == ("freeze: The ledger does not answer.",)
    store.save(context, State())
    ledger.freeze(Frozen("local", ADA, "holidays", 0.0))
    assert monitor.once(replace(context, freezes=ledger)).held == 1
    assert (blink := monitor.once(later(context, 1))).events == ()
    assert blink.held == 1
    with hook() as one:
        told = replace(watched(webhooks=(Secret(one.url),)), freezes=context.freezes)
        assert [event.kind for event in monitor.once(later(told, 62)).events] == ["raised"], "an hour is enough"
    message = json.loads(one.got[0][2])
    assert message["summary"] == "local, perhaps still frozen: backups warn"
    assert (message["freeze"]["over"], message["freeze"]["known"], message["freeze"]["held"]) == (False, False, 1)


def test_a_single_look_that_cannot_ask_ends_no_freeze_however_rare_looks_are(
    watched: Callable[..., Context], ledger: PostgresLedger
) -> None:
    context = watched()
    ledger.freeze(Frozen("local", ADA, "holidays", 0.0))
    away = replace(context, freezes=Unreachable())
    assert monitor.once(replace(context, freezes=ledger)).held == 1
    assert monitor.once(later(away, 61)).events == ()
    assert monitor.once(later(replace(context, freezes=ledger), 122)).held == 1
    assert monitor.once(later(away, 183)).events == ()
    assert [event.kind for event in monitor.once(later(away, 244)).events] == ["raised"]


def test_a_mere_look_at_the_ledger_makes_no_tables_in_it(server18: Server, ledger: PostgresLedger) -> None:
    empty = parse_database_url(server18.url(server18.create()))
    assert LedgerFreezes(empty).frozen("local") is None
    with PostgresDatabase(empty).session() as session:
        assert session.rows("SELECT to_regnamespace('locktender')") == [(None,)]
    ledger.freeze(Frozen("local", ADA, "holidays", 0.0))
    looks = LedgerFreezes(ledger._parameters)
    assert looks.frozen("local") == ledger.frozen("local")
    assert looks.frozen("elsewhere") is None


def test_the_ledgers_secrets_are_hidden_once_however_often_it_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LEDGER, f"postgresql://locktender:s3cret@127.0.0.1:{free_port()}/ledger")
    desk = Desk(Options())
    assert desk.freezes_if_any()
    hidden = desk.secrets
    assert "s3cret" in {one.reveal() for one in hidden}
    for _ in range(3):
        with pytest.raises(DatabaseUnreachable):
            desk.ledger()
    assert desk.secrets == hidden


def test_without_a_ledger_alerts_are_frozen_where_the_monitor_remembers(watched: Callable[..., Context]) -> None:
    context = replace(watched(), actor="ada@laptop")
    assert freezes.end(context) is None
    made = freezes.begin(context, "moving", 3600.0)
    assert (made.by, made.until) == ("ada@laptop", context.clock.now() + 3600)
    assert (monitor.once(context).held, monitor.once(later(context, 30)).held) == (1, 1)
    assert [event.kind for event in monitor.once(later(context, 61)).events] == ["raised"], "its time is over"
    freezes.begin(context, "again", 3600.0)
    assert freezes.end(context) is not None
    assert freezes.end(context) is None
    context.host.write(f"{context.environment.backup_dir}/.locktender/local/freeze.json", b"torn")
    assert store.freeze(context) is None


def test_a_state_from_before_there_were_freezes_can_be_read() -> None:
    told = json.loads(State(1.0, held={"disk": Held("ok", 0.0, "warn", 1.0, 1.0)}, freeze=FREEZE).to_bytes())
    assert State.from_bytes(json.dumps(told).encode()).freeze == FREEZE
    for name in ("held", "freeze"):
        del told[name]
    assert State.from_bytes(json.dumps(told).encode()) == State(1.0)


# --- the programs themselves ---------------------------------------------------------------------------------------


def test_alerts_are_frozen_by_the_command_line(
    project: Project, server18: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project.run("monitor", "freeze").exit_code == 2
    made = project.run("monitor", "freeze", "moving house", "--for", "2h").result["freeze"]
    assert made["until"] - made["since"] == 7200
    look = project.run("monitor", "check").result
    assert (look["freeze"]["reason"], look["freeze"]["by"]) == ("moving house", made["by"])
    assert project.run("monitor", "freeze", "--off").result == {"freeze": None, "ended": True}
    monkeypatch.setenv("LOCKTENDER_LEDGER_URL", f"postgresql://locktender:s3cret@127.0.0.1:{free_port()}/ledger")
    done = project.run("monitor", "check")
    assert done.exit_code == 0, done.said
    assert done.result["freeze"] is None
    assert any("freeze: " in trouble for trouble in done.result["troubles"])
    assert "s3cret" not in done.said


@pytest.mark.campaign
def test_a_freeze_in_slack_holds_back_what_workers_find_until_it_is_lifted(tmp_path: Path, server18: Server) -> None:
    begun = datetime.now(UTC)

    def schedule(due: datetime, url: str) -> str:
        """Done when a worker starts, and not again today."""
        return f"""
[environments.production.schedule]
monitor = "{due:%M %H * * *}"
[environments.production.checks]
ignore = {OTHERS}
[environments.production.alerts]
webhooks = ["{url}"]
internal = true
after = 1
"""

    target, kept = server18.url(server18.create()), server18.url(server18.create())
    with hook() as one:
        with staged(tmp_path, target, kept, more=schedule(begun - timedelta(minutes=1), one.url)) as stage:
            stage.bot()
            assert "is frozen for 2h" in stage.command("freeze production 2h Black Friday").text
            port = free_port()
            stage.worker(LOCKTENDER_WORKER_PORT=str(port))
            assert "warnings are held back" in stage.card("production is frozen").all_text
            memory = stage.ledger.memory("production")
            eventually(lambda: memory.load().held_back == 1, "an alert that is held back")
            page = eventually(lambda: told if "locktender_check" in (told := stage.page("/metrics", port)) else None)
            assert 'locktender_alerts_held{environment="production"} 1.0' in page
            assert 'locktender_alert_standing{check="backups",environment="production"} 1.0' in page
            assert one.got == []
            assert "not frozen any more" in stage.command("unfreeze production").text
            stage.settings = {"more": schedule(begun, one.url)}
            stage.worker()
            eventually(lambda: one.got and not memory.load().outbox, "the one message")
            assert memory.load().held_back == 0
        ((_, _, body),) = one.got
    told = json.loads(body)
    assert told["summary"] == "production, not frozen any more: backups warn"
    assert [(event["event"], event["check"]) for event in told["events"]] == [("raised", "backups")]
    assert (told["freeze"]["reason"], told["freeze"]["over"], told["freeze"]["held"]) == ("Black Friday", True, 1)
