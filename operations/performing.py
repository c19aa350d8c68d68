"""Performs a proposal through the use case that it is of, and says what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from operations import backup
from operations.apply import apply
from operations.approvals.model import Event, Outcome, Proposal
from operations.backup import BackupResult
from operations.backup_verify import VerifyResult
from operations.context import Context
from operations.deploy import deploy
from operations.errors import ExitCode, LocktenderError, as_ours
from operations.outcome import DeployResult
from operations.resolve import ResolveResult, resolve
from operations.restore import RestoreResult, restore, undo
from operations.rollback import rollback
from operations.secret import redact

Facts = Mapping[str, Any]


class Performed(Struct, frozen=True):
    """How it ended, for the ledger; and what the use case returned or raised, for who is there to see it."""

    event: Event
    outcome: Outcome
    result: object = None
    error: BaseException | None = None


def perform(context: Context, proposal: Proposal) -> Performed:
    """Do it. Whatever is raised becomes an outcome: ``failed`` where the old state stands, else ``stuck``."""
    began = context.clock.now()
    try:
        result = PERFORMERS[proposal.operation](context, proposal)
        event, summary, facts = _told(result)
        outcome = Outcome(summary, result=facts, run_id=facts.get("run_id"), seconds=_since(context, began))
        return Performed(event, outcome, result=result)
    except BaseException as error:  # noqa: BLE001 - also the end of the process: what is known is recorded first
        event, outcome = _failed(context, error, began)
        return Performed(event, outcome, error=error)


def _failed(context: Context, error: BaseException, began: float) -> tuple[Event, Outcome]:
    told = as_ours(error)
    known = isinstance(error, (LocktenderError, KeyboardInterrupt))
    stuck = not known or told.exit_code == ExitCode.NEEDS_ATTENTION
    result = told.details.get("result")
    facts = _deployed(result) if isinstance(result, DeployResult) else {}
    outcome = Outcome(
        summary=redact(told.message, context.secrets),
        hint=redact(told.hint or f"{context.command} status shows what stands.", context.secrets),
        run_id=facts.get("run_id"),
        seconds=_since(context, began),
        result=facts,
        error=told.code,
    )
    return (Event.STUCK if stuck else Event.FAILED), outcome


def _since(context: Context, began: float) -> float:
    return round(context.clock.now() - began, 3)


def _told(result: object) -> tuple[Event, str, Facts]:
    return next(tell(result) for kind, tell in TELLERS.items() if isinstance(result, kind))


def _deployed(done: DeployResult) -> dict[str, Any]:
    return {
        "run_id": done.run_id,
        "outcome": done.outcome,
        "applied": list(done.applied),
        "backup_id": done.backup_id,
        "downtime_seconds": round(done.downtime_seconds, 3),
    }


def _of_deploy(done: DeployResult) -> tuple[Event, str, Facts]:
    if done.outcome == "nothing_to_do":
        return Event.DONE, "There was nothing left to do.", _deployed(done)
    if done.outcome == "rolled_back":
        kept = done.rollback.kept_database if done.rollback else None
        said = "Everything is as it was before." + (f" The database as it was until now: {kept}." if kept else "")
        return Event.DONE, said, _deployed(done)
    applied = f"{len(done.applied)} migration{'s' * (len(done.applied) != 1)} applied" if done.applied else "deployed"
    before = f" The backup from before: {done.backup_id}." if done.backup_id else ""
    return Event.DONE, f"Run {done.run_id}: {applied}.{before}", _deployed(done)


def _of_restore(done: RestoreResult) -> tuple[Event, str, Facts]:
    before = f" The database from before: {done.previous_database}." if done.previous_database else ""
    facts = {
        "run_id": done.run_id,
        "restored": done.restored,
        "emergency_backup": done.emergency_backup,
        "previous_database": done.previous_database,
        "outage_seconds": round(done.outage_seconds, 3),
    }
    return Event.DONE, f"{done.restored} is {done.database} now.{before}", facts


def _of_backup(done: BackupResult) -> tuple[Event, str, Facts]:
    facts = {"backup_id": done.id, "bytes": done.bytes, "tables": done.tables, "rows": done.rows, "level": done.level}
    return Event.DONE, f"Backup {done.id}: {done.tables} tables, {done.rows} rows.", facts


def _of_verify(found: VerifyResult) -> tuple[Event, str, Facts]:
    facts = {"backup_id": found.id, "intact": found.intact, "problems": list(found.problems), "level": found.level}
    if found.intact:
        return Event.DONE, f"Backup {found.id} is intact ({found.level}).", facts
    return Event.FAILED, f"Backup {found.id} is damaged: {'; '.join(found.problems)}", facts


def _of_resolve(done: ResolveResult) -> tuple[Event, str, Facts]:
    said = "applied" if done.applied else "rolled back"
    return Event.DONE, f"{done.name} is recorded as {said}.", {"run_id": done.run_id, "changed": done.changed}


TELLERS: Mapping[type, Callable[[Any], tuple[Event, str, Facts]]] = {
    DeployResult: _of_deploy,
    RestoreResult: _of_restore,
    BackupResult: _of_backup,
    VerifyResult: _of_verify,
    ResolveResult: _of_resolve,
}


def _deploy(context: Context, proposal: Proposal) -> DeployResult:
    given = proposal.arguments
    return deploy(context, strategy=given.get("strategy"), ref=given.get("ref"), approved=proposal.plan)


def _apply(context: Context, proposal: Proposal) -> DeployResult:
    given = proposal.arguments
    return apply(context, to=given.get("to"), baseline=given.get("baseline"), approved=proposal.plan)


def _rollback(context: Context, proposal: Proposal) -> DeployResult:
    given = proposal.arguments
    loss = bool(given.get("accept_data_loss"))
    return rollback(context, run_id=given.get("run"), accept_data_loss=loss, approved=proposal.plan)


def _restore(context: Context, proposal: Proposal) -> RestoreResult:
    given = proposal.arguments
    if given.get("undo"):
        return undo(context, proposal.plan)
    return restore(
        context,
        str(proposal.backup_id),
        given.get("into"),
        foreign=bool(given.get("foreign")),
        emergency=not given.get("no_emergency_backup"),
        approved=proposal.backup_digest,
    )


def _backup(context: Context, proposal: Proposal) -> BackupResult:
    return backup.create(context, "asked for", verify="L2" if proposal.arguments.get("test_restore") else "L1")


def _verify(context: Context, proposal: Proposal) -> VerifyResult:
    tested = bool(proposal.arguments.get("test_restore"))
    return backup.verify(context, str(proposal.backup_id), test_restore=tested)


def _resolve(context: Context, proposal: Proposal) -> ResolveResult:
    given = proposal.arguments
    return resolve(context, str(given["name"]), bool(given.get("applied")), approved=proposal.plan)


PERFORMERS: Mapping[str, Callable[[Context, Proposal], object]] = {
    "deploy": _deploy,
    "apply": _apply,
    "rollback": _rollback,
    "restore": _restore,
    "backup": _backup,
    "verify": _verify,
    "resolve": _resolve,
}
