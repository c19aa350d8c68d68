"""Does a replication slot fill the disk?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, Probe, listed
from operations.measures import size_text
from operations.quoting import literal

SLOTS = """
    SELECT slot_name, active, coalesce(wal_status, 'reserved'),
           coalesce(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                                         ELSE pg_current_wal_lsn() END, restart_lsn), 0)::bigint
    FROM pg_replication_slots ORDER BY 4 DESC
"""
BROKEN = ("unreserved", "lost")


def look(probe: Probe) -> Iterator[Check]:
    """How much of the write-ahead log they keep, and whether one has lost what it needs."""
    with probe.reading() as session:
        slots = session.rows(SLOTS)
    broken = [name for name, _, state, _ in slots if state in BROKEN]
    holding = [row for row in slots if row[3] >= probe.limits.slot_wal]
    kept = slots[0][3] if slots else 0
    if broken:
        yield Check(
            "replication_slots",
            "fail",
            f"has lost, or is about to lose, what it needs: {listed(broken)}",
            "Whoever reads from it must be built anew.",
            f"SELECT pg_drop_replication_slot({literal(broken[0])}); and set the reader up again",
            value=kept,
        )
    elif holding:
        yield Check(
            "replication_slots",
            "warn",
            listed(
                f"{name} ({'in' * (not active)}active) keeps {size_text(size)}" for name, active, _, size in holding
            ),
            "The write-ahead log grows until the disk is full, and then the database stops.",
            f"Let its reader catch up, or: SELECT pg_drop_replication_slot({literal(holding[0][0])});",
            value=kept,
        )
    else:
        yield Check("replication_slots", "ok", f"{len(slots)}, keeping {size_text(kept)} at most", value=kept)
