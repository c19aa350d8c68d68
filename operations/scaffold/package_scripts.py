"""Scripts added to a ``package.json``, of which every other character stays as it is. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

SPACE = re.compile(r"[ \t\r\n]*")


def with_scripts(text: str, scripts: Mapping[str, str]) -> str:
    """``text`` with the scripts that it has not yet, behind those that it has; raises ``ValueError`` for no object."""
    package = json.loads(text)
    if not isinstance(package, dict) or not isinstance(package.get("scripts", {}), dict):
        raise ValueError("package.json is no object, or its scripts are none")
    had = package.get("scripts", {})
    new = {name: script for name, script in scripts.items() if name not in had}
    if not new:
        return text
    newline = "\r\n" if "\r\n" in text else "\n"
    step = _step(text)
    members = [f"{json.dumps(name)}: {json.dumps(script)}" for name, script in new.items()]
    span = _member(text, "scripts")
    if span is None:
        body = f",{newline}".join(f"{step * 2}{member}" for member in members)
        added = [f'"scripts": {{{newline}{body}{newline}{step}}}']
        found = _added(text, (_start(text), len(text.rstrip())), added, step, "", newline)
    else:
        found = _added(text, span, members, step * 2, step, newline)
    if json.loads(found) != {**package, "scripts": {**had, **new}}:
        raise ValueError("package.json is laid out in a way that nothing can be added to safely")
    return found


def _added(text: str, span: tuple[int, int], members: list[str], indent: str, closing: str, newline: str) -> str:
    """With members put at the end of the object that ``span`` holds."""
    inside = text[span[0] + 1 : span[1] - 1]
    kept = inside.rstrip(" \t\r\n")
    tail = inside[len(kept) :] if kept else ""
    comma = "," if kept else ""
    if kept and "\n" not in inside:
        joined = ", ".join(members)
        return f"{text[: span[0] + 1]}{kept}, {joined}{tail}{text[span[1] - 1 :]}"
    lines = f",{newline}".join(f"{indent}{member}" for member in members)
    end = tail or f"{newline}{closing}"
    return f"{text[: span[0] + 1]}{kept}{comma}{newline}{lines}{end}{text[span[1] - 1 :]}"


def _start(text: str) -> int:
    return text.index("{")


def _member(text: str, wanted: str) -> tuple[int, int] | None:
    """Where the value of a key of the outermost object begins and ends."""
    decoder, at = json.JSONDecoder(), _skip(text, _start(text) + 1)
    found = None
    while text[at] == '"':
        key, at = decoder.raw_decode(text, at)
        at = _skip(text, _skip(text, at) + 1)
        _, end = decoder.raw_decode(text, at)
        if key == wanted:
            found = (at, end)
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found


def _skip(text: str, at: int) -> int:
    match = SPACE.match(text, at)
    return match.end() if match else at


def _step(text: str) -> str:
    """What a level is indented by; npm's two blanks where it does not show."""
    first = re.search(r"\{\r?\n([ \t]+)\"", text)
    return first[1] if first else "  "
