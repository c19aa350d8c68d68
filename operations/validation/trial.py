"""A server on which migrations are only tried out, as protocols; ``adapters/trials`` has both kinds."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from hashlib import sha256
from typing import Protocol

from operations.ports import Session

BASE = "base"
"""What has landed, applied to an empty database."""
GENERATION = "4"
"""Changes with whatever makes a kept base another one."""


class Trial(Protocol):
    """A server for a while. Databases are known by names of ours; nothing else on it is seen or touched.

    ``schema`` is the search path of all its sessions, as of those of a URL with ``?schema=``.
    """

    schema: str | None

    @property
    def throwaway(self) -> bool:
        """Whether it is a server of our own: then what a migration may not do there, it may well do elsewhere."""
        ...

    @property
    def server_version(self) -> str:
        """As people say it: ``18.1``."""
        ...

    @property
    def ready(self) -> int | None:
        """How many of the landed migrations database ``base`` holds already; ``None`` where it is not there yet."""
        ...

    @property
    def stopped(self) -> str | None:
        """Why everything was ended, where a limit was reached."""
        ...

    def renew(self) -> None:
        """Begin again on a new server, as what was put by is damaged: it is forgotten. All sessions must be closed."""
        ...

    @property
    def spare(self) -> bool:
        """Whether ``base`` may be used up, as nobody needs it afterwards."""
        ...

    def limit(self, seconds: float) -> None:
        """From now on; then all sessions are ended."""
        ...

    def create(self, name: str, template: str | None = None) -> None:
        """A new database, empty or as ``template``, to which nobody may be connected. An old one of the name goes."""
        ...

    def session(self, name: str) -> AbstractContextManager[Session]:
        """As the role that migrations run as: it owns the database, and is no superuser on a server of our own."""
        ...

    @property
    def troubles(self) -> tuple[str, ...]:
        """What of those could not be applied, as ``keep`` was told."""
        ...

    @property
    def fingerprint(self) -> str:
        """Of the catalog that ``base`` had when it was put by."""
        ...

    def keep(self, reached: int, troubles: Sequence[str], fingerprint: str) -> None:
        """Put ``base``, which holds the first ``reached`` landed migrations, by for the next time, where there is room.

        All sessions must be closed.
        """
        ...


class Trials(Protocol):
    """Where such a server comes from."""

    def open(self, landed: Sequence[str], schema: str | None = None) -> AbstractContextManager[Trial]:
        """A server; ``landed`` are ``chain``'s digests, by which a base that was put by is found again."""
        ...


def chain(checksums: Sequence[tuple[str, str]], schema: str = "") -> list[str]:
    """A digest for each beginning of a history (name and checksum of each migration): the first is of an empty one."""
    found = [sha256(f"{GENERATION}\0{schema}".encode()).hexdigest()]
    for name, checksum in checksums:
        text = f"{found[-1]}\0{name}\0{checksum}".encode(errors="surrogateescape")
        found.append(sha256(text).hexdigest())
    return found
