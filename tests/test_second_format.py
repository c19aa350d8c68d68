"""A second migration tool is one file: the real program does for its folder what it does for Prisma's."""

from __future__ import annotations

from pathlib import Path

import pytest

from operations.adapters.postgres import PostgresDatabase
from operations.database_url import parse_database_url

from .conftest import Server
from .locktender_process import Project

FIRST = 'CREATE TABLE "Person" (id int PRIMARY KEY);\n'
SECOND = 'ALTER TABLE "Person" ADD COLUMN name text;\n'


@pytest.fixture
def project(server18: Server, tmp_path: Path) -> Project:
    folder = tmp_path / "versions"
    folder.mkdir()
    (folder / "0001_people.sql").write_text(FIRST)
    return Project(tmp_path / "app", server18.url(server18.create()), folder, module="tests.numbered")


def schema(project: Project) -> object:
    with PostgresDatabase(parse_database_url(project.url)).session() as session:
        return session.rows(
            "SELECT table_name::text, column_name::text FROM information_schema.columns"
            " WHERE table_schema = 'public' AND table_name <> 'versions' ORDER BY 1, 2"
        )


@pytest.mark.campaign
def test_a_folder_of_another_tool_is_deployed_undone_and_backed_up(project: Project) -> None:
    assert project.run("status").result["pending"] == ["0001_people"]
    assert project.run("deploy").exit_code == 0
    before = schema(project)

    (project.migrations / "0002_names.sql").write_text(SECOND)
    (project.migrations / "0002_names.undo.sql").write_text('ALTER TABLE "Person" DROP COLUMN name;\n')
    deployed = project.run("deploy")
    assert deployed.result["applied"] == ["0002_names"], deployed.said
    assert schema(project) != before

    (project.migrations / "0003_wrong.sql").write_text(SECOND + 'SELECT "nobody";\n')
    failed = project.run("deploy")
    assert failed.exit_code == 3, failed.said
    assert "/0003_wrong.sql:1:" in failed.error["message"], "the tool's own file is named, with line and column"
    (project.migrations / "0003_wrong.sql").unlink()

    undone = project.run("rollback")
    assert undone.exit_code == 0, undone.said
    assert undone.result["rollback"]["method"] == "down", undone.said
    assert schema(project) == before

    (shown,) = project.run("backup", "list").result["backups"][-1:]
    assert project.run("backup", "show", shown["id"]).result["migrations"] == ["0001_people"]
    (project.migrations / "0001_people.sql").write_text(FIRST + "-- edited\n")
    assert project.run("status").result["edited"] == ["0001_people"]


def test_pieces_that_commit_by_themselves_are_recorded_and_put_back(project: Project) -> None:
    assert project.run("deploy").exit_code == 0
    before = schema(project)
    (project.migrations / "0002_pieces.sql").write_text(
        SECOND + 'CREATE INDEX CONCURRENTLY by_name ON "Person" (name);\n' + 'SELECT "nobody";\n'
    )
    failed = project.run("deploy")
    assert failed.exit_code == 3, failed.said
    assert schema(project) == before
    assert project.run("status").result["failed"] == []


def test_a_history_of_another_tool_can_be_begun_with_a_baseline_and_mended(project: Project) -> None:
    with PostgresDatabase(parse_database_url(project.url)).session() as session:
        session.script(FIRST)
    assert project.run("deploy").exit_code == 5
    assert project.run("apply", "--baseline", "0001_people").exit_code == 0
    (project.migrations / "0002_names.sql").write_text(SECOND)
    assert project.run("resolve", "--applied", "0002_names").exit_code == 0
    assert project.run("status").result["pending"] == []
