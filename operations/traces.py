"""What a run's journal and the database together say of how far it came. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from operations import sequences
from operations.catalog import properties
from operations.catalog.properties import DatabaseProperties
from operations.journal import RunRecord
from operations.migrations.model import HistoryRow
from operations.row_counts import Counters

State = Literal["old", "new", "between"]


class RestorePoint(Struct, frozen=True):
    """What a run can return to. ``counters`` were read before its snapshot; ``fingerprint`` leaves the history out.

    ``positions`` of sequences were read before it, too, and the database's own ``properties``.
    """

    kind: str
    backup_id: str | None
    counters: Counters
    fingerprint: str
    had_history: bool
    positions: sequences.Positions
    properties: DatabaseProperties | None
    """``None`` in journals of older versions."""


class Trace(Struct, frozen=True):
    """A deploy's journal, read. ``row_ids`` and ``checksums`` by migration, in the order they apply.

    ``pieces_of``: migrations that ran piece by piece, and had begun with one.
    """

    run_id: str
    database_oid: int
    row_ids: Mapping[str, str]
    checksums: Mapping[str, str]
    restore_point: RestorePoint | None
    statements: tuple[Mapping[str, Any], ...]
    pieces_of: frozenset[str]
    swap: Mapping[str, Any]


def trace_of(record: RunRecord) -> Trace:
    """Read a deploy's or apply's journal."""
    begun, point = record.first("run_started"), record.last("restore_point")
    return Trace(
        run_id=record.run_id,
        database_oid=int(begun.get("database_oid", 0)),
        row_ids=record.last("apply_planned").get("rows", {}),
        checksums=begun.get("migrations", {}),
        restore_point=_restore_point(point) if point else None,
        statements=record.all("statement"),
        pieces_of=frozenset(
            facts["migration"] for facts in (*record.all("statement"), *record.all("committing")) if facts["piece"] > 0
        ),
        swap=record.last("swap_started"),
    )


def state_of(trace: Trace, rows: Mapping[str, HistoryRow], has_history: bool, database_oid: int) -> State:
    """Where the database stands: all of the run in it, nothing of it, or something in between.

    ``rows`` by id, as the history table holds them now.
    """
    if trace.swap and database_oid == trace.swap.get("incoming_oid"):
        return "old"
    present = _present(trace, rows)
    if not present:
        created = has_history and trace.restore_point is not None and not trace.restore_point.had_history
        return "between" if created and not rows else "old"
    finished = [row for row in present if row.finished_at is not None]
    return "new" if len(finished) == len(trace.row_ids) else "between"


def at_a_boundary(trace: Trace, rows: Mapping[str, HistoryRow]) -> bool:
    """Whether every migration of the run is in the database whole or not at all."""
    return all(row.finished_at is not None for row in _present(trace, rows))


def _present(trace: Trace, rows: Mapping[str, HistoryRow]) -> list[HistoryRow]:
    """The run's rows that stand; one that a person has resolved as rolled back does not."""
    found = (rows[row_id] for row_id in trace.row_ids.values() if row_id in rows)
    return [row for row in found if row.rolled_back_at is None]


def _restore_point(facts: Mapping[str, Any]) -> RestorePoint:
    return RestorePoint(
        kind=facts["kind"],
        backup_id=facts["backup_id"],
        counters=Counters.from_json(facts["counters"]),
        fingerprint=facts["fingerprint"],
        had_history=facts["had_history"],
        positions=sequences.from_json(facts.get("positions", {})),  # which older versions did not write down
        properties=properties.from_json(facts["properties"]) if "properties" in facts else None,
    )
