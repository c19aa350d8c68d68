"""The migration tools that are understood, and which of them wrote a folder."""

from __future__ import annotations

from operations.errors import HostError, MigrationFilesError
from operations.migrations.model import Format
from operations.migrations.prisma import Prisma
from operations.ports import Files

FORMATS: tuple[Format, ...] = (Prisma(),)


def detect(files: Files, directory: str) -> Format:
    """The format of a migrations folder; raises ``MigrationFilesError`` where it is missing or nobody's."""
    try:
        present = files.exists(directory)
        names = files.list(directory) if present else ()
    except HostError as error:
        raise MigrationFilesError(f"The migrations folder cannot be read: {error.message}") from error
    if not present:
        raise MigrationFilesError(
            f"There is no migrations folder at {directory}.",
            hint="Name it with --migrations, or as `migrations` of the environment in locktender.toml.",
        )
    for candidate in FORMATS:
        if candidate.claims(names):
            return candidate
    known = ", ".join(candidate.name for candidate in FORMATS)
    raise MigrationFilesError(
        f"{directory} does not look like a migrations folder of {known}: it holds files, but no directory.",
        hint="Prisma's is prisma/migrations: one directory per migration, each with a migration.sql.",
    )
