"""The schema as the last run left it, kept beside the journal: what was changed outside of migrations shows against it.

The whole catalog is kept, compressed, not its fingerprint alone: so that the difference can be told, without a shadow
database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from operations import catalog
from operations.catalog import Catalog, Difference
from operations.catalog.digests import Digests
from operations.catalog.identities import identity
from operations.context import Context
from operations.errors import LocktenderError
from operations.layout import state_directory
from operations.migrations import formats
from operations.migrations.model import Format, HistoryRow
from operations.ports import Session
from operations.schema_file import NAME, SchemaRecord, objects

if TYPE_CHECKING:
    from operations.catalog.ddl import Restated

SHOWN = 5
RESTATED = 200
"""Differences that are told as SQL."""
LOOK = 5.0
"""Seconds for each query of one who only looks."""
WHOLE_LOOK = 2 * LOOK
"""Seconds after which such a one reads no more of it."""
BELONGING = ("column", "attribute", "constraint", "trigger", "rule", "policy")
"""Kinds whose objects are named by what they are part of."""
KINDS_TOLD = {"column": "columns' definitions", "index": "indexes", "constraint": "constraints"}


class Drift(Struct, frozen=True):
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
    """The schema now, compared with the record; of either only what differs is held, however many objects there are."""
    data = _data(context)
    if data is None:
        return Drift("no schema is recorded yet: the next deploy does it")
    record = SchemaRecord.without_objects(data)
    format = formats.detect(context.files, context.environment.migrations)
    same = record.applied == _applied(format.history(session) or ()) and record.major == session.server_version // 10000
    if same and record.stamp and record.stamp == catalog.stamp(session, patience=LOOK):
        return Drift(f"none since run {record.run_id}")
    known = Digests(objects(data))
    now = _now(context, session, format, record.run_id, known=known)
    before = _unmet(data, known, now.catalog.unread)
    told = compared(replace(record, catalog=before), now)
    if now.catalog.unread and (told.differences or told.told.startswith("none")):
        left = ", ".join(words for kind, words in KINDS_TOLD.items() if kind in now.catalog.unread)
        told = replace(told, told=f"{told.told} (no time to compare {left})", unread=True)
    return replace(told, ddl=_restated(data, known, before, now.catalog, told.differences[:RESTATED]))


def _unmet(data: bytes, known: Digests, unread: frozenset[str]) -> Catalog:
    """Of what is recorded that which is gone or has changed, but for kinds that nobody has read again."""
    gone = ((one, text) for one, text in objects(data) if not known.met(one))
    return Catalog({one: text for one, text in gone if identity(one).kind not in unread})


def _restated(
    data: bytes, known: Digests, before: Catalog, now: Catalog, differences: Sequence[Difference]
) -> tuple[Restated, ...]:
    """As SQL, for which what is the same of the tables, views and types around them is needed, too."""
    if not differences:
        return ()
    from operations.catalog.ddl import restated  # only who shows a drift needs it

    wholes = {_whole(one.object) for one in differences}
    around = {one: text for one, text in objects(data) if _whole(one) in wholes and known.met(one)}
    return restated(
        replace(before, objects={**around, **before.objects}),
        replace(now, objects={**around, **now.objects}),
        differences,
    )


def _whole(object: str) -> str:
    """The name of what it belongs to, or its own."""
    one = identity(object)
    return one.table if one.kind in BELONGING else one.name


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


def _now(
    context: Context, session: Session, format: Format, run_id: str, *, known: Digests | None = None
) -> SchemaRecord:
    """With ``known``, for who only looks: what is not among them, and only so much as there is time for."""
    place = frozenset({format.place(session)})
    if known is None:
        found = catalog.read(session, place)
    else:
        found = catalog.read(session, place, known=known, patience=LOOK, late=_late(context))
    at = datetime.fromtimestamp(context.clock.now(), UTC).isoformat(timespec="seconds")
    return SchemaRecord(run_id, at, session.server_version // 10000, _applied(format.history(session) or ()), found)


def _late(context: Context) -> Callable[[], bool]:
    began = context.clock.now()
    return lambda: context.clock.now() - began > WHOLE_LOOK


def _applied(rows: Iterable[HistoryRow]) -> tuple[str, ...]:
    return tuple(sorted(row.name for row in rows if row.finished_at is not None and row.rolled_back_at is None))


def _path(context: Context) -> str:
    return f"{state_directory(context.environment)}/{NAME}"
