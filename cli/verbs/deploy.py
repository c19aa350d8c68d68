"""``locktender deploy``."""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import Literal

import click

from cli.approval import approved
from cli.desk import Desk
from cli.options import verb
from cli.output import Answer
from cli.runs import answered
from operations.agreement import held_back

EXAMPLE = """
locktender deploy --dry-run
locktender deploy
locktender deploy --strategy online
locktender deploy --ref main
"""


@verb("deploy", EXAMPLE)
@click.option(
    "--strategy",
    type=click.Choice(["maintenance", "online"]),
    help="Override the environment's: is the application stopped while migrations run?",
)
@click.option(
    "--ref",
    metavar="REF",
    help="Branch, tag or commit of the application to check out for it (default: the files as they are).",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Show the plan with every command; change nothing. Exit 1: existing rows would have it refused.",
)
def command(desk: Desk, strategy: Literal["maintenance", "online"] | None, ref: str | None, dry_run: bool) -> Answer:
    """Bring the database to what the migrations folder says, with a way back at every step.

    A verified backup comes first. What PostgreSQL can run in one transaction runs in one; whatever fails is undone
    where that loses nothing. An application in Docker Compose is built first, stopped while migrations run (unless the
    strategy is online), started, and watched until it is well; if it does not come up, its version before comes back.
    In a job that GitHub held back until Slack had agreed to it, the request that was agreed to is performed, for the
    commit of the run.
    Exit 0: deployed, or nothing to do; 3: failed, and the old state stands; 4: a person is needed.
    """
    context = desk.context()

    from operations.deploy import deploy

    held = held_back(context.environment, os.environ, lambda: nullcontext(desk.ledger_if_any()))
    ref = ref or held.get("ref")
    if dry_run:
        return answered(lambda: deploy(context, strategy=strategy, ref=ref, dry_run=True))
    asked = {**held, "strategy": strategy, "ref": ref}
    return answered(
        lambda: approved(desk, context, "deploy", asked, lambda: deploy(context, strategy=strategy, ref=ref))
    )
