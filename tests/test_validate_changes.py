"""What a pull request changes in the folder, and the command line around it; most of it needs no server."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from operations.adapters.folder import read_folder
from operations.adapters.git_objects import GitObjects
from operations.adapters.local_host import LocalHost
from operations.adapters.postgres import PostgresDatabase
from operations.catalog import Catalog
from operations.commands import git as commands
from operations.database_url import parse_database_url
from operations.migrations.model import Migration
from operations.migrations.prisma import Prisma
from operations.rules.model import Finding
from operations.secret import Secret
from operations.settings import Environment
from operations.settings_file import load_without_secrets
from operations.validation.changes import changes, findings
from operations.validation.diagram import diagram
from operations.validation.folders import MOST_BYTES, Folder, Tree, folder_of
from operations.validation.from_database import look
from operations.validation.from_git import folders_at
from operations.validation.schema_changes import schema_changes
from operations.validation.search_path import schema_of

from . import terminal
from .conftest import Server
from .locktender_process import Ran

LOCK = b'provider = "postgresql"\n'
LANDED = {"20240101000000_a": "SELECT 1;\n", "20240301000000_c": "SELECT 3;\n"}


def folder(scripts: dict[str, str], lock: bytes | None = LOCK, **more: bytes) -> Folder:
    files = {f"{name}/migration.sql": text.encode() for name, text in scripts.items()}
    return folder_of(Tree({**files, **more, **({"migration_lock.toml": lock} if lock else {})}))


def told(head: Folder, base: Folder | None = None, ancestor: Folder | None = None) -> list[tuple[str, str, str]]:
    base = base or folder(LANDED)
    found: list[Finding] = list(findings(base, head, changes(base, head, ancestor)))
    return [(one.rule, one.severity, one.file) for one in found]


def test_a_new_migration_behind_all_others_is_no_finding() -> None:
    head = folder({**LANDED, "20240401000000_d": "SELECT 4;"})
    assert told(head) == []
    assert changes(folder(LANDED), head).new == ("20240401000000_d",)


@pytest.mark.parametrize(
    ("scripts", "expected"),
    [
        (
            {**LANDED, "20240101000000_a": "SELECT 2;"},
            ("edited-after-landing", "error", "20240101000000_a/migration.sql"),
        ),
        ({"20240101000000_a": "SELECT 1;\n"}, ("deleted-migration", "error", "20240301000000_c/migration.sql")),
        (
            {"20240101000000_a": "SELECT 1;\n", "20240401000000_c": "SELECT 3;\r\n"},
            ("renamed-migration", "error", "20240401000000_c/migration.sql"),
        ),
        ({**LANDED, "20240201000000_b": "SELECT 2;"}, ("late-migration", "warning", "20240201000000_b/migration.sql")),
        ({**LANDED, "next": "SELECT 2;"}, ("odd-name", "note", "next/migration.sql")),
    ],
)  # fmt: skip
def test_what_must_not_be_is_a_finding(scripts: dict[str, str], expected: tuple[str, str, str]) -> None:
    assert told(folder(scripts)) == [expected]


def test_line_endings_are_no_edit() -> None:
    assert told(folder({**LANDED, "20240101000000_a": "SELECT 1;\r\n"})) == []


def test_the_provider_must_stay() -> None:
    assert told(folder(LANDED, b'provider = "mysql"')) == [("provider-changed", "error", "migration_lock.toml")]
    for nothing in (b"# Nothing", b"provider = 5", b"\xff\xfe"):
        assert told(folder(LANDED, nothing)) == [("provider-changed", "error", "migration_lock.toml")]
        assert told(folder(LANDED, nothing), folder(LANDED, nothing)) == []
    assert told(folder(LANDED, None)) == [("lock-file-deleted", "warning", "migration_lock.toml")]


def test_a_directory_without_a_script_and_a_script_without_a_directory() -> None:
    head = folder_of(
        Tree(
            {"migration_lock.toml": LOCK, "20240101000000_a/migration.sql": b"SELECT 1;\n", "x.sql": b"SELECT 1"}
            | {"20240301000000_c/migration.sql": b"SELECT 3;\n"},
            frozenset({"20240501000000_e"}),
        )
    )
    assert told(head) == [
        ("missing-script", "error", "20240501000000_e/migration.sql"),
        ("loose-file", "warning", "x.sql"),
    ]


def test_what_has_landed_since_head_left_is_no_change_of_heads() -> None:
    base = folder({**LANDED, "20240301000000_c": "SELECT 33;", "20240401000000_d": "SELECT 4;"})
    head = folder({**LANDED, "20240315000000_mine": "SELECT 5;"})
    assert told(head, base, folder(LANDED)) == [
        ("late-migration", "warning", "20240315000000_mine/migration.sql"),
    ]


def git(directory: Path, *words: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main", *words],
        cwd=directory, check=True, capture_output=True, timeout=60,
    )  # fmt: skip


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A branch with one new migration, and main, where another one has landed since."""

    def write(name: str, text: str, message: str) -> None:
        path = tmp_path / "prisma" / "migrations" / name / "migration.sql"
        path.parent.mkdir(parents=True)
        path.write_text(text)
        git(tmp_path, "add", "-A")
        git(tmp_path, "commit", "-m", message)

    git(tmp_path, "init")
    write("20240101000000_init", 'CREATE TABLE "Item" (id INT PRIMARY KEY);\n', "init")
    git(tmp_path, "checkout", "-b", "mine")
    git(tmp_path, "checkout", "main")
    write("20240201000000_theirs", 'ALTER TABLE "Item" ADD COLUMN theirs INT;\n', "theirs")
    git(tmp_path, "checkout", "mine")
    write(
        "20240301000000_mine",
        'ALTER TABLE "Item" ADD COLUMN "price" INTEGER;\n\nCREATE INDEX "Item_theirs" ON "Item"("theirs");\n'
        'ALTER TABLE "Itme" ADD COLUMN "x" INT;\n',
        "mine",
    )
    return tmp_path


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("bases"))


@pytest.fixture
def locktender(checkout: Path, cache: str) -> Callable[..., Ran]:
    """The program in the checkout; what has landed is kept from one test to the next."""
    return lambda *words, **env: terminal.locktender(*words, cwd=checkout, env={"LOCKTENDER_CACHE": cache, **env})


def golden(name: str, said: Ran) -> None:
    """Compare with the file; LOCKTENDER_GOLDEN=write writes it anew."""
    text = f"{said.stdout}--- stderr\n{said.stderr}--- exit code {said.exit_code}\n"
    text = re.sub(r" +$", "", re.sub(r"PostgreSQL \d+\.\d+", "PostgreSQL <VERSION>", text), flags=re.MULTILINE)
    path = Path(__file__).parent / "golden" / f"{name}.txt"
    if os.environ.get("LOCKTENDER_GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text()


def test_the_command_line_tells_it_for_people_and_for_scripts(checkout: Path, locktender: Callable[..., Ran]) -> None:
    said = locktender("validate", "--base-ref", "main", "-q")
    golden("validate_failed", said)
    script = checkout / "prisma" / "migrations" / "20240301000000_mine" / "migration.sql"
    script.write_text(script.read_text().replace("Itme", "Item"))
    said = locktender("validate", "--base-ref", "main", "-q")
    golden("validate_passed", said)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--base-ref", "nowhere"), "knows no 'nowhere'"),
        (("--base-ref", "--output=x"), "is no branch, tag or commit"),
        (("--base-ref", "main", "--base-migrations", "x"), "exclude each other"),
        (("--base-migrations", "x"), "no migrations folder"),
        (("--migrations", "x"), "no migrations folder"),
        (("--shadow-url", "env:NOWHERE"), "NOWHERE, which is not set"),
        (("--shadow-url", "postgresql://u:s3cretpw@127.0.0.1:1/x", "--base-ref", "main"), "No PostgreSQL answered"),
    ],
)
def test_wrong_usage_is_told(locktender: Callable[..., Ran], words: tuple[str, ...], told: str) -> None:
    said = locktender("validate", *words)
    assert said.exit_code in (2, 3)
    assert told in said.stderr
    assert "s3cretpw" not in said.stderr


def test_what_is_odd_about_what_has_landed_is_no_finding_of_a_later_change(tmp_path: Path) -> None:
    """Of links and of files over the limit, at a commit of a worktree, which has no objects of its own."""
    folder = tmp_path / "main" / "sql"
    for name in ("20240101000000_a", "20240102000000_b"):
        (folder / name).mkdir(parents=True)
    (folder / "20240101000000_a" / "migration.sql").symlink_to("/etc/passwd")
    with (folder / "20240102000000_b" / "migration.sql").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    git(tmp_path / "main", "init")
    git(tmp_path / "main", "add", "-A")
    git(tmp_path / "main", "commit", "-m", "odd")
    git(tmp_path / "main", "worktree", "add", "../mine")
    mine = tmp_path / "mine" / "sql"
    (mine / "20240103000000_c").symlink_to("/etc")
    head = read_folder(mine)
    base, ancestor = folders_at(LocalHost(), lambda path: GitObjects(Path(path)), str(mine), "main", head)
    assert base == ancestor
    assert (base.links, set(base.too_large)) == (
        ("20240101000000_a/migration.sql",),
        {"20240102000000_b/migration.sql"},
    )
    found = [(rule, file) for rule, _, file in told(folder_of(head), base, ancestor)]
    assert found == [("symbolic-link", "20240103000000_c")]
    assert told(folder_of(read_folder(folder)), base) == []


def test_where_objects_lie_is_asked_in_words_that_an_older_git_knows() -> None:
    """2.31 brought ``--path-format``, and an older one prints it back."""
    assert commands.objects("sub/dir") == ["git", "-C", "sub/dir", "rev-parse", "--git-path", "objects"]


def test_a_configuration_file_tells_folder_and_rules_and_its_secrets_may_be_missing(
    checkout: Path, locktender: Callable[..., Ran]
) -> None:
    (checkout / "locktender.toml").write_text(
        '[environments.production]\ndatabase_url = "env:NOT_HERE"\nmigrations = "prisma/migrations"\nbackup_dir = "b"\n'
        '[rules]\nrequire-concurrent-index-creation = "off"\n'
    )
    script = checkout / "prisma" / "migrations" / "20240301000000_mine" / "migration.sql"
    script.write_text('CREATE INDEX "Item_theirs" ON "Item"("theirs");\nALTER TABLE "Item" DROP COLUMN "id";\n')
    said = locktender("validate", "--base-ref", "main", "--json", "--fail-on", "warning")
    told = said.answer
    assert (told["ok"], told["command"], told["error"]) == (False, "validate", None)
    found = told["result"]
    assert found["changes"]["new"] == ["20240301000000_mine"]
    assert [finding["rule"] for finding in found["findings"]] == ["ban-drop-column"]
    assert set(found["findings"][0]) >= {"rule", "severity", "file", "line", "column", "message", "help"}
    assert found["verdicts"]["20240301000000_mine"]["atomic"] is True
    assert {change["change"] for change in found["schema_changes"]} == {"added", "removed"}
    assert [(proof["method"], proof["state"]) for proof in found["rollback_proof"]] == [
        ("transaction", "proved"),
        ("swap", "unproved"),
    ]


def test_a_database_that_can_be_reached_tells_what_has_landed_and_how_many_rows_it_holds(server18: Server) -> None:
    database = server18.owned()
    landed = folder(LANDED).migrations
    with database.session() as session:
        prisma = Prisma()
        prisma.create_history(session)
        for entry in landed.values():
            assert entry.script
            row = Migration(entry.name, f"{entry.name}/migration.sql", entry.script.decode(), entry.checksum)
            prisma.record_applied(session, row)
        session.script("CREATE TABLE t AS SELECT generate_series(1, 1000) i; ANALYZE t")
    head = folder({**LANDED, "20240101000000_a": "SELECT 'edited';", "20240401000000_d": "SELECT 4;"})
    live = look(database, head)
    assert live.base
    assert list(live.base.migrations) == list(LANDED)
    assert live.rows[("public", "t")] == 1000
    assert "20240101000000_a" in live.notes[0]
    nowhere = PostgresDatabase(parse_database_url(Secret("postgresql://u:s3cretpw@127.0.0.1:1/x")))
    unreachable = look(nowhere, head)
    assert (unreachable.base, "s3cretpw" in repr(unreachable)) == (None, False)
    assert unreachable.trouble


@pytest.mark.campaign
def test_the_database_of_a_named_environment_is_asked_and_that_it_does_not_answer_is_a_note(
    checkout: Path, locktender: Callable[..., Ran], server18: Server
) -> None:
    (checkout / "locktender.toml").write_text(
        '[environments.production]\ndatabase_url = "env:URL"\nmigrations = "prisma/migrations"\nbackup_dir = "b"\n'
    )
    script = checkout / "prisma" / "migrations" / "20240301000000_mine" / "migration.sql"
    script.write_text('CREATE INDEX "Item_theirs" ON "Item"("theirs");\n')
    name = server18.create()
    with server18.superuser(name).session() as session:
        session.script(
            "CREATE SCHEMA shop AUTHORIZATION app_owner;"
            'CREATE TABLE shop."Item" AS SELECT generate_series(1, 4321) i; ANALYZE shop."Item"'
        )
    url = f"{server18.url(name).reveal()}?schema=shop"
    words = ("--env", "production", "validate", "--base-ref", "main", "--json")
    told = locktender(*words, URL=url).answer["result"]
    assert ["(4\u202f321 rows)" in finding["message"] for finding in told["findings"]] == [True]
    assert [change["object"] for change in told["schema_changes"]] == ['shop."Item_theirs"']
    for url, why in (("", "URL is not set"), ("postgresql://u:s3cretpw@127.0.0.1:1/x", "No PostgreSQL answered")):
        said = locktender(*words, URL=url)
        assert said.exit_code == 0
        assert any(why in note for note in said.answer["result"]["notes"])
        assert "s3cretpw" not in said.stdout + said.stderr


@pytest.mark.parametrize(
    ("live", "url", "key", "trial", "expected"),
    [
        ("a", "u", "b", "c", "a"),
        ("", "u", "b", "c", "u"),
        ("", None, "b", "c", "b"),
        (None, "u", "b", "c", "u"),
        (None, "u", None, "c", "u"),
        (None, "", "b", "c", "b"),
        (None, None, "b", "c", "b"),
        (None, None, None, "c", "c"),
        ("", None, None, "c", None),
        (None, "", None, "c", None),
        (None, None, None, "", None),
        (None, None, None, None, None),
    ],
)
def test_the_schema_is_that_of_the_database_then_of_the_file_and_of_the_trial_server_only_where_neither_is_known(
    live: str | None, url: str | None, key: str | None, trial: str | None, expected: str | None
) -> None:
    def of(schema: str | None) -> Secret:
        return Secret("" if schema is None else f"postgresql://u@h/d{f'?schema={schema}' if schema else ''}")

    target = None if live is None else parse_database_url(of(live)).target
    configured = Environment("production", of(url), "m", "b", schema=key)
    assert schema_of(target, configured, of(trial)) == expected
    if url is key is None:
        assert schema_of(target, None, of(trial)) == expected


@pytest.mark.parametrize(
    ("written", "environ", "expected"),
    [
        ("postgresql://u@h/d?schema=app", None, "app"),
        ("postgresql://u@h/d?schema=app", {}, "app"),
        ("env:URL", {"URL": "postgresql://u@h/d?schema=app"}, "app"),
        ("env:URL", None, None),
        ("env:URL", {}, None),
        ("file:url.txt", {}, "filed"),
        ("file:url.txt", None, None),
        ("file:nowhere.txt", {}, None),
        ("env:URL", {"URL": "no url"}, None),
    ],
)
def test_the_urls_schema_counts_where_other_secrets_of_the_environment_are_not_there(
    tmp_path: Path, written: str, environ: dict[str, str] | None, expected: str | None
) -> None:
    (tmp_path / "url.txt").write_text("postgresql://u@h/d?schema=filed\n")
    (tmp_path / "locktender.toml").write_text(
        f'[environments.production]\ndatabase_url = "{written}"\nmigrations = "m"\nbackup_dir = "/b"\n'
        '[environments.production.server]\nhost = "h"\nuser = "u"\nprivate_key = "env:SSH_PRIVATE_KEY"\n'
        'known_hosts = "h ssh-ed25519 AAAA"\n'
    )
    configured = load_without_secrets(tmp_path / "locktender.toml", None, environ)
    assert schema_of(None, configured, Secret("")) == expected


def test_the_files_url_says_the_schema_though_no_environment_is_named(
    checkout: Path, locktender: Callable[..., Ran], server18: Server
) -> None:
    script = checkout / "prisma" / "migrations" / "20240301000000_mine" / "migration.sql"
    script.write_text("CREATE TABLE t (a INT);")
    words = ("validate", "--base-ref", "main", "--shadow-url", server18.url("postgres").reveal(), "--json")
    url = "postgresql://u@127.0.0.1:1/x?schema=app"
    for written, variables in ((url, {}), ("env:URL", {"URL": url})):
        (checkout / "locktender.toml").write_text(
            f'[environments.production]\ndatabase_url = "{written}"\nmigrations = "prisma/migrations"\n'
            'backup_dir = "b"\n[environments.production.alerts]\nheartbeat = "env:NOT_HERE"\n'
        )
        told = locktender(*words, **variables).answer["result"]
        assert {change["object"].partition(".")[0] for change in told["schema_changes"]} == {"app"}


def test_a_database_that_names_no_schema_has_the_files_and_never_that_of_the_trial_server(
    checkout: Path, locktender: Callable[..., Ran], server18: Server
) -> None:
    (checkout / "locktender.toml").write_text(
        '[environments.production]\ndatabase_url = "env:URL"\nmigrations = "prisma/migrations"\nbackup_dir = "b"\n'
    )
    script = checkout / "prisma" / "migrations" / "20240301000000_mine" / "migration.sql"
    script.write_text("CREATE TABLE t (a INT);")
    live, shadow = server18.url(server18.create()).reveal(), f"{server18.url('postgres').reveal()}?schema=elsewhere"
    words = ("--database-url", live, "validate", "--base-ref", "main", "--shadow-url", shadow, "--json")
    for key, schema in (("", "public"), ('schema = "shop"\n', "shop")):
        with (checkout / "locktender.toml").open("a") as file:
            file.write(key)
        told = locktender(*words).answer["result"]
        assert {change["object"].partition(".")[0] for change in told["schema_changes"]} == {schema}


def test_what_is_shown_has_one_order_whatever_order_postgresql_tells_it_in() -> None:
    definitions = {
        "constraint public.a.b_fkey": "FOREIGN KEY (id) REFERENCES public.b(id)",
        "constraint public.a.c_fkey": "FOREIGN KEY (id) REFERENCES public.c(id)",
        "constraint public.a.a_pkey": "PRIMARY KEY (id)",
        "index public.i": "CREATE INDEX i ON public.a USING btree (id)",
        "index public.j": "CREATE INDEX j ON public.a USING btree (id)",
    }
    objects = dict.fromkeys(("table public.a", "table public.b", "table public.c"), "{}")
    objects |= {"column public.a.id": '{"type": "integer"}', "columns of public.a": '["id"]'}
    objects |= {name: json.dumps({"definition": definition}) for name, definition in definitions.items()}
    one, other = Catalog(objects), Catalog(dict(reversed(objects.items())))
    assert schema_changes(Catalog({}), one) == schema_changes(Catalog({}), other)
    drawn = diagram(Catalog({}), one)
    assert drawn == diagram(Catalog({}), other)
    assert drawn
    assert "integer id PK" in drawn
