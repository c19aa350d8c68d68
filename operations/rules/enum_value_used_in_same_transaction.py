"""A value that is used in the file that adds it to its enum."""

from __future__ import annotations

from collections.abc import Iterator

from operations.migrations.enums import unsafe_use
from operations.rules.model import Found, Rule
from operations.rules.source import Source
from operations.rules.wording import short


def _check(source: Source) -> Iterator[Found]:
    unsafe = unsafe_use(source.top or ())
    if unsafe:
        yield Found(
            f"The value {short(unsafe.value)!r} of line {unsafe.added_in.line} is used before it is committed, which "
            "PostgreSQL refuses (55P04); so this file is not run in a transaction.",
            offset=unsafe.used_in.start,
        )


RULE = Rule(
    name="enum-value-used-in-same-transaction",
    severity="warning",
    problem="A new enum value cannot be used before it is committed.",
    help="Add the value in a migration of its own, before this one.",
    check_file=_check,
)
