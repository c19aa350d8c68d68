"""The schema as the last run left it, kept beside the journal: what was changed outside of migrations shows against it.

The whole catalog is kept, compressed, not its fingerprint alone: so that the difference can be told, without a shadow
database.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

from operations import catalog
from operations.catalog import Catalog, Difference
from operations.context import Context
from operations.errors import LocktenderError, Tampered
from operations.layout import state_directory
from operations.migrations import formats
from operations.migrations.model import Format, HistoryRow
from operations.ports import Session

if TYPE_CHECKING:
    from operations.catalog.ddl import Restated

FILE = "schema.json.gz"
SHOWN = 5
RESTATED = 200
"""Differences that are told as SQL."""
CHUNK = 1 << 16
LOOK = 5.0
"""Seconds for each query of one who only looks."""
WHOLE_LOOK = 2 * LOOK
"""Seconds after which such a one reads no more of it."""
KINDS_TOLD = {"column": "columns' definitions", "index": "indexes", "constraint": "constraints"}


@dataclass(frozen=True)
class SchemaRecord:
    """What the database was when ``run_id`` had ended: ``major`` its server's version, ``applied`` its migrations."""

    run_id: str
    at: str
    major: int
    applied: tuple[str, ...]
    catalog: Catalog
    stamp: str = ""
    """``catalog.stamp`` from just before: while it is the same, nothing has changed. Empty in older records."""

    def to_bytes(self) -> bytes:
        """Compressed: a line of JSON without the catalog, and one with it. The same record gives the same bytes."""
        told = {
            "version": 2,
            "run": self.run_id,
            "at": self.at,
            "major": self.major,
            "applied": list(self.applied),
            "stamp": self.stamp,
        }
        lines = (json.dumps(one, ensure_ascii=False) for one in (told, self.catalog.to_json()))
        return gzip.compress("\n".join(lines).encode(), mtime=0)

    @classmethod
    def from_bytes(cls, data: bytes) -> SchemaRecord:
        """Raises ``Tampered`` for anything that ``to_bytes`` does not write, but for what its first version wrote."""
        with _understood():
            first, _, second = gzip.decompress(data).partition(b"\n")
            told: dict[str, Any] = json.loads(first)
            known = Catalog.from_json(told["catalog"] if told["version"] == 1 else json.loads(second))
            return cls(
                told["run"], told["at"], told["major"], tuple(told["applied"]), known, str(told.get("stamp", ""))
            )

    @classmethod
    def without_catalog(cls, data: bytes) -> SchemaRecord:
        """The same with an empty catalog, in little memory; all of it is read, so that damage is found."""
        with _understood(), gzip.open(BytesIO(data)) as file:
            told: dict[str, Any] = json.loads(file.readline())
            while file.read(CHUNK):
                pass
            return cls(
                told["run"], told["at"], told["major"], tuple(told["applied"]), Catalog({}), str(told.get("stamp", ""))
            )


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise Tampered(
            f"The schema recorded after the last run ({FILE}) cannot be read.", hint="The next deploy records it anew."
        ) from error


@dataclass(frozen=True)
class Drift:
    """``told`` what was compared, or why nothing was; ``differences`` from then to now, and the first as SQL.

    ``unread``: there was no time to compare all of it.
    """

    told: str
    differences: tuple[Difference, ...] = ()
    ddl: tuple[Restated, ...] = ()
    unread: bool = False


def remember(context: Context, run_id: str) -> bool:
    """Record the schema as it is now; false where that failed, which is no reason for a run to fail.

    By a session of its own, which sees no temporary table that the run's migrations have left to theirs.

    Called when the journal has told the run's end: nothing here, not even a signal, may turn what is done into a
    failure. A record that has become stale is told by the migrations applied, and then compared with nothing.
    """
    try:
        format = formats.detect(context.files, context.environment.migrations)
        with context.database.session(purpose=f"run {run_id}") as session:
            stamp = catalog.stamp(session)  # before the catalog: what changes in between makes it another one
            record = replace(_now(context, session, format, run_id), stamp=stamp)
        context.host.write(_path(context), record.to_bytes())
    except (Exception, KeyboardInterrupt):  # noqa: BLE001 - see above
        return False
    return True


def recorded(context: Context) -> SchemaRecord | None:
    """The record, if there is one; raises ``Tampered`` for one that cannot be read."""
    data = _data(context)
    return SchemaRecord.from_bytes(data) if data is not None else None


def _data(context: Context) -> bytes | None:
    path = _path(context)
    return context.host.read(path) if context.host.exists(path) else None


def drift(context: Context, session: Session) -> Drift:
    """The schema now, compared with the record; neither is read whole where nothing at all has been written since."""
    data = _data(context)
    if data is None:
        return Drift("no schema is recorded yet: the next deploy does it")
    record = SchemaRecord.without_catalog(data)
    format = formats.detect(context.files, context.environment.migrations)
    same = record.applied == _applied(format.history(session) or ()) and record.major == session.server_version // 10000
    if same and record.stamp and record.stamp == catalog.stamp(session, patience=LOOK):
        return Drift(f"none since run {record.run_id}")
    record, now = SchemaRecord.from_bytes(data), _now(context, session, format, record.run_id, looking=True)
    told = compared(record, now)
    if now.catalog.unread and (told.differences or told.told.startswith("none")):
        left = ", ".join(words for kind, words in KINDS_TOLD.items() if kind in now.catalog.unread)
        told = replace(told, told=f"{told.told} (no time to compare {left})", unread=True)
    from operations.catalog.ddl import restated  # only who shows a drift needs it

    return replace(told, ddl=restated(record.catalog, now.catalog, told.differences[:RESTATED]))


def drifted(context: Context, session: Session, format: Format, found: Catalog) -> tuple[str, ...]:
    """What a run has to note before it changes the schema: afterwards all that it finds counts as wanted."""
    try:
        record = recorded(context)
    except LocktenderError:
        return ()
    if record is None or record.catalog.fingerprint == found.fingerprint:
        return ()
    applied = _applied(format.history(session) or ())
    now = SchemaRecord(record.run_id, record.at, session.server_version // 10000, applied, found)
    told = compared(record, now)
    if not told.differences:
        return ()
    shown = "; ".join(str(difference) for difference in told.differences[:SHOWN])
    more = f"; and {len(told.differences) - SHOWN} more" if len(told.differences) > SHOWN else ""
    return (f"The schema had been changed outside of migrations since run {record.run_id}: {shown}{more}.",)


def compared(record: SchemaRecord, now: SchemaRecord) -> Drift:
    """What differs, where that means something. Pure."""
    since = f"run {record.run_id}"
    if record.major != now.major:
        return Drift(
            f"recorded by PostgreSQL {record.major}, and this is {now.major}: not compared until the next deploy"
        )
    if record.applied != now.applied:
        more = sorted(set(now.applied) ^ set(record.applied))
        return Drift(
            f"since {since} something else has migrated ({', '.join(more)}): not compared until the next deploy"
        )
    differences = catalog.diff(record.catalog, now.catalog)
    if not differences:
        return Drift(f"none since {since}")
    return Drift(f"changed since {since}", differences)


def _now(context: Context, session: Session, format: Format, run_id: str, *, looking: bool = False) -> SchemaRecord:
    """``looking``: only so much of the catalog as there is time for."""
    began, place = context.clock.now(), frozenset({format.place(session)})
    if looking:
        found = catalog.read(session, place, patience=LOOK, late=lambda: context.clock.now() - began > WHOLE_LOOK)
    else:
        found = catalog.read(session, place)
    at = datetime.fromtimestamp(context.clock.now(), UTC).isoformat(timespec="seconds")
    return SchemaRecord(run_id, at, session.server_version // 10000, _applied(format.history(session) or ()), found)


def _applied(rows: Iterable[HistoryRow]) -> tuple[str, ...]:
    return tuple(sorted(row.name for row in rows if row.finished_at is not None and row.rolled_back_at is None))


def _path(context: Context) -> str:
    return f"{state_directory(context.environment)}/{FILE}"
