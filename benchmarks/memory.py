"""The largest process of ours while the database grows ten times."""

from __future__ import annotations

import shutil

from . import data
from .projects import locktender, project
from .report import Goal, Section
from .servers import Server, available, running
from .settings import Scope

VERBS = (("backup", "create"), ("restore", "latest"), ("status",), ("check",))
FLAT = 1.25


def sections(scope: Scope) -> list[Section]:
    section = Section(
        "Memory",
        "Largest resident size of any one process of a run (Locktender itself, pg_dump, pg_restore).",
        ("verb", f"{scope.megabytes // 10} MB", f"{scope.megabytes} MB", "ratio"),
    )
    label, binaries = next(iter(available().items()))
    with running(label, binaries) as server:
        small, large = (_sizes(server, scope, size) for size in (scope.megabytes // 10, scope.megabytes))
    for verb in VERBS:
        name, ratio = " ".join(verb), large[verb] / small[verb]
        section.rows.append(
            (f"`{name}`", f"{small[verb] / 1e6:.0f} MB", f"{large[verb] / 1e6:.0f} MB", f"{ratio:.2f}×")
        )
    worst = max(large[verb] / small[verb] for verb in VERBS)
    section.goals.append(Goal("memory as the database grows 10×", f"flat (≤{FLAT}×)", f"{worst:.2f}×", worst <= FLAT))
    return [section]


def _sizes(server: Server, scope: Scope, megabytes: int) -> dict[tuple[str, ...], int]:
    work = scope.work / f"memory{megabytes}"
    shutil.rmtree(work, ignore_errors=True)
    (work / "migrations").mkdir(parents=True)
    name = f"memory{megabytes}"
    data.fill(server.create(name), megabytes)
    made = project(server, name, work / "project", work / "migrations")
    return {verb: locktender(made, *verb, codes=(0, 1)).rss for verb in VERBS}
