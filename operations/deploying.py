"""The run of a deploy or apply: the plan performed with a restore point, and the way back from every failure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from msgspec.structs import replace

from operations import catalog, sequences, writes
from operations.applying import Applier
from operations.catalog import properties
from operations.context import Context
from operations.errors import (
    DataWouldBeLost,
    HistoryConflict,
    LocktenderError,
    NeedsAttention,
    OperationFailed,
    as_ours,
)
from operations.gathering import Facts
from operations.journal import Journal, latest
from operations.lock import Lock
from operations.migrations.history import standing
from operations.migrations.model import HistoryRow
from operations.migrations.script import may_change_database
from operations.outcome import DeployResult, Outcome
from operations.plan import Plan
from operations.ports import Session
from operations.release.events import PREPARED
from operations.release.watching import Outages, probing
from operations.runner import Performer, StepFailed, StepResult, run
from operations.schema_record import drifted, remember
from operations.settings import Environment
from operations.transient import may_pass
from operations.undoing import Rollback
from operations.way_back import WayBack, all_applied

if TYPE_CHECKING:
    from operations.backup import Level
    from operations.release.release import Release

NOTHING = writes.Counters()
VERSIONS_KEPT = 5
LOOKED_AT = 50


def level_before(environment: Environment, size: int, may_create_databases: bool) -> Level:
    """How well a restore point is verified: by a test restore (L2) below the size limit, if the role can make one."""
    settings = environment.backups
    tested = settings.test_restore == "before_deploy" and size <= settings.test_restore_limit
    return "L2" if tested and may_create_databases else "L1"


@dataclass
class Run:
    """A deploy that has begun, on a session that holds the migration lock."""

    context: Context
    lock: Lock
    session: Session
    facts: Facts
    plan: Plan
    notes: tuple[str, ...]
    backup_id: str | None = None
    early: tuple[writes.Counters, str] | None = None
    """A backup taken beforehand, and what had been written until then."""
    applier: Applier | None = None
    release: Release | None = None
    outages: Outages = field(default_factory=Outages)
    journal: Journal = field(init=False)

    def perform(self) -> DeployResult:
        """All steps. Raises what a step raised once the old state stands again, or ``NeedsAttention``.

        The error's ``details["result"]`` is the ``DeployResult``.
        """
        self.journal = Journal.open(
            self.context,
            self.lock,
            self.plan.operation,
            database=self.context.database.target.database,
            database_oid=self.plan.database_oid,
            digest=self.plan.digest,
            migrations={m.name: m.checksum for m in self.plan.migrations},
        )
        app, planned = self.context.environment.app, self.plan.release
        if app and planned:
            from operations.release.release import Release, machines_of

            machines, run_id = machines_of(self.context, app), self.journal.run_id
            self.release = Release(self.context, app, planned, run_id, self.journal, machines, self.outages)
        watched = probing(self.context, self.release.machines, self.outages) if self.release else nullcontext()
        with watched:
            try:
                steps = run(self.context, self.journal, self.plan, self._performers())
            except StepFailed as failed:
                raise self._ended(failed) from failed.error
            finally:
                if self.applier:
                    self.applier.session.close()
            return self._deployed(steps)

    def _deployed(self, steps: tuple[StepResult, ...]) -> DeployResult:
        result = self._result("deployed", steps)
        commit = self.plan.release.commit if self.plan.release else None
        facts: dict[str, Any] = {"applied": list(result.applied), "backup_id": self.backup_id, "atomic": result.atomic}
        facts |= {"commit": commit} if commit else {}
        took = self.applier.seconds if self.applier else {}
        facts["migration_seconds"] = {name: round(seconds, 3) for name, seconds in took.items()}
        if not self.journal.finish("deployed", **facts, **self.outages.facts(self.context.clock.now())):
            # Of a version alone no trace is left elsewhere: for the next run it died half-way.
            alone = self.release and not result.applied
            what = "brings the application's version before back" if alone else "finds the new state"
            said = f"The journal could not be finished; the next run looks what this one did, and {what}."
            return replace(result, notes=(*result.notes, said))
        remember(self.context, self.journal.run_id)
        if self.release:
            with suppress(LocktenderError):  # an image too many harms nobody; the next deploy tries again
                found = latest(self.context, LOOKED_AT)
                keep = [record.run_id for record in found if record.first(PREPARED)][:VERSIONS_KEPT]
                self.release.drop_old_images(keep)
        return result

    def _performers(self) -> Mapping[str, Performer]:
        own: dict[str, Performer] = {
            "prepare": self._prepare,
            "start_database": self._start_database,
            "wait": self._wait,
            "backup": self._backup,
            "restore_point": self._restore_point,
            "apply": self._apply,
            "check": self._check,
        }
        release = self.release
        return own | ({"build": release.build, "stop": release.stop, "start": release.start} if release else {})

    def _prepare(self) -> None:
        """The lock is held and the facts were read under it; what is left is the baseline, and the new files."""
        if self.facts.baseline:
            with self.session.transaction():
                if not self.facts.standing.has_table:
                    self.facts.format.create_history(self.session)
                for migration in self.facts.baseline:
                    self.facts.format.record_applied(self.session, migration)
            self.journal.record("baseline", migrations=[migration.name for migration in self.facts.baseline])
        if self.release:
            self.release.prepare()

    def _start_database(self) -> None:
        """It ran when the plan was made; should the new version of the project start it otherwise, that shows here."""
        if self.release:
            from operations.release.release import database_machine

            database_machine(self.context, self.release.app).up_database()

    def _wait(self) -> None:
        self.session.rows("SELECT 1")

    @property
    def _has_history(self) -> bool:
        return self.facts.standing.has_table or bool(self.facts.baseline)

    @property
    def _may_restore(self) -> bool:
        return self.facts.target.may_create_databases and self.facts.target.owns_database

    def _backup(self) -> None:
        """What ``_restore_point`` need not do again, with the application stopped, if nothing is written until then."""
        counters = writes.counters(self.session)
        self.early = counters, self._take_backup(self._level)

    def _restore_point(self) -> None:
        # Read before the snapshot: what is written in between then counts as written since.
        counters = writes.counters(self.session)
        positions = sequences.positions(self.session)
        own = properties.read_properties(self.session, self.context.database.target.database)
        found = catalog.read(self.session, frozenset({self.facts.format.place(self.session)}))
        self.notes = (*self.notes, *drifted(self.context, self.session, self.facts.format, found))
        if self.plan.restore_point == "backup" and self.early is None:
            self.backup_id = self._take_backup(self._level)
        elif self.early:
            before, early = self.early
            untouched = not writes.lagging(self.session) and writes.since(before, counters, NOTHING).certain_none
            # That one of these rows can be restored was proved a moment ago; the application waits.
            counters, self.backup_id = (before, early) if untouched else (counters, self._take_backup("L1"))
        self.journal.record(
            "restore_point",
            kind=self.plan.restore_point,
            backup_id=self.backup_id,
            counters=counters.to_json(),
            fingerprint=found.fingerprint,
            had_history=self._has_history,
            positions=sequences.to_json(positions),
            properties=properties.to_json(own),
            alters_database=any(
                may_change_database(text) for one in self.facts.pending for text in (one.script or "", one.down or "")
            ),
        )

    @property
    def _level(self) -> Level:
        target = self.facts.target
        return level_before(self.context.environment, target.size, target.may_create_databases)

    def _take_backup(self, level: Level) -> str:
        from operations.backup import take_backup  # an empty database needs none, and should not wait for it

        reason = f"before {self.plan.operation}"
        return take_backup(self.context, reason, self.journal.run_id, level).id

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
        now = standing(self.facts.migrations, self._history())
        left = set(now.pending) - (set(self.facts.standing.pending) - set(self.facts.scripts))
        if left:
            raise OperationFailed(
                f"After the run these are still pending, or again: {', '.join(sorted(left))}.",
                hint="Look at what the migrations do with the history's rows, and with search_path.",
            )
        if self.release:
            self.release.check()

    def _history(self) -> Sequence[HistoryRow] | None:
        """As the next session will find it, where a migration may have changed its search path."""
        if any(may_change_database(one.script or "") for one in self.facts.pending):
            try:
                with self.context.database.session(purpose="look") as session:
                    return self.facts.format.history(session)
            except LocktenderError as error:  # it may have been meant so: no reason to take it back
                self.notes = (*self.notes, f"A new session cannot read the history any more: {error.message}")
        return self.facts.format.history(self.applier.session if self.applier else self.session)

    def _ended(self, failed: StepFailed) -> LocktenderError:
        """Put back what was done; the error to raise, with the run's result in its details."""
        error = as_ours(failed.error)
        try:
            rollback = WayBack(self.context, self.journal, self.facts.format, self.applier, self.release).go(failed)
        except NeedsAttention as why:
            if isinstance(why, DataWouldBeLost):  # else no end in the journal: the next run tries to settle this one
                self._finish("needs_attention", error)
            message = " ".join(filter(None, (error.message, self._what_stands(failed), why.message)))
            why.details = {**error.details, **why.details}
            return _with_result(why, message, self._result("needs_attention", failed))
        self._finish("rolled_back", error, rollback=rollback.method if rollback else None)
        stands = "The old state stands" + (", with the baseline recorded." if self.facts.baseline else ".")
        stands += f" But beyond the database: {' '.join(rollback.stays)}" if rollback and rollback.stays else ""
        if isinstance(error, HistoryConflict):
            stands = "Nothing of this run stands."
        return _with_result(error, f"{error.message} {stands}", self._result("rolled_back", failed, rollback))

    def _what_stands(self, failed: StepFailed) -> str:
        if self.applier is None or all_applied(failed):
            return ""
        whole = ", ".join(self.applier.applied)
        return f"In the database stands {whole + ' and ' if whole else ''}a part of what was being applied."

    def _finish(self, outcome: Outcome, error: LocktenderError, **facts: Any) -> None:
        told: dict[str, Any] = {"error": error.message, "code": error.code, "may_pass": may_pass(error)}
        told |= self.outages.facts(self.context.clock.now())
        self.journal.finish(outcome, **told, backup_id=self.backup_id, **facts)

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
            downtime_seconds=self.outages.until(self.context.clock.now()),
            plan=self.plan,
            blockers=self.facts.blockers,
            preflight=self.facts.foreseen,
            notes=(*self.notes, *(applier.notes if applier else ()), *(rollback.notes if rollback else ())),
        )


def _with_result(error: LocktenderError, message: str, result: DeployResult) -> LocktenderError:
    error.message, error.args = message, (message,)
    error.details["result"] = result
    return error
