"""How findings about files are made and ordered. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec.structs import replace

from operations.migrations.script import place
from operations.rules.model import Finding, Severity

FailOn = Literal["error", "warning", "never"]
LONGEST = 2_000
"""Characters of a message."""
ORDER: dict[Severity, int] = {"error": 0, "warning": 1, "note": 2}


def of_file(rule: str, severity: Severity, file: str, message: str, help: str) -> Finding:
    """About a file as a whole."""
    return Finding(rule, severity, file, 1, 1, message, help)


def at(
    rule: str, severity: Severity, file: str, text: str, offset: int, message: str, help: str, end: int | None = None
) -> Finding:
    """About the place at a character offset of the file's text; ``end`` is where the statement ends."""
    where = place(file, text, offset)
    last = place(file, text, end).line if end is not None else None
    return Finding(rule, severity, file, where.line, where.column, message, help, end_line=last)


def cut(text: str) -> str:
    """What a script says in an error may be as long as it likes."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """By file and place, each once and of bearable length; within a place the gravest first."""
    unique = dict.fromkeys(replace(f, message=cut(f.message), help=cut(f.help)) for f in findings)
    return tuple(sorted(unique, key=lambda f: (f.file, f.line, f.column, ORDER[f.severity], f.rule)))


def passes(findings: Iterable[Finding], fail_on: FailOn) -> bool:
    """Whether no finding is as grave as ``fail_on``."""
    return fail_on == "never" or not any(ORDER[f.severity] <= ORDER[fail_on] for f in findings)
