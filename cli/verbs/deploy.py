"""``locktender deploy``."""

from __future__ import annotations

from typing import Literal

import click

from cli.desk import Desk
from cli.options import verb
from cli.output import Answer
from cli.runs import answered

EXAMPLE = """
locktender deploy --dry-run
locktender deploy
locktender deploy --strategy online
"""


@verb("deploy", EXAMPLE)
@click.option(
    "--strategy",
    type=click.Choice(["maintenance", "online"]),
    help="Override the environment's: is the application stopped while migrations run?",
)
@click.option("--dry-run", is_flag=True, help="Show the plan; change nothing.")
def command(desk: Desk, strategy: Literal["maintenance", "online"] | None, dry_run: bool) -> Answer:
    """Bring the database to what the migrations folder says, with a way back at every step.

    A verified backup comes first. What PostgreSQL can run in one transaction runs in one; whatever fails is undone
    where that loses nothing. Exit 0: deployed, or nothing to do; 3: failed, and the old state stands; 4: a person is
    needed.
    """
    context = desk.context("deploy")

    from operations.deploy import deploy

    return answered(lambda: deploy(context, strategy=strategy, dry_run=dry_run))
