"""``locktender init``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.desk import Desk
from cli.options import verb
from cli.output import Answer
from operations.errors import UsageError

if TYPE_CHECKING:
    from cli.options import Options
    from operations.init import InitResult
    from operations.scaffold.model import Answers, Project

EXAMPLE = """
locktender init
locktender init --dry-run
locktender init --yes --host app.example.com --health-url http://127.0.0.1:3000/health --scripts
"""
WORDS = {
    "created": ("wrote", "would write", "green"),
    "extended": ("added to", "would add to", "green"),
    "unchanged": ("as it is", "as it is", None),
    "kept": ("kept", "would keep", "yellow"),
}


@verb("init", EXAMPLE)
@click.option("--host", metavar="NAME", help="The server beside the database, over SSH (default: this machine).")
@click.option("--user", metavar="NAME", default="deploy", show_default=True, help="The account on the server.")
@click.option("--app-directory", metavar="DIR", help="The application's directory there (default: /srv/PROJECT).")
@click.option("--health-url", metavar="URL", help="A page that answers with 2xx when the application is well.")
@click.option("--workflows/--no-workflows", default=None, help="GitHub workflows (default: in a git repository).")
@click.option("--start", is_flag=True, help="Let the application's container apply migrations when it starts.")
@click.option("--slack", is_flag=True, help="The manifest of the Slack app, too.")
@click.option("--scripts", is_flag=True, help="deploy.sh and scripts in package.json, too.")
@click.option("--dry-run", is_flag=True, help="Show what would be written; write nothing.")
def command(desk: Desk, dry_run: bool, **words: str | bool | None) -> Answer:
    """Write a commented locktender.toml, GitHub workflows and an addition to the Compose file into this directory.

    Finds out what it can (Prisma, Compose file, PostgreSQL's version, package manager, git) and asks for the rest; with
    --yes, or without a terminal, options and defaults answer. A file that exists is never overwritten: it is kept as it
    is, and told.
    """
    from cli import wiring
    from operations.init import detect, init

    _refuse_out_of_place(desk.options)
    host, files = wiring.project()
    typed = desk.options.typed
    project = detect(host, str(Path.cwd()), desk.options.migrations if "migrations" in typed else None)
    asking = not desk.options.yes and sys.stdin.isatty() and sys.stderr.isatty()
    answers = _asked(project, desk.options, words) if asking else _given(project, desk.options, words)
    desk.environment = answers.environment
    result = init(host, files, project, answers, dry_run=dry_run)
    return Answer(result, lambda: view(result))


def _refuse_out_of_place(options: Options) -> None:
    for name in ("config", "database_url"):
        if name in options.typed:
            raise UsageError(
                f"--{name.replace('_', '-')} has no place here: init writes ./locktender.toml, and no secret into it.",
                hint="locktender init --dry-run shows what would be written.",
            )


def _given(project: Project, options: Options, words: dict[str, str | bool | None]) -> Answers:
    """By options, and what follows from the project."""
    from operations.scaffold.model import Answers

    host = str(words["host"]) if words["host"] else None
    backup_dir = options.backup_dir if "backup_dir" in options.typed else None
    workflows = words["workflows"]
    return Answers(
        environment=options.env or next(iter(project.environments), "production"),
        backup_dir=backup_dir or (f"/srv/backups/{project.name}" if host else "backups"),
        host=host,
        user=str(words["user"]),
        app_directory=str(words["app_directory"] or (f"/srv/{project.name}" if host else ".")),
        health_url=str(words["health_url"]) if words["health_url"] else None,
        workflows=project.git.top is not None if workflows is None else bool(workflows),
        start=bool(words["start"]),
        slack=bool(words["slack"]),
        scripts=bool(words["scripts"]),
    )


def _asked(project: Project, options: Options, words: dict[str, str | bool | None]) -> Answers:
    """By the person; what an option has answered is the answer that is offered."""
    from msgspec.structs import replace

    for line in _found(project):
        click.echo(line, err=True)
    environment = _ask("Name of the environment", _given(project, options, words).environment)
    host = _ask("Server with the database, reached over SSH (empty: this machine)", str(words["host"] or "")) or None
    given = replace(_given(project, options, {**words, "host": host}), environment=environment)
    if host:
        given = replace(given, user=_ask("Account on it", given.user))
    given = replace(given, backup_dir=_ask("Directory for backups", given.backup_dir))
    if project.compose:
        directory = _ask("Directory of the application", given.app_directory)
        page = _ask("Page that tells whether it is well (empty: none)", given.health_url or "") or None
        start = _agree("Shall its container apply migrations when it starts?", given.start)
        given = replace(given, app_directory=directory, health_url=page, start=start)
    return replace(
        given,
        workflows=_agree("GitHub workflows?", given.workflows),
        slack=_agree("A Slack app?", given.slack),
        scripts=_agree("deploy.sh and scripts in package.json?", given.scripts),
    )


def _ask(question: str, default: str) -> str:
    return str(click.prompt(question, default=default, show_default=bool(default), err=True)).strip()


def _agree(question: str, default: bool) -> bool:
    return click.confirm(question, default=default, err=True)


def _found(project: Project) -> Iterator[str]:
    prisma, compose = project.prisma, project.compose
    yield f"Prisma {prisma.version or '(version unknown)'}, {prisma.migrations}"
    if compose:
        database = f", database {compose.database_service} ({compose.image})" if compose.database_service else ""
        users = f", application {', '.join(compose.services)}" if compose.services else ""
        yield f"{compose.file}{database}{users}"
    if project.git.top:
        yield f"git: {project.git.remote or 'no origin'}, branch {project.git.branch}"


def view(result: InitResult) -> Iterator[str]:
    """What was found, what became of each file, and what comes next; in a dry run with the files' text."""
    yield from _found(result.project)
    yield ""
    for file in result.files:
        done, would, colour = WORDS[file.status]
        yield f"{click.style(would if result.dry_run else done, fg=colour)}  {file.path}"
        if result.dry_run:
            yield from (f"  {line}" for line in file.difference.splitlines())
    kept = [file.path for file in result.files if file.status == "kept"]
    if kept and not result.dry_run:
        yield "What is kept has other content already; locktender init --dry-run shows the difference."
    yield from (f"note: {note}" for note in result.notes)
    yield ""
    yield "next:"
    yield from (f"  {number}. {step}" for number, step in enumerate(result.next, 1))
