"""Which version of the application is to be deployed, and the migrations that belong to it."""

from __future__ import annotations

import secrets

from msgspec.structs import replace

from operations.commands import git
from operations.context import Context
from operations.errors import ConfigurationError, UsageError
from operations.release.model import PlannedRelease
from operations.tree import TreeOf


def choose(context: Context, ref: str | None) -> tuple[Context, PlannedRelease | None]:
    """The release that ``ref`` means, and a context whose migrations are those of that commit.

    Without ``ref`` the files are taken as they are. Nothing that is checked out changes. Raises ``UsageError`` for a
    ``ref`` where it cannot be, ``CommandFailed`` where it cannot be fetched.
    """
    app = context.environment.app
    if app is None:
        if ref:
            raise UsageError(
                "--ref names a version of the application, and this environment has none.",
                hint=f"Add [environments.{context.environment.name}.app], or leave --ref out.",
            )
        return context, None
    from operations.release.release import database_machine, machines_of

    machines = machines_of(context, app)
    names = tuple(machine.name for machine in machines)
    if ref is None:
        return context, PlannedRelease(None, None, app.services, names, app.wave)
    if not git.REF.fullmatch(ref):
        raise UsageError(f"{ref!r} is no branch, tag or commit.", hint="For example: --ref main")
    inside = context.environment.migrations.startswith(f"{app.directory}/")
    if not inside:
        raise ConfigurationError(
            f"The migrations in {context.environment.migrations} are not part of the checkout in {app.directory}, so"
            " those of another version are not known.",
            hint="Let `migrations` be a path below the application's directory.",
        )
    own = database_machine(context, app)
    source = own if own.head() is not None else machines[0]
    commit = source.resolve(ref)
    folder = source.files_at(commit, context.environment.migrations, f"/tmp/locktender-{secrets.token_hex(16)}.tar")  # noqa: S108 - nobody can guess the name
    return replace(context, folder=folder), PlannedRelease(ref, commit, app.services, names, app.wave)


def looked_at_again(context: Context) -> Context:
    """With the migrations as they are now: a dead run that was settled may have had others checked out."""
    if isinstance(context.folder, TreeOf):
        return replace(context, folder=TreeOf(context.host, context.environment.migrations))
    return context
