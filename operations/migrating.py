"""What deploy and apply share: gather facts, plan, and unless it is only asked for perform the plan."""

from __future__ import annotations

import secrets
from typing import Literal

from msgspec.structs import replace

from operations.advisory import locked_session
from operations.approvals.digest import refuse_other
from operations.context import Context
from operations.deploying import Run
from operations.errors import RowsInTheWay, listed
from operations.gathering import Facts, gather
from operations.layout import new_id
from operations.lock import held
from operations.migrations import formats
from operations.outcome import DeployResult
from operations.plan import Plan
from operations.planning import make_plan
from operations.pooler import refuse_pooler
from operations.preflight.model import Foreseen
from operations.release.choosing import choose, looked_at_again
from operations.release.database import ensure_database
from operations.release.model import PlannedRelease
from operations.schema_record import remember
from operations.settings import Strategy
from operations.settling import settle

TOLD = 20
"""Statements that a refusal names."""


def migrate(
    context: Context,
    operation: Literal["deploy", "apply"],
    *,
    to: str | None = None,
    baseline: str | None = None,
    strategy: Strategy | None = None,
    ref: str | None = None,
    dry_run: bool = False,
    approved: str | None = None,
) -> DeployResult:
    """Plan, and unless ``dry_run`` perform, under the environment's lock; ``approved`` as in ``deploy``."""
    if strategy:
        context = replace(context, environment=replace(context.environment, strategy=strategy))
    run_id = new_id(context.clock.now(), secrets.token_hex(3))
    if dry_run:
        context, release = _chosen(context, operation, ref)
        with context.database.session(purpose="plan") as session:
            facts = gather(context, session, to=to, baseline=baseline)
        plan = _plan(context, operation, facts, release)
        return planned(run_id, plan, facts)
    with held(context, operation, run_id) as lock:
        if operation == "deploy":
            ensure_database(context)
        refuse_pooler(context)
        settled = settle(context, lock)
        context = looked_at_again(context)
        context, release = _chosen(context, operation, ref)
        tool = formats.detect(context.files, context.environment.migrations)
        with locked_session(context, tool.lock_id, f"run {run_id}") as session:
            facts = gather(context, session, to=to, baseline=baseline)
            plan = _plan(context, operation, facts, release)
            refuse_other(approved, plan.digest, "plan")
            notes = (*settled, *facts.notes)
            if not (facts.pending or facts.baseline or release):
                if settled:  # the dead run could not do it
                    remember(context, run_id)
                return DeployResult(run_id, "nothing_to_do", plan=plan, notes=notes)
            refuse_failing(facts.foreseen, planned(run_id, plan, facts))
            return Run(context, lock, session, facts, plan, notes).perform()


def _chosen(context: Context, operation: str, ref: str | None) -> tuple[Context, PlannedRelease | None]:
    return choose(context, ref) if operation == "deploy" else (context, None)


def planned(run_id: str, plan: Plan, facts: Facts) -> DeployResult:
    """What would be done, and what is known beforehand of how it would end."""
    return DeployResult(
        run_id,
        "planned",
        plan=plan,
        atomic=plan.atomic,
        blockers=facts.blockers,
        preflight=facts.foreseen,
        notes=facts.notes,
    )


def refuse_failing(foreseen: Foreseen, result: DeployResult) -> None:
    """Raise ``RowsInTheWay`` where existing rows would surely make it fail; nothing has begun."""
    if not foreseen.refused:
        return
    told = [str(one) for one in foreseen.failing[:TOLD]]
    if len(foreseen.failing) > TOLD:
        told.append(f"and {len(foreseen.failing) - TOLD} more, which a dry run shows")
    raise RowsInTheWay(
        "Existing rows would make this fail, so it was not begun:\n" + listed(told),
        hint=f"Look at the rows: {foreseen.failing[0].query} Mend them, or the migration. "
        'preflight.mode = "tell" tries it all the same.',
        details={"result": result},
    )


def _plan(context: Context, operation: str, facts: Facts, release: PlannedRelease | None) -> Plan:
    return make_plan(operation, context.environment, str(context.database.target), facts, release)
