"""What webhooks are sent. Pure."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from operations.checks.model import Status
from operations.measures import age_text, counted
from operations.monitoring.decide import RANK
from operations.monitoring.model import Event, Frost, Passed
from operations.secret import Secret

SLACK = "hooks.slack.com"
SIGNATURE = "Locktender-Signature"
SLACK_MOST = 20
"""Events in one message; of more, the number."""
SLACK_TEXT = 600
"""Characters of each text of an event; Slack takes 40 000 in a message."""
KINDS: Mapping[Status, str] = {"ok": "success", "warn": "warning", "fail": "failure"}
MARKS = {"raised": "New", "worsened": "Worse", "eased": "Better", "recovered": "Over", "reminder": "Still"}
UNWANTED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters and those that turn the direction of writing."""
LOOK_ALIKES = str.maketrans("@`*<>[]", "＠'∗‹›［］")
"""For what services read as mentions, formatting, links: ``@all``, ``<!channel>``, ``<URL|text>``, ``[text](URL)``."""


def payload(
    environment: str, database: str, events: Sequence[Event], now: float, frost: Frost | None = None
) -> dict[str, Any]:
    """The message of one look, version 1 of its schema (docs/monitoring.md). Times are ISO 8601 in UTC."""
    return {
        "version": 1,
        "source": "locktender",
        "environment": environment,
        "database": database,
        "at": _time(now),
        "status": max((event.status for event in events), key=lambda status: RANK[status], default="ok"),
        "summary": summary(environment, events, frost),
        "freeze": _freeze(frost) if frost else None,
        "events": [
            {
                "event": event.kind,
                "check": event.check,
                "status": event.status,
                "before": event.before,
                "since": _time(event.since),
                "seconds": round(max(0.0, now - event.since), 3),
                "detail": event.detail,
                "why": event.why,
                "fix": event.fix,
            }
            for event in events
        ],
    }


def _freeze(frost: Frost) -> dict[str, Any]:
    freeze = frost.freeze
    return {
        "by": freeze.by,
        "reason": freeze.reason,
        "since": _time(freeze.since),
        "until": None if freeze.until is None else _time(freeze.until),
        "over": frost.over,
        "known": frost.known,
        "held": frost.held,
        "passed": [
            {
                "check": one.check,
                "worst": one.worst,
                "began": _time(one.began),
                "ended": _time(one.ended),
                "detail": one.detail,
            }
            for one in frost.passed
        ],
    }


def summary(environment: str, events: Sequence[Event], frost: Frost | None = None) -> str:
    """``production: disk fail, clock recovered``; of a freeze, also whether it stands, and what passed meanwhile."""
    told = [f"{event.check} {'recovered' if event.kind == 'recovered' else event.status}" for event in events]
    told += [f"{one.check} came and went" for one in frost.passed] if frost else []
    return f"{environment}{_state(frost)}: {', '.join(told)}"


def _state(frost: Frost | None) -> str:
    if frost is None:
        return ""
    return ", not frozen any more" if frost.over else ", frozen" if frost.known else ", perhaps still frozen"


def slack(
    environment: str, database: str, events: Sequence[Event], now: float, frost: Frost | None = None
) -> dict[str, Any]:
    """The same as an incoming webhook of Slack's takes it: text alone, nothing in it means anything to Slack."""
    lines = [f"*{_escaped(environment)}* ({_escaped(database)})"]
    lines += [f"> {_escaped(line)}" for line in _frost(frost)]
    for event in events[:SLACK_MOST]:
        lasted = age_text(max(0.0, now - event.since))
        word = (
            f"{event.check} has recovered after {lasted}"
            if event.kind == "recovered"
            else f"{event.check}: {event.status}"
        )
        lines.append(f"*{MARKS[event.kind]}* · {_escaped(word)} · {_escaped(event.detail)}")
        if event.kind in ("raised", "worsened") and event.fix:
            lines.append(f"> {_escaped(event.why)}\n> Next: {_escaped(event.fix)}")
        elif event.kind == "reminder":
            lines.append(f"> for {lasted} now")
    if len(events) > SLACK_MOST:
        lines.append(f"and {len(events) - SLACK_MOST} more")
    lines += [f"*Passed* · {_escaped(line)}" for line in _passed(frost)]
    return {"text": "\n".join(lines), "unfurl_links": False, "unfurl_media": False}


def spoken(
    environment: str, database: str, events: Sequence[Event], now: float, frost: Frost | None = None
) -> dict[str, str]:
    """The same for people, in plain text: what a service of Apprise's is told."""
    lines = [f"{database}:", *_frost(frost), *(line for event in events[:SLACK_MOST] for line in _lines(event, now))]
    if len(events) > SLACK_MOST:
        lines.append(f"and {len(events) - SLACK_MOST} more")
    lines += [f"Passed: {line}" for line in _passed(frost)]
    worst: Status = max((event.status for event in events), key=lambda status: RANK[status], default="ok")
    text = "\n".join(_plain(line) for line in lines)
    return {"title": _plain(summary(environment, events, frost)), "text": text, "kind": KINDS[worst]}


def _lines(event: Event, now: float) -> Iterator[str]:
    lasted = age_text(max(0.0, now - event.since))
    if event.kind == "recovered":
        yield f"{MARKS[event.kind]}: {event.check} has recovered after {lasted}"
        return
    yield f"{MARKS[event.kind]}: {event.check}: {event.status}: {event.detail}"
    if event.kind in ("raised", "worsened") and event.fix:
        yield f"  {event.why}"
        yield f"  Next: {event.fix}"
    elif event.kind == "reminder":
        yield f"  for {lasted} now"


def _frost(frost: Frost | None) -> Iterator[str]:
    """That the environment is frozen, or was, or perhaps is: by whom, why, until when; and what that has held back."""
    if frost is None:
        return
    freeze, held = frost.freeze, counted(frost.held, "alert")
    if frost.over:
        yield f"Not frozen any more. What the freeze by {freeze.by} ({freeze.reason}) held back: {held}."
    elif frost.known:
        yield f"Frozen by {freeze.by} {freeze.ends}: {freeze.reason}. Held back until then: {held}."
    else:
        stood = f"Whether the freeze by {freeze.by} {freeze.ends} ({freeze.reason}) still stands is not known"
        yield f"{stood} since {_time(freeze.read)}: it cannot be read. What it held back: {held}."


def _passed(frost: Frost | None) -> Iterator[str]:
    passed = frost.passed if frost else ()
    for one in passed[:SLACK_MOST]:
        yield f"{one.check}: {one.worst}, from {_time(one.began)} for {_lasted(one)}: {one.detail}"
    if len(passed) > SLACK_MOST:
        yield f"and {len(passed) - SLACK_MOST} more"


def _lasted(one: Passed) -> str:
    return age_text(max(0.0, one.ended - one.began))


def signature(key: Secret, body: bytes, now: float) -> str:
    """``t=SECONDS,v1=HEX``: HMAC-SHA256 of ``SECONDS.BODY``, so that neither can be used again with another one."""
    stamp = str(int(now))
    made = hmac.new(key.reveal().encode(), stamp.encode() + b"." + body, hashlib.sha256)
    return f"t={stamp},v1={made.hexdigest()}"


def headers(body: bytes, message_id: str, key: Secret | None, now: float) -> Mapping[str, str]:
    """Of a message; its id stays the same when it is tried again."""
    told = {"Content-Type": "application/json", "User-Agent": "locktender", "Locktender-Id": message_id}
    return {**told, SIGNATURE: signature(key, body, now)} if key else told


def is_slack(url: Secret) -> bool:
    """Whether an address is one of Slack's own."""
    return urlsplit(url.reveal()).hostname == SLACK


def address_key(url: Secret) -> str:
    """Names an address without showing it."""
    return hashlib.sha256(url.reveal().encode()).hexdigest()[:12]


def encoded(told: Mapping[str, Any]) -> str:
    """As it is sent."""
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def _escaped(text: str) -> str:
    """As Slack wants ``& < >``; formatting and mentions that came from a database's names are taken apart."""
    text = UNWANTED.sub("", text[:SLACK_TEXT]).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("`", "'").replace("*", "∗").replace("\n", " ")


def _plain(text: str) -> str:
    """Nobody is called by what came from a database's names, and no link says another address, wherever it is shown."""
    return UNWANTED.sub("", text.replace("\n", " ")[:SLACK_TEXT]).translate(LOOK_ALIKES)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
