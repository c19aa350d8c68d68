"""``locktender validate``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from cli import wiring
from cli.desk import Desk
from cli.options import verb
from cli.output import Answer
from operations.errors import ConfigurationError, ExitCode, UsageError
from operations.secret import Secret

if TYPE_CHECKING:
    from operations.ports import Database
    from operations.validation.findings import FailOn

EXAMPLE = """
locktender validate --base-ref origin/main
locktender validate --migrations prisma/migrations --base-migrations ../main/prisma/migrations
locktender validate --base-ref origin/main --fail-on warning --json | jq .result.findings
"""


@verb("validate", EXAMPLE)
@click.option("--base-migrations", metavar="DIR", help="The folder as it has landed; what is not in it is new.")
@click.option("--base-ref", metavar="REF", help="The same from git: the folder at this branch, tag or commit.")
@click.option(
    "--shadow-url",
    metavar="URL|env:NAME",
    envvar="LOCKTENDER_SHADOW_URL",
    help="Try them on this server instead of an embedded one: a database is created there and dropped. Its role needs"
    " CREATEDB; the database of the URL is not touched.",
)
@click.option(
    "--fail-on",
    type=click.Choice(("error", "warning", "never")),
    default="error",
    show_default=True,
    help="Which findings make it end with 1.",
)
@click.option(
    "--cache", metavar="DIR", envvar="LOCKTENDER_CACHE", help="Keep what has landed here, applied, for the next time."
)
def command(
    desk: Desk,
    base_migrations: str | None,
    base_ref: str | None,
    shadow_url: str | None,
    fail_on: FailOn,
    cache: str | None,
) -> Answer:
    """Try new migrations on a throwaway PostgreSQL: do they apply, what do they lock and change, can they be undone?

    Needs a migrations folder and nothing else; nothing of yours is changed. With --env or --database-url that database
    is asked, and only read, how many rows its tables have and, without a base, what it has not applied yet; otherwise
    everything is new. Exit 1: there are findings.
    """
    shadow = _secret(shadow_url) if shadow_url else Secret("")
    folder, configured = wiring.validation_settings(desk.options, os.environ)
    live, notes = _live(desk)
    report = desk.reporter((*desk.secrets, *wiring.secrets_of_url(shadow)))

    from cli.validation import view
    from operations.validate import validate
    from operations.validation.asking import Asked, question

    asked = Asked(
        migrations=folder,
        base_migrations=base_migrations,
        base_ref=base_ref,
        database=live,
        fail_on=fail_on,
        levels=configured.rules if configured else {},
        schema=wiring.validation_schema(live, configured, shadow),
        notes=notes,
    )
    found = validate(question(asked, wiring.validation_means(shadow, cache), report))
    return Answer(found, lambda: view(found), ExitCode.DONE if found.ok else ExitCode.NO)


def _secret(text: str) -> Secret:
    name = text.removeprefix("env:")
    if name == text:
        return Secret(text)
    if not os.environ.get(name):
        raise UsageError(f"--shadow-url names the variable {name}, which is not set.", hint=f"export {name}=…")
    return Secret(os.environ[name])


def _live(desk: Desk) -> tuple[Database | None, tuple[str, ...]]:
    """The database that was named, by its URL or its environment; the latter's secrets may be lacking here: a note."""
    options = desk.options
    if options.env and wiring.configuration(options) and "database_url" not in options.typed:
        try:
            return desk.context().database, ()
        except ConfigurationError as error:
            return None, (f"The database of {options.env} was not looked at: {error.message}",)
    if not options.database_url:
        return None, ()
    url = Secret(options.database_url)
    desk.secrets = tuple(wiring.secrets_of_url(url))
    return wiring.database(url), ()
