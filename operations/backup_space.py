"""Is there room? Asked before anything is written, because a full disk hurts others, too."""

from __future__ import annotations

import re

from operations.backups.manifest import Manifest
from operations.backups.space import estimate
from operations.commands import docker
from operations.context import Context
from operations.database_container import DatabaseContainer, find, is_here
from operations.docker import ask
from operations.errors import LocktenderError, NotEnoughSpace, StatementFailed
from operations.measures import size_text
from operations.ports import Session

SHARE_LEFT = 1.1
FREE = ["sh", "-c", 'df -P -k "${1:-$PGDATA}"', "sh"]
AVAILABLE = re.compile(r"\s\d+\s+\d+\s+(\d+)\s+\d+%\s")
"""A line of POSIX's df: blocks of 1024 bytes in all, used, available."""
_LOG = """
    SELECT CASE WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots
                                 WHERE NOT active AND wal_status IS DISTINCT FROM 'lost') THEN least(needed, usual)
                WHEN kept < 0 THEN needed ELSE least(needed, usual + kept) END
    FROM (SELECT %s::bigint AS needed, pg_size_bytes(current_setting('max_wal_size')) AS usual,
                 pg_size_bytes(current_setting('max_slot_wal_keep_size')) AS kept) s
"""
# Restoring writes about as much of it as there are rows. What a slot waits for that nobody reads stays there, up to
# max_slot_wal_keep_size; one that was lost by that waits for nothing any more.


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
    """Raise ``NotEnoughSpace`` if a second database of ``needed`` bytes, and its log, would fill the server's disk.

    It can be told for a server on this host by a role that may read where its data lies, and for one that is a service
    of Docker Compose.
    """
    found = _on_server(context, session)
    if found is None:
        return
    directory, free = found
    ((log,),) = session.rows(_LOG, (needed,))
    if (needed + log) * SHARE_LEFT > free:
        raise NotEnoughSpace(
            f"The server's disk has too little space to restore this beside the live database: {size_text(needed)} and"
            f" {size_text(log)} of write-ahead log are needed in {directory}, {size_text(free)} are free.",
            hint="Make room there first: a full disk would stop the live database.",
        )


def _on_server(context: Context, session: Session) -> tuple[str, int] | None:
    """Where the server keeps its data, and how many bytes are free there; ``None`` if that cannot be told."""
    directory, host = _data_directory(session), context.database.target.host
    try:
        container = _container(context)
        if container:
            return _inside(context, container, directory)
    except LocktenderError:
        return None
    if directory is None or not is_here(host) or not context.host.exists(directory):
        return None
    return directory, context.host.free_bytes(directory)


def _data_directory(session: Session) -> str | None:
    try:
        ((directory,),) = session.rows("SHOW data_directory")
    except StatementFailed:
        return None
    return str(directory)


def _container(context: Context) -> DatabaseContainer | None:
    app = context.environment.app
    if app is None or app.database_service is None:
        return None
    found = find(context.host, app, app.database_service)
    return found if found.port_for(context.database.target) is not None else None


def _inside(context: Context, container: DatabaseContainer, directory: str | None) -> tuple[str, int] | None:
    """Asked inside: whoever may talk to Docker need not be allowed to look into its volumes."""
    told = ask(context.host, docker.execute(container.id, [*FREE, directory or ""], user="0:0"))
    match = AVAILABLE.search(told)
    return (f"{directory or 'PGDATA'} of the container {container.image_name}", int(match[1]) << 10) if match else None
