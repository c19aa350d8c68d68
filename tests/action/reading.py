"""A log as GitHub's runner reads it: which lines it obeys, and which it only shows."""

from __future__ import annotations

import re

COMMAND = re.compile(r"^\s*::([\w-]+)(?: ([^:]*))?::(.*)$")
OLD = re.compile(r"##\[([\w-]+)[^\]]*\]")


def obeyed(log: str) -> list[tuple[str, str, str]]:
    """Name, properties and text of every command; while commands are stopped, only the token is looked for."""
    found: list[tuple[str, str, str]] = []
    token = ""
    for line in re.split(r"\r\n|\r|\n", log):
        if token:
            if line.strip() == f"::{token}::":
                token = ""
            continue
        if match := COMMAND.match(line):
            name, properties, text = match[1], match[2] or "", match[3]
            if name == "stop-commands":
                token = text
            else:
                found.append((name, properties, text))
        found += [(name, "", line) for name in OLD.findall(line)]
    return found
