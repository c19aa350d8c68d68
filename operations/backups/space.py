"""How much room a backup will need, told beforehand from what is known."""

from __future__ import annotations

from operations.backups.manifest import Manifest

SLACK = 1 << 20
SHARE_OF_DATABASE = 0.4
"""Half of a database is indexes, which a dump does not hold; and rows compress, though some hardly."""
GROWTH = 1.2


def estimate(database_bytes: int, previous: Manifest | None) -> int:
    """Bytes for one more backup: the previous one's, grown as the database has, or a share of the database's."""
    if previous is None or not previous.database_bytes:
        return SLACK + round(database_bytes * SHARE_OF_DATABASE)
    return SLACK + round(previous.bytes * GROWTH * max(1.0, database_bytes / previous.database_bytes))
