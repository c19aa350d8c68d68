"""Where sequences stand. They are not part of any snapshot: only those nobody moved meanwhile can be compared."""

from __future__ import annotations

from collections.abc import Mapping

from operations.backups.manifest import SequenceState
from operations.ports import Session
from operations.quoting import identifier, literal

AT_ONCE = 200

_SEQUENCES = """
    SELECT format('%I.%I', n.nspname, c.relname), n.nspname, c.relname
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'S' AND n.nspname !~ '^pg_'
      AND (c.relpersistence = 'p' OR c.relpersistence = 'u' AND NOT pg_is_in_recovery())
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY n.nspname, c.relname
"""


def read_sequences(session: Session) -> dict[str, SequenceState]:
    """All sequences as they stand at this moment, in a transaction that is open; keeps no lock on them."""
    names = session.rows(_SEQUENCES)
    states: dict[str, SequenceState] = {}
    session.execute("SAVEPOINT sequences")
    for start in range(0, len(names), AT_ONCE):
        query = " UNION ALL ".join(
            f"SELECT {literal(name)}, last_value, is_called FROM {identifier(schema, relation)}"
            for name, schema, relation in names[start : start + AT_ONCE]
        )
        states.update({name: SequenceState(value, called) for name, value, called in session.rows(query)})
    session.script("ROLLBACK TO SAVEPOINT sequences; RELEASE SAVEPOINT sequences")
    return states


def unmoved(before: Mapping[str, SequenceState], after: Mapping[str, SequenceState]) -> dict[str, SequenceState | None]:
    """Those of ``before``, with ``None`` for what stood elsewhere afterwards, or was gone."""
    return {name: state if after.get(name) == state else None for name, state in before.items()}


def sequence_differences(
    expected: Mapping[str, SequenceState | None], found: Mapping[str, SequenceState]
) -> tuple[str, ...]:
    """What is wrong with restored sequences, in words."""
    return tuple(
        f"sequence {name}: {_shown(state)} in the backup, {_shown(found.get(name))} after the restore"
        for name, state in expected.items()
        if state is not None and found.get(name) != state
    )


def _shown(state: SequenceState | None) -> str:
    return "missing" if state is None else f"{state.last_value}{'' if state.is_called else ' (not called yet)'}"
