"""What people typed, for places that are not theirs to lay out: a terminal, a log. Pure."""

from __future__ import annotations


def one_line(text: str) -> str:
    """Without line breaks, escape sequences and characters that reorder what stands beside them."""
    return "".join(character if character.isprintable() else " " for character in " ".join(text.split()))
