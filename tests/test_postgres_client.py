"""What is typed to run PostgreSQL's client tools, to the letter; and what they say, read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from operations.backups import toc
from operations.backups.progress import Meter
from operations.backups.stderr import failed_object, is_passing, telling, without_passwords
from operations.backups.tables import Table
from operations.client_tools import find
from operations.commands import postgres_client as client
from operations.context import Context
from operations.errors import ClientToolsMissing
from operations.ports import Progress, Target
from operations.secret import Secret

from .conftest import DEBIAN_BINARIES, Server

pytestmark = pytest.mark.each_version

TARGET = Target("db.example.com", 5433, "it's \\ = a 'name'", "app")
CONNECTION = r"host='db.example.com' port='5433' user='app' dbname='it\'s \\ = a \'name\''"


def test_dump() -> None:
    argv = client.dump(
        "/bin/pg_dump", TARGET, "/b/x.partial/archive", jobs=2, snapshot="03-1", compression="zstd:1", lock_wait=30
    )
    assert argv == [
        "/bin/pg_dump",
        "--format=directory",
        "--jobs=2",
        "--snapshot=03-1",
        "--compress=zstd:1",
        "--lock-wait-timeout=30000",
        "--no-sync",
        "--verbose",
        "--no-password",
        "--file=/b/x.partial/archive",
        f"--dbname={CONNECTION}",
    ]


def test_restore() -> None:
    base = ["pg_restore", "--format=directory", "--jobs=2", "--exit-on-error", "--verbose", "--no-password"]
    assert client.restore("pg_restore", "/b/x/archive", TARGET, jobs=2) == [
        *base,
        f"--dbname={CONNECTION}",
        "/b/x/archive",
    ]
    assert client.restore("pg_restore", "/b/x/archive", TARGET, jobs=2, entries="/tmp/e")[6] == "--use-list=/tmp/e"


def test_the_rest() -> None:
    assert client.probe("/bin/pg_dump", "/bin/pg_restore") == [
        "sh",
        "-c",
        '"$1" --version && "$2" --version && { "$1" --compress=zstd:1 --file=/dev/null; :; }',
        "sh",
        "/bin/pg_dump",
        "/bin/pg_restore",
    ]
    assert client.table_of_contents("pg_restore", "/b/x", "/t") == ["pg_restore", "--list", "--file=/t", "/b/x"]
    assert client.read_through("pg_restore", "/b/x") == ["pg_restore", "--file=/dev/null", "/b/x"]
    assert client.read_through("pg_restore", "/b/x", "/e") == [
        "pg_restore", "--use-list=/e", "--file=/dev/null", "/b/x",
    ]  # fmt: skip
    assert client.quick_restore(256 << 20) == {
        "PGOPTIONS": "-c synchronous_commit=off -c maintenance_work_mem=262144kB -c default_transaction_read_only=off"
        " -c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0"
        " -c idle_session_timeout=0"
    }


def test_tools_of_the_servers_own_version_are_found(server: Server, context: Context) -> None:
    with context.database.session() as session:
        tools = find(context, session.server_version)
    assert tools.version // 10000 == server.major
    assert tools.zstd is False  # Debian's 15 is too old for it, and the embedded 18 is built without
    assert tools.compression == "1"


def test_tools_of_another_version_are_refused_by_name(server18: Server, context_of: Callable[..., Context]) -> None:
    url = server18.process.url()
    with pytest.raises(ClientToolsMissing, match=r"of version 18 .* Found: .*/pg_dump is version 15\.") as caught:
        find(context_of(url, client_bin=str(DEBIAN_BINARIES)), 180000)
    assert "postgresql-client-18" in str(caught.value.hint)
    with pytest.raises(ClientToolsMissing, match="of version 18 were found"):
        find(context_of(url, client_bin="/nonexistent"), 180000)


def test_zstd_is_used_where_the_tools_have_it(tmp_path: Path, context_of: Callable[..., Context]) -> None:
    """No build at hand has it: a program that connects, as one with zstd would, stands for it."""
    for name in ("pg_dump", "pg_restore"):
        program = tmp_path / name
        program.write_text(
            '#!/bin/sh\n[ "$1" = --version ] && { echo "pg_dump (PostgreSQL) 17.2"; exit; }\n'
            'echo "pg_dump: error: connection to server on socket failed" >&2; exit 1\n'
        )
        program.chmod(0o755)
    tools = find(context_of(Secret("postgresql://u@h/d"), client_bin=str(tmp_path)), 170002)
    assert (tools.version, tools.compression) == (170002, "zstd:1")


RESTORE_FAILED = """\
pg_restore: connecting to database for restore
pg_restore: processing data for table "public.t"
pg_restore: while PROCESSING TOC:
pg_restore: from TOC entry 3313; 0 16387 TABLE DATA t app_owner
pg_restore: error: COPY failed for table "t": ERROR:  function limit_of() does not exist
LINE 1: SELECT $1 < limit_of()
                    ^
HINT:  No function matches the given name and argument types.
CONTEXT:  SQL function "is_ok" during inlining
pg_restore: error: a worker process died unexpectedly
"""
QUERY_FAILED = """\
pg_restore: while PROCESSING TOC:
pg_restore: from TOC entry 2; 3079 16500 EXTENSION - postgres_fdw
pg_restore: error: could not execute query: ERROR:  permission denied to create extension "postgres_fdw"
HINT:  Must be superuser to create this extension.
Command was: CREATE USER MAPPING FOR x OPTIONS (password 'hidden');
"""


def test_an_error_is_cut_down_to_what_tells_why() -> None:
    told = telling(RESTORE_FAILED, ())
    assert told.startswith('COPY failed for table "t": ERROR:  function limit_of() does not exist')
    assert "during inlining" in told
    assert "worker" not in told
    assert failed_object(RESTORE_FAILED, {"t": "public.t"}) == "table public.t"
    told = telling(QUERY_FAILED, ())
    assert told.endswith("Must be superuser to create this extension.")
    assert failed_object(QUERY_FAILED, {}) == "EXTENSION - postgres_fdw"


def test_what_is_secret_is_not_repeated() -> None:
    text = "pg_dump: error: connection with s3cret failed\nDETAIL: (user 'u', password 'it''s mine', x 'y')\n"
    assert telling(text, [Secret("s3cret")]) == "connection with *** failed DETAIL: (user 'u', password ***, x 'y')"
    assert without_passwords('["user=u", "password=two words", "x=y"]') == '["user=u", "password=***", "x=y"]'
    assert without_passwords("host=h password=abc dbname=d") == "host=h password=*** dbname=d"
    assert without_passwords("password authentication failed") == "password authentication failed"
    assert telling("something else\nentirely\n", ()) == "something else entirely"


def test_what_may_pass_is_told_apart() -> None:
    assert is_passing("pg_restore: error: server closed the connection unexpectedly")
    assert not is_passing(RESTORE_FAILED)


def test_progress_counts_the_bytes_of_tables_that_are_through() -> None:
    told: list[Progress] = []
    tables = [Table("a.t", "a", "t", 100), Table("b.t", "b", "t", 30), Table("a.u", "a", "u", 5)]
    meter = Meter("dumping", tables, told.append)
    for line in (
        "pg_dump: reading schemas",
        'pg_dump: dumping contents of table "a.t"',
        'pg_dump: dumping contents of table "b.t"',
        "pg_dump: finished item 3361 TABLE DATA t",
        'pg_dump: dumping contents of table "a.u"',
        "pg_dump: finished item 3363 TABLE DATA u",
        "pg_dump: finished item 3362 TABLE DATA t",
    ):
        meter.line(line)
    assert [progress.done for progress in told] == [0, 0, 0, 100, 100, 105, 135]
    assert {progress.total for progress in told} == {135}
    assert told[1].label == "dumping a.t"


TOC = """\
;
; Archive created at 2025-11-22 10:53:00 UTC
;
6; 2615 16553 SCHEMA - a b app_owner
3444; 0 0 COMMENT - SCHEMA "a b" app_owner
3445; 0 0 ACL - SCHEMA "a b" app_owner
3449; 0 0 ACL - FOREIGN DATA WRAPPER w app_owner
2; 3079 16500 EXTENSION - citext
4000; 0 0 COMMENT - EXTENSION citext
215; 1259 16433 TABLE public a app_owner
4001; 0 0 COMMENT public TABLE a app_owner
3359; 0 16433 TABLE DATA public a app_owner
3361; 0 16441 TABLE DATA public b app_owner
3363; 0 16449 TABLE DATA public c app_owner
3400; 0 0 BLOBS - BLOBS
"""


def test_a_plain_role_does_not_comment_on_extensions() -> None:
    schemas, rest = toc.for_plain_role(TOC)
    assert schemas.splitlines() == [
        "6; 2615 16553 SCHEMA - a b app_owner",
        '3444; 0 0 COMMENT - SCHEMA "a b" app_owner',
        '3445; 0 0 ACL - SCHEMA "a b" app_owner',
    ]
    left = {*schemas.splitlines(), *rest.splitlines()}
    assert set(TOC.splitlines()) - left == {"4000; 0 0 COMMENT - EXTENSION citext"}


@pytest.mark.parametrize("parts", [1, 2, 3, 20])
def test_an_archive_is_shared_out_evenly(parts: int) -> None:
    files = {"3359.dat.gz": 60, "3361.dat.gz": 50, "3363.dat.gz": 30, "toc.dat": 999, "blob_1.dat.gz": 10}
    lists = toc.shared_out(TOC, files, parts)
    lines = [line for text in lists for line in text.splitlines()]
    assert sorted(lines) == sorted(line for line in TOC.splitlines() if not line.startswith(";"))
    assert toc.shared_out(";\n", {}, parts) == [""]
    assert toc.without(TOC, ["3359.dat.gz", "blob_3361.dat.gz", "toc.dat"]) == "".join(
        line for line in TOC.splitlines(keepends=True) if not line.startswith("3359;")
    )
    if parts == 2:
        assert {"3359" in lists[0], "3361" in lists[0]} == {True, False}
