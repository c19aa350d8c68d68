"""Is a backup what it was, can it be read, and can it be restored? Only the last makes it *verified*.

L0: every file is there with the SHA-256 of the manifest. L1: pg_restore reads the archive to its end. L2: restored into
a scratch database of the same server, every table has the same rows and every object the same definition.
"""

from __future__ import annotations

import secrets

from msgspec import Struct
from msgspec.structs import replace

from operations.backup_archive import read_through
from operations.backup_catalogue import damage, level_of, load, record, verification
from operations.backup_restorable import refuse_unrestorable, restore_problems
from operations.backups.manifest import Level, Manifest, Verification, timestamp
from operations.client_tools import find
from operations.context import Context
from operations.errors import BackupFailed, Tampered
from operations.layout import ARCHIVE, backup_path, new_id
from operations.swap import maintenance


class VerifyResult(Struct, frozen=True):
    """``intact``: every byte is as it was written, and the archive can be read. ``level``: what is known by now.

    ``problems``: what is not as it should be; also why an intact backup cannot be restored.
    """

    id: str
    intact: bool
    problems: tuple[str, ...] = ()
    level: Level | None = None
    verified: bool = False


def verify(context: Context, backup_id: str, test_restore: bool = False) -> VerifyResult:
    """Check a backup to L1, or with ``test_restore`` to L2, and write down what was found.

    A test restore holds the environment's lock. Raises ``NotFound``, and for a test restore ``PoolerInBetween``, and
    ``PrivilegeMissing`` where the role cannot restore it.
    """
    if not test_restore:
        return _verify(context, backup_id, test_restore=False)
    from operations.lock import held

    with held(context, "backup verify", new_id(context.clock.now(), secrets.token_hex(3))):
        return _verify(context, backup_id, test_restore=True)


def note(context: Context, manifest: Manifest, level: Level, problems: tuple[str, ...] = ()) -> Verification:
    """Record the level that a backup was found to have, and why it has not reached the next."""
    found = Verification(
        backup=manifest.id,
        manifest_digest=manifest.digest,
        level=level,
        checked=timestamp(context.clock.now()),
        actor=context.actor,
        problems=problems,
    )
    record(context, manifest, found)
    return found


def _verify(context: Context, backup_id: str, test_restore: bool) -> VerifyResult:
    try:
        manifest = load(context, backup_id)
        problems = damage(context, manifest) or _unreadable(context, manifest)
    except Tampered as error:
        return VerifyResult(backup_id, intact=False, problems=(error.message,))
    if problems:
        return VerifyResult(manifest.id, intact=False, problems=problems)
    intact = VerifyResult(manifest.id, intact=True, level="L1")
    if test_restore:
        refuse_unrestorable(context, manifest)
        problems = restore_problems(context, manifest)
        note(context, manifest, "L1" if problems else "L2", problems)
        return replace(intact, problems=problems, level="L1" if problems else "L2", verified=not problems)
    known = level_of(manifest, verification(context, manifest))
    if known == "L0":
        note(context, manifest, "L1")
        return intact
    return replace(intact, level=known, verified=known == "L2")


def _unreadable(context: Context, manifest: Manifest) -> tuple[str, ...]:
    with maintenance(context, "backup verify") as session:
        tools = find(context, session.server_version)
    prefix = f"{ARCHIVE}/"
    files = {name.removeprefix(prefix): f.bytes for name, f in manifest.files.items() if name.startswith(prefix)}
    path = f"{backup_path(context.environment, manifest.id)}/{ARCHIVE}"
    try:
        read_through(context, tools, path, files, manifest.database_bytes)
    except BackupFailed as error:
        return (error.message,)
    return ()
