"""Messages to their addresses, from a thread of its own: a webhook that is down or slow holds up nobody.

Each is tried a few times with back-off; what is not delivered then stays in the outbox for the next look, for a day.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_any,
    stop_when_event_set,
    wait_random_exponential,
)

from operations.context import Context
from operations.errors import LocktenderError, OperationFailed, Refused
from operations.monitoring import messages
from operations.monitoring.freezing import News
from operations.monitoring.model import Event, Frost, Message
from operations.secret import Secret

TIMEOUT = 10.0
BUSY = (408, 425, 429)
"""Statuses below 500 of somebody who may do better in a moment."""
ATTEMPTS = 3
TIMEOUT_OF_SERVICES = 20.0
"""A program is started for each message."""
DELIVERED = 200
LAST = TIMEOUT_OF_SERVICES + TIMEOUT
"""Seconds: longer than one try, or the wait before the next one."""
KEPT_FOR = 86400.0
MOST = 100
"""Messages in the outbox; the oldest make place."""


Form = Callable[[str, str, Sequence[Event], float, Frost | None], Mapping[str, Any]]


def addresses(context: Context) -> Mapping[str, tuple[Secret, Form]]:
    """Every address by its key, and how its messages are written."""
    alerts = context.environment.alerts
    every: list[tuple[Secret, Form]] = [(url, messages.spoken) for url in alerts.apprise]
    every += [(url, messages.slack if messages.is_slack(url) else messages.payload) for url in alerts.webhooks]
    every += [(url, messages.slack) for url in alerts.slack]
    return {messages.address_key(url): (url, form) for url, form in every}


def written(context: Context, message_id: str, news: News, now: float) -> tuple[Message, ...]:
    """One message for each address."""
    if not news.worth_telling:
        return ()
    named = context.environment.name, str(context.database.target)
    return tuple(
        Message(f"{message_id}-{key}", key, now, messages.encoded(form(*named, news.told, now, news.frost)))
        for key, (_, form) in addresses(context).items()
    )


def kept(outbox: Sequence[Message], now: float) -> tuple[Message, ...]:
    """What is still worth being sent. Pure."""
    return tuple(message for message in outbox if now - message.at <= KEPT_FOR)[-MOST:]


@dataclass
class Sender:
    """Sends in the background, one batch at a time to each address; ``collect`` says what has become of it."""

    context: Context
    _threads: dict[str, threading.Thread] = field(default_factory=dict)
    _delivered: set[str] = field(default_factory=set)
    _troubles: list[str] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def start(self, outbox: Sequence[Message], *, beat: bool) -> None:
        """Begin with the heartbeat and a batch for each address; not where the one before is still being sent."""
        known = addresses(self.context)
        if beat:
            self._begin("heartbeat", self._beat)
        for key, (url, form) in known.items():
            batch = [message for message in outbox if message.to == key and message.id not in self._delivered]
            if batch:
                self._begin(
                    key,
                    partial(self._send_to, partial(self._tell if form is messages.spoken else self._post, url), batch),
                )
        self._delivered |= {message.id for message in outbox if message.to not in known}

    def _begin(self, key: str, work: Callable[[], None]) -> None:
        before = self._threads.get(key)
        if before is None or not before.is_alive():
            self._threads[key] = threading.Thread(target=work, name=f"alerts {key}", daemon=True)
            self._threads[key].start()

    def collect(self, wait: float = 0.0) -> tuple[frozenset[str], tuple[str, ...]]:
        """The ids of what was delivered, and what went wrong, since the last time.

        ``wait``: seconds for it, after which nothing more is sent: who asks so does not come back, and nobody would
        know of what is delivered later. What is under way then gets ``LAST`` seconds more.
        """
        self._join(wait)
        if wait and any(thread.is_alive() for thread in self._threads.values()):
            self._stopping.set()
            self._join(LAST)
        delivered, self._delivered = frozenset(self._delivered), set()
        troubles, self._troubles = tuple(self._troubles), []
        return delivered, troubles

    def _join(self, wait: float) -> None:
        until = self.context.clock.now() + wait
        for thread in self._threads.values():
            thread.join(max(0.0, until - self.context.clock.now()))

    def _send_to(self, deliver: Callable[[Message], int | None], batch: Sequence[Message]) -> None:
        for message in batch:
            if self._stopping.is_set():
                return
            try:
                for attempt in self._trying():
                    with attempt:
                        self._refuse_late()
                        refuse(deliver(message) or DELIVERED)
            except LocktenderError as error:
                self._troubles.append(f"address {message.to}: {error.message}")
                if not isinstance(error, Refused):
                    return  # in order, or not at all
            self._delivered.add(message.id)  # or will never be

    def _post(self, url: Secret, message: Message) -> int:
        alerts, http = self.context.environment.alerts, self.context.http
        if http is None:
            raise OperationFailed("There is nothing to send with.")
        body = message.body.encode()
        told = messages.headers(body, message.id, alerts.signing_key, self.context.clock.now())
        return http.send(url, body, told, TIMEOUT, internal=alerts.internal)

    def _tell(self, url: Secret, message: Message) -> int | None:
        services = self.context.services
        if services is None:
            raise OperationFailed("There is nothing to send with.")
        internal = self.context.environment.alerts.internal
        return services.tell(url, json.loads(message.body), TIMEOUT_OF_SERVICES, internal=internal)

    def _refuse_late(self) -> None:
        if self._stopping.is_set():
            raise OperationFailed("There was no time left to try it again.")

    def _beat(self) -> None:
        alerts, http = self.context.environment.alerts, self.context.http
        if alerts.heartbeat is None or http is None:
            return
        try:
            for attempt in self._trying():
                with attempt:
                    refuse(
                        http.send(
                            alerts.heartbeat, None, {"User-Agent": "locktender"}, TIMEOUT, internal=alerts.internal
                        )
                    )
        except LocktenderError as error:
            self._troubles.append(f"heartbeat: {error.message}")

    def _trying(self) -> Retrying:
        return Retrying(
            stop=stop_any(stop_after_attempt(ATTEMPTS), stop_when_event_set(self._stopping)),
            wait=wait_random_exponential(multiplier=1.0, max=10.0),
            retry=retry_if_exception_type(OperationFailed),
            sleep=self.context.clock.sleep,
            reraise=True,
        )


def refuse(status: int) -> None:
    """Raise for all but 2xx: ``OperationFailed`` where trying again may help, else ``Refused``."""
    if 200 <= status < 300:
        return
    if status in BUSY or status >= 500:
        raise OperationFailed(f"It answered with {status}.")
    why = ": a redirection, which is not followed" if 300 <= status < 400 else ""
    raise Refused(f"It answered with {status}{why}.", hint="Give the address itself, as it is now.")
