"""How two catalogs differ, as SQL: for each object what it was recorded as, and what it stands as now. Pure.

SQL is written from what the server's own functions (``pg_get_indexdef``, ``format_type`` …) said when it was read, for
people to read. What no SQL can say is told as a comment, so that nothing which differs is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

from msgspec import Struct

from operations.catalog import sql_columns, sql_others, sql_relations, sql_types
from operations.catalog.identities import identity
from operations.catalog.model import Catalog, Difference
from operations.catalog.sql import EVERYWHERE, Changers, Properties, Subject
from operations.catalog.sql_relations import implied

KINDS = {**sql_relations.KINDS, **sql_columns.KINDS, **sql_types.KINDS, **sql_others.KINDS}
WHOLES = {
    "table": ("column", "constraint"),
    "foreign table": ("column", "constraint"),
    "view": ("column",),
    "materialized view": ("column",),
    "type": ("attribute", "constraint"),
}
"""What has parts, and of which kinds."""
MADE_BY_QUERY = ("view", "materialized view")
"""What CREATE can say without them."""
PARTS = ("column", "attribute", "columns", "constraint")


class Restated(Struct, frozen=True):
    """One object that is not the same: statements that lead to what was ``recorded``, and to what ``stands``.

    Of an object that was changed only those that differ; where there is no object, none.
    """

    change: Literal["added", "removed", "changed"]
    object: str
    recorded: tuple[str, ...] = ()
    stands: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """``- `` before what was recorded, ``+ `` before what stands."""
        for mark, statements in (("-", self.recorded), ("+", self.stands)):
            for statement in statements:
                yield from (f"{mark} {line}" for line in statement.splitlines())


def restated(before: Catalog, after: Catalog, differences: Sequence[Difference]) -> tuple[Restated, ...]:
    """These differences of two catalogs. What comes or goes with its table is part of the table."""
    told = {f"{one.kind} {_shortened(one.object)}" for one in differences}
    found = (_told(one, before, after) for one in differences if not _told_elsewhere(one, told))
    return tuple(one for one in found if one.recorded or one.stands)


def _shortened(object: str) -> str:
    """Of a constraint without its table: as the index is named that it makes."""
    one = identity(object)
    return f"constraint {'.'.join((*one.parts[:-2], one.last))}" if one.kind == "constraint" else object


def statements(catalog: Catalog, object: str) -> tuple[str, ...]:
    """All that makes one object of a catalog, with what belongs to it."""
    subject = Subject(identity(object), catalog)
    value = _properties(catalog.objects[object])
    found = [*_made(subject, value)]
    if subject.kind in WHOLES:
        found.append(_unread(subject))
        for kind in WHOLES[subject.kind]:
            for part, properties in sql_relations.parts(subject, kind):
                found += _made(part, properties)[1:]
    return tuple(_ended(found))


def _told(difference: Difference, before: Catalog, after: Catalog) -> Restated:
    """A newer server may know a letter that is not known here: that must not cost the check its other findings."""
    try:
        return _restated(difference, before, after)
    except (LookupError, ValueError) as error:
        unknown = (f"-- not known as SQL: {error}",)
        if difference.before is None:
            return Restated("added", difference.object, (), unknown)
        if difference.after is None:
            return Restated("removed", difference.object, unknown)
        return Restated("changed", difference.object, unknown, unknown)


def _restated(difference: Difference, before: Catalog, after: Catalog) -> Restated:
    if difference.before is None:
        return Restated("added", difference.object, (), statements(after, difference.object))
    if difference.after is None:
        return Restated("removed", difference.object, statements(before, difference.object), ())
    old, new = _properties(difference.before), _properties(difference.after)
    one = identity(difference.object)
    recorded = tuple(_ended(_changed(Subject(one, before), old, new)))
    stands = tuple(_ended(_changed(Subject(one, after), new, old)))
    return Restated("changed", difference.object, _without(recorded, stands), _without(stands, recorded))


def _made(subject: Subject, value: Properties) -> list[str]:
    """How it is made, first, though that may say nothing; then what that did not say."""
    made, said, changers = _maker(subject, value)
    found = [made]
    for key in value:
        if key not in said:
            found += _change(subject, key, value, {}, changers)
    return found


def _changed(subject: Subject, mine: Properties, other: Properties) -> Iterator[str]:
    made, said, changers = _maker(subject, mine)
    for key in {**mine, **other}:
        if mine.get(key) != other.get(key):
            if key in said and key not in changers:
                yield made
            else:
                yield from _change(subject, key, mine, other, changers)


def _change(subject: Subject, key: str, mine: Properties, other: Properties, changers: Changers) -> Iterator[str]:
    changer = changers.get(key)
    if changer:
        yield from changer(subject, mine, other)
    elif key in mine:
        yield f"-- {subject.named}: {key.replace('_', ' ')} is {json.dumps(mine[key], ensure_ascii=False)}"


def _maker(subject: Subject, value: Properties) -> tuple[str, frozenset[str], Changers]:
    """How it is made, or that this is not known; the properties that this says, and what changes the others."""
    maker, changers = KINDS[subject.kind]
    made, said = maker(subject, value)
    if subject.kind not in MADE_BY_QUERY:
        made = _unread(subject) or made
    return made, said, {**EVERYWHERE, **changers}


def _unread(subject: Subject) -> str:
    """What of a whole there was no time to read; empty where nothing is lacking."""
    lacking = [f"{kind}s" for kind in WHOLES.get(subject.kind, ()) if kind in subject.catalog.unread]
    return f"-- {subject.named}: its {' and '.join(lacking)} were not read" if lacking else ""


def _told_elsewhere(difference: Difference, told: set[str]) -> bool:
    """With the table or type that is new or gone, the constraint that makes an index, the column that is NOT NULL."""
    one = identity(difference.object)
    kind = difference.kind
    if one.kind in PARTS and kind != "changed":
        whole = one.name if one.kind == "columns" else one.table
        if any(f"{kind} {what} {whole}" in told for what in WHOLES):
            return True
    if one.kind == "index" and kind != "changed":
        return f"{kind} constraint {one.name}" in told
    text = difference.after or difference.before
    if one.kind == "constraint" and kind != "changed" and text:
        return implied(Subject(one, Catalog({})), json.loads(text))
    return False


def _properties(text: str) -> dict[str, Any]:
    value = json.loads(text)
    return value if isinstance(value, dict) else {"order": value}


def _without(statements: Sequence[str], others: Iterable[str]) -> tuple[str, ...]:
    left_out = set(others)
    return tuple(one for one in statements if one not in left_out)


def _ended(found: Iterable[str]) -> Iterator[str]:
    """Each once, with its semicolon; comments have none."""
    for one in dict.fromkeys(found):
        if one:
            yield one if one.startswith("--") else f"{one.rstrip(';')};"
