"""What a workspace was brought to."""

from __future__ import annotations

import re
from pathlib import Path

from operations.commands.git import SHA

HEAD = re.compile(r"ref: (refs/[\w./-]+)")


def checked_out(checkout: Path) -> str:
    """The commit; empty where it is no checkout, or a branch's."""
    try:
        head = (checkout / ".git" / "HEAD").read_text(encoding="ascii").strip()
        if found := HEAD.fullmatch(head):
            head = (checkout / ".git" / found[1]).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return head if SHA.fullmatch(head) else ""
