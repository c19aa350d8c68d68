"""What did runs leave behind, on purpose or because they died?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.backup_leftovers import partial_path
from operations.checks.model import Check, Probe, listed
from operations.context import Context
from operations.kept import kept_databases
from operations.layout import scratch_prefix
from operations.lock import current_owner, is_alive
from operations.measures import size_text
from operations.settling import unfinished

SCRATCH = "SELECT datname FROM pg_database WHERE starts_with(datname, %s) ORDER BY datname"


def look(probe: Probe) -> Iterator[Check]:
    """Databases kept for undo, scratch databases."""
    context = probe.context
    kept = kept_databases(context)
    with probe.reading() as session:
        prefix = scratch_prefix(context.environment, context.database.target.database)
        scratch = session.rows(SCRATCH, (prefix,))
    if kept:
        yield Check(
            "kept_databases",
            "warn",
            f"{listed(each.name for each in kept)}; {size_text(sum(each.bytes for each in kept))}",
            "They are the states before restores and rollbacks, for restore --undo; they take up room.",
            f"{context.command} restore --prune 7d drops those older than a week",
        )
    else:
        yield Check("kept_databases", "ok", "none")
    if scratch and _running(context) is None:
        yield Check(
            "scratch_databases",
            "warn",
            listed(name for (name,) in scratch),
            "A run died while it used them.",
            "The next deploy, backup or restore drops them.",
        )


def look_on_host(context: Context) -> Iterator[Check]:
    """Runs that died, backups half written, a lock."""
    running = _running(context)
    host, directory = context.host, context.environment.backup_dir
    if running:
        yield Check("runs", "ok", f"{running} is at work")
        return
    dead = unfinished(context)
    ending = partial_path(context, "").rpartition("/")[2]
    partial = [name.rstrip("/") for name in host.list(directory) if name.endswith(f"{ending}/")]
    if dead:
        yield Check(
            "runs",
            "fail",
            f"died before its end: {listed(f'{run.run_id} ({run.operation})' for run in dead)}",
            "What it had begun is neither finished nor undone yet.",
            f"{context.command} deploy settles it before it does anything else",
        )
    else:
        yield Check("runs", "ok", "all came to an end")
    if partial:
        yield Check(
            "partial_backups",
            "warn",
            listed(partial),
            "A backup was interrupted; this is no backup, but takes up room.",
            "The next deploy, backup or restore removes it.",
        )


def _running(context: Context) -> str | None:
    owner = current_owner(context)
    return f"{owner.operation} (run {owner.run_id})" if owner and is_alive(context, owner) else None
