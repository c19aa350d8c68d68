"""Whatever happened to a backup's files is found before anything relies on them."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from operations.adapters.clock import SystemClock
from operations.adapters.local_host import LocalHost
from operations.adapters.postgres import PostgresDatabase
from operations.adapters.processes import LocalProcesses
from operations.backup import create, list_backups, load_intact, show, take_backup, verify
from operations.context import Context
from operations.database_url import parse_database_url
from operations.errors import NotFound, Tampered
from operations.restore import restore
from operations.secret import Secret
from operations.settings import Environment

from .campaign.results import Finding, save
from .campaign.scale import count as scaled
from .conftest import Server

CAMPAIGN = 300
TABLES = """
CREATE TABLE shop (id serial PRIMARY KEY, name text);
INSERT INTO shop (name) SELECT md5(i::text) FROM generate_series(1, 3000) i;
CREATE TABLE other AS SELECT i, -i AS j FROM generate_series(1, 500) i; SELECT lo_from_bytea(0, 'large object');
"""


@pytest.fixture(scope="module")
def made(server15: Server, tmp_path_factory: pytest.TempPathFactory) -> Context:
    """A context with two backups, the older of level L2."""
    url = server15.url(server15.create())
    directory = tmp_path_factory.mktemp("damage")
    context = Context(
        environment=Environment("local", url, str(directory / "migrations"), str(directory / "backups")),
        host=LocalHost(),
        database=PostgresDatabase(parse_database_url(url)),
        clock=SystemClock(),
        processes=LocalProcesses(),
    )
    with context.database.session() as session:
        session.script(TABLES)
    take_backup(context, "first", None, "L2")
    with context.database.session() as session:
        # The comment makes the tables of contents differ, also where both are of the same second.
        session.script("UPDATE shop SET name = 'changed' WHERE id = 7; COMMENT ON TABLE shop IS 'changed'")
    take_backup(context, "second", None, "L1")
    return context


@pytest.fixture
def context(made: Context, tmp_path: Path) -> Context:
    """The same with a copy of the backups that a test may damage."""
    copy = tmp_path / "backups"
    shutil.copytree(made.environment.backup_dir, copy)
    return replace(made, environment=replace(made.environment, backup_dir=str(copy)))


@pytest.fixture
def victim(context: Context) -> Path:
    """Directory of the older backup."""
    return Path(list_backups(context)[-1].path)


def files_of(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def around(context: Context) -> tuple[dict[str, int], int]:
    """All databases of the server, which bear another number when they were made anew, and the live one's rows."""
    with context.database.session() as session:
        databases = dict(session.rows("SELECT datname, oid::bigint FROM pg_database"))
        return databases, int(session.rows("SELECT count(*) FROM shop")[0][0])


def found(context: Context, victim: Path, name: str) -> None:
    """The damage is told by everything that could go on to use the backup, with the file's name."""
    with pytest.raises(Tampered, match=name):
        load_intact(context, victim.name)
    told = verify(context, victim.name)
    assert not told.intact
    assert name in " ".join(told.problems)


def bit_flips(victim: Path, count: int) -> Iterator[Path]:
    """Flips one bit after the other, each time putting the last one back; yields the file."""
    chance = random.Random(count)
    for number in range(count):
        path = files_of(victim)[number % len(files_of(victim))]
        good = path.read_bytes()
        bad = bytearray(good)
        bad[chance.randrange(len(bad))] ^= 1 << chance.randrange(8)
        path.write_bytes(bad)
        yield path
        path.write_bytes(good)


def truncations(victim: Path, count: int) -> Iterator[Path]:
    chance = random.Random(count)
    for number in range(count):
        path = files_of(victim)[number % len(files_of(victim))]
        good = path.read_bytes()
        path.write_bytes(good[: chance.randrange(len(good))])
        yield path
        path.write_bytes(good)


Damage = Callable[[Path, int], Iterator[Path]]


@pytest.mark.parametrize("damage", [bit_flips, truncations])
def test_every_random_damage_is_found(context: Context, victim: Path, damage: Damage) -> None:
    for path in damage(victim, 12):
        with pytest.raises(Tampered, match=path.name):
            load_intact(context, victim.name)
    assert load_intact(context, victim.name)


@pytest.mark.campaign
@pytest.mark.parametrize("damage", [bit_flips, truncations])
def test_every_random_damage_is_found_before_a_restore_touches_anything(
    context: Context, victim: Path, damage: Damage
) -> None:
    found = Finding(
        "backup damaged",
        {"bit_flips": "a bit flipped", "truncations": "a file cut short"}[damage.__name__],
        "PostgreSQL 15",
    )
    before = around(context)
    for path in damage(victim, scaled(CAMPAIGN)):
        with pytest.raises(Tampered, match=path.name):
            restore(context, victim.name)
        assert around(context) == before
        found.add("found, with the file's name, before anything was touched")
    assert load_intact(context, victim.name)
    save(found)


def test_each_kind_of_file_is_covered(victim: Path) -> None:
    names = {path.name for path in files_of(victim)}
    assert {"manifest.json", "verification.json", "catalog.json", "toc.dat", "blobs.toc"} <= names
    assert any(name.endswith(".dat.gz") for name in names)


def test_a_missing_file(context: Context, victim: Path) -> None:
    for path in files_of(victim):
        good = path.read_bytes()
        path.unlink()
        if path.name == "verification.json":
            assert show(context, victim.name).level == "L0", "what was not proved any more is not claimed"
        else:
            found(context, victim, path.name)
        path.write_bytes(good)


def test_a_surplus_file(context: Context, victim: Path) -> None:
    (victim / "archive" / "9999.dat").write_bytes(b"")
    found(context, victim, "9999.dat")


def test_files_that_changed_places(context: Context, victim: Path) -> None:
    one, two = sorted((victim / "archive").glob("*.dat.gz"))[:2]
    data = one.read_bytes(), two.read_bytes()
    one.write_bytes(data[1])
    two.write_bytes(data[0])
    found(context, victim, one.name)


def test_a_file_of_another_backup(context: Context, victim: Path) -> None:
    other = Path(list_backups(context)[0].path)
    for name in ("archive/toc.dat", "manifest.json"):
        good = (victim / name).read_bytes()
        shutil.copy(other / name, victim / name)
        found(context, victim, "toc.dat" if "toc" in name else "copy of backup")
        (victim / name).write_bytes(good)
    shutil.copy(victim / "verification.json", other / "verification.json")
    found(context, other, "verification.json speaks of another backup")


def test_a_whole_backup_under_another_name(context: Context, victim: Path) -> None:
    copy = victim.with_name("20300101T000000Z-ffffff")
    shutil.copytree(victim, copy)
    found(context, copy, f"copy of backup {victim.name}")


@pytest.mark.parametrize("kind", ["file", "directory", "dangling"])
def test_symbolic_links(context: Context, victim: Path, tmp_path: Path, kind: str) -> None:
    if kind == "file":
        target = victim / "archive" / "toc.dat"
        target.rename(tmp_path / "toc.dat")
        target.symlink_to(tmp_path / "toc.dat")
        name = "toc.dat"
    elif kind == "directory":
        (victim / "archive").rename(tmp_path / "archive")
        (victim / "archive").symlink_to(tmp_path / "archive")
        name = "archive"
    else:
        (victim / "archive" / "more").symlink_to("/nowhere")
        name = "more"
    found(context, victim, name)


def test_what_a_crash_left_of_a_verification_does_no_harm(context: Context, victim: Path) -> None:
    (victim / f"verification.json.{'0' * 32}.tmp").write_bytes(b"half")
    assert load_intact(context, victim.name)


def test_latest_never_means_an_older_one_by_damage(context: Context) -> None:
    newest, older = list_backups(context)
    (Path(newest.path) / "manifest.json").write_bytes(b"{}\n")
    assert [one.id for one in list_backups(context)] == [older.id, newest.id]
    with pytest.raises(Tampered, match=f"Which backup is the latest cannot be told.*{newest.id}"):
        load_intact(context, "latest")
    assert load_intact(context, older.id)
    shutil.rmtree(newest.path)
    assert load_intact(context, "latest").id == older.id


def test_signed_backups(context: Context, victim: Path) -> None:
    def keyed(word: str) -> Context:
        backups = replace(context.environment.backups, signing_key=Secret(word))
        return replace(context, environment=replace(context.environment, backups=backups))

    with pytest.raises(Tampered, match="does not carry the signature"):
        load_intact(keyed("key"), victim.name)
    signed = create(keyed("key"), verify="L2")
    assert load_intact(keyed("key"), signed.id)
    with pytest.raises(Tampered, match="does not carry the signature"):
        load_intact(keyed("another"), signed.id)


def test_those_of_another_environment_are_shown_but_not_taken(context: Context) -> None:
    other = replace(context, environment=replace(context.environment, name="staging"))
    assert [one.own for one in list_backups(other)] == [False, False]
    with pytest.raises(NotFound, match="'staging' has no backup yet"):
        load_intact(other, "latest")
    assert load_intact(other, list_backups(other)[0].id).environment == "local"
