"""Every error an operation can end in, with the exit code each stands for.

A message says what happened and why; ``hint`` is what to do next, as a command where there is one. ``prisma_code``
names the error as Prisma's users know it (https://www.prisma.io/docs/orm/reference/error-reference).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, ClassVar

from msgspec import Struct

AGAIN = "Run the same command again: it looks at what stands and settles it first."
"""Hint for a line that was cut."""


class ExitCode(IntEnum):
    """What the process's exit status means; the Action and scripts rely on it."""

    DONE = 0
    NO = 1
    USAGE = 2
    FAILED_OLD_STATE = 3
    NEEDS_ATTENTION = 4
    REFUSED = 5


class LocktenderError(Exception):
    """Root of all errors that leave ``operations``."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[ExitCode] = ExitCode.FAILED_OLD_STATE

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        prisma_code: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.prisma_code = prisma_code
        self.details = details or {}


# --- exit 2: wrong usage or configuration ------------------------------------------------------------------------


class UsageError(LocktenderError):
    """The call or its configuration is wrong; nothing was touched."""

    code = "usage"
    exit_code = ExitCode.USAGE


class ConfigurationError(UsageError):
    """The configuration file, or what it points to, is wrong."""

    code = "configuration"


class MigrationFilesError(UsageError):
    """The migrations folder cannot be read as one (missing, not UTF-8, no ``migration.sql``, another format)."""

    code = "migration_files"


class AuthenticationFailed(UsageError):
    """The server answered and refused the login (P1000), or the database does not exist there (P1003)."""

    code = "authentication_failed"


class DatabaseMissing(UsageError):
    """The server has no database of that name (P1003)."""

    code = "database_missing"


class NotFound(UsageError):
    """What was named (a backup, a run, a migration) does not exist."""

    code = "not_found"


class HostLoginRefused(UsageError):
    """sshd on the server refused the account or the key."""

    code = "host_login"


class ClientToolsMissing(UsageError):
    """No ``pg_dump`` and ``pg_restore`` of the server's major version were found."""

    code = "client_tools_missing"


class DockerUnusable(UsageError):
    """Docker or Compose v2 is not installed on the host, or this account may not use it."""

    code = "docker_unusable"


# --- exit 3: failed, and the old state stands ----------------------------------------------------------------------


class OperationFailed(LocktenderError):
    """It was tried, it failed, and what stood before stands."""

    code = "failed"


class DatabaseUnreachable(OperationFailed):
    """Nobody answered in time at the database's address (P1001)."""

    code = "database_unreachable"


class HostUnreachable(DatabaseUnreachable):
    """The server cannot be reached over SSH, or the line to it was cut in the middle.

    No ``HostError``, which is about one file: nothing can be said of any file there, nor of the database beside it.
    """

    code = "host_unreachable"


class ConnectionLost(OperationFailed):
    """The server went away in the middle; whether the last command took effect must be looked up."""

    code = "connection_lost"


class NotNow(OperationFailed):
    """Somebody else (Slack, GitHub) does not say what must be known. Nothing has changed; trying again helps."""

    code = "not_now"


class CommandFailed(OperationFailed):
    """A program on the host ended with an error or ran out of time."""

    code = "command_failed"


class CommandTimedOut(CommandFailed):
    """A program on the host ran out of time and was ended."""

    code = "command_timed_out"


class ProgramUnusable(CommandFailed):
    """The host has no such program, or this account may not run it."""

    code = "program_unusable"


class DockerUnreachable(OperationFailed):
    """Docker is installed on the host, but its daemon does not answer."""

    code = "docker_unreachable"


class HostError(OperationFailed):
    """A file or directory on the host could not be read or written (permissions, disk full …)."""

    code = "host"


class DiskFull(HostError):
    """The disk is full, or would be."""

    code = "disk_full"


class Place(Struct, frozen=True):
    """Where in a file: 1-based line and column, counted in characters."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class StatementFailed(OperationFailed):
    """PostgreSQL refused a statement.

    ``sqlstate`` is its five-character code (https://www.postgresql.org/docs/current/errcodes-appendix.html);
    ``statement`` the 0-based index of the failing statement within the script sent; ``position`` the 0-based character
    offset of the fault in that script where the server told one.
    """

    code = "statement_failed"

    def __init__(
        self,
        message: str,
        *,
        sqlstate: str,
        statement: int = 0,
        position: int | None = None,
        detail: str | None = None,
        server_hint: str | None = None,
        context: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.sqlstate = sqlstate
        self.statement = statement
        self.position = position
        self.detail = detail
        self.server_hint = server_hint
        self.context = context


class MigrationFailed(OperationFailed):
    """A migration failed and everything was put back (P3018)."""

    code = "migration_failed"


class Interrupted(OperationFailed):
    """Ctrl-C, or a request to end."""

    code = "interrupted"


class AppNotWell(OperationFailed):
    """Containers or ``health_url`` of the application are not as they should be; ``details["logs"]``: what it said."""

    code = "app_not_well"


class BackupFailed(OperationFailed):
    """No complete backup could be made."""

    code = "backup_failed"


class RestoreFailed(OperationFailed):
    """The restore was given up before the live database was touched."""

    code = "restore_failed"


# --- exit 4: a person is needed ----------------------------------------------------------------------------------


class NeedsAttention(LocktenderError):
    """It failed, and going on by itself could lose data: the message says what stands, the hint what to type."""

    code = "needs_attention"
    exit_code = ExitCode.NEEDS_ATTENTION


class InternalError(LocktenderError):
    """A fault of Locktender's own."""

    code = "internal"
    exit_code = ExitCode.NEEDS_ATTENTION


# --- exit 5: refused ---------------------------------------------------------------------------------------------


class Refused(LocktenderError):
    """Not done, because it would not be safe or allowed; nothing was touched."""

    code = "refused"
    exit_code = ExitCode.REFUSED


class HostKeyRefused(Refused):
    """The server's SSH key is not one of those that were pinned; it was sent neither a command nor a credential."""

    code = "host_key"


class LockHeld(Refused):
    """Someone else is at work on this environment or database (P1002)."""

    code = "lock_held"


class LockLost(Refused):
    """This run's lock was taken over by another one; it must not write any more."""

    code = "lock_lost"


class PrivilegeMissing(Refused):
    """The role lacks rights that the operation will need."""

    code = "privilege_missing"


class Tampered(Refused):
    """A backup is damaged, incomplete, or not what its manifest says."""

    code = "tampered"


class NotEnoughSpace(Refused):
    """What is to be written will probably not fit on the disk; the message names both sizes."""

    code = "not_enough_space"


class HistoryConflict(Refused):
    """The database's migration history and the folder contradict each other (P3005, P3009, edited files …)."""

    code = "history_conflict"


class RowsInTheWay(Refused):
    """Existing rows would make a pending migration fail; ``details["result"]`` is the plan with what was found."""

    code = "rows_in_the_way"


class PoolerInBetween(Refused):
    """The connection goes through a pooler that shares sessions: advisory locks and settings do not hold there."""

    code = "pooler"


class NotAllowed(Refused):
    """The policy does not let this person do that, or lets nobody."""

    code = "not_allowed"


class ApprovalMissing(Refused):
    """It needs an approval that it does not have: none was given in time, or it was denied or voided."""

    code = "approval_missing"


class RequestChanged(Refused):
    """The request is no longer what or where it was when it was shown: decided, ended, amended, expired."""

    code = "request_changed"


class Frozen(Refused):
    """The environment is frozen: nothing that changes it may begin."""

    code = "frozen"


class RateLimited(Refused):
    """The same person has asked for too much in too short a time."""

    code = "rate_limited"


class DataWouldBeLost(NeedsAttention):
    """Going back would leave behind rows that were written since."""

    code = "data_would_be_lost"


def as_ours(error: BaseException) -> LocktenderError:
    """Any error as one of ours, with a message for people."""
    if isinstance(error, LocktenderError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return OperationFailed("Interrupted.")
    return OperationFailed(f"Unexpected {type(error).__name__}: {error}.")


def listed(problems: Sequence[str]) -> str:
    """Several problems as the lines of one message."""
    return problems[0] if len(problems) == 1 else "\n".join(f"  - {problem}" for problem in problems)
