"""The base: what has landed, applied to an empty database, from which all others are copied."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from operations.errors import MigrationFilesError, StatementFailed
from operations.migrations.formats import FORMATS
from operations.migrations.prisma_folder import SCRIPT
from operations.migrations.script import place, read_script
from operations.ports import Progress, Report, Session
from operations.validation.folders import Entry
from operations.validation.replay import SETTINGS, LeftOut, Replay, ScriptFailed
from operations.validation.trial import Trial

BASE = "base"
TOLD = 5
"""Problems of the base that are told; more follow from them."""


@dataclass
class Base:
    """``troubles``: what of it could not be applied on the trial server, so that later errors may follow from that."""

    troubles: list[str] = field(default_factory=list)
    applied: int = 0


def build(trial: Trial, landed: Sequence[Entry], report: Report) -> Base:
    """Database ``base`` with all landed migrations; what of it was put by is not applied again."""
    base = Base(list(trial.troubles))
    first = trial.ready or 0
    if trial.ready is None:
        trial.create(BASE)
        with trial.session(BASE) as session:
            FORMATS[0].create_history(session)
    if first < len(landed) or trial.ready is None:
        with trial.session(BASE) as session:
            for number, entry in enumerate(landed[first:], start=first):
                report(Progress("applying what has landed", number, len(landed), "migrations"))
                _apply(session, entry, trial.throwaway, base)
                base.applied += 1
        trial.keep(len(landed), base.troubles)
    return base


def _apply(session: Session, entry: Entry, lenient: bool, base: Base) -> None:
    """As one message, as quickly as it goes; piece by piece where that does not work."""
    if entry.script is None:
        return
    try:
        text = entry.script.decode()
        session.reset(SETTINGS)
        if lenient and _at_once(session, text):
            return
        again = Replay(session, read_script(entry.name, text), f"{entry.name}/{SCRIPT}", lenient)
        try:
            again.run()
        finally:
            _tell(base, (left_out(again.file, one) for one in again.left_out))
    except ScriptFailed as failed:
        where = place(f"{entry.name}/{SCRIPT}", text, failed.offset)
        _tell(base, [f"{where} has landed, and fails: {failed.error.message} ({failed.error.sqlstate})"])
    except (UnicodeDecodeError, MigrationFilesError) as error:
        _tell(base, [f"{entry.name} has landed, and cannot be read: {error}"])


def _at_once(session: Session, text: str) -> bool:
    try:
        session.script(text)
        if session.in_transaction:
            session.execute("COMMIT")
    except StatementFailed:
        if session.in_transaction:
            session.execute("ROLLBACK")
        return False
    return True


def left_out(file: str, one: LeftOut) -> str:
    """As a note."""
    s = one.statement
    return (
        f"{file}:{s.line}:{s.column} {s.kind} was left out: {one.why}{f' ({one.error.message})' if one.error else ''}"
    )


def _tell(base: Base, troubles: Iterable[str]) -> None:
    base.troubles += troubles
