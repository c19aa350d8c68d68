"""A file that fails, at every position of a history: an atomic set leaves schema and rows as they were."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ..corpus import corpus
from ..locktender_process import Project
from . import shop
from .ground import Ground, expect
from .results import Finding, save
from .scale import spread
from .states import observe

WAYS = {
    "error at once": "SELECT 1/0;",
    "error after changes": "CREATE TABLE half_done (id int); INSERT INTO half_done VALUES (1); SELECT 1/0;",
    "syntax error": "CREATE TABLE half_done (id int);\nCREATE TABEL oops (id int);",
    "error in its own transaction": "BEGIN; CREATE TABLE half_done (id int); SELECT 1/0; COMMIT;",
}
pytestmark = [pytest.mark.campaign, pytest.mark.timeout(3600)]


def fails_and_leaves_nothing(project: Project, before: str) -> None:
    ran = project.run("deploy")
    assert ran.exit_code == 3, ran.said
    assert "P3018" in ran.stdout
    assert observe(project.url) == before, ran.said


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("strategy", ["maintenance", "online"])
def test_a_small_history(ground: Ground, tmp_path: Path, way: str, strategy: str) -> None:
    """Over a database with data, the broken file before, between and behind the good ones."""
    folder = shop.write(tmp_path / "migrations", shop.BASE)
    project = Project(tmp_path, ground.url, folder, {"strategy": f'"{strategy}"'})
    expect(project.run("deploy"), 0)
    before = observe(ground.url)
    shop.write(folder, shop.ATOMIC)
    found = Finding("failing file", f"small history, {way}, {strategy}", f"PostgreSQL {ground.server.major}")
    names = [*sorted(shop.ATOMIC), "2025"]
    for position in spread(len(names)):
        broken = folder / f"{names[position][:14]}!_broken"
        broken.mkdir()
        (broken / "migration.sql").write_text(WAYS[way])
        fails_and_leaves_nothing(project, before)
        shutil.rmtree(broken)
        found.add("schema and rows as before")
    expect(project.run("deploy"), 0)
    save(found)


@pytest.mark.corpus
def test_a_real_history(ground: Ground, tmp_path: Path) -> None:
    """Every position of hoppscotch's history, over the empty database and over what comes before."""
    source = corpus("hoppscotch")
    names = sorted(path.name for path in source.iterdir() if path.is_dir())
    found = Finding("failing file", "hoppscotch", f"PostgreSQL {ground.server.major}")
    for position in spread(len(names) + 1):
        ground.reset()
        folder = tmp_path / f"migrations{position}"
        folder.mkdir()
        project = Project(tmp_path / f"project{position}", ground.url, folder)
        applied, pending = names[: position // 2], names[position // 2 :]
        copy(source, folder, applied)
        if applied:
            expect(project.run("deploy"), 0)
        before = observe(ground.url)
        copy(source, folder, pending)
        name = f"{names[position]}" if position < len(names) else "3"
        broken = folder / f"{name[:14]}!_broken"
        broken.mkdir()
        (broken / "migration.sql").write_text(WAYS["error after changes"])
        fails_and_leaves_nothing(project, before)
        found.add("schema and rows as before")
    save(found)


def copy(source: Path, folder: Path, names: list[str]) -> None:
    for name in names:
        shutil.copytree(source / name, folder / name)
