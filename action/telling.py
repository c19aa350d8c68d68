"""What a validation leaves on GitHub: one comment, one check run, suggested changes. Each at most once, never stale.

One after the other: GitHub asks for no requests at once, and answers them with 403 or 429 where there are.
https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#avoid-concurrent-requests
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from msgspec import Struct

from action.annotations import BATCH, Annotation, batches
from action.placing import find_or_create, write_once
from action.platform import CheckRun, Comment, Platform, Suggestion, Told

Sleep = Callable[[float], None]
SUGGESTION = "<!-- locktender:suggestion {} -->"
MOST_SUGGESTIONS = 20


class Sticky(Struct, frozen=True):
    """The one comment of a pull request that begins with ``marker``."""

    number: int
    sha: str
    marker: str
    body: str


def put_comment(platform: Platform, sticky: Sticky, sleep: Sleep) -> bool:
    """Write it, or put the new text in its place. False where the pull request has gone on meanwhile.

    Only comments of our own account are ours, whatever they begin with. Should there be several, one stays.
    """
    author = platform.viewer()

    def ours() -> tuple[Comment, ...]:
        found = platform.comments(sticky.number)
        return tuple(one for one in found if one.author == author and one.body.startswith(sticky.marker))

    if platform.head(sticky.number) != sticky.sha:
        return False
    comment = find_or_create(
        lambda: min(ours(), key=lambda one: one.id, default=None),
        lambda: platform.create_comment(sticky.number, sticky.body),
        sleep,
    )
    if platform.head(sticky.number) != sticky.sha:
        return False
    if not _same(comment.body, sticky.body):
        platform.edit_comment(sticky.number, comment.id, sticky.body)
    for double in ours():
        if double.id > comment.id:  # whoever was first stays, so that two at once do not remove each other's
            platform.delete_comment(sticky.number, double.id)
    return True


def _same(one: str, other: str) -> bool:
    """GitHub keeps line ends as CRLF or LF, as it likes."""
    return one.replace("\r\n", "\n").strip() == other.replace("\r\n", "\n").strip()


def put_check_run(
    platform: Platform, sha: str, name: str, key: str, told: Told, annotations: Sequence[Annotation], sleep: Sleep
) -> bool:
    """True. One for each ``key``; its annotations come in batches, and each of them once."""

    def find() -> CheckRun | None:
        return next((run for run in platform.check_runs(sha, name) if run.key == key), None)

    first, *rest = batches(annotations)
    run = find_or_create(find, lambda: platform.create_check_run(sha, name, key, told, first), sleep)
    for number, batch in enumerate(rest, 1):
        wanted = number * BATCH + len(batch)

        def there(wanted: int = wanted) -> bool:
            found = find()
            return found is not None and found.annotations >= wanted

        def add(batch: Sequence[Annotation] = batch) -> None:
            platform.update_check_run(run.id, told, batch)

        write_once(there, add, sleep)
    return True


def put_suggestions(platform: Platform, number: int, sha: str, suggestions: Sequence[Suggestion], sleep: Sleep) -> int:
    """Those that are not there yet, as one review; returns how many that were."""
    author = platform.viewer()

    def missing() -> tuple[Suggestion, ...]:
        there = "\n".join(one.body for one in platform.review_comments(number) if one.author == author)
        return tuple(one for one in suggestions if mark(one) not in there)[:MOST_SUGGESTIONS]

    wanted = missing()
    if wanted and platform.head(number) == sha:
        write_once(lambda: not missing(), lambda: platform.create_review(number, sha, _marked(missing())), sleep)
        return len(wanted)
    return 0


def mark(suggestion: Suggestion) -> str:
    """What a suggestion is known by: its place and its text."""
    text = f"{suggestion.path}\n{suggestion.line}\n{suggestion.end_line}\n{suggestion.body}"
    return SUGGESTION.format(hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32])


def _marked(suggestions: Sequence[Suggestion]) -> tuple[Suggestion, ...]:
    return tuple(Suggestion(one.path, one.line, one.end_line, f"{one.body}\n\n{mark(one)}") for one in suggestions)
