"""Whether a history may be carried on: the contradictions that a deploy must not step over. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from operations.errors import HistoryConflict, MigrationFilesError, NotFound
from operations.migrations.model import Migration, Standing


def refuse_conflicts(standing: Standing, *, allow_edited: bool, command: str) -> None:
    """Raise ``HistoryConflict`` for failed rows (Prisma's P3009) and for edited applied files."""
    if standing.failed:
        name = standing.failed[0]
        raise HistoryConflict(
            f"A migration failed earlier and was never resolved: {', '.join(standing.failed)}.",
            hint=f"Find out what of it is in the database, then: {command} resolve {name} --rolled-back (nothing is), "
            f"or: {command} resolve {name} --applied (all of it is).",
            prisma_code="P3009",
        )
    if standing.edited and not allow_edited:
        raise HistoryConflict(
            f"The files of applied migrations were edited: {', '.join(standing.edited)}. The database was made by what "
            "they said before.",
            hint="Put the files back as they were and write the change as a new migration; or, if the edit does not "
            "matter, set allow_edited = true.",
        )


def refuse_foreign_schema(standing: Standing, schema_is_empty: bool, command: str) -> None:
    """Raise ``HistoryConflict`` where the schema holds tables, but no history (Prisma's P3005)."""
    if not standing.has_table and not schema_is_empty:
        raise HistoryConflict(
            "The schema is not empty, and no migration history says how it came to be.",
            hint="If the database already is what your first migrations make of it, name the last of those: "
            f"{command} apply --baseline NAME",
            prisma_code="P3005",
        )


def select_pending(migrations: Sequence[Migration], standing: Standing, to: str | None) -> tuple[Migration, ...]:
    """The migrations to apply, up to and with ``to``.

    Raises ``NotFound`` (P3017) for an unknown ``to``, ``MigrationFilesError`` (P3015) for a pending one without script.
    """
    names = [migration.name for migration in migrations]
    if to is not None and to not in names:
        raise NotFound(f"There is no migration {to!r} in the folder.", prisma_code="P3017")
    reach = names[: names.index(to) + 1] if to is not None else names
    pending = set(standing.pending) & set(reach)
    chosen = tuple(migration for migration in migrations if migration.name in pending)
    without = [migration.file for migration in chosen if migration.script is None]
    if without:
        raise MigrationFilesError(
            f"There is no {', '.join(without)}.",
            hint="Restore the file, or remove the empty directory.",
            prisma_code="P3015",
        )
    return chosen


def select_baseline(migrations: Sequence[Migration], standing: Standing, baseline: str) -> tuple[Migration, ...]:
    """The migrations that a baseline records as applied: all up to and with ``baseline`` that have no row yet."""
    names = [migration.name for migration in migrations]
    if baseline not in names:
        raise NotFound(f"There is no migration {baseline!r} in the folder.", prisma_code="P3017")
    before = names[: names.index(baseline) + 1]
    if set(before) <= set(standing.applied):
        return ()  # recorded already, by an attempt whose later migrations failed
    if standing.has_table and (standing.applied or standing.failed):
        raise HistoryConflict(
            "The database has a migration history already; a baseline begins one.",
            hint="To record a single migration as applied, use resolve NAME --applied.",
            prisma_code="P3008",
        )
    return tuple(m for m in migrations[: names.index(baseline) + 1] if m.script is not None)
