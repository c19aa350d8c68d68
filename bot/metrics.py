"""What the bot counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

ACK = Histogram(
    "locktender_bot_ack_seconds",
    "From a request of Slack to its answer; Slack gives up at 3 s",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0),
)
REFUSED = Counter("locktender_bot_refused_total", "Requests that did not come from Slack, or came again", ["reason"])
FAILED = Counter("locktender_bot_failed_total", "Requests of Slack that could not be dealt with")
ASKED = Counter("locktender_bot_asked_total", "What people asked for", ["verb"])
VOTES = Counter("locktender_bot_votes_total", "Approvals and denials", ["vote"])
ANSWERS = Counter("locktender_bot_answers_total", "What workers answered", ["verb", "outcome"])
SHOWN = Counter("locktender_bot_messages_total", "Messages brought to what the ledger says", ["outcome"])
HELD = Counter("locktender_bot_held_total", "Deployments that GitHub held back, and what it was told", ["what"])
