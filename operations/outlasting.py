"""What runs have done beyond their database (``migrations.beyond``), and what of it stands after the way back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from operations.context import Context
from operations.errors import LocktenderError
from operations.migrations.beyond import Beyond, beyond
from operations.migrations.model import Format, HistoryRow, Migration
from operations.migrations.script import Script, Statement, read_script
from operations.ports import Session
from operations.quoting import identifier
from operations.reality import Reality
from operations.segments import TRANSACTION_COMMANDS, segments_of
from operations.traces import Trace

_STANDING = {
    "database": "SELECT FROM pg_database WHERE datname = %s",
    "role": "SELECT FROM pg_roles WHERE rolname = %s",
    "tablespace": "SELECT FROM pg_tablespace WHERE spcname = %s",
}


class _Done(Struct, frozen=True):
    """A statement that was run; ``surely`` or perhaps, where the run ended in it."""

    migration: str
    line: int
    did: Beyond
    surely: bool


def outlasting(context: Context, traces: Sequence[Trace], reality: Reality, format: Format) -> tuple[str, ...]:
    """As sentences. ``reality`` is from before the way back."""
    if not any(row_id in reality.rows for trace in traces for row_id in trace.row_ids.values()):
        return ()  # nothing was committed
    folder = {m.name: m for m in format.read(context.files, context.environment.migrations)}
    done = [one for trace in traces for one in _done(trace, reality, folder)]
    if not done:
        return ()
    try:
        with context.database.session(purpose="look") as session:
            return tuple(said for one in done if (said := _told(one, session)))
    except LocktenderError as error:
        return tuple(f"{one.did.what} ({_place(one)}) may stand, which cannot be seen: {error.message}" for one in done)


def stood(session: Session, statements: Sequence[Statement]) -> bool:
    """Whether what they would make or drop beyond the database is there, or gone, before they are run."""
    return any(did.object is not None and _stands(session, did) == did.makes for _, did in beyond(statements))


def _stands(session: Session, did: Beyond) -> bool:
    return did.object is not None and bool(session.rows(_STANDING[did.object], (did.name,)))


def _done(trace: Trace, reality: Reality, folder: dict[str, Migration]) -> Iterator[_Done]:
    for name, row_id in trace.row_ids.items():
        row, migration = reality.rows.get(row_id), folder.get(name)
        if row is None or migration is None or migration.checksum != trace.checksums.get(name):
            continue
        script = read_script(name, migration.script or "")
        did = {statement.start: what for statement, what in beyond(script.statements or ())}
        for statement, surely in _run(script, row, trace, name) if did else ():
            if statement.start in did:
                yield _Done(name, statement.line, did[statement.start], surely)


def _run(script: Script, row: HistoryRow, trace: Trace, name: str) -> Iterator[tuple[Statement, bool]]:
    """The statements that were run, as row and journal tell."""
    if script.statements is None:
        return
    if row.finished_at is not None:
        yield from ((statement, True) for statement in script.statements)
        return
    begun = {facts["piece"]: facts for facts in trace.statements if facts["migration"] == name}
    latest = max(begun, default=0)
    commands = any(statement.kind in TRANSACTION_COMMANDS for statement in script.statements)
    # Then each statement was sent by itself, or all in one message, and a ROLLBACK may have followed.
    whole = commands and latest <= 1 and all(statement.transactional for statement in script.statements)
    pieces = [(one,) for one in script.statements] if commands else [one.statements for one in segments_of(script)]
    for number, statements in enumerate(pieces, start=1):
        if whole or number <= max(latest, row.applied_steps):
            surely = not commands and (number <= row.applied_steps or number < latest)
            if surely or not begun.get(1 if whole else number, {}).get("stood"):
                yield from ((statement, surely) for statement in statements)


def _told(one: _Done, session: Session) -> str | None:
    did, was = one.did, "was" if one.surely else "was perhaps"
    if did.object is None:
        return f"{did.what} ({_place(one)}) {was} done, and is not taken back, unless a down.sql did so."
    stands = _stands(session, did)
    if stands != did.makes:
        return None
    subject = f"{did.object} {did.name!r} {was}"
    if stands:
        away = f"DROP {did.object.upper()} {identifier(did.name)}"
        return f"{subject} made by {_place(one)}, and stands: {away} takes it away."
    return f"{subject} dropped by {_place(one)}: no backup of this database holds it."


def _place(one: _Done) -> str:
    return f"{one.migration}, line {one.line}"
