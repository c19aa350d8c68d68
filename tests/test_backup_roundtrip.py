"""Backup, restore, compare, over everything that backups are known to lose."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from operations.backup import create, load_intact, show, take_backup, verify
from operations.backup_restorable import restored_differences, scratch_database
from operations.backup_archive import archive_into
from operations.context import Context
from operations.errors import BackupFailed

from .conftest import Server
from .regression import regression_database

ContextOf = Callable[..., Context]
MORE = r"""
CREATE TABLE public."r" ("r" int, "R" "char", "a""b" name, t tid, o oid[], c cidr);
INSERT INTO public."r" VALUES (1, 'x', 'n', '(1,2)', '{1,2}', '10.0.0.0/8'), (NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE public.wide (id int);
"""
XML = "CREATE TABLE public.docs (x xml); INSERT INTO public.docs VALUES ('<a b=\"c\">ü</a>'), ('plain text'), (NULL)"
VIRTUAL = "CREATE TABLE public.virtual (a int, b int GENERATED ALWAYS AS (1 / a) VIRTUAL); INSERT INTO public.virtual VALUES (0)"


@pytest.fixture(scope="module")
def rich(request: pytest.FixtureRequest) -> Callable[[Server], str]:
    """The sample database of each server, made once; returns its name."""
    made: dict[int, str] = {}

    def of(server: Server) -> str:
        if server.major not in made:
            made[server.major] = regression_database(server)
            with server.superuser(made[server.major]).session() as session:
                session.script(MORE)
                columns = ", ".join(f"ADD COLUMN c{i} {('int', 'text', 'numeric')[i % 3]} DEFAULT {i}" for i in range(400))
                session.execute(f"ALTER TABLE public.wide {columns}")
                session.execute("INSERT INTO public.wide VALUES (1), (NULL)")
                session.execute(XML if server.major == 15 else VIRTUAL)
        return made[server.major]

    return of


def test_everything_comes_back_the_same(server: Server, rich: Callable[[Server], str], context_of: ContextOf) -> None:
    context = context_of(server.process.url(rich(server)))
    result = take_backup(context, "round trip", None, "L2")
    assert (result.level, result.verified, result.warnings) == ("L2", True, ())
    manifest = show(context, result.id)
    assert manifest.tables["data.no_columns"].rows == 3
    assert manifest.tables["data.measure_2024"].rows == 16
    assert "data.far" not in manifest.tables
    assert manifest.large_objects.rows == 1
    assert all(table.hash is not None for table in manifest.tables.values())
    assert manifest.sequences["data.seq_set"].last_value == 42
