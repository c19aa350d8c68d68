"""Which commits a run compares, for each event that there is; commits and files from a real git repository."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from action.checkout import checked_out
from action.ends import Ends, FirstOf, ends, file_at, tree_at
from action.event import Event, PullRequest, read
from operations.adapters import git_objects
from operations.adapters.git_objects import GitObjects
from operations.errors import OperationFailed, UsageError
from operations.validation.commits import Entry, Unreadable, blob_name, blobs

from .conftest import FOLDER, NEXT
from .runner import Repository, pull_request

A, B, C, M = ("a" * 40, "b" * 40, "c" * 40, "d" * 40)


class Commits:
    """Commits that are only names; ``M`` is GitHub's merge of ``B`` into ``A``, which part at ``C``."""

    def resolve(self, name: str) -> str:
        return {"main": A}.get(name, name)

    def parents(self, sha: str) -> tuple[str, ...]:
        return {M: (A, B)}.get(sha, (C,))

    def merge_base(self, *_: str) -> str:
        return C

    def files(self, sha: str, *_: str) -> Mapping[str, Entry]:
        raise Unreadable(sha)

    def entry(self, sha: str, *_: str) -> Entry | None:
        raise Unreadable(sha)

    def blob(self, sha: str) -> bytes:
        raise Unreadable(sha)


PULL = PullRequest(7, head_sha=B, base_sha=C, base_ref="main")
EVENT = Event("pull_request", "ada/shop", sha=M, head_sha=B, base=C, pull=PULL)
ODD, ODD_MERGE = (
    f"The workspace is at {here[:12]}, so the files were read as they are at the commit {B[:12]}." for here in (A, M)
)


@pytest.mark.parametrize(
    ("event", "base_ref", "here", "expected"),
    [
        (EVENT, "", M, Ends(A)),
        (EVENT, "", "", Ends(A)),
        (EVENT, "", B, Ends(C)),
        (replace(EVENT, pull=replace(PULL, base_sha=A)), "", B, Ends(A, C)),
        (EVENT, "main", M, Ends(A, C)),
        (EVENT, "", A, Ends(C, None, B, (ODD,))),
        (replace(EVENT, sha=A), "", M, Ends(C, None, B, (ODD_MERGE,))),
        (replace(EVENT, sha=A), "main", M, Ends(A, C, B, (ODD_MERGE,))),
        (replace(EVENT, name="pull_request_target"), "", A, Ends(C, None, B)),
        (replace(EVENT, name="pull_request_target"), "main", A, Ends(A, C, B)),
        (Event("merge_group", "ada/shop", M, M, base=A), "", M, Ends(A)),
        (Event("push", "ada/shop", M, M, base=A), "", M, Ends(A)),
        (Event("workflow_dispatch", "ada/shop", B, B, base="main"), "", B, Ends(A, C)),
        (Event("schedule", "ada/shop", B, B, base="main"), "", B, Ends(A, C)),
    ],
    ids=[
        "merge",
        "no-checkout",
        "head",
        "head-behind",
        "base-ref",
        "elsewhere",
        "another-merge",
        "another-merge-base-ref",
        "target",
        "target-base-ref",
        "queue",
        "push",
        "dispatch",
        "schedule",
    ],
)
def test_each_event_compares_what_it_is_about(event: Event, base_ref: str, here: str, expected: Ends) -> None:
    assert ends(event, base_ref, here, Commits()) == expected


def test_without_anything_to_compare_with_it_says_what_to_give() -> None:
    with pytest.raises(UsageError) as raised:
        ends(Event("repository_dispatch", "ada/shop", B, B, base=""), "", B, Commits())
    assert "base-ref" in (raised.value.hint or "")


def variables(name: str, **more: str) -> dict[str, str]:
    return {"GITHUB_EVENT_NAME": name, "GITHUB_SHA": M, "GITHUB_REPOSITORY": "ada/shop", "GITHUB_ACTOR": "ada", **more}


@pytest.mark.parametrize(
    ("name", "payload", "head", "base"),
    [
        ("pull_request", pull_request(7, A, B), B, A),
        ("pull_request_target", pull_request(7, A, B), B, A),
        ("merge_group", {"merge_group": {"head_sha": M, "base_sha": A}}, M, A),
        ("push", {"before": A, "repository": {"default_branch": "main"}}, M, A),
        ("push", {"before": "0" * 40, "repository": {"default_branch": "main"}}, M, "main"),
        ("workflow_dispatch", {"repository": {"default_branch": "main"}}, M, "main"),
        ("schedule", {"repository": {"default_branch": "main"}, "schedule": "1 * * * *"}, M, "main"),
        ("schedule", {}, M, ""),
    ],
)
def test_events_are_read_as_github_documents_them(name: str, payload: dict[str, Any], head: str, base: str) -> None:
    event = read(variables(name), payload)
    assert (event.head_sha, event.base) == (head, base)


@pytest.mark.parametrize(
    ("name", "ref", "proposed"),
    [
        ("pull_request", "refs/pull/7/merge", True),
        ("pull_request_target", "refs/heads/main", True),
        ("pull_request_review", "refs/pull/7/merge", True),
        ("pull_request_review_comment", "refs/pull/7/merge", True),
        ("issue_comment", "refs/heads/main", False),
        ("push", "refs/heads/main", False),
        ("workflow_dispatch", "refs/pull/7/head", True),
        ("merge_group", "refs/heads/gh-readonly-queue/main/pr-7-abc", True),
        ("push", "refs/heads/gh-readonly-queue/main/pr-7-abc", True),
    ],
)
def test_what_is_only_proposed_is_known_by_every_event(name: str, ref: str, proposed: bool) -> None:
    assert Event(name, "ada/shop", A, A, A, ref=ref).of_pull_request is proposed


def test_what_runs_after_a_pull_requests_workflow_is_as_proposed_as_that() -> None:
    for cause, proposed in (("pull_request", True), ("merge_group", True), ("push", False), (None, False)):
        event = read(variables("workflow_run"), {"workflow_run": cause and {"event": cause}})
        assert event.of_pull_request is proposed


def test_forks_and_dependabot_have_a_token_that_may_only_read() -> None:
    def read_only(name: str, **settings: Any) -> bool:
        return read(variables(name), pull_request(7, A, B, **settings)).read_only

    assert not read_only("pull_request")
    assert read_only("pull_request", fork=True)
    assert read_only("pull_request", author="dependabot[bot]")
    assert not read_only("pull_request_target", fork=True)
    assert read(variables("push", GITHUB_ACTOR="dependabot[bot]"), {}).read_only
    assert not read(variables("push"), {}).read_only
    assert not read(variables("schedule", GITHUB_ACTOR="dependabot[bot]"), {}).read_only, "whoever changed it last"
    gone = pull_request(7, A, B)
    gone["pull_request"]["head"]["repo"] = None
    assert read(variables("pull_request"), gone).read_only


@pytest.mark.parametrize("payload", [{}, {"pull_request": None}, {"pull_request": {"head": {}}}, {"pull_request": [1]}])
def test_an_event_that_is_otherwise_is_an_error_that_says_so(payload: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        read(variables("pull_request"), payload)


# Commits and files


def objects_of(checkout: Path) -> GitObjects:
    return GitObjects(checkout / ".git" / "objects")


def test_a_folder_is_read_at_any_commit_of_a_checkout(repository: Repository) -> None:
    first = repository.git("rev-parse", "main")
    second = repository.commit({NEXT: "SELECT 1;\n"})
    (repository.path / FOLDER / "link").symlink_to("/etc")
    third = repository.commit({})
    objects = objects_of(repository.path)
    assert checked_out(repository.path) == third
    assert set(tree_at(objects, first, FOLDER, {}).files) == {
        "migration_lock.toml", "20240101000000_init/migration.sql",
    }  # fmt: skip
    tree = tree_at(objects, third, FOLDER, {})
    assert tree.files["20240201000000_paid/migration.sql"] == b"SELECT 1;\n"
    assert tree.links == ("link",)
    assert tree_at(objects, second, "nowhere", {}).files == {}
    assert file_at(objects, first, "locktender.toml") == (repository.path / "locktender.toml").read_bytes()
    assert file_at(objects, first, "nowhere.toml") is None
    assert file_at(objects, first, FOLDER) is None
    assert objects.parents(second) == (first,)
    assert objects.merge_base(first, third) == first


def test_contents_that_are_known_are_not_read_again(repository: Repository) -> None:
    sha = repository.git("rev-parse", "main")
    objects = objects_of(repository.path)
    known = blobs(tree_at(objects, sha, FOLDER, {}))
    assert all(repository.git("cat-file", "-t", name) == "blob" for name in known)

    class Poor(GitObjects):
        def blob(self, sha: str) -> bytes:
            raise AssertionError(sha)

    assert tree_at(Poor(repository.path / ".git" / "objects"), sha, FOLDER, known).files
    assert blob_name(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


def test_a_shallow_checkout_knows_its_parents_names_and_says_what_it_lacks(
    repository: Repository, tmp_path: Path
) -> None:
    first = repository.git("rev-parse", "main")
    second = repository.commit({NEXT: "SELECT 1;\n"})
    objects = objects_of(repository.checkout(tmp_path / "shallow", second))
    assert objects.parents(second) == (first,)
    for question in (lambda: objects.files(first, FOLDER), lambda: objects.resolve(first), lambda: objects.blob(first)):
        with pytest.raises(Unreadable):
            question()


def test_all_files_of_a_commit_come_from_one_git(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {f"{FOLDER}/2024020{number}000000_new/migration.sql": f"SELECT {number};\n" * number for number in range(9)}
    sha = repository.commit({**texts, NEXT: ""})
    programs, starts = tmp_path / "programs", tmp_path / "starts"
    programs.mkdir()
    (programs / "git").write_text(f'#!/bin/sh\necho >> {starts}\nPATH="{os.environ["PATH"]}" exec git "$@"\n')
    (programs / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    objects = objects_of(repository.path)
    files = tree_at(objects, sha, FOLDER, {}).files
    assert {f"{FOLDER}/{path}": data.decode() for path, data in files.items()}.items() >= texts.items()
    assert len(starts.read_text()) == 2
    for name in ("f" * 40, sha):  # nothing, and no file
        with pytest.raises(Unreadable):
            objects.blob(name)
        assert objects.blob(blob_name(b"")) == b""


def test_a_partial_clone_says_what_it_lacks(repository: Repository, tmp_path: Path) -> None:
    first = repository.git("rev-parse", "main")
    repository.git("config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "partial"
    repository.git("clone", "-q", "--bare", "--filter=blob:none", f"file://{repository.path}", str(clone))
    objects = GitObjects(clone / "objects")
    with pytest.raises(Unreadable, match=r"does not hold .*\.sql"):
        objects.files(first, f"{FOLDER}/20240101000000_init")


def test_a_listing_without_end_is_not_read_to_its_end(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    objects, sha = objects_of(repository.path), repository.git("rev-parse", "main")
    monkeypatch.setattr(git_objects, "MOST_LISTED", 200)
    with pytest.raises(Unreadable, match="tells more than"):
        objects.files(sha, FOLDER)
    assert objects.entry(sha, "locktender.toml")


@pytest.mark.parametrize("name", ["--output=/tmp/x", "main", "HEAD", "a" * 39, "../x", ""])
def test_only_full_names_of_commits_reach_git(repository: Repository, name: str) -> None:
    objects = objects_of(repository.path)
    for question in (objects.resolve, objects.parents, objects.blob, lambda one: objects.files(one, FOLDER)):
        with pytest.raises(Unreadable, match="no commit's name"):
            question(name)


def test_what_nobody_has_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OperationFailed) as raised:
        tree_at(FirstOf((objects_of(tmp_path),)), A, FOLDER, {})
    assert "contents: read" in (raised.value.hint or "")
    assert checked_out(tmp_path) == ""
