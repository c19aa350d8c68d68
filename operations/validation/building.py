"""The base: what has landed, applied to an empty database, from which all others are copied."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from operations import catalog
from operations.catalog import Catalog
from operations.errors import LocktenderError, MigrationFilesError, StatementFailed
from operations.migrations.formats import FORMATS
from operations.migrations.partitioned import outside_where_partitioned
from operations.migrations.prisma_folder import SCRIPT
from operations.migrations.script import place, read_script
from operations.ports import Progress, Report, Session
from operations.validation.beyond import statements_beyond
from operations.validation.folders import Entry
from operations.validation.replay import SETTINGS, LeftOut, Replay, ScriptFailed
from operations.validation.trial import BASE, Trial

APART = ("CONCURRENTLY", "ROLLBACK", "ABORT")
TOLD = 5
"""Problems of the base that are told; more follow from them."""


@dataclass
class Base:
    """``catalog`` is what came of it.

    ``troubles``: what of it could not be applied on the trial server, so that later errors may follow from that.
    ``errors``: what the server said there.
    """

    catalog: Catalog = field(default_factory=lambda: Catalog({}))
    troubles: list[str] = field(default_factory=list)
    errors: list[StatementFailed] = field(default_factory=list)


def build(trial: Trial, landed: Sequence[Entry], report: Report) -> Base:
    """Database ``base`` with all landed migrations.

    What of it was put by is not applied again, if it still is what was put by; otherwise all begins anew.
    """
    kept, first = _as_kept(trial), trial.ready or 0
    base = kept or Base()
    if kept is None:
        first = 0
        if trial.ready is not None:
            trial.renew()
        trial.create(BASE)
    elif first == len(landed):
        return base
    with trial.session(BASE) as session:
        if kept is None:
            FORMATS[0].create_history(session)
        for number, entry in enumerate(landed[first:], start=first):
            report(Progress("applying what has landed", number, len(landed), "migrations"))
            _apply(session, entry, trial.throwaway, base)
        session.reset()
        base.catalog = _catalog(session)
    trial.keep(len(landed), base.troubles, base.catalog.fingerprint)
    return base


def _as_kept(trial: Trial) -> Base | None:
    if trial.ready is None:
        return None
    try:
        with trial.session(BASE) as session:
            found = _catalog(session)
    except LocktenderError:  # of a damaged one the server may say anything, or end
        if trial.stopped:
            raise
        return None
    return Base(found, list(trial.troubles)) if found.fingerprint == trial.fingerprint else None


def _catalog(session: Session) -> Catalog:
    return catalog.read(session, frozenset({FORMATS[0].place(session)}))


def _apply(session: Session, entry: Entry, lenient: bool, base: Base) -> None:
    """As one message, as quickly as it goes; piece by piece where that does not work."""
    if entry.script is None:
        return
    try:
        text = entry.script.decode()
        if lenient and _at_once(session, text):
            return
        script = read_script(entry.name, text)
        script = outside_where_partitioned(session, {entry.name: script})[entry.name]
        beyond = () if lenient else statements_beyond(script)
        harmless = not lenient and not beyond and script.statements is not None
        if harmless and _at_once(session, text):
            return
        session.reset(SETTINGS)
        again = Replay(session, script, f"{entry.name}/{SCRIPT}", lenient, beyond)
        try:
            again.run()
        finally:
            _tell(base, (left_out(again.file, one) for one in again.left_out))
    except ScriptFailed as failed:
        base.errors.append(failed.error)
        where = place(f"{entry.name}/{SCRIPT}", text, failed.offset)
        _tell(base, [f"{where} has landed, and fails: {failed.error.message} ({failed.error.sqlstate})"])
    except (UnicodeDecodeError, MigrationFilesError) as error:
        _tell(base, [f"{entry.name} has landed, and cannot be read: {error}"])


def _at_once(session: Session, text: str) -> bool:
    """In one message with what makes the session as new, unless a statement may have to be alone in its message, or may
    undo what is before it there.
    """
    try:
        if any(word in text.upper() for word in APART):
            session.reset(SETTINGS)
            session.script(text)
        else:
            session.reset(SETTINGS, text)
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
