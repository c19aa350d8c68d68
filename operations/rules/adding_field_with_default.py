"""A new column whose value differs from row to row, so that the whole table is written anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from operations.migrations.enums import tree
from operations.rules.model import Context, Found, Rule
from operations.rules.state import column_constraints, commands
from operations.rules.types import SERIALS

_STEADY = """
now transaction_timestamp statement_timestamp timezone date_trunc date_part extract to_timestamp make_interval
make_date make_timestamp make_timestamptz current_setting current_schema current_database pg_typeof lower upper
initcap trim btrim ltrim rtrim concat concat_ws format replace repeat left right substring substr length md5 sha256
encode decode abs round ceil floor trunc power sqrt mod greatest least to_char to_date to_number to_json to_jsonb
json_build_object json_build_array jsonb_build_object jsonb_build_array array_fill string_to_array array_to_string
to_tsvector int4range int8range numrange tsrange tstzrange daterange enum_first enum_last txid_current
"""
"""Functions of PostgreSQL that are not volatile: evaluated once for all rows."""
_STEADY_NAMES = frozenset(_STEADY.split())


def _check(context: Context) -> Iterator[Found]:
    table = context.state.busy(context.node.relation)
    for at, (kind, command) in enumerate(commands(context.node)):
        why = _why(context, command.def_) if table and kind == "AddColumn" else None
        if why:
            yield Found(
                f"All of {table}{table.size if table else ''} is written anew, because {why}.", at, about=str(table)
            )
            return


def _why(context: Context, column: Any) -> str | None:
    constraints = column_constraints(column)
    if column.typeName and column.typeName.names[-1].sval in SERIALS:
        return f"each row gets a number of its own in {column.colname}"
    if "IDENTITY" in constraints:
        return f"each row gets a number of its own in {column.colname}"
    generated = constraints.get("GENERATED")
    if generated and generated.generated_kind != "v":
        return f"{column.colname} is generated and stored"
    domain = context.state.domain(column.typeName) if column.typeName else None
    if domain and domain.constrained:
        return f"the domain of {column.colname} is checked in each row"
    return _volatile(column.colname, constraints["DEFAULT"].raw_expr) if "DEFAULT" in constraints else None


def _volatile(column: str, expression: Any) -> str | None:
    for item in tree(expression):
        if type(item).__name__ == "FuncCall" and item.funcname[-1].sval not in _STEADY_NAMES:
            return f"the default of {column} calls {item.funcname[-1].sval}() for each row"
    return None


RULE = Rule(
    name="adding-field-with-default",
    severity="warning",
    problem="A column whose default differs from row to row rewrites the table while nothing can read or write it.",
    help="Add the column without the default, then SET DEFAULT, and fill the rows in batches. A function of your own "
    "that is STABLE or IMMUTABLE does no harm: allow it.",
    nodes=("AlterTableStmt",),
    check=_check,
)
