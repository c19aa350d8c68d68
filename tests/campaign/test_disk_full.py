"""The backup disk fills up: foretold, in the middle of a backup, and at every line of a deploy's journal."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ..conftest import Server, missing
from ..locktender_process import Project, finish
from . import shop
from .ground import Ground, expect
from .kills import BETWEEN, NEW, OLD, after_line
from .results import Finding, save
from .scale import spread
from .scenarios import BY_NAME, References, Stage
from .states import observe

BULK = """
    CREATE TABLE bulk AS SELECT n, md5(n::text) || md5((n * 3)::text) || md5((n * 7)::text) AS noise
    FROM generate_series(1, 300000) n"""
pytestmark = [pytest.mark.campaign, pytest.mark.timeout(1800)]


@contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[Path]:
    """A tmpfs; only root may mount one."""
    path.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path)],
        capture_output=True,
        timeout=20,
        check=False,
    )
    if mounted.returncode:
        missing("The right to mount a tmpfs")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], capture_output=True, timeout=20, check=False)


def fill(disk: Path) -> Path:
    """Take all that is free."""
    hog = disk / ".hog"
    with hog.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                continue
    return hog


@pytest.fixture
def bulky(ground: Ground, tmp_path: Path) -> Project:
    """A shop with 40 MB that compress badly; its backups go to a disk of the test's own."""
    migrations = shop.write(tmp_path / "migrations", shop.BASE, {"20240103000000_bulk": BULK})
    expect(Project(tmp_path / "first", ground.url, migrations).run("deploy"), 0)
    return Project(tmp_path, ground.url, migrations, backup_dir=tmp_path / "disk" / "backups")


def no_backup(project: Project) -> bool:
    listed = expect(project.run("backup", "list"), 0).result["backups"]
    return listed == []


@pytest.mark.parametrize("verb", [("backup", "create"), ("deploy",)], ids=["backup", "deploy"])
def test_too_small_a_disk_is_foretold(bulky: Project, tmp_path: Path, verb: tuple[str, ...]) -> None:
    shop.write(bulky.migrations, shop.ATOMIC)
    before = observe(bulky.url)
    with small_disk(tmp_path / "disk", 4):
        ran = expect(bulky.run(*verb), 3, 5)
        assert "disk" in ran.error["message"].lower() or "space" in ran.error["message"].lower(), ran.said
        assert no_backup(bulky)
    assert observe(bulky.url) == before


@pytest.mark.parametrize("verb", [("backup", "create"), ("deploy",)], ids=["backup", "deploy"])
def test_a_disk_that_fills_up_during_a_backup(bulky: Project, tmp_path: Path, verb: tuple[str, ...]) -> None:
    shop.write(bulky.migrations, shop.ATOMIC)
    before = observe(bulky.url)
    with small_disk(tmp_path / "disk", 120) as disk:
        process = bulky.start(*verb)
        filled = threading.Event()

        def hog() -> None:
            while process.poll() is None and not list(bulky.backup_path.glob("*.partial/archive/*")):
                time.sleep(0.002)
            fill(disk)
            filled.set()

        thread = threading.Thread(target=hog)
        thread.start()
        ran = finish(process)
        thread.join()
        assert filled.is_set()
        expect(ran, 3, 5)
        assert "disk" in ran.error["message"].lower() or "space" in ran.error["message"].lower(), ran.said
        (disk / ".hog").unlink()
        assert no_backup(bulky), ran.said
        assert observe(bulky.url) == before
        expect(bulky.run(*verb), 0)
        assert list(bulky.backup_path.glob("*.partial")) == []


@pytest.mark.parametrize("name", ["deploy in one transaction", "deploy with CONCURRENTLY", "restore"])
def test_a_disk_that_fills_up_at_any_journal_line(durable: Server, tmp_path: Path, name: str) -> None:
    """The journal itself cannot be written any more: the exit status still says what stands."""
    found = Finding("disk full at a journal line", name, f"PostgreSQL {durable.major}")
    with small_disk(tmp_path / "disk", 60) as disk:
        stage = on_disk(Stage.build(BY_NAME[name], durable, tmp_path), disk)
        references = References.measure(stage)
        for line in spread(references.lines):
            stage.reset()
            process = stage.start()
            after_line(line + 1)(stage, lambda p=process: p.poll() is not None)  # type: ignore[misc]
            fill(disk)
            ran = finish(process)
            (disk / ".hog").unlink()
            stood = {references.old: OLD, references.new: NEW}.get(stage.observe(), BETWEEN)
            if ran.exit_code == 4:
                assert ran.error["hint"], ran.said
            else:
                assert {0: NEW, 3: OLD, 5: OLD}[ran.exit_code] == stood, ran.said
            found.add(f"exit {ran.exit_code}, {stood}")
            expect(stage.project.run("backup", "create"), 0)
            assert stage.observe() in (references.old, references.new)
    save(found)


def on_disk(stage: Stage, disk: Path) -> Stage:
    """The same stage with its backups and journal on another disk."""
    project = stage.project
    moved = Project(project.directory, project.url, project.migrations, project.settings, {}, disk / "backups")
    return Stage(stage.scenario, stage.ground, moved, stage.pristine)
