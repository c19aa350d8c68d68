"""The migrations folder as it stands at another commit of the checkout it lies in."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping

from operations.commands import git
from operations.errors import NotFound, UsageError
from operations.git import ask, attempt
from operations.ports import Host
from operations.validation.commits import Objects, Unreadable, blobs, tree_at
from operations.validation.folders import Folder, Tree, folder_of

HERE = "this machine"


def folders_at(
    host: Host, objects: Callable[[str], Objects], directory: str, ref: str, head: Tree
) -> tuple[Folder, Folder | None]:
    """The folder at ``ref``, and where HEAD and ``ref`` part (``None`` where the clone is too shallow to tell).

    ``objects`` opens a directory of objects; what ``head`` holds is not read again. Nothing is fetched, checked out or
    run. Raises ``UsageError``, ``NotFound``, and ``git``'s errors.
    """
    if not git.REF.fullmatch(ref):
        raise UsageError(f"{ref!r} is no branch, tag or commit.", hint="For example: --base-ref origin/main")
    top = ask(host, HERE, git.top(directory))
    found = attempt(host, HERE, git.commit(directory, ref))
    if found.returncode:
        raise UsageError(
            f"The checkout in {top} knows no {ref!r}.",
            hint=f"git fetch origin {ref.removeprefix('origin/')}, or in a workflow fetch-depth: 0.",
        )
    prefix = ask(host, HERE, git.subdirectory(directory)).strip("/")
    commit = found.stdout.strip()
    parted = attempt(host, HERE, git.merge_base(directory, commit))
    ancestor = parted.stdout.strip() if parted.returncode == 0 else None
    kept = posixpath.join(directory, ask(host, HERE, git.objects(directory)))
    there, known = objects(kept), blobs(head)
    base = _tree(there, commit, prefix, known)
    before = _tree(there, ancestor, prefix, known | blobs(base)) if ancestor else None
    return folder_of(base), folder_of(before) if before else None


def _tree(objects: Objects, commit: str, prefix: str, known: Mapping[str, bytes]) -> Tree:
    try:
        return tree_at(objects, commit, prefix, known)
    except Unreadable as error:
        raise NotFound(
            f"The migrations cannot be read as they are at {commit[:12]}: {error}",
            hint="Is the clone a partial one? git fetch --refetch brings what it lacks.",
        ) from error
