"""Lint rules, each with its snapshot: ``rules/RULE.sql`` holds new migrations, ``rules/RULE.txt`` what is found in it.

``LOCKTENDER_WRITE_SNAPSHOTS=1 pytest tests/test_rules.py`` writes the latter anew; read the difference before you
commit.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from operations.catalog import read
from operations.rules.linting import lint, read_source
from operations.rules.model import Finding
from operations.rules.registry import RULES
from operations.rules.schema import Schema, schema_of
from operations.settings import Level

from .conftest import Server

SNAPSHOTS = Path(__file__).parent / "rules"
CASE = re.compile(r"^-- === (bad|good): (.+)\n", re.MULTILINE)
HIDDEN = re.compile(r"<U\+([0-9A-F]{4})>")
PAGES = Path(__file__).resolve().parents[1] / "docs" / "rules"
EXAMPLE = re.compile(r"^(Bad|Good):\n\n```sql\n(.*?)```", re.MULTILINE | re.DOTALL)
ROWS = {("public", "User"): 120_000, ("public", "Empty"): 0}


@dataclass(frozen=True)
class Case:
    """One new migration, and whether the rule has something to find in it."""

    bad: bool
    words: str
    sql: str


def cases(rule: str) -> Iterator[Case]:
    _, *parts = CASE.split((SNAPSHOTS / f"{rule}.sql").read_text(encoding="utf-8"))
    for kind, words, sql in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        yield Case(kind == "bad", words, with_hidden(sql))


def with_hidden(sql: str) -> str:
    """``<U+202E>`` as that character: no file of ours holds one."""
    return HIDDEN.sub(lambda match: chr(int(match[1], 16)), sql)


def shown(finding: Finding) -> str:
    lines = f"{finding.line}:{finding.column}" + (f"–{finding.end_line}" if finding.end_line else "")
    suggested = "".join(f"\n    | {line}" for line in (finding.suggestion or "").splitlines())
    return f"  {lines} {finding.severity} {finding.rule}: {finding.message}{suggested}"


@pytest.fixture(scope="module")
def schema(server18: Server) -> Schema:
    with server18.owned().session() as session:
        session.script((SNAPSHOTS / "base.sql").read_text())
        return schema_of(read(session), ROWS)


@pytest.mark.parametrize("rule", RULES)
def test_the_rule_finds_what_its_snapshot_says(rule: str, schema: Schema) -> None:
    said = []
    for case in cases(rule):
        levels: dict[str, Level] = {rule: "warning"} if is_off(rule) else {}
        found = lint([read_source("m/migration.sql", case.sql)], schema, levels)
        assert any(one.rule == rule for one in found) == case.bad, (case.words, found)
        said.append(f"{'bad' if case.bad else 'good'}: {case.words}\n" + "".join(f"{shown(one)}\n" for one in found))
    text, snapshot = "\n".join(said), SNAPSHOTS / f"{rule}.txt"
    if os.environ.get("LOCKTENDER_WRITE_SNAPSHOTS"):
        snapshot.write_text(text, encoding="utf-8")
    assert snapshot.read_text(encoding="utf-8") == text


def is_off(rule: str) -> bool:
    return RULES[rule].severity == "off"


@pytest.mark.parametrize("rule", RULES)
def test_the_page_of_the_rule_tells_its_problem_and_its_examples_are_true(rule: str, schema: Schema) -> None:
    page = (PAGES / f"{rule}.md").read_text(encoding="utf-8")
    head, _, rest = page.partition("\n\n")
    assert head == f"# {rule}"
    assert " ".join(rest.partition("\n\n")[0].split()) == RULES[rule].problem
    examples = dict(EXAMPLE.findall(page))
    assert set(examples) == {"Bad", "Good"}
    levels: dict[str, Level] = {rule: "warning"} if is_off(rule) else {}
    for kind, is_found in (("Bad", True), ("Good", False)):
        found = lint([read_source("m/migration.sql", with_hidden(examples[kind]))], schema, levels)
        assert (rule in {one.rule for one in found}) == is_found, kind


def test_every_page_is_of_a_rule() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == {*RULES, "README"}


def test_every_snapshot_is_of_a_rule_and_shows_both_bad_and_good() -> None:
    assert {path.stem for path in SNAPSHOTS.glob("*.sql")} - {"base"} == set(RULES)
    assert {path.stem for path in SNAPSHOTS.glob("*.txt")} == set(RULES)
    for rule in RULES:
        assert {case.bad for case in cases(rule)} == {True, False}, rule
