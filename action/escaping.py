"""Foreign text made harmless for the place where it will stand: markdown that GitHub renders, a log, a fence. Pure.

A pull request names tables, files and migrations as it likes. None of it may become markup, a mention, a link, an
image, a workflow command, or run in another direction than it reads.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

JOINER = "&#8288;"
"""U+2060, invisible: keeps ``@name`` and ``#1`` from becoming a mention or a reference."""
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories of what is not seen, or moves what is seen: controls, bidi marks, surrogates, line separators."""
BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""Letters, marks and symbols of other categories that are not seen either (most of Default_Ignorable_Code_Point)."""
BLOCK = re.compile(r"^(\d{0,9})([-+=.)])(?=[ =-]|$)")
"""What would begin a list, a line or a heading where a paragraph begins."""
PLAIN = re.compile(r"""[^\w ,;.?/%'"()=+-]|_""")
"""What may mean something in markdown or HTML."""
REFERENCE = re.compile(r"(?i)\b(gh)-(?=\d)")
WWW = re.compile(r"(?i)\b(www)\.")
RUNNER_COMMAND = re.compile(r"##\[|^(\s*)::", re.MULTILINE)


def visible(text: str, keep: str = "") -> str:
    """Every character that is not seen, written as what it is (``<U+202E>``), but for those in ``keep``."""
    if text.isprintable() and not BLANK.search(text):
        return text
    return "".join(character if _seen(character, keep) else f"<U+{ord(character):04X}>" for character in text)


def _seen(character: str, keep: str) -> bool:
    return character in keep or not (unicodedata.category(character) in HIDDEN or BLANK.match(character))


def one_line(text: str) -> str:
    """Without line breaks, as a cell of a table or a heading wants it."""
    return visible(" ".join(text.split()))


def inline(text: str) -> str:
    """A sentence within markdown: shown to the letter, and nothing else."""
    told = BLOCK.sub(lambda found: f"{found[1]}&#{ord(found[2])};", PLAIN.sub(_entity, one_line(text)))
    return WWW.sub(r"\1&#46;", REFERENCE.sub(rf"\1{JOINER}-", told))


def code(text: str) -> str:
    """A name or a piece of SQL within markdown, as code; GitHub looks for no mentions there."""
    return f"<code>{inline(text).replace(JOINER, '')}</code>" if text else ""


def _entity(match: re.Match[str]) -> str:
    character = match[0]
    return f"&#{ord(character)};" + (JOINER if character in "@#" else "")


def fenced(text: str, language: str) -> str:
    """Several lines as they are, in a fence that they cannot end."""
    lines = visible(text.replace("\r\n", "\n"), keep="\n\t").rstrip("\n")
    longest = max((len(found) for found in re.findall(r"`+|~+", lines)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{lines}\n{fence}"


def has_hidden(text: str) -> bool:
    """Whether not all of it is seen, so that nobody can agree to it by looking."""
    return any(not _seen(character, "\n\t") for character in text)


def plain(text: str) -> str:
    """For the log and for annotations, which are shown as they are: nothing hidden, nothing that the runner obeys."""
    lines = visible(text.replace("\r\n", "\n"), keep="\n\t")
    return RUNNER_COMMAND.sub(lambda found: "## [" if found[0] == "##[" else f"{found[1]}: :", lines)


def link(text: str, server: str, *path: str, anchor: str = "") -> str:
    """A link to a page of the repository; the path is quoted, so that it can lead nowhere else."""
    target = "/".join(quote(part, safe="/", errors="replace") for part in path)
    return f"[{text}]({server}/{target}{f'#{anchor}' if anchor else ''})"
