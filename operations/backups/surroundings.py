"""What a dump needs around it to be restored, and what stands in its way: read before anything is done."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from operations.ports import Session

_ROLE = """
    SELECT r.rolname, r.rolsuper, r.rolcreatedb OR r.rolsuper, pg_is_in_recovery(), pg_database_size(d.oid),
           least(current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
                 - coalesce(current_setting('reserved_connections', true)::int, 0) - used.everywhere,
                 CASE WHEN l.rolconnlimit >= 0 AND NOT l.rolsuper THEN l.rolconnlimit - used.by_role END,
                 CASE WHEN d.datconnlimit >= 0 AND NOT l.rolsuper THEN d.datconnlimit - used.in_database END)
    FROM pg_catalog.pg_roles r, pg_catalog.pg_roles l, pg_catalog.pg_database d,
         LATERAL (SELECT count(*) AS everywhere, count(*) FILTER (WHERE a.usesysid = l.oid) AS by_role,
                         count(*) FILTER (WHERE a.datid = d.oid) AS in_database
                  FROM pg_catalog.pg_stat_activity a WHERE a.usesysid IS NOT NULL) used
    WHERE r.rolname = current_user AND l.rolname = session_user AND d.datname = current_database()
"""
# What a session of another role is, backend_type, not everybody is told: without a user are only the server's own.

_EXTENSIONS = "SELECT extname, extversion FROM pg_catalog.pg_extension ORDER BY 1"

_SCHEMAS = """
    SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1
"""

_ROLES = """
    WITH found AS (
        SELECT d.refobjid AS role, d.deptype = 'o' AS owns
        FROM pg_catalog.pg_shdepend d JOIN pg_catalog.pg_database b ON b.datname = current_database()
        WHERE d.refclassid = 'pg_authid'::regclass
          AND (d.dbid = b.oid OR d.classid = 'pg_database'::regclass AND d.objid = b.oid)
        UNION ALL
        SELECT owner, true FROM (
            SELECT 'pg_class'::regclass AS class, oid, relowner AS owner, relnamespace AS schema
            FROM pg_catalog.pg_class
            UNION ALL SELECT 'pg_proc'::regclass, oid, proowner, pronamespace FROM pg_catalog.pg_proc
            UNION ALL SELECT 'pg_type'::regclass, oid, typowner, typnamespace FROM pg_catalog.pg_type
            WHERE typtype IN ('b', 'd', 'e', 'r') AND typcategory <> 'A'
            UNION ALL SELECT 'pg_namespace'::regclass, oid, nspowner, oid FROM pg_catalog.pg_namespace) object
        WHERE object.oid >= 16384 AND object.owner < 16384
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.oid = object.schema AND n.nspname ~ '^pg_')
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                          WHERE e.classid = object.class AND e.objid = object.oid AND e.deptype = 'e'))
    SELECT r.rolname, bool_or(f.owns) FROM found f JOIN pg_catalog.pg_roles r ON r.oid = f.role GROUP BY 1 ORDER BY 1
"""
# Roles that initdb made, such as the first superuser, are not in pg_shdepend.

_TABLESPACES = """
    SELECT DISTINCT t.spcname FROM pg_catalog.pg_tablespace t
    JOIN pg_catalog.pg_class c ON c.reltablespace = t.oid WHERE t.spcname !~ '^pg_' ORDER BY 1
"""

_SUBSCRIPTIONS = """
    SELECT s.subname FROM pg_catalog.pg_subscription s
    JOIN pg_catalog.pg_database d ON d.oid = s.subdbid AND d.datname = current_database() ORDER BY 1
"""

_UNREADABLE = """
    SELECT format('table %I.%I', n.nspname, c.relname)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
      AND NOT (has_schema_privilege(n.oid, 'USAGE')
               AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT')
                                  ELSE has_table_privilege(c.oid, 'SELECT') END)
    UNION ALL
    SELECT format('large object %s', l.oid)
    FROM pg_catalog.pg_largeobject_metadata l
    WHERE NOT pg_has_role(l.lomowner, 'USAGE') AND current_setting('lo_compat_privileges') = 'off'
      AND NOT EXISTS (SELECT FROM aclexplode(l.lomacl) a WHERE a.privilege_type = 'SELECT'
                      AND CASE a.grantee WHEN 0 THEN true ELSE pg_has_role(a.grantee, 'USAGE') END)
    ORDER BY 1
"""

_FILTERED = """
    SELECT format('%I.%I', n.nspname, c.relname)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relrowsecurity AND c.relkind IN ('r', 'p') AND row_security_active(c.oid) ORDER BY 1
"""

_ONLY_SUPERUSERS = """
    SELECT format('extension %s (it is not a trusted one)', e.extname)
    FROM pg_catalog.pg_extension e
    JOIN pg_catalog.pg_available_extension_versions v ON v.name = e.extname AND v.version = e.extversion
    WHERE v.superuser AND NOT v.trusted AND e.extname <> 'plpgsql'
    UNION ALL
    SELECT format('event trigger %I', evtname) FROM pg_catalog.pg_event_trigger WHERE oid >= 16384
    UNION ALL
    SELECT format('publication %I (for all tables)', pubname) FROM pg_catalog.pg_publication WHERE puballtables
    UNION ALL
    SELECT format('foreign-data wrapper %I', fdwname) FROM pg_catalog.pg_foreign_data_wrapper w
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_foreign_data_wrapper'::regclass
                      AND d.objid = w.oid AND d.deptype = 'e')
"""

_FOREIGN_OWNERS = """
    SELECT rolname FROM pg_catalog.pg_roles
    WHERE rolname = ANY (%s) AND NOT pg_has_role(current_user, oid, %s) ORDER BY 1
"""


class Role(Struct, frozen=True):
    """Who we are on the server. ``free_connections`` are those that it can still open here."""

    name: str
    superuser: bool
    may_create_databases: bool
    standby: bool
    database_bytes: int
    free_connections: int


class Surroundings(Struct, frozen=True):
    """What the dump takes for granted where it is restored; ``roles`` include ``owners``."""

    extensions: tuple[tuple[str, str], ...]
    schemas: tuple[str, ...]
    roles: tuple[str, ...]
    owners: tuple[str, ...]
    tablespaces: tuple[str, ...]


def read_role(session: Session) -> Role:
    """The session's role, and its server's state."""
    return Role(*session.rows(_ROLE)[0])


def read_surroundings(session: Session) -> Surroundings:
    """From the session's snapshot; roles are those of the moment, as they belong to no database."""
    roles = session.rows(_ROLES)
    return Surroundings(
        extensions=tuple((name, version) for name, version in session.rows(_EXTENSIONS)),
        schemas=_column(session, _SCHEMAS),
        roles=tuple(name for name, _ in roles),
        owners=tuple(name for name, owns in roles if owns),
        tablespaces=_column(session, _TABLESPACES),
    )


def unreadable(session: Session) -> tuple[str, ...]:
    """What the role may not read, so that pg_dump would fail on it."""
    return _column(session, _UNREADABLE)


def filtered(session: Session) -> tuple[str, ...]:
    """Tables of which row-level security hides rows from the role, so that pg_dump would fail on them."""
    return _column(session, _FILTERED)


def left_out(session: Session, role: Role) -> Iterator[str]:
    """What pg_dump leaves out without an error, in words."""
    subscriptions = () if role.superuser else _column(session, _SUBSCRIPTIONS)
    if subscriptions:
        yield (
            f"Subscriptions are not in the backup, because {role.name!r} is no superuser: {', '.join(subscriptions)}."
        )


def restore_obstacles(session: Session, role: Role, owners: tuple[str, ...]) -> Iterator[str]:
    """Why the role cannot restore this very database, found without trying."""
    if role.standby:
        yield "the server is a standby, and no database can be created there"
    if not role.may_create_databases:
        yield f"role {role.name!r} may not create databases"
    if role.superuser:
        return
    for what in _column(session, _ONLY_SUPERUSERS):
        yield f"only a superuser can create {what}"
    membership = "SET" if session.server_version >= 160000 else "MEMBER"
    for (owner,) in session.rows(_FOREIGN_OWNERS, (list(owners), membership)):
        yield f"some objects belong to {owner!r}, and role {role.name!r} is no member of it"


def _column(session: Session, query: str) -> tuple[str, ...]:
    return tuple(row[0] for row in session.rows(query))
