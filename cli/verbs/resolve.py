"""``locktender resolve``."""

from __future__ import annotations

import click

from cli.approval import approved
from cli.desk import Desk
from cli.options import verb
from cli.output import Answer

EXAMPLE = """
locktender resolve 20240603081500_newsletter --rolled-back
locktender resolve 20240108093000_init --applied
"""


@verb("resolve", EXAMPLE)
@click.argument("name")
@click.option("--applied", "applied", flag_value=True, type=bool, default=None, help="Record NAME as applied.")
@click.option("--rolled-back", "applied", flag_value=False, type=bool, help="Mark the failed NAME as rolled back.")
def command(desk: Desk, name: str, applied: bool | None) -> Answer:
    """Settle migration NAME by hand, as Prisma's resolve does: only the history table is changed.

    Say --applied when the database already is what the migration makes of it, and --rolled-back when nothing of a
    failed one is left.
    """
    if applied is None:
        raise click.UsageError("Say which is true: --applied or --rolled-back.")
    context = desk.context()

    from operations.resolve import resolve

    said = "applied" if applied else "rolled back"
    desk.confirm(context, f"This records {name} as {said} in {context.database.target}.")
    asked = {"name": name, "applied": applied}
    result = approved(desk, context, "resolve", asked, lambda: resolve(context, name, applied=applied))
    now = "is recorded" if result.changed else "was recorded already"
    return Answer(result, lambda: [f"{name} {now} as {said}.", f"next: {context.command} status"])
