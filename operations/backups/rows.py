"""Counts and hashes of every row, the same before a dump and after its restore.

A row's hash takes its columns by name, because a child table's columns can come back in another order. Each value's
hash is the seed of the next one's. Types whose own hash tells all their values apart are hashed by it, as that is
quick; all others by their text, since theirs takes -1 for 1 (numeric, jsonb), depends on an enum's object ids, or does
not exist. The sum over all rows does not depend on their order, and counts a row that is there twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from operations import fixed_settings
from operations.backups.manifest import TableRows
from operations.backups.tables import Column, Table, read_tables
from operations.errors import StatementFailed
from operations.fixed_settings import set_local, without_limits
from operations.ports import Row, Session
from operations.quoting import identifier, literal
from operations.taken_back import taken_back

ALIAS = "r"
NESTED = 50
"""Columns that are hashed in one nested expression."""
NULL = "-6917529027641081904"
"""Stands for a null where a hash function takes none; nobody has it as a value, and no two types share it."""

_TEXT = f"hashtextextended(coalesce({{column}}, '{NULL}') COLLATE \"C\", {{seed}})"
_INTEGER = f"hashint8extended(coalesce({{column}}::int8, {NULL}), {{seed}})"
BY_TEXT = f"hashtextextended(coalesce(textin({{output}}({{column}})), '{NULL}') COLLATE \"C\", {{seed}})"
# The type's own output function, not a cast to text: that could be one that a user made, and would run with our rights.
BY_TYPE = {
    "bool": f"hashint8extended(coalesce({{column}}::int4::int8, {NULL}), {{seed}})",
    "int2": _INTEGER,
    "int4": _INTEGER,
    "int8": _INTEGER,
    "uuid": "uuid_hash_extended(coalesce({column}, 'a0000000-6917-4529-8276-410819040000'), {seed})",
    "timestamp": "timestamp_hash_extended(coalesce({column}, '1752-10-28 06:17:29.276410'), {seed})",
    "timestamptz": "timestamp_hash_extended(coalesce({column}::timestamp, '1752-10-28 06:17:29.276410'), {seed})",
    "text": _TEXT,
    "varchar": _TEXT,
}

FIXED = {
    **fixed_settings.NAMES,
    **fixed_settings.TEXTS,
    **fixed_settings.ROWS,
    "xmlbinary": "base64",
    "lc_monetary": "C",
    "statement_timeout": "6h",
    "idle_in_transaction_session_timeout": "5min",
}
"""No limit is the user's; the last one ends a session of ours that nobody is behind any more, as it would keep locks
and old rows for hours."""

NOT_ABOUT_HASHING = ("57014", "55P03", "40001", "40P01", "XX001", "XX002")
"""Cancelled, locked, a standby's conflict, deadlock, damaged data: counting alone would not help, or would hide it."""

LARGE_OBJECTS = "SELECT count(*) FROM pg_catalog.pg_largeobject_metadata"
HASHED_LARGE_OBJECTS = (
    "SELECT count(*), coalesce(sum(hashtextextended(oid || ' ' || encode(sha256(lo_get(oid)), 'hex'), 0)), 0)::text"
    " FROM pg_catalog.pg_largeobject_metadata"
)


def fix_settings(session: Session, lock_timeout: float) -> None:
    """Make a session read values as every other one does; ``lock_timeout`` in seconds."""
    session.reset({**FIXED, "lock_timeout": f"{round(lock_timeout * 1000)}ms"})
    session.rows(without_limits("transaction_timeout", "idle_session_timeout"))


def count_rows(session: Session, names: Collection[str] | None = None, *, hashed: bool = True) -> dict[str, TableRows]:
    """Rows of the tables with these (quoted, dotted) names, or of all; the session's settings stay what they are.

    In the transaction that is open, so with what it has written itself, else in one snapshot.
    """
    with taken_back(session, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"):
        session.script(set_local(FIXED))
        tables = [table for table in read_tables(session) if names is None or table.name in names]
        return count_tables(session, tables, hashed, warn=lambda _: None) if tables else {}


def counting(table: Table, hashed: bool) -> str:
    """The query that yields a table's name, its number of rows and their hash."""
    total = f"coalesce(sum({_row_hash(table.columns)}), 0)::text" if hashed else "NULL::text"
    selected = f"SELECT {literal(table.name)}, count(*), {total}"
    return f"{selected} FROM {table.source} AS {ALIAS} {table.condition}".rstrip()


def _row_hash(columns: Sequence[Column]) -> str:
    """One expression; in pieces that end each other's chain, as PostgreSQL limits how deep one may be nested."""
    pieces = [_chain(columns[start : start + NESTED], "0") for start in range(0, len(columns), NESTED)] or ["0"]
    row = pieces[0]
    for piece in pieces[1:]:
        row = f"hashint8extended({piece}, {row})"
    return row


def _chain(columns: Sequence[Column], seed: str) -> str:
    for column in columns:
        seed = _hash(column).format(column=_reference(column), output=column.output, seed=seed)
    return seed


def _hash(column: Column) -> str:
    return BY_TYPE.get(column.type, BY_TEXT)


def _reference(column: Column) -> str:
    """With the alias in front, a column can be called as it likes, even as the alias."""
    return f"{ALIAS}.{identifier(column.name)}"


def count_tables(
    session: Session, tables: Sequence[Table], hashed: bool, warn: Callable[[str], None]
) -> dict[str, TableRows]:
    """The rows of some tables, in the transaction that is open, by one statement.

    Where that fails it is tried table by table, and one that cannot be hashed is only counted, with a warning.
    """
    found = _attempt(session, " UNION ALL ".join(counting(table, hashed) for table in tables))
    if not isinstance(found, StatementFailed):
        return {name: TableRows(rows, total) for name, rows, total in found}
    if len(tables) > 1:
        return {name: rows for table in tables for name, rows in count_tables(session, [table], hashed, warn).items()}
    if not hashed:
        raise found
    warn(f"Rows of {tables[0].name} were counted, but not hashed: {found.message}")
    return count_tables(session, tables, False, warn)


def count_large_objects(session: Session, hashed: bool, warn: Callable[[str], None]) -> TableRows:
    """The large objects there are, hashed by their numbers and contents."""
    if hashed:
        found = _attempt(session, HASHED_LARGE_OBJECTS)
        if not isinstance(found, StatementFailed):
            return TableRows(*found[0])
        warn(f"Large objects were counted, but not hashed: {found.message}")
    return TableRows(*session.rows(LARGE_OBJECTS)[0])


def _attempt(session: Session, statement: str) -> list[Row] | StatementFailed:
    """Within a savepoint, so that the snapshot outlives an error; keeps no locks."""
    session.execute("SAVEPOINT counting")
    try:
        found: list[Row] | StatementFailed = session.rows(statement)
    except StatementFailed as error:
        if error.sqlstate in NOT_ABOUT_HASHING:
            raise
        found = error
    session.script("ROLLBACK TO SAVEPOINT counting; RELEASE SAVEPOINT counting")
    return found


def differences(name: str, expected: TableRows, found: TableRows | None) -> str | None:
    """What is wrong with a restored table, in words; ``None`` if nothing is."""
    if found is None:
        return f"{name}: the table is missing after the restore"
    if found.rows != expected.rows:
        return f"{name}: {expected.rows} rows in the backup, {found.rows} after the restore"
    if None not in (expected.hash, found.hash) and found.hash != expected.hash:
        return f"{name}: {expected.rows} rows, but not the same after the restore (their hashes differ)"
    return None
