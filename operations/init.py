"""Init: the files that a project needs for Locktender, written into it; what is there already is never overwritten."""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Iterator

from msgspec import Struct

from operations.errors import Refused, UsageError
from operations.ports import Host, ProjectFiles
from operations.scaffold.detecting import detect
from operations.scaffold.drafting import CONFIGURATION, drafts, other_scripts
from operations.scaffold.model import Answers, Draft, Project, WrittenFile

__all__ = ["InitResult", "detect", "init"]

NAME = re.compile(r"[A-Za-z0-9_-]+")
HOST_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:-]*")


class InitResult(Struct, frozen=True):
    """What was found, what was written and what is to be done now; ``dry_run``: what would have been."""

    project: Project
    answers: Answers
    files: tuple[WrittenFile, ...]
    notes: tuple[str, ...]
    next: tuple[str, ...]
    dry_run: bool


def init(host: Host, files: ProjectFiles, project: Project, answers: Answers, *, dry_run: bool) -> InitResult:
    """Write what ``answers`` ask for into ``project``.

    Raises ``UsageError`` for answers that are no names, for ``start`` where no Compose file has an application, and
    for a ``package.json`` that cannot be added to.
    """
    _refuse_strange(answers)
    if answers.start:
        _refuse_start_of_nothing(project)
    package = _package(host, project) if answers.scripts else None
    notes = project.notes
    if answers.scripts and package is None:
        notes += ("There is no package.json here, so no scripts were added to one.",)
    try:
        wanted = tuple(drafts(project, answers, package))
        notes += tuple(
            f"package.json has another script {name} already ({script}); it is left as it is."
            for name, script in (other_scripts(package) if package else {}).items()
        )
    except ValueError as error:
        raise UsageError(f"package.json cannot be added to: {error}.", hint="Leave out --scripts.") from None
    written = tuple(_written(host, files, project.directory, draft, dry_run) for draft in wanted)
    return InitResult(project, answers, written, notes, tuple(_next(project, answers, written)), dry_run)


def _refuse_strange(answers: Answers) -> None:
    if not NAME.fullmatch(answers.environment):
        raise UsageError(
            f"{answers.environment!r} is no name for an environment.", hint="Letters, digits, _ and -: --env production"
        )
    for what, value in (("server", answers.host), ("account", answers.user)):
        if value is not None and not HOST_NAME.fullmatch(value):
            raise UsageError(f"{value!r} is no name of a {what}.", hint="--host app.example.com --user deploy")
    for what, value in (("--backup-dir", answers.backup_dir), ("--app-directory", answers.app_directory)):
        if answers.host and not value.startswith("/"):
            raise UsageError(f"{what} {value!r} lies on the server, so it must be an absolute path.")


def _refuse_start_of_nothing(project: Project) -> None:
    """An entry point belongs to a service of a Compose file: without one, nothing would be written for it."""
    if project.compose is None:
        why = f"there is no Compose file that can be read in {project.directory}"
    elif not project.compose.services:
        why = f"{project.compose.file} has no service that uses the database or is built here"
    else:
        return
    raise UsageError(
        f"The application's container cannot be made to apply migrations when it starts: {why}.",
        hint="Call locktender init where the Compose file is. Or leave out --start, and begin the image's command with "
        "locktender start -- by hand.",
    )


def _package(host: Host, project: Project) -> bytes | None:
    path = posixpath.join(project.directory, "package.json")
    return host.read(path) if host.exists(path) else None


def _written(host: Host, files: ProjectFiles, directory: str, draft: Draft, dry_run: bool) -> WrittenFile:
    path, text = posixpath.normpath(posixpath.join(directory, draft.path)), draft.text.encode()
    if draft.extends is not None:
        if text == draft.extends:
            return WrittenFile(draft.path, "unchanged")
        if not dry_run and not files.replace(path, draft.extends, text):
            raise Refused(f"{path} was changed in this very moment.", hint="Run it again.")
        return WrittenFile(draft.path, "extended", _difference(draft.path, draft.extends, text))
    created = not host.exists(path) if dry_run else files.create(path, text, executable=draft.executable)
    if created:
        return WrittenFile(draft.path, "created", _difference(draft.path, b"", text))
    there = host.read(path)
    if there == text:
        return WrittenFile(draft.path, "unchanged")
    return WrittenFile(draft.path, "kept", _difference(draft.path, there, text))


def _difference(path: str, there: bytes, text: bytes) -> str:
    old, new = (data.decode("utf-8", "replace").splitlines(keepends=True) for data in (there, text))
    return "".join(difflib.unified_diff(old, new, f"{path} (there)" if there else "/dev/null", f"{path} (init)"))


def _next(project: Project, answers: Answers, written: tuple[WrittenFile, ...]) -> Iterator[str]:
    """What a person does now, in this order."""
    paths = [file.path for file in written]
    yield f"Read {CONFIGURATION}, and put right what was guessed."
    if answers.host:
        yield (
            f"On {answers.host}: an account {answers.user} with your public key, and "
            f"`install -d -o {answers.user} -m 700 {answers.backup_dir}`."
        )
    elif not answers.backup_dir.startswith("/"):
        yield f"Add {answers.backup_dir}/ to .gitignore and .dockerignore: backups hold all that the database does."
    given = (
        "set -a; . ./.env; set +a" if project.dotenv and not answers.host else "export DATABASE_URL='postgresql://…'"
    )
    yield f"{given}, then: locktender check && locktender deploy --dry-run"
    if any("workflows" in path for path in paths):
        secrets = "DATABASE_URL, SSH_PRIVATE_KEY and SSH_KNOWN_HOSTS"
        where = f" and give the environment {answers.environment} the secrets {secrets}" if answers.host else ""
        yield f"Commit the files{where}; the next pull request with a migration is validated."
    if answers.scripts and project.package_manager:
        yield f"{project.package_manager} run migration:check"
