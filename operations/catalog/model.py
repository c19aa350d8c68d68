"""What a schema is: every object's identity and definition, and how two of them differ."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Literal

from msgspec import Struct

from operations.catalog.identities import identity as taken_apart
from operations.errors import Tampered

ORDER_OF_COLUMNS = "columns of "
"""Begin of the identity of the one object whose definition is a list: a table's column names in order."""


class Catalog(Struct, frozen=True, dict=True):
    """All objects of a database but the system's and the extensions', free of OIDs.

    ``objects`` maps identities such as ``column public."User".email`` (names quoted as SQL needs them) to definitions,
    which are JSON texts with the same keys in the same order for the same thing. A database and its restored
    dump have equal catalogs, but for what ``as_restored`` leaves out.
    """

    objects: Mapping[str, str]
    unreadable: tuple[str, ...] = ()
    """What the role may not see, in words; not part of the fingerprint."""
    unread: frozenset[str] = frozenset()
    """Kinds of objects that there was no time to read; they are compared with nothing."""

    @cached_property
    def fingerprint(self) -> str:
        """Lower-case hex SHA-256 over all identities and definitions."""
        digest = hashlib.sha256()
        for identity in sorted(self.objects):
            digest.update(f"{identity}\0{self.objects[identity]}\0".encode())
        return digest.hexdigest()

    @cached_property
    def parts(self) -> Mapping[str, tuple[str, ...]]:
        """Identities of columns, attributes and constraints by what they belong to: ``column public.t`` and so on."""
        found: dict[str, list[str]] = {}
        for text in self.objects:
            one = taken_apart(text)
            if one.kind in ("column", "attribute", "constraint"):
                found.setdefault(f"{one.kind} {one.table}", []).append(text)
        return {whole: tuple(texts) for whole, texts in found.items()}

    def as_restored(self) -> Catalog:
        """What a dump carries of it: no invalid indexes, no subscriptions, foreign keys' triggers enabled again."""
        return Catalog(dict(_restorable(self.objects)), self.unreadable)

    def to_json(self) -> dict[str, Any]:
        """For a file; ``from_json`` reads it."""
        return {"objects": dict(sorted(self.objects.items())), "unreadable": list(self.unreadable)}

    @classmethod
    def from_json(cls, value: object) -> Catalog:
        """Raises ``Tampered`` for anything that ``to_json`` does not write."""
        match value:
            case {"objects": dict(objects), "unreadable": list(unreadable)} if all(
                isinstance(text, str) for text in (*objects, *objects.values(), *unreadable)
            ):
                return cls(objects, tuple(unreadable))
        raise Tampered("The schema that was recorded with the backup cannot be read.")


class Difference(Struct, frozen=True):
    """One object that is not the same. ``before`` and ``after`` are definitions, ``None`` where there is no object."""

    kind: Literal["added", "removed", "changed"]
    object: str
    before: str | None = None
    after: str | None = None

    def __str__(self) -> str:
        changes = "; ".join(f"{name}: {old} → {new}" for name, old, new in self.properties())
        return f"{self.kind} {self.object}" + (f" ({changes})" if changes else "")

    def properties(self) -> tuple[tuple[str, str, str], ...]:
        """Of a changed object the properties that changed: name, old and new value (``–`` where there is none)."""
        if self.before is None or self.after is None:
            return ()
        old, new = _properties(self.before), _properties(self.after)
        names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        return tuple((name, _shown(old.get(name)), _shown(new.get(name))) for name in names)


def diff(before: Catalog, after: Catalog) -> tuple[Difference, ...]:
    """Every object that is not the same, by identity; empty exactly if the fingerprints are equal.

    Kinds that one of the two has not read are left out; that columns have come or gone shows in their order, too.
    """
    unread = before.unread | after.unread
    found = _differences(before.objects, after.objects, columns="column" not in unread)
    return tuple(one for one in found if not unread or taken_apart(one.object).kind not in unread)


def _differences(before: Mapping[str, str], after: Mapping[str, str], *, columns: bool) -> Iterator[Difference]:
    for identity in sorted(before.keys() | after.keys()):
        old, new = before.get(identity), after.get(identity)
        if old == new or (columns and _only_gained_or_lost_columns(identity, old, new)):
            continue
        kind: Literal["added", "removed", "changed"] = (
            "added" if old is None else "removed" if new is None else "changed"
        )
        yield Difference(kind, identity, old, new)


def _only_gained_or_lost_columns(identity: str, old: str | None, new: str | None) -> bool:
    """The columns themselves tell that; their order differs only if those common to both stand differently."""
    if not identity.startswith(ORDER_OF_COLUMNS):
        return False
    names_before, names_after = json.loads(old or "[]"), json.loads(new or "[]")
    common = set(names_before) & set(names_after)
    same_order = [n for n in names_before if n in common] == [n for n in names_after if n in common]
    return same_order and names_before != names_after


def _restorable(objects: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for identity, definition in objects.items():
        kind = identity.split(" ", 1)[0]
        if kind == "subscription" or (kind == "index" and '"invalid"' in definition and _invalid(definition)):
            continue
        if kind == "constraint" and '"triggers"' in definition:
            kept = {name: value for name, value in json.loads(definition).items() if name != "triggers"}
            yield identity, json.dumps(kept, ensure_ascii=False)
        else:
            yield identity, definition


def _invalid(definition: str) -> bool:
    """An invalid index of a partitioned table is one that still waits for its partitions': the dump has it."""
    properties = json.loads(definition)
    return bool(properties.get("invalid")) and " ON ONLY " not in properties["definition"]


def _properties(definition: str) -> dict[str, Any]:
    value = json.loads(definition)
    return value if isinstance(value, dict) else {"order": value}


def _shown(value: object) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
