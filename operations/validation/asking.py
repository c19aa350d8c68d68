"""From what was asked for to a ``Question``: the two folders, and the server to try things out on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from operations.errors import UsageError
from operations.ports import Clock, Database, Host, Report, silent
from operations.settings import Level
from operations.validate import Question
from operations.validation.commits import Objects
from operations.validation.findings import FailOn
from operations.validation.folders import Folder, Tree, folder_of
from operations.validation.from_database import Live, look
from operations.validation.from_git import folders_at
from operations.validation.trial import Trials


class Asked(Struct, frozen=True):
    """``migrations`` and ``base_migrations`` are directories; ``database``, asked last, tells what has landed.

    ``schema`` is where the tables live, if not where a new database has them.
    """

    migrations: str
    base_migrations: str | None = None
    base_ref: str | None = None
    database: Database | None = None
    fail_on: FailOn = "error"
    levels: Mapping[str, Level] = {}
    schema: str | None = None
    notes: tuple[str, ...] = ()


class Means(Struct, frozen=True):
    """``read`` reads a folder on this machine, ``objects`` opens a directory of git's objects."""

    read: Callable[[str], Tree]
    objects: Callable[[str], Objects]
    host: Host
    trials: Trials
    clock: Clock


def question(asked: Asked, means: Means, report: Report = silent) -> Question:
    """Reads both folders. Raises ``UsageError``, ``MigrationFilesError``, ``git``'s errors."""
    if asked.base_migrations and asked.base_ref:
        raise UsageError("--base-migrations and --base-ref exclude each other.", hint="Give one of them.")
    here = means.read(asked.migrations)
    head = folder_of(here)
    live = look(asked.database, head) if asked.database else Live()
    ancestor: Folder | None = None
    notes = (*asked.notes, *live.notes)
    if live.trouble:
        lacking = "What the database has applied is not known" if live.rows else "The database was not looked at"
        notes = (*notes, f"{lacking}: {live.trouble.message.splitlines()[0]}")
    if asked.base_migrations:
        base = folder_of(means.read(asked.base_migrations))
    elif asked.base_ref:
        base, ancestor = folders_at(means.host, means.objects, asked.migrations, asked.base_ref, here)
    elif live.base:
        base = live.base
    else:
        base = Folder({}, head.lock)
        notes = (*notes, "There is nothing to compare with, so that every migration counts as new.")
    return Question(
        head,
        base,
        means.trials,
        means.clock,
        ancestor,
        asked.fail_on,
        report,
        notes,
        rows=live.rows,
        levels=asked.levels,
        schema=asked.schema,
    )
