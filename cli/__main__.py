"""``locktender``: reads the command line, runs one verb, prints what came of it, ends with its exit code."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import click

from cli import output
from cli.desk import Desk
from cli.options import GLOBAL_OPTIONS, Options, Verbs
from cli.output import Answer
from operations.errors import ExitCode, InternalError, Interrupted, LocktenderError, UsageError
from operations.secret import redact
from operations.signals import end_cleanly, end_with

NAME = "locktender"
GARBAGE_AFTER = 100_000
"""New objects between two searches for garbage: with Python's 700, a short run spends a tenth of its time on looking
through modules that are just being imported, and stay."""


@click.group(NAME, cls=Verbs, params=list(GLOBAL_OPTIONS), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name=NAME, prog_name=NAME)
def commands() -> None:
    """Safe deploys of Prisma migrations to PostgreSQL: after each, the old state or the new one, and which is said.

    Exit codes: 0 done, or healthy; 1 the answer is no (pending, unhealthy, findings); 2 wrong usage or configuration;
    3 failed, and the old state stands; 4 failed, and a person is needed; 5 refused.
    """


class Call:
    """One run of the program: which verb it turns out to be is known once the words are parsed."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)
        self.verb = ""
        ours = self.words[: self.words.index("--")] if "--" in self.words else self.words
        self.desk = Desk(Options(json="--json" in ours, no_color="--no-color" in ours))

    def begin(self, context: click.Context) -> Desk:
        """Called when all words of a verb are understood."""
        self.verb = _verb_of(context)
        self.desk = Desk(Options.collected(context), self.verb)
        return self.desk

    def perform(self) -> Answer | int:
        """The verb's answer, or an exit code where click has already said everything (``--help``)."""
        try:
            answer = commands.main(self.words, prog_name=NAME, standalone_mode=False, obj=self)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            return ExitCode.USAGE
        except click.UsageError as error:
            self.verb = self.verb or _verb_of(error.ctx)
            return _failed(_usage(error))
        except (click.Abort, KeyboardInterrupt):
            return _failed(_interrupted(self.verb))
        except LocktenderError as error:
            return _failed(error)
        except Exception as error:  # noqa: BLE001  # the last resort: nobody shall see a bare traceback
            return _failed(self._internal(error))
        return answer if isinstance(answer, Answer) else ExitCode(answer or 0)

    def finish(self, answer: Answer) -> int:
        """Print the answer and return its exit code."""
        error = output.redacted(answer.error, self.desk.secrets) if answer.error else None
        self.desk.log(self.verb, answer.exit_code, error, answer.result)
        try:
            if self.desk.options.json:
                told = output.envelope(self.verb, self.desk.environment, answer.result, error, answer.exit_code)
                output.print_json(told)
            else:
                output.print_view(answer.view(), self.desk.color)
        finally:
            if error:
                output.print_error(error, answer.exit_code, self.desk.color)
        return answer.exit_code

    def _internal(self, error: Exception) -> InternalError:
        import tempfile
        import traceback

        trace = redact("".join(traceback.format_exception(error)), self.desk.secrets)
        if self.desk.options.verbose:
            click.echo(trace, err=True)
        with tempfile.NamedTemporaryFile("w", prefix="locktender-error-", suffix=".txt", delete=False) as file:
            file.write(trace)
        return InternalError(
            f"Internal error: {type(error).__name__} in Locktender itself. The traceback is in {file.name}.",
            hint=f"{NAME} status shows what stands. Please report the file; -v prints it.",
        )


def main(words: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    _open_what_is_closed()
    gc.set_threshold(GARBAGE_AFTER)
    atexit.register(gc.freeze)  # or Python would look through everything once more, just before it is all gone
    call = Call(sys.argv[1:] if words is None else words)
    handlers = end_cleanly()
    try:
        answer = call.perform()
    finally:
        call.desk.close()
    try:
        if isinstance(answer, Answer) and answer.successor:
            return _succeeded(call, answer, handlers)
        return call.finish(answer) if isinstance(answer, Answer) else int(answer)
    except OSError as error:
        # Whoever read our output has gone, or its disk is full; what the exit status says is still true.
        _give_up_output(error)
        return int(answer.exit_code) if isinstance(answer, Answer) else int(answer)


def _open_what_is_closed() -> None:
    """Where whoever started us has closed a stream, the next connection would get its number, and what is written."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))


def _give_up_output(error: OSError) -> None:
    """Else Python tries it once more at its end, and changes the exit status."""
    if not isinstance(error, BrokenPipeError):
        with suppress(OSError):
            os.write(2, f"error: the answer could not be written: {error.strerror}\n".encode())
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())


def _succeeded(call: Call, answer: Answer, handlers: Mapping[int, Any]) -> int:
    """By the program that takes this process over; returns only where that fails."""
    from cli.handover import hand_over

    try:
        call.finish(answer)
        hand_over(answer.successor, handlers)
    except KeyboardInterrupt:
        error: LocktenderError = _interrupted(call.verb)
    except LocktenderError as failed:
        error = failed
    output.print_error(error, error.exit_code, call.desk.color)
    return error.exit_code


def _failed(error: LocktenderError) -> Answer:
    return Answer(None, lambda: (), error.exit_code, error)


def _verb_of(context: click.Context | None) -> str:
    return context.command_path.partition(" ")[2] if context else ""


def _usage(error: click.UsageError) -> UsageError:
    path = error.ctx.command_path if error.ctx else NAME
    return UsageError(error.format_message(), hint=f"{path} --help")


def _interrupted(verb: str) -> Interrupted:
    return Interrupted(
        f"{verb or NAME} was interrupted; what it had begun is undone.", hint=f"{NAME} status shows what stands."
    )


if __name__ == "__main__":
    end_with(main())
