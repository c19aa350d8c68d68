"""The statements that stand in a DO block, for it runs them at once: changes of the schema behind an IF. Pure.

Only those that begin where a statement of PL/pgSQL can begin, and that the parser understands by themselves; what is
put together for EXECUTE is not seen.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from operations.migrations.bodies import procedural_body
from operations.migrations.splitting import Unparsable, split
from operations.migrations.statement import Parsed, describe
from operations.rules.places import COMMENTS, tokens

_BEFORE = frozenset({"ASCII_59", "BEGIN_P", "THEN", "ELSE", "LOOP"})
_FIRST = frozenset({"ALTER", "CREATE", "DROP", "TRUNCATE", "UPDATE", "DELETE_P", "REINDEX", "CLUSTER", "LOCK_P"})
_LOOP = "loop"


def inside(one: Parsed, text: str) -> Iterator[Parsed]:
    """What a DO statement of the file ``text`` runs, with its places in the file; nothing for any other statement."""
    if type(one.node).__name__ != "DoStmt":
        return
    body = procedural_body(one.node.args)
    at = text.find(body.text, one.statement.start, one.statement.end) if body.text else -1
    if body.language != "plpgsql" or at < 0:
        return
    for start, end in _pieces(body.text):
        try:
            (found,) = describe(body.text[start:end], split(body.text[start:end]))
        except (Unparsable, ValueError):
            continue
        begin = at + start + found.statement.start
        yield replace(
            found,
            statement=replace(
                found.statement,
                start=begin,
                end=begin + len(found.statement.text),
                line=one.statement.line + text.count("\n", one.statement.start, begin),
                column=begin - text.rfind("\n", 0, begin),
            ),
        )


def _pieces(body: str) -> Iterator[tuple[int, int]]:
    """Where statements that may be SQL's begin and end."""
    before, begun = "", -1
    for token in tokens(body):
        if token.name in COMMENTS:
            continue
        if begun < 0 and token.name in _FIRST and before in _BEFORE:
            begun = token.start
        elif begun >= 0 and token.name == "ASCII_59":
            yield begun, token.start
            begun = -1
        before = _name(body, token.name, token.start, token.end)


def _name(body: str, name: str, start: int, end: int) -> str:
    """LOOP is no word of SQL's."""
    return "LOOP" if name == "IDENT" and body[start : end + 1].lower() == _LOOP else name
