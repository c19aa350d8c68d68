"""Text that Slack shows as meant: what people typed is escaped, what we mark up is ``Marked``. Pure."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

from operations.measures import age_text

ID = re.compile(r"[A-Z][A-Z0-9]{1,30}")
"""Slack's ids of people, channels and teams."""
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Unicode's classes of what is not seen or turns other text around: control, format (bidi, zero width), separators."""
LOOKALIKE = "ʼ"
"""Instead of a back-tick, which would end what is shown as typed."""


class Marked(str):
    """Text in Slack's own markup, safe to send as it is. Whatever is not of this type is escaped."""

    __slots__ = ()


def visible(text: str, *, lines: bool = False) -> str:
    """Without what cannot be seen; in one line, unless its ``lines`` are to be kept."""
    if text.isprintable():
        return text
    shown = (_shown(character, lines) for character in text.replace("\r\n", "\n"))
    return "".join(shown)


def _shown(character: str, lines: bool) -> str:
    if character in "\n\t":
        return character if lines and character == "\n" else " "
    return "" if unicodedata.category(character) in HIDDEN else character


def clipped(text: str, most: int) -> str:
    """At most so many characters; an ellipsis says that there was more."""
    return text if len(text) <= most else text[: most - 1] + "…"


def plain(text: str, most: int) -> str:
    """For ``plain_text``, where nothing is markup: visible, in one line, never empty, of limited length."""
    return clipped(visible(text[: most * 2]).strip(), most) or "–"


def typed(text: str, most: int = 600) -> Marked:
    """What somebody typed or something is called, inside a line."""
    return _escaped(clipped(visible(text[: most * 2]), most))


def quoted(text: str, most: int = 600) -> Marked:
    """What somebody typed, as a quotation: each line of it is marked, so none can pass for one of ours."""
    lines = clipped(visible(text[: most * 2], lines=True).strip(), most).split("\n")
    return Marked("\n".join(f"> {_escaped(line)}" for line in lines))


def code(text: str, most: int = 200) -> Marked:
    """A name or a command in fixed width."""
    return Marked(f"`{_escaped(clipped(visible(text[: most * 2]).strip(), most)) or '–'}`")


def bold(text: str) -> Marked:
    """In bold; Slack takes no space before the closing mark."""
    shown = text if isinstance(text, Marked) else typed(text)
    inside = shown.rstrip()
    return Marked(f"*{inside}*{shown[len(inside) :]}")


def joined(*parts: str) -> Marked:
    """Parts one after the other; those that are not marked are escaped."""
    return Marked("".join(part if isinstance(part, Marked) else typed(part) for part in parts))


def lines(*parts: str) -> Marked:
    """Parts each on a line of its own; empty ones are left out."""
    return Marked("\n".join(part if isinstance(part, Marked) else typed(part) for part in parts if part))


def person(slack_id: str) -> Marked:
    """A mention, if that is an id; a name otherwise."""
    return Marked(f"<@{slack_id}>") if ID.fullmatch(slack_id) else typed(slack_id, 80)


def people(ids: tuple[str, ...], most: int = 10) -> Marked:
    """Several mentions; of more, the number."""
    shown = ", ".join(person(one) for one in ids[:most])
    return Marked(shown + (f" and {len(ids) - most} more" if len(ids) > most else "")) if ids else Marked("nobody")


def moment(seconds: float) -> Marked:
    """A point in time, in the reader's own time zone; UTC where that cannot be shown."""
    fallback = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return Marked(f"<!date^{int(seconds)}^{{date_short_pretty}} {{time}}|{fallback}>")


def utc(seconds: float) -> str:
    """A point in time where no markup is understood."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def ago(seconds: float, now: float) -> str:
    """``3 h ago``."""
    return f"{age_text(max(0.0, now - seconds))} ago"


def duration(seconds: float) -> str:
    """``0.4 s``, ``42 s``, ``5 min``."""
    return f"{seconds:.1f} s" if seconds < 10 else age_text(seconds)


def _escaped(text: str) -> Marked:
    text = text.replace("`", LOOKALIKE)
    return Marked(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
