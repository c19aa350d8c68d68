"""SQL of what belongs to tables, and of views and sequences. Pure.

A maker says how an object is made, and which of its properties that says already; a changer, how one of its properties
is brought from the other's value to this one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from operations.catalog.identities import plain
from operations.catalog.sql import (
    Changer,
    Changers,
    Made,
    Maker,
    Properties,
    Subject,
    foreign_options,
    name,
    options,
    set_foreign_options,
    set_options,
)
from operations.catalog.sql_columns import column_words

REPLICA_IDENTITIES = {"f": "FULL", "n": "NOTHING", "d": "DEFAULT", None: "DEFAULT"}
FIRING = {None: "ENABLE", "D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}
COMMANDS = {"*": "ALL", "r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE"}
SEQUENCE = {
    "type": "AS", "start": "START WITH", "increment": "INCREMENT BY", "minimum": "MINVALUE", "maximum": "MAXVALUE",
    "cache": "CACHE",
}  # fmt: skip


# --- tables ---------------------------------------------------------------------------------------------------------


def parts(subject: Subject, kind: str) -> Iterator[tuple[Subject, Properties]]:
    """Columns, attributes or constraints of a table or type; columns in their order."""
    keys = subject.catalog.parts.get(f"{kind} {subject.name}", ())
    found = [(subject.beside(key), json.loads(subject.catalog.objects[key])) for key in keys]
    order = json.loads(subject.catalog.objects.get(f"columns of {subject.name}", "[]"))
    place = {column: number for number, column in enumerate(order)}
    yield from sorted(found, key=lambda one: (place.get(plain(one[0].identity.last), len(place)), one[0].name))


def implied(constraint: Subject, value: Properties) -> bool:
    """Whether its column says it: NOT NULL under the name that PostgreSQL gives."""
    one = constraint.identity
    table = plain(one.parts[-2])
    column = str(value["definition"]).removeprefix("NOT NULL ")
    return column != value["definition"] and plain(one.last) == f"{table}_{plain(column)}_not_null"


def _table(subject: Subject, value: Properties) -> Made:
    unlogged = "UNLOGGED " if value.get("persistence") else ""
    lines = [f"    {line}" for line in _members(subject, value)]
    of = f" OF {value['of_type']}" if value.get("of_type") else ""
    body = " (\n" + ",\n".join(lines) + "\n)" if lines else "" if of else " ()"
    words = [f"CREATE {unlogged}{subject.word} {subject.name}{of}{body}"]
    attached = "partition_bound" in value
    if value.get("parents") and not attached:
        words.append(f"INHERITS ({', '.join(value['parents'])})")
    if value.get("partition_key"):
        words.append(f"PARTITION BY {value['partition_key']}")
    if value.get("access_method") not in (None, "heap"):
        words.append(f"USING {name(value['access_method'])}")
    if value.get("server"):
        words.append(f"SERVER {name(value['server'])}")
    if value.get("foreign_options"):
        words.append(f"OPTIONS ({foreign_options(value['foreign_options'])})")
    if value.get("options"):
        words.append(f"WITH ({options(value['options'])})")
    if value.get("tablespace"):
        words.append(f"TABLESPACE {name(value['tablespace'])}")
    said = {
        "persistence",
        "of_type",
        "partition_key",
        "access_method",
        "server",
        "foreign_options",
        "options",
        "tablespace",
    }
    return " ".join(words), frozenset(said if attached else said | {"parents"})


def _members(subject: Subject, value: Properties) -> Iterator[str]:
    for column, properties in parts(subject, "column"):
        words = column_words(properties)
        if value.get("of_type"):
            words = words.removeprefix(str(properties["type"])).strip()
            if words:
                yield f"{column.identity.last} WITH OPTIONS {words}"
        elif not properties.get("inherited_only"):
            yield f"{column.identity.last} {words}"
    for constraint, properties in parts(subject, "constraint"):
        if not (properties.get("inherited_only") or implied(constraint, properties)):
            yield f"CONSTRAINT {constraint.identity.last} {properties['definition']}"


def _persistence(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    yield f"ALTER {subject.named} SET {'UNLOGGED' if mine.get('persistence') else 'LOGGED'}"


def _options(subject: Subject, mine: Properties, other: Properties) -> Iterator[str]:
    yield from set_options(f"ALTER {subject.named}", "options", mine, other)


def _toast_options(subject: Subject, mine: Properties, other: Properties) -> Iterator[str]:
    yield from set_options(f"ALTER {subject.named}", "toast_options", mine, other, "toast.")


def _foreign_options(subject: Subject, mine: Properties, other: Properties) -> Iterator[str]:
    yield from set_foreign_options(f"ALTER {subject.named}", mine, other)


def _row_security(subject: Subject, mine: Properties, other: Properties) -> Iterator[str]:
    now, before = mine.get("row_security"), other.get("row_security")
    if bool(now) != bool(before):
        yield f"ALTER {subject.named} {'ENABLE' if now else 'DISABLE'} ROW LEVEL SECURITY"
    forced, was = (
        (now == "forced" or bool(mine.get("forced_while_disabled"))),
        (before == "forced" or bool(other.get("forced_while_disabled"))),
    )
    if forced != was:
        yield f"ALTER {subject.named} {'FORCE' if forced else 'NO FORCE'} ROW LEVEL SECURITY"


def _replica_identity(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    how = mine.get("replica_identity")
    if how != "i":  # the index says it of itself
        yield f"ALTER {subject.named} REPLICA IDENTITY {REPLICA_IDENTITIES[how]}"


def _parents(subject: Subject, mine: Properties, other: Properties) -> Iterator[str]:
    attached, was = mine.get("partition_bound"), other.get("partition_bound")
    for parent in mine.get("parents", ()):
        table = parent.removesuffix(" (detach pending)")
        if parent != table:
            yield f"ALTER TABLE {table} DETACH PARTITION {subject.name} FINALIZE"
        elif attached:
            yield f"ALTER TABLE {table} ATTACH PARTITION {subject.name} {attached}"
        elif parent not in other.get("parents", ()):
            yield f"ALTER {subject.named} INHERIT {table}"
    for parent in other.get("parents", ()):
        if parent not in mine.get("parents", ()):
            yield (
                f"ALTER TABLE {parent} DETACH PARTITION {subject.name}"
                if was
                else (f"ALTER {subject.named} NO INHERIT {parent}")
            )


def _of_type(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    yield f"ALTER {subject.named} {'OF ' + mine['of_type'] if mine.get('of_type') else 'NOT OF'}"


def _tablespace(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    yield f"ALTER {subject.named} SET TABLESPACE {name(mine.get('tablespace', 'pg_default'))}"


def _access_method(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    yield f"ALTER {subject.named} SET ACCESS METHOD {name(mine.get('access_method', 'heap'))}"


# --- what stands on tables ------------------------------------------------------------------------------------------


def _constraint(subject: Subject, value: Properties) -> Made:
    return f"{subject.table} ADD CONSTRAINT {subject.identity.last} {value['definition']}", frozenset({"definition"})


def _foreign_key_triggers(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    states = mine.get("triggers") or [None]
    yield f"{subject.table} {FIRING[states[0]]} TRIGGER ALL"


def defined(_subject: Subject, value: Properties) -> Made:
    """As the catalog's own function for it writes it."""
    return str(value["definition"]).strip(), frozenset({"definition"})


def _firing(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    one = subject.identity
    yield f"ALTER TABLE {one.table} {FIRING[mine.get('enabled')]} {subject.word} {one.last}"


def _policy(subject: Subject, value: Properties) -> Made:
    one = subject.identity
    words = [f"CREATE POLICY {one.last} ON {one.table}"]
    words += ["AS RESTRICTIVE"] if value.get("restrictive") else []
    words += [f"FOR {COMMANDS[value.get('command', '*')]}", f"TO {', '.join(value.get('roles') or ['PUBLIC'])}"]
    words += [f"USING ({value['using']})"] if "using" in value else []
    words += [f"WITH CHECK ({value['with_check']})"] if "with_check" in value else []
    return " ".join(words), frozenset({"restrictive", "command", "roles", "using", "with_check"})


def _table_of(subject: Subject, value: Properties) -> str:
    from operations.catalog.identities import table_of_index

    return table_of_index(str(value["definition"])) or subject.name


def _clustered(subject: Subject, mine: Properties, other: Properties) -> Iterator[str]:
    table, index = _table_of(subject, {**other, **mine}), subject.identity.last
    yield (
        f"ALTER TABLE {table} CLUSTER ON {index}"
        if mine.get("clustered")
        else f"ALTER TABLE {table} SET WITHOUT CLUSTER"
    )


def _identifying(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    if mine.get("replica_identity"):
        yield f"ALTER TABLE {_table_of(subject, mine)} REPLICA IDENTITY USING INDEX {subject.identity.last}"


def _index_statistics(subject: Subject, mine: Properties, other: Properties) -> Iterator[str]:
    for number in sorted({**mine.get("statistics", {}), **other.get("statistics", {})}):
        target = mine.get("statistics", {}).get(number, -1)
        yield f"ALTER INDEX {subject.name} ALTER COLUMN {number} SET STATISTICS {target}"


def _index_parent(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    if mine.get("partition_of"):
        yield f"ALTER INDEX {mine['partition_of']} ATTACH PARTITION {subject.name}"


def _extended_statistics(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    yield f"ALTER STATISTICS {subject.name} SET STATISTICS {mine.get('target', -1)}"


# --- views and sequences --------------------------------------------------------------------------------------------


def _view(subject: Subject, value: Properties) -> Made:
    with_options = f" WITH ({options(value['options'])})" if value.get("options") else ""
    query = str(value["query"]).strip().rstrip(";")
    empty = " WITH NO DATA" if value.get("unpopulated") else ""
    made = f"CREATE {subject.word} {subject.name}{with_options} AS\n {query}{empty}"
    said = {"query", "options", "unpopulated"}
    return made, frozenset(said | {"access_method"} if value.get("access_method") == "heap" else said)


def _populated(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    yield f"REFRESH MATERIALIZED VIEW {subject.name}{' WITH NO DATA' if mine.get('unpopulated') else ''}"


def _sequence(subject: Subject, value: Properties) -> Made:
    words = " ".join(f"{word} {value[key]}" for key, word in SEQUENCE.items() if key in value)
    words += " CYCLE" if value.get("cycle") else ""
    said = frozenset({*SEQUENCE, "cycle", "persistence", "identity_of"})
    if "identity_of" in value:  # the column makes it
        return f"ALTER SEQUENCE {subject.name} {words}", said
    return f"CREATE {'UNLOGGED ' if value.get('persistence') else ''}SEQUENCE {subject.name} {words}", said


def _sequence_word(key: str) -> Changer:
    def change(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
        yield f"ALTER SEQUENCE {subject.name} {SEQUENCE[key]} {mine[key]}"

    return change


def _cycle(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    yield f"ALTER SEQUENCE {subject.name} {'CYCLE' if mine.get('cycle') else 'NO CYCLE'}"


def _owned_by(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    yield f"ALTER SEQUENCE {subject.name} OWNED BY {mine.get('owned_by', 'NONE')}"


def column_order(_subject: Subject, value: Properties) -> Made:
    """No SQL can say it."""
    return f"-- columns in this order: {', '.join(value['order'])}", frozenset({"order"})


_TABLES: Changers = {
    "persistence": _persistence, "options": _options, "toast_options": _toast_options, "row_security": _row_security,
    "forced_while_disabled": _row_security, "replica_identity": _replica_identity, "parents": _parents,
    "partition_bound": _parents, "of_type": _of_type, "tablespace": _tablespace, "access_method": _access_method,
    "foreign_options": _foreign_options,
}  # fmt: skip
_INDEXES: Changers = {
    "clustered": _clustered, "replica_identity": _identifying, "tablespace": _tablespace,
    "statistics": _index_statistics, "partition_of": _index_parent,
}  # fmt: skip
_VIEWS: Changers = {
    "options": _options, "unpopulated": _populated, "tablespace": _tablespace, "access_method": _access_method,
}  # fmt: skip
_SEQUENCES: Changers = {
    **{key: _sequence_word(key) for key in SEQUENCE}, "cycle": _cycle, "persistence": _persistence,
    "owned_by": _owned_by,
}  # fmt: skip
KINDS: Mapping[str, tuple[Maker, Changers]] = {
    "table": (_table, _TABLES),
    "foreign table": (_table, _TABLES),
    "columns": (column_order, {}),
    "constraint": (_constraint, {"triggers": _foreign_key_triggers}),
    "index": (defined, _INDEXES),
    "trigger": (defined, {"enabled": _firing}),
    "rule": (defined, {"enabled": _firing}),
    "policy": (_policy, {}),
    "statistics": (defined, {"target": _extended_statistics}),
    "view": (_view, _VIEWS),
    "materialized view": (_view, _VIEWS),
    "sequence": (_sequence, _SEQUENCES),
}
