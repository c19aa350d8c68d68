"""A file that the parser does not understand."""

from __future__ import annotations

import re
from collections.abc import Iterator

from operations.rules.model import Found, Rule
from operations.rules.source import Source

_META_COMMAND = re.compile(r"^[ \t]*\\", re.MULTILINE)


def _check(source: Source) -> Iterator[Found]:
    if source.top is None:
        psql = _META_COMMAND.search(source.text)
        more = " Commands of psql, which begin with a backslash, are no SQL." if psql else ""
        yield Found(
            f"It was not looked at, for the parser gives up here: {source.problem}.{more}", offset=source.offset
        )


RULE = Rule(
    name="not-understood",
    severity="note",
    problem="The grammar of PostgreSQL 18 does not know this, so no rule has looked at the file.",
    help="If the run on a real server succeeds, it is only the parser that lacks something; otherwise mend the "
    "statement.",
    check_file=_check,
)
