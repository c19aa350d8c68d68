"""A script's text, parsed once for all who ask. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from operations.migrations.splitting import Unparsable, split
from operations.migrations.statement import Parsed, describe


@dataclass(frozen=True)
class Parsing:
    """``parsed`` is ``None`` where the parser gave up, ``problem`` says why, at character ``offset``."""

    parsed: tuple[Parsed, ...] | None = field(repr=False)
    problem: str = ""
    offset: int = 0


def parse(text: str) -> Parsing:
    """What cannot be parsed is told, not raised."""
    try:
        return Parsing(tuple(describe(text, split(text))))
    except Unparsable as error:
        return Parsing(None, error.reason, error.offset)
