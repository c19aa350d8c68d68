"""The new migrations, tried one after the other on a database that is as the base: what each does, where it fails."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from operations import catalog
from operations.catalog import Catalog
from operations.errors import StatementFailed
from operations.migrations.formats import FORMATS
from operations.ports import Progress, Report, Session
from operations.rules.model import Finding
from operations.sequences import positions, put_back
from operations.validation.beyond import beyond
from operations.validation.building import Base, left_out
from operations.validation.excuses import may_follow
from operations.validation.findings import at
from operations.validation.losing import losing
from operations.validation.model import RollbackProof, StatementRun
from operations.validation.reading import Source
from operations.validation.replay import LeftOut, Replay, ScriptFailed, TransactionEnded
from operations.validation.row_counts import rows_of

FIRST_LINES = 3
NAMED = "--shadow-url (in the Action: database-url)"


@dataclass
class Tried:
    """``catalogs``: before the first, and after each migration that could be applied."""

    catalogs: list[Catalog]
    runs: list[StatementRun] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    applied: list[Source] = field(default_factory=list)
    errors: list[StatementFailed] = field(default_factory=list)
    """What the server said where a migration failed."""
    incomplete: bool = False
    stamp: str | None = None
    """Of the catalog before, where the try must have left nothing of itself; ``None`` where it stays."""
    losing: list[Mapping[str, int]] = field(default_factory=list)
    """Of each migration that could be applied: the tables whose rows its undoing takes something from, with their
    rows.
    """
    proofs: list[RollbackProof] = field(default_factory=list)
    """Of those that showed already here that they cannot be taken back."""


def try_out(
    session: Session, sources: Sequence[Source], lenient: bool, base: Base, report: Report, *, commit: bool = True
) -> Tried:
    """Until the first that fails; without ``commit`` an atomic one leaves nothing.

    Raises ``ConnectionLost``, ``StatementFailed``.
    """
    place = frozenset({FORMATS[0].place(session)})
    tried = Tried([base.catalog], incomplete=bool(base.troubles), stamp=None if commit else catalog.stamp(session))
    was = {} if commit else positions(session)

    def read() -> None:
        tried.catalogs.append(catalog.read(session, place))
        tried.losing.append(_rows(session, losing(*tried.catalogs[-2:])))

    for number, source in enumerate(sources):
        report(Progress("trying the new migrations", number, len(sources), "migrations"))
        file = source.migration.file
        held_back = () if lenient else beyond(source)
        replay = Replay(session, source.script, file, lenient, held_back, commit=commit, then=read)
        try:
            replay.run()
        except ScriptFailed as failed:
            tried.incomplete = tried.incomplete or bool(replay.left_out)
            _failed(tried, source, file, failed)
            if isinstance(failed, TransactionEnded):
                tried.proofs.append(RollbackProof(source.migration.name, "transaction", "refuted", (str(failed),)))
            _not_tried(tried, sources[number + 1 :])
            return tried
        finally:
            tried.runs += replay.runs
            _left_out(tried, file, source, replay.left_out)
        tried.applied.append(source)
    put_back(session, was)
    session.rows("SELECT pg_catalog.pg_advisory_unlock_all()")  # this session may end only after the next has begun
    return tried


def _rows(session: Session, names: Collection[str]) -> Mapping[str, int]:
    """How many each of the tables has, where they can be counted."""
    try:
        return {name: found.rows for name, found in rows_of(session, names, hashed=False).items()} if names else {}
    except StatementFailed:
        return {}


def _failed(tried: Tried, source: Source, file: str, failed: ScriptFailed) -> None:
    error = failed.error
    tried.errors.append(error)
    if tried.incomplete and may_follow(error):
        tried.notes.append(
            f"{file} could not be tried to its end: {error.message} ({error.sqlstate}). That may well come from what "
            f"was left out before. With {NAMED} it is tried on a server that has all of it."
        )
        return
    tried.findings.append(failure(file, source.script.text, failed))


def failure(file: str, text: str, failed: ScriptFailed) -> Finding:
    """As a finding, at its place."""
    error = failed.error
    message = f"{error.message} ({error.sqlstate})." + (f" {error.detail}" if error.detail else "")
    help = error.server_hint or _advice(error)
    return at("does-not-apply", "error", file, text, failed.offset, message, help, failed.end)


def _advice(error: StatementFailed) -> str:
    return _ADVICE.get(error.sqlstate) or _BY_CLASS.get(error.sqlstate[:2], "Correct the statement.")


def _not_tried(tried: Tried, sources: Sequence[Source]) -> None:
    if sources:
        names = ", ".join(source.migration.name for source in sources[:FIRST_LINES])
        more = f" and {len(sources) - FIRST_LINES} more" if len(sources) > FIRST_LINES else ""
        tried.notes.append(f"Not tried, since one before did not apply: {names}{more}.")


def _left_out(tried: Tried, file: str, source: Source, found: Sequence[LeftOut]) -> None:
    for one in found:
        tried.incomplete = True
        elsewhere = f" Give {NAMED} to try it on a server that can." if one.error else ""
        tried.notes.append(f"{left_out(file, one)}.{elsewhere}")
        if one.error and "extension" not in one.why:
            s = one.statement
            tried.findings.append(
                at(
                    "not-tried", "warning", file, source.script.text, s.start,
                    f"{s.kind} was left out of the trial: {one.error.message} ({one.error.sqlstate}).",
                    "It needs rights beyond the own database, or a role that only your server has. Does the role that "
                    f"deploys have them? Give {NAMED} to try it out.", s.end,
                )
            )  # fmt: skip


_ADVICE = {
    "42P01": "Is the table created in a migration that sorts before this one? Names are case-sensitive in quotes.",
    "42703": "Is the column's name written as in the schema? Names are case-sensitive in quotes.",
    "42P07": "It exists already in what has landed. Was it added by another migration meanwhile?",
    "42701": "It exists already in what has landed. Was it added by another migration meanwhile?",
    "42710": "It exists already in what has landed. Was it added by another migration meanwhile?",
    "42601": "Correct the syntax; the place is where PostgreSQL's parser gave up.",
    "55P04": "Add the enum value in a migration of its own, before the one that uses it.",
    "25001": "Put the statement into a migration of its own.",
    "2BP01": "Other objects need it: drop those first.",
}
_BY_CLASS = {
    "23": "Rows of earlier migrations break it: correct them in a migration before.",
    "42": "Does what has landed define what the statement names?",
}
