"""``Slack`` by the SDK's client: one place for time-outs, errors and what is never logged."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http.client import HTTPException
from typing import Any
from urllib.error import URLError

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.blocks.parts import Board, Message, Modal
from bot.slack import Opened, Profile, SlackAway, SlackBusy, SlackFailed, SlackGone
from operations.secret import Secret, redact

TIMEOUT = 10
GONE = frozenset({
    "channel_not_found", "message_not_found", "not_in_channel", "is_archived", "user_not_found", "thread_not_found",
    "cant_update_message", "edit_window_closed", "user_disabled", "cannot_dm_bot", "user_not_in_channel",
    "restricted_action", "channel_type_not_supported", "no_such_subteam",
})  # fmt: skip
AWAY = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout", "ratelimited"})
BUSY_SECONDS = 5.0
"""Where Slack does not say for how long."""


class WebApi:
    """The real Slack. Threads may share it: the SDK's client makes a connection for each call."""

    def __init__(self, token: Secret, url: str, secrets: tuple[Secret, ...] = (), timeout: int = TIMEOUT) -> None:
        quiet = logging.getLogger("slack_sdk.quiet")  # the SDK's own would log what is sent, when asked for details
        quiet.setLevel(logging.CRITICAL)
        base = url if url.endswith("/") else f"{url}/"
        self._client = WebClient(token.reveal(), base_url=base, timeout=timeout, logger=quiet, retry_handlers=[])
        self._secrets = (token, *secrets)
        self._direct: dict[str, str] = {}

    def post(self, channel: str, message: Message, thread: str | None = None) -> tuple[str, str]:
        """As in ``Slack``."""
        where, text, blocks = self._place(channel), *self._clean(message)
        sent = called(
            "chat.postMessage",
            lambda: self._client.chat_postMessage(
                channel=where,
                thread_ts=thread,
                text=text,
                blocks=blocks,
                unfurl_links=False,
                unfurl_media=False,
            ),
        )
        return str(sent["channel"]), str(sent["ts"])

    def update(self, channel: str, ts: str, message: Message) -> None:
        """As in ``Slack``."""
        where, text, blocks = self._place(channel), *self._clean(message)
        called("chat.update", lambda: self._client.chat_update(channel=where, ts=ts, text=text, blocks=blocks))

    def tell(self, channel: str, person: str, message: Message) -> None:
        """As in ``Slack``."""
        where, text, blocks = self._place(channel), *self._clean(message)
        called(
            "chat.postEphemeral",
            lambda: self._client.chat_postEphemeral(channel=where, user=person, text=text, blocks=blocks),
        )

    def open(self, trigger: str, modal: Modal) -> Opened:
        """As in ``Slack``."""
        view = _redacted(modal.view(), self._secrets)
        answer = called("views.open", lambda: self._client.views_open(trigger_id=trigger, view=view))
        return Opened(str(answer["view"]["id"]), str(answer["view"]["hash"]))

    def replace(self, opened: Opened, modal: Modal) -> None:
        """As in ``Slack``."""
        view = _redacted(modal.view(), self._secrets)
        called(
            "views.update",
            lambda: self._client.views_update(view_id=opened.view, hash=opened.hash or None, view=view),
        )

    def publish(self, person: str, board: Board) -> None:
        """As in ``Slack``."""
        view = _redacted(board.view(), self._secrets)
        called("views.publish", lambda: self._client.views_publish(user_id=person, view=view))

    def members(self, channel: str) -> frozenset[str]:
        """As in ``Slack``, a thousand at a time."""
        found: set[str] = set()
        cursor = ""
        while True:
            page = self._members(channel, cursor)
            found.update(map(str, page["members"]))
            cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return frozenset(found)

    def _members(self, channel: str, cursor: str) -> Any:
        return called(
            "conversations.members",
            lambda: self._client.conversations_members(channel=channel, cursor=cursor or None, limit=1000),
        )

    def profile(self, person: str) -> Profile:
        """As in ``Slack``."""
        found = called("users.info", lambda: self._client.users_info(user=person))["user"]
        return Profile(
            id=str(found["id"]),
            team=str(found.get("team_id", "")),
            enterprise=str((found.get("enterprise_user") or {}).get("enterprise_id", "")),
            deleted=bool(found.get("deleted")),
            is_bot=bool(found.get("is_bot")) or person == "USLACKBOT",
            restricted=bool(found.get("is_restricted") or found.get("is_ultra_restricted") or found.get("is_stranger")),
            name=str(found.get("real_name") or found.get("name") or ""),
        )

    def is_shared(self, channel: str) -> bool:
        """As in ``Slack``."""
        found = called("conversations.info", lambda: self._client.conversations_info(channel=channel))["channel"]
        return bool(found.get("is_ext_shared") or found.get("is_pending_ext_shared"))

    def group(self, id: str) -> tuple[str, ...]:
        """As in ``Slack``."""
        found = called("usergroups.users.list", lambda: self._client.usergroups_users_list(usergroup=id))
        return tuple(map(str, found["users"]))

    def upload(self, channel: str, thread: str, *files: tuple[str, bytes]) -> None:
        """As in ``Slack``."""
        where = self._place(channel)
        uploads = [{"filename": name, "title": name, "content": content} for name, content in files]
        called(
            "files.completeUploadExternal",
            lambda: self._client.files_upload_v2(channel=where, thread_ts=thread, file_uploads=uploads),
        )

    def team(self) -> tuple[str, str]:
        """The workspace the token belongs to, and the bot's own id there."""
        found = called("auth.test", self._client.auth_test)
        return str(found["team_id"]), str(found["user_id"])

    def _place(self, channel: str) -> str:
        """The direct conversation with a person, where it is a person's id."""
        if channel[:1] not in ("U", "W"):
            return channel
        if channel not in self._direct:
            opened = called("conversations.open", lambda: self._client.conversations_open(users=channel))
            self._direct[channel] = str(opened["channel"]["id"])
        return self._direct[channel]

    def _clean(self, message: Message) -> tuple[str, list[Any]]:
        return redact(message.text, self._secrets), _redacted(list(message.blocks), self._secrets)


def called(method: str, call: Callable[[], Any]) -> Any:
    """What a call of the SDK returns; its errors are ours. Raises ``SlackFailed``."""
    try:
        return call()
    except SlackApiError as error:
        raise _refusal(method, error) from None
    except (URLError, HTTPException, OSError, ValueError) as error:
        raise SlackAway(method, type(error).__name__) from None
    except SlackClientError as error:
        raise SlackAway(method, type(error).__name__) from None


def _redacted(part: Any, secrets: tuple[Secret, ...]) -> Any:
    """The last thing before it leaves: whatever slipped into a text is not told."""
    if isinstance(part, dict):
        return {key: _redacted(value, secrets) for key, value in part.items()}
    if isinstance(part, list):
        return [_redacted(one, secrets) for one in part]
    return redact(part, secrets) if isinstance(part, str) else part


def _refusal(method: str, error: SlackApiError) -> SlackFailed:
    response = error.response
    status, word = getattr(response, "status_code", 200), "unreadable"
    data = getattr(response, "data", None)
    if isinstance(data, dict):
        word = str(data.get("error", word))
    if status == 429:
        return SlackBusy(method, _seconds(getattr(response, "headers", {})))
    if status >= 500 or word in AWAY:
        return SlackAway(method, word if word in AWAY else f"status {status}")
    return SlackGone(method, word) if word in GONE else SlackFailed(method, word)


def _seconds(headers: Any) -> float:
    found = headers.get("Retry-After", headers.get("retry-after"))
    found = found[0] if isinstance(found, list) and found else found
    try:
        return max(0.0, float(found))
    except (TypeError, ValueError):
        return BUSY_SECONDS
