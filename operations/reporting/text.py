"""How numbers, moments and names are written in a report."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

from operations.measures import size_text

UNKNOWN = "–"
INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode's categories of characters that show nothing, or turn around what stands beside them."""
MARKUP = re.compile(r"[\\`*\[\]|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def duration(seconds: float | None) -> str:
    """``340 ms``, ``5.3 s``, ``3 min 20 s``, ``1 h 05 min``."""
    if seconds is None:
        return UNKNOWN
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def moment(at: str) -> str:
    """``2024-07-02 10:15``, UTC."""
    return f"{datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%d %H:%M}" if at else UNKNOWN


def day(at: str) -> str:
    """``07-02``."""
    return f"{datetime.fromisoformat(at).astimezone(UTC):%m-%d}" if at else ""


def size(number: int | None) -> str:
    """``1.5 GB``."""
    return UNKNOWN if number is None else size_text(number)


def count(number: int | None) -> str:
    """``120 000``, with blanks that do not break."""
    return UNKNOWN if number is None else f"{number:,}".replace(",", "\u202f")


def change(number: int | None) -> str:
    """``+120``, ``−3``, ``±0``."""
    if number is None:
        return UNKNOWN
    return f"{'+' if number > 0 else '−' if number < 0 else '±'}{count(abs(number))}"


def outcome(word: str) -> str:
    """As people read it."""
    return word.replace("_", " ")


def visible(text: str) -> str:
    """Without characters that hide something: each is a visible replacement character; blanks are kept."""
    return "".join("\ufffd" if unicodedata.category(c) in INVISIBLE and c not in "\n\t" else c for c in text)


def prose(text: str) -> str:
    """Text in Markdown, in a table, too: no markup, no HTML, no mention, no line of its own."""
    flat = " ".join(visible(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    broken = re.sub(r"@|://|www\.", lambda link: f"{link[0][0]}\u2060{link[0][1:]}", flat)
    return MARKUP.sub(r"\\\g<0>", broken)


def code(text: str) -> str:
    """A name in Markdown, in a table, too: as code, whatever it holds."""
    flat = " ".join(visible(text).split()).replace("|", "\\|") or " "
    fence = "`" * (max((len(run) for run in re.findall("`+", flat)), default=0) + 1)
    pad = " " if "`" in flat else ""
    return f"{fence}{pad}{flat}{pad}{fence}"
