"""Builds what the bot and its workers are made of; nothing else here knows adapters or the process's environment."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace
from procrastinate.exceptions import ProcrastinateException
from psycopg_pool import PoolTimeout

from bot.answers import Answers, ContextOf
from bot.ask_queue import AskQueue, AskWorker
from bot.convergence import Convergence
from bot.doorkeeper import Doorkeeper, Placing, nowhere
from bot.gate import guarded
from bot.github_app import GithubApp
from bot.home import Home
from bot.hook import Hook
from bot.house import House
from bot.http import Dispatch, Front
from bot.listeners import bolt_app
from bot.opener import Opener
from bot.reception import Reception
from bot.redelivery import Redelivery
from bot.roster import Roster, environment_named
from bot.schedule import Scheduled
from bot.slack import SlackAway, SlackBusy
from bot.socket_mode import Socket
from bot.upkeep import Upkeep
from bot.variables import Variables
from bot.watch import Watch
from bot.web_api import WebApi
from operations.adapters.assembly import assembled
from operations.adapters.ledger import PostgresLedger
from operations.adapters.ledger_connection import keywords_of
from operations.adapters.log_file import followed
from operations.adapters.metrics import Remembered
from operations.adapters.queue import Worker
from operations.context import Context
from operations.database_url import parse_database_url
from operations.errors import ConfigurationError, LocktenderError
from operations.executing import Workshop
from operations.ports import Report
from operations.settings import Settings
from operations.settings_file import load, load_shape
from operations.settings_secrets import secrets_of

T = TypeVar("T")
START_PATIENCE = 60.0
"""Seconds that Slack may be away at the start."""
OPENERS = 16
RETRY = 2.0
logger = logging.getLogger("locktender.bot")


class Bot(Struct, frozen=True):
    """What speaks with Slack. It holds no secret of any environment."""

    ledger: PostgresLedger
    queue: AskQueue
    opener: Opener
    roster: Roster
    dispatch: Dispatch
    hook: Hook | None

    def close(self) -> None:
        """Finish what has begun, and let go."""
        self.opener.close()
        self.queue.close()
        self.ledger.close()


def bot(given: Variables) -> Bot:
    """Raises ``ConfigurationError``, ``DatabaseUnreachable``, ``SlackFailed``."""
    settings = load_shape(given.config)
    _refuse_lacking(settings, GITHUB_WEBHOOK_SECRET=bool(given.webhook_secret))
    slack = WebApi(given.bot_token, given.slack_url)
    team, user = at_the_start(slack.team)
    parameters = parse_database_url(given.ledger_url)
    ledger = PostgresLedger(parameters, connections=given.threads, warm=given.threads, purpose="bot").open()
    queue = AskQueue(keywords_of(parameters, "bot"), max(4, given.threads // 2))
    opener = Opener(slack, queue, OPENERS)
    roster = Roster(WebApi(given.bot_token, given.slack_url, timeout=given.at_once), settings, given.at_once)
    reception = Reception(House(settings, ledger, roster, team), queue, opener, given.command)
    hook = Hook(given.webhook_secret, given.github_url, settings.environments, ledger.held.hold)
    dispatch = bolt_app(reception, user).dispatch
    return Bot(ledger, queue, opener, roster, dispatch, hook if given.webhook_secret else None)


def front(given: Variables, made: Bot) -> Front:
    """The HTTP side."""
    return Front(given.signing_secret, made.ledger.first_seen, made.dispatch, given.threads)


def socket(given: Variables, made: Bot) -> Socket:
    """The Socket Mode side."""
    return Socket(given.app_token, given.slack_url, made.ledger.first_seen, made.dispatch, given.threads)


class Beside(Protocol):
    """Something that works in threads of its own."""

    def start(self) -> None:
        """Begin."""
        ...

    def stop(self) -> None:
        """Finish what is at work and end."""
        ...


class Crew(Struct, frozen=True):
    """What works: ``worker`` in the thread that runs it, the rest beside it."""

    ledger: PostgresLedger
    worker: Worker
    beside: Sequence[Beside]
    remembered: Remembered

    def looks(self) -> bytes:
        """What the last looks have found, for Prometheus; nothing of it while the ledger is out of reach."""
        try:
            return self.remembered.page()
        except LocktenderError as error:
            logger.warning("the last looks cannot be told to Prometheus: %s", error.message)
            return b""

    def ready(self) -> None:
        """Raises what is amiss."""
        self.ledger.now()

    def run(self, stopping: threading.Event) -> None:
        """Until that is set; what is at work is finished first."""
        for one in self.beside:
            one.start()
        try:
            self._work(stopping)
        finally:
            for one in self.beside:
                one.stop()
            self.ledger.close()

    def _work(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            try:
                self.worker.run(stopping=stopping)
            except (ProcrastinateException, PoolTimeout) as error:
                logger.warning("the queue is out of reach, and tried again: %s", type(error).__name__)
                stopping.wait(RETRY)


def crew(given: Variables, environ: Mapping[str, str]) -> Crew:
    """Raises as ``bot`` does."""
    settings = load(given.config, environ)
    github = _github(given, settings)
    secrets = (given.ledger_url, given.app_key, *chain.from_iterable(map(secrets_of, settings.environments)))
    slack = WebApi(given.bot_token, given.slack_url, secrets)
    team, _ = at_the_start(slack.team)
    parameters = parse_database_url(given.ledger_url)
    ledger = PostgresLedger(parameters, purpose="worker").open()
    roster = Roster(slack, settings)
    context_of = contexts(settings, given.config, ledger)
    answers = Answers(settings, ledger, slack, roster, context_of, team)
    watch = Watch(settings, answers)
    home = Home(settings, ledger, ledger.homes, slack, roster, answers)
    placed = Placing(github) if github else nowhere
    workshop = Workshop(ledger, context_of, lambda _: roster.fresh(), placed=placed)

    def of_person(person: str) -> str | None:
        return roster.refusal(person, team)

    handlers = guarded(workshop.handlers, ledger, of_person, answers.shared_refusal)
    asks = AskWorker(
        keywords_of(parameters, "answers"),
        lambda ask: home.open(ask) if ask.kind == "home" else answers.handle(ask),
        given.concurrency,
        scheduled(settings, watch),
    )
    beside: list[Beside] = [asks, Convergence(ledger, slack, roster), Upkeep(ledger, roster).rounds(), home.rounds()]
    if github:
        beside.append(Doorkeeper(ledger, ledger.held, github, workshop, roster, of_person, secrets).rounds())
        beside.append(Redelivery(ledger.held, github).rounds())
    watched = [one.name for one in settings.environments if one.schedule.monitor]
    remembered = Remembered({name: ledger.memory(name) for name in watched})
    return Crew(ledger, ledger.worker(handlers, given.concurrency), beside, remembered)


def _github(given: Variables, settings: Settings) -> GithubApp | None:
    """``None`` where GitHub holds nothing back. Raises ``ConfigurationError``."""
    _refuse_lacking(settings, GITHUB_APP_ID=bool(given.app_id), GITHUB_APP_PRIVATE_KEY=bool(given.app_key))
    if not (given.app_id and given.app_key):
        return None
    return GithubApp(given.app_id, given.app_key, given.github_url)


def _refuse_lacking(settings: Settings, **given: bool) -> None:
    names = [one.name for one in settings.environments if one.github]
    lacking = [name for name, there in given.items() if not there]
    if names and lacking:
        raise ConfigurationError(
            f"GitHub holds back deployments of {', '.join(names)}, and {' and '.join(lacking)} is not set.",
            hint="docs/slack.md says what goes there.",
        )


def scheduled(settings: Settings, watch: Watch) -> list[Scheduled]:
    """What the configuration wants done at set times."""
    every = settings.environments
    return [
        *(Scheduled("monitor", one.name, one.schedule.monitor, watch.look) for one in every if one.schedule.monitor),
        *(Scheduled("report", one.name, one.schedule.report, watch.report) for one in every if one.schedule.report),
    ]


def contexts(settings: Settings, config: Path, ledger: PostgresLedger) -> ContextOf:
    """By an environment's name, for whom, and who hears how far it is."""

    @contextmanager
    def of(name: str, actor: str, report: Report) -> Iterator[Context]:
        environment = environment_named(settings, name)
        if environment is None:
            raise ConfigurationError(f"There is no environment {name!r} in the configuration any more.")
        made = assembled(environment, report, command=f"locktender --config {config} --env {name}", actor=actor)
        made = replace(made, freezes=ledger, memory=ledger.memory(name) if environment.schedule.monitor else None)
        made = followed(made, "bot", os.environ, logger.warning)
        began = made.clock.now()
        made.log("call_started", {})
        try:
            yield made
        finally:
            made.log("call_ended", {"seconds": round(made.clock.now() - began, 3)})
            for host in (made.host, *made.app_hosts.values()):
                host.close()

    return of


def at_the_start(call: Callable[[], T]) -> T:
    """What a call of Slack returns, which may be away for a while. Raises what the last try raised."""
    until = time.monotonic() + START_PATIENCE
    while True:
        try:
            return call()
        except (SlackAway, SlackBusy):
            if time.monotonic() >= until:
                raise
            time.sleep(1.0)
