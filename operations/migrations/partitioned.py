"""REINDEX and CLUSTER of a partitioned table, which PostgreSQL runs outside of transactions only (25001).

The statement itself does not tell. Outside of a transaction each of them can run, whatever its table is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec.structs import replace

from operations.migrations.atomicity import Verdict
from operations.migrations.script import Script
from operations.migrations.statement import Statement
from operations.migrations.unhurried import may_partition
from operations.ports import Session
from operations.relation_names import find_relations
from operations.segments import MAY_BE_REFUSED

_PARTITIONED = "SELECT FROM pg_catalog.pg_class WHERE oid = ANY (%s::pg_catalog.oid[]) AND relkind IN ('p', 'I')"


def outside_where_partitioned(session: Session, scripts: Mapping[str, Script]) -> dict[str, Script]:
    """The scripts, with the verdict that holds in the ``session``'s database.

    Where one of them may make a partitioned table, which it is nobody can tell: none then runs in a transaction.
    """
    made = may_partition(scripts.values())
    return {
        name: _outside(script, [one for one in doubtful(script) if made or _is_partitioned(session, one)], made)
        for name, script in scripts.items()
    }


def doubtful(script: Script) -> list[Statement]:
    """Its statements whose table must not be partitioned where they run in a transaction."""
    return [one for one in script.statements or () if one.kind in MAY_BE_REFUSED and one.transactional]


def _is_partitioned(session: Session, statement: Statement) -> bool:
    found = find_relations(session, statement.relations)
    return bool(found) and bool(session.rows(_PARTITIONED, (list(found),)))


def _outside(script: Script, these: Collection[Statement], made: bool) -> Script:
    if not these:
        return script
    first = next(iter(these))
    what = "may be partitioned by then" if made else "is partitioned"
    reason = f"{first.kind} of a table that {what} (line {first.line}) cannot run in a transaction (25001)"
    return replace(
        script,
        statements=tuple(replace(one, transactional=False) if one in these else one for one in script.statements or ()),
        verdict=Verdict(False, reason, first.line) if script.verdict.atomic else script.verdict,
        begin="BEGIN",
        body=script.text,
        alone=None,
    )
