"""``validate``: new migrations, tried on a throwaway server of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from operations.adapters.clock import SystemClock
from operations.adapters.trials import NamedServer, OwnServer
from operations.validate import Question, validate
from operations.validation.folders import Folder, Tree, folder_of
from operations.validation.model import Validation

from .conftest import Server

INIT = """CREATE TABLE "User" (id SERIAL PRIMARY KEY, email TEXT NOT NULL);
CREATE TYPE mood AS ENUM ('good', 'bad');
INSERT INTO "User" (email) VALUES ('a@example.com'), ('b@example.com');
"""
BASE = {"20240101000000_init": INIT}


def folder(scripts: Mapping[str, str], downs: Mapping[str, str] | None = None) -> Folder:
    files = {f"{name}/migration.sql": text.encode() for name, text in scripts.items()}
    files |= {f"{name}/down.sql": text.encode() for name, text in (downs or {}).items()}
    return folder_of(Tree(files))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One base for all that begin from the same history."""
    return tmp_path_factory.mktemp("bases")


@pytest.fixture
def tried(cache: Path):  # type: ignore[no-untyped-def]
    """Validate scripts on top of BASE."""

    def run(*scripts: str, downs: tuple[str | None, ...] = (), **changes: object) -> Validation:
        names = [f"2024020{number}000000_new" for number in range(1, len(scripts) + 1)]
        written = {name: down for name, down in zip(names, downs, strict=False) if down is not None}
        head = folder({**BASE, **dict(zip(names, scripts, strict=True))}, written)
        question = Question(head, folder(BASE), OwnServer(cache), SystemClock())
        return validate(replace(question, **changes))  # type: ignore[arg-type]

    return run


def test_a_good_migration_passes_and_says_what_it_will_do(tried) -> None:  # type: ignore[no-untyped-def]
    found = tried('ALTER TABLE "User" ADD COLUMN "age" INTEGER;\nCREATE INDEX i ON "User"(email);')
    assert (found.ok, found.findings) == (True, ())
    assert [run.kind for run in found.statements] == ["ALTER TABLE", "CREATE INDEX"]
    assert {(lock.relation, lock.mode) for lock in found.statements[0].locks} == {
        ('public."User"', "AccessExclusiveLock")
    }
    assert found.statements[1].scans == ('public."User"',)
    assert [(c.change, c.kind, c.object, c.after) for c in found.schema_changes] == [
        ("added", "column", 'public."User".age', "integer"),
        ("added", "index", "public.i", 'CREATE INDEX i ON public."User" USING btree (email)'),
    ]
    assert found.diagram
    assert 'integer age "added"' in found.diagram
    assert found.verdicts["20240201000000_new"].atomic


def test_a_rewrite_is_seen(tried) -> None:  # type: ignore[no-untyped-def]
    found = tried('ALTER TABLE "User" ALTER COLUMN id TYPE BIGINT;')
    assert found.statements[0].rewrites == ('public."User"',)


@pytest.mark.parametrize(
    ("script", "line", "column", "sqlstate"),
    [
        ("SELECT 1;\n  ALTER TABLE nope ADD COLUMN a INT;", 2, 3, "42P01"),
        ('SELECT 1;\nALTER TABLE "User" ADD COLUMN é INT,\n  ADD COLUMN b nope;', 3, 16, "42704"),
        ("SELECT 1;\nSELEC 2;", 2, 1, "42601"),
        ("CREATE TABLE t (a INT REFERENCES t(a) DEFERRABLE INITIALLY DEFERRED);", 1, 1, "42830"),
        (
            "CREATE TABLE t (a INT PRIMARY KEY, b INT REFERENCES t(a) DEFERRABLE INITIALLY DEFERRED);\n"
            "INSERT INTO t VALUES (1, 2);",
            2, 1, "23503",
        ),
        ("CREATE INDEX CONCURRENTLY i ON nope(a);", 1, 1, "42P01"),
    ],
)  # fmt: skip
def test_a_script_that_does_not_apply_is_an_error_at_its_place(  # type: ignore[no-untyped-def]
    tried, script: str, line: int, column: int, sqlstate: str
) -> None:
    found = tried(script)
    (finding,) = found.findings
    assert (finding.rule, finding.line, finding.column) == ("does-not-apply", line, column)
    assert f"({sqlstate})" in finding.message
    assert not found.ok


def test_a_base_that_was_kept_gives_the_same_answer(tmp_path: Path) -> None:
    head = folder({**BASE, "20240201000000_new": 'ALTER TABLE "User" ADD COLUMN a INT;'})
    question = Question(head, folder(BASE), OwnServer(tmp_path / "cache"), SystemClock())
    first, second = validate(question), validate(question)
    assert first.schema_changes == second.schema_changes
    assert len([entry for entry in (tmp_path / "cache").iterdir() if (entry / "password").exists()]) == 1


def test_on_a_named_server_nothing_is_left_behind(server: Server) -> None:
    database = server.owned()

    def databases() -> set[str]:
        with database.session() as session:
            return {name for (name,) in session.rows("SELECT datname FROM pg_database") if "validate" in name}

    head = folder({**BASE, "20240201000000_new": 'ALTER TABLE "User" ADD COLUMN a INT;'})
    found = validate(Question(head, folder(BASE), NamedServer(database), SystemClock()))
    assert found.ok
    assert found.server_version.startswith(str(server.major))
    assert not databases()
