"""``python -P -m action``: one run of the Action, as the runner starts it."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from msgspec.structs import replace

from action import outputs
from action.event import Event, read
from action.inputs import Inputs, parse
from action.job import Job, Outcome, caught
from action.log import Log
from action.redaction import redacted
from action.wiring import job as built
from operations.answer import redacted as without_secrets
from operations.errors import LocktenderError, UsageError
from operations.secret import Secret
from operations.settings_secrets import lines_of, secrets_of_url
from operations.signals import end_cleanly, end_with

LARGEST_EVENT = 64_000_000
"""Bytes; GitHub's own limit is 25 MB."""


def main() -> int:
    """As the runner starts it."""
    end_cleanly()
    if isinstance(sys.stdout, io.TextIOWrapper):  # whatever locale the job has
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    return run(os.environ, sys.stdout)


def run(environ: Mapping[str, str], stream: TextIO) -> int:
    """Run the command; returns the exit code, after everything was written that a workflow may read."""
    log = Log(stream)
    made: Job | None = None
    try:
        made, _, error = caught(lambda: _job(environ, log))
        outcome = _ran(made) if made else _not_begun(log, error)
        command = made.inputs.command if made else environ.get("INPUT_COMMAND", "")
        _, _, no_summary = caught(lambda: _summarise(environ, log, outcome))
        _, _, no_outputs = caught(lambda: _put_out(environ, log, command, outcome))
        for error in filter(None, (no_summary, no_outputs)):
            log.annotate("error", error.message, title="Locktender")
        # Steps that follow would take outputs that are not there for an answer.
        return int(outcome.exit_code or (no_outputs.exit_code if no_outputs else 0))
    finally:
        if made:
            caught(made.means.close)
        log.close()


def _job(environ: Mapping[str, str], log: Log) -> Job:
    log.hide(Secret(value) for name, value in environ.items() if _is_secret(name) and value.strip())
    inputs = parse(environ)
    log.hide(_all_secrets(inputs))
    return built(inputs, _event(environ), environ, log)


def _is_secret(name: str) -> bool:
    return name in {"INPUT_GITHUB-TOKEN", "INPUT_DATABASE-URL", "INPUT_SSH-PRIVATE-KEY"}


def _all_secrets(inputs: Inputs) -> Iterator[Secret]:
    """Also their parts; where a URL is none, that is said later."""
    yield from inputs.secrets
    yield from lines_of(inputs.ssh_private_key)
    if inputs.database_url:
        with suppress(LocktenderError):
            yield from secrets_of_url(inputs.database_url)


def _event(environ: Mapping[str, str]) -> Event:
    path = environ.get("GITHUB_EVENT_PATH", "")
    if not path or not Path(path).exists():
        return read(environ, {})
    try:
        with Path(path).open("rb") as file:
            payload: Any = json.loads(file.read(LARGEST_EVENT))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"The event's file {path} cannot be read: {type(error).__name__}.",
            hint="GITHUB_EVENT_PATH must name the file with the event's JSON, as the runner sets it.",
        ) from error
    return read(environ, payload if isinstance(payload, dict) else {})


def _ran(job: Job) -> Outcome:
    """Only what the command needs is imported."""
    if job.inputs.command == "validate":
        from action.validating import validate as work
    else:
        from action.operating import operate as work
    outcome, _, error = caught(lambda: work(job))
    if outcome:
        return outcome
    from action.operating import failed

    return failed(job, error, job.inputs.environment)


def _not_begun(log: Log, error: LocktenderError | None) -> Outcome:
    """The inputs or the event cannot be used."""
    assert error is not None  # noqa: S101 - there is no job
    log.annotate("error", log.clean(error.message), title="Locktender")
    log.say(log.clean(error.hint or ""))
    summary = f"## ❌ Not begun\n\n{log.clean(error.message)}"
    return Outcome("usage", error.exit_code, None, error, "", summary)


def _summarise(environ: Mapping[str, str], log: Log, outcome: Outcome) -> None:
    outputs.write_summary(environ.get("GITHUB_STEP_SUMMARY"), log.clean(outcome.summary))


def _put_out(environ: Mapping[str, str], log: Log, command: str, outcome: Outcome) -> None:
    told = replace(
        outcome,
        result=redacted(outcome.result, log.secrets),
        error=without_secrets(outcome.error, log.secrets) if outcome.error else None,
    )
    result = json.dumps(told.envelope(command), ensure_ascii=False)
    values = {"outcome": outcome.outcome, **outcome.outputs}
    # What is redacted must stay JSON: a password may be a word or a number that JSON is made of.
    plain = {name: value if name in outputs.JSON else log.clean(value) for name, value in values.items()}
    kept, too_long = outputs.fitting({**plain, "result": result})
    for name in too_long:
        log.annotate("warning", f"The output {name} is left out: it is longer than GitHub takes.", title="Locktender")
    outputs.write_outputs(environ.get("GITHUB_OUTPUT"), kept)


if __name__ == "__main__":
    end_with(main())
