"""``locktender audit …``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.desk import Desk
from cli.options import VerbGroup, verb
from cli.output import Answer
from operations.approvals.words import one_line
from operations.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from operations.approvals.change import Verified
    from operations.approvals.model import AuditEntry


@click.group("audit", cls=VerbGroup)
def command() -> None:
    """Look at the ledger: who asked, who agreed, what came of it; and whether anybody has tampered with it.

    The ledger is where LOCKTENDER_LEDGER_URL says.
    """


@verb("list", "locktender audit list\nlocktender audit list --request 4fJb2mB1tKqXw0aZ --json")
@click.option("--request", "request_id", metavar="ID", help="Only what belongs to this request.")
@click.option("--after", metavar="N", type=int, default=0, help="Only entries behind number N.")
@click.option("--limit", metavar="N", type=click.IntRange(1), default=100, show_default=True, help="The latest N.")
def list_(desk: Desk, request_id: str | None, after: int, limit: int) -> Answer:
    """List the latest entries of the audit log, the oldest of them first."""
    entries = desk.ledger().audit_latest(after, limit, request_id)
    told = [_told(entry) for entry in entries]
    return Answer({"entries": told}, lambda: _lines(told))


@verb(
    "verify",
    'locktender audit verify\nlocktender audit verify --head "$(cat head.txt)"',
)
@click.option("--head", "kept", metavar="SEQ:HASH", help="The head of an earlier time: shows what was cut off since.")
def verify(desk: Desk, kept: str | None) -> Answer:
    """Check the whole audit log: that no entry was changed, moved or removed, and that the requests agree with it.

    Keep the head that it prints somewhere else: with --head, even entries cut off at the end are found. Exit 1: it is
    not intact.
    """
    from operations.approvals import audit

    found = audit.verify(desk.ledger(), kept)
    return Answer(found, lambda: _verified(found), ExitCode.DONE if found.intact else ExitCode.NO)


@verb("export", "locktender audit export audit.jsonl")
@click.argument("file", metavar="FILE")
def export(desk: Desk, file: str) -> Answer:
    """Write the whole audit log to a new file, a JSON object a line, so that others can compute its hashes, too."""
    from msgspec.structs import asdict

    from operations.approvals import audit

    count, head, ledger = 0, None, desk.ledger()
    try:
        with Path(file).open("x", encoding="utf-8") as lines:
            for page in audit.pages(ledger):
                lines.writelines(json.dumps(asdict(entry)) + "\n" for entry in page)
                count, head = count + len(page), f"{page[-1].seq}:{page[-1].hash}"
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}.", hint="Name another file.") from None
    told = {"path": file, "entries": count, "head": head}
    return Answer(told, lambda: [f"{count} entries in {file}.", *([f"head: {head}"] if head else [])])


for each in (list_, verify, export):
    command.add_command(each)


def _told(entry: AuditEntry) -> dict[str, Any]:
    return {"seq": entry.seq, "at": entry.at, **json.loads(entry.body), "hash": entry.hash}


def _lines(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not entries:
        yield "The audit log is empty."
    for one in entries:
        what = " ".join(str(one[key]) for key in ("operation", "environment", "request") if key in one)
        by = f" by {one['person']} ({one['account']})" if "person" in one else ""
        why = f": {one_line(str(one['reason']))}" if "reason" in one else ""
        yield f"{one['seq']:>6}  {one['at'][:19]}Z  {one['event']}  {what}{by}{why}"


def _verified(found: Verified) -> Iterator[str]:
    if found.intact:
        yield f"The audit log is intact: {found.entries} entries."
    else:
        yield "The audit log is NOT intact."
    yield from (f"  {problem}" for problem in found.problems)
    if found.head:
        yield f"head: {found.head}"
