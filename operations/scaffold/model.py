"""A project as it was found, what was asked for, and the files that come of both. Paths are relative to the project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

Status = Literal["created", "extended", "unchanged", "kept"]
"""``kept``: there is one with other content, which was left as it is."""


class Prisma(Struct, frozen=True):
    """Prisma in the project; ``None`` where it was not to be found out."""

    migrations: str = "prisma/migrations"
    schema: str | None = None
    provider: str | None = None
    version: str | None = None


class Compose(Struct, frozen=True):
    """A Compose file, and what of it matters here."""

    file: str
    database_service: str | None = None
    image: str | None = None
    postgres: int | None = None
    """Major version, as the image's tag has it."""
    healthcheck: bool = False
    """Whether the database's service has one already."""
    services: tuple[str, ...] = ()
    """Those that use the database; if none says so, those that are built here."""
    commands: Mapping[str, tuple[str, ...] | str] = {}
    """What services run, where the file says so."""
    port: int | None = None
    """Of this machine, on which the first of the services listens."""


class Git(Struct, frozen=True):
    """The repository around the project; all empty where there is none."""

    remote: str | None = None
    branch: str = "main"
    """Into which changes are merged."""
    subdirectory: str = ""
    """Of the project, below the repository's top."""
    top: str | None = None
    """Absolute path."""


class Project(Struct, frozen=True):
    """What was found in a directory."""

    directory: str
    name: str
    """For paths on a server: lower-case letters, digits and dashes."""
    prisma: Prisma = Prisma()
    compose: Compose | None = None
    package_manager: str | None = None
    git: Git = Git()
    dotenv: bool = False
    """Whether a ``.env`` beside it sets ``DATABASE_URL``, as Prisma's own ``init`` writes it."""
    environments: tuple[str, ...] = ()
    """Of a ``locktender.toml`` that is there already."""
    notes: tuple[str, ...] = ()


class Answers(Struct, frozen=True):
    """What was asked for."""

    environment: str
    backup_dir: str
    host: str | None = None
    """The server beside the database, over SSH; ``None``: this machine."""
    user: str = "deploy"
    app_directory: str = "."
    health_url: str | None = None
    workflows: bool = True
    start: bool = False
    """Whether the application's container applies migrations when it starts."""
    slack: bool = False
    scripts: bool = False


class Draft(Struct, frozen=True):
    """A file to be written. Without ``extends`` it must not exist yet."""

    path: str
    text: str
    executable: bool = False
    extends: bytes | None = None
    """What the file holds that is replaced by ``text``: the same, and more."""


class WrittenFile(Struct, frozen=True):
    """What became of a draft; ``difference`` is a unified diff from what is there to what was drafted."""

    path: str
    status: Status
    difference: str = ""
