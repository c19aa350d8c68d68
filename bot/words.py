"""What was typed after the slash command or the bot's name, as a verb and what it is about. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from msgspec import Struct

from operations.settings import APPROVABLE

MENTION = re.compile(r"<@[A-Z0-9]+(\|[^>]*)?>")
LONGEST = 2000
"""Characters of a command that are looked at."""


class Verb(Struct, frozen=True):
    """A word of the command: what it does in a line, and what may follow it."""

    name: str
    does: str
    usage: str = ""
    several: bool = False
    """Whether it means every environment where none is named."""

    @property
    def asks(self) -> bool:
        """Whether it is an operation, for which a policy may be written, and not only a look."""
        return self.name in APPROVABLE


VERBS = (
    Verb("status", "migrations, last backup, health, and who is doing what"),
    Verb("check", "the health check, with what to do about each finding"),
    Verb("backups", "the backups there are"),
    Verb("backup", "take a backup now"),
    Verb("verify", "read a backup through; or restore it for a test", "[BACKUP]"),
    Verb("restore", "bring a backup back; what is live now is kept", "[BACKUP]"),
    Verb("deploy", "apply what is pending, and start the new version", "[REF]"),
    Verb("rollback", "back to the state before the last deploy"),
    Verb("history", "what was asked for, who agreed, what came of it", several=True),
    Verb("pending", "all that waits for somebody", several=True),
    Verb("freeze", "stop deploys for a while", "[2h] [REASON]"),
    Verb("unfreeze", "let deploys through again"),
    Verb("report", "what happened in the last days, as a page"),
    Verb("help", "this list", several=True),
)
BY_NAME = {verb.name: verb for verb in VERBS}


class Asked(Struct, frozen=True):
    """``environment`` is one there is, or ``None`` where none was named; ``rest`` the words after it."""

    verb: Verb
    environment: str | None = None
    rest: str = ""


class Misunderstood(Struct, frozen=True):
    """``message`` says why, for the one who typed it; ``meant`` is a guess at the verb."""

    message: str
    meant: str | None = None


def parse(text: str, environments: Sequence[str]) -> Asked | Misunderstood:
    """``restore production latest`` → restore, of production, with the rest ``latest``. Nothing at all is ``help``."""
    words = MENTION.sub(" ", text[:LONGEST]).split()
    if not words:
        return Asked(BY_NAME["help"])
    verb = BY_NAME.get(words[0].lower())
    if verb is None:
        close = difflib.get_close_matches(words[0].lower(), BY_NAME, n=1)
        return Misunderstood(f"There is no {words[0][:40]!r}.", close[0] if close else None)
    named = words[1] if len(words) > 1 and words[1] in environments else None
    rest = words[2:] if named else words[1:]
    if named is None and rest and not verb.usage:
        known = ", ".join(environments)
        return Misunderstood(f"There is no environment {rest[0][:40]!r}. There is: {known}.", verb.name)
    only = environments[0] if len(environments) == 1 and not verb.several else None
    return Asked(verb, named or only, " ".join(rest))


def time_and_reason(rest: str) -> tuple[str | None, str]:
    """``2h launch day`` → (``2h``, ``launch day``); without a duration first: (``None``, all of it)."""
    first, _, more = rest.partition(" ")
    return (first, more.strip()) if re.fullmatch(r"(\d+(\.\d+)?(m|h|d|w))+", first) else (None, rest)
