"""Bot and worker as docs/slack.md starts them from an installation, with the configuration that it shows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from operations.adapters.throwaway import embedded_binaries

from ..conftest import Server
from ..documents.shell import Shell, shell
from ..documents.snippets import Snippet
from ..ports import free_port
from ..slack.stage import eventually
from ..slack.standin import APP_TOKEN, TEAM, TOKEN, SlackStandIn, running
from ..slack.websocket import SocketMode, listening

pytestmark = pytest.mark.campaign

ADA = "U0AAAA"
CHANNEL = "C0123456789"
"""As the page has them."""


@pytest.fixture
def line() -> Iterator[SocketMode]:
    with listening() as made:
        yield made


@pytest.fixture
def slack(line: SocketMode) -> Iterator[SlackStandIn]:
    with running() as made:
        made.socket_url = line.url
        made.add_channel(CHANNEL)
        for person in (ADA, "U0BBBB", "U0CCCC", "U0DDDD"):
            made.add_user(person)
        yield made


@pytest.fixture
def typed(slack: SlackStandIn, server18: Server, tmp_path: Path) -> Iterator[Shell]:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "migration_lock.toml").write_text('provider = "postgresql"\n')
    meant = {
        "postgresql://locktender:secret@localhost/locktender": server18.url(server18.create()).reveal(),
        "/etc/locktender/locktender.toml": "locktender.toml",
        "/srv/app/prisma/migrations": str(tmp_path / "migrations"),
        "/srv/backups/app": str(tmp_path / "backups"),
        "xoxb-...": TOKEN,
        "xapp-...": APP_TOKEN,
    }
    variables = {
        "DATABASE_URL": server18.url(server18.create()).reveal(),
        "SLACK_API_URL": slack.api_url,
        "PORT": str(free_port()),
    }
    with shell(
        tmp_path / "bot", f"{Path(sys.executable).parent}:{embedded_binaries()}", meant, variables=variables
    ) as made:
        yield made
        for log in sorted(made.directory.glob("log-*")):
            print(log.read_text())


def test_what_the_page_starts_and_configures_does_what_it_says(
    documented: list[Snippet], typed: Shell, slack: SlackStandIn, line: SocketMode
) -> None:
    started, configured = documented
    typed.put("locktender.toml", configured.text)
    for number, command in enumerate(one.typed for one in started.commands):
        in_its_terminal = command if command.startswith("export ") else f"{command} > log-{number} 2>&1 &"
        assert typed.run(in_its_terminal) == (0, [])
    eventually(lambda: line.connections, "the bot connects")
    envelope = line.send("slash_commands", asked(slack, "backup production by hand"))
    eventually(lambda: envelope in line.acknowledged, "the bot answers")
    card = eventually(lambda: next((one for one in slack.of(CHANNEL) if "by hand" in one.all_text), None))
    eventually(lambda: "Backup · production: done" in card.all_text, "the worker takes the backup")
    assert slack.violations == []


def asked(slack: SlackStandIn, text: str) -> dict[str, str]:
    who = {"user_id": ADA, "team_id": TEAM, "channel_id": CHANNEL}
    return {"command": "/db", "text": text, "trigger_id": slack.trigger(), **who}
