"""What is typed to bring a checkout to a commit; it never asks, and no name can be taken for an option."""

from __future__ import annotations

import hashlib
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
    return [*base(directory), "fetch", "--quiet", "--no-tags", "origin", f"+{ref}:{_kept(ref)}"]


def fetched(directory: str, ref: str) -> list[str]:
    """The commit that was fetched for ``ref``."""
    return [*base(directory), "rev-parse", "--verify", f"{_kept(ref)}^{{commit}}"]


def changes(directory: str) -> list[str]:
    """Files that differ from the commit, a line each; files that git does not know of are nobody's business."""
    return [*base(directory), "status", "--porcelain", "--untracked-files=no"]


def checkout(directory: str, sha: str) -> list[str]:
    """Bring the files to a commit; refuses to overwrite what was changed."""
    return [*base(directory), "-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", sha]


def set_aside(directory: str, why: str) -> list[str]:
    """Put changed files into git's stash, where nothing of them is lost; the files are then those of the commit."""
    return [*base(directory), "stash", "push", "--quiet", "--message", why]


def tree(directory: str, sha: str, path: str) -> list[str]:
    """Prints a line if there is such a file or directory at a commit."""
    return [*base(directory), "ls-tree", sha, "--", path]


def archive(directory: str, sha: str, path: str, output: str) -> list[str]:
    """The files below ``path`` (relative to the checkout) as they are at a commit, as a tar file."""
    return [*base(directory), "archive", "--format=tar", f"--output={output}", sha, "--", path]


def objects(directory: str) -> list[str]:
    """Prints the directory in which commits and files are kept, as seen from ``directory``."""
    return [*base(directory), "rev-parse", "--git-path", "objects"]


def top(directory: str) -> list[str]:
    """Where the checkout begins."""
    return [*base(directory), "rev-parse", "--show-toplevel"]


def subdirectory(directory: str) -> list[str]:
    """Prints where the directory is below the repository's, with a ``/`` behind it; nothing at the top."""
    return [*base(directory), "rev-parse", "--show-prefix"]


def commit(directory: str, ref: str) -> list[str]:
    """The commit that is known here under a name."""
    return [*base(directory), "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"]


def merge_base(directory: str, sha: str) -> list[str]:
    """Where the commit that is checked out and another one part."""
    return [*base(directory), "merge-base", "HEAD", sha]


def _kept(ref: str) -> str:
    """A name of our own for what ``ref`` led to: FETCH_HEAD is anybody's who fetches at the same time."""
    return f"refs/locktender/{hashlib.sha256(ref.encode()).hexdigest()[:16]}"


def remote(directory: str) -> list[str]:
    """Prints the address of the origin."""
    return [*base(directory), "remote", "get-url", "origin"]


def default_branch(directory: str) -> list[str]:
    """Prints ``origin/NAME`` of the branch that a clone checks out."""
    return [*base(directory), "symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD"]


def branches(directory: str) -> list[str]:
    """Prints the names of local branches, a line each."""
    return [*base(directory), "for-each-ref", "--format=%(refname:short)", "refs/heads"]
