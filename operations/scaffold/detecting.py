"""Gathers what a project is from its files and its git repository; changes nothing."""

from __future__ import annotations

import re
import tomllib
from pathlib import PurePosixPath

from operations.commands import git as commands
from operations.errors import CommandFailed
from operations.ports import Host
from operations.scaffold import compose, prisma
from operations.scaffold.model import Compose, Git, Project

GIT_TIMEOUT = 10.0
BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")
"""Anything else would be a pattern in a workflow's list of branches."""
DATABASE_URL = re.compile(r"^\s*(export\s+)?DATABASE_URL\s*=", re.MULTILINE)


def detect(host: Host, directory: str, migrations: str | None) -> Project:
    """The project in ``directory`` (absolute). Raises ``UsageError`` for one that is nothing for Locktender."""
    git = _git(host, directory)
    found = prisma.found(host, directory, migrations)
    around, notes = _compose(host, directory, git.top)
    if not host.exists(f"{directory}/{found.migrations}"):
        notes += (f"There is no {found.migrations} yet: `prisma migrate dev` makes it, or name it with --migrations.",)
    return Project(
        directory=directory,
        name=_name(str(prisma.package_of(host, directory).get("name", "")) or PurePosixPath(directory).name),
        prisma=found,
        compose=around,
        package_manager=prisma.package_manager(host, directory, git.top),
        git=git,
        dotenv=DATABASE_URL.search(prisma.text_of(host, f"{directory}/.env") or "") is not None,
        environments=_environments(prisma.text_of(host, f"{directory}/locktender.toml")),
        notes=notes,
    )


def _compose(host: Host, directory: str, top: str | None) -> tuple[Compose | None, tuple[str, ...]]:
    names = host.list(directory)
    for name in compose.NAMES:
        if name in names:
            found = compose.read(name, prisma.text_of(host, f"{directory}/{name}") or "")
            return found, () if found else (f"{name} could not be read as a Compose file; it is left aside.",)
    above = [name for name in compose.NAMES if top and top != directory and host.exists(f"{top}/{name}")]
    if above:
        return None, (f"{top}/{above[0]} is left aside: call init in its directory to have it deployed as well.",)
    return None, ()


def _git(host: Host, directory: str) -> Git:
    top = _said(host, commands.top(directory))
    if top is None:
        return Git()
    default = (_said(host, commands.default_branch(directory)) or "").partition("/")[2]
    local = (_said(host, commands.branches(directory)) or "").splitlines()
    usual = [name for name in ("main", "master") if name in local]
    branch = next(iter([default] if default else usual), "main")
    return Git(
        remote=_without_login(_said(host, commands.remote(directory))),
        branch=branch if BRANCH.fullmatch(branch) else "main",
        subdirectory=(_said(host, commands.subdirectory(directory)) or "").rstrip("/"),
        top=top,
    )


def _said(host: Host, argv: list[str]) -> str | None:
    try:
        done = host.run(argv, env=commands.QUIET, timeout=GIT_TIMEOUT)
    except CommandFailed:
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _without_login(url: str | None) -> str | None:
    """A token in a remote's URL is nobody's business."""
    return re.sub(r"://[^/@]*@", "://", url) if url else None


def _name(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.rpartition("/")[2].lower()).strip("-") or "app"


def _environments(text: str | None) -> tuple[str, ...]:
    try:
        found = tomllib.loads(text or "").get("environments", {})
    except tomllib.TOMLDecodeError:
        return ()
    return tuple(found) if isinstance(found, dict) else ()
