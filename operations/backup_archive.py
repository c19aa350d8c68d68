"""pg_restore on a backup's archive: into a database, or nowhere, only to see that it can be read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from msgspec.structs import replace

from operations.backup_dump import patience, tool_secrets
from operations.backup_leftovers import lists_path
from operations.backups import toc
from operations.backups.manifest import Manifest
from operations.backups.progress import Meter
from operations.backups.stderr import failed_object, is_passing, telling
from operations.backups.surroundings import Role, read_role
from operations.backups.tables import Table
from operations.client_tools import ClientTools, find
from operations.commands import postgres_client as client
from operations.context import Context
from operations.errors import BackupFailed, CommandFailed, RestoreFailed, listed
from operations.layout import ARCHIVE, backup_path, state_directory
from operations.ports import Session
from operations.quoting import identifier

MOST_JOBS = 4
LARGE = 1 << 18
"""Bytes of a file from which reading it elsewhere is worth it; pg_restore is started anyway, for the definitions."""
LEFT_TO_OTHERS = 6
"""Connections that a dump and those who read beside it leave free; one more of ours is only just ending, maybe."""
COUNT_CORES = ["nproc"]
MAINTENANCE_MEMORY = 128 << 20
"""Bytes that each restoring session may use to build an index, where the server itself does not give it more."""


def jobs_for(context: Context, free_connections: int = 1000) -> int:
    """Parallel processes: as set, or one per core up to 4; fewer where the server has no connections to spare."""
    wanted = context.environment.backups.jobs or min(MOST_JOBS, _cores(context))
    return max(1, min(wanted, (free_connections - LEFT_TO_OTHERS) // 2))


def archive_into(context: Context, manifest: Manifest, database: str) -> None:
    """Fill an existing, empty database with a backup's schema and rows.

    The backup is taken as it lies there: ``load_intact`` says whether it may be. Works for a role without superuser
    rights, too. Raises ``RestoreFailed``, naming what could not be restored; the database is then of no use.
    """
    with context.database.session(database, purpose="restore") as session:
        role, version = read_role(session), session.server_version
        pooled = session.claimed_pid != session.pid
        ((memory,),) = session.rows("SELECT pg_size_bytes(current_setting('maintenance_work_mem'))")
        _drop_missing_schemas(session, manifest)
    tools = find(context, version)
    archive = f"{backup_path(context.environment, manifest.id)}/{ARCHIVE}"
    meter = Meter("restoring", _tables(manifest), context.report)
    with _parts(context, tools, archive, manifest, role) as parts:
        for entries in parts:
            completed = tools.run_connected(
                context,
                client.restore(
                    tools.pg_restore,
                    archive,
                    replace(tools.seen(context.database.target), database=database),
                    jobs=jobs_for(context, role.free_connections),
                    entries=entries,
                ),
                database,
                # A pooler takes no settings with the login; then it is only slower.
                settings={} if pooled else client.quick_restore(max(memory, MAINTENANCE_MEMORY)),
                timeout=patience(manifest.database_bytes),
                on_line=meter.line,
            )
            if completed.returncode:
                raise _failed(context, manifest, completed.stderr, meter)


def read_through(context: Context, tools: ClientTools, directory: str, files: Mapping[str, int], size: int) -> None:
    """Read an archive to its end, in parallel; raises ``BackupFailed`` if that cannot be done.

    ``files`` are the archive's with their bytes, to share them out evenly; ``size`` the database's bytes. The
    host reads large files of rows where it is quicker at that than pg_restore, which reads all else.
    """
    done = _inflated(context, directory, files)

    def read(entries: str) -> None:
        argv = client.read_through(tools.pg_restore, directory, entries)
        completed = tools.run(context, argv, timeout=patience(size))
        if completed.returncode:
            raise BackupFailed(f"The archive cannot be read: {telling(completed.stderr, tool_secrets(context))}")

    with _listed(context, tools, directory) as (path, text):
        lists = toc.shared_out(toc.without(text, done), files, jobs_for(context))
        with _written(context, path, lists) as parts, ThreadPoolExecutor(len(parts)) as pool:
            list(pool.map(read, parts))


def _inflated(context: Context, directory: str, files: Mapping[str, int]) -> Collection[str]:
    """The files that the host has read to their ends."""
    large = [name for name, size in files.items() if toc.GZIPPED_ROWS.fullmatch(name) and size >= LARGE]
    large.sort(key=lambda name: -files[name])
    found = context.host.read_gzip(directory, large, jobs_for(context)) if large else {}
    wrong = [f"{name}: {problem}" for name, problem in found.items() if problem]
    if wrong:
        raise BackupFailed(f"The archive cannot be read: {listed(wrong)}")
    return found.keys()


def _cores(context: Context) -> int:
    try:
        return int(context.host.run(COUNT_CORES, timeout=20).stdout)
    except (CommandFailed, ValueError):
        return 1


def _tables(manifest: Manifest) -> Iterator[Table]:
    """For the progress bar: a table's share of the rows stands for its size."""
    for name, rows in manifest.tables.items():
        schema, _, relation = name.partition(".")
        yield Table(name, schema.strip('"'), relation.strip('"'), bytes=rows.rows)


def _drop_missing_schemas(session: Session, manifest: Manifest) -> None:
    """A new database has a schema public, which a dump never drops: the backed up one may have had none."""
    if "public" not in manifest.schemas:
        session.execute(f"DROP SCHEMA IF EXISTS {identifier('public')}")


def _failed(context: Context, manifest: Manifest, stderr: str, meter: Meter) -> RestoreFailed:
    what = failed_object(stderr, meter.running)
    why = telling(stderr, tool_secrets(context))
    return RestoreFailed(
        f"Backup {manifest.id} cannot be restored: {what + ': ' if what else ''}{why}",
        hint=f"{context.command} backup show {manifest.id} tells what is in it.",
        details={"object": what, "passing": is_passing(stderr)},
    )


@contextmanager
def _parts(
    context: Context, tools: ClientTools, archive: str, manifest: Manifest, role: Role
) -> Iterator[Sequence[str | None]]:
    """Files that list what is to be restored one after the other; ``None`` is the whole archive."""
    simple = not (manifest.extensions.keys() - {"plpgsql"}) and set(manifest.owners) <= {role.name}
    if role.superuser or simple:
        yield (None,)
        return
    with _listed(context, tools, archive) as (path, text), _written(context, path, toc.for_plain_role(text)) as parts:
        yield parts


@contextmanager
def _written(context: Context, path: str, lists: Sequence[str]) -> Iterator[Sequence[str]]:
    """The lists as files beside ``path``, for the time of the block."""
    paths = [f"{path}.{number}" for number in range(len(lists))]
    try:
        for part, text in zip(paths, lists, strict=True):
            # Names in a database of another encoding pass through as they are.
            context.host.write(part, text.encode(errors="surrogateescape"))
        yield paths
    finally:
        for part in paths:
            context.host.remove(part)


@contextmanager
def _listed(context: Context, tools: ClientTools, archive: str) -> Iterator[tuple[str, str]]:
    """The archive's table of contents, and the file that holds it for the time of the block."""
    context.host.make_directory(state_directory(context.environment))
    path = lists_path(context)
    try:
        argv = client.table_of_contents(tools.pg_restore, archive, path)
        completed = tools.run(context, argv, timeout=patience(0))
        if completed.returncode:
            raise BackupFailed(f"The archive cannot be read: {telling(completed.stderr, tool_secrets(context))}")
        yield path, context.host.read(path).decode(errors="surrogateescape")
    finally:
        context.host.remove(path)
