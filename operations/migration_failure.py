"""Why a migration failed, in words: where in its file, who stood in its way, whose turn it is now. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from operations.blockers import Blocker
from operations.errors import HistoryConflict, MigrationFailed, StatementFailed
from operations.migrations.script import Script, place
from operations.transient import TRANSIENT

OUT_OF_MEMORY, LOCK_TABLE = "53200", "max_locks_per_transaction"
"""Out of room for locks, which the server's hint tells from other lack of memory: it is given back by a commit, too."""
MEND = "It was not applied, so its file may be changed: mend it, and deploy again."
AGAIN = "That is not the file's fault, and the file must stay as it is: mend the cause, and deploy again."

AT_THE_END = (
    "It shows only once all of them have run, so no file can be named. None was applied, so they may be changed: mend "
    "what they do there, and deploy again."
)


def failed(name: str, error: StatementFailed, at: object | None) -> MigrationFailed:
    """Of migration ``name``, ``at`` a place in its file; both are empty for what is in no file."""
    more = " ".join(part for part in (error.detail, error.server_hint) if part)
    return MigrationFailed(
        (f"{at}: " if at else "") + f"{error.message} ({error.sqlstate})." + (f" {more}" if more else ""),
        hint=AGAIN if _is_of_the_server(error.sqlstate) else MEND if name else AT_THE_END,
        prisma_code="P3018",
        details={"migration": name, "sqlstate": error.sqlstate, "reason": error.message, "place": str(at or "")},
    )


def history_changed(names: Sequence[str], error: HistoryConflict) -> MigrationFailed:
    """One of the migrations ``names`` has made the history unusable, in which it is to be recorded."""
    alone = len(names) == 1
    who = names[0] if alone else f"One of {', '.join(names)}"
    return MigrationFailed(
        f"{who} changes the table in which migrations are recorded: {error.message}",
        hint="Take that out of its file, and deploy again.",
        prisma_code="P3018",
        details={"migration": names[0] if alone else "", "reason": error.message},
    )


def spot(script: Script, file: str, error: StatementFailed, offset: int) -> object:
    """Where in the file it failed: by the server's word, else the statement that it was at, counted from ``offset``."""
    if error.position is not None:
        return place(file, script.text, offset + error.position)
    within = [one for one in script.body_statements if one.start >= offset]
    index = min(error.statement, len(within) - 1)
    return place(file, script.text, within[index].start if within else offset)


def lacks_locks(error: MigrationFailed) -> bool:
    """Whether there was no more room for locks."""
    return error.details.get("sqlstate") == OUT_OF_MEMORY and LOCK_TABLE in error.message


def _is_of_the_server(sqlstate: str) -> bool:
    """Whether it says nothing of the file: locks, rights, and classes 53, 57 and 58 (resources, operators, system)."""
    return sqlstate in (*TRANSIENT, "42501") or sqlstate[:2] in ("53", "57", "58")


def told_of(error: MigrationFailed, blockers: Sequence[Blocker]) -> MigrationFailed:
    """The same error with who stood in the way."""
    if not blockers or error.details.get("sqlstate") not in TRANSIENT:
        return error
    return MigrationFailed(
        error.message + " It waited for " + "; ".join(str(blocker) for blocker in blockers) + ".",
        hint=f"Wait for that transaction to end, or end it{_how(blockers)}; then deploy again.",
        prisma_code=error.prisma_code,
        details={**error.details, "blockers": [blocker.pid for blocker in blockers]},
    )


def _how(blockers: Sequence[Blocker]) -> str:
    """Of a prepared transaction it is told with its name."""
    return " with SELECT pg_terminate_backend(PID)" if any(blocker.pid for blocker in blockers) else ""
