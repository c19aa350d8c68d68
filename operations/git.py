"""git on a machine: what it answers, and why it does not."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence

from operations.commands import git
from operations.errors import CommandFailed, ConfigurationError, DiskFull, LocktenderError, NotFound, ProgramUnusable
from operations.ports import Completed, Host

TIMEOUT = 60.0


def ask(host: Host, machine: str, argv: Sequence[str], *, timeout: float = TIMEOUT) -> str:
    """What a ``git`` command prints, without the line end.

    Raises ``ConfigurationError`` where there is no git, no repository, or none that this account may use; ``NotFound``
    for a ref that the origin does not have; ``DiskFull``; ``CommandFailed`` for whatever else it says.
    """
    completed = attempt(host, machine, argv, timeout=timeout)
    if completed.returncode:
        raise trouble(machine, completed)
    return completed.stdout.strip("\n")


def attempt(host: Host, machine: str, argv: Sequence[str], *, timeout: float = TIMEOUT) -> Completed:
    """The same, with any exit status for an answer."""
    try:
        return host.run(argv, env=git.QUIET, timeout=timeout)
    except ProgramUnusable as error:
        raise ConfigurationError(
            f"git cannot be run on {machine}: {error.message}",
            hint="Install it there (apt-get install git), or leave --ref out.",
        ) from error


def trouble(machine: str, completed: Completed) -> LocktenderError:
    """Why a ``git`` command failed, as the error to be raised. Pure."""
    told = completed.stderr.strip() or f"exit status {completed.returncode}"
    directory = completed.argv[2]
    for pattern, error in _CAUSES.items():
        if found := re.search(pattern, told):
            return error(directory, machine, *found.groups())
    return CommandFailed(f"{shlex.join(completed.argv)} failed on {machine}: {told}")


def _no_repository(directory: str, machine: str) -> LocktenderError:
    return ConfigurationError(
        f"{directory} on {machine} is no git repository, so that no version can be checked out there.",
        hint=f"There, as the account that deploys: git clone URL {directory}. Or leave --ref out.",
    )


def _of_another_account(directory: str, machine: str) -> LocktenderError:
    return ConfigurationError(
        f"{directory} on {machine} belongs to another account, and git does not trust it for this one.",
        hint="There, as the account that deploys: git config --global --add safe.directory "
        f"{shlex.quote(directory)}; it must be allowed to write there, too.",
    )


def _no_such_ref(directory: str, machine: str, ref: str) -> LocktenderError:
    return NotFound(
        f"The origin of {directory} on {machine} has no branch, tag or commit {ref!r}.",
        hint="Was it pushed? A commit must be given with all its digits.",
    )


def _locked(directory: str, machine: str, path: str) -> LocktenderError:
    return CommandFailed(
        f"Another git is at work in {directory} on {machine}, or one died there.",
        hint=f"If none is: rm {shlex.quote(path)}",
    )


def _full(directory: str, machine: str) -> LocktenderError:
    return DiskFull(f"The disk of {directory} on {machine} is full.", hint="df -h shows what is full.")


_CAUSES: dict[str, Callable[..., LocktenderError]] = {
    r"not a git repository": _no_repository,
    r"detected dubious ownership": _of_another_account,
    r"couldn't find remote ref (\S+)": _no_such_ref,
    r"Unable to create '(.+\.lock)': File exists": _locked,
    r"No space left on device": _full,
}
