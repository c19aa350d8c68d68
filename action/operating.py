"""The commands that work on an environment."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from action import run_summary
from action.approval import approved, held_back
from action.configured import environment, opened
from action.deploying import record
from action.escaping import plain
from action.inputs import CHANGING
from action.job import Job, Outcome, answered, caught
from action.redaction import redacted
from action.reporting import rehearse, report
from operations.answer import redacted as without_secrets
from operations.context import Context
from operations.errors import ExitCode, LocktenderError, Refused
from operations.outcome import DeployResult
from operations.settings import Environment
from operations.settings_secrets import secrets_of

BY_EXIT_CODE = {
    ExitCode.DONE: "done",
    ExitCode.NO: "no",
    ExitCode.USAGE: "usage",
    ExitCode.FAILED_OLD_STATE: "failed",
    ExitCode.NEEDS_ATTENTION: "needs_attention",
    ExitCode.REFUSED: "refused",
}
"""The output ``outcome`` where the result has none of its own."""
Work = Callable[[Job, Context], Outcome]


def operate(job: Job) -> Outcome:
    """Run the command; whatever goes wrong is an outcome."""
    command = job.inputs.command
    chosen, _, error = caught(lambda: _environment(job))
    if chosen is None:
        return failed(job, error, job.inputs.environment)
    with job.log.group(f"{command} ({chosen.name})"):
        done, _, error = caught(lambda: _worked(job, chosen))
    outcome = done or failed(job, error, chosen.name)
    job.log.annotate("notice" if outcome.exit_code == ExitCode.DONE else "error", _first(outcome), title="Locktender")
    _explain(job, outcome.error)
    return outcome


def _first(outcome: Outcome) -> str:
    return outcome.summary.partition("\n")[0].lstrip("# ")


def _explain(job: Job, error: LocktenderError | None) -> None:
    if error:
        job.log.say(error.message, *(str(line) for line in error.details.get("logs", ())))
        job.log.say(*([f"next: {error.hint}"] if error.hint else []), f"[{error.code}; exit {int(error.exit_code)}]")


def _environment(job: Job) -> Environment:
    command = job.inputs.command
    if command in CHANGING and job.event.of_pull_request:
        raise Refused(
            f"{command} is not run for the event {job.event.name}: what a pull request brings is not merged yet.",
            hint="Let the workflow run on: push, to the branch that is deployed.",
        )
    if job.event.of_pull_request:
        raise Refused(
            f"{command} is not run for the event {job.event.name}: its configuration would be the pull request's own.",
            hint="Use command: validate there, and this one on push, schedule or workflow_dispatch.",
        )
    chosen = environment(job)
    job.log.hide(secrets_of(chosen))
    return chosen


def _worked(job: Job, chosen: Environment) -> Outcome:
    with opened(job, chosen) as context:
        return WORK[job.inputs.command](job, context)


def _deploy(job: Job, context: Context) -> Outcome:
    from operations.deploy import deploy

    recorded = record(job, context.environment.name)
    recorded.say("in_progress", "Migrations are being applied")
    ref = job.event.sha if context.environment.app else None

    def work() -> DeployResult:
        asked = {"strategy": None, "ref": ref, **held_back(job, context)}
        return approved(job, context, "deploy", asked, lambda: deploy(context, ref=ref))

    outcome = _run(job, context, work)
    recorded.ended(outcome.exit_code, _first(outcome))
    return outcome


def _rollback(job: Job, context: Context) -> Outcome:
    from operations.rollback import rollback

    run_id = job.inputs.run_id or None
    asked = {"run": run_id, "accept_data_loss": False}
    return _run(
        job, context, lambda: approved(job, context, "rollback", asked, lambda: rollback(context, run_id=run_id))
    )


def _run(job: Job, context: Context, work: Callable[[], DeployResult]) -> Outcome:
    result, partial, error = caught(work)
    result = redacted(result or partial, job.log.secrets)
    error = without_secrets(error, job.log.secrets) if error else None
    exit_code = error.exit_code if error else ExitCode.DONE
    name = context.environment.name
    top = run_summary.ending(job.inputs.command, name, exit_code, result)
    return Outcome(
        outcome=result.outcome if result else BY_EXIT_CODE[exit_code],
        exit_code=exit_code,
        result=result,
        error=error,
        environment=name,
        summary=run_summary.of_run(top, result, error, context.command),
        outputs=_of_run(result) if result else {},
    )


def _of_run(result: DeployResult) -> dict[str, str]:
    return {"run-id": result.run_id, "backup-id": result.backup_id or "", "applied": _names(result.applied)}


def _names(names: Sequence[str]) -> str:
    return json.dumps(list(names), ensure_ascii=False)


def _status(job: Job, context: Context) -> Outcome:
    from operations.status import status

    found = redacted(status(context), job.log.secrets)
    word, mark = ("up to date", "✅") if found.ok else ("not up to date", "⚠️")
    top = f"{mark} {context.environment.name} is {word}"
    lists = {"pending": _names(found.pending), "applied": _names(found.applied)}
    return answered(job, context, found, found.ok, word.replace(" ", "_"), run_summary.of_status(top, found), lists)


def _check(job: Job, context: Context) -> Outcome:
    from operations.health import check

    found = redacted(check(context), job.log.secrets)
    word, mark = ("healthy", "✅") if found.healthy else ("not healthy", "❌")
    for one in found.checks:
        job.log.say(f"{one.status:5}{one.name}: {one.detail}")
        if one.status != "ok":
            job.log.annotate("error" if one.status == "fail" else "warning", f"{one.detail} {one.why}", title=one.name)
    top = f"{mark} {context.environment.name} is {word}"
    return answered(job, context, found, found.healthy, word.replace(" ", "_"), run_summary.of_check(top, found))


def _backup(job: Job, context: Context) -> Outcome:
    from operations import backup

    reason: str = "scheduled" if job.event.name == "schedule" else "manual"
    level: backup.Level = "L2" if job.inputs.test_restore else "L1"
    asked = {"test_restore": job.inputs.test_restore}
    done = approved(job, context, "backup", asked, lambda: backup.create(context, reason, level))
    made = redacted(done, job.log.secrets)
    top = f"✅ Backup of {context.environment.name}: {made.id}"
    return answered(job, context, made, True, "created", run_summary.of_backup(top, made), {"backup-id": made.id})


def _restore(job: Job, context: Context) -> Outcome:
    from operations import restore

    named = job.inputs.backup_id or "latest"
    asked = {"backup": named, "into": None, "foreign": False, "no_emergency_backup": False}
    done = approved(job, context, "restore", asked, lambda: restore.restore(context, named))
    result = redacted(done, job.log.secrets)
    same = result.validation.ok
    top = f"{'✅' if same else '❌'} Restored {plain(result.restored)} ({context.environment.name})"
    ids = {"run-id": result.run_id, "backup-id": result.restored}
    return answered(job, context, result, same, "restored", run_summary.of_restore(top, result), ids)


def failed(job: Job, error: LocktenderError | None, environment: str) -> Outcome:
    """Where there is nothing but an error."""
    assert error is not None  # noqa: S101 - nothing came of it
    error = without_secrets(error, job.log.secrets)
    top = run_summary.ending(job.inputs.command, environment, error.exit_code, None)
    summary = run_summary.of_failure(top, error)
    return Outcome(BY_EXIT_CODE[error.exit_code], error.exit_code, None, error, environment, summary)


WORK: dict[str, Work] = {
    "deploy": _deploy,
    "rollback": _rollback,
    "status": _status,
    "check": _check,
    "backup": _backup,
    "restore": _restore,
    "report": report,
    "rehearse": rehearse,
}
