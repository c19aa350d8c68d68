"""REINDEX and CLUSTER of a partitioned table, which PostgreSQL runs outside of transactions only (25001).

The statement itself does not tell. Outside of a transaction each of them can run, whatever its table is, but what is
done there cannot simply be rolled back.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from operations.migrations.atomicity import Verdict
from operations.migrations.partitioning import Made, Name, Node, made_by, name_of, node_of
from operations.migrations.script import Script
from operations.migrations.statement import Statement
from operations.ports import Session
from operations.quoting import identifier
from operations.relation_names import find_relations
from operations.segments import MAY_BE_REFUSED

_PARTITIONED = "SELECT relkind IN ('p', 'I') FROM pg_catalog.pg_class WHERE oid = ANY (%s::pg_catalog.oid[])"
_IS, _MAY_BE = "is partitioned", "may be partitioned by then"


def outside_where_partitioned(session: Session, scripts: Mapping[str, Script]) -> dict[str, Script]:
    """The scripts, with the verdict that holds in the ``session``'s database.

    The database tells of what stands there, the scripts of what they make before it.
    """
    if not any(map(doubtful, scripts.values())):
        return dict(scripts)
    made = made_by(scripts.values())
    return {
        name: _outside(script, {one: why for one in doubtful(script) if (why := _why(session, one, made))})
        for name, script in scripts.items()
    }


def doubtful(script: Script) -> list[Statement]:
    """Its statements whose table must not be partitioned where they run in a transaction."""
    return [one for one in script.statements or () if one.kind in MAY_BE_REFUSED and one.transactional]


def _why(session: Session, statement: Statement, made: Made) -> str | None:
    """What keeps it out of a transaction: what its table is."""
    node = node_of(statement)
    name = name_of(node.relation)
    there = _partitioned(session, name)
    if there is None and _is_of_an_index(node):
        tables = made.tables_of(name)
        if not tables:
            return _MAY_BE if made.hidden or made.tables else None
        told = [_told(_partitioned(session, table), table, made) for table in tables]
        return next(filter(None, told), None)
    return _told(there, name, made)


def _told(there: bool | None, name: Name, made: Made) -> str | None:
    if there:
        return _IS
    return _MAY_BE if made.may_partition(name, stands=there is not None) else None


def _partitioned(session: Session, name: Name) -> bool | None:
    """``None`` where nothing of that name stands."""
    found = find_relations(session, [identifier(*filter(None, name))])
    return any(row[0] for row in session.rows(_PARTITIONED, (list(found),))) if found else None


def _is_of_an_index(node: Node) -> bool:
    return type(node).__name__ == "ReindexStmt" and node.kind.name == "REINDEX_OBJECT_INDEX"


def _outside(script: Script, these: Mapping[Statement, str]) -> Script:
    if not these:
        return script
    first, what = next(iter(these.items()))
    reason = f"{first.kind} of a table that {what} (line {first.line}) cannot run in a transaction (25001)"
    return replace(
        script,
        statements=tuple(replace(one, transactional=False) if one in these else one for one in script.statements or ()),
        verdict=Verdict(False, reason, first.line) if script.verdict.atomic else script.verdict,
        begin="BEGIN",
        body=script.text,
        alone=None,
    )
