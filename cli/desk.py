"""What a verb works with: the options, the environment they mean, and the person in front of the terminal."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from cli.options import Options
from operations.errors import Refused, UsageError
from operations.secret import Secret

if TYPE_CHECKING:
    from cli.progress import Reporter
    from operations.context import Context
    from operations.ports import Ledger


class Desk:
    """One call of the command line. What is not asked for (a database, a progress bar) is not loaded."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.environment = options.env or ""
        self.secrets: tuple[Secret, ...] = ()
        self._reporter: Reporter | None = None
        self._context: Context | None = None
        self._ledger: Ledger | None = None

    @property
    def color(self) -> bool | None:
        """False: never; None: where a terminal can."""
        return False if self.options.no_color or os.environ.get("NO_COLOR") else None

    def context(self) -> Context:
        """The environment and the means to work on it; raises ``ConfigurationError`` and the like."""
        from cli import wiring
        from cli.progress import Reporter

        chosen = wiring.environment(self.options, os.environ)
        self.environment = chosen.name
        self.secrets = tuple(wiring.secrets_of(chosen))
        self._reporter = Reporter(quiet=self.options.quiet, color=self.color, secrets=self.secrets)
        self._context = wiring.context(chosen, self.options, self._reporter)
        return self._context

    def ledger(self) -> Ledger:
        """The ledger; raises ``UsageError`` where nothing says where it is, as connecting does."""
        from cli import wiring

        if self._ledger is None:
            self.secrets = (*self.secrets, *wiring.secrets_of_url(Secret(os.environ.get(wiring.LEDGER, ""))))
            self._ledger = wiring.ledger(os.environ)
        return self._ledger

    def reporter(self, secrets: tuple[Secret, ...] = ()) -> Reporter:
        """Progress for a verb that needs no environment."""
        from cli.progress import Reporter

        self.secrets = secrets
        self._reporter = Reporter(quiet=self.options.quiet, color=self.color, secrets=secrets)
        return self._reporter

    def confirm(self, context: Context, what: str, word: str | None = None) -> None:
        """Ask whether something live may be replaced or removed; ``word`` must be typed where one is given.

        Raises ``UsageError`` where nobody can be asked and ``--yes`` is not given, ``Refused`` on any other answer.
        """
        if self.options.yes:
            return
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise UsageError(
                f"{what} That needs a yes, and there is no terminal to ask on.",
                hint="Add --yes to say so beforehand.",
            )
        click.echo(what, err=True)
        if word is None:
            agreed = click.confirm("Go on?", err=True)
        else:
            agreed = click.prompt(f"Type {word} to go on", default="", show_default=False, err=True) == word
        if not agreed:
            raise Refused("Not confirmed.", hint=f"{context.command} status shows what stands.")

    def close(self) -> None:
        """Take the progress off the terminal, and end the connection to a server."""
        if self._reporter:
            self._reporter.close()
        if self._ledger:
            self._ledger.close()
        if self._context:
            for host in (self._context.host, *self._context.app_hosts.values()):
                host.close()
