"""What people read, as pure functions of results: golden files, limits, and texts that mean harm.

``LOCKTENDER_GOLDEN=write`` writes the golden files anew.
"""

from __future__ import annotations

import io
import os
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from action import commands, run_summary
from action.annotations import BATCH, annotation, batches, gravest
from action.comment import LIMIT, RULES_PAGE, Place, comment, marker, summary
from action.escaping import code, fenced, inline, link, plain
from action.log import Log
from action.outputs import SUMMARY_LIMIT, fitting, heredoc, shortened
from action.platform import Suggestion
from action.redaction import redacted
from action.suggestions import hunks, suggested
from action.verdict import headline
from operations.errors import ExitCode, MigrationFailed
from operations.outcome import DeployResult
from operations.rules.model import Finding
from operations.rules.registry import RULES
from operations.runner import StepResult
from operations.secret import Secret
from operations.undoing import Rollback
from operations.validation.model import (
    Changes,
    Loss,
    LostRows,
    RollbackProof,
    SchemaChange,
    StatementRun,
    TableLock,
    Validation,
    Verdict,
)

from .reading import obeyed

FEW = settings(max_examples=25, deadline=None)
GOLDEN = Path(__file__).parents[1] / "golden" / "action"
PLACE = Place("ada/shop", "0123456789abcdef" * 2 + "01234567", "prisma/migrations", run_url="https://github.com/run")
FIRST, SECOND = "20240201000000_paid", "20240202000000_index"
INDEX = Finding(
    "require-concurrent-index-creation", "error", f"{SECOND}/migration.sql", 3, 1,
    'Building the index on "orders" keeps everybody from writing to it.', "Build it CONCURRENTLY.",
    end_line=4, suggestion='CREATE INDEX CONCURRENTLY "i"\n  ON "orders" ("note");',
)  # fmt: skip
WIDTH = Finding(
    "prefer-text-field", "warning", f"{FIRST}/migration.sql", 1, 12, "varchar(10) has a limit.", "Use text."
)
VALIDATION = Validation(
    ok=False,
    changes=Changes(new=(FIRST, SECOND), late=(SECOND,)),
    findings=(WIDTH, INDEX),
    verdicts={
        FIRST: Verdict(True, "every statement can run in a transaction", "transaction"),
        SECOND: Verdict(False, "CREATE INDEX CONCURRENTLY cannot run in a transaction", "down"),
    },
    whole=Verdict(False, "CREATE INDEX CONCURRENTLY cannot run in a transaction", "down"),
    statements=(
        StatementRun(
            f"{FIRST}/migration.sql", 1, 1, "ALTER TABLE", 0.012,
            (TableLock("public.orders", "AccessExclusiveLock"),), ("public.orders",), ("public.orders",),
        ),
    ),
    schema_changes=(SchemaChange("added", "column", "public.orders.paid", None, "boolean NOT NULL"),),
    rollback_proof=(
        RollbackProof(
            FIRST, "proposed", "lossy", lost=("paid of orders",), proposal='ALTER TABLE "orders" DROP "paid";',
            loss=Loss(
                0, 1, (LostRows("public.orders", 4321, "environment"), LostRows("public.vast", None, "rollback")),
            ),
        ),
        RollbackProof(SECOND, "down", "refuted", differences=("index i is left",)),
    ),
    diagram='erDiagram\n    t0["orders"] {\n        integer id PK\n    }',
    server_version="18.1",
    seconds={"apply": 1.5},
    notes=("An extension cannot be had here.",),
)  # fmt: skip
DEPLOYED = DeployResult(
    "20240702T101500Z-1a2b3c", "deployed", (FIRST, SECOND), "20240702T101501Z-2b3c4d", atomic=False,
    steps=(StepResult("restore point", "done", 2.5), StepResult("apply", "done", 0.25)), downtime_seconds=3.2,
)  # fmt: skip
FAILED = replace(
    DEPLOYED, outcome="rolled_back", applied=(), rollback=Rollback("swap", lossless=True, kept_database="shop_kept"),
    steps=(*DEPLOYED.steps[:1], StepResult("apply", "failed", 0.25), StepResult("check", "skipped", 0.0)),
)  # fmt: skip
ERROR = MigrationFailed(
    f'{SECOND}/migration.sql:3:1: relation "nowhere" does not exist (42P01)\n```\n</details>', hint="Repair the file."
)
HARM = (
    "@ada @org/team #1 GH-1 ada/shop#1 https://evil.example www.evil.example a@b.example <img src=x onerror=y> &lt; "
    "[a](b) ![a](b) **a** _a_ `a` ~~a~~ | a | \\| -- > # $x$ :smile: \u202e\u200b\ufeff\x1b[31m\x00\x85\u2028 {{x}}"
)


def golden(name: str, text: str) -> None:
    path = GOLDEN / f"{name}.md"
    if os.environ.get("LOCKTENDER_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text + "\n"


# As it looks


def test_a_comment() -> None:
    golden("comment", comment(VALIDATION, PLACE))


def test_a_summary_of_a_validation() -> None:
    golden("summary", summary(VALIDATION, PLACE))


def test_a_comment_with_nothing_to_say() -> None:
    nothing = Validation(True, Changes(), (), {}, None, (), (), ())
    golden("comment_nothing", comment(nothing, PLACE))


@pytest.mark.parametrize(
    ("name", "exit_code", "result", "error"),
    [
        ("deployed", ExitCode.DONE, DEPLOYED, None),
        ("rolled_back", ExitCode.FAILED_OLD_STATE, FAILED, ERROR),
        ("refused", ExitCode.REFUSED, None, ERROR),
        ("needs_attention", ExitCode.NEEDS_ATTENTION, replace(FAILED, outcome="needs_attention", rollback=None), ERROR),
    ],
)
def test_a_summary_of_a_deploy(
    name: str, exit_code: ExitCode, result: DeployResult | None, error: MigrationFailed | None
) -> None:
    top = run_summary.ending("deploy", "production", exit_code, result)
    golden(f"deploy_{name}", run_summary.of_run(top, result, error, "locktender --env production"))


def test_a_deploy_that_was_rolled_back_says_so_first() -> None:
    said = run_summary.ending("deploy", "production", ExitCode.FAILED_OLD_STATE, FAILED)
    assert "failed and was rolled back; the old state stands" in said


def test_every_lint_rule_that_is_linked_to_has_its_page() -> None:
    pages = {path.stem for path in (Path(__file__).parents[2] / "docs" / "rules").glob("*.md")}
    assert set(RULES) <= pages
    assert f"({RULES_PAGE}/prefer-text-field.md)" in comment(VALIDATION, PLACE)


def test_a_headline_is_red_only_if_it_fails() -> None:
    assert headline(VALIDATION).startswith("❌ 1 error, 1 warning")
    assert headline(replace(VALIDATION, ok=True)).startswith("⚠️ 2 new migrations: not in one transaction")


# How long it may be


def test_a_comment_is_never_longer_than_github_takes() -> None:
    many = tuple(
        replace(INDEX, line=number, message="x" * 3000, file=f"{SECOND}/{'y' * 200}.sql") for number in range(1, 2000)
    )
    changes = tuple(SchemaChange("added", "table", "z" * 500, "b" * 500, "a" * 500) for _ in range(2000))
    large = replace(VALIDATION, findings=many, schema_changes=changes, notes=("n" * 70_000,), diagram="x" * 70_000)
    text = comment(large, PLACE)
    assert len(text) <= LIMIT
    assert text.startswith(marker(PLACE))
    assert text.count("<details>") == text.count("</details>")
    assert "are in the summary" in text
    assert len(summary(large, PLACE).encode()) <= SUMMARY_LIMIT


HIDING = "\u202e" * 80
"""In a name it takes little room on a disk, and sixteen times as much as markup."""


def test_no_names_however_long_keep_the_findings_from_being_seen() -> None:
    names = {f"{number:03}{HIDING}": f"{number:03}b{HIDING}" for number in range(100)}
    loud = replace(INDEX, message="m" * 2_000 + HIDING * 20, help=HIDING * 20)
    findings = tuple(replace(loud, line=number) for number in range(1, 50))
    text = comment(replace(VALIDATION, changes=Changes(renamed=names), findings=findings), PLACE)
    assert len(text) <= LIMIT
    assert "Findings (49)" in text
    assert f"https://github.com/ada/shop/blob/{PLACE.head_sha}/prisma/migrations/{SECOND}/migration.sql#L1)" in text


def test_what_there_is_no_room_for_is_named() -> None:
    proofs = tuple(
        RollbackProof(f"{number}{HIDING}", "proposed", "proved", proposal="x" * 20_000) for number in range(50)
    )
    text = comment(replace(VALIDATION, rollback_proof=proofs, notes=("n" * 70_000,)), PLACE)
    assert len(text) <= LIMIT
    assert re.search(
        r"\*There was no room for A way back for <code>.* more sections: all of them are in the summary", text
    )
    assert text.count("<details>") == text.count("</details>")


def test_a_hundred_thousand_statements_and_findings_are_told_in_bounded_time_and_space() -> None:
    statements = tuple(replace(VALIDATION.statements[0], line=number) for number in range(1, 100_001))
    findings = tuple(replace(WIDTH, line=number) for number in range(1, 100_001))
    large = replace(VALIDATION, statements=statements, findings=(*findings, INDEX))
    text = comment(large, PLACE)
    assert len(text) <= LIMIT
    assert "❌ 1" in text
    assert f"*{100_001 - 40} more" in text
    marks = gravest(large.findings, PLACE)
    assert (len(marks), marks[0].level) == (500, "failure")


def test_a_summary_is_cut_at_the_end_of_a_line() -> None:
    cut = shortened("ä" * 600 + "\n" + "b" * 600, 1500)
    assert len(cut) <= 1500
    assert cut.decode().startswith("ä" * 600 + "\n\n")
    assert shortened("short", 10) == b"short"
    assert shortened("long", 2) == b"\n\n"[:2]


# Nothing of a foreign text is obeyed


@FEW
@given(st.text(max_size=60))
def test_text_in_a_cell_is_one_line_of_nothing_but_text(text: str) -> None:
    for shown in (inline(text), code(text)):
        bare = re.sub(r"&#\d+;|</?code>", "", shown)
        assert not set("<>`*_[]|\\!#@&~:{}$\n\r") & set(bare)
        assert not any(unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp") for character in bare)


@pytest.mark.parametrize("text", ["- x", "+ x", "1. x", "12) x", "---", "- - -", "===", "-", "1)"])
def test_a_paragraph_that_begins_with_foreign_text_begins_no_list_line_or_heading(text: str) -> None:
    assert not re.match(r"\d{0,9}[-+=.)](?=[ =-]|$)", inline(text))
    assert inline("18.1, -5 to +3") == "18.1, -5 to +3"


@pytest.mark.parametrize("blank", "\u034f\u115f\u1160\u2800\u3164\ufe0f\uffa0\U000e0100\u200b\u2060\u00ad")
def test_letters_and_marks_that_nobody_sees_are_written_as_what_they_are(blank: str) -> None:
    text = f"orders{blank}"
    for shown in (inline(text), code(text), plain(text), fenced(text, "sql")):
        assert blank not in shown
        assert f"U+{ord(blank):04X}" in shown
    assert (
        suggested([replace(INDEX, suggestion=text)], PLACE, {PLACE.path(INDEX.file): "@@ -0,0 +1,9 @@" + "\n+x" * 9})
        == ()
    )


def test_harmful_text_is_shown_to_the_letter() -> None:
    for shown in (inline(HARM), code(HARM)):
        for text in ("@ada", "https://", "www.", "<img", "**", "\u202e", "\x1b", "|"):
            assert text not in shown
    assert "&#60;U+202E&#62;" in inline(HARM)
    assert "GH-1" not in inline(HARM)


@FEW
@given(st.text(alphabet="`~a\n \u202e", max_size=60))
def test_a_fence_cannot_be_ended_from_within(text: str) -> None:
    first, *inner, last = fenced(text, "sql").split("\n")
    assert first == f"{last}sql"
    assert all(not line.strip().startswith(last) for line in inner)


@FEW
@given(st.text(max_size=80) | st.from_regex(r"\s*(::[a-z-]+( [a-z]+=x)?::|##\[[a-z]+\])\s*x", fullmatch=True))
def test_a_line_of_the_log_is_never_a_command(text: str) -> None:
    assert obeyed(plain(text)) == []


@FEW
@given(st.text(max_size=80), st.text(max_size=80))
def test_an_annotation_is_one_command_with_its_own_properties(text: str, file: str) -> None:
    line = commands.annotation("error", plain(text), {"line": 1, "file": plain(f"a,line=2:{file}")})
    (found,) = obeyed(line)
    assert found[0] == "error"
    assert [one.partition("=")[0] for one in found[1].split(",")] == ["line", "file"]
    assert found[2] == commands.data(plain(text))


def test_secrets_are_taken_out_of_all_parts_of_a_result_before_they_are_escaped() -> None:
    word = "p@ss|word"
    found = replace(INDEX, message=f"it says {word}", suggestion=word)
    told = replace(
        VALIDATION, findings=(found,), notes=(word,), verdicts={FIRST: Verdict(True, word, "swap")},
        statements=(replace(VALIDATION.statements[0], rewrites=(word,)),),
    )  # fmt: skip
    clean = redacted(told, [Secret(word)])
    assert word not in repr(clean)
    assert clean.findings[0].message == "it says ***"
    assert (clean.changes, clean.statements[0].locks) == (told.changes, told.statements[0].locks)


def test_the_log_hides_secrets_and_obeys_only_what_is_ours() -> None:
    stream = io.StringIO()
    log = Log(stream)
    log.hide([Secret("the-word"), Secret("the-word-and-more")])
    with log.group("::error::the-word"):
        log.say("::set-output name=a::b", "the-word-and-more", "x\r::error::y ##[error]z")
        log.annotate("error", "the-word\n::error::two", file="a\n::error::three", line=1)
    log.close()
    text = stream.getvalue()
    assert "the-word" not in text
    assert [name for name, _, _ in obeyed(text)] == ["group", "error", "endgroup"]
    lines = [
        line for line in text.splitlines() if not line.startswith(("::stop-commands::", "::group", "::error", "::end"))
    ]
    assert obeyed("\n".join(line for line in lines if not re.fullmatch(r"::[0-9a-f]{32}::", line))) == []


def test_only_ten_annotations_of_a_level_are_given_to_the_runner() -> None:
    stream = io.StringIO()
    log = Log(stream)
    for number in range(15):
        log.annotate("warning", f"number {number}")
    log.close()
    assert len(obeyed(stream.getvalue())) == 10
    assert "warning: number 14" in stream.getvalue()


def test_outputs_together_are_no_more_than_github_takes() -> None:
    values = {"outcome": "failed", "pending": "é" * 200_000, "findings": "f" * 300_000, "result": "r" * 400_000}
    kept, left_out = fitting(values)
    assert (set(kept), left_out) == ({"outcome", "pending", "findings"}, ["result"])
    assert sum(len(value.encode("utf-16-le")) for value in kept.values()) <= 1 << 20
    assert fitting({"pending": "\udcff" * 10})[1] == []


def test_an_output_cannot_set_another_one() -> None:
    assert heredoc("result", "a\nb", "END") == "result<<END\na\nb\nEND\n"
    with pytest.raises(ValueError, match="delimiter"):
        heredoc("result", "a\nEND\noutcome<<X\npassed\nX", "END")


def test_a_link_leads_nowhere_but_to_the_repository() -> None:
    assert link("x", "https://github.com", "ada/shop", "blob", "a b/../)](http://evil") == (
        "[x](https://github.com/ada/shop/blob/a%20b/../%29%5D%28http%3A//evil)"
    )


def test_the_marker_is_a_comment_whatever_the_environment_is_called() -> None:
    told = marker(replace(PLACE, environment="a--><b>", directory="x\ny"))
    assert re.fullmatch(r"<!-- locktender:validate a-b xy [0-9a-f]{16} -->", told)
    assert marker(replace(PLACE, environment="a", directory="x/y")) == "<!-- locktender:validate a x/y -->"


def test_projects_whose_names_are_not_ascii_have_a_comment_each() -> None:
    places = [replace(PLACE, directory=name) for name in ("apps/магазин", "apps/склад", "apps/", "a--b", "a-b")]
    assert len({marker(place) for place in places}) == len(places)


@FEW
@given(st.text(st.characters(), max_size=30))
def test_a_page_can_be_made_of_any_text_and_sent(text: str) -> None:
    """Also of what is no text: names of files that are not UTF-8."""
    finding = replace(INDEX, file=f"{text}/migration.sql", message=text, help=text, rule=text, suggestion=text)
    named = replace(
        VALIDATION, findings=(finding,), changes=Changes(new=(text,), renamed={text: text}), notes=(text,),
        verdicts={text: Verdict(True, text, "swap")}, schema_changes=(SchemaChange("changed", text, text, text, text),),
        rollback_proof=(RollbackProof(text, "proposed", "lossy", (text,), (text,), text),), diagram=text,
    )  # fmt: skip
    patches = {PLACE.path(finding.file): "@@ -0,0 +1,5 @@\n+a\n+b\n+c\n+d\n+e"}
    note = annotation(finding, PLACE)
    bodies = [one.body for one in suggested([finding], PLACE, patches)]
    for shown in (comment(named, PLACE), summary(named, PLACE), note.path, note.title, note.message, *bodies):
        shown.encode()


# Annotations and suggestions


def test_annotations_come_in_batches_of_fifty() -> None:
    every = [annotation(replace(INDEX, line=number), PLACE) for number in range(1, 131)]
    assert [len(batch) for batch in batches(every)] == [BATCH, BATCH, 30]
    assert [len(batch) for batch in batches([])] == [0]


def test_an_annotation_has_columns_only_within_one_line() -> None:
    several, one = annotation(INDEX, PLACE), annotation(WIDTH, PLACE)
    assert (several.start_line, several.end_line, several.start_column) == (3, 4, None)
    assert (one.start_line, one.end_line, one.start_column, one.end_column) == (1, 1, 12, 12)
    assert (one.path, one.level) == (f"prisma/migrations/{FIRST}/migration.sql", "warning")
    assert "How to fix: Use text." in one.message


def test_a_change_is_suggested_where_all_its_lines_are_in_one_hunk() -> None:
    path = f"prisma/migrations/{SECOND}/migration.sql"
    patch = "@@ -0,0 +1,5 @@\n" + "\n".join(f"+line {n}" for n in range(1, 6))
    (one,) = suggested([INDEX, WIDTH], PLACE, {path: patch})
    assert isinstance(one, Suggestion)
    assert (one.path, one.line, one.end_line) == (path, 3, 4)
    assert '```suggestion\nCREATE INDEX CONCURRENTLY "i"\n  ON "orders" ("note");\n```' in one.body
    assert suggested([INDEX], PLACE, {path: "@@ -0,0 +1,3 @@\n+a\n+b\n+c"}) == ()
    assert suggested([INDEX], PLACE, {}) == ()
    assert suggested([replace(INDEX, suggestion="hidden \u202e")], PLACE, {path: patch}) == ()
    assert len(suggested([INDEX, replace(INDEX, line=4)], PLACE, {path: patch})) == 1


def test_a_line_goes_on_behind_what_only_python_takes_for_its_end() -> None:
    patch = "@@ -0,0 +1,2 @@\n+a\u2028@@ -0,0 +90,9 @@\x0c\x85\x1c\r\n+b\n"
    assert list(hunks(patch)) == [range(1, 3)]


def test_hunks_are_the_lines_of_the_new_file() -> None:
    patch = "@@ -1,2 +1,3 @@\n a\n-b\n+c\n+d\n@@ -10 +11,2 @@ x\n e\n+f\n\\ No newline at end of file"
    assert list(hunks(patch)) == [range(1, 4), range(11, 13)]
