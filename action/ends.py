"""Which commits a run compares, and the files of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from action.event import Event, PullRequest
from action.platform import Objects, PlatformError
from operations.errors import OperationFailed, UsageError
from operations.validation import commits
from operations.validation.commits import LINK, Entry, Unreadable
from operations.validation.folders import MOST_BYTES, Tree

T = TypeVar("T")


class Ends(Struct, frozen=True):
    """``base``: what has landed; ``ancestor``: where the branch left it, if it is not ``base`` itself.

    ``head``: the commit to be read as data; without one it is the workspace.
    """

    base: str
    ancestor: str | None = None
    head: str | None = None
    notes: tuple[str, ...] = ()


class FirstOf(Struct, frozen=True):
    """Several places where commits may be found; the first that has one is asked."""

    places: Sequence[Objects]

    def resolve(self, name: str) -> str:
        """Of a branch, or of a commit's own name."""
        return self._asked(lambda place: place.resolve(name))

    def parents(self, sha: str) -> tuple[str, ...]:
        """Of a commit."""
        return self._asked(lambda place: place.parents(sha))

    def merge_base(self, base: str, head: str) -> str:
        """The newest commit that both come from."""
        return self._asked(lambda place: place.merge_base(base, head))

    def files(self, sha: str, folder: str) -> Mapping[str, Entry]:
        """All files below a folder."""
        return self._asked(lambda place: place.files(sha, folder))

    def entry(self, sha: str, path: str) -> Entry | None:
        """One file of a commit."""
        return self._asked(lambda place: place.entry(sha, path))

    def blob(self, sha: str) -> bytes:
        """What a file holds."""
        return self._asked(lambda place: place.blob(sha))

    def _asked(self, question: Callable[[Objects], T]) -> T:
        told: list[Unreadable] = []
        for place in self.places:
            try:
                return question(place)
            except Unreadable as error:
                told.append(error)
        raise told[-1] if told else PlatformError("missing", "There is neither a checkout nor a github-token.")


def ends(event: Event, base_ref: str, checked_out: str, objects: Objects) -> Ends:
    """What is to be compared with what. Raises ``UsageError``, ``OperationFailed``."""
    try:
        return _ends(event, base_ref, checked_out, objects)
    except Unreadable as error:
        raise unreadable(error) from error


def _ends(event: Event, base_ref: str, checked_out: str, objects: Objects) -> Ends:
    here = checked_out or event.sha
    if event.pull:
        return _of_pull_request(event, event.pull, base_ref, here, objects)
    if base_ref:
        return _apart(objects.resolve(base_ref), here, objects)
    if event.name in ("merge_group", "push") and event.base:
        return Ends(objects.resolve(event.base))
    if not event.base:
        raise UsageError(
            f"The event {event.name!r} names no branch to compare with.", hint="Give the input base-ref: main"
        )
    return _apart(objects.resolve(event.base), here, objects)


def _of_pull_request(event: Event, pull: PullRequest, base_ref: str, here: str, objects: Objects) -> Ends:
    """The workspace counts where it is the event's own commit, or GitHub's merge of that into the base.

    With ``pull_request_target`` it is the base's, or nobody knows whose. Anything else may have been pushed since, and
    be called a merge with whatever base its author likes: what is told about a commit is read from that commit.
    """
    base = objects.resolve(base_ref) if base_ref else pull.base_sha
    if event.name == "pull_request":
        if here == pull.head_sha:
            return _apart(base, here, objects)
        parents = objects.parents(here) if here == event.sha else ()
        if len(parents) == 2 and parents[1] == pull.head_sha:
            return _apart(base, here, objects) if base_ref else Ends(parents[0])
    found = _apart(base, pull.head_sha, objects)
    if event.name == "pull_request":
        odd = f"The workspace is at {here[:12]}, so the files were read as they are at the commit {pull.head_sha[:12]}."
        found = replace(found, notes=(*found.notes, odd))
    return replace(found, head=pull.head_sha)


def _apart(base: str, head: str, objects: Objects) -> Ends:
    try:
        ancestor = objects.merge_base(base, head)
    except Unreadable as error:
        return Ends(base, notes=(f"Where the branch left its base is not known: {error}",))
    return Ends(base, None if ancestor == base else ancestor)


def tree_at(objects: Objects, sha: str, folder: str, known: Mapping[str, bytes]) -> Tree:
    """A folder as it is at a commit. ``known``: contents by git's name for them, which need not be fetched."""
    try:
        return commits.tree_at(objects, sha, folder, known)
    except Unreadable as error:
        raise unreadable(error) from error


def file_at(objects: Objects, sha: str, path: str) -> bytes | None:
    """A file as it is at a commit; ``None`` where it is not there, or a link."""
    try:
        entry = objects.entry(sha, path)
        return objects.blob(entry.sha) if entry and entry.mode != LINK and entry.size <= MOST_BYTES else None
    except Unreadable as error:
        raise unreadable(error) from error


def unreadable(error: Unreadable) -> OperationFailed:
    """What a run cannot go on without."""
    return OperationFailed(
        f"The base cannot be read, neither from the checkout nor from GitHub. {error}",
        hint="Give the job `permissions: contents: read`, or check out with fetch-depth: 0.",
    )
