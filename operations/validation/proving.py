"""Whether each new migration can be undone: tried with rows in its tables, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

from operations.errors import LocktenderError, StatementFailed
from operations.migrations.formats import FORMATS
from operations.ports import Progress, Report, Session
from operations.rules.model import Finding
from operations.rules.schema import Name
from operations.sequences import Positions, positions, put_back
from operations.validation.losing import loss_of
from operations.validation.model import RollbackProof
from operations.validation.reading import Source
from operations.validation.replay import SETTINGS
from operations.validation.row_counts import rows_of
from operations.validation.seeds import seed, unseed
from operations.validation.trial import Trial
from operations.validation.trying import Tried
from operations.validation.undone import FailsWithRows, Trying


@dataclass
class Proven:
    """What came of it."""

    proofs: list[RollbackProof] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: list[StatementFailed] = field(default_factory=list)
    """What the server said, whether or not it matters."""
    broken: LocktenderError | None = None
    """Why not all of it could be tried."""


def prove(
    trial: Trial, name: str, tried: Tried, report: Report, rows: Mapping[Name, int] = MappingProxyType({})
) -> Proven:
    """What applied, on a database that is as the base. Raises what opening a session there raises.

    ``rows``: of an environment's tables, where it was asked.
    """
    with trial.session(name) as session:
        return _Proving(trial.throwaway, tried, report, session, rows, partial(_answers, trial, name)).all()


def _answers(trial: Trial, name: str) -> bool:
    """Whether only a session was ended, or all of them, because a script took too long."""
    if trial.stopped:
        return True
    try:
        with trial.session(name):
            return True
    except LocktenderError:
        return False


@dataclass
class _Proving:
    """``seeded``: tables that have got rows first, as they had none."""

    lenient: bool
    tried: Tried
    report: Report
    session: Session
    known: Mapping[Name, int]
    answers: Callable[[], bool]
    seeded: set[str] = field(default_factory=set)
    found: Proven = field(default_factory=Proven)

    def all(self) -> Proven:
        sources = self.tried.applied
        try:
            place = frozenset({FORMATS[0].place(self.session)})
            for number, source in enumerate(sources):
                self.report(Progress("undoing the new migrations", number, len(sources), "migrations"))
                if not self._one(place, number, source):
                    break
        except LocktenderError as error:
            self.found.broken = error
        return self.found

    def _one(self, place: frozenset[tuple[str, str]], number: int, source: Source) -> bool:
        """Whether the next one can be tried."""
        session = self.session
        session.reset(SETTINGS)
        was = positions(session)
        self.seeded.update(seed(session, self._touched(source)))
        before, after = self.tried.catalogs[number : number + 2]
        loss = loss_of(before, after, self.tried.losing[number], self.known)

        def attempt() -> Trying:
            return Trying(
                session, place, source, self.lenient, before, after, loss, self.tried.stamp, rows_of(session),
                positions(session), self.found.errors, self.answers,
            )  # fmt: skip

        try:
            self._prove(attempt())
        except FailsWithRows as failed:
            return self._without_rows(attempt, was, failed)
        return True

    def _touched(self, source: Source) -> set[str]:
        file = source.migration.file
        return {lock.relation for run in self.tried.runs if run.file == file for lock in run.locks}

    def _without_rows(self, attempt: Callable[[], Trying], was: Positions, failed: FailsWithRows) -> bool:
        """Once more on empty tables; false where the failure has left something behind, or comes again."""
        error = failed.error
        unseed(self.session, self.seeded)
        put_back(self.session, was)
        self.seeded.clear()
        again = attempt()
        name = again.source.migration.name
        try:
            if not again.stands_as_before():
                raise failed
            self._prove(again)
        except FailsWithRows:
            self.found.notes.append(f"Undoing {name} was not tried, since a second time it fails: {error.message}")
            return False
        self.found.notes.append(
            f"{name} was undone on empty tables only, since with rows in them it fails: "
            f"{error.message} ({error.sqlstate})"
        )
        return True

    def _prove(self, one: Trying) -> None:
        name = one.source.migration.name
        if one.source.script.verdict.atomic:
            self.found.proofs.append(one.by_transaction())
        one.apply()
        written = one.source.down
        if written is not None:
            proof, finding = one.by_down(written)
            self.found.proofs.append(proof)
            self.found.findings += [finding] if finding else []
            if proof.state in ("proved", "lossy"):
                return
        proposed = one.by_proposal()
        if proposed:
            self.found.proofs.append(proposed)
        elif written is None:
            self.found.proofs.append(RollbackProof(name, "swap", "unproved"))
