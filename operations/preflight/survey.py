"""Asks the database what probes must know of it, in the transaction that is open and by the migrations' search path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from operations.fixed_settings import NAMES, set_local
from operations.ports import Row, Session
from operations.preflight.known import (
    Cascade,
    Column,
    Known,
    Mentioned,
    Name,
    Partitioning,
    Table,
    constraint_of,
    mentioned,
)
from operations.taken_back import taken_back

USUAL_OPERATORS = ("=", "<>", "<", ">", "<=", ">=", "~~", "!~~", "~~*", "!~~*", "~", "!~", "~*", "!~*")
"""Also what LIKE, IN, BETWEEN and their like stand for."""

_RELATIONS = """
    SELECT DISTINCT wanted.schema IS NULL, c.oid::int8, n.nspname::text, c.relname::text, c.relkind::text,
           pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
           c.relispartition OR EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)),
           EXISTS (WITH RECURSIVE part AS (
               SELECT c.oid UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN part ON i.inhparent = part.oid)
               SELECT FROM part JOIN pg_catalog.pg_class p USING (oid) WHERE p.relkind = 'f'),
           EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)
               OR EXISTS (SELECT FROM pg_catalog.pg_rewrite w WHERE w.ev_class = c.oid)
    FROM ROWS FROM (pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[])) wanted (schema, name)
    JOIN pg_catalog.pg_class c ON c.relname = wanted.name JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = wanted.schema OR wanted.schema IS NULL AND pg_catalog.pg_table_is_visible(c.oid)
"""
_COLUMNS = """
    SELECT a.attrelid::int8, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod),
           n.nspname::text, base.typname::text,
           base.typnamespace = 'pg_catalog'::pg_catalog.regnamespace, base.typtype::text, a.attnotnull,
           coalesce(l.collisdeterministic, true), a.attgenerated <> ''
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    JOIN pg_catalog.pg_type base ON base.oid = CASE WHEN t.typcategory = 'A' AND t.typelem <> 0 AND t.typtype = 'b'
                                                    THEN t.typelem ELSE t.oid END
    JOIN pg_catalog.pg_namespace n ON n.oid = base.typnamespace
    LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
    WHERE a.attrelid = ANY (%s::int8[]::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
"""
_KEYS = """
    SELECT o.conrelid::int8, a.attname::text
    FROM pg_catalog.pg_constraint o, pg_catalog.unnest(o.conkey) WITH ORDINALITY k (number, place)
    JOIN pg_catalog.pg_attribute a ON a.attnum = k.number
    WHERE o.contype = 'p' AND o.conrelid = ANY (%s::int8[]::oid[]) AND a.attrelid = o.conrelid ORDER BY o.oid, k.place
"""
_UNVALIDATED = """
    SELECT conrelid::int8, conname::text, pg_catalog.pg_get_constraintdef(oid)
    FROM pg_catalog.pg_constraint WHERE NOT convalidated AND conrelid = ANY (%s::int8[]::oid[])
"""
_PARTITIONED = """
    SELECT p.partrelid::int8, p.partstrat::text, keys.names,
           0 <> ALL (p.partattrs::int2[]) AND keys.same_collations AND NOT EXISTS (
               SELECT FROM pg_catalog.unnest(p.partclass::oid[]) used (oid) JOIN pg_catalog.pg_opclass o USING (oid)
               WHERE NOT o.opcdefault OR o.opcnamespace <> 'pg_catalog'::pg_catalog.regnamespace),
           p.partdefid <> 0, c.relispartition
    FROM pg_catalog.pg_partitioned_table p JOIN pg_catalog.pg_class c ON c.oid = p.partrelid
    CROSS JOIN LATERAL (
        SELECT coalesce(pg_catalog.array_agg(a.attname::text ORDER BY k.place), '{}') AS names,
               pg_catalog.array_to_string(pg_catalog.array_agg(a.attcollation ORDER BY k.place), ' ')
                   = pg_catalog.array_to_string(p.partcollation::oid[], ' ') AS same_collations
        FROM pg_catalog.unnest(p.partattrs::int2[]) WITH ORDINALITY k (number, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = k.number) keys
    WHERE p.partrelid = ANY (%s::int8[]::oid[])
"""
_DEMANDS = """
    SELECT i.indrelid::int8,
           pg_catalog.concat('unique ', ARRAY(SELECT a.attname FROM pg_catalog.pg_attribute a
                                              WHERE a.attrelid = i.indexrelid ORDER BY a.attnum)::text,
                             pg_catalog.pg_get_expr(i.indexprs, i.indrelid),
                             pg_catalog.pg_get_expr(i.indpred, i.indrelid))
    FROM pg_catalog.pg_index i WHERE i.indisunique AND i.indisvalid AND i.indrelid = ANY (%s::int8[]::oid[])
    UNION ALL
    SELECT o.conrelid::int8, pg_catalog.pg_get_constraintdef(o.oid)
    FROM pg_catalog.pg_constraint o WHERE o.contype = 'f' AND o.conrelid = ANY (%s::int8[]::oid[])
"""
_CASCADES = """
    SELECT pn.nspname::text, p.relname::text, cn.nspname::text, c.relname::text,
           ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
                 WHERE a.attrelid = o.confrelid AND a.attnum = ANY (o.confkey)),
           o.confupdtype IN ('c', 'n', 'd'), o.confdeltype IN ('c', 'n', 'd')
    FROM pg_catalog.pg_constraint o
    JOIN pg_catalog.pg_class p ON p.oid = o.confrelid JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
    JOIN pg_catalog.pg_class c ON c.oid = o.conrelid JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace
    WHERE o.contype = 'f' AND (o.confupdtype IN ('c', 'n', 'd') OR o.confdeltype IN ('c', 'n', 'd'))
"""
_TYPES = """
    SELECT n.nspname::text, t.typname::text, t.typtype = 'e', pg_catalog.pg_type_is_visible(t.oid)
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    WHERE t.typtype IN ('e', 'd') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""
_FUNCTIONS = """
    SELECT p.proname::text, pg_catalog.bool_and(p.prokind = 'f') FROM pg_catalog.pg_proc p
    WHERE p.proname = ANY (%s::text[]) AND p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_proc u
                      WHERE u.proname = p.proname AND u.pronamespace <> p.pronamespace
                        AND pg_catalog.pg_function_is_visible(u.oid)
                        AND NOT EXISTS (SELECT FROM pg_catalog.unnest(u.proargtypes::pg_catalog.oid[]) x
                                        JOIN pg_catalog.pg_type t ON t.oid = x WHERE t.typnamespace <> p.pronamespace))
    GROUP BY p.proname HAVING pg_catalog.bool_and(p.provolatile <> 'v' AND NOT (
        p.proname ~ '_to_xml|_validator$'
        OR p.proname IN ('pg_input_error_info', 'pg_input_is_valid', 'satisfies_hash_partition')
        OR ARRAY['cstring', 'internal']::pg_catalog.regtype[]::pg_catalog.oid[]
           && (p.proargtypes::pg_catalog.oid[] || p.prorettype)))
"""
_CASTS = """
    SELECT coalesce(e.typname, t.typname)::text, t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace,
           s.typnamespace = ALL (ARRAY[d.typnamespace, 'pg_catalog'::pg_catalog.regnamespace])
    FROM pg_catalog.pg_cast c
    JOIN pg_catalog.pg_type s ON s.oid = c.castsource JOIN pg_catalog.pg_type d ON d.oid = c.casttarget
    JOIN pg_catalog.pg_type t ON t.oid IN (s.oid, d.oid)
    LEFT JOIN pg_catalog.pg_type e ON t.typcategory = 'A' AND e.oid = t.typelem
    WHERE c.castfunc <> 0 AND c.oid >= 16384
"""
_OPERATORS = """
    SELECT DISTINCT o.oprname::text FROM pg_catalog.pg_operator o
    WHERE o.oprname = ANY (%s::text[]) AND o.oprnamespace = 'pg_catalog'::pg_catalog.regnamespace
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_operator u
                      WHERE u.oprname = o.oprname AND u.oprnamespace <> o.oprnamespace
                        AND pg_catalog.pg_operator_is_visible(u.oid)
                        AND NOT EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.oid IN (u.oprleft, u.oprright)
                                        AND t.typnamespace <> o.oprnamespace))
"""


def survey(session: Session, nodes: Sequence[Any]) -> Known:
    """What is known of all that these parse trees name."""
    wanted = mentioned(nodes)
    found = _relations(session, wanted)
    unvalidated = _unvalidated(session, [row[1] for row in found])
    wanted = _with_definitions(wanted, [text for own in unvalidated.values() for text in own.values()])
    cascades = session.rows(_CASCADES)
    there = {(row[2], row[3]) for row in found}
    changing = {(c, d) for a, b, c, d, *_ in cascades if (a, b) in there}
    wanted = replace(wanted, relations=wanted.relations | changing)
    found = _relations(session, wanted) if unvalidated or changing else found
    types = session.rows(_TYPES)
    ((default,),) = session.rows("SELECT coalesce(pg_catalog.current_schema()::text, 'public')")
    functions = session.rows(_FUNCTIONS, (list(wanted.functions),))
    operators = session.rows(_OPERATORS, ([*wanted.operators, *USUAL_OPERATORS],))
    casts = session.rows(_CASTS)
    return Known(
        default=default,
        visible={name: (schema, name) for plain, _, schema, name, *_ in found if plain},
        tables=_tables(session, found, unvalidated),
        relations=frozenset((row[2], row[3]) for row in found),
        enums=frozenset((schema, name) for schema, name, enum, _ in types if enum),
        visible_enums={name: (schema, name) for schema, name, enum, visible in types if enum and visible},
        domains=frozenset(name for _, name, enum, _ in types if not enum),
        cascades=tuple(
            Cascade((a, b), (c, d), frozenset(columns), *actions) for a, b, c, d, columns, *actions in cascades
        ),
        functions=frozenset(name for name, plain in functions if plain),
        calm=frozenset(name for name, _ in functions),
        operators=frozenset(name for (name,) in operators),
        cast_types=frozenset(name for name, builtin, _ in casts if not builtin),
        recast=any(between for *_, between in casts),
        version=session.server_version,
    )


def _relations(session: Session, wanted: Mentioned) -> list[Row]:
    names = list(wanted.relations)
    return session.rows(_RELATIONS, ([schema for schema, _ in names], [name for _, name in names]))


def _unvalidated(session: Session, oids: Sequence[int]) -> Mapping[int, Mapping[str, str]]:
    """Their definitions with every name in full."""
    found: dict[int, dict[str, str]] = defaultdict(dict)
    with taken_back(session):
        session.script(set_local(NAMES))
        for oid, name, definition in session.rows(_UNVALIDATED, (list(oids),)):
            found[oid][name] = definition.removesuffix(" NOT VALID")
    return found


def _with_definitions(wanted: Mentioned, definitions: Iterable[str]) -> Mentioned:
    more = mentioned([node for node in map(constraint_of, definitions) if node is not None])
    relations = wanted.relations | {name for name in more.relations if name[0]}
    return Mentioned(relations, wanted.functions | more.functions, wanted.operators | more.operators)


def _tables(
    session: Session, found: Sequence[Sequence[Any]], unvalidated: Mapping[int, Mapping[str, str]]
) -> Mapping[Name, Table]:
    oids = [row[1] for row in found]
    columns: dict[int, dict[str, Column]] = defaultdict(dict)
    for oid, name, written, schema, type_name, *facts in session.rows(_COLUMNS, (oids,)):
        columns[oid][name] = Column(written, (schema, type_name), *facts)
    keys: dict[int, list[str]] = defaultdict(list)
    for oid, name in session.rows(_KEYS, (oids,)):
        keys[oid].append(name)
    partitioned, demands = _partitioned(session, oids, any(row[4] == "p" for row in found))
    return {
        (schema, name): Table(
            (schema, name), kind, readable, entangled, foreign, fires, columns[oid], tuple(keys[oid]),
            unvalidated.get(oid, {}), partitioned.get(oid), frozenset(demands[oid]),
        )
        for _, oid, schema, name, kind, readable, entangled, foreign, fires in found
    }  # fmt: skip


def _partitioned(
    session: Session, oids: Sequence[int], any_is: bool
) -> tuple[Mapping[int, Partitioning], Mapping[int, set[str]]]:
    """Of each partitioned table how, and of each table its unique indexes and foreign keys: asked where there are."""
    demands: dict[int, set[str]] = defaultdict(set)
    if not any_is:
        return {}, demands
    found = {
        oid: Partitioning(strategy, tuple(names), plain, has_default, is_part)
        for oid, strategy, names, plain, has_default, is_part in session.rows(_PARTITIONED, (list(oids),))
    }
    for oid, text in session.rows(_DEMANDS, (list(oids), list(oids))):
        demands[oid].add(text)
    return found, demands
