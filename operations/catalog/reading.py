"""Reads a ``Catalog`` from a session, by the queries beside this module: one file per kind of object.

Each query yields schema, relation (both only to be left out by), identity, definition as JSON text, the privileges
and the default privileges. The first line of a file says what it reads; a further one ``-- since 15`` or
``-- until 14`` for which servers, and ``-- of pg_am.oid`` that there is nothing to be found unless that column of that
catalog holds an object id from after initdb. Most databases have no objects of most kinds, and to plan the queries for
those would take half of the time. (Something of initdb's own that a superuser has moved among the users' is met only
beside something of theirs.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from operations.catalog.digests import Digests
from operations.catalog.dropped import despite_drops
from operations.catalog.model import Catalog
from operations.catalog.normal import definition
from operations.errors import StatementFailed
from operations.fixed_settings import NAMES, TEXTS, set_local
from operations.object_ids import FIRST_USER_OID
from operations.ports import Session
from operations.quoting import literal
from operations.taken_back import taken_back

VERSIONS = re.compile(r"^-- (since|until) (\d+)$", re.MULTILINE)
OF = re.compile(r"^-- of (\w+)\.(\w+)$", re.MULTILINE)
SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
PATIENCE = 120.0
"""Seconds for each query."""
FIXED = {**NAMES, **TEXTS, "lock_timeout": "10s"}
"""So that a definition reads the same in each session, whatever a role or a database has set."""
CANCELLED = "57014"
LAST = {
    "columns": {"column", "attribute"},
    "indexes": {"index"},
    "constraints": {"constraint"},
    "domain_constraints": {"constraint"},
}
"""Queries that take most of the time, in this order at the end, and the kinds of objects that no other one yields."""


@cache
def queries(major: int) -> tuple[tuple[str, str], ...]:
    """Kind and text of all queries for servers of that major version."""
    folder = resources.files("operations.catalog") / "queries"
    found = []
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".sql"):
            text = file.read_text(encoding="utf-8")
            limits = {word: int(version) for word, version in VERSIONS.findall(text)}
            if limits.get("since", 0) <= major <= limits.get("until", major):
                found.append((file.name.removesuffix(".sql"), text))
    return tuple(sorted(found, key=lambda one: [*LAST].index(one[0]) if one[0] in LAST else -1))


def in_time() -> bool:
    """For who waits as long as it takes."""
    return False


def read(
    session: Session,
    exclude: frozenset[tuple[str, str]] = frozenset(),
    *,
    known: Digests | None = None,
    patience: float = PATIENCE,
    late: Callable[[], bool] = in_time,
) -> Catalog:
    """The catalog as the session sees it: all of it from one snapshot, or within the transaction that is open.

    ``exclude`` names (schema, relation) pairs that are left out with all that belongs to them. Any role can read it;
    what it cannot see is told in ``unreadable``. What is ``known`` is met, and left out, so that it takes no memory.
    ``patience``: seconds a query. Once it is ``late``, what is left of ``LAST`` is told in ``unread``. Raises
    ``StatementFailed`` (after 10 s, if a view's table is locked).
    """

    def once() -> Catalog:
        found = _Found(exclude, known)
        try:
            with _consistent(session, patience):
                return _read(session, found, late)
        except StatementFailed as error:
            if late is not in_time and error.sqlstate == CANCELLED and found.left and found.left <= LAST.keys():
                return found.catalog()
            raise

    # From a snapshot that is open already, what is gone would be described once more.
    return once() if session.in_transaction else despite_drops(once)


@dataclass
class _Found:
    """What has been read so far, and which queries are ``left``."""

    exclude: frozenset[tuple[str, str]]
    known: Digests | None
    objects: dict[str, str] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()
    left: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.known is not None:
            self.known.forget()  # what the attempt before has met may be gone

    def is_known(self, identity: str, text: str) -> bool:
        return self.known is not None and self.known.meet(identity, text)

    def catalog(self) -> Catalog:
        return Catalog(self.objects, self.unreadable, frozenset(kind for name in self.left for kind in LAST[name]))


def stamp(session: Session, *, patience: float = PATIENCE) -> str:
    """While it is the same, so is the catalog; it costs a tenth. Another one says nothing: what ``read`` finds counts.

    Raises ``StatementFailed``.
    """
    with _consistent(session, patience):
        ((told,),) = session.rows(_stamp_query(session.server_version // 10000))
    return str(told)


@cache
def _stamp_query(major: int) -> str:
    text = (resources.files("operations.catalog") / "stamp.sql").read_text(encoding="utf-8")
    schemas = "UNION ALL SELECT hash_record_extended(ROW(oid, xmin), 51) FROM pg_publication_namespace\n) every"
    return text.replace(") every", schemas) if major >= 15 else text


def _read(session: Session, found: _Found, late: Callable[[], bool]) -> Catalog:
    every = _with_objects(session, queries(session.server_version // 10000))
    found.left = {name for name, _ in every}
    found.unreadable = tuple(_unreadable(session))
    for name, text in every:
        if name in LAST and late():
            break
        fresh = {}  # of a query that is cancelled nothing counts
        for schema, relation, identity, properties, granted, default in session.stream(text):
            told = definition(properties, granted, default)
            if (schema, relation) not in found.exclude and not found.is_known(identity, told):
                fresh[identity] = told
        found.objects.update(fresh)
        found.left.remove(name)
    return found.catalog()


def _with_objects(session: Session, every: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The queries that can find anything at all."""
    told = {name: of.groups() for name, text in every if (of := OF.search(text))}
    asked = (
        f"SELECT {literal(name)} WHERE EXISTS (SELECT FROM pg_catalog.{catalog} WHERE {column} >= {FIRST_USER_OID})"
        for name, (catalog, column) in told.items()
    )
    found = {name for (name,) in session.rows(" UNION ALL ".join(asked))}
    return tuple((name, text) for name, text in every if name in found or name not in told)


def _unreadable(session: Session) -> Iterator[str]:
    hidden = session.rows(
        "SELECT usename, srvname FROM pg_catalog.pg_user_mappings WHERE umoptions IS NULL AND NOT EXISTS"
        " (SELECT FROM pg_catalog.pg_roles WHERE rolname = current_user AND rolsuper) ORDER BY 1, 2"
    )
    for user, server in hidden:
        yield f"options of the user mapping for {user} on {server}"


@contextmanager
def _consistent(session: Session, patience: float) -> Iterator[None]:
    """A snapshot of our own, or a savepoint within the transaction that is open already.

    Either way settings and the locks that describing a view takes are gone afterwards.
    """
    with taken_back(session, SNAPSHOT):
        session.script(set_local({**FIXED, "statement_timeout": f"{patience:.0f}s"}))
        yield
