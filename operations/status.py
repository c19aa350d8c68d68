"""What is applied, pending, failed, edited, missing: read-only, and without any lock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from msgspec import Struct

from operations.context import Context
from operations.errors import LocktenderError
from operations.last_run import LastRun, last_run
from operations.migrations import formats
from operations.migrations.history import standing
from operations.migrations.model import Migration, Standing
from operations.reality import look


class StatusResult(Struct, frozen=True):
    """How folder and database stand to each other: lists of names, as in ``Standing``.

    ``warnings`` are sentences; ``interrupted`` are runs that died and are not settled yet.
    """

    applied: tuple[str, ...]
    pending: tuple[str, ...]
    failed: tuple[str, ...]
    edited: tuple[str, ...]
    missing: tuple[str, ...]
    out_of_order: tuple[str, ...]
    format: str
    warnings: tuple[str, ...] = ()
    has_table: bool = True
    interrupted: tuple[str, ...] = ()
    last_run: LastRun | None = None

    @property
    def ok(self) -> bool:
        """Whether folder and database agree, and nothing is left to do."""
        return not (self.pending or self.failed or self.edited or self.missing or self.interrupted)


def status(context: Context) -> StatusResult:
    """Compare the migrations folder with the database's history.

    Raises ``MigrationFilesError``, what connecting raises, ``PrivilegeMissing``, ``HistoryConflict`` (a foreign table).
    """
    files, directory = context.files, context.environment.migrations
    tool = formats.detect(files, directory)
    with ThreadPoolExecutor(1) as pool:  # the folder is read while the server answers
        reading = pool.submit(tool.read, files, directory)
        try:
            with context.database.session(purpose="status") as session:
                reality = look(session, tool)
                rows = tuple(reality.rows.values()) if reality.has_history else None
                baseline_wanted = rows is None and not tool.schema_is_empty(session)
        except LocktenderError:
            reading.result()  # what is wrong with the folder is told first
            raise
        migrations = reading.result()
    found = standing(migrations, rows)
    newest, interrupted = last_run(context, reality)
    return StatusResult(
        applied=found.applied,
        pending=found.pending,
        failed=found.failed,
        edited=found.edited,
        missing=found.missing,
        out_of_order=found.out_of_order,
        format=tool.name,
        warnings=(
            *tool.warnings(files, directory),
            *_refusals(migrations, found, baseline_wanted, context.command),
        ),
        has_table=found.has_table,
        interrupted=interrupted,
        last_run=newest,
    )


def _refusals(migrations: Sequence[Migration], found: Standing, baseline_wanted: bool, command: str) -> Iterator[str]:
    """What a deploy would refuse."""
    if baseline_wanted:
        yield (
            "The schema holds tables, but no migration history: a deploy asks for a baseline first (P3005), "
            f"{command} apply --baseline NAME"
        )
    pending = set(found.pending)
    for migration in migrations:
        if migration.name not in pending:
            continue
        if migration.script is None:
            yield f"{migration.name} is pending, but there is no {migration.file}: a deploy refuses it (P3015)."
        elif migration.script.startswith("\ufeff"):
            yield f"{migration.name} is pending, and its file begins with a byte order mark: a deploy refuses it."
