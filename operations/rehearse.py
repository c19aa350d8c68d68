"""``rehearse``: the pending migrations on a restored copy of a backup, with all of its rows, measured statement by
statement. The live database is not touched.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec import Struct

from operations.backup_archive import archive_into
from operations.backup_catalogue import load_intact
from operations.backup_restorable import quiet_logins, refuse_unrestorable, scratch_database
from operations.backups.manifest import Manifest
from operations.context import Context
from operations.errors import Refused, listed
from operations.layout import new_id
from operations.lock import held
from operations.migrations import formats
from operations.migrations.history import standing
from operations.migrations.model import Format, Migration
from operations.migrations.partitioned import outside_where_partitioned
from operations.migrations.preparing import prepared
from operations.migrations.reach import reaching_beyond
from operations.migrations.script import Script, read_script
from operations.ports import Progress, Session
from operations.quoting import identifier
from operations.rules.model import Finding
from operations.validation.beyond import server_access
from operations.validation.model import StatementRun
from operations.validation.replay import SETTINGS, Replay, ScriptFailed
from operations.validation.trying import failure

LATEST = "latest"


class Rehearsal(Struct, frozen=True):
    """What the pending migrations did to a copy. ``ok``: all of them applied. ``failed``: where one did not.

    ``wal_bytes`` is what the server wrote meanwhile, other sessions of it included.
    """

    ok: bool
    backup: str
    pending: tuple[str, ...]
    statements: tuple[StatementRun, ...] = ()
    restore_seconds: float = 0.0
    seconds: float = 0.0
    wal_bytes: int = 0
    failed: Finding | None = None
    notes: tuple[str, ...] = ()


def rehearse(context: Context, backup_id: str = LATEST) -> Rehearsal:
    """Under the environment's lock: a deploy waits meanwhile. The copy is dropped at the end, whatever happens.

    Raises ``NotFound``, ``Tampered``, ``PrivilegeMissing``, ``NotEnoughSpace``, ``RestoreFailed``, ``LockHeld``,
    ``PoolerInBetween``, and ``Refused`` where a script reaches beyond its database.
    """
    with held(context, "rehearse", new_id(context.clock.now(), secrets.token_hex(3))):
        format = formats.detect(context.files, context.environment.migrations)
        migrations = format.read(context.files, context.environment.migrations)
        manifest = load_intact(context, backup_id)
        refuse_unrestorable(context, manifest)
        began = context.clock.now()
        with scratch_database(context, manifest.properties, manifest.database_bytes) as name:
            with quiet_logins(context, manifest, name):
                archive_into(context, manifest, name)
            restored = context.clock.now() - began
            with context.database.session(name, purpose="rehearse") as session:
                return _Rehearsing(context, session, format, manifest, restored).on(migrations)


@dataclass
class _Rehearsing:
    context: Context
    session: Session
    format: Format
    manifest: Manifest
    restored: float

    def on(self, migrations: Sequence[Migration]) -> Rehearsal:
        settings = self._settings()
        self.session.reset(settings)
        pending = standing(migrations, self.format.history(self.session)).pending
        files = {migration.name: migration.file for migration in migrations}
        scripts = [read_script(m.name, m.script) for m in migrations if m.name in pending and m.script is not None]
        scripts = list(outside_where_partitioned(self.session, {script.name: script for script in scripts}).values())
        refuse_what_reaches_beyond({files[script.name]: script for script in scripts})
        began, runs = self.context.clock.now(), []
        failed: Finding | None = None
        for number, script in enumerate(scripts):
            self.context.report(Progress(f"rehearsing {script.name}", number, len(scripts), "migrations"))
            replay = Replay(self.session, script, files[script.name], False, settings=settings, wal=True)
            try:
                replay.run()
            except ScriptFailed as error:
                failed = failure(replay.file, script.text, error)
            runs += replay.runs
            if failed:
                break
        return Rehearsal(
            ok=failed is None,
            backup=self.manifest.id,
            pending=pending,
            statements=tuple(runs),
            restore_seconds=self.restored,
            seconds=self.context.clock.now() - began,
            wal_bytes=sum(run.wal_bytes or 0 for run in runs),
            failed=failed,
            notes=tuple(self._notes(pending)),
        )

    def _settings(self) -> dict[str, str]:
        """The copy is reached by another name than the URL's, so that the URL's schema must be said again."""
        schema = self.context.database.target.schema
        return {**SETTINGS, **({"search_path": identifier(schema)} if schema else {})}

    def _notes(self, pending: Sequence[str]) -> Iterator[str]:
        since = [name for name in pending if name in self._applied_live()]
        if since:
            yield f"Applied since the backup was taken, and rehearsed all the same: {', '.join(since)}"

    def _applied_live(self) -> frozenset[str]:
        with self.context.database.session(purpose="rehearse") as live:
            rows = self.format.history(live) or ()
        return frozenset(row.name for row in rows if row.finished_at and not row.rolled_back_at)


def refuse_what_reaches_beyond(scripts: Mapping[str, Script]) -> None:
    """Raise ``Refused`` for statements, by their files, whose effect would not go with the copy. Pure."""
    found = [told for file, script in scripts.items() for told in _beyond(file, script)]
    if found:
        raise Refused(
            f"A rehearsal on the server of the live database would change more than the copy:\n{listed(found)}",
            hint="locktender validate tries such migrations on a server of its own.",
        )


def _beyond(file: str, script: Script) -> Iterator[str]:
    if script.statements is None:
        yield f"{file} cannot be parsed, so that nobody knows ({script.verdict.reason})"
        return
    yield from (f"{file}:{one.line} {one.kind}" for one in reaching_beyond(script))
    yield from (f"{file}:{one.line} PREPARE TRANSACTION" for one in prepared(script.text))
    lines = {statement.start: statement.line for statement in script.statements}
    yield from (f"{file}:{lines[offset]} {told}" for offset, told in server_access(script))
