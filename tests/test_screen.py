"""What reaches a terminal: names, queries and messages of others neither move its cursor nor turn its text around."""

from __future__ import annotations

import click
import pytest
from rich.text import Text

from cli.output import print_error, print_view
from cli.screen import cleaned
from cli.verbs.check import view
from operations.checks.model import Check
from operations.errors import ExitCode, OperationFailed
from operations.health import CheckResult

HOSTILE = "t\x1b[2J\x1b]0;title\x9b8mok\u202e"
HARMLESS = r"t\x1b[2J\x1b]0;title\x9b8mok\u202e"


def test_strangers_text_is_shown_as_what_it_is() -> None:
    assert cleaned(HOSTILE) == HARMLESS
    assert cleaned("gone\rhere\x07") == r"gone\rhere\x07"
    assert cleaned("a\r\nb\tc – d\u2060e 表 😀") == "a\nb\tc – d\u2060e 表 😀"
    assert cleaned("\udcff\x1b[8m") == r"\udcff\x1b[8m", "hidden is what that would make the rest"


def test_our_own_colours_stay() -> None:
    styled = click.style("no", fg="red", bold=True) + click.style(" next", fg="cyan") + click.style("!", dim=True)
    assert cleaned(styled) == styled


def test_a_check_shows_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_view(view(CheckResult((Check("indexes", "warn", HOSTILE, HOSTILE, HOSTILE),))), color=None)
    said = capsys.readouterr().out
    assert said.count(HARMLESS) == 3
    assert set(filter(str.isprintable, said)) | {"\n"} == set(said)


def test_an_error_shows_what_others_have_said_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    error = OperationFailed(f"By {HOSTILE}.", hint=HOSTILE, details={"logs": [HOSTILE]})
    print_error(error, ExitCode.FAILED_OLD_STATE, color=False)
    said = capsys.readouterr().err
    assert f"error: By {HARMLESS}." in said
    assert f"next: {HARMLESS}\n" in said
    assert "\x1b" not in said


def test_a_coloured_table_keeps_its_colours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    print_view([Text("FAIL", style="bold red"), Text(HOSTILE)], color=True)
    said = capsys.readouterr().out
    assert "\x1b[1;31mFAIL\x1b[0m" in said
    assert HARMLESS in said
