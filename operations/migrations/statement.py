"""One statement of a script, as the rest of Locktender sees it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from operations.migrations.kinds import is_harmless, kind, procedure_name, transactional
from operations.migrations.locking import created, locked
from operations.migrations.splitting import Piece


class Statement(Struct, frozen=True):
    """A statement and its place: offsets are 0-based and counted in characters, line and column 1-based.

    ``text`` is the script from ``start`` to ``end``, without comments around it. ``transactional``: PostgreSQL accepts
    it inside BEGIN. ``relations``: quoted names of tables that stood before the script and that it locks strongly.
    """

    text: str
    start: int
    end: int
    line: int
    column: int
    kind: str
    transactional: bool
    relations: tuple[str, ...]


class Parsed(Struct, frozen=True):
    """A statement with its parse tree."""

    statement: Statement
    node: Any


def describe(text: str, pieces: Sequence[Piece]) -> Iterator[Parsed]:
    """The pieces of ``text`` as statements, each in the light of those before it."""
    line, line_start, seen = 1, 0, 0
    harmless: set[tuple[str, ...]] = set()
    own: set[str] = set()
    for piece in pieces:
        line += text.count("\n", seen, piece.start)
        line_start = max(line_start, text.rfind("\n", seen, piece.start) + 1)
        seen = piece.start
        node = piece.exact_node() if _has_names(piece.node) else piece.node
        yield Parsed(
            Statement(
                text=piece.text,
                start=piece.start,
                end=piece.end,
                line=line,
                column=piece.start - line_start + 1,
                kind=kind(node),
                transactional=transactional(node, harmless),
                relations=tuple(name for name in locked(node) if name not in own),
            ),
            node,
        )
        procedure, relation = procedure_name(node), created(node)
        if procedure:
            (harmless.add if is_harmless(node) else harmless.discard)(procedure)
        if relation:
            own.add(relation)


def _has_names(node: Any) -> bool:
    """Rows are many and lock nothing that matters; everything else is parsed again where it is not ASCII."""
    return type(node).__name__ not in ("InsertStmt", "SelectStmt")
