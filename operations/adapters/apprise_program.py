"""A program of its own that tells one message to one service that Apprise knows; ``apprise_services`` starts it.

On stdin a question as JSON (``url``, ``title``, ``text``, ``kind``, ``internal``, ``seconds``), on stdout an answer
(``outcome``: ``sent``, ``status``, ``refused`` or ``failed``; ``why``, or the ``status`` itself), in which nothing of
the URL is repeated. What Apprise does with a message is its own affair; what it may reach is not: an audit hook of
the interpreter judges every connection where it is made, and it cannot be taken off again.
"""

from __future__ import annotations

import json
import logging
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType, OverflowMode
from requests.exceptions import InvalidSchema

from operations.adapters.public_addresses import is_public

REACHING = ("socket.connect", "socket.sendto", "socket.sendmsg")
PROGRAMS = ("subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "pty.", "syslog.")
"""Events of other programs of this machine, which some addresses mean."""


class Forbidden(PermissionError):
    """It may not be reached; an ``OSError``, as libraries expect one there."""


@dataclass
class Guard:
    """Judges what is about to be reached. ``why``: what was refused first; after that nothing more is allowed."""

    internal: bool
    why: str = ""
    status: int = 0
    """Of the last answer over HTTP."""
    trouble: str = ""
    """The kind of the last failure over HTTP."""

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """For ``sys.addaudithook``; raises ``Forbidden``."""
        if event in REACHING:
            self._judge(arguments[0], arguments[1])
        elif event.startswith(PROGRAMS):
            raise Forbidden("no other program")

    def refuse(self, why: str) -> None:
        """From now on nothing is allowed; raises ``Forbidden``."""
        self.why = self.why or why
        raise Forbidden(self.why)

    def _judge(self, made: socket.socket, address: Any) -> None:
        if self.why:
            raise Forbidden(self.why)
        if address is None:  # connected already, and judged then
            return
        if made.family not in (socket.AF_INET, socket.AF_INET6):
            self.refuse("it leads to a program of this machine")
        if self.internal:
            return
        host = str(address[0])
        try:
            public = is_public(host)
        except ValueError:
            self.refuse("it connects by a name, which may mean another address a moment later")
        if not public:
            self.refuse(f"it leads to {host}, which is no public address")


def told(question: Mapping[str, Any]) -> dict[str, Any]:
    """Tell it, and how that ended."""
    guard = guarded(internal=bool(question["internal"]))
    asset = AppriseAsset(storage_mode="memory", app_id="Locktender", app_desc="Locktender", async_mode=False)
    service = Apprise.instantiate(question["url"], asset=asset)
    if service is None:
        return {"outcome": "refused", "why": "it is no address that Apprise understands here"}
    if service.overflow_mode == OverflowMode.UPSTREAM:  # a message that is too long would be lost as a whole
        service.overflow_mode = OverflowMode.TRUNCATE
    telling = Apprise(asset=asset)
    telling.add(service)
    sent = telling.notify(
        title=question["title"],
        body=question["text"],
        notify_type=NotifyType(question["kind"]),
        body_format=NotifyFormat.TEXT,
    )
    return answer(bool(sent), guard)


def guarded(*, internal: bool) -> Guard:
    """This process from now on: no plain HTTP unless it is allowed, no redirections, no address that is not allowed."""
    guard, send = Guard(internal), requests.Session.send

    def judged(session: requests.Session, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        if not internal and not (request.url or "").lower().startswith("https:"):
            guard.why = guard.why or "it does not speak https"
            raise InvalidSchema(guard.why)
        try:
            response = send(session, request, **kwargs)
        except requests.RequestException as error:
            guard.trouble = type(error).__name__
            raise
        guard.status = response.status_code
        return response

    requests.Session.send = judged  # type: ignore[method-assign,assignment]
    requests.Session.get_redirect_target = lambda _session, _response: None  # type: ignore[method-assign,assignment]
    sys.addaudithook(guard.hook)
    return guard


def answer(sent: bool, guard: Guard) -> dict[str, Any]:
    """What became of it; an error that the service has told by HTTP is for the caller to judge."""
    if sent:
        return {"outcome": "sent"}
    if guard.why:
        return {"outcome": "refused", "why": guard.why}
    if guard.status and not 200 <= guard.status < 300:
        return {"outcome": "status", "status": guard.status}
    return {"outcome": "failed", "why": guard.trouble or "it did not take the message"}


def main() -> None:
    """Ends by itself, should the one who asks be no more."""
    question = json.load(sys.stdin)
    signal.alarm(int(question["seconds"]) + 1)
    logging.disable(logging.CRITICAL)  # Apprise's lines may hold parts of addresses
    try:
        made = told(question)
    except Exception as error:  # noqa: BLE001 - whatever it is, its text may hold parts of the address
        made = {"outcome": "failed", "why": type(error).__name__}
    print(json.dumps(made), flush=True)


if __name__ == "__main__":
    main()
