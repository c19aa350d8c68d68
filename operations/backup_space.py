"""Is there room? Asked before anything is written, because a full disk hurts others, too."""

from __future__ import annotations

from operations.backups.manifest import Manifest
from operations.backups.space import estimate
from operations.context import Context
from operations.errors import NotEnoughSpace, StatementFailed
from operations.measures import size_text
from operations.ports import Session

LOOPBACK = ("localhost", "127.0.0.1", "::1")
SHARE_LEFT = 1.1


def refuse_full_disk(context: Context, database_bytes: int, previous: Manifest | None) -> None:
    """Raise ``NotEnoughSpace`` if the next backup will probably not fit beside the others."""
    directory = context.environment.backup_dir
    needed, free = estimate(database_bytes, previous), context.host.free_bytes(directory)
    if needed > free:
        measure = "the previous backup" if previous else "the size of the database"
        raise NotEnoughSpace(
            f"There is too little disk space for a backup in {directory}: about {size_text(needed)} are needed (going"
            f" by {measure}), {size_text(free)} are free.",
            hint=f"Make room, or see what {context.command} backup prune --dry-run would remove.",
        )


def refuse_full_server(context: Context, session: Session, needed: int) -> None:
    """Raise ``NotEnoughSpace`` if a second database of ``needed`` bytes would fill the server's disk.

    It can only be told for a server on this host, by a role that may read where its data lies.
    """
    host = context.database.target.host
    if host not in LOOPBACK and not host.startswith("/"):
        return
    try:
        ((directory,),) = session.rows("SHOW data_directory")
    except StatementFailed:
        return
    if not context.host.exists(f"{directory}/PG_VERSION"):
        return
    free = context.host.free_bytes(directory)
    if needed * SHARE_LEFT > free:
        raise NotEnoughSpace(
            f"The server's disk has too little space to restore this beside the live database: {size_text(needed)} are"
            f" needed in {directory}, {size_text(free)} are free.",
            hint="Make room there first: a full disk would stop the live database.",
        )
