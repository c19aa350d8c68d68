"""Socket Mode: Slack's requests over a connection that the bot opens. Not signed; who may open it holds the token."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable

from slack_bolt import BoltRequest
from slack_sdk import WebClient
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from bot import metrics
from bot.http import Dispatch
from bot.web_api import called
from operations.secret import Secret

logger = logging.getLogger("locktender.bot")


class Socket:
    """One connection, renewed as Slack asks; what comes in is dispatched in ``threads`` threads."""

    def __init__(
        self, token: Secret, url: str, first_seen: Callable[[str], bool], dispatch: Dispatch, threads: int
    ) -> None:
        quiet = logging.getLogger("locktender.socket")
        quiet.setLevel(logging.CRITICAL)  # it would log what comes in
        web = WebClient(base_url=url if url.endswith("/") else f"{url}/", logger=quiet)
        self._client = SocketModeClient(
            app_token=token.reveal(), web_client=web, logger=quiet, concurrency=threads, ping_interval=5
        )
        self._client.socket_mode_request_listeners.append(self._take)
        self._first_seen, self._dispatch = first_seen, dispatch

    def connect(self) -> None:
        """Open the connection; it is opened again whenever it breaks. Raises ``SlackFailed``."""
        self._client.wss_uri = None  # one that was given before is good for one connection
        called("apps.connections.open", self._client.connect)

    def is_connected(self) -> bool:
        """Whether Slack can reach us now."""
        return bool(self._client.is_connected())

    def close(self) -> None:
        """End it; what is being dealt with is answered first."""
        self._client.close()

    def _take(self, client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        began = time.monotonic()
        digest = hashlib.sha256(f"envelope:{request.envelope_id}".encode()).hexdigest()
        try:
            if not self._first_seen(digest):
                return
            asked = BoltRequest(mode="socket_mode", body=request.payload)
            asked.context["digest"] = digest
            answer = self._dispatch(asked)
        except Exception as error:  # noqa: BLE001 - not acknowledged, so that the person is told to try again
            logger.error("a request from Slack could not be dealt with: %s: %s", type(error).__name__, error)
            metrics.FAILED.inc()
            return
        if answer.status == 200:
            payload = json.loads(answer.body) if answer.body else None
            client.send_socket_mode_response(SocketModeResponse(request.envelope_id, payload))
        metrics.ACK.observe(time.monotonic() - began)
