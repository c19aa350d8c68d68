"""Performs a proposal through the use case that it is of, and says what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from operations.approvals.model import Event, Outcome, Proposal
from operations.context import Context
from operations.errors import ExitCode, LocktenderError, as_ours
from operations.outcome import DeployResult
from operations.secret import redact

Result = Mapping[str, Any]


def performed(context: Context, proposal: Proposal) -> tuple[Event, Outcome]:
    """Do it; whatever is raised becomes an outcome: ``failed`` where the old state stands, else ``stuck``."""
    began = context.clock.now()
    try:
        event, summary, result = PERFORMERS[proposal.operation](context, proposal)
        return event, Outcome(summary, result=result, run_id=result.get("run_id"), seconds=_since(context, began))
    except BaseException as error:  # noqa: BLE001 - also the end of the process: what is known is recorded first
        return _failed(context, error, began)


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


def _deployed(result: DeployResult) -> dict[str, Any]:
    return {
        "run_id": result.run_id,
        "outcome": result.outcome,
        "applied": list(result.applied),
        "backup_id": result.backup_id,
        "downtime_seconds": round(result.downtime_seconds, 3),
    }


def _deploy(context: Context, proposal: Proposal) -> tuple[Event, str, Result]:
    from operations.deploy import deploy

    given = proposal.arguments
    done = deploy(context, strategy=given.get("strategy"), ref=given.get("ref"), approved=proposal.plan)
    return Event.DONE, _said(done), _deployed(done)


def _apply(context: Context, proposal: Proposal) -> tuple[Event, str, Result]:
    from operations.apply import apply

    given = proposal.arguments
    done = apply(context, to=given.get("to"), baseline=given.get("baseline"), approved=proposal.plan)
    return Event.DONE, _said(done), _deployed(done)


def _said(done: DeployResult) -> str:
    if done.outcome == "nothing_to_do":
        return "There was nothing left to do."
    applied = f"{len(done.applied)} migration{'s' * (len(done.applied) != 1)} applied" if done.applied else "deployed"
    return f"Run {done.run_id}: {applied}." + (f" The backup from before: {done.backup_id}." if done.backup_id else "")


def _rollback(context: Context, proposal: Proposal) -> tuple[Event, str, Result]:
    from operations.rollback import rollback

    given = proposal.arguments
    loss = bool(given.get("accept_data_loss"))
    done = rollback(context, run_id=given.get("run"), accept_data_loss=loss, approved=proposal.plan)
    kept = (
        f" The database as it was: {done.rollback.kept_database}."
        if done.rollback and done.rollback.kept_database
        else ""
    )
    return Event.DONE, f"Back to before {proposal.plan}.{kept}", _deployed(done)


def _restore(context: Context, proposal: Proposal) -> tuple[Event, str, Result]:
    from operations import restore

    given = proposal.arguments
    if given.get("undo"):
        done = restore.undo(context, proposal.plan)
    else:
        done = restore.restore(
            context,
            str(proposal.backup_id),
            given.get("into"),
            foreign=bool(given.get("foreign")),
            emergency=not given.get("no_emergency_backup"),
            approved=proposal.backup_digest,
        )
    before = f" The database from before: {done.previous_database}." if done.previous_database else ""
    result = {
        "run_id": done.run_id,
        "restored": done.restored,
        "emergency_backup": done.emergency_backup,
        "previous_database": done.previous_database,
        "outage_seconds": round(done.outage_seconds, 3),
    }
    return Event.DONE, f"{done.restored} is {done.database} now.{before}", result


def _backup(context: Context, proposal: Proposal) -> tuple[Event, str, Result]:
    from operations import backup

    done = backup.create(context, "asked for", verify="L2" if proposal.arguments.get("test_restore") else "L1")
    result = {"backup_id": done.id, "bytes": done.bytes, "tables": done.tables, "rows": done.rows, "level": done.level}
    return Event.DONE, f"Backup {done.id}: {done.tables} tables, {done.rows} rows.", result


def _verify(context: Context, proposal: Proposal) -> tuple[Event, str, Result]:
    from operations import backup

    found = backup.verify(context, str(proposal.backup_id), test_restore=bool(proposal.arguments.get("test_restore")))
    result = {"backup_id": found.id, "intact": found.intact, "problems": list(found.problems), "level": found.level}
    if found.intact:
        return Event.DONE, f"Backup {found.id} is intact ({found.level}).", result
    return Event.FAILED, f"Backup {found.id} is damaged: {'; '.join(found.problems)}", result


def _resolve(context: Context, proposal: Proposal) -> tuple[Event, str, Result]:
    from operations.resolve import resolve

    done = resolve(context, str(proposal.arguments["name"]), bool(proposal.arguments.get("applied")))
    said = "applied" if done.applied else "rolled back"
    return Event.DONE, f"{done.name} is recorded as {said}.", {"run_id": done.run_id, "changed": done.changed}


PERFORMERS: Mapping[str, Callable[[Context, Proposal], tuple[Event, str, Result]]] = {
    "deploy": _deploy,
    "apply": _apply,
    "rollback": _rollback,
    "restore": _restore,
    "backup": _backup,
    "verify": _verify,
    "resolve": _resolve,
}
