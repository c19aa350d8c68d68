"""From where in Slack somebody may speak to the bot. Pure; who the person is, the policies decide."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from operations.settings import Environment

USER = re.compile(r"[UW][A-Z0-9]+")
DIRECT = "D"
"""How the id of a direct conversation begins."""


class Caller(Struct, frozen=True):
    """Who sent something from where, as Slack itself says; empty texts where it says nothing."""

    user: str
    team: str
    channel: str
    enterprise: str = ""
    home: str = ""
    """The workspace the person belongs to, where Slack tells it apart from the one it was sent in."""
    shared: bool = False
    """Whether Slack says that other organisations are in the channel."""

    def at(self, channel: str) -> Caller:
        """The same person, about a form that was opened in a channel."""
        return replace(self, channel=channel or self.channel)


def refusal(caller: Caller, own_team: str) -> str | None:
    """Why nothing may be done for this caller, whatever it is; ``None``: nothing speaks against it."""
    if not USER.fullmatch(caller.user):
        return "It is not known who you are."
    if own_team not in (caller.team, caller.enterprise):
        return "This is not the workspace that Locktender was installed in."
    if caller.home and caller.home not in (caller.team, caller.enterprise):
        return "You belong to another workspace."
    if caller.shared:
        return "Other organisations are in this channel: nothing is done from here."
    return None


def usable(environments: Sequence[Environment], caller: Caller) -> tuple[Environment, ...]:
    """Those that may be operated on from this channel and workspace, in the order of the configuration."""
    return tuple(one for one in environments if _lets(one, caller))


def may_decide(environment: Environment, caller: Caller) -> bool:
    """Whether a button about a request counts here: where it could be asked for, or in a direct conversation."""
    return _lets(environment, caller, direct=True)


def card_channel(environment: Environment, caller: Caller) -> str:
    """Where a request is shown: the environment's first channel, or else where it was asked for."""
    return environment.slack.channels[0] if environment.slack.channels else caller.channel


def _lets(environment: Environment, caller: Caller, direct: bool = False) -> bool:
    channels, teams = environment.slack.channels, environment.slack.teams
    here = not channels or caller.channel in channels or (direct and caller.channel.startswith(DIRECT))
    return here and (not teams or caller.team in teams or caller.enterprise in teams)
