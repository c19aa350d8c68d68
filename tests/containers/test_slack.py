"""examples/slack as it is: ledger, bot and two workers in containers, and a backup that is asked for in Slack."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

from ..documents.snippets import Snippet
from ..ports import free_port
from ..slack.stage import SIGNING, eventually
from ..slack.standin import TEAM, TOKEN, SlackStandIn, running
from .docker import POSTGRES_IMAGE, ROOT, Docker

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]

ADA = "U0AAAA"
CHANNEL = "C0123456789"
"""As the example's locktender.toml has it."""


@dataclass(frozen=True)
class Project:
    docker: Docker
    slack: SlackStandIn
    directory: Path
    port: int

    def compose(self, *words: str, check: bool = True) -> str:
        variables = {
            "COMPOSE_PROJECT_NAME": "locktender-in-slack",
            "LOCKTENDER_IMAGE": "locktender:test",
            "POSTGRES_IMAGE": POSTGRES_IMAGE,
            "BOT_PORT": str(self.port),
        }
        files = ("--file", "compose.yaml", "--file", "stand-in.yaml")
        done = self.docker("compose", *files, *words, cwd=self.directory, variables=variables, check=check, timeout=300)
        return done.stdout

    def typed(self, text: str) -> tuple[int, str]:
        """``/db TEXT``, as Slack sends it."""
        fields = {
            "command": "/db",
            "text": text,
            "user_id": ADA,
            "team_id": TEAM,
            "channel_id": CHANNEL,
            "trigger_id": self.slack.trigger(),
        }
        body, at = urlencode(fields).encode(), str(int(time.time()))
        digest = hmac.new(SIGNING.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Slack-Request-Timestamp": at,
            "X-Slack-Signature": f"v0={digest}",
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", "/slack/events", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


@pytest.fixture
def project(docker: Docker, image: str, documented: list[Snippet], tmp_path: Path) -> Iterator[Project]:
    directory = tmp_path / "slack"
    shutil.copytree(ROOT / "examples" / "slack", directory)
    (directory / "migrations").mkdir()
    (bridge,) = json.loads(docker("network", "inspect", "bridge").stdout)
    gateway = bridge["IPAM"]["Config"][0]["Gateway"]
    with running(SlackStandIn(address=gateway)) as slack:
        for person in (ADA, "U0BBBB", "U0CCCC"):
            slack.add_user(person)
        slack.add_channel(CHANNEL)
        given = {
            "LEDGER_PASSWORD": "a-word",
            "SLACK_BOT_TOKEN": TOKEN,
            "SLACK_SIGNING_SECRET": SIGNING,
            "DATABASE_URL": "postgresql://locktender:a-word@ledger:5432/shop",
        }
        subprocess.run(documented[0].commands[0].typed, shell=True, cwd=directory, check=True, timeout=60)
        copied = (directory / ".env").read_text()
        filled = "".join(f"{line}{given.get(line.rstrip('='), '')}\n" for line in copied.splitlines())
        (directory / ".env").write_text(filled)
        told = {"environment": {"SLACK_API_URL": slack.api_url}}
        (directory / "stand-in.yaml").write_text(json.dumps({"services": {"bot": told, "worker": told}}))
        made = Project(docker, slack, directory, free_port())
        try:
            yield made
        finally:
            made.compose("down", "--volumes", check=False)


def test_the_example_takes_a_backup_that_was_asked_for_in_slack(project: Project, documented: list[Snippet]) -> None:
    project.compose("up", "--detach", "--wait", "ledger")
    sql = ("exec", "-T", "ledger", "psql", "-U", "locktender", "-d", "locktender", "-qc", "CREATE DATABASE shop")
    project.compose(*sql)
    docker, compose, *up = shlex.split(documented[0].commands[1].typed)
    assert (docker, compose) == ("docker", "compose")
    project.compose(*up, "--scale", "worker=2")
    status, said = project.typed("backup production out of a container")
    assert (status, "is asked for" in said) == (200, True), said
    card = eventually(
        lambda: next((one for one in project.slack.of(CHANNEL) if "of a container" in one.all_text), None)
    )
    eventually(lambda: "Backup · production: done" in card.all_text or "void" in card.all_text, card.all_text)
    assert "Backup · production: done" in card.all_text
    assert "/manifest.json" in project.compose("exec", "-T", "worker", "sh", "-c", "ls /work/backups/*/manifest.json")

    configuration = json.loads(project.compose("config", "--format", "json"))
    published = [port for service in configuration["services"].values() for port in service.get("ports", ())]
    assert [port["host_ip"] for port in published] == ["127.0.0.1"]
    assert "DATABASE_URL" not in configuration["services"]["bot"]["environment"]
    project.compose("stop", "bot", "worker")
    told = [json.loads(line) for line in project.compose("ps", "--all", "--format", "json").splitlines() if line]
    found = told[0] if told and isinstance(told[0], list) else told
    assert {(one["Service"], one["ExitCode"]) for one in found if one["Service"] != "ledger"} == {
        ("bot", 0),
        ("worker", 0),
    }
    assert project.slack.violations == []
