"""``init``: what it finds out about a project, what it writes, and what it leaves alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import structs

from cli.verbs import VERBS
from operations.adapters.local_host import LocalHost
from operations.adapters.project_files import ProjectFolder
from operations.errors import Refused, UsageError
from operations.init import InitResult, detect, init
from operations.scaffold import compose
from operations.scaffold.drafting import SCRIPTS, drafts, plain, workflows
from operations.scaffold.model import Answers, Compose, Draft, Git, Prisma, Project
from operations.scaffold.package_scripts import with_scripts
from operations.settings import Environment
from operations.settings_file import load_environment

from .conftest import missing
from .terminal import at_a_terminal, locktender

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
COMPOSE = """
services:
  db:
    image: ${POSTGRES_IMAGE:-postgres:17.2-alpine}
    environment: {POSTGRES_DB: app}
  web:
    build: .
    command: node dist/server.js
    environment: ["DATABASE_URL=postgresql://app@db:5432/app"]
    ports: ["127.0.0.1:${PORT:-8080}:3000"]
  worker:
    image: app-worker
    depends_on: {db: {condition: service_healthy}}
  mail:
    image: mailpit
"""
SCHEMA = 'generator client {\n  provider = "prisma-client-js"\n}\ndatasource db {\n  provider = "postgresql"\n}\n'
SECRETS = {
    "DATABASE_URL": "postgresql://app:pw@db:5432/app",
    "SSH_PRIVATE_KEY": "-----BEGIN OPENSSH PRIVATE KEY-----",
    "SSH_KNOWN_HOSTS": "app.example.com ssh-ed25519 AAAA",
    "ALERT_WEBHOOK": "https://example.com/hook",
}


def put(directory: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return directory


@pytest.fixture
def project(tmp_path: Path) -> Path:
    lock = {"packages": {"": {}, "node_modules/prisma": {"version": "6.19.3"}}}
    files = {
        "prisma/schema.prisma": SCHEMA,
        "prisma/migrations/migration_lock.toml": 'provider = "postgresql"\n',
        "package.json": '{\n  "name": "@acme/My Shop",\n  "scripts": {\n    "dev": "next dev"\n  }\n}\n',
        "package-lock.json": json.dumps(lock, indent=2),
        "compose.yaml": COMPOSE,
    }
    return put(tmp_path, files)


def git(directory: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(directory), *words], check=True, capture_output=True)


def contents(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def found(directory: Path, migrations: str | None = None) -> Project:
    return detect(LocalHost(), str(directory), migrations)


def written(directory: Path, answers: Answers, *, dry_run: bool = False) -> InitResult:
    return init(LocalHost(), ProjectFolder(), found(directory), answers, dry_run=dry_run)


def statuses(result: InitResult) -> dict[str, str]:
    return {file.path: file.status for file in result.files}


ON_SERVER = Answers("production", "/srv/backups/app", host="app.example.com", app_directory="/srv/app")
HERE = Answers("production", "backups")


def test_what_is_found_out_about_a_project(project: Path) -> None:
    git(project, "init", "-q", "-b", "trunk")
    git(project, "remote", "add", "origin", "https://token@github.com/acme/shop.git")
    git(project, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")
    told = found(project)
    assert told.name == "my-shop"
    assert told.prisma == Prisma("prisma/migrations", "prisma/schema.prisma", "postgresql", "6.19.3")
    assert told.package_manager == "npm"
    assert told.git == Git("https://github.com/acme/shop.git", "trunk", "", str(project.resolve()))
    assert told.compose == Compose(
        "compose.yaml",
        "db",
        "postgres:17.2-alpine",
        17,
        services=("web", "worker"),
        commands={"web": "node dist/server.js"},
        port=8080,
    )
    assert told.notes == ()


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({"package-lock.json": '{"packages": {"node_modules/prisma": {"version": "5.1.0"}}}'}, "5.1.0"),
        ({"pnpm-lock.yaml": "packages:\n  prisma@6.2.1:\n    resolution: {}\n"}, "6.2.1"),
        ({"pnpm-lock.yaml": "packages:\n\n  /prisma@4.8.0:\n    resolution: {}\n"}, "4.8.0"),
        ({"yarn.lock": 'prisma@^5.0.0:\n  version "5.22.0"\n'}, "5.22.0"),
        ({"yarn.lock": '"prisma@npm:^7.0.0":\n  version: 7.4.0\n'}, "7.4.0"),
        ({"bun.lock": '{"packages": {"prisma": ["prisma@6.3.0", "", {}]}}'}, "6.3.0"),
        ({"package.json": '{"devDependencies": {"prisma": "^6.4"}}'}, "6.4"),
        ({"package.json": '{"devDependencies": {"prisma": "latest"}}'}, None),
        (
            {"node_modules/prisma/package.json": '{"version": "6.0.1"}', "yarn.lock": "prisma@6:\n  version 5.0.0"},
            "6.0.1",
        ),
        ({"package.json": "no JSON"}, None),
    ],
)
def test_which_prisma_is_used(files: dict[str, str], version: str | None, tmp_path: Path) -> None:
    put(tmp_path, {"prisma/schema.prisma": SCHEMA, **files})
    assert found(tmp_path).prisma.version == version


@pytest.mark.parametrize(
    ("files", "schema", "migrations"),
    [
        ({"apps/api/prisma/schema.prisma": SCHEMA}, "apps/api/prisma/schema.prisma", "apps/api/prisma/migrations"),
        (
            {"package.json": '{"prisma": {"schema": "db/my.prisma"}}', "db/my.prisma": SCHEMA},
            "db/my.prisma",
            "db/migrations",
        ),
        (
            {
                "prisma.config.ts": "export default defineConfig({ schema: path.join('db', 'schema.prisma'),"
                " migrations: { seed: 'x', path: \"db/history\" } })",
                "db/schema.prisma": SCHEMA,
            },
            "db/schema.prisma",
            "db/history",
        ),
        ({"prisma/schema/main.prisma": SCHEMA, "prisma/schema/a.prisma": ""}, "prisma/schema", "prisma/migrations"),
        ({"node_modules/x/schema.prisma": SCHEMA, "README": ""}, None, "prisma/migrations"),
    ],
)
def test_where_prisma_lies(files: dict[str, str], schema: str | None, migrations: str, tmp_path: Path) -> None:
    told = found(put(tmp_path, files))
    assert (told.prisma.schema, told.prisma.migrations) == (schema, migrations)
    assert told.prisma.provider == ("postgresql" if schema else None)
    assert "There is no" in told.notes[0]


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"prisma/schema.prisma": SCHEMA.replace("postgresql", "mysql")}, "is for mysql"),
        ({"prisma/schema.prisma": SCHEMA, "package.json": '{"dependencies": {"prisma": "^8.0.0"}}'}, "another format"),
        ({"a/schema.prisma": SCHEMA, "b/schema.prisma": SCHEMA}, "There are 2 Prisma schemas"),
    ],
)
def test_a_project_that_is_nothing_for_us_is_refused(files: dict[str, str], why: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=why):
        found(put(tmp_path, files))


@pytest.mark.parametrize(
    ("image", "major"),
    [
        ("postgres:15", 15),
        ("docker.io/library/postgres:17.2-alpine", 17),
        ("postgis/postgis:16-3.4", 16),
        ("pgvector/pgvector:pg18", 18),
        ("timescale/timescaledb:2.17.2-pg16", 16),
        ("postgres:latest", None),
        ("postgres@sha256:15aa", None),
        ("registry:5000/postgres", None),
    ],
)
def test_which_image_is_a_postgresql(image: str, major: int | None) -> None:
    told = compose.read("compose.yaml", f"services: {{d: {{image: '{image}'}}}}")
    assert told
    assert (told.database_service, told.postgres) == ("d", major)


@pytest.mark.parametrize("text", ["services: [", "- a", "services: 1", ""])
def test_what_is_no_compose_file_is_left_aside(text: str, tmp_path: Path) -> None:
    told = found(put(tmp_path, {"prisma/schema.prisma": SCHEMA, "compose.yml": text}))
    assert told.compose is None
    assert "compose.yml could not be read" in told.notes[0]


def test_no_database_service_is_guessed_where_there_is_none() -> None:
    told = compose.read("c", "services: {postgrest: {image: 'postgrest/postgrest'}, web: {build: .}}")
    assert told
    assert (told.database_service, told.services) == (None, ("web",))


@pytest.mark.parametrize("answers", [ON_SERVER, HERE], ids=["on a server", "here"])
@pytest.mark.parametrize("composed", [True, False], ids=["with Compose", "without"])
def test_the_configuration_is_read_by_our_own_settings(answers: Answers, composed: bool, project: Path) -> None:
    if not composed:
        (project / "compose.yaml").unlink()
    asked = structs.replace(answers, health_url='http://127.0.0.1:8080/he"al\\th')
    written(project, asked)
    told = load_environment(project / "locktender.toml", None, SECRETS)
    assert isinstance(told, Environment)
    assert (told.name, told.database_url.reveal()) == ("production", SECRETS["DATABASE_URL"])
    assert (told.server.host if told.server else None) == answers.host
    assert told.migrations.endswith("prisma/migrations")
    if composed:
        assert told.app
        assert (told.app.services, told.app.database_service) == (("web", "worker"), "db")
        assert told.app.health_url == asked.health_url
    else:
        assert told.app is None


def test_what_the_configuration_shows_as_an_example_is_valid_too(project: Path) -> None:
    (project / "compose.yaml").unlink()
    written(project, structs.replace(HERE, backup_dir="/srv/backups"))
    text = (project / "locktender.toml").read_text()
    keys = [line.removeprefix("# ") if "=" in line or "[env" in line else line for line in text.splitlines()]
    (project / "locktender.toml").write_text("\n".join(line for line in keys if not line.startswith("Wherever")))
    told = load_environment(project / "locktender.toml", None, SECRETS)
    assert told.server
    assert told.app
    assert told.app.services == ("web",)
    assert set(told.approvals) == {"restore"}
    assert len(told.alerts.webhooks) == 1


def lint(*argv: str, cwd: Path) -> None:
    tool = BIN / argv[0]
    if not tool.exists():
        missing(f"{argv[0]} is not installed")
    done = subprocess.run([str(tool), *argv[1:]], cwd=cwd, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("answers", [ON_SERVER, HERE], ids=["on a server", "here"])
def test_the_workflows_are_valid(answers: Answers, project: Path) -> None:
    git(project, "init", "-q", "-b", "main")
    result = written(project, structs.replace(answers, environment="on"))
    paths = [path for path in statuses(result) if "workflows" in path]
    assert len(paths) == (5 if answers.host else 1)
    lint("actionlint", "-shellcheck=", "-pyflakes=", *paths, cwd=project)
    for path in paths:
        (job,) = yaml.safe_load((project / path).read_text())["jobs"].values()
        told = next(step["with"] for step in job["steps"] if step["uses"].startswith("locktender/"))
        assert told.get("environment", "on") == "on"


def test_workflows_of_a_project_below_the_repository_lie_at_its_top(project: Path) -> None:
    git(project.parent, "init", "-q", "-b", "main")
    try:
        result = written(project, ON_SERVER)
        assert "../.github/workflows/locktender-deploy.yml" in statuses(result)
        text = (project.parent / ".github/workflows/locktender-deploy.yml").read_text()
        assert f"working-directory: {project.name}\n" in text
    finally:
        shutil.rmtree(project.parent / ".github")
        shutil.rmtree(project.parent / ".git")


EXAMPLES = {path.name: path for path in (ROOT / "examples" / "workflows").glob("*.yml")}


def test_the_examples_are_what_init_writes() -> None:
    facts = {"host": "h", "environment": "production", "branch": "main", "subdirectory": "", "example": True}
    texts = {Path(draft.path).name.removeprefix("locktender-"): draft.text for draft in workflows(facts)}
    assert set(EXAMPLES) == set(texts)
    for name, path in EXAMPLES.items():
        assert texts[name] == path.read_text(), f"{name} and its template in operations/scaffold/templates differ"


@pytest.mark.parametrize("start", [True, False], ids=["applies at start", "does not"])
def test_the_compose_snippet_is_valid_and_fits_the_file_it_is_for(start: bool, project: Path) -> None:
    written(project, structs.replace(HERE, start=start))
    told = yaml.safe_load((project / "compose.locktender.yaml").read_text())
    assert set(told["services"]) == {"db", "web", "worker"}
    database, web = told["services"]["db"], told["services"]["web"]
    assert "pg_isready" in database["healthcheck"]["test"][1]
    assert database["volumes"] == ["./backups:/srv/backups"]
    assert web["depends_on"] == {"db": {"condition": "service_healthy"}}
    assert ("entrypoint" in web) == start
    lines = (project / "compose.locktender.yaml").read_text().splitlines()
    shown = [
        line.replace("# ", "", 1) for line in lines if not line.startswith("# What") and "docker compose" not in line
    ]
    whole = yaml.safe_load("\n".join(line for line in shown if not _is_prose(line)))["services"]["web"]
    assert whole["entrypoint"] == ["locktender", "start", "--"]
    assert whole["command"] == "node dist/server.js"
    assert whole["environment"]["LOCKTENDER_MIGRATIONS"] == "/app/prisma/migrations"


def _is_prose(line: str) -> bool:
    return re.match(r" *(#|[A-Z][a-z]|and |account )", line) is not None


def test_the_database_keeps_its_own_health_check(project: Path) -> None:
    healthy = COMPOSE.replace("    environment: {POSTGRES_DB: app}", "    healthcheck: {test: [CMD, 'true']}")
    written(put(project, {"compose.yaml": healthy}), HERE)
    assert "healthcheck" not in yaml.safe_load((project / "compose.locktender.yaml").read_text())["services"]["db"]


def test_the_slack_manifest_is_the_example(project: Path) -> None:
    written(project, structs.replace(HERE, slack=True))
    told = yaml.safe_load((project / "slack-manifest.yaml").read_text())
    assert told["features"]["slash_commands"][0]["command"] == "/db"
    assert (project / "slack-manifest.yaml").read_text() == (
        ROOT / "examples" / "slack" / "manifest-socket.yaml"
    ).read_text(), "the example and its template in operations/scaffold/templates differ"


def test_nothing_that_exists_is_overwritten_and_a_second_run_changes_nothing(project: Path) -> None:
    mine = {
        "locktender.toml": "# mine\n",
        "deploy.sh": "echo mine\n",
        ".github/workflows/locktender-deploy.yml": "a: 1\n",
    }
    put(project, mine)
    before = contents(project)
    asked = structs.replace(ON_SERVER, scripts=True, slack=True)
    assert statuses(written(project, asked, dry_run=True))["slack-manifest.yaml"] == "created"
    assert contents(project) == before
    first = written(project, asked)
    assert {path for path, status in statuses(first).items() if status == "kept"} == set(mine)
    assert "-echo mine" in next(file.difference for file in first.files if file.path == "deploy.sh")
    after = contents(project)
    assert {name: after[name] for name in before if name != "package.json"} == {
        name: data for name, data in before.items() if name != "package.json"
    }
    again = written(project, asked)
    assert set(statuses(again).values()) == {"kept", "unchanged"}
    assert contents(project) == after


def test_a_file_that_appears_in_between_is_not_overwritten_either(tmp_path: Path) -> None:
    folder, path = ProjectFolder(), tmp_path / "deep" / "file"
    assert folder.create(str(path), b"first", executable=True)
    assert path.stat().st_mode & 0o111
    assert not folder.create(str(path), b"second", executable=False)
    assert not folder.replace(str(path), b"other", b"third")
    assert path.read_bytes() == b"first"
    (tmp_path / "link").symlink_to(path)
    assert folder.replace(str(tmp_path / "link"), b"first", b"more")
    assert (path.read_bytes(), (tmp_path / "link").is_symlink()) == (b"more", True)
    assert path.stat().st_mode & 0o111
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    assert not folder.create(str(tmp_path / "dangling"), b"x", executable=False)


def test_a_package_that_is_being_changed_is_not_touched(project: Path) -> None:
    class Hasty(ProjectFolder):
        def replace(self, path: str, old: bytes, new: bytes) -> bool:
            Path(path).write_text("{}")
            return super().replace(path, old, new)

    with pytest.raises(Refused, match="was changed"):
        init(LocalHost(), Hasty(), found(project), structs.replace(HERE, scripts=True), dry_run=False)
    assert (project / "package.json").read_text() == "{}"


TWO = {"new:a": "locktender status", "b": "x"}
BEHIND = '"new:a": "locktender status"'
PACKAGES = {
    '{\n  "name": "x",\n  "scripts": {\n    "dev": "d"\n  },\n  "files": ["a",   "b"]\n}\n': (
        f'{{\n  "name": "x",\n  "scripts": {{\n    "dev": "d",\n    {BEHIND},\n    "b": "x"\n  }},\n'
        '  "files": ["a",   "b"]\n}\n'
    ),
    '{\n\t"scripts": {\n\t\t"b": "mine"\n\t}\n}': f'{{\n\t"scripts": {{\n\t\t"b": "mine",\n\t\t{BEHIND}\n\t}}\n}}',
    '{\r\n    "scripts": {}\r\n}\r\n': (
        f'{{\r\n    "scripts": {{\r\n        {BEHIND},\r\n        "b": "x"\r\n    }}\r\n}}\r\n'
    ),
    '{"scripts": {"dev": "d"}}': f'{{"scripts": {{"dev": "d", {BEHIND}, "b": "x"}}}}',
    '{\n  "name": "x"\n}\n': f'{{\n  "name": "x",\n  "scripts": {{\n    {BEHIND},\n    "b": "x"\n  }}\n}}\n',
    '{ "scripts": {"new:a": 1, "b": ""}, "a": {"scripts": 1} }': (
        '{ "scripts": {"new:a": 1, "b": ""}, "a": {"scripts": 1} }'
    ),
}


@pytest.mark.parametrize("text", PACKAGES, ids=range(len(PACKAGES)))
def test_scripts_are_added_and_every_other_character_stays(text: str) -> None:
    assert with_scripts(text, TWO) == PACKAGES[text]


@pytest.mark.parametrize("text", ["{}", '{"name":"x"}', "\n{\n}\n", '{"scripts":{}}'])
def test_scripts_are_added_to_what_is_hardly_there(text: str) -> None:
    assert json.loads(with_scripts(text, TWO))["scripts"] == TWO


@pytest.mark.parametrize(
    "text", ["[]", '{"scripts": []}', "{", '{"scripts": {"a": "b"}, "scripts": {}, "x": "\\ud800"}x']
)
def test_a_package_that_cannot_be_added_to_is_an_error(text: str, project: Path) -> None:
    (project / "package.json").write_text(text)
    with pytest.raises(UsageError, match=r"package\.json cannot be added to"):
        written(project, structs.replace(HERE, scripts=True))
    assert (project / "package.json").read_text() == text
    assert not (project / "locktender.toml").exists()


def test_a_script_of_the_same_name_stays_and_is_told(project: Path) -> None:
    (project / "package.json").write_text('{"scripts": {"prisma:status": "prisma migrate status"}}')
    result = written(project, structs.replace(HERE, scripts=True))
    scripts = json.loads((project / "package.json").read_text())["scripts"]
    assert scripts["prisma:status"] == "prisma migrate status"
    assert set(scripts) == set(SCRIPTS)
    assert any("prisma:status already (prisma migrate status)" in note for note in result.notes)


@pytest.mark.parametrize(
    ("script", "typed", "verb"),
    [(name, [], None) for name in SCRIPTS]
    + [
        ("migration:monitor", ["continuous", "--interval", "1 h"], ["monitor", "continuous", "--interval", "1 h"]),
        ("migration:monitor", [], ["monitor", "check"]),
        ("migration:restore", ["latest"], ["restore", "latest"]),
    ],
)
def test_the_names_that_teams_type_call_our_verbs(
    script: str, typed: list[str], verb: list[str] | None, tmp_path: Path
) -> None:
    """As npm does it: the words that were typed, quoted, behind the script, in a shell."""
    shown = tmp_path / "locktender"
    shown.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    shown.chmod(0o755)
    line = " ".join([SCRIPTS[script], *(f"'{word}'" for word in typed)])
    done = subprocess.run(
        ["sh", "-c", line], env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, capture_output=True, text=True, check=True
    )
    words = done.stdout.splitlines()
    assert words[0] in VERBS
    if verb is not None:
        assert words == verb


def test_the_names_that_the_guide_types_call_the_verbs_beside_them(project: Path, inline: list[str]) -> None:
    if shutil.which("npm") is None:
        missing("npm")
    written(project, structs.replace(HERE, scripts=True))
    program, called = project / "locktender", project / "called"
    program.write_text(f'#!/bin/sh\necho locktender "$@" > {called}\n')
    program.chmod(0o755)
    variables = {**os.environ, "PATH": f"{project}:{os.environ['PATH']}", "NPM_CONFIG_UPDATE_NOTIFIER": "false"}
    guide = (ROOT / "docs" / "guide.md").read_text()
    for typed in inline:
        (verb,) = re.findall(rf"^\| `{typed}` \| `(locktender [^`]+)`", guide, re.MULTILINE)
        subprocess.run(["sh", "-c", typed], cwd=project, env=variables, capture_output=True, check=True, timeout=120)
        assert called.read_text() == f"{verb}\n"
    assert {typed.split()[2] for typed in inline} == set(SCRIPTS)


def test_deploy_sh_passes_on_what_is_typed(project: Path, tmp_path: Path) -> None:
    written(project, structs.replace(HERE, scripts=True))
    (tmp_path / "locktender").write_text('#!/bin/sh\npwd; printf "%s\\n" "$@"\n')
    (tmp_path / "locktender").chmod(0o755)
    done = subprocess.run(
        [str(project / "deploy.sh"), "--ref", "a b"],
        cwd="/",
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [str(project), "deploy", "--yes", "--ref", "a b"]


@pytest.mark.parametrize(
    "answers",
    [
        structs.replace(HERE, environment="a.b"),
        structs.replace(HERE, environment="${{ x }}"),
        structs.replace(ON_SERVER, host="-oProxyCommand=x"),
        structs.replace(ON_SERVER, user="a b"),
        structs.replace(ON_SERVER, backup_dir="backups"),
        structs.replace(ON_SERVER, app_directory="."),
    ],
)
def test_strange_answers_are_refused_before_anything_is_written(answers: Answers, project: Path) -> None:
    before = contents(project)
    with pytest.raises(UsageError):
        written(project, answers)
    assert contents(project) == before


@pytest.mark.parametrize(
    ("compose_file", "why"),
    [
        (None, "there is no Compose file that can be read in"),
        ("services: {", "there is no Compose file that can be read in"),
        ("services: {db: {image: 'postgres:15'}}", r"compose\.yaml has no service that uses the database"),
    ],
)
def test_a_start_without_a_service_to_start_is_refused_before_anything_is_written(
    compose_file: str | None, why: str, project: Path
) -> None:
    (project / "compose.yaml").unlink()
    if compose_file:
        put(project, {"compose.yaml": compose_file})
    before = contents(project)
    with pytest.raises(UsageError, match=why) as refused:
        written(project, structs.replace(HERE, start=True))
    assert "locktender init" in (refused.value.hint or "")
    assert refused.value.exit_code == 2
    assert contents(project) == before
    written(project, HERE)


@pytest.mark.parametrize("text", ["on", "1", "null", "a: b", "main", "release/1.x", "@x", "1e3", "~", "ä\n"])
def test_a_text_in_yaml_is_read_as_the_same_text(text: str) -> None:
    assert yaml.safe_load(plain(text)) == text
    assert yaml.safe_load(f"[{plain(text)}]") == [text]


def test_the_program_writes_and_tells_without_a_terminal(project: Path) -> None:
    git(project, "init", "-q", "-b", "main")
    dry = locktender("init", "--dry-run", "--host", "app.example.com", cwd=project)
    assert dry.exit_code == 0
    assert "would write  locktender.toml\n  --- /dev/null" in dry.stdout
    assert not (project / "locktender.toml").exists()
    done = locktender("init", "--json", "--host", "app.example.com", "--env", "staging", cwd=project)
    assert (done.exit_code, done.answer["environment"]) == (0, "staging")
    told: dict[str, Any] = done.answer["result"]
    assert {file["path"]: file["status"] for file in told["files"]} == {
        "locktender.toml": "created",
        ".github/workflows/locktender-pull-request.yml": "created",
        ".github/workflows/locktender-deploy.yml": "created",
        ".github/workflows/locktender-backup.yml": "created",
        ".github/workflows/locktender-monitor.yml": "created",
        ".github/workflows/locktender-report.yml": "created",
        "compose.locktender.yaml": "created",
    }
    again = locktender("init", "--host", "app.example.com", "--slack", cwd=project)
    assert "as it is  locktender.toml" in again.stdout
    assert "[environments.staging]" in (project / "locktender.toml").read_text()
    assert "wrote  slack-manifest.yaml" in again.stdout


@pytest.mark.parametrize("words", [["--config", "x.toml"], ["--database-url", "postgresql://u:pw@h/d"]])
def test_options_that_mean_something_else_are_refused(words: list[str], project: Path) -> None:
    done = locktender("init", *words, cwd=project)
    assert done.exit_code == 2
    assert "pw" not in done.stderr
    assert not (project / "locktender.toml").exists()


def test_at_a_terminal_it_asks(project: Path) -> None:
    git(project, "init", "-q", "-b", "main")
    answers = {
        "Name of the environment": "live",
        "Server with the database": "db.example.com",
        "Account on it": "ops",
        "Directory for backups": "",
        "Directory of the application": "",
        "Page that tells": "http://127.0.0.1/up",
        "Shall its container": "y",
        "GitHub workflows?": "n",
        "A Slack app?": "",
        "deploy.sh and": "y",
    }
    code, screen = at_a_terminal("init", cwd=project, answers=answers)
    assert code == 0, screen
    told = load_environment(project / "locktender.toml", "live", SECRETS)
    assert told.server
    assert told.app
    assert (told.server.host, told.server.user, told.backup_dir) == ("db.example.com", "ops", "/srv/backups/my-shop")
    assert (told.app.directory, told.app.health_url) == ("/srv/my-shop", "http://127.0.0.1/up")
    assert (project / "deploy.sh").exists()
    assert not (project / ".github").exists()
    assert yaml.safe_load((project / "compose.locktender.yaml").read_text())["services"]["web"]["entrypoint"][:3] == [
        "locktender",
        "start",
        "--check-only",
    ]


def test_every_draft_ends_in_a_line_end(project: Path) -> None:
    asked = structs.replace(ON_SERVER, scripts=True, slack=True)
    every: list[Draft] = list(drafts(found(project), asked, None))
    assert [draft.path for draft in every if not draft.text.endswith("\n") or "\n\n\n" in draft.text] == []
    assert [(d.path, line) for d in every for line in d.text.splitlines() if line != line.rstrip()] == []


def test_a_dotenv_with_the_url_is_what_is_to_be_read(project: Path) -> None:
    assert "export DATABASE_URL=" in " ".join(written(project, HERE, dry_run=True).next)
    put(project, {".env": '# of Prisma\nDATABASE_URL="postgresql://app:s3cret@localhost:5432/app?schema=public"\n'})
    told = written(project, HERE, dry_run=True)
    assert "set -a; . ./.env; set +a, then: locktender check" in " ".join(told.next)
    assert "s3cret" not in repr(told)
    assert "export DATABASE_URL=" in " ".join(written(project, ON_SERVER, dry_run=True).next)
