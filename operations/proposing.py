"""What exactly would be done if a request were performed now: facts gathered, planned by the use case's own dry run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from operations.approvals.model import Explanation, Operation, Policy, Proposal
from operations.context import Context
from operations.errors import Refused, UsageError
from operations.journal import RunRecord
from operations.outcome import DeployResult
from operations.restore_checks import system_identifier
from operations.settling import unfinished
from operations.swap import maintenance

SHOWN = 10
"""Statements that existing rows would make fail, and that are named in a request."""


class NothingToDo(Refused):
    """There is nothing to ask for. ``result`` is that of doing it."""

    code = "nothing_to_do"

    def __init__(self, message: str, result: DeployResult) -> None:
        super().__init__(message)
        self.result = result


def propose(
    context: Context, operation: Operation, arguments: Mapping[str, Any], policy: Policy, *, explain: bool = True
) -> Proposal:
    """The proposal, resolved: ``latest`` is an id, a ref a commit.

    Without ``explain`` only what the digest covers, and nothing is looked at twice: for comparing. Raises whatever the
    use case's dry run refuses, ``NothingToDo``, ``UsageError`` for arguments that the operation does not know.
    """
    target = context.database.target
    with maintenance(context, "plan") as session:
        identifier = system_identifier(session)
    found = _of(context if explain else _without_preflight(context), operation, arguments, explain)
    return Proposal(
        operation=operation,
        environment=context.environment.name,
        arguments=found.arguments,
        policy=policy.version,
        database=target.database,
        server=f"{target.host}:{target.port}",
        system_identifier=identifier,
        migrations=found.migrations,
        backup_id=found.backup_id,
        backup_digest=found.backup_digest,
        plan=found.plan,
        commit=found.commit,
        explanation=found.explanation if explain else Explanation(),
    )


def _without_preflight(context: Context) -> Context:
    """What rows would make of it is no part of the digest, and takes long to find out."""
    environment = context.environment
    return replace(context, environment=replace(environment, preflight=replace(environment.preflight, mode="off")))


class _Found(Struct, frozen=True):
    arguments: Mapping[str, Any]
    explanation: Explanation
    migrations: Mapping[str, str]
    backup_id: str | None = None
    backup_digest: str | None = None
    plan: str | None = None
    commit: str | None = None


def _of(context: Context, operation: Operation, arguments: Mapping[str, Any], explain: bool) -> _Found:
    given = {name: value for name, value in arguments.items() if value not in (None, False, "")}
    refuse_unknown(operation, given)
    if operation in ("deploy", "apply"):
        return _deploy(context, operation, given)
    if operation == "rollback":
        return _rollback(context, given)
    if operation == "restore":
        return _undo(context, given) if given.get("undo") else _restore(context, given, explain)
    if operation == "verify":
        return _verify(context, given)
    if operation == "resolve":
        return _resolve(context, given)
    steps, loses, undo = _SIMPLE[operation]
    return _Found(given, Explanation((steps.format(environment=context.environment.name, **given),), loses, undo), {})


def refuse_unknown(operation: Operation, arguments: Mapping[str, Any]) -> None:
    """Raise ``UsageError`` for an argument that would be ignored, or one that is missing."""
    known, needed = ARGUMENTS[operation], NEEDED.get(operation, frozenset())
    if wrong := sorted(set(arguments) - known):
        raise UsageError(f"{operation} knows no {', '.join(wrong)}.")
    if lacking := sorted(needed - set(arguments)):
        raise UsageError(f"{operation} needs {', '.join(lacking)}.")


ARGUMENTS: Mapping[Operation, frozenset[str]] = {
    "backup": frozenset({"test_restore"}),
    "verify": frozenset({"backup", "test_restore"}),
    "restore": frozenset({"backup", "undo", "into", "foreign", "no_emergency_backup"}),
    "deploy": frozenset({"ref", "strategy", "github"}),
    "apply": frozenset({"to", "baseline"}),
    "rollback": frozenset({"run", "accept_data_loss"}),
    "resolve": frozenset({"name", "applied"}),
    "freeze": frozenset({"until", "reason"}),
    "unfreeze": frozenset({"reason"}),
}
"""What each operation may be asked for with; values are JSON's own types, and absent ones mean the default."""
NEEDED: Mapping[Operation, frozenset[str]] = {"resolve": frozenset({"name"})}
_NOTHING = "Nothing."
_SIMPLE: Mapping[Operation, tuple[str, str, str]] = {
    "backup": ("Take a backup of {environment}, check it, and remove what the rules let go.", _NOTHING, ""),
    "freeze": ("Keep everything that changes {environment} from beginning.", _NOTHING, "unfreeze"),
    "unfreeze": ("Let operations on {environment} begin again.", _NOTHING, "freeze"),
}


def _deploy(context: Context, operation: Operation, given: Mapping[str, Any]) -> _Found:
    from operations.apply import apply
    from operations.deploy import deploy

    if operation == "deploy":
        result = deploy(context, strategy=given.get("strategy"), ref=given.get("ref"), dry_run=True)
    else:
        result = apply(context, to=given.get("to"), baseline=given.get("baseline"), dry_run=True)
    plan = result.plan
    assert plan is not None  # noqa: S101 - a dry run always plans
    of_github: Mapping[str, Any] = given.get("github") or {}  # what else that run does, only GitHub knows
    dead: tuple[RunRecord, ...] = ()
    if not (plan.migrations or plan.release or given.get("baseline") or of_github):
        dead = unfinished(context)  # to settle them is to do something
        if not dead:
            raise NothingToDo("Nothing to do: every migration is applied.", replace(result, outcome="nothing_to_do"))
    names = ", ".join(one.name for one in plan.migrations)
    whole = "all of it happens, or nothing" if plan.atomic else f"in several transactions: {plan.verdict}"
    return _Found(
        given,
        Explanation(
            steps=(
                *(f"settle run {record.run_id} ({record.operation}), if it has died" for record in dead),
                *(f"{step.name}: {step.what}" for step in plan.steps),
                *([f"migrations: {names}"] if names else []),
            ),
            loses="What the migrations themselves remove; a verified backup is taken before.",
            undo=f"rollback goes back to before it; {whole}.",
            notes=(
                *(f"Existing rows would make it fail: {failing}" for failing in result.preflight.failing[:SHOWN]),
                *result.notes,
                *(f"In the way now: {blocker}" for blocker in result.blockers),
            ),
        ),
        migrations={one.name: one.checksum for one in plan.migrations},
        plan=plan.digest,
        commit=plan.release.commit if plan.release else of_github.get("commit"),
    )


def _rollback(context: Context, given: Mapping[str, Any]) -> _Found:
    from operations.rollback import rollback

    result: DeployResult = rollback(
        context, run_id=given.get("run"), accept_data_loss=bool(given.get("accept_data_loss")), dry_run=True
    )
    loss = (
        "Rows written since, if there are any: they stay in the kept database." if given.get("accept_data_loss") else ""
    )
    explanation = Explanation(
        steps=(f"Go back to before {', '.join(result.undoes)}.",),
        loses=loss or "Nothing: if others have written since, it stops.",
        undo="restore --undo, where a backup was swapped in; otherwise another deploy.",
        notes=result.notes,
    )
    return _Found(given, explanation, {}, plan=" ".join(result.undoes))


def _restore(context: Context, given: Mapping[str, Any], explain: bool) -> _Found:
    from operations import backup_catalogue
    from operations.restore import restore

    manifest = backup_catalogue.load(context, str(given.get("backup", "latest")))
    resolved = {**given, "backup": manifest.id}
    steps: tuple[str, ...] = ()
    if explain:
        into, foreign = given.get("into"), bool(given.get("foreign"))
        emergency = not given.get("no_emergency_backup")
        steps = restore(context, manifest.id, into, True, foreign=foreign, emergency=emergency).steps
    kept = "it stays beside it as another database until it is pruned"
    explanation = Explanation(
        steps=steps,
        loses="Nothing: the live database is not touched."
        if given.get("into")
        else f"From the live database all that was written since {manifest.created}; {kept}.",
        undo="" if given.get("into") else "restore --undo swaps back.",
        notes=manifest.warnings,
    )
    return _Found(resolved, explanation, {}, backup_id=manifest.id, backup_digest=manifest.digest)


def _undo(context: Context, given: Mapping[str, Any]) -> _Found:
    from operations.swapping import last_swap

    kept, _ = last_swap(context)
    live = context.database.target.database
    explanation = Explanation(
        steps=(f"Swap database {kept} back in as {live}.",),
        loses=f"From the live database all that was written since it was swapped in; it stays beside {live}.",
        undo="restore --undo once more.",
    )
    return _Found(given, explanation, {}, plan=kept)


def _verify(context: Context, given: Mapping[str, Any]) -> _Found:
    from operations import backup_catalogue

    manifest = backup_catalogue.load(context, str(given.get("backup", "latest")))
    how = "and restore it into a throwaway database" if given.get("test_restore") else "to its end"
    explanation = Explanation((f"Read backup {manifest.id} of {manifest.created} {how}.",), _NOTHING)
    resolved = {**given, "backup": manifest.id}
    return _Found(resolved, explanation, {}, backup_id=manifest.id, backup_digest=manifest.digest)


def _resolve(context: Context, given: Mapping[str, Any]) -> _Found:
    from operations.resolve import planned

    name, applied = str(given["name"]), bool(given.get("applied"))
    plan = planned(context, name, applied)
    said = "applied, without running it" if applied else "rolled back"
    explanation = Explanation((f"Record migration {name} as {said}.",), "Nothing but what the history said before.")
    return _Found(given, explanation, {name: plan.checksum} if plan.checksum else {}, plan=plan.digest)


def timed(proposal: Proposal, seconds: float | None) -> Proposal:
    """With what past runs took."""
    return replace(proposal, explanation=replace(proposal.explanation, seconds=seconds))
