"""What PostgreSQL's errors mean, in words that repeat no value of a row. Pure.

Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html.
"""

from __future__ import annotations

_VALUES = {
    "22001": "too long",
    "22003": "out of range",
    "22007": "no date or time",
    "22008": "no such date or time",
    "22012": "division by zero",
    "22023": "not allowed there",
    "22P02": "not of its form",
    "22P03": "not of its form",
    "23502": "NULL, which the type forbids",
    "23514": "what the type forbids",
}
_REASONS = {
    "42501": "the role may not read all that is needed",
    "55P03": "somebody holds the table",
    "57014": "it was cancelled",
    "40P01": "it met a deadlock",
    "53100": "the disk is full",
    "53400": "it would need more room than the role may take",
}


def fault_of_a_value(sqlstate: str) -> str | None:
    """What is wrong with a value that cannot be cast; ``None`` for errors that no value is to blame for."""
    if sqlstate[:2] not in ("22", "23"):
        return None
    return f"{_VALUES[sqlstate]}, {sqlstate}" if sqlstate in _VALUES else sqlstate


def reason(sqlstate: str) -> str:
    """Why a question could not be answered."""
    return _REASONS.get(sqlstate, f"PostgreSQL answers the question with an error ({sqlstate})")
