"""What workers do by themselves: real processes, a real ledger, a real database, real webhooks."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.schedule import Scheduled
from bot.watch import Watch
from bot.wiring import scheduled
from operations.errors import ConfigurationError
from operations.health import NAMES
from operations.secret import Secret
from operations.settings import Environment, Schedule, Settings
from operations.settings_file import load

from .conftest import Server
from .slack.stage import OPS, eventually, staged
from .test_monitor import hook

OTHERS = json.dumps([name for name in NAMES if name != "backups"])


def test_two_workers_look_and_one_of_them_tells(tmp_path: Path, server18: Server) -> None:
    due = f"{datetime.now(UTC) - timedelta(minutes=1):%M %H * * *}"  # done at the start, and not again today
    with hook() as one:
        more = f"""
[environments.production.schedule]
monitor = "{due}"
report = "{due}"
[environments.production.checks]
ignore = {OTHERS}
[environments.production.alerts]
webhooks = ["{one.url}"]
internal = true
after = 1
"""
        target, ledger = server18.url(server18.create()), server18.url(server18.create())
        with staged(tmp_path, target, ledger, more=more) as stage:
            for _ in range(2):
                stage.worker()
            (look,) = eventually(lambda: stage.ledger.memory("production").looks(0), "a look that told something")
            assert [event[:3] for event in look["events"]] == [["raised", "backups", "warn"]]
            eventually(lambda: not stage.ledger.memory("production").load().outbox, "all is sent")
            card = stage.card("production: report")
            assert len([one for one in stage.slack.of(OPS) if "production: report" in one.all_text]) == 1
            assert "Approvals" in card.all_text
            files = eventually(lambda: [one for one in stage.slack.files.values() if one.get("channel")], "its files")
            assert {one["thread_ts"] for one in files} <= {one.ts for one in stage.slack.of(OPS)}
            page = next(one["content"] for one in files if one["name"] == "report-production.html")
            assert page.startswith(b"<!doctype html>")
        assert [json.loads(body)["summary"] for _, _, body in one.got] == ["production: backups warn"]


def test_what_is_scheduled_is_what_the_configuration_names() -> None:
    def environment(name: str, **schedule: str) -> Environment:
        return Environment(name, Secret("postgresql://u:p@h/d"), "/m", "/b", schedule=Schedule(**schedule))

    settings = Settings((environment("a"), environment("b", monitor="*/5 * * * *", report="0 7 * * 1")))
    watch = Watch(settings, None)  # type: ignore[arg-type]
    assert scheduled(settings, watch) == [
        Scheduled("monitor", "b", "*/5 * * * *", watch.look),
        Scheduled("report", "b", "0 7 * * 1", watch.report),
    ]


@pytest.mark.parametrize("wrong", ["", "hourly", "* * * *", "61 * * * *", "* * * * * *", "@daily"])
def test_what_is_no_cron_expression_is_refused(tmp_path: Path, wrong: str) -> None:
    file = tmp_path / "locktender.toml"
    file.write_text(
        '[environments.p]\ndatabase_url = "postgresql://u:p@h/d"\nmigrations = "m"\nbackup_dir = "b"\n'
        f'[environments.p.schedule]\nmonitor = "{wrong}"\n'
    )
    with pytest.raises(ConfigurationError, match="must be a cron expression of five fields"):
        load(file, {})
