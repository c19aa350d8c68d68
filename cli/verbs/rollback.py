"""``locktender rollback``."""

from __future__ import annotations

import click

from cli.approval import approved
from cli.desk import Desk
from cli.options import verb
from cli.output import Answer
from cli.runs import answered

EXAMPLE = """
locktender rollback --dry-run
locktender rollback
locktender rollback --run 20240702T101500Z-1a2b3c --yes
"""


@verb("rollback", EXAMPLE)
@click.option("--run", "run_id", metavar="ID", help="Back to before this run, and so before all that came after it.")
@click.option(
    "--accept-data-loss",
    is_flag=True,
    help="Go back even though rows were written since; they stay in the kept database.",
)
@click.option("--dry-run", is_flag=True, help="Say how it would be undone; change nothing.")
def command(desk: Desk, run_id: str | None, accept_data_loss: bool, dry_run: bool) -> Answer:
    """Go back to the state before the last deploy: rows, schema and history as they were.

    If anybody else has written since, that would be lost: it stops (exit 4) and says what was written. Where the backup
    is swapped in, the database as it was stays beside it.
    """
    context = desk.context()

    from operations.rollback import rollback

    if dry_run:
        return answered(lambda: rollback(context, run_id=run_id, accept_data_loss=accept_data_loss, dry_run=True))
    before = f"run {run_id}" if run_id else "the last deploy"
    desk.confirm(context, f"This takes {context.database.target} back to before {before}.")
    asked = {"run": run_id, "accept_data_loss": accept_data_loss}
    return answered(
        lambda: approved(
            desk,
            context,
            "rollback",
            asked,
            lambda: rollback(context, run_id=run_id, accept_data_loss=accept_data_loss),
        )
    )
