"""Slack's payloads to ``Reception`` and back, by Bolt. Every listener is one call, and its answer the acknowledgement.

Bolt runs them in the calling thread (``process_before_response``): its own executor has five threads, and would answer
before anything is committed.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping
from typing import Any

from slack_bolt import Ack, App, BoltContext, BoltResponse
from slack_bolt.authorization import AuthorizeResult
from slack_sdk import WebClient

from bot import metrics
from bot.admission import Caller
from bot.blocks.parts import Message, Modal
from bot.reception import Reception

SHORTCUT = "locktender"
Payload = Mapping[str, Any]
logger = logging.getLogger("locktender.bot")


def bolt_app(reception: Reception, bot_user: str) -> App:
    """A Bolt application that asks nobody who it is, verifies nothing (``http`` did), and logs no payload."""
    quiet = logging.getLogger("locktender.bolt")
    quiet.setLevel(logging.CRITICAL)
    app = App(
        name="locktender",
        logger=quiet,
        client=WebClient(logger=quiet),  # never used: what there is to say to Slack goes through ``Slack``
        authorize=lambda: AuthorizeResult(
            enterprise_id=None,
            team_id=reception.house.own_team,
            bot_user_id=bot_user,
            bot_token="unused",  # noqa: S106
        ),
        process_before_response=True,
        request_verification_enabled=False,
        ssl_check_enabled=False,
        raise_error_for_unhandled_request=False,
    )
    _listen(app, reception)
    return app


def _listen(app: App, reception: Reception) -> None:
    def command(ack: Ack, body: dict[str, Any], context: BoltContext) -> None:
        caller = from_command(body)
        said = reception.typed(caller, str(body.get("text", "")), str(body.get("trigger_id", "")), once(context))
        _answer(ack, said)

    def action(ack: Ack, body: dict[str, Any], context: BoltContext) -> None:
        pressed = (body.get("actions") or [{}])[0]
        value = pressed.get("value") or (pressed.get("selected_option") or {}).get("value", "")
        caller, name = from_interaction(body), str(pressed.get("action_id", ""))
        reception.pressed(caller, name, str(value), str(body.get("trigger_id", "")), once(context))
        reception.noticed(str(value), caller.channel, _message_ts(body))
        ack()

    def submission(ack: Ack, body: dict[str, Any], context: BoltContext) -> None:
        said = reception.submitted(from_interaction(body), body.get("view") or {}, once(context))
        if isinstance(said, Modal):
            ack(response_action="update", view=said.view())
        elif said:
            ack(response_action="errors", errors=said)
        else:
            ack()

    def shortcut(ack: Ack, body: dict[str, Any]) -> None:
        reception.shortcut(from_interaction(body), str(body.get("trigger_id", "")))
        ack()

    def failed(error: Exception) -> BoltResponse:
        logger.error("a request from Slack could not be dealt with", exc_info=error)
        metrics.FAILED.inc()
        return BoltResponse(status=500, body="")

    app.error(failed)
    app.command(re.compile(".*"))(command)
    app.action(re.compile(".*"))(action)
    app.view(re.compile(".*"))(submission)
    app.view_closed(re.compile(".*"))(lambda ack: ack())
    app.shortcut(SHORTCUT)(shortcut)
    _listen_to_events(app, reception)


def _listen_to_events(app: App, reception: Reception) -> None:
    def mention(body: dict[str, Any], event: dict[str, Any]) -> None:
        reception.mentioned(from_event(body, event), str(event.get("text", "")), event_key(body))

    def home(body: dict[str, Any], event: dict[str, Any]) -> None:
        if event.get("tab") == "home":
            reception.home(from_event(body, event), event_key(body))

    app.event("app_mention")(mention)
    app.event("app_home_opened")(home)


def from_command(body: Payload) -> Caller:
    """Of a slash command."""
    return Caller(
        user=_text(body, "user_id"),
        team=_text(body, "team_id"),
        channel=_text(body, "channel_id"),
        enterprise=_text(body, "enterprise_id"),
    )


def from_interaction(body: Payload) -> Caller:
    """Of a button, a form or a shortcut."""
    user, team, enterprise = (body.get(key) or {} for key in ("user", "team", "enterprise"))
    return Caller(
        user=_text(user, "id"),
        team=_text(team, "id"),
        channel=_text(body.get("channel") or {}, "id") or _text(body.get("container") or {}, "channel_id"),
        enterprise=_text(enterprise, "id"),
        home=_text(user, "team_id"),
    )


def from_event(body: Payload, event: Payload) -> Caller:
    """Of an event."""
    return Caller(
        user=_text(event, "user"),
        team=_text(body, "team_id"),
        channel=_text(event, "channel"),
        enterprise=_text(body, "enterprise_id"),
        home=_text(event, "user_team"),
        shared=bool(body.get("is_ext_shared_channel")),
    )


def event_key(body: Payload) -> str:
    """What stands for this very event, however often Slack sends it."""
    return hashlib.sha256(f"event:{body.get('event_id')}".encode()).hexdigest()


def once(context: BoltContext) -> str:
    """What stands for this very request."""
    return str(context.get("digest", ""))


def _answer(ack: Ack, said: Message | None) -> None:
    if said is None:
        ack()
    else:
        ack(text=said.text, blocks=list(said.blocks), response_type="ephemeral", unfurl_links=False)


def _message_ts(body: Payload) -> str:
    return _text(body.get("container") or {}, "message_ts")


def _text(part: Payload, key: str) -> str:
    return str(part.get(key) or "")
