"""Where sequences stand, and back to it: the one thing in a database that no ROLLBACK takes back.

They may well stand further on after an undo. Further back, they give numbers that are taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from operations.catalog.dropped import despite_drops
from operations.fixed_settings import set_local
from operations.ports import Session
from operations.quoting import literal
from operations.taken_back import taken_back

AT_ONCE = 200
LIMITS = {"lock_timeout": "10s", "statement_timeout": "120s"}


class Position(NamedTuple):
    """``value`` and ``called`` as ``setval`` takes them; ``step`` is negative where it counts down.

    One that ``cycles`` begins anew at its end.
    """

    value: int
    called: bool
    step: int
    cycles: bool = False

    @property
    def next(self) -> int:
        """The number that it gives next, unless that is out of its bounds."""
        return self.value + self.step * self.called


Positions = Mapping[str, Position]
"""By quoted, dotted name."""

_NAMES = """
    SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), s.seqincrement, s.seqcycle
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_sequence s ON s.seqrelid = c.oid
    WHERE c.relkind = 'S' AND n.nspname !~ '^pg_' AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
      AND pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_table_privilege(c.oid, 'UPDATE')
"""
_PUT_BACK = """
    SELECT pg_catalog.setval(pg_catalog.to_regclass(name), value, called)
    FROM ROWS FROM (pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::bigint[]), pg_catalog.unnest(%s::boolean[]))
         s (name, value, called)
    WHERE NOT called OR pg_catalog.pg_sequence_last_value(pg_catalog.to_regclass(name)) <> value
"""


def positions(session: Session) -> Positions:
    """Of all sequences that the role may move. Raises ``StatementFailed`` (after 10 s, where one is locked)."""

    def once() -> Positions:
        with taken_back(session, "BEGIN READ ONLY"):
            session.script(set_local(LIMITS))
            return _positions(session)

    return despite_drops(once)


def _positions(session: Session) -> Positions:
    kinds = {name: (step, cycles) for name, step, cycles in session.rows(_NAMES)}
    names, found = list(kinds), dict[str, Position]()
    for start in range(0, len(names), AT_ONCE):
        query = " UNION ALL ".join(
            f"SELECT {literal(name)}, last_value, is_called FROM {name}" for name in names[start : start + AT_ONCE]
        )
        found |= {name: Position(value, called, *kinds[name]) for name, value, called in session.rows(query)}
    return found


def to_json(positions: Positions) -> dict[str, list[Any]]:
    """For a journal."""
    return {name: list(position) for name, position in positions.items()}


def from_json(value: Mapping[str, Any]) -> Positions:
    """What ``to_json`` gave."""
    return {name: Position(*position) for name, position in value.items()}


def put_back(session: Session, was: Positions) -> None:
    """Those that have moved since, as far as they are still there. One query."""
    if was:
        values, called, *_ = zip(*was.values(), strict=True)
        session.rows(_PUT_BACK, (list(was), list(values), list(called)))


def put_forward(session: Session, was: Positions) -> tuple[str, ...]:
    """Those that stand behind where they stood: ``setval`` is the one change that no ROLLBACK takes back.

    Returns what was done, as sentences. What others do meanwhile only moves them further on.
    """
    fallen = {name: was[name] for name in _fallen(was, positions(session))} if was else {}
    put_back(session, fallen)
    return tuple(
        f"Sequence {name}, which had been set back, was put where it had stood: a ROLLBACK does not do that."
        for name in fallen
    )


def behind(was: Positions, now: Positions) -> Iterator[str]:
    """Those that would give numbers again that they had given, in words. Pure.

    But for those that cycle: to begin anew is their way.
    """
    for name in _fallen(was, now):
        before, found = was[name].next, now[name].next
        yield f"sequence {name} would have given {before} next, and then gives {found} again"


def _fallen(was: Positions, now: Positions) -> Iterator[str]:
    for name in sorted(name for name in was.keys() & now.keys() if not now[name].cycles):
        if (now[name].next - was[name].next) * (1 if was[name].step > 0 else -1) < 0:
            yield name
