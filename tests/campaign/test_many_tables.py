"""The health check of a database with thousands of tables: nothing runs into a limit, and memory does not grow much."""

from __future__ import annotations

import os
import re
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from ..locktender_process import Project, finish
from .ground import Ground, expect
from .results import Finding, save
from .scale import count

TABLES = 5000
STEP = 100
TABLE = """
CREATE TABLE t{0} (id serial PRIMARY KEY, hub int NOT NULL REFERENCES hub, name text NOT NULL DEFAULT 'x',
  at timestamptz, kind varchar(20) CHECK (kind IN ('a', 'b')), price numeric(10, 2));
CREATE INDEX t{0}_hub ON t{0} (hub);
CREATE INDEX t{0}_at ON t{0} (at);
"""
CHANGE = "ALTER TABLE IF EXISTS t{0} ADD COLUMN more int DEFAULT 5, ALTER COLUMN name TYPE varchar(99), DROP price;"
MEGABYTES = 90
"""What the whole process may take up; without a table it is about 55."""
pytestmark = [pytest.mark.campaign, pytest.mark.timeout(3600)]


def write_migrations(migrations: Path, number: int) -> None:
    """A folder that makes so many tables, ``STEP`` a file."""
    for start in range(0, number, STEP):
        text = "".join(TABLE.format(n) for n in range(start, min(number, start + STEP)))
        folder = migrations / f"20240101{start:06}_tables"
        folder.mkdir(parents=True)
        hub = "CREATE TABLE hub (id int PRIMARY KEY);" if start == 0 else ""
        (folder / "migration.sql").write_text(hub + text)
    (migrations / "migration_lock.toml").write_text('provider = "postgresql"\n')


def test_check_of_five_thousand_tables(ground: Ground, tmp_path: Path) -> None:
    number = count(TABLES)
    migrations = tmp_path / "migrations"
    write_migrations(migrations, number)
    made = Project(tmp_path, ground.url, migrations, settings={"transactions": '"file"'})
    expect(made.run("apply", timeout=3000), 0)
    found = Finding("check", "many tables", f"PostgreSQL {ground.server.major}")
    for kind in ("unchanged", "changed by hand", "two fifths changed by hand"):
        if kind == "changed by hand":
            with ground.live.session() as session:
                session.execute("CREATE INDEX by_hand ON hub (id)")
        if kind == "two fifths changed by hand":
            with ground.live.session() as session:
                for start in range(0, 2 * number // 5, STEP):
                    session.script("".join(CHANGE.format(n) for n in range(start, start + STEP)))
        began, before = time.monotonic(), os.times()
        ran = finish(made.start("check"))
        after = os.times()
        expect(ran, 0)
        found.figures[f"{kind}: seconds"] = time.monotonic() - began
        found.figures[f"{kind}: own seconds of CPU"] = (
            after.children_user + after.children_system - before.children_user - before.children_system
        )
        drift = next(one for one in ran.result["checks"] if one["name"] == "drift")
        assert drift["status"] == ("ok" if kind == "unchanged" else "warn"), drift
        assert [one for one in ran.result["checks"] if one["why"] == "It could not be looked at."] == []
        found.add(kind)
    found.figures["tables"] = number
    found.figures["megabytes"] = _peak(made)
    save(found)
    assert found.figures["megabytes"] < MEGABYTES


def _peak(made: Project) -> float:
    """Of one more check, looked at while it runs: what wait4 tells of a child is no less than what its parent had."""
    process, peak = made.start("check"), 0
    reading = threading.Thread(target=process.communicate)
    reading.start()
    while reading.is_alive():
        with suppress(OSError):
            told = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
            peak = max(peak, int(told[1]) if told else 0)
        time.sleep(0.01)
    assert peak
    return peak / 1024
