"""What is left on GitHub is there once, is ours, and is never older than the pull request; over real HTTP."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from action.annotations import BATCH, Annotation
from action.github import GithubPlatform
from action.placing import find_or_create
from action.platform import PlatformError, Suggestion, Told
from action.telling import Sticky, put_check_run, put_comment, put_suggestions
from operations.secret import Secret

from ..campaign.scale import count
from .faults import PATIENCE, any_fault
from .standin import OWN_LOGIN, TOKEN, Fault, StandIn, standing_in

SHA = "a" * 40
PULL = 7
MARKER = "<!-- locktender:validate default . -->"
PATCHES = {"a.sql": "@@ -0,0 +1,9 @@" + "\n+x" * 9}
TOLD = Told("All is well", "Nothing to say", "success")


@pytest.fixture
def github() -> Iterator[StandIn]:
    with standing_in() as stand_in:
        stand_in.state.heads[PULL] = SHA
        stand_in.state.patches = PATCHES
        yield stand_in
        assert stand_in.state.wrong == []


def platform_of(github: StandIn, timeout: int = 60) -> GithubPlatform:
    return GithubPlatform(
        github.state.name, Secret(TOKEN), api_url=github.url, timeout=timeout, pause=0.001, sleep=time.sleep
    )


def no_time(_: float) -> None:
    """Waiting is for real servers."""


def sticky(text: str, sha: str = SHA) -> Sticky:
    return Sticky(PULL, sha, MARKER, f"{MARKER}\n{text}")


def annotations(number: int) -> list[Annotation]:
    return [Annotation("a.sql", line, line, "warning", "rule", "message", 1, 1) for line in range(1, number + 1)]


def bodies(github: StandIn) -> list[str]:
    return [comment["body"] for comment in github.state.comments.values() if comment["user"]["login"] == OWN_LOGIN]


# The comment


def test_a_comment_is_written_once_and_then_edited_in_place(github: StandIn) -> None:
    platform = platform_of(github)
    for text in ("first", "second", "second"):
        assert put_comment(platform, sticky(text), no_time)
    assert bodies(github) == [f"{MARKER}\nsecond"]
    written = [request for request in github.state.requests if request[0] in ("PATCH", "DELETE")]
    assert len(written) == 1


def test_a_comment_is_found_beyond_the_first_page(github: StandIn) -> None:
    for number in range(250):
        github.state.add_comment(f"talk {number}", "ada")
    github.state.add_comment(f"{MARKER}\nold", OWN_LOGIN)
    assert put_comment(platform_of(github), sticky("new"), no_time)
    assert bodies(github) == [f"{MARKER}\nnew"]


def test_the_comment_of_somebody_else_is_never_touched(github: StandIn) -> None:
    planted = github.state.add_comment(f"{MARKER}\nplanted", "eve")
    assert put_comment(platform_of(github), sticky("ours"), no_time)
    assert planted["body"] == f"{MARKER}\nplanted"
    assert bodies(github) == [f"{MARKER}\nours"]


def test_a_run_for_an_older_commit_leaves_the_comment_alone(github: StandIn) -> None:
    platform = platform_of(github)
    put_comment(platform, sticky("of the newest"), no_time)
    assert not put_comment(platform, sticky("of an older one", sha="b" * 40), no_time)
    assert bodies(github) == [f"{MARKER}\nof the newest"]


def test_of_several_comments_of_ours_one_stays(github: StandIn) -> None:
    for text in ("one", "two", "three"):
        github.state.add_comment(f"{MARKER}\n{text}", OWN_LOGIN)
    put_comment(platform_of(github), sticky("four"), no_time)
    assert bodies(github) == [f"{MARKER}\nfour"]


@pytest.mark.parametrize("status", [500, 502, -1, 0])
def test_a_comment_whose_answer_was_lost_is_not_written_again(github: StandIn, status: int) -> None:
    github.state.faults.append(Fault(status, "POST", r"/comments$", after=True))
    assert put_comment(platform_of(github, timeout=60 if status else 1), sticky("once"), no_time)
    assert bodies(github) == [f"{MARKER}\nonce"]
    assert github.state.faults[0].times == 0


def test_a_comment_that_was_not_taken_is_written_again(github: StandIn) -> None:
    github.state.faults.append(Fault(503, "POST", r"/comments$"))
    assert put_comment(platform_of(github), sticky("once"), no_time)
    assert bodies(github) == [f"{MARKER}\nonce"]


@pytest.mark.parametrize(
    ("status", "kind"), [(403, "forbidden"), (404, "missing"), (409, "refused"), (422, "refused"), (500, "unreachable")]
)
def test_what_github_will_not_do_is_one_error_of_ours(github: StandIn, status: int, kind: str) -> None:
    github.state.faults.append(Fault(status, "POST", r"/comments$", times=99))
    with pytest.raises(PlatformError) as raised:
        put_comment(platform_of(github), sticky("never"), no_time)
    assert raised.value.kind == kind
    assert bodies(github) == []


@pytest.mark.parametrize("answer", [[], {}, {"head": None}, {"head": {"sha": 5}}, "text", None, b"[" * 200_000])
def test_an_answer_that_is_not_what_github_documents_is_an_error_of_ours(github: StandIn, answer: object) -> None:
    github.state.faults.append(Fault(200, "GET", r"/pulls/7$", times=99, body=answer))
    with pytest.raises(PlatformError):
        platform_of(github).head(PULL)


def test_a_rate_limit_is_waited_for_as_github_says_but_not_for_ever(github: StandIn) -> None:
    waited: list[float] = []
    platform = GithubPlatform(
        github.state.name, Secret(TOKEN), api_url=github.url, timeout=60, pause=0.001, sleep=waited.append
    )
    github.state.faults.append(Fault(429, "POST", r"/comments$", headers={"Retry-After": "7"}))
    assert put_comment(platform, sticky("once"), no_time)
    assert waited == [7.0]
    github.state.faults.append(Fault(429, "PATCH", ".*", headers={"Retry-After": "3600"}))
    with pytest.raises(PlatformError, match="429"):
        put_comment(platform, sticky("later"), no_time)
    assert waited == [7.0]


# The check run


@pytest.mark.parametrize("number", [0, 1, BATCH, BATCH + 1, 3 * BATCH + 7])
def test_a_check_run_has_every_annotation_once(github: StandIn, number: int) -> None:
    put_check_run(platform_of(github), SHA, "Locktender", "key", TOLD, annotations(number), no_time)
    (run,) = github.state.check_runs.values()
    assert [one["start_line"] for one in run["annotations"]] == list(range(1, number + 1))
    assert run["conclusion"] == "success"


@pytest.mark.parametrize("after", [True, False], ids=["obeyed", "not-obeyed"])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_annotations_whose_answer_was_lost_are_not_there_twice(github: StandIn, method: str, after: bool) -> None:
    github.state.faults.append(Fault(502, method, r"/check-runs", after=after))
    put_check_run(platform_of(github), SHA, "Locktender", "key", TOLD, annotations(120), no_time)
    (run,) = github.state.check_runs.values()
    assert [one["start_line"] for one in run["annotations"]] == list(range(1, 121))


def test_the_check_run_of_another_commit_or_of_somebody_else_is_never_touched(github: StandIn) -> None:
    platform = platform_of(github)
    others = [("b" * 40, "Locktender", "key"), (SHA, "Locktender", "of another run"), (SHA, "Other", "key")]
    for sha, name, key in others:
        platform.create_check_run(sha, name, key, replace(TOLD, title="theirs"), ())
    put_check_run(platform, SHA, "Locktender", "key", TOLD, annotations(120), no_time)
    *theirs, ours = github.state.check_runs.values()
    assert [(run["output"]["title"], run["annotations"]) for run in theirs] == [("theirs", [])] * len(others)
    assert (ours["output"]["title"], len(ours["annotations"])) == (TOLD.title, 120)


def test_another_attempt_has_a_check_run_of_its_own(github: StandIn) -> None:
    platform = platform_of(github)
    for key in ("attempt 1", "attempt 2", "attempt 2"):
        put_check_run(platform, SHA, "Locktender", key, TOLD, annotations(1), no_time)
    assert [run["external_id"] for run in github.state.check_runs.values()] == ["attempt 1", "attempt 2"]


# Suggested changes


def test_a_suggestion_is_made_once_however_often_it_is_run(github: StandIn) -> None:
    platform = platform_of(github)
    one = Suggestion("a.sql", 1, 1, "```suggestion\nx\n```")
    other = Suggestion("a.sql", 3, 4, "```suggestion\ny\n```")
    assert put_suggestions(platform, PULL, SHA, [one], no_time) == 1
    assert put_suggestions(platform, PULL, SHA, [one, other], no_time) == 1
    assert put_suggestions(platform, PULL, SHA, [one, other], no_time) == 0
    assert [comment["line"] for comment in github.state.review_comments] == [1, 4]
    assert len(github.state.reviews) == 2


def test_suggestions_whose_answer_was_lost_are_not_made_twice(github: StandIn) -> None:
    github.state.faults.append(Fault(502, "POST", r"/reviews$", after=True))
    put_suggestions(platform_of(github), PULL, SHA, [Suggestion("a.sql", 1, 1, "x")], no_time)
    assert len(github.state.review_comments) == 1


def test_nothing_is_suggested_for_an_older_commit(github: StandIn) -> None:
    assert put_suggestions(platform_of(github), PULL, "b" * 40, [Suggestion("a.sql", 1, 1, "x")], no_time) == 0
    assert github.state.review_comments == []


# Whatever happens


def test_what_is_known_to_have_failed_is_not_looked_for() -> None:
    looked: list[int] = []

    def refused() -> int:
        raise PlatformError("refused", "no")

    with pytest.raises(PlatformError):
        find_or_create(lambda: looked.append(1), refused, no_time)
    assert looked == [1]


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(count(400)))
def test_no_sequence_of_faults_leaves_anything_twice(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    with standing_in() as github:
        github.state.heads[PULL], github.state.patches = SHA, PATCHES
        github.state.faults += [any_fault(dice) for _ in range(dice.randint(1, 6))]
        platform = platform_of(github, timeout=PATIENCE)
        tasks: list[Callable[[], object]] = [
            lambda: put_comment(platform, sticky("text"), no_time),
            lambda: put_check_run(platform, SHA, "Locktender", "key", TOLD, annotations(130), no_time),
            lambda: put_suggestions(platform, PULL, SHA, [Suggestion("a.sql", 1, 1, "x")], no_time),
        ]
        for task in (*tasks, *tasks):
            try:
                task()
            except PlatformError:
                continue
        assert len(bodies(github)) <= 1
        assert len(github.state.check_runs) <= 1
        for run in github.state.check_runs.values():
            lines = [one["start_line"] for one in run["annotations"]]
            assert len(lines) == len(set(lines))
        assert len(github.state.review_comments) <= 1
        assert github.state.wrong == []
