"""Check: one look at everything that a deploy or a bad night would stumble over. Changes nothing, takes no lock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from operations.checks import (
    activity,
    application,
    backups,
    clock,
    configuration,
    connection,
    leftovers,
    migrations,
    pooler,
    rights,
    schema,
    sequences,
    tables,
    versions,
)
from operations.checks.model import Check, Look, Probe
from operations.context import Context
from operations.errors import HostUnreachable, LocktenderError

IN_DATABASE: tuple[tuple[str, Look], ...] = (
    ("connection", connection.look),
    ("rights", rights.look),
    ("versions", versions.look),
    ("pooler", pooler.look),
    ("migrations", migrations.look),
    ("schema", schema.look),
    ("tables", tables.look),
    ("sequences", sequences.look),
    ("activity", activity.look),
    ("leftovers", leftovers.look),
)
BESIDE: tuple[tuple[str, Callable[[Context], Iterable[Check]]], ...] = (
    ("clock", clock.look),
    ("backups", backups.look),
    ("app", application.look),
    ("runs", leftovers.look_on_host),
    ("configuration", configuration.look),
)


@dataclass(frozen=True)
class CheckResult:
    """All findings, in the order in which one would look."""

    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing failed; warnings are no failures."""
        return all(check.status != "fail" for check in self.checks)


def check(context: Context) -> CheckResult:
    """Look at everything. What cannot be looked at is a finding itself.

    Raised is only what says that this is not the server: ``HostKeyRefused``, ``HostLoginRefused``.
    """
    try:
        context.host.exists("/")
    except HostUnreachable as error:
        why = "Database, backups and runs are there, and nothing of them can be looked at."
        return CheckResult((Check("server", "fail", error.message, why, error.hint or ""),))
    return CheckResult((*_in_database(context), *_beside(context)))


def _in_database(context: Context) -> Iterator[Check]:
    try:
        session = context.database.connect(purpose="check")
    except LocktenderError as error:
        yield Check(
            "connection",
            "fail",
            error.message,
            "Without the database nothing else in it can be looked at.",
            error.hint or "",
        )
        return
    try:
        for name, look in IN_DATABASE:
            yield from _guarded(name, partial(look, Probe(context, session)))
    finally:
        session.close()


def _beside(context: Context) -> Iterator[Check]:
    for name, look in BESIDE:
        yield from _guarded(name, partial(look, context))


def _guarded(name: str, look: Callable[[], Iterable[Check]]) -> Iterator[Check]:
    """A look that fails costs its own finding, not the others'."""
    try:
        yield from look()
    except LocktenderError as error:
        yield Check(name, "fail", error.message, "It could not be looked at.", error.hint or "")
