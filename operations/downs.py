"""Undo migrations by their ``down.sql`` or by the inverse of each statement, in one transaction, and only with proof.

The proof, before the commit: the schema's fingerprint is what it was at the restore point, and so are the rows of every
table that the run itself had written to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from operations import catalog, writes
from operations.applying import STEADY, history_table, is_transient
from operations.backup import load_intact
from operations.backups.manifest import TableRows
from operations.backups.rows import count_table, fix_settings
from operations.backups.tables import read_tables
from operations.context import Context
from operations.counting import counted, tables_written
from operations.errors import StatementFailed
from operations.journal import Journal, records
from operations.leftovers import Outside, drop_new_invalid_indexes
from operations.migrations.inverse import inverse
from operations.migrations.model import Format, HistoryRow, Migration
from operations.migrations.script import Script, Statement, read_script
from operations.ports import Session
from operations.quoting import identifier
from operations.segments import TRANSACTION_COMMANDS, commits_itself, segments_of
from operations.traces import RestorePoint, Trace
from operations.writes import Counters, Written

LAG = 12.0
"""Seconds: an idle session adds its counts after ten at the latest."""


class NotThisWay(Exception):
    """Why this rung of the ladder does not hold; never leaves the undoing."""


@dataclass(frozen=True)
class Down:
    """The script that undoes one migration, or the part of it that was committed."""

    migration: str
    script: str


def go_down(
    context: Context,
    journal: Journal,
    traces: Sequence[Trace],
    session: Session,
    format: Format,
    written: Written,
    *,
    completed: bool,
    accept_data_loss: bool,
) -> bool:
    """Undo the runs (newest first) by scripts; returns whether nothing was lost by it.

    ``completed``: some of them had come to their end, so that applications may use what they had added.

    Raises ``NotThisWay``, with the database as it was, where that cannot be done or proven.
    """
    rows = {row.id: row for row in format.history(session) or ()}
    folder = {migration.name: migration for migration in format.read(context.host, context.environment.migrations)}
    downs = [down for trace in traces for down in downs_of(trace, rows, folder, _in_doubt(trace, rows, session))]
    attempt = _Attempt(
        context,
        journal,
        traces,
        session,
        format,
        rows,
        written,
        completed,
        accept_data_loss,
        _lagging(context, session, LAG if completed else 0.0),
    )
    try:
        for retry in Retrying(
            stop=stop_after_attempt(context.environment.attempts),
            wait=wait_random_exponential(multiplier=0.5, max=5.0),
            retry=retry_if_exception(is_transient),
            sleep=context.clock.sleep,
            reraise=True,
        ):
            with retry:
                return attempt.perform(downs)
    except StatementFailed as error:
        raise NotThisWay(f"undoing it by script failed ({error.message})") from error
    raise AssertionError("tenacity either returns or raises")


def _lagging(context: Context, session: Session, patience: float) -> tuple[str, ...]:
    """Sessions whose counts are not in yet, after waiting for those that have only just become idle."""
    until = context.clock.now() + patience
    while (found := writes.lagging(session)) and context.clock.now() < until:
        context.clock.sleep(0.5)
    return found


def _in_doubt(trace: Trace, rows: Mapping[str, HistoryRow], session: Session) -> int:
    """How many pieces were done without being recorded: one, if the last statement outside of transactions was."""
    if not trace.statements or "outside" not in trace.statements[-1]:
        return 0
    last = trace.statements[-1]
    row = rows.get(trace.row_ids[last["migration"]])
    if row is None or row.finished_at is not None or row.applied_steps >= last["piece"]:
        return 0
    before = Outside.from_json(last["outside"])
    drop_new_invalid_indexes(session, before)
    return 0 if Outside.read(session).same_as(before) else 1


def downs_of(
    trace: Trace, rows: Mapping[str, HistoryRow], folder: Mapping[str, Migration], in_doubt: int = 0
) -> Iterator[Down]:
    """Scripts that undo what of the run is committed, latest first. Pure; raises ``NotThisWay``.

    ``in_doubt``: pieces of an unfinished migration that are done, but not recorded in its row.
    """
    for name, row_id in reversed(tuple(trace.row_ids.items())):
        row, migration = rows.get(row_id), folder.get(name)
        if row is None or row.rolled_back_at is not None:
            continue
        if migration is None or migration.script is None or migration.checksum != trace.checksums.get(name):
            raise NotThisWay(f"the folder no longer holds {name} as it was applied")
        journalled = {s["piece"]: s["undo"] for s in trace.statements if s["migration"] == name and s.get("undo")}
        yield Down(name, _down(migration, row, in_doubt, journalled))


def _down(migration: Migration, row: HistoryRow, in_doubt: int, journalled: Mapping[int, str]) -> str:
    finished = row.finished_at is not None
    if finished and migration.down is not None:
        return migration.down
    script = read_script(migration.name, migration.script or "")
    if not finished and (script.statements is None or commits_itself(script)):
        return ""  # how far it came is not known; if nothing of it stayed, the proof will tell
    if script.statements is None:
        raise NotThisWay(f"{migration.name} has no down.sql and could not be parsed")
    if script.verdict.atomic:
        return _inverses(migration.name, script, script.statements)
    pieces = segments_of(script)
    done = pieces if finished else pieces[: row.applied_steps + in_doubt]
    numbered = reversed(tuple(enumerate(done, start=1)))
    return ";\n".join(journalled.get(n) or _inverses(migration.name, script, piece.statements) for n, piece in numbered)


def _inverses(name: str, script: Script, statements: Sequence[Statement]) -> str:
    found = []
    for statement in reversed(statements):
        if statement.kind in TRANSACTION_COMMANDS or not script.body[statement.start : statement.end].strip():
            continue
        undone = inverse(statement.text)
        if undone is None:
            raise NotThisWay(f"{name} has no down.sql, and its {statement.kind} has no inverse")
        found.append(undone)
    return ";\n".join(found)


@dataclass(frozen=True)
class _Attempt:
    context: Context
    journal: Journal
    traces: Sequence[Trace]
    session: Session
    format: Format
    rows: Mapping[str, HistoryRow]
    written: Written
    completed: bool
    accept_data_loss: bool
    lagging: tuple[str, ...]

    @property
    def point(self) -> RestorePoint:
        point = self.traces[-1].restore_point
        if point is None:
            raise NotThisWay("there is no restore point to compare with")
        return point

    def perform(self, downs: Sequence[Down]) -> bool:
        exclude = history_table(self.session, self.format)
        self._settle_session()
        runs = [trace.run_id for trace in self.traces]
        with counted(self.session, self.journal, "BEGIN", "undoing", method="down", runs=runs):
            for down in downs:
                self._run(down)
            self._forget()
            own = writes.own(self.session)
            lossless = self._loses_nothing(own)
            if not (lossless or self.accept_data_loss):
                raise NotThisWay(f"others have written to tables that undoing it would change ({self.written})")
            self._prove_schema(exclude)
            if not self.accept_data_loss:
                self._prove_rows()
        return lossless

    def _run(self, down: Down) -> None:
        if not down.script.strip():
            return
        if not read_script(down.migration, down.script).verdict.atomic:
            raise NotThisWay(f"the script that undoes {down.migration} cannot run in a transaction")
        self.session.script(down.script)
        self._settle_session()

    def _forget(self) -> None:
        ids = [row_id for trace in self.traces for row_id in trace.row_ids.values()]
        if self.format.history(self.session) is None:
            return
        self.format.forget(self.session, ids)
        if not self.point.had_history and not self.format.history(self.session):
            ((schema,),) = self.session.rows("SELECT current_schema()")
            self.session.execute(f"DROP TABLE {identifier(schema, self.format.history_table)}")

    def _loses_nothing(self, own: Counters) -> bool:
        """Whether everything that others wrote is still there afterwards.

        Of a run that never came to its end nobody uses what it had added: if the scripts leave all rows alone, then
        whatever others wrote they wrote into what stays. Otherwise it must lie in tables that the scripts left alone.
        """
        if not self.completed and not own.without(self.format.history_table).tables():
            return True
        changed = {oid for (oid,) in self.session.rows(_LOCKED, (self.format.history_table,))}
        if not changed or self.written.only_outside(changed):
            return True
        return self.written.certain_none and not self.lagging

    def _prove_schema(self, exclude: frozenset[tuple[str, str]]) -> None:
        if catalog.read(self.session, exclude).fingerprint != self.point.fingerprint:
            raise NotThisWay("after undoing it by script the schema would not be what it was")

    def _prove_rows(self) -> None:
        """The tables that the runs wrote to and that stood before hold the rows that they held then."""
        if self.point.backup_id is None:
            return  # the database was empty: the schema says it all
        before = load_intact(self.context, self.point.backup_id).tables
        uncounted = any(statement.get("verbatim") for trace in self.traces for statement in trace.statements)
        written = tables_written(records(self.context), [trace.run_id for trace in self.traces])
        touched = before.keys() if uncounted else before.keys() & written
        names = {name for name in touched if not name.endswith(f".{self.format.history_table}")}
        if any(before[name].hash is None for name in names):
            raise NotThisWay("the backup holds no row hashes to compare the rows with")
        changed = sorted(name for name, rows in self._rows(names).items() if rows != before[name])
        if changed:
            raise NotThisWay(f"after undoing it by script the rows of {', '.join(changed)} would not be what they were")

    def _rows(self, names: Collection[str]) -> dict[str, TableRows]:
        if not names:
            return {}
        fix_settings(self.session, self.context.environment.lock_timeout)
        tables = [table for table in read_tables(self.session) if table.name in names]
        found = {table.name: count_table(self.session, table, True, lambda _: None) for table in tables}
        self._settle_session()
        return found

    def _settle_session(self) -> None:
        self.session.reset({"lock_timeout": f"{int(self.context.environment.lock_timeout * 1000)}ms", **STEADY})


_LOCKED = """
    SELECT l.relation::bigint FROM pg_locks l LEFT JOIN pg_class c ON c.oid = l.relation
    WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.relation >= 16384
      AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
      AND (c.oid IS NULL OR c.relkind IN ('r', 'p', 'm') AND c.relname <> %s)
"""
# A relation that this transaction has dropped is in no catalog any more, but still locked.
