"""``locktender monitor``: check, continuous, silence, freeze."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from cli.desk import Desk
from cli.options import Duration, VerbGroup, verb
from cli.output import Answer
from cli.screen import cleaned
from operations.errors import ExitCode, LocktenderError, UsageError
from operations.measures import counted

if TYPE_CHECKING:
    from operations.context import Context
    from operations.monitor import Look
    from operations.monitoring.model import Freeze

CHECK = """
locktender monitor check
locktender monitor check --metrics-file /var/lib/node_exporter/locktender.prom
"""
CONTINUOUS = """
locktender monitor continuous
locktender monitor continuous --interval 30s --metrics-port 9187
"""
SILENCE = """
locktender monitor silence disk backups --for 2h
locktender monitor silence --for 30m
locktender monitor silence disk --off
"""
FREEZE = """
locktender monitor freeze "moving to the new server" --for 8h
locktender monitor freeze --off
"""
COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}
LEAST_INTERVAL = 5.0


@click.group("monitor", cls=VerbGroup)
def command() -> None:
    """The health check with a memory: alerts when something changes, and when it is over."""


@verb("check", CHECK)
@click.option("--metrics-file", metavar="FILE", help="Write what was found there, for Prometheus' textfile collector.")
def check(desk: Desk, metrics_file: str | None) -> Answer:
    """Look once, keep what was found, send the alerts that are due. For cron or a systemd timer.

    Exit 0: healthy (warnings are allowed); 1: something failed.
    """
    context = _watching(desk)

    from operations.monitor import once

    found = once(context)
    if metrics_file:
        from cli import wiring

        wiring.metrics(context.environment.name).write(found, metrics_file)
    return Answer(found, lambda: view(found), ExitCode.DONE if found.healthy else ExitCode.NO)


@verb("continuous", CONTINUOUS)
@click.option(
    "--interval", type=Duration(), default="60s", metavar="TIME", help="From look to look (60s, at least 5s)."
)
@click.option("--metrics-file", metavar="FILE", help="Write what each look finds there, for the textfile collector.")
@click.option("--metrics-port", type=click.IntRange(0, 65535), metavar="PORT", help="Serve it to Prometheus there.")
@click.option("--metrics-address", default="127.0.0.1", metavar="IP", help="On which address (127.0.0.1).")
def continuous(
    desk: Desk, interval: float, metrics_file: str | None, metrics_port: int | None, metrics_address: str
) -> Answer:
    """Look again and again, until it is told to stop (Ctrl-C, SIGTERM); a line on stdout for each look."""
    context = _watching(desk)

    from cli import wiring
    from operations.monitor import continuously

    metrics = wiring.metrics(context.environment.name) if metrics_file or metrics_port is not None else None
    if metrics and metrics_port is not None:
        metrics.serve(metrics_address, metrics_port)

    def told(look: Look) -> None:
        if metrics:
            metrics.update(look)
        if metrics and metrics_file:
            try:
                metrics.write(look, metrics_file)
            except LocktenderError as error:  # a full disk: just now people have to be told
                click.echo(cleaned(f"note: {error.message}"), err=True)
        _print(desk, look)

    try:
        continuously(context, max(LEAST_INTERVAL, interval), told, threading.Event())
    except KeyboardInterrupt:
        return Answer({"stopped": True}, lambda: ("Stopped.",))
    finally:
        if metrics:
            metrics.close()
    return Answer({"stopped": True}, lambda: ("Stopped.",))


@verb("silence", SILENCE)
@click.argument("checks", nargs=-1, metavar="[CHECK…]")
@click.option("--for", "seconds", type=Duration(), default="1h", metavar="TIME", help="For how long (1h).")
@click.option("--off", is_flag=True, help="End it instead.")
def silence(desk: Desk, checks: tuple[str, ...], seconds: float, off: bool) -> Answer:
    """Send no alerts about these checks (none named: any) for a while; what still stands afterwards is told then."""
    context = desk.context()

    from operations import monitor

    known = monitor.silence(context, checks, 0.0 if off else seconds)
    told = [{"check": name, "until": _time(until)} for name, until in sorted(known.items())]
    return Answer({"silences": told}, lambda: _silences(known))


@verb("freeze", FREEZE)
@click.argument("reason", default="", metavar="[REASON]")
@click.option("--for", "seconds", type=Duration(), default="1h", metavar="TIME", help="For how long (1h).")
@click.option("--off", is_flag=True, help="End it instead.")
def freeze(desk: Desk, reason: str, seconds: float, off: bool) -> Answer:
    """Hold back warnings for a while, and tell in one message afterwards what still stands and what came and went.

    What is held back, the setting freeze_holds says. It concerns alerts alone: to keep deploys from beginning as well,
    freeze the environment in Slack.
    """
    context = desk.context()

    from operations.monitoring import freezes

    if off:
        stood = freezes.end(context)
        word = "Not frozen any more." if stood else "Nothing was frozen here."
        return Answer({"freeze": None, "ended": stood is not None}, lambda: (word,))
    if not reason.strip():
        raise UsageError("A freeze needs a reason.", hint='locktender monitor freeze "the reason" --for 2h')
    made = freezes.begin(context, reason.strip(), seconds)
    return Answer({"freeze": made}, lambda: (_frozen(made),))


def view(look: Look) -> Iterator[str]:
    """What is not well, what was told of it."""
    bad = [one for one in look.checks if one.status != "ok"]
    yield f"{_time(look.at)} {_word(look)}: {len(look.checks)} findings in {look.seconds:.1f} s"
    for one in bad:
        yield f"  {click.style(one.status, fg=COLOURS[one.status])} {one.name}: {one.detail}"
    for event in look.events:
        yield f"  alert: {event.check} {event.kind} ({event.before} → {event.status})"
    if look.quiet:
        yield f"  silenced: {', '.join(look.quiet)}"
    if look.freeze:
        yield f"  {_frozen(look.freeze)}"
    if look.held:
        yield f"  held back: {counted(look.held, 'alert')}"
    if look.undelivered:
        yield f"  {counted(look.undelivered, 'message')} could not be delivered yet"
    yield from (f"  note: {trouble}" for trouble in look.troubles)


def _watching(desk: Desk) -> Context:
    """Where there is a ledger, it knows what is frozen."""
    context = desk.context()
    return replace(context, freezes=desk.freezes_if_any())


def _print(desk: Desk, look: Look) -> None:
    from cli import output

    if desk.options.json:
        told = output.envelope("monitor continuous", desk.environment, look, None, ExitCode.DONE)
        output.print_json(told)
    else:
        output.print_view(view(look), desk.color)


def _silences(known: Mapping[str, float]) -> Iterator[str]:
    if not known:
        yield "Nothing is silenced."
    for name, until in sorted(known.items()):
        yield f"{'everything' if name == '*' else name} until {_time(until)}"


def _frozen(made: Freeze) -> str:
    return f"frozen by {made.by} {made.ends}: {made.reason}"


def _word(look: Look) -> str:
    worst = "fail" if not look.healthy else "warn" if any(one.status == "warn" for one in look.checks) else "ok"
    return click.style(worst, fg=COLOURS[worst], bold=True)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


for each in (check, continuous, silence, freeze):
    command.add_command(each)
