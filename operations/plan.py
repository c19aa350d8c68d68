"""A run as frozen data: what is shown, approved, journalled and then done, told apart by its digest. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import groupby
from typing import Literal

from msgspec import Struct, to_builtins

from operations.migrations.script import Script
from operations.migrations.unparsed import may_commit
from operations.release.model import PlannedRelease
from operations.segments import commits_itself
from operations.settings import Transactions

UnitKind = Literal["transaction", "statements", "message"]
RestorePointKind = Literal["backup", "empty"]


class Unit(Struct, frozen=True):
    """Migrations that are applied together.

    ``transaction``: all of them in one, with their history rows. ``statements``: one that PostgreSQL cannot run in one
    transaction, piece by piece. ``message``: one that commits by itself, sent whole, as Prisma up to 7.3 does. One that
    could not be parsed is tried in a transaction, unless it may commit by itself.
    """

    kind: UnitKind
    migrations: tuple[str, ...]
    reason: str


class Step(Struct, frozen=True):
    """One step of a run: ``what`` says in a sentence what it will do, ``commands`` what is typed for it on the host."""

    name: str
    what: str
    commands: tuple[str, ...] = ()


class PlannedMigration(Struct, frozen=True):
    """A pending migration with the checksum it had when the plan was made."""

    name: str
    checksum: str
    atomic: bool
    reason: str
    down: bool
    """Whether it comes with a script that undoes it."""


class Plan(Struct, frozen=True, dict=True):
    """What a run will do, decided before anything is done."""

    operation: str
    environment: str
    database: str
    database_oid: int
    strategy: str
    migrations: tuple[PlannedMigration, ...]
    units: tuple[Unit, ...]
    verdict: str
    """Whether the whole run can be one transaction, or which statement is why not."""
    restore_point: RestorePointKind
    steps: tuple[Step, ...]
    release: PlannedRelease | None = None
    """The version of the application that is deployed with it."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all of it as canonical JSON: whatever changes, changes this."""
        text = json.dumps(to_builtins(self), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def atomic(self) -> bool:
        """Whether the whole run is one transaction."""
        one_transaction = len(self.units) == 1 and self.units[0].kind == "transaction"
        return one_transaction and all(migration.atomic for migration in self.migrations)


def units_of(scripts: Sequence[Script], mode: Transactions) -> tuple[Unit, ...]:
    """Group scripts, in their order, into the fewest units that ``mode`` allows.

    ``whole`` puts neighbours that may share a transaction into one; ``file`` gives each its own.
    """
    return tuple(
        Unit(_kind(members[0]), tuple(script.name for script in members), _reason(members))
        for members in _groups(scripts, mode)
    )


def split(unit: Unit, at: str) -> tuple[Unit, Unit]:
    """The migrations before ``at``, and ``at`` with those behind it, for when they fail only for being together."""
    index = max(1, unit.migrations.index(at))
    return (
        Unit(unit.kind, unit.migrations[:index], f"committed before {at}"),
        Unit(unit.kind, unit.migrations[index:], unit.reason),
    )


def _groups(scripts: Sequence[Script], mode: Transactions) -> Iterable[list[Script]]:
    def may_share(script: Script) -> bool:
        return mode == "whole" and script.verdict.atomic and script.alone is None

    for shared, members in groupby(scripts, key=may_share):
        if shared:
            yield list(members)
        else:
            yield from ([script] for script in members)


def _kind(script: Script) -> UnitKind:
    if script.verdict.atomic:
        return "transaction"
    if script.statements is None:
        return "message" if may_commit(script.text) else "transaction"
    return "message" if commits_itself(script) and all(s.transactional for s in script.statements) else "statements"


def _reason(members: Sequence[Script]) -> str:
    first = members[0]
    if len(members) > 1:
        return f"{len(members)} migrations in one transaction"
    if first.verdict.atomic:
        return first.alone or "in a transaction of its own"
    return first.verdict.reason
