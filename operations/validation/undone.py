"""One migration on a database that is as before it: applied, and undone in one way and another, all compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice

from operations import catalog
from operations.backups.manifest import TableRows
from operations.catalog import Catalog, diff
from operations.errors import ConnectionLost, StatementFailed
from operations.migrations.prisma_folder import DOWN
from operations.migrations.script import Script
from operations.ports import Session
from operations.rules.model import Finding
from operations.sequences import Positions, behind, positions, put_back
from operations.validation.beyond import beyond
from operations.validation.findings import at, cut, of_file
from operations.validation.losing import lost
from operations.validation.model import Loss, RollbackProof
from operations.validation.proposing import proposals
from operations.validation.reading import Source
from operations.validation.replay import SETTINGS, Replay, ScriptFailed
from operations.validation.row_counts import rows_of

NEVER = "SELECT 1/0;"
"""What comes after it in the same message is parsed, and does not run."""
SYNTAX_ERROR = "42601"
SHOWN = 10
"""Differences that are told of one undo."""
Rows = Mapping[str, TableRows]


class FailsWithRows(Exception):
    """A migration fails, perhaps only because of rows that were put there for the proof."""

    def __init__(self, error: StatementFailed) -> None:
        super().__init__(error.message)
        self.error = error


class _Undone(Exception):
    """Ends a transaction that is only a trial."""


@dataclass
class Trying:
    """One migration, on a database as it is before it."""

    session: Session
    place: frozenset[tuple[str, str]]
    source: Source
    lenient: bool
    before: Catalog
    after: Catalog
    loss: Loss | None
    """What undoing it takes away."""
    stamp: str | None
    """Of the catalog before, where it was tried already, and taken back, on this database."""
    rows: Rows
    sequences: Positions
    errors: list[StatementFailed]
    answers: Callable[[], bool]
    """Whether the server that has cost us the session is still there."""

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
        file = self.source.migration.file
        try:
            held_back = () if self.lenient else beyond(self.source)
            Replay(self.session, self.source.script, file, self.lenient, held_back, commit=commit).run()
        except ScriptFailed as failed:
            self.errors.append(failed.error)
            raise FailsWithRows(failed.error) from failed

    def stands_as_before(self) -> bool:
        """Whether the schema is what it was before the migration."""
        return not diff(self.before, catalog.read(self.session, self.place))

    def by_down(self, down: Script) -> tuple[RollbackProof, Finding | None]:
        """By what a person wrote. Raises ``ConnectionLost`` where the server went away: the file need not be why."""
        name, file = self.source.migration.name, f"{self.source.migration.name}/{DOWN}"
        if down.statements is None and (wrong := self._syntax_error(down.text)):
            return self._failed(file, down, wrong)
        if not down.verdict.atomic:
            why = f"it cannot run in one transaction, so a deploy will not use it: {down.verdict.reason}"
            finding = at(
                "down-not-atomic", "warning", file, down.text, 0, f"{file} is of no use: {why}.",
                "Write it so that it can run in one transaction, or leave it out.",
            )  # fmt: skip
            return RollbackProof(name, "down", "unproved", (why,)), finding
        try:
            differences = self._undone_by(down.body)
        except (StatementFailed, ConnectionLost) as error:
            if isinstance(error, ConnectionLost) and not self.answers():
                raise
            return self._failed(file, down, error)
        if differences:
            told = "; ".join(differences[:3])
            finding = of_file(
                "down-does-not-undo", "error", file, f"After it the database is not what it was before: {told}.",
                "Correct it, or leave it out: then the backup from before is the way back.",
            )  # fmt: skip
            return RollbackProof(name, "down", "refuted", differences), finding
        return self._proved("down", None), None

    def _failed(
        self, file: str, down: Script, error: StatementFailed | ConnectionLost
    ) -> tuple[RollbackProof, Finding]:
        said = error if isinstance(error, StatementFailed) else None
        message = cut(f"It fails: {error.message}") + (f" ({said.sqlstate})" if said else "")
        finding = at(
            "down-does-not-undo", "error", file, down.text, (said and said.position) or 0, f"{message}.",
            (said and said.server_hint)
            or "Correct it, or leave it out: what Locktender proposes instead is said below.",
        )  # fmt: skip
        return RollbackProof(self.source.migration.name, "down", "refuted", (message,)), finding

    def _syntax_error(self, text: str) -> StatementFailed | None:
        """The server's word on it. It parses all of a message before any of it runs, and here nothing does."""
        try:
            with self._rolled_back("BEGIN"):
                self.session.script(NEVER + text)
        except StatementFailed as error:
            if error.sqlstate != SYNTAX_ERROR:
                return None
            return StatementFailed(
                error.message, sqlstate=error.sqlstate, position=max((error.position or 0) - len(NEVER), 0)
            )
        return None

    def by_proposal(self) -> RollbackProof | None:
        """By a script of ours, where one leads back."""
        ((schema, _),) = self.place
        for text, by_itself in proposals(self.source.script, self.before, self.after, schema):
            try:
                if not self._undone_by(text):
                    return self._proved("proposed", text, by_itself)
            except StatementFailed:
                continue
        return None

    def _proved(self, method: str, text: str | None, by_itself: bool = False) -> RollbackProof:
        gone = lost(self.before, self.after)
        name = self.source.migration.name
        head = f"-- Undoes {_printable(name)}: proposed, tried, and found to lead back to the same schema and rows.\n"
        return RollbackProof(
            name,
            "down" if method == "down" else "proposed",
            "lossy" if gone else "proved",
            lost=gone,
            proposal=head + text if text else None,
            loss=self.loss,
            by_itself=by_itself,
        )

    def _undone_by(self, text: str) -> tuple[str, ...]:
        """What is not as it was before, once that has run, up to all that a commit looks at; it is taken back again."""
        found: list[tuple[str, ...]] = []
        stood = positions(self.session)
        try:
            with self._rolled_back("BEGIN"):
                self.session.script(text)
                self.session.execute("SET CONSTRAINTS ALL IMMEDIATE")
                self.session.reset(SETTINGS)
                found.append(self._differences())
        except StatementFailed as error:
            self.errors.append(error)
            with suppress(ConnectionLost):  # it may have cost the connection; what it said counts
                self._as_they_stood(stood)
            raise
        self._as_they_stood(stood)
        return found[0]

    def _as_they_stood(self, sequences: Positions) -> None:
        """Settings and sequences, which no ROLLBACK takes back."""
        self.session.reset(SETTINGS)
        put_back(self.session, sequences)

    def _differences(self, same_schema: bool = False) -> tuple[str, ...]:
        """``same_schema``: where that is known already."""
        return tuple(map(cut, islice(self._told(same_schema), SHOWN)))

    def _told(self, same_schema: bool) -> Iterator[str]:
        if not same_schema:
            yield from map(str, diff(self.before, catalog.read(self.session, self.place)))
        rows = rows_of(self.session)
        for table in sorted(self.rows.keys() & rows.keys()):
            was, found = self.rows[table], rows[table]
            if was.rows != found.rows:
                yield f"{table} held {was.rows} rows, and then {found.rows}"
            elif was.hash != found.hash:
                yield f"the rows of {table} are not the same"
        yield from behind(self.sequences, positions(self.session))

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
