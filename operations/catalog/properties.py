"""What a database is besides its content, and what a dump of it therefore leaves out: read, and put back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, to_builtins
from msgspec.structs import asdict

from operations.errors import NotFound, StatementFailed
from operations.fixed_settings import set_local
from operations.ports import Session
from operations.quoting import identifier, literal

PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin", "d": "default"}
UNLIMITED = -1
DEFAULT_TABLESPACE = "pg_default"
"""Never named: only superusers may, while everyone gets it who names none."""
QUOTED_LISTS = frozenset(
    {"local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries",
     "temp_tablespaces", "unix_socket_directories"}
)  # fmt: skip
"""Settings stored as lists of quoted names, as in PostgreSQL's ``variable_is_guc_list_quote``."""
NAME_IN_LIST = re.compile(r'"((?:[^"]|"")*)"|([^",\s]+)')
LOCKED = "55P03"

_PROPERTIES = """
    SELECT r.rolname, pg_encoding_to_char(d.encoding), to_jsonb(d) ->> 'datlocprovider',
           d.datcollate::text, d.datctype::text, coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),
           to_jsonb(d) ->> 'daticurules', t.spcname, d.datconnlimit, d.datistemplate,
           shobj_description(d.oid, 'pg_database'), d.datacl IS NOT NULL
    FROM pg_catalog.pg_database d
    JOIN pg_catalog.pg_roles r ON r.oid = d.datdba
    JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace
    WHERE d.datname = %s
"""
_GRANTS = """
    SELECT DISTINCT g.rolname, a.privilege_type, a.is_grantable
    FROM pg_catalog.pg_database d
    CROSS JOIN LATERAL aclexplode(d.datacl) a
    LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee
    WHERE d.datname = %s ORDER BY 1 NULLS FIRST, 2, 3
"""
_SETTINGS = """
    SELECT r.rolname, split_part(entry, '=', 1), substr(entry, strpos(entry, '=') + 1)
    FROM pg_catalog.pg_db_role_setting s
    JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
    CROSS JOIN LATERAL unnest(s.setconfig) entry
    WHERE d.datname = %s ORDER BY 1 NULLS FIRST, 2
"""


class Grant(Struct, frozen=True):
    """A privilege on the database; ``grantee`` is ``None`` for PUBLIC. Who granted it is taken to be the owner."""

    grantee: str | None
    privilege: str
    grantable: bool = False


class Setting(Struct, frozen=True):
    """An ``ALTER DATABASE … SET``, or with a role an ``ALTER ROLE … IN DATABASE … SET``; ``value`` as it is stored."""

    role: str | None
    name: str
    value: str


class DatabaseProperties(Struct, frozen=True):
    """As ``pg_database`` and ``pg_db_role_setting`` have it. ``grants`` is ``None`` for the default privileges."""

    owner: str
    encoding: str
    provider: str | None
    """``libc``, ``icu`` or ``builtin``; ``None`` before PostgreSQL 15, which knows one only."""
    collate: str
    ctype: str
    locale: str | None = None
    """Of the providers ICU and builtin."""
    icu_rules: str | None = None
    tablespace: str = DEFAULT_TABLESPACE
    connection_limit: int = UNLIMITED
    template: bool = False
    comment: str | None = None
    grants: tuple[Grant, ...] | None = None
    settings: tuple[Setting, ...] = ()

    @property
    def roles(self) -> tuple[str, ...]:
        """All roles that must exist for it to be put back, sorted."""
        named = {self.owner, *(g.grantee for g in self.grants or ()), *(s.role for s in self.settings)}
        return tuple(sorted(role for role in named if role is not None))


def read_properties(session: Session, name: str) -> DatabaseProperties:
    """Those of database ``name``; any session of the server can read them. Raises ``NotFound``."""
    rows = session.rows(_PROPERTIES, (name,))
    if not rows:
        raise NotFound(f"There is no database {name!r}.")
    owner, encoding, provider, collate, ctype, locale, rules, tablespace, limit, template, comment, has_acl = rows[0]
    return DatabaseProperties(
        owner=owner,
        encoding=encoding,
        provider=PROVIDERS[provider] if provider else None,
        collate=collate,
        ctype=ctype,
        locale=locale,
        icu_rules=rules,
        tablespace=tablespace,
        connection_limit=limit,
        template=template,
        comment=comment,
        grants=tuple(Grant(*row) for row in session.rows(_GRANTS, (name,))) if has_acl else None,
        settings=tuple(Setting(*row) for row in session.rows(_SETTINGS, (name,))),
    )


def to_json(properties: DatabaseProperties) -> dict[str, Any]:
    """For a journal."""
    told: dict[str, Any] = to_builtins(properties)
    return told


def from_json(value: Mapping[str, Any]) -> DatabaseProperties:
    """What ``to_json`` gave."""
    grants = None if value["grants"] is None else tuple(Grant(**grant) for grant in value["grants"])
    settings = tuple(Setting(**setting) for setting in value["settings"])
    return DatabaseProperties(**{**value, "grants": grants, "settings": settings})


def changed(before: DatabaseProperties, now: DatabaseProperties) -> tuple[str, ...]:
    """Which of them are not what they were, by name. Pure."""
    return tuple(name for name, value in asdict(before).items() if getattr(now, name) != value)


def changed_since(session: Session, name: str, before: DatabaseProperties | None) -> tuple[str, ...]:
    """The same of database ``name`` as it is now; none where it is not known what they were."""
    return changed(before, read_properties(session, name)) if before else ()


def create_statement(name: str, properties: DatabaseProperties) -> str:
    """``CREATE DATABASE`` for an empty one of the same kind, that can be filled: nothing limits its connections yet."""
    options = [
        "TEMPLATE template0",
        f"OWNER {identifier(properties.owner)}",
        f"ENCODING {literal(properties.encoding)}",
        f"LC_COLLATE {literal(properties.collate)}",
        f"LC_CTYPE {literal(properties.ctype)}",
    ]
    if properties.tablespace != DEFAULT_TABLESPACE:
        options.append(f"TABLESPACE {identifier(properties.tablespace)}")
    if properties.provider:
        options.append(f"LOCALE_PROVIDER {properties.provider}")
    if properties.locale:
        options.append(
            f"{'BUILTIN' if properties.provider == 'builtin' else 'ICU'}_LOCALE {literal(properties.locale)}"
        )
    if properties.icu_rules:
        options.append(f"ICU_RULES {literal(properties.icu_rules)}")
    return f"CREATE DATABASE {identifier(name)} {' '.join(options)}"


def restore_statements(name: str, properties: DatabaseProperties) -> tuple[str, ...]:
    """What makes a database that ``create_statement`` created, and that is filled by now, equal to the original."""
    return tuple(_statements(identifier(name), properties))


def obstacles(session: Session, name: str, properties: DatabaseProperties) -> tuple[str, ...]:
    """Why the session's role could not put the properties back, one sentence each; found by trying it.

    Tried on the existing database ``name``, each statement in a transaction that is rolled back. Nothing is changed.
    """
    found = []
    for statement in restore_statements(name, properties):
        problem = _tried(session, statement)
        if problem:
            found.append(f"{statement} fails: {problem}")
    return tuple(found)


class _RolledBack(Exception):
    """Ends a transaction that was only a trial."""


def _tried(session: Session, statement: str) -> str | None:
    try:
        with session.transaction():
            session.script(set_local({"lock_timeout": "2s"}))
            session.execute(statement)
            raise _RolledBack
    except _RolledBack:
        return None
    except StatementFailed as error:
        return None if error.sqlstate == LOCKED else error.message


def _statements(database: str, properties: DatabaseProperties) -> Iterator[str]:
    if properties.comment is not None:
        yield f"COMMENT ON DATABASE {database} IS {literal(properties.comment)}"
    if properties.grants is not None:
        yield from _privileges(database, properties.owner, properties.grants)
    for setting in properties.settings:
        subject = f"ROLE {identifier(setting.role)} IN DATABASE {database}" if setting.role else f"DATABASE {database}"
        yield f"ALTER {subject} SET {identifier(setting.name)} TO {_value(setting)}"
    if properties.connection_limit != UNLIMITED:
        yield f"ALTER DATABASE {database} CONNECTION LIMIT {properties.connection_limit}"
    if properties.template:
        yield f"ALTER DATABASE {database} IS_TEMPLATE true"


def _privileges(database: str, owner: str, grants: Sequence[Grant]) -> Iterator[str]:
    yield f"REVOKE ALL ON DATABASE {database} FROM PUBLIC, {identifier(owner)}"
    for grant in grants:
        grantee = identifier(grant.grantee) if grant.grantee is not None else "PUBLIC"
        option = " WITH GRANT OPTION" if grant.grantable and grant.grantee != owner else ""
        yield f"GRANT {grant.privilege} ON DATABASE {database} TO {grantee}{option}"


def _value(setting: Setting) -> str:
    if setting.name not in QUOTED_LISTS:
        return literal(setting.value)
    return ", ".join(literal(name) for name in _split(setting.value)) or "''"


def _split(value: str) -> list[str]:
    """The names of a stored list such as ``"$user", public``: a quoted one may hold commas and doubled quotes."""
    return [quoted.replace('""', '"') if quoted or not bare else bare for quoted, bare in NAME_IN_LIST.findall(value)]
