"""``locktender apply``."""

from __future__ import annotations

import click

from cli.approval import approved
from cli.desk import Desk
from cli.options import verb
from cli.output import Answer
from cli.runs import answered

EXAMPLE = """
locktender apply
locktender apply --to 20240514150000_order_status_refunded
locktender apply --baseline 20240108093000_init
"""


@verb("apply", EXAMPLE)
@click.option("--to", metavar="NAME", help="Stop after this migration.")
@click.option(
    "--baseline",
    metavar="NAME",
    help="First record all up to and with this one as applied: for a database that already is what they make of it.",
)
@click.option(
    "--dry-run", is_flag=True, help="Show the plan; change nothing. Exit 1: existing rows would have it refused."
)
def command(desk: Desk, to: str | None, baseline: str | None, dry_run: bool) -> Answer:
    """Apply pending migrations and nothing else: lock, backup, apply.

    Exit 0: applied, or nothing to do; 3: failed, and the old state stands; 4: a person is needed.
    """
    context = desk.context()

    from operations.apply import apply

    if dry_run:
        return answered(lambda: apply(context, to=to, baseline=baseline, dry_run=True))
    asked = {"to": to, "baseline": baseline}
    return answered(lambda: approved(desk, context, "apply", asked, lambda: apply(context, to=to, baseline=baseline)))
