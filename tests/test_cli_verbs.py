"""The verbs as they are typed, against real servers: what they print, their JSON to the letter, their exit codes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from operations.adapters.postgres import PostgresDatabase
from operations.context import Context
from operations.database_url import parse_database_url
from operations.lock import held
from operations.secret import Secret

from .conftest import Server
from .locktender_process import Ran
from .terminal import at_a_terminal, locktender

GOLDEN = Path(__file__).parent / "golden"
INIT = 'CREATE TABLE "Item" (id serial PRIMARY KEY, price int NOT NULL);\nINSERT INTO "Item" (price) VALUES (1), (2);\n'
HALF_WAY = 'UPDATE "Item" SET price = 0;\n\nALTER TABLE "Item" ADD COLUMN price int;\n'
WRONG = 'UPDATE "Item" SET price = 0;\n'
VARIABLE: list[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]] = [
    (re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}"), "<ID>"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "<TIME>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "<SERVER>"),
    (re.compile(r"\bt_[0-9a-f]{12}\b"), "<DATABASE>"),
    # In a column, on a busy machine: 12.34 takes a blank more than 1.23 does.
    (re.compile(r" {2,}\d+\.\d\d(?= *$)", re.MULTILINE), lambda found: "<S>".rjust(len(found[0]) - 1)),
    (re.compile(r"\b\d+\.\d\d\b"), "<S>"),
    (re.compile(r"\b\d+(\.\d)? (kB|MB|B)\b"), "<SIZE>"),
    (re.compile(r"plan [0-9a-f]{12}"), "plan <DIGEST>"),
    (re.compile(r" +$", re.MULTILINE), ""),
]


@dataclass(frozen=True)
class Shop:
    """A project directory and its database."""

    directory: Path
    url: Secret
    context: Context

    @property
    def variables(self) -> Mapping[str, str]:
        return {
            "LOCKTENDER_DATABASE_URL": self.url.reveal(),
            "LOCKTENDER_MIGRATIONS": self.context.environment.migrations,
            "LOCKTENDER_BACKUP_DIR": self.context.environment.backup_dir,
        }

    def run(self, *words: str) -> Ran:
        return locktender(*words, cwd=self.directory, env=self.variables)

    def typed(self, *words: str, answers: Mapping[str, str]) -> tuple[int, str]:
        return at_a_terminal(*words, cwd=self.directory, env=self.variables, answers=answers)

    def migration(self, name: str, sql: str) -> None:
        folder = Path(self.context.environment.migrations, name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "migration.sql").write_text(sql)

    def prices(self) -> list[int]:
        with self.context.database.session() as session:
            return [price for (price,) in session.rows('SELECT price FROM "Item" ORDER BY id')]

    def golden(self, name: str, said: Ran) -> None:
        """Compare with the file; LOCKTENDER_GOLDEN=write writes it anew."""
        text = f"{said.stdout}--- stderr\n{said.stderr}--- exit code {said.exit_code}\n"
        text = text.replace(str(self.directory), "<DIRECTORY>")
        for pattern, stand_in in VARIABLE:
            text = pattern.sub(stand_in, text)
        path = GOLDEN / f"{name}.txt"
        if os.environ.get("LOCKTENDER_GOLDEN") == "write":
            path.write_text(text)
        assert text == path.read_text()


@pytest.fixture
def shop(server: Server, context_of: Callable[..., Context], tmp_path: Path) -> Shop:
    url = server.url(server.create())
    made = Shop(tmp_path, url, context_of(url))
    made.migration("20240101000000_init", INIT)
    return made


@pytest.fixture
def shop18(server18: Server, context_of: Callable[..., Context], tmp_path: Path) -> Shop:
    """For what does not depend on the server's version."""
    url = server18.url(server18.create())
    made = Shop(tmp_path, url, context_of(url))
    made.migration("20240101000000_init", INIT)
    return made


def test_status_from_pending_to_up_to_date(shop18: Shop) -> None:
    pending = shop18.run("status", "--json")
    assert (pending.exit_code, pending.answer["command"], pending.answer["environment"]) == (1, "status", "local")
    result = pending.answer["result"]
    lists = {
        "applied": [],
        "pending": ["20240101000000_init"],
        "failed": [],
        "edited": [],
        "missing": [],
        "out_of_order": [],
    }
    assert {key: result[key] for key in lists} == lists
    assert result["format"] == "prisma"
    assert pending.answer["error"] is None
    assert shop18.run("deploy").exit_code == 0
    assert shop18.run("status").exit_code == 0
    shop18.golden("status_up_to_date", shop18.run("status"))
    shop18.migration("20231231000000_late", "SELECT 1;")
    shop18.migration("20240101000000_init", INIT + "-- edited")
    shop18.golden("status_trouble", shop18.run("status"))


def test_a_deploy_in_json_has_what_the_contract_says(shop: Shop) -> None:
    done = shop.run("deploy", "--json").answer
    assert done["ok"] is True
    result = done["result"]
    assert result["outcome"] == "deployed"
    assert (result["applied"], result["backup_id"], result["atomic"], result["rollback"]) == (
        ["20240101000000_init"],
        None,
        True,
        None,
    )
    assert isinstance(result["downtime_seconds"], (int, float))
    assert all(set(step) >= {"name", "status", "seconds"} for step in result["steps"])
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{6}", result["run_id"])
    assert shop.run("deploy", "--json").answer["result"]["outcome"] == "nothing_to_do"
    assert shop.run("apply", "--json").answer["result"]["outcome"] == "nothing_to_do"


def test_a_deploy_that_fails_shows_both_result_and_error_and_leaves_the_old_state(shop18: Shop) -> None:
    shop18.run("deploy")
    shop18.migration("20240102000000_half_way", HALF_WAY)
    failed = shop18.run("deploy", "--json")
    assert (failed.exit_code, failed.error["code"], failed.error["prisma_code"]) == (3, "migration_failed", "P3018")
    assert "20240102000000_half_way/migration.sql:3:1" in failed.error["message"]
    result = failed.answer["result"]
    assert (result["outcome"], result["applied"]) == ("rolled_back", [])
    assert result["rollback"]["method"] == "transaction"
    assert result["rollback"]["lossless"] is True
    assert "result" not in failed.error.get("details", {})
    assert shop18.prices() == [1, 2]
    shop18.golden("deploy_failed", shop18.run("deploy", "-q"))


def test_a_dry_run_tells_the_plan_and_changes_nothing(shop18: Shop) -> None:
    shop18.migration("20240102000000_index", 'CREATE INDEX CONCURRENTLY "Item_price" ON "Item" (price);')
    shop18.golden("deploy_dry_run", shop18.run("deploy", "--dry-run"))
    assert shop18.run("status", "--json").answer["result"]["applied"] == []
    shop18.golden("deploy_first", shop18.run("deploy", "-q"))
    assert shop18.run("apply", "--dry-run", "--json").answer["result"]["outcome"] in ("planned", "nothing_to_do")


def test_apply_stops_where_it_is_told_and_baseline_only_records(shop18: Shop) -> None:
    shop18.migration("20240102000000_more", "CREATE TABLE more (id int);")
    shop18.migration("20240103000000_most", "CREATE TABLE most (id int);")
    assert shop18.run("apply", "--to", "20240102000000_more", "--json").answer["result"]["applied"] == [
        "20240101000000_init",
        "20240102000000_more",
    ]
    assert shop18.run("apply", "--to", "nope", "--json").error["code"] == "not_found"
    with shop18.context.database.session() as session:
        session.script("DROP TABLE _prisma_migrations")
    refused = shop18.run("deploy", "--json")
    assert (refused.exit_code, refused.error["prisma_code"]) == (5, "P3005")
    done = shop18.run("apply", "--baseline", "20240102000000_more", "--json").answer
    assert done["result"]["applied"] == ["20240103000000_most"]


def test_backups_from_create_to_prune(shop18: Shop) -> None:
    shop18.run("deploy")
    made = shop18.run("backup", "create", "--json").answer
    assert made["command"] == "backup create"
    result = made["result"]
    assert set(result) >= {"id", "path", "bytes", "seconds", "verified", "tables", "rows"}
    assert (result["tables"], result["rows"], result["verified"]) == (2, 3, False)
    assert Path(result["path"], "manifest.json").exists()
    second = shop18.run("backup", "create", "--test-restore", "--json").answer["result"]
    assert second["verified"] is True
    listed = shop18.run("backup", "list", "--json").answer["result"]
    assert [backup["id"] for backup in listed["backups"]] == [second["id"], result["id"]]
    verified = shop18.run("backup", "verify", result["id"], "--test-restore", "--json").answer["result"]
    assert (verified["id"], verified["intact"], verified["problems"]) == (result["id"], True, [])
    shown = shop18.run("backup", "show", "latest", "--json").answer["result"]
    assert (shown["id"], shown["database"]) == (second["id"], shop18.context.database.target.database)
    shop18.golden("backup_list", shop18.run("backup", "list"))
    why = shop18.run("backup", "pin", result["id"], "--reason", "before the\naudit", "--json").answer["result"]
    assert why == {"id": result["id"], "pinned": "before the audit"}
    assert "(pinned: before the audit)" in shop18.run("backup", "list").stdout
    assert "pinned: before the audit" in shop18.run("backup", "prune", "--dry-run").stdout
    assert shop18.run("backup", "unpin", result["id"], "--json").answer["result"] == {
        "id": result["id"],
        "pinned": None,
    }
    assert "pinned" not in shop18.run("backup", "list").stdout
    assert shop18.run("backup", "pin", "20200101T000000Z-0000", "--json").error["code"] == "not_found"
    refused = shop18.run("backup", "prune", "--json")
    assert (refused.exit_code, refused.error["code"]) == (2, "usage")
    assert "--yes" in refused.error["hint"]
    assert shop18.run("backup", "prune", "--yes", "--json").answer["ok"] is True


def test_a_damaged_backup_is_not_intact(shop18: Shop) -> None:
    shop18.run("deploy")
    path = Path(shop18.run("backup", "create", "--json").answer["result"]["path"])
    archive = max((path / "archive").iterdir(), key=lambda file: file.stat().st_size)
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    archive.write_bytes(data)
    found = shop18.run("backup", "verify", "latest", "--json")
    assert found.exit_code == 1
    assert found.answer["result"]["intact"] is False
    assert archive.name in " ".join(found.answer["result"]["problems"])
    shop18.golden("backup_verify_damaged", shop18.run("backup", "verify", "latest", "-q"))
    assert shop18.run("backup", "verify", "20240101T000000Z-abcdef", "--json").error["code"] == "not_found"


def test_rollback_asks_first_and_takes_the_last_deploy_back(shop18: Shop) -> None:
    shop18.run("deploy")
    shop18.migration("20240102000000_wrong", WRONG)
    assert shop18.run("deploy").exit_code == 0
    assert shop18.prices() == [0, 0]
    refused = shop18.run("rollback", "--json")
    assert (refused.exit_code, refused.error["code"]) == (2, "usage")
    code, screen = shop18.typed("rollback", answers={"Go on? [y/N]": "n"})
    assert (code, "Not confirmed" in screen) == (5, True)
    assert shop18.prices() == [0, 0]
    assert shop18.run("rollback", "--dry-run").exit_code == 0
    code, screen = shop18.typed("rollback", answers={"Go on? [y/N]": "y"})
    assert code == 0, screen
    assert "Rolled back." in screen
    assert shop18.prices() == [1, 2]
    assert shop18.run("status", "--json").answer["result"]["pending"] == ["20240102000000_wrong"]


def test_restore_asks_for_the_databases_name_swaps_and_is_undone(shop: Shop) -> None:
    shop.run("deploy")
    backup_id = shop.run("backup", "create", "--json").answer["result"]["id"]
    with shop.context.database.session() as session:
        session.script(WRONG)
    name = shop.context.database.target.database
    question = f"Type {name} to go on"
    assert shop.run("restore", backup_id).exit_code == 2
    code, _ = shop.typed("restore", "latest", answers={question: "something else"})
    assert (code, shop.prices()) == (5, [0, 0])
    assert shop.run("restore", backup_id, "--dry-run", "--json").exit_code == 0
    assert shop.prices() == [0, 0]
    code, screen = shop.typed("restore", backup_id, answers={question: name})
    assert (code, shop.prices()) == (0, [1, 2]), screen
    done = shop.run("restore", "--undo", "--yes", "--json")
    assert done.exit_code == 0
    assert shop.prices() == [0, 0]
    again = shop.run("restore", backup_id, "--yes", "--json").answer["result"]
    assert set(again) >= {
        "restored", "emergency_backup", "previous_database", "seconds", "outage_seconds", "validation"
    }  # fmt: skip
    assert again["validation"]["ok"] is True
    assert again["validation"]["differences"] == []
    assert shop.prices() == [1, 2]


@pytest.mark.campaign
def test_replaced_databases_are_dropped_when_they_are_old(shop18: Shop) -> None:
    shop18.run("deploy")
    shop18.run("backup", "create")
    kept = shop18.run("restore", "latest", "--yes", "--json").answer["result"]["previous_database"]
    assert shop18.run("restore", "--prune", "1d", "--yes", "--json").answer["result"] == {"pruned": []}
    assert shop18.run("restore", "--prune", "0s", "--json").exit_code == 2
    wrong = shop18.run("restore", "--prune", "week", "--yes", "--json")
    assert (wrong.exit_code, wrong.error["code"]) == (2, "usage")
    assert kept in shop18.run("restore", "--prune", "0s", "--dry-run").stdout
    pruned = shop18.run("restore", "--prune", "0s", "--yes", "--json").answer["result"]["pruned"]
    assert [each["name"] for each in pruned] == [kept]
    assert shop18.run("restore", "--undo", "--yes", "--json").error["code"] == "not_found"


def test_restore_into_another_database_asks_nothing_and_touches_nothing(shop18: Shop) -> None:
    shop18.run("deploy")
    shop18.run("backup", "create")
    other = f"{shop18.context.database.target.database} copy"
    done = shop18.run("restore", "latest", "--into", other, "--json")
    assert done.exit_code == 0
    with shop18.context.database.session(other) as session:
        assert session.rows('SELECT count(*) FROM "Item"') == [(2,)]


def test_resolve_records_what_a_person_says(shop18: Shop) -> None:
    asked = shop18.run("resolve", "20240101000000_init", "--applied", "--json")
    assert (asked.exit_code, asked.error["code"]) == (2, "usage")
    assert shop18.run("resolve", "20240101000000_init", "--applied", "--yes", "--json").answer["ok"] is True
    assert shop18.run("status", "--json").answer["result"]["applied"] == ["20240101000000_init"]
    twice = shop18.run("--yes", "resolve", "20240101000000_init", "--applied", "--json")
    assert (twice.exit_code, twice.error["prisma_code"]) == (5, "P3008")
    absent = shop18.run("resolve", "nope", "--rolled-back", "--yes", "--json")
    assert (absent.exit_code, absent.error["prisma_code"]) == (2, "P3011")


def test_check_exit_codes(shop18: Shop) -> None:
    shop18.run("deploy")
    shop18.run("backup", "create", "--test-restore")
    healthy = shop18.run("check", "--json")
    assert (healthy.exit_code, healthy.answer["ok"]) == (0, True)
    checks = healthy.answer["result"]["checks"]
    assert all(set(each) == {"name", "status", "detail", "why", "fix", "value", "subject", "ddl"} for each in checks)
    assert {each["status"] for each in checks} == {"ok"}
    with shop18.context.database.session() as session:
        session.script("SELECT setval('\"Item_id_seq\"', 2147483000)")
    assert shop18.run("check", "--json").exit_code == 1
    said = shop18.run("check")
    assert "FAIL  sequences" in said.stdout
    assert "fix: ALTER TABLE" in said.stdout


def test_exit_codes_of_what_can_be_wrong_with_a_database_url(shop18: Shop) -> None:
    def code(url: str) -> tuple[int, str]:
        said = shop18.run("status", "--json", "--database-url", url, "--backup-dir", "b", "--migrations", "migrations")
        assert "hunter2" not in said.stdout + said.stderr
        return said.exit_code, said.error["prisma_code"]

    right = shop18.url.reveal()
    password = right.split(":")[2].split("@")[0]
    assert code(right.replace(password, "hunter2")) == (2, "P1000")
    assert code(re.sub(r"/t_\w+$", "/nope", right)) == (2, "P1003")
    assert code("postgresql://u:hunter2@127.0.0.1:1/x") == (3, "P1001")
    assert code("mysql://u:hunter2@127.0.0.1:1/x") == (2, "P1013")


def test_a_second_run_is_refused_while_one_is_at_work(shop18: Shop) -> None:
    with held(shop18.context, "deploy", "20240101T000000Z-abcdef"):
        refused = shop18.run("deploy", "--json")
        assert (refused.exit_code, refused.error["code"], refused.error["prisma_code"]) == (5, "lock_held", "P1002")
        assert shop18.run("status").exit_code == 1


def test_a_prefix_of_a_hint_chooses_the_same_environment(shop18: Shop) -> None:
    (shop18.directory / "locktender.toml").write_text(
        "[environments.a]\n"
        'database_url = "env:LOCKTENDER_DATABASE_URL"\nmigrations = "migrations"\nbackup_dir = "backups"\n'
    )
    shop18.run("deploy")
    with shop18.context.database.session() as session:
        session.script("UPDATE _prisma_migrations SET finished_at = NULL")
    refused = shop18.run("--config", "locktender.toml", "deploy", "--env", "a", "--json")
    assert (refused.exit_code, refused.error["prisma_code"]) == (5, "P3009")
    assert "locktender --config locktender.toml --env a resolve 20240101000000_init" in refused.error["hint"]


def test_unreadable_passwords_never_reach_the_terminal(shop18: Shop) -> None:
    parameters = parse_database_url(shop18.url)
    assert parameters.password
    PostgresDatabase(parameters).connect().close()
    for words in (("deploy", "-v"), ("check", "-v"), ("backup", "create", "-v"), ("status", "-v", "--json")):
        said = shop18.run(*words)
        assert parameters.password.reveal() not in said.stdout + said.stderr
