"""Whether each new migration can be undone: tried with rows in its tables; all objects and rows are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from operations import catalog
from operations.backups.manifest import TableRows
from operations.backups.rows import count_rows
from operations.catalog import Catalog, diff
from operations.errors import StatementFailed
from operations.migrations.formats import FORMATS
from operations.migrations.prisma_folder import DOWN, SCRIPT
from operations.migrations.script import Script
from operations.ports import Progress, Report, Session
from operations.rules.model import Finding
from operations.validation.beyond import beyond
from operations.validation.findings import at, of_file
from operations.validation.model import RollbackProof
from operations.validation.proposing import lost, proposals
from operations.validation.reading import Source
from operations.validation.replay import SETTINGS, Replay, ScriptFailed
from operations.validation.seeds import seed, unseed
from operations.validation.sequences import Positions, positions, put_back
from operations.validation.trial import Trial
from operations.validation.trying import Tried

SHOWN = 10
"""Differences that are told of one undo."""
Rows = Mapping[str, TableRows]


@dataclass
class Proven:
    """What came of it."""

    proofs: list[RollbackProof] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: list[StatementFailed] = field(default_factory=list)
    """What the server said, whether or not it matters."""


class _FailsWithRows(Exception):
    """A migration fails, perhaps only because of rows that were put there for the proof."""

    def __init__(self, error: StatementFailed) -> None:
        super().__init__(error.message)
        self.error = error


def prove(trial: Trial, name: str, tried: Tried, report: Report) -> Proven:
    """What applied, on a database that is as the base. Raises ``ConnectionLost``, ``StatementFailed``."""
    with trial.session(name) as session:
        return _Proving(trial.throwaway, tried, report, session).all()


@dataclass
class _Proving:
    """``seeded``: tables that have got rows first, as they had none."""

    lenient: bool
    tried: Tried
    report: Report
    session: Session
    seeded: set[str] = field(default_factory=set)
    found: Proven = field(default_factory=Proven)

    def all(self) -> Proven:
        place = frozenset({FORMATS[0].place(self.session)})
        sources, session = self.tried.applied, self.session
        for number, source in enumerate(sources):
            self.report(Progress("undoing the new migrations", number, len(sources), "migrations"))
            session.reset(SETTINGS)
            was = positions(session)
            self.seeded.update(seed(session, self._touched(source)))
            before, after = self.tried.catalogs[number : number + 2]

            def one(before: Catalog = before, after: Catalog = after, source: Source = source) -> _One:
                rows, sequences = count_rows(session), positions(session)
                return _One(
                    session, place, source, self.lenient, before, after, self.tried.stamp, rows, sequences,
                    self.found.errors,
                )  # fmt: skip

            try:
                self._prove(one())
            except _FailsWithRows as failed:
                if not self._without_rows(one, was, failed):
                    break
        return self.found

    def _touched(self, source: Source) -> set[str]:
        file = f"{source.migration.name}/{SCRIPT}"
        return {lock.relation for run in self.tried.runs if run.file == file for lock in run.locks}

    def _without_rows(self, one: Callable[[], _One], was: Positions, failed: _FailsWithRows) -> bool:
        """Once more on empty tables; false where the failure has left something behind, or comes again."""
        error = failed.error
        unseed(self.session, self.seeded)
        put_back(self.session, was)
        self.seeded.clear()
        again = one()
        name = again.source.migration.name
        try:
            if not again.stands_as_before():
                raise failed
            self._prove(again)
        except _FailsWithRows:
            self.found.notes.append(f"Undoing {name} was not tried, since a second time it fails: {error.message}")
            return False
        self.found.notes.append(
            f"{name} was undone on empty tables only, since with rows in them it fails: "
            f"{error.message} ({error.sqlstate})"
        )
        return True

    def _prove(self, one: _One) -> None:
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


class _Undone(Exception):
    """Ends a transaction that is only a trial."""


@dataclass
class _One:
    """One migration, on a database as it is before it."""

    session: Session
    place: frozenset[tuple[str, str]]
    source: Source
    lenient: bool
    before: Catalog
    after: Catalog
    stamp: str | None
    """Of the catalog before, where it was tried already, and taken back, on this database."""
    rows: Rows
    sequences: Positions
    errors: list[StatementFailed]

    def by_transaction(self) -> RollbackProof:
        """What it did is taken back before the commit."""
        before = self.stamp or catalog.stamp(self.session)
        self._run(commit=False)
        put_back(self.session, self.sequences)
        differences = self._differences(catalog.stamp(self.session) == before)
        return RollbackProof(
            self.source.migration.name, "transaction", "refuted" if differences else "proved", differences
        )

    def apply(self) -> None:
        """For good."""
        self._run(commit=True)

    def _run(self, *, commit: bool) -> None:
        file = f"{self.source.migration.name}/{SCRIPT}"
        try:
            held_back = () if self.lenient else beyond(self.source)
            Replay(self.session, self.source.script, file, self.lenient, held_back, commit=commit).run()
        except ScriptFailed as failed:
            self.errors.append(failed.error)
            raise _FailsWithRows(failed.error) from failed

    def stands_as_before(self) -> bool:
        """Whether the schema is what it was before the migration."""
        return not diff(self.before, catalog.read(self.session, self.place))

    def by_down(self, down: Script) -> tuple[RollbackProof, Finding | None]:
        """By what a person wrote."""
        name, file = self.source.migration.name, f"{self.source.migration.name}/{DOWN}"
        if not down.verdict.atomic:
            why = f"it cannot run in one transaction, so a deploy will not use it: {down.verdict.reason}"
            finding = at(
                "down-not-atomic", "warning", file, down.text, 0, f"{file} is of no use: {why}.",
                "Write it so that it can run in one transaction, or leave it out.",
            )  # fmt: skip
            return RollbackProof(name, "down", "unproved", (why,)), finding
        try:
            differences = self._undone_by(down.body)
        except StatementFailed as error:
            message = f"It fails: {error.message} ({error.sqlstate})"
            finding = at(
                "down-does-not-undo", "error", file, down.text, error.position or 0, f"{message}.",
                error.server_hint or "Correct it, or leave it out: what Locktender proposes instead is said below.",
            )  # fmt: skip
            return RollbackProof(name, "down", "refuted", (message,)), finding
        if differences:
            told = "; ".join(differences[:3])
            finding = of_file(
                "down-does-not-undo", "error", file, f"After it the database is not what it was before: {told}.",
                "Correct it, or leave it out: then the backup from before is the way back.",
            )  # fmt: skip
            return RollbackProof(name, "down", "refuted", differences), finding
        return self._proved("down", None), None

    def by_proposal(self) -> RollbackProof | None:
        """By a script of ours, where one leads back."""
        ((schema, _),) = self.place
        for text in proposals(self.source.script, self.before, self.after, schema):
            try:
                if not self._undone_by(text):
                    return self._proved("proposed", text)
            except StatementFailed:
                continue
        return None

    def _proved(self, method: str, text: str | None) -> RollbackProof:
        gone = lost(self.before, self.after)
        name = self.source.migration.name
        head = f"-- Undoes {_printable(name)}: proposed, tried, and found to lead back to the same schema and rows.\n"
        return RollbackProof(
            name,
            "down" if method == "down" else "proposed",
            "lossy" if gone else "proved",
            lost=gone,
            proposal=head + text if text else None,
        )

    def _undone_by(self, text: str) -> tuple[str, ...]:
        """What is not as it was before, once that has run; it is taken back again."""
        found: list[tuple[str, ...]] = []
        try:
            with self._rolled_back("BEGIN"):
                self.session.script(text)
                found.append(self._differences())
        except StatementFailed as error:
            self.errors.append(error)
            raise
        self.session.reset(SETTINGS)
        return found[0]

    def _differences(self, same_schema: bool = False) -> tuple[str, ...]:
        """``same_schema``: where that is known already."""
        return tuple(self._told(same_schema))[:SHOWN]

    def _told(self, same_schema: bool) -> Iterator[str]:
        if not same_schema:
            yield from map(str, diff(self.before, catalog.read(self.session, self.place)))
        rows = count_rows(self.session)
        for table in sorted(self.rows.keys() & rows.keys()):
            was, found = self.rows[table], rows[table]
            if was.rows != found.rows:
                yield f"{table} held {was.rows} rows, and then {found.rows}"
            elif was.hash != found.hash:
                yield f"the rows of {table} are not the same"

    @contextmanager
    def _rolled_back(self, begin: str) -> Iterator[None]:
        try:
            with self.session.transaction(begin):
                yield
                raise _Undone
        except _Undone:
            return


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name)
