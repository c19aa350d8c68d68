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

from .conftest import Server

SNAPSHOTS = Path(__file__).parent / "rules"
CASE = re.compile(r"^-- === (bad|good): (.+)\n", re.MULTILINE)
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
        yield Case(kind == "bad", words, sql)


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
        found = lint([read_source("m/migration.sql", case.sql)], schema, {rule: "warning"} if is_off(rule) else {})
        assert any(one.rule == rule for one in found) == case.bad, (case.words, found)
        said.append(f"{'bad' if case.bad else 'good'}: {case.words}\n" + "".join(f"{shown(one)}\n" for one in found))
    text, snapshot = "\n".join(said), SNAPSHOTS / f"{rule}.txt"
    if os.environ.get("LOCKTENDER_WRITE_SNAPSHOTS"):
        snapshot.write_text(text, encoding="utf-8")
    assert snapshot.read_text(encoding="utf-8") == text


def is_off(rule: str) -> bool:
    return RULES[rule].severity == "off"


def test_every_snapshot_is_of_a_rule_and_shows_both_bad_and_good() -> None:
    assert {path.stem for path in SNAPSHOTS.glob("*.sql")} - {"base"} == set(RULES)
    assert {path.stem for path in SNAPSHOTS.glob("*.txt")} == set(RULES)
    for rule in RULES:
        assert {case.bad for case in cases(rule)} == {True, False}, rule
