"""Whether the application is well, and for how long it was not: looked at from outside, as its users do."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from operations.context import Context
from operations.errors import AppNotWell, LocktenderError
from operations.meanwhile import meanwhile
from operations.ports import Progress
from operations.release.model import condition, restarts

if TYPE_CHECKING:
    from operations.release.machine import Machine

INTERVAL = 0.1
ANSWER_WITHIN = 2.0
POLL = 0.5


@dataclass
class Outages:
    """What a probe saw: seconds in which an application that had answered did not."""

    seconds: float = 0.0
    _last_well: float | None = None
    _out_since: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def saw(self, well: bool, begun: float, ended: float) -> None:
        """One look, from ``begun`` to ``ended``. An outage lasts from the last answer before it to the first after."""
        with self._lock:
            if well:
                if self._out_since is not None:
                    self.seconds += ended - self._out_since
                self._last_well, self._out_since = begun, None
            elif self._last_well is not None and self._out_since is None:
                self._out_since = self._last_well

    def until(self, now: float) -> float:
        """The sum, with an outage that still lasts."""
        with self._lock:
            return self.seconds + (now - self._out_since if self._out_since is not None else 0.0)

    def facts(self, now: float) -> dict[str, float]:
        """For the journal; nothing where the application never answered, since nothing was measured then."""
        return {} if self._last_well is None else {"downtime_seconds": round(self.until(now), 3)}


@contextmanager
def probing(context: Context, machines: Sequence[Machine], outages: Outages) -> Iterator[None]:
    """Meanwhile a thread asks ``health_url``, if there is one, again and again; out is when no machine answers it."""
    app = context.environment.app
    if app is None or app.health_url is None:
        yield
        return

    def look() -> None:
        begun = context.clock.now()
        well = any(answers(context, machine) for machine in machines)
        outages.saw(well, begun, context.clock.now())

    with meanwhile("probing the application", INTERVAL, look, patience=ANSWER_WITHIN * 2):
        yield


def answers(context: Context, machine: Machine) -> bool:
    """Whether ``health_url`` answers with 2xx on that machine; ``True`` where there is none to ask."""
    url = machine.app.health_url
    if url is None or context.http is None:
        return True
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        status = context.http.status(url, machine.host.reach(parts.hostname or "", port), ANSWER_WITHIN)
    except LocktenderError:
        return False
    return status is not None and 200 <= status < 300


def wait_until_well(context: Context, machines: Sequence[Machine], seconds: float) -> None:
    """Wait until all machines have been well for ``seconds`` without a break.

    Raises ``AppNotWell`` with what is wrong and the log's last lines, after ``start_timeout`` without success, or at
    once where waiting cannot help.
    """
    for machine in machines:
        _Wait(context, machine).until_well(seconds)


@dataclass
class _Wait:
    context: Context
    machine: Machine
    reason: str = "nothing was seen yet"

    def until_well(self, seconds: float) -> None:
        clock = self.context.clock
        until, since, seen = clock.now() + self.machine.app.start_timeout + seconds, None, -1
        while True:
            well, started_again = self._look()
            now = clock.now()
            since = None if not well or started_again != seen else (since or now)
            seen = started_again
            if since is not None and now - since >= seconds:
                return
            if now >= until:
                raise self._not_well()
            self.context.report(Progress(f"waiting for the application: {self.reason}"))
            clock.sleep(POLL)

    def _look(self) -> tuple[bool, int]:
        states = self.machine.states()
        found, self.reason = condition(states, self.machine.app.services)
        if found == "failed":
            raise self._not_well()
        if found == "well" and not answers(self.context, self.machine):
            found, self.reason = "waiting", f"{self.machine.app.health_url} does not answer with 2xx"
        return found == "well", restarts(states)

    def _not_well(self) -> AppNotWell:
        app = self.machine.app
        words = [
            f"{service} said last:\n{said}" for service in app.services if (said := self.machine.last_words(service))
        ]
        return AppNotWell(
            f"The application does not come up on {self.machine.name}: {self.reason}.",
            details={"logs": words},
        )
