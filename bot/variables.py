"""What the bot and its workers are told by the environment of their process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from operations.agreement import LEDGER
from operations.errors import ConfigurationError
from operations.secret import Secret

SLACK_API = "https://slack.com/api/"
GITHUB_API = "https://api.github.com"
NUMBERS = {
    "PORT": 3000,
    "LOCKTENDER_SLACK_AT_ONCE": 2,
    "LOCKTENDER_WORKER_PORT": 0,
    "LOCKTENDER_BOT_THREADS": 32,
    "LOCKTENDER_WORKER_CONCURRENCY": 4,
}
"""Variables that hold a number, with what it is where they are not set."""


class Variables(Struct, frozen=True):
    """What the process's environment says."""

    bot_token: Secret
    signing_secret: Secret
    app_token: Secret
    ledger_url: Secret
    config: Path
    slack_url: str
    command: str
    port: int
    worker_port: int
    """Where a worker says how it is; 0: nowhere."""
    address: str
    at_once: int
    """Seconds that a person may wait for what Slack must be asked before they are answered."""
    threads: int
    """How many requests of Slack are dealt with at the same time; as many connections to the ledger."""
    concurrency: int
    """How many requests a worker executes at the same time, each of another environment."""
    github_url: str
    webhook_secret: Secret
    app_id: str
    app_key: Secret
    """Of the GitHub App, where GitHub holds deployments back."""


def variables(environ: Mapping[str, str]) -> Variables:
    """Raises ``ConfigurationError`` for all that is missing or wrong at once."""
    numbers, no_numbers = _numbers(environ)
    problems = [*_missing(environ), *no_numbers]
    if problems:
        raise ConfigurationError(
            f"The bot cannot start: {'; '.join(problems)}.", hint="docs/slack.md says what goes there."
        )
    command = environ.get("LOCKTENDER_SLACK_COMMAND") or "/db"
    return Variables(
        bot_token=Secret(environ["SLACK_BOT_TOKEN"]),
        signing_secret=Secret(environ.get("SLACK_SIGNING_SECRET", "")),
        app_token=Secret(environ.get("SLACK_APP_TOKEN", "")),
        ledger_url=Secret(environ[LEDGER]),
        config=Path(environ.get("LOCKTENDER_CONFIG") or "locktender.toml"),
        slack_url=environ.get("SLACK_API_URL") or SLACK_API,
        command=command if command.startswith("/") else f"/{command}",
        port=numbers["PORT"],
        worker_port=numbers["LOCKTENDER_WORKER_PORT"],
        address=environ.get("LOCKTENDER_BOT_ADDRESS") or "0.0.0.0",  # noqa: S104 - a container's only way out
        at_once=max(1, numbers["LOCKTENDER_SLACK_AT_ONCE"]),
        threads=max(1, numbers["LOCKTENDER_BOT_THREADS"]),
        concurrency=max(1, numbers["LOCKTENDER_WORKER_CONCURRENCY"]),
        github_url=(environ.get("GITHUB_API_URL") or GITHUB_API).rstrip("/"),
        webhook_secret=Secret(environ.get("GITHUB_WEBHOOK_SECRET", "")),
        app_id=environ.get("GITHUB_APP_ID", ""),
        app_key=Secret(environ.get("GITHUB_APP_PRIVATE_KEY", "")),
    )


def _missing(environ: Mapping[str, str]) -> Iterator[str]:
    for name in ("SLACK_BOT_TOKEN", LEDGER):
        if not environ.get(name):
            yield f"{name} is not set"
    if not (environ.get("SLACK_SIGNING_SECRET") or environ.get("SLACK_APP_TOKEN")):
        yield "neither SLACK_SIGNING_SECRET (HTTP) nor SLACK_APP_TOKEN (Socket Mode) is set"


def _numbers(environ: Mapping[str, str]) -> tuple[dict[str, int], list[str]]:
    """Those of ``NUMBERS``, and what is wrong with them."""
    found, problems = dict(NUMBERS), []
    for name, default in NUMBERS.items():
        text = environ.get(name) or str(default)
        if text.isascii() and text.isdigit() and 0 <= int(text) <= 65535:
            found[name] = int(text)
        else:
            problems.append(f"{name} is no number")
    return found, problems
