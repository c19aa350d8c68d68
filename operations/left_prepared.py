"""Transactions that a run's own scripts had prepared when it failed: they hold their locks until somebody ends them."""

from __future__ import annotations

from collections.abc import Mapping

from operations.errors import NeedsAttention, StatementFailed
from operations.migrations.model import HistoryRow
from operations.migrations.preparing import prepared
from operations.ports import Session
from operations.quoting import literal
from operations.traces import Trace

_STANDING = "SELECT gid FROM pg_prepared_xacts WHERE database = current_database() AND gid = ANY (%s) ORDER BY prepared"


def to_be_prepared(session: Session, text: str) -> list[str]:
    """Names of those that the script is about to prepare, without any that stands already: that is somebody else's."""
    names = [one.gid for one in prepared(text)]
    return sorted(set(names) - set(_standing(session, names))) if names else []


def end_prepared(trace: Trace, session: Session, rows: Mapping[str, HistoryRow]) -> tuple[str, ...]:
    """Roll back what unfinished migrations of the run had prepared; what was, as sentences.

    ``rows`` of the history by id. Raises ``NeedsAttention`` where it cannot be rolled back.
    """
    whole = {name for name, row_id in trace.row_ids.items() if (row := rows.get(row_id)) and row.finished_at}
    names = [gid for facts in trace.statements if facts["migration"] not in whole for gid in facts.get("prepares", ())]
    ended = _standing(session, names) if names else ()
    for gid in ended:
        _end(session, gid)
    return tuple(f"Transaction {gid!r}, which a migration had prepared, was rolled back." for gid in ended)


def _standing(session: Session, names: list[str]) -> tuple[str, ...]:
    return tuple(gid for (gid,) in session.rows(_STANDING, (names,)))


def _end(session: Session, gid: str) -> None:
    command = f"ROLLBACK PREPARED {literal(gid)}"
    try:
        session.execute(command)
    except StatementFailed as error:
        raise NeedsAttention(
            f"A migration has left transaction {gid!r} prepared, which holds its locks, and it could not be rolled "
            f"back: {error.message}.",
            hint=f"As its owner or a superuser, in this database: {command}; then deploy again, which settles it.",
        ) from error
