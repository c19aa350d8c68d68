"""``locktender start``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from cli.approval import refuse_if_wanted
from cli.desk import Desk
from cli.options import Duration, verb
from cli.output import Answer
from operations.errors import ExitCode, LocktenderError

if TYPE_CHECKING:
    from operations.startup import Limits, Mode, StartResult

EXAMPLE = """
locktender start -- node server.js --port 3000
locktender start --timeout 2m --wait-for-others 30m -- npm start
locktender start --check-only
"""


@verb("start", EXAMPLE, context_settings={"allow_interspersed_args": False})
@click.argument("cmd", nargs=-1, type=click.UNPROCESSED, metavar="[--] CMD [ARG]...")
@click.option(
    "--timeout",
    type=Duration(),
    default="60s",
    metavar="TIME",
    help="How long the database may take to answer a login and a query (default: 60s).",
)
@click.option(
    "--wait-for-others",
    type=Duration(),
    default="10m",
    metavar="TIME",
    help="How long to wait while another replica, or anyone else, migrates (default: 10m).",
)
@click.option(
    "--attempts",
    type=click.IntRange(min=1),
    default=3,
    metavar="N",
    help="How often applying is tried, where trying again can help (default: 3).",
)
@click.option(
    "--check-only", is_flag=True, help="Apply nothing; start CMD, if one is given, only if nothing is pending."
)
@click.option("--no-apply", is_flag=True, help="Apply nothing; start CMD whatever is pending, and say what is.")
def command(
    desk: Desk,
    cmd: tuple[str, ...],
    timeout: float,
    wait_for_others: float,
    attempts: int,
    check_only: bool,
    no_apply: bool,
) -> Answer:
    """Wait for the database, apply what is pending, then become CMD: the entry point of an application's container.

    However many replicas start together, each migration is applied once; the others wait. A failure is undone. CMD
    takes over this process (as PID 1, too) with its signals, environment and files as they were given. What start has
    to say goes to stderr; stdout belongs to CMD.

    Exit code, without CMD ever being started: 1: --check-only, and something is pending or wrong; 2: CMD cannot be
    started, or wrong configuration; 3: the database did not answer, or a migration failed and the old state stands;
    4: a person is needed; 5: refused, such as a history that contradicts the folder. Otherwise it is CMD's own.
    """
    from operations.startup import Limits

    mode = _mode(check_only, no_apply)
    _refuse_unrunnable(cmd, mode)
    return _answered(desk, cmd, mode, Limits(timeout, wait_for_others, attempts))


def _mode(check_only: bool, no_apply: bool) -> Mode:
    if check_only and no_apply:
        raise click.UsageError("--check-only and --no-apply exclude each other.")
    return "check_only" if check_only else "no_apply" if no_apply else "apply"


def _refuse_unrunnable(cmd: tuple[str, ...], mode: Mode) -> None:
    """Before anything is done."""
    from cli.handover import refuse_unrunnable

    if cmd:
        refuse_unrunnable(cmd)
    elif mode != "check_only":
        raise click.UsageError("What is to be started? locktender start -- CMD [ARG]...")


def _answered(desk: Desk, cmd: tuple[str, ...], mode: Mode, limits: Limits) -> Answer:
    from operations.startup import start

    tell = _teller(desk)
    context = desk.context()
    if mode == "apply":  # start is no way around an approval
        for operation in ("apply", "deploy"):
            refuse_if_wanted(context.environment, operation, "a container that starts")
    try:
        result = start(context, mode, limits, tell)
    except LocktenderError as error:
        return Answer(error.details.pop("result", None), lambda: (), error.exit_code, error)
    for line in lines(result):
        tell(line)
    if result.outcome == "not_ready":
        return Answer(result, lambda: (), ExitCode.NO)
    if cmd:
        tell(f"starting {cmd[0]}")  # its arguments may hold what no log should
    return Answer(result, lambda: (), successor=cmd)


def _teller(desk: Desk) -> Callable[[str], None]:
    def tell(sentence: str) -> None:
        if not desk.options.quiet:
            click.echo(f"locktender: {sentence}", err=True, color=desk.color)

    return tell


def lines(result: StartResult) -> tuple[str, ...]:
    """How it ended."""
    if result.outcome == "applied":
        backup = f", backup {result.backup_id}" if result.backup_id else ""
        return (f"applied {', '.join(result.applied)} (run {result.run_id}{backup})",)
    if result.outcome == "up_to_date":
        return ("up to date",)
    consequence = "not applied, as was asked" if result.outcome == "not_applied" else "not ready"
    return tuple(f"{consequence}: {problem}" for problem in result.problems)
