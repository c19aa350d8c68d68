"""Say of one migration what is true of it, where the history does not know: Prisma's ``migrate resolve``."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence

from msgspec import Struct

from operations.advisory import locked_session
from operations.approvals.digest import canonical, refuse_other
from operations.context import Context
from operations.errors import HistoryConflict, NotFound
from operations.forgotten import forgotten
from operations.journal import Journal
from operations.layout import new_id
from operations.lock import held
from operations.migrations import formats
from operations.migrations.model import Format, HistoryRow, Migration
from operations.pooler import refuse_pooler
from operations.ports import Session
from operations.reality import MIGRATING, look
from operations.schema_record import remember
from operations.settling import settle_if_possible, unfinished
from operations.traces import trace_of


class ResolveResult(Struct, frozen=True):
    """``changed`` is false where the history said so already."""

    name: str
    applied: bool
    changed: bool
    run_id: str


class Resolution(Struct, frozen=True):
    """What would be recorded, and over what. ``checksum`` of the file that is said to be applied; else ``None``."""

    name: str
    applied: bool
    checksum: str | None
    rows: tuple[HistoryRow, ...]
    """The migration's own, as they stand."""
    has_table: bool
    forgotten: bool = False
    """Whether a run that died had begun with it, and the history tells nothing of that any more."""

    @property
    def digest(self) -> str:
        """SHA-256: another file, or another history, is another one."""
        attempts = [(row.checksum, row.finished_at is not None, row.rolled_back_at is not None) for row in self.rows]
        text = canonical([self.name, self.applied, self.checksum, attempts])
        return hashlib.sha256(text.encode()).hexdigest()


def planned(context: Context, name: str, applied: bool) -> Resolution:
    """What ``resolve`` would record now. Raises as it does; changes nothing."""
    tool = formats.detect(context.files, context.environment.migrations)
    with context.database.session(purpose="plan") as session:
        return _planned(context, session, tool, name, applied)[0]


def resolve(context: Context, name: str, applied: bool, approved: str | None = None) -> ResolveResult:
    """Record migration ``name`` as applied without running it, or its failed attempts as rolled back.

    ``approved``: digest of the only ``Resolution`` that may be recorded, compared under the lock. Raises ``NotFound``
    (P3011, P3017) and ``HistoryConflict`` (P3008, P3012) as Prisma does, ``LockHeld`` (P1002), ``RequestChanged``.
    """
    run_id = new_id(context.clock.now(), secrets.token_hex(3))
    with held(context, "resolve", run_id) as lock:
        refuse_pooler(context)
        if unfinished(context, run_id):
            settle_if_possible(context, lock)
        tool = formats.detect(context.files, context.environment.migrations)
        with locked_session(context, tool.lock_id, f"run {run_id}") as session:
            plan, migration = _planned(context, session, tool, name, applied)
            refuse_other(approved, plan.digest, "migration, or its history,")
            changed = applied or plan.forgotten or any(_is_open(row) for row in plan.rows)
            if changed:
                journal = Journal.open(context, lock, "resolve", migration=name, applied=applied)
                _record(tool, session, migration, name, has_table=plan.has_table)
                journal.finish("resolved")
                remember(context, run_id)
    return ResolveResult(name, applied, changed, run_id)


def _planned(
    context: Context, session: Session, tool: Format, name: str, applied: bool
) -> tuple[Resolution, Migration | None]:
    folder = {migration.name: migration for migration in tool.read(context.files, context.environment.migrations)}
    rows = tool.history(session)
    own = tuple(row for row in rows or () if row.name == name)
    lost = not applied and not own and name in _forgotten(context, session, tool)
    if applied:
        refuse_applied(name, folder, own, context.command)
    elif not lost:
        refuse_rolled_back(name, own, context.command)
    migration = folder.get(name) if applied else None
    return Resolution(name, applied, migration.checksum if migration else None, own, rows is not None, lost), migration


def _forgotten(context: Context, session: Session, tool: Format) -> set[str]:
    reality = look(session, tool)
    runs = (run for run in unfinished(context) if run.operation in MIGRATING)
    return {name for run in runs for name in forgotten(context, trace_of(run), reality)}


def refuse_applied(name: str, folder: dict[str, Migration], rows: Sequence[HistoryRow], command: str) -> None:
    """Raise where ``name`` cannot be recorded as applied. Pure; ``rows`` are the migration's own."""
    if name not in folder or folder[name].script is None:
        raise NotFound(
            f"There is no migration {name!r} with a script in the folder.",
            hint=f"Give the whole name of its directory: {command} status lists them.",
            prisma_code="P3017",
        )
    if any(row.finished_at is not None and row.rolled_back_at is None for row in rows):
        raise HistoryConflict(
            f"Migration {name!r} is recorded as applied already.",
            hint=f"{command} status shows what else there is.",
            prisma_code="P3008",
        )


def refuse_rolled_back(name: str, rows: Sequence[HistoryRow], command: str) -> None:
    """Raise where ``name`` cannot be marked as rolled back. Pure; ``rows`` are the migration's own."""
    if not rows:
        raise NotFound(
            f"Migration {name!r} cannot be marked as rolled back: it was never applied to this database.",
            hint=f"Give the whole name: {command} status lists them.",
            prisma_code="P3011",
        )
    if all(row.finished_at is not None for row in rows):
        raise HistoryConflict(
            f"Migration {name!r} cannot be marked as rolled back: it has not failed.",
            hint=f"To undo the last deploy, use {command} rollback.",
            prisma_code="P3012",
        )


def _is_open(row: HistoryRow) -> bool:
    return row.finished_at is None and row.rolled_back_at is None


def _record(tool: Format, session: Session, migration: Migration | None, name: str, *, has_table: bool) -> None:
    """All of it or nothing: an applied migration's failed attempts are marked as rolled back with it."""
    with session.transaction():
        if has_table:
            tool.mark_rolled_back(session, name)
        else:
            tool.create_history(session)
        if migration is not None:
            tool.record_applied(session, migration)
