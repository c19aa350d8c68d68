"""What a document begins with: the shop's repository, half a year ago, an empty database, and the names of both."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from operations.quoting import identifier

from ..conftest import Server
from ..ports import free_port
from .shell import Shell, shell
from .snippets import ROOT

SHOP = ROOT / "examples" / "shop"
LATER = "20240514"
"""Migrations of the shop from here on are not there yet."""


@contextmanager
def beginning(directory: Path, server: Server, programs: str, on: Sequence[str] = ()) -> Iterator[Shell]:
    """A shell in the shop's repository, half a year ago, with an empty database."""
    places = {
        "/srv/backups/app": str(directory / "backups"),
        "/srv/app": str(directory / "app"),
        "/var/log/locktender.log": str(directory / "log"),
        "/var/lib/node_exporter": str(directory / "exporter"),
    }
    port = f"127.0.0.1:{server.process.port}"
    with database(server) as (base, role):
        meant = {
            **places,
            "//app:": f"//{role}:",
            "//app@": f"//{role}:secret@",
            "localhost:5432/app": f"{port}/{base}",
            "localhost:5432": port,
            "9187": str(free_port()),
        }
        meant |= {name: name.replace("app", base) for name in ("app_yesterday", "app_drill", "app_new")}
        meant["shop_copy"] = f"{base}_copy"
        called = {**{here: there for there, here in places.items()}, port: "localhost:5432", base: "app", role: "app"}
        with shell(directory / "app", programs, meant, called, on=on) as typed:
            shutil.copytree(SHOP / "prisma", directory / "app" / "prisma", ignore=_later)
            package = '{"name": "app", "devDependencies": {"prisma": "6.19.0"}}\n'
            (directory / "app" / "package.json").write_text(package)
            begun = typed.run(
                f"SHOP={SHOP} && git init -q -b main && git add -A && git commit -qm first && "
                "git update-ref refs/remotes/origin/main main"
            )
            assert begun == (0, [])
            yield typed


@contextmanager
def database(server: Server) -> Iterator[tuple[str, str]]:
    """An empty one and its owner, whose password is as in the documents; gone afterwards, with what was made of it."""
    base = f"docs_{uuid.uuid4().hex[:8]}"
    role = f"{base}_owner"
    with server.superuser().session() as session:
        session.execute(f"CREATE ROLE {role} LOGIN CREATEDB PASSWORD 'secret'")
    try:
        yield server.create(base, role), role
    finally:
        with server.superuser().session() as session:
            for (one,) in session.rows("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (base,)):
                session.execute(f"DROP DATABASE {identifier(str(one))} WITH (FORCE)")
            session.execute(f"DROP ROLE {role}")


def _later(_: object, names: list[str]) -> list[str]:
    return [one for one in names if one.startswith("20") and one >= LATER]
