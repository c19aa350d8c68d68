"""The servers on which migrations are tried out: one of our own, or databases of our own on one that was named."""

from __future__ import annotations

import os
import secrets
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from operations.adapters import extensions, trial_server
from operations.adapters.kept_clusters import PREPARED, Kept, entry_of, forget, longest, prepared, put_by
from operations.adapters.throwaway import ThrowawayServer
from operations.adapters.trial_server import (
    ADMINISTRATION,
    CONFINED,
    MEMORY,
    MIGRATOR,
    ROLE_OPTIONS,
    SUPERUSER,
    database_at,
    running,
)
from operations.dropping import drop_database, end_sessions
from operations.errors import LocktenderError
from operations.quoting import identifier, literal
from operations.secret import Secret
from operations.validation.trial import BASE

if TYPE_CHECKING:
    from operations.adapters.postgres import PostgresDatabase, PostgresSession

DISK = 4 << 30
"""Bytes of the server's whole directory."""
WATCH = 0.25


@dataclass
class _Watch:
    """Ends everything when the time is up or the disk fills; ``why`` is then set."""

    end: threading.Event = field(default_factory=threading.Event)
    until: float = float("inf")
    limit: float = 0.0
    why: str | None = None

    def reached(self, directory: Path | None) -> str | None:
        """The limit that is reached."""
        if time.monotonic() > self.until:
            return f"it took more than {self.limit:.0f} s"
        if directory and _size(directory) > DISK:
            return f"it filled more than {DISK >> 30} GB of the disk"
        return None


class _Trial:
    """What both kinds share; ``server`` connects to any database as whoever may create databases."""

    throwaway: bool
    spare = True
    stopped: str | None = None
    ready: int | None = None
    troubles: tuple[str, ...] = ()
    fingerprint: str = ""

    def __init__(self, server: PostgresDatabase, prefix: str, schema: str | None) -> None:
        self._server, self._prefix, self.schema = server, prefix, schema
        self._watch = _Watch()
        self._thread: threading.Thread | None = None
        with server.session(purpose="validate") as session:
            self.server_version = str(session.rows("SHOW server_version")[0][0]).split(" ")[0]
            self._major = session.server_version // 10000

    def limit(self, seconds: float) -> None:
        """Counted from now."""
        self._watch.limit, self._watch.until = seconds, time.monotonic() + seconds

    def create(self, name: str, template: str | None = None) -> None:
        """One that was called so before is dropped."""
        with self._administering() as session:
            drop_database(session, self._prefix + name)
            copied = f" TEMPLATE {self._called(template)}" if template else ""
            session.execute(f"CREATE DATABASE {self._called(name)}{copied}")

    def _administering(self) -> AbstractContextManager[PostgresSession]:
        return self._server.session(purpose="validate")

    def keep(self, reached: int, troubles: Sequence[str], fingerprint: str) -> None:
        """Nowhere else than here."""
        del reached
        self.troubles, self.fingerprint = tuple(troubles), fingerprint

    def renew(self) -> None:
        """Where nothing is ever put by."""
        self.ready, self.troubles, self.fingerprint = None, (), ""

    def _called(self, name: str) -> str:
        return identifier(self._prefix + name)

    def _begin(self) -> None:
        self._thread = threading.Thread(target=self._guard, daemon=True)
        self._thread.start()

    def _finish(self) -> None:
        self._watch.end.set()
        if self._thread:
            self._thread.join()
        self._watch.end.clear()

    def _guard(self) -> None:
        while not self._watch.end.wait(WATCH):
            why = self._watch.reached(self._directory)
            if why:
                self.stopped = why
                with suppress(LocktenderError):
                    self._end_all()
                return

    _directory: Path | None = None

    def _end_all(self) -> None:
        raise NotImplementedError


class _OwnServer(_Trial):
    """On a server of our own. The superuser never enters a database in which a script has run: what it left would run
    with his rights.
    """

    throwaway = True

    def __init__(
        self,
        process: ThrowawayServer,
        cache: Path | None,
        landed: Sequence[str],
        kept: Kept | None,
        schema: str | None,
    ) -> None:
        super().__init__(database_at(process.url()), "", schema)
        self._process, self._cache, self._landed = process, cache, landed
        self._entries = [entry_of(kept)] if kept and kept.reached is not None else []
        if kept:
            self.ready, self.troubles, self.fingerprint = kept.reached, kept.troubles, kept.fingerprint
        self._directory = process.directory
        self._administrator: PostgresSession | None = None
        self._untouched: set[str] = set()

    def prepare(self) -> None:
        """What it is asked for first, where nothing was put by."""
        self.offer_extensions()
        if self.ready is None:
            self._untouched = {BASE}

    def create(self, name: str, template: str | None = None) -> None:
        """The one that a new cluster has serves once; others are copied from the one that nobody else enters."""
        if template or name not in self._untouched:
            super().create(name, template or ADMINISTRATION)
        self._untouched.discard(name)

    @contextmanager
    def _administering(self) -> Iterator[PostgresSession]:
        """One session for all of it, as long as that lasts."""
        if self._administrator is None or self._administrator.closed:
            self._administrator = self._server.connect(purpose="validate")
        yield self._administrator

    def _leave(self) -> None:
        if self._administrator:
            self._administrator.close()
        self._administrator = None

    def _finish(self) -> None:
        super()._finish()
        self._leave()

    def offer_extensions(self) -> None:
        """Those that are harmless, to everyone."""
        if self._major < extensions.SINCE:
            return
        path = extensions.prepare(self._process.binaries.parent / "share", self._process.directory / "offered")
        with self._administering() as session:
            session.execute(f"ALTER SYSTEM SET extension_control_path = {literal(path)}")
            session.rows("SELECT pg_reload_conf()")

    @contextmanager
    def session(self, name: str) -> Iterator[PostgresSession]:
        """With the role as it was, whatever a script has made of it. Meanwhile it owns this database, and no other."""
        word, owned = Secret(secrets.token_urlsafe(12)), f"ALTER DATABASE {self._called(name)} OWNER TO"
        self._as_superuser(
            f"ALTER ROLE {MIGRATOR} PASSWORD {literal(word.reveal())}; ALTER ROLE {MIGRATOR} {ROLE_OPTIONS};"
            f" ALTER ROLE {MIGRATOR} RESET ALL; {owned} {MIGRATOR}"
        )
        try:
            database = database_at(self._process.url(name, MIGRATOR, word)).beside(name, self.schema)
            with database.session(purpose="validate") as session:
                yield session
        finally:
            with suppress(LocktenderError):  # a server that was ended
                self._as_superuser(f"{owned} {SUPERUSER}")

    def forget(self) -> None:
        """The base that it began with, and what has come of that."""
        for entry in self._entries:
            forget(entry)
        self._entries = []

    def renew(self) -> None:
        """The time goes on, the files are others."""
        self._finish()
        self.forget()
        super().renew()
        self.stopped = None
        trial_server.renew(self._process)
        self._server, self._directory = database_at(self._process.url()), self._process.directory
        self.prepare()
        self._begin()

    def _as_superuser(self, script: str) -> None:
        with self._administering() as session:
            session.script(script)

    def keep(self, reached: int, troubles: Sequence[str], fingerprint: str) -> None:
        """In the cache as well, where there is one."""
        super().keep(reached, troubles, fingerprint)
        if self._cache:
            self._leave()  # or the server's end would take it by surprise
            self._entries.append(put_by(self._cache, self._process, self._landed[reached], troubles, fingerprint))

    def _end_all(self) -> None:
        self._process.crash()


class _NamedServer(_Trial):
    """Databases of our own on somebody's server, by a role that may create some; they are dropped at the end."""

    throwaway = False

    def __init__(self, server: PostgresDatabase, schema: str | None) -> None:
        super().__init__(server, f"locktender_validate_{uuid.uuid4().hex[:12]}_", schema)
        self._names: set[str] = set()

    def create(self, name: str, template: str | None = None) -> None:
        """Remembered, so that it goes."""
        self._names.add(name)
        super().create(name, template)

    @contextmanager
    def session(self, name: str) -> Iterator[PostgresSession]:
        """As the role of the URL."""
        with self._server.beside(self._prefix + name, self.schema).session(purpose="validate") as session:
            yield session

    def _end_all(self) -> None:
        with self._server.session(purpose="validate") as session:
            for name in self._names.copy():
                end_sessions(session, self._prefix + name)

    def drop_all(self) -> None:
        """What was created."""
        with self._server.session(purpose="validate") as session:
            for name in self._names:
                drop_database(session, self._prefix + name)


class OwnServer(Struct, frozen=True):
    """``Trials`` on a PostgreSQL of our own; bases are kept in the directory ``cache``, where one is given."""

    cache: Path | None = None
    binaries: Path | None = None
    prepared: Path = PREPARED

    @contextmanager
    def open(self, landed: Sequence[str], schema: str | None = None) -> Iterator[_OwnServer]:
        """Started from the longest beginning of the history that is in the cache, else from a new cluster."""
        process = ThrowawayServer(settings=dict(CONFINED), superuser=SUPERUSER, by_socket=True, memory=MEMORY)
        if self.binaries:
            process.binaries = self.binaries
        base = longest(self.cache, process.binaries, landed) if self.cache else None
        with running(process, base or prepared(self.prepared, process.binaries)) as kept:
            if base and not kept:
                forget(entry_of(base))
            trial = _OwnServer(process, self.cache, landed, kept, schema)
            trial.prepare()
            trial._begin()
            try:
                yield trial
            except LocktenderError:
                if not trial.stopped:  # it may be the base that is damaged, where its catalog does not show it
                    trial.forget()
                raise
            finally:
                trial._finish()


class NamedServer(Struct, frozen=True):
    """``Trials`` on the server of a database URL; that database itself is only connected to."""

    database: PostgresDatabase

    @contextmanager
    def open(
        self,
        landed: Sequence[str],  # noqa: ARG002 - nothing is kept there
        schema: str | None = None,
    ) -> Iterator[_NamedServer]:
        """Databases whose names nobody else uses."""
        trial = _NamedServer(self.database, schema)
        trial._begin()
        try:
            yield trial
        finally:
            trial._finish()
            trial.drop_all()


def _size(directory: Path) -> int:
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            with suppress(OSError):
                total += os.lstat(f"{parent}/{name}").st_blocks * 512
    return total
