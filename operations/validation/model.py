"""What ``validate`` tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from operations.rules.model import Finding

Proved = Literal["proved", "lossy", "refuted", "unproved"]


class Verdict(Struct, frozen=True):
    """Whether a migration is atomic, and why (not). ``rollback``: how a deploy would return from it."""

    atomic: bool
    reason: str
    rollback: Literal["transaction", "down", "swap"]


class TableLock(Struct, frozen=True):
    """The strongest lock that one statement took on a table (or index) that stood before it."""

    relation: str
    mode: str
    """As ``pg_locks.mode`` names it: ``AccessExclusiveLock`` …"""


class StatementRun(Struct, frozen=True):
    """What one statement of a new migration did on the throwaway database."""

    file: str
    line: int
    column: int
    kind: str
    seconds: float
    locks: tuple[TableLock, ...] = ()
    rewrites: tuple[str, ...] = ()
    """Tables whose rows it wrote anew."""
    scans: tuple[str, ...] = ()
    """Tables that it read in full."""
    wal_bytes: int | None = None
    """What the server wrote to its log meanwhile, other sessions included; ``None`` where it was not measured."""


class SchemaChange(Struct, frozen=True):
    """One object that is not the same after the new migrations. ``before``/``after`` as people read SQL."""

    change: Literal["added", "removed", "changed"]
    kind: str
    """``table``, ``column``, ``index``, ``constraint``, ``type`` …"""
    object: str
    before: str | None
    after: str | None


class LostRows(Struct, frozen=True):
    """How many rows of one table an undo takes away, or takes a column from; ``None`` if that is not known.

    ``counted_in``: the ``environment``'s database (its planner's estimate), the ``trial`` server once the migration had
    run there; or nowhere, so that only a ``rollback`` can.
    """

    table: str
    rows: int | None
    counted_in: Literal["environment", "trial", "rollback"]


class Loss(Struct, frozen=True):
    """What an undo takes away: so many tables, so many columns of other tables, and the rows of all of these tables.

    Rows are those of now. What is written between a deploy and a rollback is counted by the rollback.
    """

    tables: int
    columns: int
    rows: tuple[LostRows, ...]


class RollbackProof(Struct, frozen=True):
    """Whether undoing one migration leads back to the same schema and rows.

    ``proved``: identical. ``lossy``: identical, but what was written since would be lost (``lost`` says what, ``loss``
    how much).
    ``refuted``: not identical, ``differences`` says where. ``unproved``: there is no script, and none to propose.
    """

    migration: str
    method: Literal["transaction", "down", "proposed", "swap"]
    state: Proved
    differences: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    proposal: str | None = None
    """Text of a ``down.sql`` that was proven, ready to commit."""
    loss: Loss | None = None
    by_itself: bool = False
    """Of what is proposed: a deploy finds that script by itself; any other is of use only once it is committed."""


class Changes(Struct, frozen=True):
    """What the pull request changes in the folder, by name, in the order they apply."""

    new: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    renamed: Mapping[str, str] | None = None
    """Old name → new name."""
    late: tuple[str, ...] = ()
    """New ones that sort before one that has already landed."""


class Validation(Struct, frozen=True):
    """The whole answer. ``ok`` is false where a finding reaches the severity that was asked for."""

    ok: bool
    changes: Changes
    findings: tuple[Finding, ...]
    verdicts: Mapping[str, Verdict]
    whole: Verdict | None
    """Of all new migrations in one deploy."""
    statements: tuple[StatementRun, ...]
    schema_changes: tuple[SchemaChange, ...]
    rollback_proof: tuple[RollbackProof, ...]
    diagram: str | None = None
    """The touched tables as a Mermaid entity diagram, without the fence."""
    server_version: str = ""
    seconds: Mapping[str, float] | None = None
    """By part: ``base``, ``apply``, ``lint``, ``proof`` …"""
    notes: tuple[str, ...] = ()
    """What could not be looked at, and why."""
