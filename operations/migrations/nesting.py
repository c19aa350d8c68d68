"""How deep a parse tree would become, told before it is built: one that is too deep overflows the stack. Pure.

The grammar itself bounds what nests to the right, parentheses and the like (10 000 levels, ``YYMAXDEPTH``). What it
does not bound are chains to the left (``1+1+1…``, ``a::int::int…``, ``… UNION … UNION …``), whose tree is as deep as
they are long; a program with 8 MB of stack dies of 30 000 levels.
"""

from __future__ import annotations

import re
from typing import Any

DEEPEST = 10_000
_LINK = re.compile(
    r"[-+*/<>=~!@#%^&|`?:]|\b(?:union|except|intersect|join|is|isnull|notnull|in|between|i?like|similar|collate|at|"
    r"overlaps|operator)\b",
    re.IGNORECASE,
)
_SEPARATORS = frozenset({"ASCII_44", "ASCII_59", "AND", "OR"})
"""Comma, semicolon, and what the parser makes flat lists of."""
_OF_A_WHOLE_LIST = frozenset({"UNION", "EXCEPT", "INTERSECT", "JOIN"})
_OPENING, _CLOSING = frozenset({"ASCII_40", "ASCII_91"}), frozenset({"ASCII_41", "ASCII_93"})

_LEAVES = frozenset(
    {"ICONST", "FCONST", "SCONST", "USCONST", "BCONST", "XCONST", "PARAM", "IDENT", "UIDENT", "ASCII_46"}
    | {"SQL_COMMENT", "C_COMMENT"}
)
"""Tokens that end a chain's link, and are none themselves."""


def too_deep(plain: str) -> int | None:
    """The offset at which an ASCII text becomes too deep to parse; ``None`` if it nowhere does."""
    if len(plain) < 2 * DEEPEST or not _may_be(plain):
        return None
    from operations.migrations.parser import ParseError, scan

    try:
        return _found(scan(plain))
    except ParseError:
        return None  # the parser will say the same


def _may_be(plain: str) -> bool:
    """Whether there are links enough, wherever they stand: most long texts are rows, and need no closer look."""
    links = _LINK.finditer(plain)
    return any(count >= DEEPEST for count, _ in enumerate(links, 1))


def _found(tokens: Any) -> int | None:
    """Every token between two separators may be a link of a chain, which is more than there can be."""
    chains, lists, outer = [0], [0], 0
    for token in tokens:
        name = token.name
        if name in _OPENING:
            outer += chains[-1] + lists[-1]
            chains.append(0)
            lists.append(0)
        elif name in _CLOSING and len(chains) > 1:
            chains.pop()
            lists.pop()
            outer -= chains[-1] + lists[-1]
        elif name in _SEPARATORS:
            chains[-1] = 0
            if name == "ASCII_59":
                lists[-1] = 0
        elif name in _OF_A_WHOLE_LIST:
            lists[-1] += 1
        elif token.kind != "NO_KEYWORD" or name not in _LEAVES:
            chains[-1] += 1
        if outer + chains[-1] + lists[-1] > DEEPEST:
            return int(token.start)
    return None
