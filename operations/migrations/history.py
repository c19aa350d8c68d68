"""What is applied, pending, failed, edited, missing: folder and table laid side by side. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from operations.migrations.model import HistoryRow, Migration, Standing, in_bytes


def standing(migrations: Sequence[Migration], rows: Sequence[HistoryRow] | None) -> Standing:
    """How the folder's migrations stand to the table's rows (oldest first; ``None``: there is no table).

    A name may have several rows: rolled back, and then applied. Names sort by their bytes, as they apply.
    """
    live = [row for row in rows or () if row.rolled_back_at is None]
    finished = {row.name: row for row in live if row.finished_at is not None}
    folder = {migration.name: migration for migration in migrations if migration.script is not None}
    recorded = {row.name for row in live}
    pending = [migration.name for migration in migrations if migration.name not in recorded]
    last_applied = max(map(in_bytes, finished), default=b"")
    return Standing(
        applied=_sorted(finished),
        pending=tuple(pending),
        failed=_sorted({row.name for row in live if row.finished_at is None}),
        edited=_sorted(
            name
            for name, row in finished.items()
            if name in folder and row.checksum not in folder[name].accepted_checksums
        ),
        missing=tuple(name for name in finished if name not in folder),
        out_of_order=tuple(name for name in pending if in_bytes(name) < last_applied),
        has_table=rows is not None,
    )


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=in_bytes))
