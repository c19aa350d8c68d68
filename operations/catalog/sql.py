"""What SQL of objects is written with: subjects, names, options, privileges, comments. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from operations.catalog.identities import Identity, identity
from operations.catalog.model import Catalog
from operations.quoting import identifier, literal

Properties = Mapping[str, Any]
PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
SECRET = re.compile(r"pass|secret|token", re.IGNORECASE)
VALUE = re.compile(r"-?[A-Za-z0-9_.]+")
GRANT = re.compile(r'("(?:[^"]|"")*"|\S+) (.+?)( with grant option)?')
TABLES = ("table", "foreign table", "view", "materialized view")
ON_TABLE = ("constraint", "trigger", "rule", "policy")
GRANTED_ON = {
    **dict.fromkeys(TABLES, "TABLE"),
    "aggregate": "FUNCTION",
    "server": "FOREIGN SERVER",
}
"""What GRANT calls a kind, where it is not the kind itself."""


class Subject(Struct, frozen=True):
    """An object, and the catalog in which it stands."""

    identity: Identity
    catalog: Catalog

    @property
    def kind(self) -> str:
        """As the identity names it: ``materialized view``."""
        return self.identity.kind

    @property
    def name(self) -> str:
        """As SQL names it, with its schema, or its arguments."""
        return self.identity.name

    @property
    def word(self) -> str:
        """``MATERIALIZED VIEW``: what it is called behind CREATE and ALTER."""
        return self.kind.upper()

    @property
    def named(self) -> str:
        """As behind COMMENT ON and ALTER: ``TABLE public.t``, ``TRIGGER x ON public.t``."""
        if self.kind in ON_TABLE:
            domain = "DOMAIN " if self.kind == "constraint" and self.owner_kind == "type" else ""
            return f"{self.word} {self.identity.last} ON {domain}{self.identity.table}"
        if self.kind in ("column", "attribute"):
            return f"COLUMN {self.name}"
        if self.kind == "operator":
            return f"OPERATOR {self.name.replace('(,', '(NONE,')}"
        return f"{self.word} {self.name.replace(' using ', ' USING ')}"

    @property
    def owner_kind(self) -> str:
        """Of what a column or a constraint belongs to: ``table``, ``view``, ``type`` and so on."""
        return next(
            (kind for kind in (*TABLES, "type") if f"{kind} {self.identity.table}" in self.catalog.objects), "table"
        )

    @property
    def table(self) -> str:
        """How the table that it belongs to is altered: ``ALTER TABLE public.t``."""
        word = "DOMAIN" if self.kind == "constraint" and self.owner_kind == "type" else self.owner_kind.upper()
        return f"ALTER {word} {self.identity.table}"

    def beside(self, text: str) -> Subject:
        """Another object of the same catalog."""
        return Subject(identity(text), self.catalog)


Made = tuple[str, frozenset[str]]
Maker = Callable[[Subject, Properties], Made]
Changer = Callable[[Subject, Properties, Properties], Iterator[str]]
Changers = Mapping[str, Changer]


def name(raw: str) -> str:
    """Quoted where it must be."""
    return raw if PLAIN.fullmatch(raw) else identifier(raw)


def bare(procedure: str | None) -> str | None:
    """A function's or an operator's name without its arguments; ``None`` for ``-``, which is none."""
    return None if procedure in (None, "-", "0") else str(procedure).partition("(")[0]


def pairs(entries: Iterable[str] | None) -> dict[str, str]:
    """``fillfactor=50`` of a list of options, taken apart."""
    return {key: value for key, _, value in (entry.partition("=") for entry in entries or ())}


def options(entries: Iterable[str] | None, prefix: str = "") -> str:
    """As in ``WITH (…)``."""
    return ", ".join(
        f"{prefix}{key} = {value if VALUE.fullmatch(value) else literal(value)}"
        for key, value in pairs(entries).items()
    )


def foreign_options(entries: Iterable[str] | None) -> str:
    """As in ``OPTIONS (…)``."""
    return ", ".join(f"{name(key)} {_hidden(key, value)}" for key, value in pairs(entries).items())


def _hidden(key: str, value: str) -> str:
    """The value; of what may be a password a few bits of its hash, so that another one is not the same."""
    if SECRET.search(key):
        return literal(f"… {hashlib.sha256(value.encode()).hexdigest()[:4]}")
    return literal(value)


def set_options(alter: str, key: str, mine: Properties, other: Properties, prefix: str = "") -> Iterator[str]:
    """``SET (…)`` what is not the other's, ``RESET (…)`` what only the other has."""
    has, had = pairs(mine.get(key)), pairs(other.get(key))
    fresh = [f"{one}={value}" for one, value in has.items() if had.get(one) != value]
    if fresh:
        yield f"{alter} SET ({options(fresh, prefix)})"
    gone = [one for one in had if one not in has]
    if gone:
        yield f"{alter} RESET ({', '.join(prefix + one for one in gone)})"


def set_foreign_options(alter: str, mine: Properties, other: Properties) -> Iterator[str]:
    """``OPTIONS (ADD …, SET …, DROP …)``: from the other's to these."""
    has, had = (
        pairs(mine.get("foreign_options", mine.get("options"))),
        pairs(other.get("foreign_options", other.get("options"))),
    )
    words = [f"{'SET' if key in had else 'ADD'} {name(key)} {_hidden(key, value)}" for key, value in has.items()
             if had.get(key) != value]  # fmt: skip
    words += [f"DROP {name(key)}" for key in had if key not in has]
    if words:
        yield f"{alter} OPTIONS ({', '.join(words)})"


def words_of(pairs: Iterable[tuple[str, object]]) -> str:
    """``A = x, B = y`` of those that have a value."""
    return ", ".join(f"{key} = {value}" for key, value in pairs if value not in (None, ""))


def text_of(value: object) -> str | None:
    """As a string constant."""
    return None if value is None else literal(str(value)).strip()


def said(*keys: str) -> frozenset[str]:
    """The properties that are told already."""
    return frozenset(keys)


def owned(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    """Who owns it."""
    if mine.get("owner"):
        yield f"ALTER {subject.named} OWNER TO {mine['owner']}"


def commented(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    """Its comment."""
    yield f"COMMENT ON {subject.named} IS {literal(mine['comment']).strip() if mine.get('comment') else 'NULL'}"


def privileges(subject: Subject, mine: Properties, other: Properties) -> Iterator[str]:
    """What is granted beyond the default and revoked of it, and the opposite of what only the other has of that."""
    for grant in _more("granted", mine, other):
        yield _granted(subject, grant)
    for grant in _more("revoked", mine, other):
        yield _revoked(subject, grant)
    for grant in _more("granted", other, mine):
        if grant not in mine.get("revoked", ()):
            yield _revoked(subject, grant)
    for grant in _more("revoked", other, mine):
        if grant not in mine.get("granted", ()):
            yield _granted(subject, grant)


def _more(key: str, mine: Properties, other: Properties) -> list[str]:
    had: Sequence[str] = other.get(key, ())
    return [grant for grant in mine.get(key, ()) if grant not in had]


def _granted(subject: Subject, grant: str) -> str:
    before, what, grantee, option = _grant(subject, grant)
    return f"{before}GRANT {what} TO {grantee}{' WITH GRANT OPTION' if option else ''}"


def _revoked(subject: Subject, grant: str) -> str:
    before, what, grantee, option = _grant(subject, grant)
    return f"{before}REVOKE {'GRANT OPTION FOR ' if option else ''}{what} FROM {grantee}"


def _grant(subject: Subject, grant: str) -> tuple[str, str, str, bool]:
    """What stands before GRANT, the privilege and on what, to whom, and whether it may be passed on."""
    match = GRANT.fullmatch(grant)
    grantee, privilege, option = (match[1], match[2], bool(match[3])) if match else ("PUBLIC", grant, False)
    one = subject.identity
    if one.kind == "default privileges":
        role, _, rest = one.name.removeprefix("of ").rpartition(" on ")
        objects, _, schema = rest.partition(" in ")
        within = f" IN SCHEMA {schema}" if schema else ""
        before = f"ALTER DEFAULT PRIVILEGES FOR ROLE {role}{within} "
        return before, f"{privilege} ON {objects.upper()}", grantee, option
    if one.kind == "privileges":
        what = one.name.removeprefix("of ")
        one = identity(what.removeprefix("table ") if what.startswith("table column ") else what)
    if one.kind in ("column", "attribute"):
        return "", f"{privilege} ({one.last}) ON TABLE {one.table}", grantee, option
    return "", f"{privilege} ON {GRANTED_ON.get(one.kind, one.kind.upper())} {one.name}", grantee, option


EVERYWHERE: Changers = {"owner": owned, "comment": commented, "granted": privileges, "revoked": privileges}
