"""SET that outlives its file."""

from __future__ import annotations

from collections.abc import Iterator

from operations.rules.model import Found, Rule
from operations.rules.source import Source


def _check(source: Source) -> Iterator[Found]:
    open_settings: dict[str, int] = {}
    for one in source.parsed:
        node = one.node
        if type(node).__name__ != "VariableSetStmt":
            continue
        kind = node.kind.name.removeprefix("VAR_")
        if kind == "RESET_ALL":
            open_settings.clear()
        elif kind in ("RESET", "SET_DEFAULT"):
            open_settings.pop(node.name.lower(), None)
        elif kind == "SET_VALUE" and not node.is_local:
            open_settings.setdefault(node.name.lower(), one.statement.start)
    for name, offset in open_settings.items():
        yield Found(f"{name} stays set for whatever the same session runs next.", offset=offset)


RULE = Rule(
    name="leaking-setting",
    severity="note",
    problem="SET without LOCAL holds for the rest of the session, so also for the migrations after this one.",
    help="Use SET LOCAL, or RESET it at the end of the file.",
    check_file=_check,
)
