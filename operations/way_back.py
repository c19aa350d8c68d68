"""The way back of a run that failed: first the database, then the application to the version that fits it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec import Struct

from operations.applying import Applier
from operations.context import Context
from operations.errors import ConnectionLost, DatabaseUnreachable, DataWouldBeLost, NeedsAttention, as_ours
from operations.forgotten import refuse_forgotten_commits
from operations.journal import Journal, read
from operations.migrations.model import Format
from operations.ports import Progress
from operations.reality import look
from operations.runner import StepFailed
from operations.traces import trace_of
from operations.undoing import Rollback, put_back

if TYPE_CHECKING:
    from operations.release.release import Release

WITH_NEW_SCHEMA = frozenset({"start", "check"})
"""Steps at which everything has been applied."""


class WayBack(Struct, frozen=True):
    """What a run had begun: ``applier`` if it got as far as the migrations, ``release`` if it has an application."""

    context: Context
    journal: Journal
    format: Format
    applier: Applier | None
    release: Release | None

    def go(self, failed: StepFailed) -> Rollback | None:
        """The old state of both; how the database's was reached, ``None`` where nothing was applied.

        Raises ``DataWouldBeLost`` where the database keeps what stands, for good, and any other ``NeedsAttention``
        where a later run can try again: nothing may be mistaken for a way back that succeeded. Its message says how
        the application is.
        """
        self._quiet()
        try:
            rollback = self._database_back(failed)
        except DataWouldBeLost as refused:
            raise _adding(refused, self._application_with(failed)) from refused.__cause__
        except NeedsAttention as unknown:
            raise _adding(unknown, self._stands_still()) from unknown.__cause__
        self._application_back()
        return rollback

    def _quiet(self) -> None:
        """The new version must write no more while the database is put back; if it cannot be stopped, that is found."""
        if self.release and self.applier:
            with suppress(Exception):
                self.release.quiet()

    def _database_back(self, failed: StepFailed) -> Rollback | None:
        applier, command = self.applier, self.context.command
        if applier is None:
            return None
        try:
            self.context.report(Progress("putting back the old state"))
            lost = isinstance(failed.error, (ConnectionLost, DatabaseUnreachable))
            if lost or not (applier.holds_lock or self._left_nothing(applier)):
                applier.reconnect()
            applier.lift_limits()
            rollback = put_back(self.context, self.journal, applier.session, self.format)
            if rollback.method == "transaction":
                refuse_forgotten_commits(self.context, applier.applied)
            return rollback
        except NeedsAttention:
            raise
        except (ConnectionLost, DatabaseUnreachable) as lost:
            raise NeedsAttention(
                f"It cannot be told yet what stands, because the database cannot be reached: {lost.message}",
                hint=f"Once it answers, {command} deploy settles this run before it does anything else.",
            ) from lost
        except BaseException as broken:  # also a second Ctrl-C
            told = as_ours(broken)
            settled = f"{command} status shows what stands; {command} deploy first settles this run."
            raise NeedsAttention(
                f"The way back did not come to its end: {told.message}",
                hint=f"{told.hint} {settled}" if told.hint else settled,
            ) from broken

    def _left_nothing(self, applier: Applier) -> bool:
        """Whether the old state stands already: to see that, the lock is not needed, which somebody else may have."""
        record = None if applier.session.closed else read(self.context, self.journal.run_id)
        return record is not None and look(applier.session, self.format).state(trace_of(record)) == "old"

    def _application_back(self) -> None:
        if self.release:
            bring_application_back(self.context, self.release)

    def _application_with(self, failed: StepFailed) -> str:
        """The database keeps what others have written since, and so its schema; what the application does then.

        No version fits a part of the migrations: what is stopped stays so, with the files of before.
        """
        if self.release is None:
            return ""
        whole = all_applied(failed)
        try:
            self.release.go_back(start=whole)
        except BaseException as broken:  # noqa: BLE001 - also a second Ctrl-C
            return f"The application's version before does not come back with it: {as_ours(broken).message}"
        return "The application's version before runs again, on the new schema." if whole else self._stands_still()

    def _stands_still(self) -> str:
        return "The application is stopped." if self.release and self.release.stopped else ""


def bring_application_back(context: Context, release: Release) -> None:
    """Its version before, on the database before. Raises ``NeedsAttention``."""
    try:
        context.report(Progress("putting back the application's version"))
        release.go_back()
    except BaseException as broken:  # also a second Ctrl-C
        told = as_ours(broken)
        raise NeedsAttention(
            "The database is in the old state, but the application's version before could not be brought back: "
            f"{told.message}",
            hint=f"Mend the cause; {context.command} deploy tries it again before it does anything else.",
            details=told.details,
        ) from broken


def all_applied(failed: StepFailed) -> bool:
    """Whether it failed only after all migrations were committed."""
    return any(step.status == "failed" and step.name in WITH_NEW_SCHEMA for step in failed.results)


def _adding(error: NeedsAttention, more: str) -> NeedsAttention:
    error.message = f"{error.message} {more}".rstrip()
    return error
