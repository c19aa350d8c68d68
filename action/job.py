"""One run of the Action: what it has to work with, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from msgspec import Struct

from action.event import Event
from action.inputs import Inputs
from action.log import Log
from action.platform import Objects, Platform, PlatformError
from operations.answer import envelope
from operations.errors import ExitCode, InternalError, Interrupted, LocktenderError
from operations.secret import Secret

if TYPE_CHECKING:
    from operations.approvals.people import Directory
    from operations.context import Context
    from operations.ledger import Ledger
    from operations.rules.schema import Name
    from operations.settings import Environment, Level
    from operations.validation.folders import Tree
    from operations.validation.model import Validation

T = TypeVar("T")


class Compared(Struct, frozen=True):
    """What a validation is about. ``path``: the folder, from the repository's root."""

    path: str
    head: Tree
    base: Tree
    ancestor: Tree | None
    levels: Mapping[str, Level] = {}
    schema: str | None = None
    rows: Mapping[Name, int] = {}
    notes: tuple[str, ...] = ()


class Means(Protocol):
    """What only the wiring can build."""

    def context(self, chosen: Environment, command: str, actor: str, log: Log) -> Context:
        """The means to work on an environment."""
        ...

    def folder(self, path: Path, within: Path) -> Tree:
        """A folder that may hold anything; no link is followed out of ``within``."""
        ...

    def validate(self, job: Job, compared: Compared) -> Validation:
        """On a throwaway server."""
        ...

    def ledger(self, url: Secret) -> AbstractContextManager[Ledger]:
        """Where approvals are asked for; let go of at the end of the block."""
        ...

    def directory(self, config: Path) -> Directory:
        """Who is who, as the configuration file says."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def close(self) -> None:
        """Let go of what was begun."""
        ...


class Job(Struct, frozen=True):
    """``workspace`` is where the checkout lies; without a ``platform`` nothing can be told on GitHub."""

    inputs: Inputs
    event: Event
    workspace: Path
    environ: Mapping[str, str]
    log: Log
    objects: Objects
    platform: Platform | None
    means: Means

    @property
    def directory(self) -> Path:
        """The project: what paths of the inputs count from."""
        return self.workspace / self.inputs.working_directory

    def tell(self, what: str, telling: Callable[[Platform], T], read_only: str = "") -> T | None:
        """Tell GitHub something; that it will not listen is a note, and never changes how the run ends."""
        if self.platform is None:
            self.log.say(f"No github-token, so there is no {what}.")
            return None
        try:
            return telling(self.platform)
        except PlatformError as error:
            if error.kind == "forbidden" and self.event.read_only:
                self.log.say(
                    f"No {what}: for forks and Dependabot GitHub gives a token that may only read. {read_only}"
                )
            else:
                self.log.annotate("warning", f"No {what}. {error}", title="Locktender")
            return None


class Outcome(Struct, frozen=True):
    """How a command ended; ``outputs`` are those besides ``outcome`` and ``result``."""

    outcome: str
    exit_code: ExitCode
    result: object = None
    error: LocktenderError | None = None
    environment: str = ""
    summary: str = ""
    outputs: Mapping[str, str] = {}

    def envelope(self, command: str) -> dict[str, Any]:
        """The JSON of the output ``result``, the same that the command line prints."""
        return envelope(command, self.environment, self.result, self.error, self.exit_code)


def answered(
    job: Job,
    context: Context,
    result: object,
    ok: bool,
    outcome: str,
    summary: str,
    outputs: Mapping[str, str] | None = None,
) -> Outcome:
    """What a command came to that has a result: yes or no."""
    exit_code = ExitCode.DONE if ok else ExitCode.NO
    job.log.say(f"{job.inputs.command}: {outcome.replace('_', ' ')}")
    return Outcome(outcome, exit_code, result, None, context.environment.name, summary, outputs or {})


def caught(run: Callable[[], T]) -> tuple[T | None, Any, LocktenderError | None]:
    """What it returns, the partial result of its error, and its error: one of ours, whatever went wrong."""
    try:
        return run(), None, None
    except LocktenderError as error:
        return None, error.details.pop("result", None), error
    except KeyboardInterrupt:
        told = "The run was cancelled; what it had begun is undone."
        return None, None, Interrupted(told, hint="Run `status` to see what stands.")
    except Exception as error:  # noqa: BLE001  # the last resort: a bare traceback may hold secrets
        return None, None, internal(error)


def internal(error: Exception) -> InternalError:
    """A fault of our own: where it happened, without the texts it may hold."""
    steps = []
    trace = error.__traceback__
    while trace:
        steps.append(f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return InternalError(
        f"Internal error: {type(error).__name__} in Locktender itself (at {' > '.join(steps[-6:])}).",
        hint="Run `status` to see what stands, and please report this line.",
    )
