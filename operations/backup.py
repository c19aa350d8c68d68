"""Take a backup: one consistent snapshot, complete or absent, and known to be good before anyone relies on it.

The other use cases of backups live in files of their own and are re-exported here.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from msgspec import Struct
from msgspec.structs import replace

from operations.backup_archive import jobs_for, read_through
from operations.backup_catalogue import (
    BackupInfo,
    Pin,
    entries,
    list_backups,
    load,
    load_intact,
    pin,
    show,
    unpin,
)
from operations.backup_dump import Dumped, dump
from operations.backup_files import hashed, link_unchanged
from operations.backup_leftovers import partial_path, remove_leftovers
from operations.backup_reading import LOCK_WAIT
from operations.backup_restorable import refuse_unrestorable_by, restore_problems
from operations.backup_space import refuse_full_disk
from operations.backup_verify import VerifyResult, note, verify
from operations.backups.manifest import CATALOG, Level, Manifest, StoredFile, timestamp, to_bytes
from operations.backups.rows import fix_settings
from operations.backups.surroundings import Role, filtered, left_out, read_role, read_surroundings, unreadable
from operations.client_tools import ClientTools, find
from operations.context import Context
from operations.errors import (
    BackupFailed,
    HostError,
    HostUnreachable,
    LocktenderError,
    PrivilegeMissing,
    RestoreFailed,
    StatementFailed,
    listed,
)
from operations.layout import ARCHIVE, MANIFEST, backup_path, new_id
from operations.lock import held
from operations.pooler import refuse_pooler
from operations.ports import Progress
from operations.prune import PruneResult, prune, prune_held
from operations.readable_names import refuse_unreadable_names

__all__ = [
    "BackupInfo",
    "BackupResult",
    "Level",
    "Pin",
    "PruneResult",
    "VerifyResult",
    "create",
    "list_backups",
    "load",
    "load_intact",
    "pin",
    "prune",
    "show",
    "take_backup",
    "unpin",
    "verify",
]


class BackupResult(Struct, frozen=True):
    """A backup that was made. ``bytes`` counts all its files, ``linked_bytes`` those shared with earlier backups."""

    id: str
    path: str
    bytes: int
    seconds: float
    level: Level
    verified: bool
    tables: int
    rows: int
    linked_bytes: int = 0
    warnings: tuple[str, ...] = ()
    pruned: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What became of runs that had died before."""


class _Order(Struct, frozen=True):
    """What backup is to be made, and why."""

    id: str
    reason: str
    run: str | None
    verify: Level


class _Ground(Struct, frozen=True):
    """What is known before anything is written."""

    role: Role
    tools: ClientTools
    server_version: int
    system_identifier: str | None
    warnings: tuple[str, ...]
    earlier: tuple[Manifest, ...]
    """Own backups that look complete, newest first."""


def create(context: Context, reason: str = "manual", verify: Level = "L1") -> BackupResult:
    """Take a backup under the environment's lock, and apply the ``keep_…`` rules once it has succeeded.

    Errors are those of ``take_backup``, and ``LockHeld``.
    """
    from operations.settling import settle_if_possible

    run_id = new_id(context.clock.now(), secrets.token_hex(3))
    with held(context, "backup create", run_id) as lock:
        notes = settle_if_possible(context, lock)
        result = take_backup(context, reason, None, verify)
        return replace(result, pruned=prune_held(context).removed, notes=notes)


def take_backup(context: Context, reason: str, run_id: str | None, verify: Level) -> BackupResult:
    """Make a backup of level ``verify`` at least; the caller holds the environment's lock.

    Raises ``BackupFailed`` where there is none of that level in the end: one that was written but cannot be restored
    stays, and the error's details name it as ``backup_id``. What can be found beforehand is refused before anything is
    done: ``PrivilegeMissing``, ``NotEnoughSpace``, ``ClientToolsMissing``, ``PoolerInBetween``.
    """
    began = context.clock.now()
    refuse_pooler(context)
    remove_leftovers(context)
    ground = _survey(context, verify)
    order = _Order(new_id(began, secrets.token_hex(3)), reason, run_id, verify)
    with _made(context, order.id) as directory:
        manifest, linked = _write(context, ground, order, directory)
    level = _verified(context, manifest) if verify == "L2" else manifest.level
    return BackupResult(
        id=order.id,
        path=backup_path(context.environment, order.id),
        bytes=manifest.bytes,
        seconds=context.clock.now() - began,
        level=level,
        verified=level == "L2",
        tables=len(manifest.tables),
        rows=manifest.rows,
        linked_bytes=linked,
        warnings=manifest.warnings,
    )


def _survey(context: Context, verify: Level) -> _Ground:
    with context.database.session(purpose="backup") as session:
        fix_settings(session, LOCK_WAIT)
        refuse_unreadable_names(session)
        role = read_role(session)
        hidden, denied = filtered(session), unreadable(session)
        warnings = tuple(left_out(session, role))
        owners = read_surroundings(session).owners
        version = session.server_version
        try:
            identifier = str(session.rows("SELECT system_identifier FROM pg_catalog.pg_control_system()")[0][0])
        except StatementFailed:
            identifier = None
            warnings += (f"Role {role.name!r} may not read which server this is (pg_control_system).",)
    _refuse_unreadable(role, hidden, denied)
    if verify == "L2":
        refuse_unrestorable_by(context, owners, role.database_bytes)
    found = entries(context)
    earlier = tuple(e.manifest for e in found if e.manifest and e.info.own and not e.info.problems)
    refuse_full_disk(context, role.database_bytes, earlier[0] if earlier else None)
    return _Ground(role, find(context, version), version, identifier, warnings, earlier)


def _refuse_unreadable(role: Role, hidden: Sequence[str], denied: Sequence[str]) -> None:
    if hidden:
        raise PrivilegeMissing(
            f"Row-level security hides rows of {', '.join(hidden)} from role {role.name!r}: a backup would lack them.",
            hint=f"Let a superuser run: ALTER ROLE {role.name} BYPASSRLS",
        )
    if denied:
        raise PrivilegeMissing(
            f"Role {role.name!r} may not read everything, so that no backup can be complete: {listed(denied)}",
            hint=f"Let its owner grant SELECT (and USAGE on the schema) to {role.name}.",
        )


@contextmanager
def _made(context: Context, backup_id: str) -> Iterator[str]:
    """The directory to write to; it becomes the backup when the block ends well, and is removed when it does not."""
    partial = partial_path(context, backup_id)
    try:
        context.host.make_directory(partial)
        yield partial
        context.host.sync(partial)
        if not context.host.rename(partial, backup_path(context.environment, backup_id)):
            raise BackupFailed(f"There is a backup {backup_id} already.")
    except StatementFailed as error:
        raise BackupFailed(f"The database could not be read: {error.message}") from error
    finally:
        _remove_quietly(context, partial)


def _remove_quietly(context: Context, path: str) -> None:
    try:
        context.host.remove(path)
    except (HostError, HostUnreachable):
        return  # why the backup failed says more; the next run removes it


def _write(context: Context, ground: _Ground, order: _Order, directory: str) -> tuple[Manifest, int]:
    """Everything of a backup but the last rename; the manifest, and the bytes shared with earlier backups."""
    host = context.host
    dumped = dump(
        context, ground.tools, ground.role, f"{directory}/{ARCHIVE}", jobs_for(context, ground.role.free_connections)
    )
    host.write(f"{directory}/{CATALOG}", json.dumps(dumped.facts.catalog.to_json(), ensure_ascii=False).encode())
    with ThreadPoolExecutor(1) as beside:
        syncing = beside.submit(host.sync, directory)
        files = hashed(context, directory)
        if order.verify == "L1":
            _read_through(context, ground, directory, files)
        syncing.result()
    linked = link_unchanged(context, directory, files, ground.earlier)
    manifest = _manifest(context, ground, order, dumped, files)
    host.write(f"{directory}/{MANIFEST}", to_bytes(manifest, context.environment.backups.signing_key))
    return manifest, linked


def _read_through(context: Context, ground: _Ground, directory: str, files: Mapping[str, StoredFile]) -> None:
    context.report(Progress("reading the archive"))
    archive = {name.removeprefix(f"{ARCHIVE}/"): file.bytes for name, file in files.items()}
    read_through(context, ground.tools, f"{directory}/{ARCHIVE}", archive, ground.role.database_bytes)


def _manifest(
    context: Context, ground: _Ground, order: _Order, dumped: Dumped, files: Mapping[str, StoredFile]
) -> Manifest:
    facts, target = dumped.facts, context.database.target
    return Manifest(
        id=order.id,
        environment=context.environment.name,
        database=target.database,
        server=f"{target.host}:{target.port}",
        created=timestamp(dumped.taken),
        server_version=ground.server_version,
        client_version=ground.tools.version,
        system_identifier=ground.system_identifier,
        reason=order.reason,
        run=order.run,
        actor=context.actor,
        migrations=facts.migrations,
        schema_fingerprint=facts.catalog.fingerprint,
        tables=dumped.tables,
        sequences=dumped.sequences,
        large_objects=dumped.large_objects,
        files=files,
        properties=facts.properties,
        extensions=dict(facts.surroundings.extensions),
        schemas=facts.surroundings.schemas,
        roles=tuple(sorted({*facts.surroundings.roles, *facts.properties.roles})),
        owners=facts.surroundings.owners,
        tablespaces=facts.surroundings.tablespaces,
        database_bytes=ground.role.database_bytes,
        compression="zstd" if ground.tools.zstd else "gzip",
        warnings=(*ground.warnings, *dumped.warnings),
        level="L1" if order.verify == "L1" else "L0",
    )


def _verified(context: Context, manifest: Manifest) -> Level:
    """Test-restore a backup that was just made, and write down how it went; raises ``BackupFailed`` if it did not."""
    try:
        problems = restore_problems(context, manifest)
    except RestoreFailed as error:
        raise _untested(context, manifest, error) from error
    note(context, manifest, "L0" if problems else "L2", problems)
    if problems:
        raise BackupFailed(
            f"Backup {manifest.id} was written, but restoring it does not give the same database: {listed(problems)}",
            hint=f"Correct the cause, then {context.command} backup verify {manifest.id} --test-restore.",
            details={"backup_id": manifest.id, "problems": list(problems)},
        )
    return "L2"


def _untested(context: Context, manifest: Manifest, error: LocktenderError) -> BackupFailed:
    return BackupFailed(
        f"Backup {manifest.id} was written, but could not be tested: {error.message}",
        hint=f"{context.command} backup verify {manifest.id} --test-restore tries again.",
        details={"backup_id": manifest.id},
    )
