"""The run behind deploy and apply: gather, plan, then perform with a restore point and a way back."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import uuid4

from operations import catalog, writes
from operations.advisory import STEADY, lock_database
from operations.applying import Applier, history_table
from operations.backup import Level, take_backup
from operations.blockers import Blocker
from operations.context import Context
from operations.errors import (
    ConnectionLost,
    DatabaseUnreachable,
    DataWouldBeLost,
    HistoryConflict,
    LocktenderError,
    NeedsAttention,
    OperationFailed,
)
from operations.gathering import Facts, gather
from operations.journal import Journal
from operations.layout import new_id
from operations.lock import Lock, held
from operations.migrations import formats
from operations.migrations.history import standing
from operations.plan import Plan
from operations.planning import make_plan
from operations.pooler import refuse_pooler
from operations.ports import Progress, Session
from operations.runner import Performer, StepFailed, StepResult, run
from operations.settings import Environment, Strategy
from operations.settling import settle
from operations.undoing import Rollback, put_back

Outcome = Literal["planned", "deployed", "nothing_to_do", "rolled_back", "needs_attention"]


@dataclass(frozen=True)
class DeployResult:
    """How a deploy or apply ended. ``rollback`` says how the old state was brought back, where it had to be."""

    run_id: str
    outcome: Outcome
    applied: tuple[str, ...] = ()
    backup_id: str | None = None
    atomic: bool = True
    rollback: Rollback | None = None
    steps: tuple[StepResult, ...] = ()
    downtime_seconds: float = 0.0
    plan: Plan | None = None
    blockers: tuple[Blocker, ...] = ()
    notes: tuple[str, ...] = ()


def migrate(
    context: Context,
    operation: Literal["deploy", "apply"],
    *,
    to: str | None = None,
    baseline: str | None = None,
    strategy: Strategy | None = None,
    dry_run: bool = False,
) -> DeployResult:
    """Plan, and unless ``dry_run`` perform, under the environment's lock."""
    if strategy:
        context = replace(context, environment=replace(context.environment, strategy=strategy))
    run_id = new_id(context.clock.now(), secrets.token_hex(3))
    if dry_run:
        with context.database.session(purpose="plan") as session:
            facts = gather(context, session, to=to, baseline=baseline)
        plan = _plan(context, operation, facts)
        return DeployResult(
            run_id, "planned", plan=plan, atomic=plan.atomic, blockers=facts.blockers, notes=facts.notes
        )
    with held(context, operation, run_id) as lock:
        refuse_pooler(context)
        settled = settle(context, lock)
        session = context.database.connect(purpose=f"run {run_id}")
        try:
            session.reset(STEADY)
            lock_database(context, session, formats.detect(context.files, context.environment.migrations).lock_id)
            facts = gather(context, session, to=to, baseline=baseline)
            plan = _plan(context, operation, facts)
            notes = (*settled, *facts.notes)
            if not facts.pending and not facts.baseline:
                return DeployResult(run_id, "nothing_to_do", plan=plan, notes=notes)
            return _Run(context, lock, session, facts, plan, notes).perform()
        finally:
            session.close()


def level_before(environment: Environment, size: int, may_create_databases: bool) -> Level:
    """How well a restore point is verified: by a test restore (L2) below the size limit, if the role can make one."""
    settings = environment.backups
    tested = settings.test_restore == "before_deploy" and size <= settings.test_restore_limit
    return "L2" if tested and may_create_databases else "L1"


def _plan(context: Context, operation: str, facts: Facts) -> Plan:
    return make_plan(operation, context.environment, str(context.database.target), facts)


@dataclass
class _Run:
    """A deploy that has begun, on a session that holds the migration lock."""

    context: Context
    lock: Lock
    session: Session
    facts: Facts
    plan: Plan
    notes: tuple[str, ...]
    backup_id: str | None = None
    applier: Applier | None = None
    journal: Journal = field(init=False)

    def perform(self) -> DeployResult:
        self.journal = Journal.open(
            self.context,
            self.lock,
            self.plan.operation,
            database=self.context.database.target.database,
            database_oid=self.plan.database_oid,
            digest=self.plan.digest,
            migrations={m.name: m.checksum for m in self.plan.migrations},
        )
        performers: Mapping[str, Performer] = {
            "prepare": self._prepare,
            "wait": self._wait,
            "restore_point": self._restore_point,
            "apply": self._apply,
            "check": self._check,
        }
        try:
            steps = run(self.context, self.journal, self.plan, performers)
        except StepFailed as failed:
            raise self._ended(failed) from failed.error
        finally:
            if self.applier:
                self.applier.session.close()
        result = self._result("deployed", steps)
        facts = {"applied": list(result.applied), "backup_id": self.backup_id, "atomic": result.atomic}
        if not self.journal.finish("deployed", **facts):
            said = "The journal could not be finished; the next run looks what this one did, and finds the new state."
            return replace(result, notes=(*result.notes, said))
        return result

    def _prepare(self) -> None:
        """The lock is held and the facts were read under it; what is left is the baseline."""
        if not self.facts.baseline:
            return
        with self.session.transaction():
            if not self.facts.standing.has_table:
                self.facts.format.create_history(self.session)
            for migration in self.facts.baseline:
                self.facts.format.record_applied(self.session, migration)
        self.journal.record("baseline", migrations=[migration.name for migration in self.facts.baseline])

    def _wait(self) -> None:
        self.session.rows("SELECT 1")

    @property
    def _has_history(self) -> bool:
        return self.facts.standing.has_table or bool(self.facts.baseline)

    @property
    def _may_restore(self) -> bool:
        return self.facts.target.may_create_databases and self.facts.target.owns_database

    def _restore_point(self) -> None:
        # Read before the snapshot: what is written in between then counts as written since.
        counters = writes.counters(self.session)
        fingerprint = catalog.read(self.session, history_table(self.session, self.facts.format)).fingerprint
        if self.plan.restore_point == "backup":
            target = self.facts.target
            self.backup_id = take_backup(
                self.context,
                reason=f"before {self.plan.operation}",
                run_id=self.journal.run_id,
                verify=level_before(self.context.environment, target.size, target.may_create_databases),
            ).id
        self.journal.record(
            "restore_point",
            kind=self.plan.restore_point,
            backup_id=self.backup_id,
            counters=counters.to_json(),
            fingerprint=fingerprint,
            had_history=self._has_history,
        )

    def _apply(self) -> None:
        row_ids = {migration.name: str(uuid4()) for migration in self.facts.pending}
        self.journal.record("apply_planned", rows=row_ids)
        self.applier = Applier(
            self.context,
            self.journal,
            self.facts.format,
            self.session,
            migrations={migration.name: migration for migration in self.facts.pending},
            scripts=self.facts.scripts,
            row_ids=row_ids,
            create_history=not self._has_history,
            may_restore=self._may_restore,
            began_with_data=self.plan.restore_point != "empty",
        )
        for unit in self.plan.units:
            self.applier.apply(unit)

    def _check(self) -> None:
        session = self.applier.session if self.applier else self.session
        left = set(standing(self.facts.migrations, self.facts.format.history(session)).pending) & set(
            self.facts.scripts
        )
        if left:
            raise OperationFailed(f"After the run these are still pending: {', '.join(sorted(left))}.")

    def _ended(self, failed: StepFailed) -> LocktenderError:
        """Put back what was done; the error to raise, with the run's result in its details."""
        error = _as_ours(failed.error)
        try:
            rollback = self._put_back(failed)
        except DataWouldBeLost as refused:
            self._finish("needs_attention", error)
            return self._attention(error, refused, failed)
        except NeedsAttention as unknown:  # no end in the journal: the next run tries to settle this one
            return self._attention(error, unknown, failed)
        self._finish("rolled_back", error, rollback=rollback.method if rollback else None)
        stands = "The old state stands" + (", with the baseline recorded." if self.facts.baseline else ".")
        if isinstance(error, HistoryConflict):
            stands = "Nothing of this run stands."
        return _with_result(error, f"{error.message} {stands}", self._result("rolled_back", failed, rollback))

    def _attention(self, error: LocktenderError, why: NeedsAttention, failed: StepFailed) -> NeedsAttention:
        message = f"{error.message} {self._what_stands()} {why.message}"
        _with_result(why, message, self._result("needs_attention", failed))
        return why

    def _put_back(self, failed: StepFailed) -> Rollback | None:
        """Raises ``NeedsAttention`` whatever goes wrong: nothing may be mistaken for a way back that succeeded."""
        applier = self.applier
        if applier is None:
            return None
        command = self.context.command
        try:
            self.context.report(Progress("putting back the old state"))
            if not applier.locked or isinstance(failed.error, (ConnectionLost, DatabaseUnreachable)):
                applier.reconnect()
            return put_back(self.context, self.journal, applier.session, self.facts.format)
        except NeedsAttention:
            raise
        except (ConnectionLost, DatabaseUnreachable) as lost:
            raise NeedsAttention(
                f"It cannot be told yet what stands, because the database cannot be reached: {lost.message}",
                hint=f"Once it answers, {command} deploy settles this run before it does anything else.",
            ) from lost
        except BaseException as broken:  # also a second Ctrl-C
            raise NeedsAttention(
                f"The way back did not come to its end: {_as_ours(broken).message}",
                hint=f"{command} status shows what stands; {command} deploy first settles this run.",
            ) from broken

    def _what_stands(self) -> str:
        whole = ", ".join(self.applier.applied) if self.applier else ""
        return f"In the database stands {whole + ' and ' if whole else ''}a part of what was being applied."

    def _finish(self, outcome: Outcome, error: LocktenderError, **facts: Any) -> None:
        self.journal.finish(outcome, error=error.message, code=error.code, backup_id=self.backup_id, **facts)

    def _result(
        self, outcome: Outcome, ended: StepFailed | tuple[StepResult, ...], rollback: Rollback | None = None
    ) -> DeployResult:
        applier = self.applier
        return DeployResult(
            run_id=self.journal.run_id,
            outcome=outcome,
            applied=tuple(applier.applied) if applier and outcome != "rolled_back" else (),
            backup_id=self.backup_id,
            atomic=self.plan.atomic and not (applier and applier.divided),
            rollback=rollback,
            steps=ended.results if isinstance(ended, StepFailed) else ended,
            plan=self.plan,
            blockers=self.facts.blockers,
            notes=(*self.notes, *(applier.notes if applier else ())),
        )


def _as_ours(error: BaseException) -> LocktenderError:
    if isinstance(error, LocktenderError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return OperationFailed("Interrupted.")
    return OperationFailed(f"Unexpected {type(error).__name__}: {error}.")


def _with_result(error: LocktenderError, message: str, result: DeployResult) -> LocktenderError:
    error.message, error.args = message, (message,)
    error.details["result"] = result
    return error
