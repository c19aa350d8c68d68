"""What a document shows below a command, against what is said: to the letter, but for what differs each time.

``…`` stands for anything within a line, and alone on a line for any lines. Times, dates, numbers with decimals and
those with a unit of time or size may be others. So may ids of runs and backups, but always the same other one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

ID = r"\d{8}T\d{6}Z-[0-9a-f]{6}"
PARTS = re.compile(
    rf"(?P<id>{ID})|(?P<any>…)|(?P<time>\d{{4}}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z?)?|\d\d:\d\d:\d\d)"
    r"|(?P<unit>\d[\d,.]* (?:ns|ms|s|min|h|d|B|kB|MB|GB)\b)|(?P<decimal>\d+\.\d+)|(?P<hash>\b[0-9a-f]{12,64}\b)"
    r"|(?P<space>\s+)"
)
PATTERNS = {
    "any": r".*",
    "time": r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z?)?|\d\d:\d\d:\d\d",
    "unit": r"\d[\d,.]* (?:ns|ms|s|min|h|d|B|kB|MB|GB)",
    "decimal": r"\d+(?:\.\d+)?",
    "hash": r"[0-9a-f]{12,64}",
    "space": r"\s+",
}


@dataclass
class Comparison:
    """``ids``: those of the document, and what they are in this run."""

    ids: dict[str, str] = field(default_factory=dict)

    def typed(self, command: str) -> str:
        """A command with this run's ids."""
        return re.sub(ID, lambda found: self.ids.get(found[0], found[0]), command)

    def difference(self, shown: Sequence[str], said: Sequence[str]) -> str | None:
        """The first shown line that was not said; ``None`` where all is as shown."""
        shown = [line.rstrip() for line in shown if line.strip()]
        said = [line.rstrip() for line in said if line.strip()]
        at, skipping = 0, False
        for line in shown:
            if line.strip() in ("…", "..."):
                skipping = True
                continue
            while at < len(said) and not self._is(line, said[at]):
                if not skipping:
                    return f"shown: {line}\nsaid:  {said[at]}"
                at += 1
            if at == len(said):
                return f"shown, and not said: {line}"
            at, skipping = at + 1, False
        return None if skipping or at == len(said) else f"said, and not shown: {said[at]}"

    def _is(self, shown: str, said: str) -> bool:
        pattern, last, new = "", 0, []
        for part in PARTS.finditer(shown):
            pattern += re.escape(shown[last : part.start()])
            last = part.end()
            if part.lastgroup != "id":
                pattern += f"(?:{PATTERNS[str(part.lastgroup)]})"
            elif part[0] in self.ids:
                pattern += re.escape(self.ids[part[0]])
            elif part[0] in new:
                pattern += rf"(?P=i{new.index(part[0])})"
            else:
                pattern += rf"(?P<i{len(new)}>{ID})"
                new.append(part[0])
        found = re.fullmatch(rf"\s*{pattern}{re.escape(shown[last:])}\s*", said)
        if found is None:
            return False
        self.ids |= {name: found[f"i{number}"] for number, name in enumerate(new)}
        return True
