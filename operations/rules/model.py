"""What a lint rule finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing that somebody should look at, at its place in a file of the pull request.

    ``file`` is relative to the migrations folder (``NAME/migration.sql``), or the path as given for a file outside it;
    lines and columns are 1-based and count characters, ``end_line`` is the statement's last line. ``suggestion``, where
    a safe form is known, is what may stand in place of the lines ``line`` to ``end_line``.
    """

    rule: str
    severity: Severity
    file: str
    line: int
    column: int
    message: str
    help: str
    end_line: int | None = None
    suggestion: str | None = None
