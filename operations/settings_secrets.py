"""What of an environment no output may hold. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from operations.database_url import parse_database_url
from operations.secret import Secret
from operations.settings import Environment

KEY_LINE = 16
"""Characters of a key's line that are no coincidence in another text."""


def secrets_of(chosen: Environment) -> Iterator[Secret]:
    """Texts that no output may hold: the URL, its password unless that is a word which shows up anyway, the keys."""
    if chosen.server:
        yield from lines_of(chosen.server.private_key)
        if chosen.server.passphrase:
            yield chosen.server.passphrase
    if chosen.backups.signing_key:
        yield chosen.backups.signing_key
    alerts = chosen.alerts
    yield from filter(None, (*alerts.webhooks, *alerts.slack, *alerts.apprise, alerts.signing_key, alerts.heartbeat))
    yield from secrets_of_url(chosen.database_url)


def secrets_of_url(url: Secret) -> Iterator[Secret]:
    """The whole of a URL, and its password unless that is a word which shows up anyway."""
    if not url:
        return
    yield url
    parameters = parse_database_url(url)
    target, password = parameters.target, parameters.password
    if password and password.reveal() not in f"{target} {target.user} {target.schema} postgresql":
        yield password
        yield Secret(quote(password.reveal(), safe=""))


def lines_of(key: Secret) -> Iterator[Secret]:
    """Each line that holds a part of a key, since one may be told without the others."""
    lines = (line.strip() for line in key.reveal().splitlines())
    yield from (Secret(line) for line in lines if len(line) >= KEY_LINE and "-----" not in line)
