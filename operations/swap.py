"""Exchange the live database for another one of the same server, by two renames in one transaction.

Whoever connects meanwhile waits on the lock that the first rename takes; whoever was connected is disconnected by a
second session. So the live name always answers, with the whole of one database or of the other, whatever dies and when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from operations.context import Context
from operations.errors import (
    ConfigurationError,
    ConnectionLost,
    DatabaseMissing,
    DatabaseUnreachable,
    LocktenderError,
    NeedsAttention,
    NotFound,
    PrivilegeMissing,
    Refused,
    RestoreFailed,
    StatementFailed,
    listed,
)
from operations.fixed_settings import set_local
from operations.meanwhile import meanwhile
from operations.ports import Row, Session
from operations.quoting import identifier

Guard = Callable[[Session], None]

ATTEMPTS = 3
BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
LIMITS = {
    "lock_timeout": "3s",
    "statement_timeout": "20s",
    "synchronous_commit": "on",
    "idle_in_transaction_session_timeout": "10s",
}
"""The last for a line that falls silent in between: until then, nobody can connect to either database."""
INTERVAL = 0.01
"""Seconds between two rounds of disconnecting; PostgreSQL itself looks every 0.1 s, for 5 s, whether all are gone."""
AGAIN = ("55006", "55P03", "57014")
"""Someone is still connected, or held a lock on the database for too long."""
PASSING = 3.0
"""Seconds that a session which we may not end is given to leave by itself, as those of monitoring do."""
POLL = 0.1
RECONNECT_FOR = 30.0
SECOND_MAINTENANCE_DATABASE = "template1"

_MAY_END = """
    (r.rolsuper OR NOT coalesce(s.rolsuper, true)
     AND (pg_has_role(a.usesysid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE')))
"""
_SESSIONS = f"""
    FROM pg_catalog.pg_stat_activity a
    JOIN pg_catalog.pg_roles r ON r.rolname = current_user
    LEFT JOIN pg_catalog.pg_roles s ON s.oid = a.usesysid
    WHERE a.datid = ANY (%s) AND a.pid <> pg_backend_pid() AND a.usesysid IS NOT NULL AND {{}} {_MAY_END}
"""
"""Autovacuum's, which have no user, PostgreSQL ends by itself. Nothing else tells them apart for an ordinary role."""
_RIGHTS = """
    SELECT r.rolname, r.rolsuper OR r.rolcreatedb, pg_has_role(d.datdba, 'USAGE'), d.datdba::regrole::text
    FROM pg_catalog.pg_roles r, pg_catalog.pg_database d WHERE r.rolname = current_user AND d.datname = %s
"""
_BOUND = """
    SELECT format('a prepared transaction (%%s of %%s)', gid, owner)
    FROM pg_catalog.pg_prepared_xacts WHERE database = %s
    UNION ALL
    SELECT format('logical replication slot %%s', slot_name)
    FROM pg_catalog.pg_replication_slots WHERE database = %s AND NOT temporary
    UNION ALL
    SELECT format('subscription %%s', s.subname)
    FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid WHERE d.datname = %s
"""


def maintenance_database(context: Context) -> str:
    """Where to connect while the live database is renamed: as set, but never the live one itself."""
    name = context.environment.maintenance_database
    return name if name != context.database.target.database else SECOND_MAINTENANCE_DATABASE


def connect_to_maintenance(context: Context, purpose: str) -> Session:
    """A session there; raises ``ConfigurationError`` where that cannot be connected to."""
    name = maintenance_database(context)
    try:
        return context.database.connect(name, purpose=purpose)
    except DatabaseMissing as error:
        raise _no_maintenance(name, error) from error
    except DatabaseUnreachable as error:
        if "permission denied" not in error.message:
            raise
        raise _no_maintenance(name, error) from error


@contextmanager
def maintenance(context: Context, purpose: str) -> Iterator[Session]:
    """The same for the block, without the limits of the role's own."""
    session = connect_to_maintenance(context, purpose)
    try:
        # A role's own may be too short to make a database, or drop it, and to think in between.
        session.script("SET statement_timeout TO '1h'; SET idle_session_timeout TO 0")
        yield session
    finally:
        session.close()


def refuse_hindered_swap(context: Context) -> None:
    """Raise ``Refused`` (``PrivilegeMissing``) with all that stands in the way of a swap; changes nothing."""
    with maintenance(context, "swap check") as session:
        _refuse_hindered(context, session)


def swap(context: Context, incoming: str, kept: str, guard: Guard | None = None) -> float:
    """Make database ``incoming`` the live one; the live one is called ``kept`` from then on. Returns seconds of outage.

    Every session of the live database is ended, our own too. ``guard`` runs in the swap's transaction once nobody but
    that is left, and aborts the swap by raising. If there is no live database, ``incoming`` just gets its name. Raises
    as ``refuse_hindered_swap``, and ``RestoreFailed`` if sessions could not be ended in time; all is then as it was.
    """
    live = context.database.target.database
    with maintenance(context, "swap") as renaming, maintenance(context, "swap, disconnecting") as ending:
        oids: dict[str, int] = dict(renaming.rows("SELECT datname, oid::bigint FROM pg_catalog.pg_database"))
        if incoming not in oids:
            raise NotFound(f"There is no database {incoming!r} to be made the live one.")
        if kept in oids:
            raise Refused(f"There is a database {kept!r} already.")
        renames = [(live, kept), (incoming, live)] if live in oids else [(incoming, live)]
        ours = [oids[name] for name, _ in renames]
        _refuse_hindered(context, renaming)
        backend = renaming.pid
        begun = context.clock.now()
        _disconnect(ending, ours)
        try:
            _rename_once_free(renaming, ending, renames, ours, guard)
        except ConnectionLost as error:
            if not error.details.get("in_doubt"):
                raise
            _settle(context, backend, oids[incoming], error)
        return context.clock.now() - begun


def _rename_once_free(
    renaming: Session, ending: Session, renames: Sequence[tuple[str, str]], ours: Sequence[int], guard: Guard | None
) -> None:
    """Whoever connects meanwhile is disconnected, by the other session."""
    _, live = renames[-1]
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with meanwhile("disconnecting", INTERVAL, partial(_disconnect, ending, ours[:-1])):
                _rename(renaming, renames, guard)
            return
        except StatementFailed as error:
            if error.sqlstate not in AGAIN:
                raise
            if attempt == ATTEMPTS or any(_protected_sessions(renaming, ours)):
                raise _in_use(live, renaming, ours, error) from error


def _rename(session: Session, renames: Sequence[tuple[str, str]], guard: Guard | None) -> None:
    with session.transaction(BEGIN):
        session.script(set_local(LIMITS))
        for old, new in renames:
            session.execute(f"ALTER DATABASE {identifier(old)} RENAME TO {identifier(new)}")
        if guard:
            guard(session)


def _disconnect(session: Session, oids: Sequence[int]) -> None:
    session.rows(f"SELECT pg_terminate_backend(a.pid) {_SESSIONS.format('')}", (list(oids),))


def _lacking_rights(session: Session, database: str) -> Iterator[str]:
    for role, may_create, owns, owner in session.rows(_RIGHTS, (database,)):
        if not may_create:
            yield f"role {role!r} may not create databases (CREATEDB), and so not rename them"
        if not owns:
            yield f"the database belongs to {owner}, and role {role!r} is no member of it"


def _protected_sessions(session: Session, oids: Sequence[int]) -> Iterator[str]:
    for pid, user, application in session.rows(
        f"SELECT a.pid, a.usename, a.application_name {_SESSIONS.format('NOT')} ORDER BY 1", (list(oids),)
    ):
        yield f"session {pid} of {user} ({application or 'no application name'}) may not be ended by this role"


def _refuse_hindered(context: Context, session: Session) -> None:
    live = context.database.target.database
    oids = [oid for (oid,) in session.rows("SELECT oid::bigint FROM pg_database WHERE datname = %s", (live,))]
    until = context.clock.now() + PASSING
    while any(_protected_sessions(session, oids)) and context.clock.now() < until:
        context.clock.sleep(POLL)
    lacking = (*_lacking_rights(session, live), *_protected_sessions(session, oids))
    if lacking:
        raise PrivilegeMissing(
            f"{live} cannot be replaced: {listed(lacking)}",
            hint="Grant these rights, use a role that has them, or end those sessions.",
        )
    bound = [what for (what,) in session.rows(_BOUND, (live,) * 3)]
    if bound:
        raise Refused(
            f"{live} cannot be replaced, because this would stay with the old one: {listed(bound)}",
            hint="Commit or roll back prepared transactions; drop slots and subscriptions, and create them anew later.",
        )


def _in_use(live: str, session: Session, oids: Sequence[int], error: StatementFailed) -> RestoreFailed:
    rows = session.rows(
        "SELECT pid, usename, coalesce(nullif(application_name, ''), backend_type) FROM pg_catalog.pg_stat_activity"
        " WHERE datid = ANY (%s) ORDER BY 1",
        (list(oids),),
    )
    who = [f"session {pid} of {user or 'the server'} ({what})" for pid, user, what in rows]
    return RestoreFailed(
        f"{live} could not be swapped, because it stayed in use: {listed(who) if who else error.message}",
        hint="End these sessions, or keep their programs from connecting, and try again. Nothing was changed.",
    )


def _settle(context: Context, backend: int, incoming_oid: int, lost: ConnectionLost) -> None:
    """The connection broke during COMMIT: look whether it happened; raises if not, or if that cannot be seen."""
    live = context.database.target.database
    until = context.clock.now() + RECONNECT_FOR
    while True:
        try:
            with maintenance(context, "swap, looking") as session:
                rows = _once_ended(context, session, backend, live, until)
        except (DatabaseUnreachable, ConnectionLost) as error:
            if context.clock.now() < until:
                context.clock.sleep(POLL)
                continue
            raise NeedsAttention(
                f"It cannot be told whether {live} was swapped: the connection broke at the very moment, and the server"
                f" does not answer ({error.message}). The name {live} holds a complete database either way.",
                hint=f"{context.command} status, once the server answers, tells which migrations are in it.",
            ) from error
        if rows == [(incoming_oid,)]:
            return
        raise lost


def _once_ended(context: Context, session: Session, backend: int, live: str, until: float) -> list[Row]:
    """The live database's id, after the server process that may still be committing is gone."""
    while session.rows("SELECT FROM pg_catalog.pg_stat_activity WHERE pid = %s", (backend,)):
        session.rows("SELECT pg_terminate_backend(%s)", (backend,))
        if context.clock.now() >= until:
            raise ConnectionLost(f"server process {backend} is still at work")
        context.clock.sleep(POLL)
    return session.rows("SELECT oid::bigint FROM pg_catalog.pg_database WHERE datname = %s", (live,))


def _no_maintenance(name: str, error: LocktenderError) -> ConfigurationError:
    return ConfigurationError(
        f"Databases are renamed from maintenance database {name!r}, and that cannot be connected to: {error.message}",
        hint="Name one that the role may connect to as maintenance_database.",
    )
