"""Which service of a Compose file is the database, and which ones use it. Pure.

Format: https://docs.docker.com/reference/compose-file/services/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from operations.scaffold.model import Compose

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
"""In the order in which Compose looks for them."""
POSTGRES = re.compile(r"(^|[/:-])(postgres|postgresql|postgis|pgvector|timescaledb|timescaledb-ha)([:@-]|$)")
DEFAULT = re.compile(r"\$\{\w+:?-([^{}]*)\}")
TAGS = (re.compile(r"pg(\d{1,2})(?:\D|$)"), re.compile(r"^(\d{1,2})(?:[.\-]|$)"))
"""Extensions' images number themselves first: ``2.17.2-pg16``."""


def read(name: str, text: str) -> Compose | None:
    """What the file says; ``None`` for one that is no Compose file."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    services = data.get("services") if isinstance(data, dict) else None
    if not isinstance(services, dict):
        return None
    known = {str(key): value for key, value in services.items() if isinstance(value, dict)}
    database = next((key for key, value in known.items() if POSTGRES.search(_image(value))), None)
    users = tuple(_users(known, database)) or tuple(key for key in known if "build" in known[key] and key != database)
    image = _image(known[database]) if database else None
    return Compose(
        file=name,
        database_service=database,
        image=image,
        postgres=_major(image) if image else None,
        healthcheck=bool(database and "healthcheck" in known[database]),
        services=users,
        commands={key: command for key in users if (command := _command(known[key])) is not None},
        port=next(_ports(known[users[0]]), None) if users else None,
    )


def _image(service: Mapping[str, Any]) -> str:
    """With the defaults of its variables."""
    return DEFAULT.sub(r"\1", str(service.get("image", "")))


def _major(image: str) -> int | None:
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    told = next(filter(None, (pattern.search(tag) for pattern in TAGS)), None)
    return int(told[1]) if told else None


def _users(services: Mapping[str, Mapping[str, Any]], database: str | None) -> Iterator[str]:
    for name, service in services.items():
        needs, environment = service.get("depends_on") or (), service.get("environment") or ()
        waits = database is not None and isinstance(needs, (list, dict)) and database in needs
        words = [str(word).partition("=")[0] for word in environment] if isinstance(environment, (list, dict)) else []
        if name != database and (waits or "DATABASE_URL" in words):
            yield name


def _command(service: Mapping[str, Any]) -> tuple[str, ...] | str | None:
    command = service.get("command")
    if isinstance(command, list):
        return tuple(str(word) for word in command)
    return command if isinstance(command, str) else None


def _ports(service: Mapping[str, Any]) -> Iterator[int]:
    for port in service.get("ports") or ():
        if isinstance(port, dict):
            published = str(port.get("published", ""))
        else:
            parts = DEFAULT.sub(r"\1", str(port)).partition("/")[0].split(":")
            published = parts[-2] if len(parts) > 1 else ""
        if published.isdigit():
            yield int(published)
