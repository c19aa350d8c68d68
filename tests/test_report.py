"""The report: what it tells of real runs and backups, and how it is written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from PIL import Image, ImageColor

from bot.blocks.report import message
from cli.verbs.report import written
from operations import backup
from operations.approvals import asking
from operations.approvals.model import Policy, Request, State, Vote
from operations.catalog.ddl import Restated
from operations.context import Context
from operations.deploy import deploy
from operations.errors import DatabaseUnreachable, LocktenderError
from operations.layout import state_directory
from operations.release.watching import Outages
from operations.report import report
from operations.reporting import charts, text
from operations.reporting.alerts import alerts_of
from operations.reporting.approvals import approvals_of
from operations.reporting.model import Backup, MigrationTime, Report, Run, SizePoint, summarised, watched
from operations.reporting.pictures import FILLS, png
from operations.reporting.rendering import html, markdown
from operations.restore import restore
from operations.rollback import rollback
from operations.secret import Secret
from operations.settings import Backups

from .conftest import Server
from .folders import write_migration
from .ledgers import ADA, BOB, CY, DIRECTORY, environment, new, opened
from .locktender_process import Project
from .report_sample import sample

NASTY = '<script>alert("x")</script> `a` | b [c](https://evil.example) @all \u202e${{ x }} \x1b[31m'


@pytest.fixture
def lived(server18: Server, context_of: Callable[..., Context]) -> Context:
    """An environment in which something has happened: deploys, a failure, a way back, backups, a restore."""
    context = context_of(server18.url(server18.create()), backups=Backups(test_restore="never"))
    write_migration(context, "1_init", 'CREATE TABLE "Order" (id int PRIMARY KEY, note text); SELECT pg_sleep(0.02);')
    write_migration(context, "2_rows", 'INSERT INTO "Order" SELECT i FROM generate_series(1, 500) i;')
    deploy(context)
    backup.create(context, verify="L2")
    with context.database.session() as session:
        session.execute('INSERT INTO "Order" SELECT i FROM generate_series(501, 700) i; ANALYZE "Order"')
    write_migration(context, "3_bad", 'ALTER TABLE "Order" ADD COLUMN note text;')
    with pytest.raises(LocktenderError):
        deploy(context)
    write_migration(context, "3_bad", 'CREATE INDEX CONCURRENTLY ON "Order" (note);')
    deploy(context)
    rollback(context)
    restore(context, "latest")
    return context


def test_it_tells_what_has_happened(lived: Context) -> None:
    told = report(lived)
    assert told.missing == ()
    assert [(run.operation, run.outcome, run.good) for run in told.runs] == [
        ("restore", "restored", True),
        ("rollback", "rolled_back", True),
        ("deploy", "deployed", True),
        ("deploy", "rolled_back", False),
        ("deploy", "deployed", True),
    ]
    assert all(run.seconds and run.seconds > 0 for run in told.runs)
    assert told.runs[0].downtime_seconds is not None
    failed, first = told.runs[3], told.runs[4]
    assert first.applied == ("1_init", "2_rows")
    assert failed.error
    assert "3_bad" in failed.error
    assert failed.rollback == "transaction"
    took = {one.name: one.seconds for one in told.migrations}
    assert set(took) == {"1_init", "2_rows"}
    assert (took["1_init"] or 0) >= 0.02
    assert took["2_rows"] is not None
    assert told.pending == ("3_bad",)
    (order,) = [table for table in told.tables if table.name == 'public."Order"']
    assert order.bytes > 8000
    assert order.more_rows == 200
    assert told.sizes[-1].bytes == told.summary.database_bytes
    assert len(told.sizes) == len(told.backups) + 1
    tested = [one for one in told.backups if one.level == "L2"]
    assert [one.reason for one in told.backups][-1] == "manual"
    assert all(one.checked for one in tested)
    assert tested
    assert all(one.seconds is not None and one.seconds >= 0 for one in told.backups)
    assert told.summary.deploys == 3
    assert told.summary.failed_deploys == 1
    assert told.checks
    assert told.server_version
    for text_of_it in (html(told), markdown(told)):
        assert "3_bad" in text_of_it
        assert told.backups[0].id in text_of_it
        assert lived.environment.database_url.reveal() not in text_of_it


def test_a_damaged_backup_and_secrets_in_messages(server18: Server, context_of: Callable[..., Context]) -> None:
    lived = context_of(server18.url(server18.create()))
    newest = backup.create(lived, verify="L0")
    manifest = Path(newest.path, "manifest.json")
    manifest.write_text(manifest.read_text().replace('"id"', '"di"'))
    Path(state_directory(lived.environment), "journal").mkdir()
    path = Path(state_directory(lived.environment), "journal", "20990101T000000Z-aaaaaa.jsonl")
    lines: list[dict[str, object]] = [
        {
            "event": "run_started",
            "at": "2099-01-01T00:00:00.000+00:00",
            "operation": "deploy",
            "actor": "a",
            "token": 999,
        },
        {
            "event": "run_finished",
            "at": "2099-01-01T00:00:09.500+00:00",
            "outcome": "needs_attention",
            "error": "s3cret!",
        }
        | {"downtime_seconds": 4.25},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    told = report(replace(lived, secrets=(Secret("s3cret!"),)))
    run = told.runs[0]
    assert (run.seconds, run.downtime_seconds, run.error, run.good) == (9.5, 4.25, "***", False)
    assert told.summary.longest_downtime_seconds == 4.25
    (damaged,) = [one for one in told.backups if one.level is None]
    assert damaged.id == newest.id
    assert damaged.problems
    assert "damaged" in html(told)


def test_what_cannot_be_looked_at_is_told_as_missing(context_of: Callable[..., Context]) -> None:
    told = report(context_of(Secret("postgresql://u:hidden@127.0.0.1:1/nowhere")))
    assert [sentence.partition(" could")[0] for sentence in told.missing] == ["The database"]
    assert told.summary.failures >= 1
    assert (told.summary.database_bytes, told.summary.migrations, told.summary.pending) == (None, None, None)
    assert "| database | could not be looked at |" in markdown(told)
    assert "| migrations | – applied, – pending |" in markdown(told)
    assert '<dd class="more">could not be looked at</dd>' in html(told)
    for page in (html(told), markdown(told)):
        assert "0 tables" not in page, "what nobody has seen is not told as none"
        assert "None are applied" not in page
    in_slack = message(told).text
    assert "migrations: – applied, – pending" in in_slack
    assert "database: could not be looked at" in in_slack
    assert "hidden" not in html(told) + markdown(told)


def test_an_empty_database_without_anything_yet(server18: Server, context_of: Callable[..., Context]) -> None:
    context = context_of(server18.url(server18.create()))
    told = report(context)
    assert (told.runs, told.backups, told.tables, told.migrations) == ((), (), (), ())
    assert told.summary.pending is None
    assert told.missing == (told.missing[0],)
    assert "migrations folder" in told.missing[0]
    write_migration(context, "1_init", "SELECT 1;")
    assert report(context).pending == ("1_init",)
    assert "None yet." in html(report(context))
    assert told.summary.downtime_seconds is None, "what was not measured is not told as none"
    for page in (html(report(context)), markdown(report(context))):
        assert "not measured" in page
        assert "median –" not in page


# --- approvals and alerts -----------------------------------------------------------------------------------------


def test_approvals_of_the_ledger_are_told_with_how_long_people_waited(
    server18: Server, context_of: Callable[..., Context]
) -> None:
    here = environment(expires=3600.0, name="local")
    with opened(Secret(server18.url(server18.create()).reveal())) as ledger:
        door = asking.Door(ledger, here, DIRECTORY)
        granted, denied, waiting = (ledger.create(new(here, reason=reason)) for reason in ("rows", "no", "later"))
        asking.vote(door, granted.id, 1, BOB.account, True)
        asking.vote(door, denied.id, 1, CY.account, False, "not now")
        asking.cancel(door, ledger.create(new(here, reason="never mind")).id, ADA.account)
        told = report(context_of(Secret("postgresql://u:hidden@127.0.0.1:1/nowhere")), lambda: ledger)
    assert told.approvals is not None
    found = {one.reason: one for one in told.approvals}
    assert {reason: one.decision for reason, one in found.items()} == {
        "rows": "granted", "no": "denied", "later": "open", "never mind": "cancelled",
    }  # fmt: skip
    assert found["rows"].approvers == ("bob",)
    assert found["rows"].requester == "ada"
    assert (found["rows"].waited or -1.0) >= 0
    assert found["later"].waited is None
    assert (told.watched.asked, told.watched.granted, told.watched.denied) == (4, 1, 1)
    assert waiting.id in {one.id for one in told.approvals}
    for text_of_it in (html(told), markdown(told)):
        assert "4 asked" in text_of_it or ">4</dd>" in text_of_it
        assert "never mind" in text_of_it


def test_a_ledger_that_does_not_answer_is_told_as_missing(context_of: Callable[..., Context]) -> None:
    def unreachable() -> None:
        raise DatabaseUnreachable("Nobody answers there.")

    told = report(context_of(Secret("postgresql://u:hidden@127.0.0.1:1/nowhere")), unreachable)
    assert told.approvals is None
    assert "The ledger could not be looked at: Nobody answers there." in told.missing
    assert "Approvals" not in html(told)


def test_what_counts_as_an_approval() -> None:
    def asked(state: State, **changes: Any) -> Request:
        policy = Policy(None, frozenset({"bob"}), changes.pop("required", 1), 60.0, False, changes.pop("glass", False))
        made = Request(
            "r", 1, 1, "p", "restore", {}, ADA, "why", state, "worker", policy, 1000.0, 2000.0, decided_at=1090.0
        )
        return replace(made, **changes)

    agreed = (Vote(BOB, True, "", 1090.0),)
    told = approvals_of(
        [
            asked(State.DONE, votes=agreed),
            asked(State.VOIDED, votes=agreed),
            asked(State.VOIDED),
            asked(State.EXPIRED),
            asked(State.DONE, required=0),
            asked(State.DONE, required=0, glass=True),
            asked(State.FAILED, required=0, glass=True, reviewed_by=BOB),
        ]
    )
    assert [(one.decision, one.waited) for one in told[:4]] == [
        ("granted", 90.0), ("granted", 90.0), ("voided", None), ("expired", None),
    ]  # fmt: skip
    assert [(one.break_glass, one.reviewed_by) for one in told[4:]] == [(True, None), (True, "bob")]
    numbers = watched(told, ())
    assert (numbers.asked, numbers.granted, numbers.break_glass, numbers.unreviewed) == (6, 4, 2, 1)
    assert numbers.median_waited == 90.0, "who goes past an approval waits for none"


def test_alerts_and_how_long_they_lasted() -> None:
    def look(minute: int, *events: tuple[str, ...]) -> dict[str, Any]:
        return {"at": f"2026-01-01T00:{minute:02}:00+00:00", "events": [list(event) for event in events]}

    told = alerts_of(
        [
            look(0, ("recovered", "before", "ok", "2025-12-31T23:50:00+00:00")),
            look(1, ("raised", "disk", "warn", "")),
            look(5, ("worsened", "disk", "fail", ""), ("raised", "app", "fail")),
            look(9, ("reminder", "disk", "fail", "")),
            look(31, ("eased", "disk", "warn", "")),
            look(41, ("recovered", "disk", "ok", "")),
            {"at": "2026-01-01T00:50:00+00:00"},
        ]
    )
    assert [(one.check, one.status, one.seconds) for one in told] == [
        ("app", "fail", None), ("disk", "fail", 2400.0), ("before", "warn", 600.0),
    ]  # fmt: skip
    numbers = watched(None, told)
    assert (numbers.alerts, numbers.standing, numbers.median_recovery, numbers.asked) == (3, 1, 1500.0, None)


def test_charts_are_pictures_too() -> None:
    for id, chart in charts.drawn(sample()).items():
        assert chart, id
        picture = Image.open(BytesIO(png(chart)))
        assert picture.format == "PNG"
        assert picture.width == 1504
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 20) or ()}
        fills = {bar.kind for bar in chart.bars} or {"plain"}
        for kind in fills:
            assert ImageColor.getrgb(FILLS[kind]) in colours, (id, kind)


def test_the_program_writes_each_format(server18: Server, tmp_path: Path) -> None:
    (tmp_path / "migrations" / "1_init").mkdir(parents=True)
    (tmp_path / "migrations" / "1_init" / "migration.sql").write_text("SELECT 1;")
    project = Project(tmp_path, server18.url(server18.create()), tmp_path / "migrations")
    done = project.run("report", "--out", str(tmp_path / "report.HTML"))
    assert done.exit_code == 0, done.said
    assert done.result["pending"] == ["1_init"]
    assert done.result["path"] == str(tmp_path / "report.HTML")
    assert (tmp_path / "report.HTML").read_text().startswith("<!doctype html>")
    assert project.run("report", "--out", str(tmp_path / "no" / "such.md")).exit_code == 2


def test_the_format_follows_the_name_and_json_is_the_whole_report() -> None:
    told = json.loads(written(sample(), "json"))
    assert told["summary"]["deploys"] == 24
    assert told["backups"][0]["level"] == "L1"
    assert written(sample(), "markdown").startswith("# Locktender: production\n")


class Page(HTMLParser):
    """Tags and attributes as a browser would find them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def _nasty_report() -> Report:
    told = sample()
    run = replace(
        told.runs[0], error=NASTY, actor=NASTY, applied=(NASTY,), backup_id=NASTY, run_id=NASTY, outcome=NASTY
    )
    ddl = (Restated("changed", NASTY, (NASTY, "```\n# not a heading"), (NASTY,)),)
    return replace(
        told,
        approvals=tuple(
            replace(one, operation=NASTY, requester=NASTY, approvers=(NASTY,), reason=NASTY, reviewed_by=NASTY)
            for one in told.approvals or ()
        ),
        alerts=tuple(replace(one, check=NASTY, status=NASTY) for one in told.alerts),
        environment=NASTY,
        database=NASTY,
        server_version="17",
        checks=tuple(
            replace(check, name=NASTY, detail=NASTY, why=NASTY, fix=NASTY, ddl=check.ddl and ddl)
            for check in told.checks
        ),
        runs=(run, *told.runs),
        migrations=(MigrationTime(NASTY, told.generated, 99.0), *told.migrations),
        pending=(NASTY,),
        tables=tuple(replace(table, name=NASTY) for table in told.tables),
        backups=(replace(told.backups[0], id=NASTY, reason=NASTY, pinned=NASTY, problems=(NASTY,)), *told.backups),
        missing=(NASTY,),
    )


def test_html_is_one_file_that_runs_and_loads_nothing_whatever_names_say() -> None:
    page = Page(html(_nasty_report()))
    assert page.open == []
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "img", "link", "iframe", "object", "base", "form", "b", "image", "use"}
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name != "style"
            if name in ("href", "src", "fill", "action"):
                assert (value or "").startswith(("#", "url(#")), (tag, name, value)
    assert "\u202e" not in "".join(page.words)
    assert "\x1b" not in "".join(page.words)
    assert any('<script>alert("x")</script>' in words for words in page.words)
    policies = [a["content"] for tag, a in page.tags if tag == "meta" and a.get("http-equiv")]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_html_can_be_understood_without_seeing_it() -> None:
    page = Page(html(sample()))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    drawings = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(drawings) == 6
    for drawing in drawings:
        assert drawing["role"] == "img"
        assert set((drawing["aria-labelledby"] or "").split()) <= set(ids)
    targets = [(a["href"] or "")[1:] for tag, a in page.tags if tag == "a"]
    assert set(targets) <= set(ids)
    assert sum(tag == "caption" for tag, _ in page.tags) == sum(tag == "table" for tag, _ in page.tags)
    assert all("scope" in attributes for tag, attributes in page.tags if tag == "th")
    assert [a for tag, a in page.tags if tag == "html"] == [{"lang": "en"}]
    style = html(sample())
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style


def cells(line: str) -> int:
    return len(re.findall(r"(?<!\\)\|", line))


def test_markdown_is_whole_tables_whatever_names_say() -> None:
    told = markdown(_nasty_report())
    unfenced, fences = re.subn(r"^```diff\n(?:[-+] .*\n)+```$", "", told, flags=re.MULTILINE)
    assert fences == 1, "no line of what is shown as it is can end it"
    outside_of_code = re.sub(r"(?<![\\`])(`+)(?!`).*?(?<!`)\1(?!`)", "", unfenced)
    for live in ("<script", "@all", "](http", "$", "[c]"):
        assert live not in outside_of_code.replace("\\$", "").replace("\\[c\\]", "")
    assert "\u202e" not in told
    tables = [block.splitlines() for block in told.split("\n\n") if block.startswith("|")]
    assert len(tables) == 8
    for table in tables:
        assert {cells(line) for line in table} == {cells(table[0])}, table
        assert re.fullmatch(r"[|:-]+", table[1])
    assert len(told) < 65_536


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (None, "–"),
        (0.0, "0 ms"),
        (0.0304, "30 ms"),
        (0.9996, "1.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.9, "1 h 00 min"),
        (3900, "1 h 05 min"),
    ],
)
def test_durations_as_people_read_them(seconds: float | None, told: str) -> None:
    assert text.duration(seconds) == told


def test_a_chart_is_true_to_its_numbers() -> None:
    runs = [
        Run(str(n), "deploy", sample().generated, "a", "deployed", seconds=s) for n, s in enumerate((30.0, 0.0, 60.0))
    ]
    runs[0] = replace(runs[0], downtime_seconds=15.0, outcome="rolled_back")
    chart = charts.deploys(runs)
    assert chart
    highest, nothing, half = chart.bars  # oldest first
    assert (highest.height, half.height, half.part) == (
        pytest.approx(2 * half.height, abs=0.2),
        pytest.approx(highest.height / 2, abs=0.2),
        pytest.approx(half.height / 2, abs=0.2),
    )
    assert nothing.height == 1.5
    assert [bar.kind for bar in chart.bars] == ["good", "good", "bad"]
    assert [tick.label for tick in chart.ticks] == ["0 s", "20 s", "40 s", "60 s"]
    assert chart.ticks[-1].y == highest.y
    assert charts.deploys([]) is None
    many = charts.deploys(runs * 30)
    assert many
    assert (len(many.bars), many.omitted) == (charts.MOST_BARS, 90 - charts.MOST_BARS)
    assert many.bars[-1].x + many.bars[-1].width <= many.right


@pytest.mark.parametrize("highest", [0.0004, 0.2, 1.0, 1.99, 59, 61, 119, 3600, 7199, 7201, 1e6])
def test_an_axis_of_times_has_a_few_round_steps_and_holds_the_highest(highest: float) -> None:
    chart = charts.migrations([MigrationTime("a", sample().generated, highest)])
    assert chart
    assert 2 <= len(chart.ticks) <= 7
    assert chart.ticks[-1].y <= chart.bars[0].y


def test_growth_needs_two_points_and_keeps_time_in_scale() -> None:
    points = [SizePoint(f"2024-01-{day:02}T00:00:00Z", day * 1000) for day in (1, 2, 11)]
    assert charts.growth(points[:1]) is None
    assert charts.growth([points[0], points[0]])
    chart = charts.growth(points)
    assert chart
    (first, _), (second, _), (last, top) = chart.line
    assert second - first == pytest.approx((last - first) / 10, abs=0.2)
    assert top == min(y for _, y in chart.line)


def test_a_backup_that_was_never_restored_looks_otherwise_and_a_damaged_one_is_left_out() -> None:
    at = sample().generated
    chart = charts.backups([Backup("c", at, 3, "", None), Backup("b", at, 2, "", "L2"), Backup("a", at, 1, "", "L1")])
    assert chart
    assert [bar.kind for bar in chart.bars] == ["plain", "good"]


def test_the_summary_counts_what_it_says() -> None:
    told = summarised(deploys_of("deployed", "rolled_back", "running", "nothing_to_do"), (), None, (), None, ())
    assert (told.deploys, told.failed_deploys, told.median_deploy_seconds, told.pending) == (3, 1, 2.0, None)


def deploys_of(*outcomes: str) -> list[Run]:
    return [Run(str(n), "deploy", "", "", outcome, seconds=2.0) for n, outcome in enumerate(outcomes)]


def test_downtime_is_recorded_only_where_it_was_measured() -> None:
    never = Outages()
    never.saw(False, 1.0, 1.1)
    assert never.facts(5.0) == {}
    seen = Outages()
    seen.saw(True, 1.0, 1.1)
    assert seen.facts(5.0) == {"downtime_seconds": 0.0}
    seen.saw(False, 2.0, 2.1)
    seen.saw(True, 3.0, 3.5)
    assert seen.facts(9.0) == {"downtime_seconds": 2.5}
