"""The migrations folder as it stands at another commit of the checkout it lies in."""

from __future__ import annotations

import secrets

from operations.commands import git
from operations.errors import UsageError
from operations.git import ask, attempt
from operations.ports import Host
from operations.tree import unpacked
from operations.validation.folders import Folder, Tree, folder_of

HERE = "this machine"


def folders_at(host: Host, directory: str, ref: str) -> tuple[Folder, Folder | None]:
    """The folder at ``ref``, and where HEAD and ``ref`` part (``None`` where the clone is too shallow to tell).

    Nothing is fetched, checked out or run. Raises ``UsageError``, and ``git``'s errors.
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
    prefix = ask(host, HERE, git.prefix(directory)).strip("/")
    commit = found.stdout.strip()
    parted = attempt(host, HERE, git.merge_base(directory, commit))
    ancestor = parted.stdout.strip() if parted.returncode == 0 else None
    return _folder(host, top, commit, prefix), _folder(host, top, ancestor, prefix) if ancestor else None


def _folder(host: Host, top: str, commit: str, prefix: str) -> Folder:
    if prefix and not ask(host, HERE, git.tree(top, commit, prefix)):
        return Folder({})
    temporary = f"/tmp/locktender-{secrets.token_hex(16)}.tar"  # noqa: S108 - nobody can guess the name
    try:
        ask(host, HERE, git.archive(top, commit, prefix or ".", temporary))
        found = unpacked(host.read(temporary))
    finally:
        host.remove(temporary)
    below = f"{prefix}/" if prefix else ""
    inside = {path.removeprefix(below): data for path, data in found.items() if path.startswith(below)}
    directories = {path.rstrip("/") for path in inside if path.endswith("/") and path.count("/") == 1}
    return folder_of(Tree({p: d for p, d in inside.items() if p and not p.endswith("/")}, frozenset(directories)))
