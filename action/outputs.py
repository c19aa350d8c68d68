"""The files by which a step gives outputs and a summary to the runner."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

NAMES = ("outcome", "run-id", "backup-id", "pending", "applied", "findings", "report-path", "result")
SUMMARY_LIMIT = 1024 * 1024
"""Bytes of a step's summary; GitHub drops a longer one whole."""
JSON = ("pending", "applied", "findings", "result")
"""Those of results out of which secrets were taken before they were written as JSON."""
LARGEST = 1000 * 1024
"""Bytes of all outputs, in UTF-16: GitHub takes 1 MiB for all outputs of a job."""
CUT = "\n\n*The summary ends here: it would be longer than GitHub takes.*\n"


def heredoc(name: str, value: str, delimiter: str) -> str:
    """One entry of the output file. Raises ``ValueError`` if the value holds the delimiter: it could set other ones."""
    if delimiter in value or delimiter in name:
        raise ValueError(f"the value of {name} holds the delimiter")
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"


def fitting(values: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The shortest ones, as long as there is room for them, and the names of the others. Pure."""
    kept: dict[str, str] = {}
    left_out: list[str] = []
    room = LARGEST
    for name, value in sorted(values.items(), key=lambda one: len(one[1])):
        room -= len(value.encode("utf-16-le", errors="surrogatepass"))
        if room >= 0:
            kept[name] = value
        else:
            left_out.append(name)
    return kept, left_out


def write_outputs(path: str | None, values: Mapping[str, str]) -> None:
    """Append all outputs; those without a value are set to nothing, so that a workflow may ask for each."""
    if not path:
        return
    entries = (heredoc(name, values.get(name, ""), f"locktender_{secrets.token_hex(16)}") for name in NAMES)
    with Path(path).open("a", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        file.writelines(entries)


def write_summary(path: str | None, markdown: str) -> None:
    """Append to the step's summary what still fits."""
    if not path:
        return
    there = Path(path).stat().st_size if Path(path).exists() else 0
    with Path(path).open("ab") as file:
        file.write(shortened(markdown + "\n", SUMMARY_LIMIT - there))


def shortened(markdown: str, limit: int) -> bytes:
    """At most ``limit`` bytes, cut at the end of a line. Pure."""
    data = markdown.encode(errors="backslashreplace")
    if len(data) <= limit:
        return data
    room = max(0, limit - len(CUT.encode()))
    kept = data[:room]
    return (kept[: kept.rfind(b"\n") + 1] + CUT.encode())[: max(0, limit)]
