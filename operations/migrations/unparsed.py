"""What can be told of a script that the parser does not understand: its tokens, by PostgreSQL's own scanner. Pure."""

from __future__ import annotations

COMMITTING = frozenset(
    {"COMMIT", "END_P", "ROLLBACK", "ABORT_P", "BEGIN_P", "START", "PREPARE", "SAVEPOINT", "RELEASE", "CALL", "DO"}
)
"""First tokens of statements that end transactions, or may (``END`` also closes the body of an SQL function)."""


def may_commit(text: str) -> bool:
    """Whether some statement of the script may end the transaction that it is run in.

    False where it cannot even be scanned: then the server will not run any of it.
    """
    from operations.migrations.parser import ParseError, scan

    first = True
    try:
        for token in scan(text):
            if token.name in ("SQL_COMMENT", "C_COMMENT"):
                continue
            if first and token.name in COMMITTING:
                return True
            first = token.name == "ASCII_59"
    except ParseError:
        return False
    return False
