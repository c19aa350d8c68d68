"""Facts → plan, and the refusals that need no database to be seen. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from operations.errors import PrivilegeMissing, Refused
from operations.gathering import Facts, TargetFacts
from operations.migrations.model import Migration
from operations.migrations.preparing import left_prepared
from operations.migrations.script import Script, combined
from operations.plan import Plan, PlannedMigration, RestorePointKind, Step, Unit, units_of
from operations.quoting import literal
from operations.release.model import PlannedRelease
from operations.release.planning import app_steps, checked, prepared
from operations.settings import Environment

ORDER = ("prepare", "build", "start_database", "wait", "backup", "stop", "restore_point", "apply", "start", "check")
"""Stopped as late as can be, so that neither a build nor the database costs downtime; but before the restore point, so
that nothing is written after that."""


def make_plan(
    operation: str, environment: Environment, database: str, facts: Facts, release: PlannedRelease | None = None
) -> Plan:
    """The frozen steps of an apply, or of a deploy with the application's ``release``, if it has one.

    Raises ``PrivilegeMissing`` and ``Refused``, as its parts do.
    """
    refuse_prepared(tuple(facts.scripts.values()))
    units = units_of([facts.scripts[m.name] for m in facts.pending], environment.transaction_mode)
    refuse_missing_rights(facts.target, units, operation)
    restore_point: RestorePointKind = "empty" if facts.target.empty else "backup"
    return Plan(
        operation=operation,
        environment=environment.name,
        database=database,
        database_oid=facts.target.oid,
        strategy=environment.strategy,
        migrations=tuple(_planned(m, facts.scripts[m.name]) for m in facts.pending),
        units=units,
        verdict=combined([facts.scripts[m.name] for m in facts.pending]).reason,
        restore_point=restore_point,
        steps=_steps(operation, environment, facts, units, restore_point, release),
        release=release,
    )


def refuse_missing_rights(target: TargetFacts, units: Sequence[Unit], operation: str) -> None:
    """Raise where the role, or the server, could not do what the plan needs."""
    if target.standby:
        raise Refused("This server is a standby: it accepts no writes.", hint="Use the URL of the primary.")
    if target.read_only:
        raise PrivilegeMissing(
            "Transactions of this role are read-only here.",
            hint="Use a role whose default_transaction_read_only is off.",
        )
    if not (target.may_create_tables or target.superuser):
        raise PrivilegeMissing(
            f"The role may not create tables in this schema, so it cannot {operation}.",
            hint="Use the role that owns the database, or grant it CREATE on the schema.",
        )
    one_transaction = len(units) <= 1 and all(unit.kind == "transaction" for unit in units)
    if not one_transaction and not (target.may_create_databases and target.owns_database):
        raise PrivilegeMissing(
            "This deploy is not one transaction, and the role could not restore the database if it failed half-way: it "
            "must own the database and be allowed to create databases.",
            hint="ALTER ROLE … CREATEDB, and ALTER DATABASE … OWNER TO … for the role of the database URL.",
        )


def refuse_prepared(scripts: Sequence[Script]) -> None:
    """Raise ``Refused`` for a script that leaves a prepared transaction behind: neither applied nor undone."""
    for script in scripts:
        for gid, line in left_prepared(script.text):
            raise Refused(
                f"{script.name}, line {line}, prepares transaction {gid!r} and does not end it: its changes would be "
                "neither made nor undone, and their locks held, until somebody ends it by hand.",
                hint=f"End it in the same file, by COMMIT PREPARED {literal(gid)}; or leave PREPARE TRANSACTION out.",
            )


def _planned(migration: Migration, script: Script) -> PlannedMigration:
    return PlannedMigration(
        name=migration.name,
        checksum=migration.checksum or "",
        atomic=script.verdict.atomic,
        reason=script.verdict.reason,
        down=migration.down is not None,
    )


def _steps(
    operation: str,
    environment: Environment,
    facts: Facts,
    units: Sequence[Unit],
    restore_point: RestorePointKind,
    release: PlannedRelease | None,
) -> tuple[Step, ...]:
    app, count = environment.app, len(facts.pending)
    steps = {
        "prepare": Step("prepare", "take the migration lock; compare folder and history under it"),
        "check": Step("check", "compare history and folder again"),
    }
    if operation == "deploy":
        steps["wait"] = Step("wait", "wait until the database answers a query")
    if facts.pending or facts.baseline:
        how = "in one transaction" if len(units) == 1 and units[0].kind == "transaction" else f"in {len(units)} units"
        steps["restore_point"] = Step("restore_point", _RESTORE_POINTS[restore_point])
        steps["apply"] = Step("apply", f"apply {count} migration{'s' * (count != 1)} {how}")
    if release and app:
        stopped = bool(units) and environment.strategy == "maintenance"
        steps |= app_steps(app, release, stopped=stopped)
        if stopped and restore_point == "backup":
            # What takes long is done while the application runs: a test restore, and finding out that it cannot be.
            steps["backup"] = Step("backup", "take a backup and verify it, while the application still runs")
            steps["restore_point"] = Step(
                "restore_point", "return to that if nothing was written since, else take another"
            )
        to = f"; check out {release.commit[:12]}" if release.commit else ""
        steps["prepare"] = Step("prepare", f"{steps['prepare'].what}{to}", prepared(app, release))
        steps["check"] = Step("check", f"{steps['check'].what}; wait until {checked(app)}")
    return tuple(steps[name] for name in ORDER if name in steps)


_RESTORE_POINTS = {
    "backup": "take a backup to return to, and verify it",
    "empty": "note that the database is empty: a new one is all there is to return to",
}
