"""Splitting, on texts that nobody would write."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operations.migrations.script import place, read_script
from operations.migrations.splitting import Piece, Unparsable, in_ascii, split

STATEMENTS = st.sampled_from(
    [
        "SELECT 1",
        "SELECT ';', '--', '/*'",
        "SELECT E'\\';' , U&'\\0041;'",
        "SELECT $$; -- $$, $t$ $$ ; $t$",
        "SELECT $ü$;$q$;$ü$",
        'CREATE TABLE ";ä" ("--" int)',
        "INSERT INTO t VALUES ('🙂;', 'ß')",
        "DO $$ BEGIN COMMIT; END $$",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END",
        "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM u; DELETE FROM v)",
        "BEGIN",
        "COMMIT",
        "SELECT 1 /* in ; the */ + -- middle ;\n 2",
        "(SELECT 1)",
        "WITH x AS (SELECT 1) DELETE FROM t",
    ]
)
BETWEEN = st.lists(
    st.sampled_from([" ", "\n", "\r\n", "\t", "-- é; COMMIT;\n", "/* ; */", "/* /* ; */ ü */", ";", "--\r\n"]),
    max_size=4,
).map("".join)


@given(st.lists(st.tuples(BETWEEN, STATEMENTS, BETWEEN), max_size=6), BETWEEN)
def test_statements_are_found_where_they_were_put(parts: list[tuple[str, str, str]], tail: str) -> None:
    text, starts = "", []
    for before, statement, after in parts:
        text += before
        starts.append(len(text))
        text += statement + after + ";"
    text += tail
    pieces = split(text)
    assert [piece.start for piece in pieces] == starts
    assert [piece.text for piece in pieces] == [statement for _, statement, _ in parts]
    assert all(text[piece.start : piece.end] == piece.text for piece in pieces)


@given(st.lists(st.tuples(BETWEEN, STATEMENTS, BETWEEN), max_size=6))
def test_all_that_is_not_in_a_statement_is_comment_or_blank(parts: list[tuple[str, str, str]]) -> None:
    text = "".join(f"{before}{statement}{after};" for before, statement, after in parts)
    rest, end = "", 0
    for piece in split(text):
        rest, end = rest + text[end : piece.start], piece.end
    assert split(rest + text[end:]) == ()


@given(st.lists(st.tuples(BETWEEN, STATEMENTS, BETWEEN), max_size=6))
def test_the_body_is_the_text_but_for_transaction_commands(parts: list[tuple[str, str, str]]) -> None:
    text = "".join(f"{before}{statement}{after};" for before, statement, after in parts)
    found = read_script("m", text)
    assert len(found.body) == len(text)
    kept = [s for s in found.statements or () if s.kind not in ("BEGIN", "COMMIT") or not found.verdict.atomic]
    assert [(s.text, s.start) for s in read_script("m", found.body).statements or ()] == [
        (s.text, s.start) for s in kept
    ]
    for statement in found.statements or ():
        where = place("m", text, statement.start)
        assert (where.line, where.column) == (statement.line, statement.column)


@given(st.text(alphabet="SELECT1;'\"$\\-/*\n ()qé\0", max_size=60))
@settings(max_examples=300)
def test_any_text_is_split_or_refused(text: str) -> None:
    pieces: tuple[Piece, ...] = ()
    gave_up = 0
    try:
        pieces = split(text)
    except Unparsable as error:
        gave_up = error.offset
    assert 0 <= gave_up <= len(text)
    assert all(text[piece.start : piece.end] == piece.text != "" for piece in pieces)
    assert all(one.end <= other.start for one, other in pairwise(pieces))


@given(st.text())
def test_in_ascii_changes_no_length(text: str) -> None:
    assert len(in_ascii(text)) == len(text)
    assert in_ascii(text).isascii()


@pytest.mark.parametrize(
    ("text", "offset"),
    [("SELECT 'é'; SELEC 1", 12), ("\n\n  x", 4), ("SELECT 'ä", 7), ("SELECT 1;\0", 9), ("SELECT (", 8)],
)
def test_where_the_grammar_gives_up(text: str, offset: int) -> None:
    with pytest.raises(Unparsable) as caught:
        split(text)
    assert caught.value.offset == offset


CHAINS = {
    "operators": ("SELECT ", "1+", "1"),
    "casts": ("SELECT 1", "::int", ""),
    "set operations": ("SELECT 1, 2", " UNION SELECT 1, 2", ""),
    "joins": ("SELECT FROM a", " JOIN b ON true", ""),
    "collations": ("SELECT 'a'", ' COLLATE "C"', ""),
    "time zones": ("SELECT now()", " AT TIME ZONE 'x'", ""),
    "parentheses": ("SELECT ", "(", "1"),
    "in many parentheses": ("SELECT ", "1 + (1 + 1 + ", "1"),
}


@pytest.mark.parametrize(("begin", "link", "end"), CHAINS.values(), ids=CHAINS)
def test_what_nests_too_deeply_is_refused_and_does_not_end_the_process(begin: str, link: str, end: str) -> None:
    with pytest.raises(Unparsable):
        split(begin + link * 30_000 + end)


def test_long_lists_are_not_deep() -> None:
    rows = ", ".join(f"({n} + 1 - 2, 'a - b')" for n in range(6_000))
    where = " OR ".join(f"id = {n}" for n in range(6_000))
    assert len(split(f"INSERT INTO t VALUES {rows}; DELETE FROM t WHERE {where}; SELECT 1")) == 3


def test_trees_are_the_same_as_with_all_of_the_checks_that_pglast_makes() -> None:
    files = sorted(str(path) for path in Path(__file__).parent.rglob("*.sql"))
    assert len(files) > 50
    ours, theirs = (_trees(module, files) for module in ("operations.migrations.parser", "pglast.parser"))
    assert "'Boolean'" in ours
    assert ours == theirs


def _trees(module: str, files: list[str]) -> str:
    code = f"""
import sys
from {module} import ParseError, parse_sql
for name in sys.argv[1:]:
    try:
        for statement in parse_sql(open(name, encoding="utf-8").read()):
            print(statement())
    except ParseError as error:
        print(error.args)
"""
    argv = [sys.executable, "-c", code, *files]
    return subprocess.run(argv, capture_output=True, check=True, timeout=120).stdout.decode()
