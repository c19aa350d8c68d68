"""Remove the backups that no rule wants any more; never the last good one, and never after a failure."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from msgspec import Struct

from operations.backup_catalogue import Entry, damage, entries
from operations.backup_leftovers import partial_path, remove_leftovers
from operations.backups.retention import Candidate, Decision, decide, without_damaged
from operations.context import Context
from operations.journal import records
from operations.layout import backup_path, new_id
from operations.lock import held


class PruneResult(Struct, frozen=True):
    """A decision on every backup of the environment, newest first; ``removed`` is empty for a dry run."""

    decisions: tuple[Decision, ...]
    removed: tuple[str, ...] = ()


def prune(context: Context, dry_run: bool = False) -> PruneResult:
    """Apply the environment's ``keep_…`` rules to its own backups, under its lock.

    Raises ``ConfigurationError`` for rules that keep nothing.
    """
    if dry_run:
        return PruneResult(_decide(context))
    with held(context, "backup prune", new_id(context.clock.now(), secrets.token_hex(3))):
        return prune_held(context)


def prune_held(context: Context) -> PruneResult:
    """The same for a run that holds the lock already; call it only after a backup that succeeded."""
    remove_leftovers(context)
    decisions = _decide(context)
    going = [decision.id for decision in decisions if not decision.keep]
    for backup_id in reversed(going):
        # Renamed first: a backup that is half removed must not be taken for one.
        aside = partial_path(context, backup_id)
        context.host.rename(backup_path(context.environment, backup_id), aside)
        context.host.remove(aside)
    return PruneResult(decisions, tuple(going))


def needed_by_runs(context: Context) -> Mapping[str, str]:
    """Backups that a run which died, or a rollback of the last deploy, would go back to."""
    found: dict[str, str] = {}
    last_deployed = None
    for run in records(context):
        backup_id = run.last("restore_point").get("backup_id")
        if backup_id and not run.finished:
            found[backup_id] = f"needed by run {run.run_id}, which has not ended"
        elif backup_id and run.outcome == "deployed":
            last_deployed = (backup_id, f"needed to roll back run {run.run_id}")
    if last_deployed:
        found.setdefault(*last_deployed)
    return found


def _decide(context: Context) -> tuple[Decision, ...]:
    """Before anything goes, the newest verified backup that stays is read in full: it must really be one."""
    own = {entry.info.id: entry for entry in entries(context) if entry.info.own or entry.manifest is None}
    candidates = _candidates(context, own)
    while True:
        decisions = decide(candidates, context.environment.backups, context.clock.now())
        kept = next((d.id for d in decisions if "newest verified" in d.reasons), None)
        if kept is None or all(decision.keep for decision in decisions):
            return decisions
        manifest = own[kept].manifest
        if manifest is not None and not damage(context, manifest):
            return decisions
        candidates = without_damaged(candidates, kept)


def _candidates(context: Context, own: Mapping[str, Entry]) -> tuple[Candidate, ...]:
    needed = needed_by_runs(context)
    return tuple(
        Candidate(
            id=info.id,
            created=info.created,
            valid=not info.problems,
            restorable=not info.restore_problems,
            verified=info.verified,
            needed=f"pinned: {info.pinned}" if info.pinned else needed.get(info.id),
        )
        for info in (entry.info for entry in own.values())
    )
