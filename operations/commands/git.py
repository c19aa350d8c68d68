"""What is typed to bring a checkout to a commit; it never asks, and no name can be taken for an option."""

from __future__ import annotations

import re

QUIET = {"GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=20", "LC_ALL": "C"}
"""Nobody is there to type a password."""
SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
REF = re.compile(r"(?!.*(?:\.\.|@\{|//|\.lock(?:/|$)))[A-Za-z0-9][A-Za-z0-9._/+@-]*")
"""Names of branches, tags and commits, without what git would take for an expression or an option."""


def base(directory: str) -> list[str]:
    """What every command begins with."""
    return ["git", "-C", directory]


def head(directory: str) -> list[str]:
    """The commit that is checked out."""
    return [*base(directory), "rev-parse", "--verify", "--quiet", "HEAD^{commit}"]


def has_commit(directory: str, sha: str) -> list[str]:
    """Succeeds if the commit is there already."""
    return [*base(directory), "cat-file", "-e", f"{sha}^{{commit}}"]


def fetch(directory: str, ref: str) -> list[str]:
    """Bring a branch, tag or commit from the origin, without touching what is checked out."""
    return [*base(directory), "fetch", "--quiet", "--no-tags", "origin", ref]


def fetched(directory: str) -> list[str]:
    """The commit that was fetched."""
    return [*base(directory), "rev-parse", "--verify", "FETCH_HEAD^{commit}"]


def changes(directory: str) -> list[str]:
    """Files that differ from the commit, a line each; files that git does not know of are nobody's business."""
    return [*base(directory), "status", "--porcelain", "--untracked-files=no"]


def checkout(directory: str, sha: str) -> list[str]:
    """Bring the files to a commit; refuses to overwrite what was changed."""
    return [*base(directory), "-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", sha]


def archive(directory: str, sha: str, path: str, output: str) -> list[str]:
    """The files below ``path`` (relative to the checkout) as they are at a commit, as a tar file."""
    return [*base(directory), "archive", "--format=tar", f"--output={output}", sha, "--", path]
