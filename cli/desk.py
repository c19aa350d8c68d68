"""What a verb works with: the options, the environment they mean, and the person in front of the terminal."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from cli.options import Options
from cli.screen import cleaned
from operations.errors import Refused, UsageError
from operations.secret import Secret

if TYPE_CHECKING:
    from cli.progress import Reporter
    from operations.context import Context
    from operations.errors import LocktenderError
    from operations.ledger import Freezes, Ledger
    from operations.ports import Log

LOG_VARIABLE = "LOCKTENDER_LOG"


class Desk:
    """One call of the command line. What is not asked for (a database, a progress bar) is not loaded."""

    def __init__(self, options: Options, verb: str = "") -> None:
        self.options = options
        self.verb = verb
        self.environment = options.env or ""
        self.secrets: tuple[Secret, ...] = ()
        self.began = time.monotonic()
        self._log: Log | None = None
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
        self._log = self._opened(chosen.log_file, actor=self._context.actor)
        self._log("call_started", {})
        self._context = replace(self._context, log=self._log)
        return self._context

    def ledger(self) -> Ledger:
        """The ledger; raises ``UsageError`` where nothing says where it is, as connecting does."""
        from cli import wiring

        self._hide_ledger()
        if self._ledger is None:
            self._ledger = wiring.ledger(os.environ)
        return self._ledger

    def ledger_if_any(self) -> Ledger | None:
        """``None`` where nothing says where it is."""
        from operations.agreement import LEDGER

        return self.ledger() if os.environ.get(LEDGER) else None

    def freezes_if_any(self) -> Freezes | None:
        """What is frozen, for who only wants to know that: asked anew each time, and the ledger is not changed."""
        from cli import wiring

        self._hide_ledger()
        return wiring.freezes(os.environ)

    def _hide_ledger(self) -> None:
        from cli import wiring
        from operations.agreement import LEDGER

        known = {one.reveal() for one in self.secrets}
        secrets = wiring.secrets_of_url(Secret(os.environ.get(LEDGER, "")))
        self.secrets = (*self.secrets, *(one for one in secrets if one.reveal() not in known))

    def reporter(self, secrets: tuple[Secret, ...] = ()) -> Reporter:
        """Progress for a verb that needs no environment."""
        from cli.progress import Reporter

        self.secrets = secrets
        self._reporter = Reporter(quiet=self.options.quiet, color=self.color, secrets=secrets)
        return self._reporter

    def log(self, verb: str, exit_code: int, error: LocktenderError | None, result: object) -> None:
        """The end of the call, also of one that came to nothing."""
        told: dict[str, object] = {"exit_code": exit_code, "seconds": round(time.monotonic() - self.began, 3)}
        told |= {"error": error.code, "message": error.message} if error else {}
        told |= {"run": result.run_id} if hasattr(result, "run_id") else {}
        told |= {"outcome": result.outcome} if hasattr(result, "outcome") else {}
        (self._log or self._opened(None))("call_ended", {"verb": verb, **told})

    def _opened(self, path: str | None, **fixed: str) -> Log:
        """``call`` tells the lines of one process from those of others, also before there is a run."""
        path = path or os.environ.get(LOG_VARIABLE)
        if not path:
            from operations.ports import unlogged

            return unlogged
        from cli import wiring

        def trouble(why: str) -> None:
            click.echo(cleaned(f"note: {why}"), err=True)

        fixed |= {"call": os.urandom(4).hex(), "door": "cli", "verb": self.verb, "environment": self.environment}
        return wiring.log(path, fixed, self.secrets, trouble)

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
        click.echo(cleaned(what), err=True)
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
