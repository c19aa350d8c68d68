"""Transfers go on during backup, deploy, rollback and restore: no acknowledged one is ever silently lost."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from operations.secret import Secret

from ..locktender_process import Project
from . import shop
from .ground import Ground, expect
from .load import SETUP, Bank, is_sane, missing_from, transfers
from .results import Finding, save
from .scale import count

ROUNDS = 3
BANK = {"20240103000000_bank": SETUP}
LIGHT = {
    "20240201000000_column": "ALTER TABLE transfer ADD COLUMN note TEXT;",
    "20240202000000_index": "CREATE INDEX CONCURRENTLY transfer_source ON transfer (source);",
    "20240203000000_table": "CREATE TABLE receipt (id int);",
}
BROKEN = {"20240204000000_broken": "ALTER TABLE transfer ADD COLUMN half INT; SELECT 1/0;"}
UNFORESEEN = {
    # Nothing of it can be taken back by another statement: only the restore point knows the old rows.
    "20240203500000_data": 'UPDATE "Customer" SET note = upper(note);',
    "20240203600000_commits": 'BEGIN; DELETE FROM "Order" WHERE cents = 3; COMMIT; SELECT 1;',
}
pytestmark = [pytest.mark.campaign, pytest.mark.timeout(1800)]


def project(ground: Ground, tmp_path: Path, **settings: str) -> Project:
    made = Project(tmp_path, ground.url, shop.write(tmp_path / "migrations", shop.BASE, BANK), settings=settings)
    expect(made.run("deploy"), 0)
    return made


def finding(name: str, ground: Ground) -> Finding:
    return Finding("write load", name, f"PostgreSQL {ground.server.major}")


def kept(ground: Ground) -> list[Secret]:
    """Every other database that a run left: what was live before."""
    return [ground.server.url(name) for name in ground.databases() if name.startswith("shop_before_")]


def nothing_is_lost(bank: Bank, ground: Ground) -> None:
    assert is_sane(ground.url)
    assert missing_from(bank, ground.url) == set()


def test_a_backup_under_load_is_consistent(ground: Ground, tmp_path: Path) -> None:
    made, found = project(ground, tmp_path), finding("backup", ground)
    for number in range(count(ROUNDS)):
        with transfers(ground.url) as bank:
            began = time.monotonic()
            ran = expect(made.run("backup", "create"), 0)
        identity, copy = ran.result["id"], f"copy_{number}"
        expect(made.run("restore", identity, "--into", copy), 0)
        expect(made.run("backup", "verify", identity, "--test-restore"), 0)
        url = ground.server.url(copy)
        assert is_sane(url)
        absent = missing_from(bank, url)
        assert not [key for key in absent if bank.committed[key] < began], "committed before the backup began"
        assert absent, "there was no load"
        found.add("consistent")
    save(found)


@pytest.mark.parametrize("strategy", ["online", "maintenance"])
def test_a_deploy_under_load_loses_nothing(ground: Ground, tmp_path: Path, strategy: str) -> None:
    made, found = project(ground, tmp_path, strategy=f'"{strategy}"'), finding(f"deploy, {strategy}", ground)
    shop.write(made.migrations, LIGHT)
    with transfers(ground.url) as bank:
        ran = expect(made.run("deploy"), 0)
    assert ran.result["outcome"] == "deployed"
    nothing_is_lost(bank, ground)
    found.add("deployed")
    save(found)


@pytest.mark.parametrize("strategy", ["online", "maintenance"])
@pytest.mark.parametrize("more", [{}, UNFORESEEN], ids=["additive", "only by restore"])
def test_a_failed_deploy_under_load_loses_nothing(
    ground: Ground, tmp_path: Path, strategy: str, more: dict[str, str]
) -> None:
    """Put back without a loss, or left to a person: the live database has every acknowledged transfer."""
    made = project(ground, tmp_path, strategy=f'"{strategy}"')
    found = finding(f"failed deploy, {strategy}{', only a restore could undo it' if more else ''}", ground)
    shop.write(made.migrations, LIGHT, more, BROKEN)
    with transfers(ground.url) as bank:
        ran = made.run("deploy")
    expect(ran, 3, 4)
    nothing_is_lost(bank, ground)
    status = made.run("status")
    if ran.exit_code == 3:
        assert set(status.result["pending"]) == {*LIGHT, *more, *BROKEN}, ran.said + status.said
    else:
        assert ran.error["hint"], ran.said
    found.add(f"exit {ran.exit_code}")
    save(found)


@pytest.mark.parametrize("more", [{}, UNFORESEEN], ids=["additive", "only by restore"])
def test_a_rollback_under_load_loses_nothing(ground: Ground, tmp_path: Path, more: dict[str, str]) -> None:
    made = project(ground, tmp_path)
    found = finding(f"rollback{', only a restore could do it' if more else ''}", ground)
    shop.write(made.migrations, LIGHT, more)
    with transfers(ground.url) as bank:
        expect(made.run("deploy"), 0)
        ran = made.run("rollback")
    expect(ran, 0, 3, 4, 5)
    assert is_sane(ground.url)
    lost = missing_from(bank, ground.url)
    assert not lost or (ran.exit_code == 0 and not missing_from(bank, ground.url, *kept(ground))), ran.said
    if more:
        assert not lost, f"a rollback took {len(lost)} acknowledged transfers back without asking: {ran.said}"
    found.add(f"exit {ran.exit_code}")
    save(found)


def test_a_restore_under_load_keeps_what_came_after_the_backup(ground: Ground, tmp_path: Path) -> None:
    """What came since the backup is in the database that the result names, what comes later in the live one."""
    made, found = project(ground, tmp_path), finding("restore", ground)
    for _ in range(count(ROUNDS)):
        expect(made.run("backup", "create"), 0)
        with transfers(ground.url) as bank:
            ran = expect(made.run("restore", "latest"), 0)
        previous = ground.server.url(ran.result["previous_database"])
        assert is_sane(ground.url)
        assert is_sane(previous)
        assert missing_from(bank, ground.url, previous) == set()
        assert missing_from(bank, ground.url), "there was no load before the swap"
        found.add("all in the live or in the kept database")
        found.figures["outage seconds"] = max(ran.result["outage_seconds"], found.figures.get("outage seconds", 0.0))
    save(found)


def test_the_undo_of_a_restore_under_load_keeps_both_sides(ground: Ground, tmp_path: Path) -> None:
    made, found = project(ground, tmp_path), finding("undo of a restore", ground)
    expect(made.run("backup", "create"), 0)
    with transfers(ground.url) as bank:
        expect(made.run("restore", "latest"), 0)
        time.sleep(0.3)
        ran = made.run("restore", "--undo")
    expect(ran, 0, 4, 5)
    others = [ground.server.url(name) for name in ground.databases() if name != "shop"]
    assert is_sane(ground.url)
    assert missing_from(bank, ground.url, *others) == set()
    found.add(f"exit {ran.exit_code}")
    save(found)
