"""What a plan says of existing rows, against what happens when the migration is applied: nothing is refused in vain."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import resources
from pathlib import Path
from random import Random

import pytest

from operations.context import Context
from operations.errors import StatementFailed
from operations.migrations.script import read_script
from operations.ports import Session
from operations.preflight.foreseeing import foresee
from operations.preflight.model import Foreseen
from operations.validation.seeds import seed

from ..conftest import Server
from ..corpus import HISTORIES, corpus
from .demands import demand, rows
from .results import Finding, save
from .scale import count

pytestmark = [pytest.mark.campaign, pytest.mark.timeout(3600)]
FORESEEN, MISSED = "foreseen, and it failed", "not foreseen, and it failed"
UNTRIED, APPLIED = "not tried, and it failed", "nothing foreseen, and it applied"
CAREFUL = "not tried, and it applied"
IN_VAIN = "foreseen, and it applied"
PER_TABLE = 25
OF_ROWS = ("22", "23")
TABLES = """
    SELECT pg_catalog.format('%I.%I', schemaname, tablename) FROM pg_catalog.pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
"""


def outcome(found: Foreseen, failed: bool) -> str:
    if found.failing:
        return FORESEEN if failed else IN_VAIN
    if found.untried or found.notes:
        return UNTRIED if failed else CAREFUL
    return MISSED if failed else APPLIED


def with_figures(finding: Finding) -> Finding:
    """Precision and recall: of what was said to fail, and of what failed."""
    of = finding.outcomes
    said, failed = of.get(FORESEEN, 0) + of.get(IN_VAIN, 0), sum(of.get(key, 0) for key in (FORESEEN, MISSED, UNTRIED))
    if said:
        finding.figures["precision"] = of.get(FORESEEN, 0) / said
    if failed:
        finding.figures["recall"] = of.get(FORESEEN, 0) / failed
    return finding


class _TakenBack(Exception):
    """Ends a trial that applied."""


def fails(session: Session, sql: str) -> str | None:
    """The code of the error that applying it ends with; afterwards everything is as before."""
    try:
        with session.transaction():
            session.script(sql)
            raise _TakenBack
    except StatementFailed as error:
        return error.sqlstate
    except _TakenBack:
        return None


@pytest.fixture
def ground_context(durable: Server, context_of: Callable[..., Context]) -> Context:
    return context_of(durable.url(durable.create()))


def test_random_demands_of_random_rows(durable: Server, ground_context: Context) -> None:
    random = Random(20241127)
    found: dict[str, Finding] = {}
    in_vain = []
    with ground_context.database.session() as session:
        for number in range(count(4000)):
            if number % PER_TABLE == 0:
                session.script(rows(random))
            one = demand(random)
            scripts = {f"{n}_m": read_script(f"{n}_m", text) for n, text in enumerate((one.before, one.sql)) if text}
            told = foresee(ground_context, session, scripts)
            failed = fails(session, one.before + one.sql)
            if failed and (failed[:2] not in OF_ROWS or fails(session, one.before)):
                continue  # not because of rows (a column that is gone, no such cast), or not because of the demand
            came = outcome(told, failed is not None)
            if came == IN_VAIN:
                in_vain.append((one, told))
            name = f"{one.kind}{', after other statements' if one.before else ''}"
            found.setdefault(name, Finding("existing rows", name, f"PostgreSQL {durable.major}")).add(came)
    assert not in_vain, in_vain[:3]
    for finding in found.values():
        save(with_figures(finding))


@pytest.mark.corpus
@pytest.mark.parametrize("history", HISTORIES)
def test_no_migration_of_a_real_history_is_refused_in_vain(
    history: str, durable: Server, context_of: Callable[..., Context]
) -> None:
    """Up to four pending ones at a time, on a few rows in each table; what fails for them is applied without rows."""
    folder = corpus(history)
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    random = Random(history)
    finding = Finding("existing rows", f"history {history}", f"PostgreSQL {durable.major}")
    database = durable.superuser(durable.create())
    context = context_of(durable.url(database.target.database))
    with database.session() as session:
        stand_in = _stand_in(session)
        for window in windows(names[: count(len(names))], random):
            seed(session, [name for (name,) in session.rows(TABLES)])
            texts = [(name, _text(folder, name, stand_in)) for name in window]
            told = foresee(context, session, {name: read_script(name, text) for name, text in texts})
            failed = first_failing(session, texts)
            expected = {one.file.split("/")[0] for one in told.failing}
            reached = window[: window.index(failed) + 1] if failed else window
            said = set(reached) & expected
            assert not said or (failed in said and min(said) == failed), (window, failed, told.failing)
            finding.add(outcome(told, failed is not None))
    save(with_figures(finding))


def windows(names: list[str], random: Random) -> Iterator[list[str]]:
    left = list(names)
    while left:
        number = random.randint(1, 4)
        yield left[:number]
        left = left[number:]


def _stand_in(session: Session) -> bool:
    """Whether the server lacks uuid-ossp; then its functions are made without it."""
    if session.rows("SELECT FROM pg_available_extensions WHERE name = 'uuid-ossp'"):
        return False
    session.script((resources.files("operations.adapters") / "extension_scripts/uuid-ossp--1.1.sql").read_text())
    return True


def _text(folder: Path, name: str, stand_in: bool) -> str:
    text = (folder / name / "migration.sql").read_text()
    return re.sub(r'CREATE EXTENSION[^;]*"uuid-ossp"[^;]*;', "", text) if stand_in else text


def first_failing(session: Session, texts: list[tuple[str, str]]) -> str | None:
    """The first that fails for its rows, if any; the tables are emptied then, and all of them apply."""
    failed: str | None = None
    for name, text in texts:
        try:
            session.script(text)
        except StatementFailed as error:
            with suppress(StatementFailed):
                session.script("ROLLBACK")
            if error.sqlstate[:2] not in OF_ROWS:
                raise
            failed = failed or name
            session.script("".join(f"TRUNCATE {table} CASCADE;" for (table,) in session.rows(TABLES)))
            session.script(text)
        session.reset()
    return failed
