"""Three real histories, applied by us and by the real Prisma: what stands afterwards is the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ..campaign.scale import crossed
from ..corpus import HISTORIES, corpus
from .command_line import Prisma
from .compare import Subject, half

SubjectOf = Callable[..., Subject]
EXTENSION = re.compile(r'CREATE EXTENSION (?:IF NOT EXISTS )?"?([\w-]+)"?', re.IGNORECASE)
pytestmark = [pytest.mark.prisma, pytest.mark.corpus]


def ours(subject: Subject) -> None:
    ran = subject.project.run("deploy")
    assert ran.exit_code == 0, ran.said
    assert ran.result["outcome"] == "deployed"


def theirs(prisma: Prisma, subject: Subject) -> None:
    ran = prisma.deploy(subject.database, subject.migrations)
    assert ran.exit_code == 0, ran.output


def says_up_to_date(prisma: Prisma, subject: Subject) -> None:
    ran = prisma.status(subject.database, subject.migrations)
    assert ran.exit_code == 0, ran.output
    assert "up to date" in ran.output
    status = subject.project.run("status")
    assert status.exit_code == 0, status.said
    assert status.result["pending"] == status.result["failed"] == status.result["edited"] == []


def same(one: Subject, other: Subject) -> None:
    assert one.schema() == other.schema()
    rows = one.history()
    assert rows == other.history()
    assert all(finished and in_order and uuid4 for *_, finished, in_order, uuid4 in rows)
    assert one.distinct_starts() == len(rows)


def skip_unless_offered(subject: Subject, folder: Path) -> None:
    """The embedded server comes without most extensions, and what needs one cannot be applied there by anybody."""
    scripts = "\n".join(path.read_text() for path in folder.glob("*/migration.sql"))
    wanted = set(EXTENSION.findall(scripts))
    with subject.database.session() as session:
        offered = {name for (name,) in session.rows("SELECT name FROM pg_available_extensions")}
    if not wanted <= offered:
        pytest.skip(f"this server has no {', '.join(sorted(wanted - offered))}")


@pytest.mark.parametrize("name", HISTORIES)
def test_a_whole_history_ends_the_same(subject_of: SubjectOf, prisma: Prisma, name: str) -> None:
    by_us, by_prisma = subject_of(corpus(name)), subject_of(corpus(name))
    skip_unless_offered(by_us, corpus(name))
    ours(by_us)
    theirs(prisma, by_prisma)
    same(by_us, by_prisma)
    says_up_to_date(prisma, by_us)
    says_up_to_date(prisma, by_prisma)


@pytest.mark.parametrize(("name", "strategy"), crossed(HISTORIES, ("maintenance", "online")))
def test_half_by_one_tool_and_half_by_the_other(
    subject_of: SubjectOf, prisma: Prisma, tmp_path: Path, name: str, strategy: str
) -> None:
    """Online, every file is in a transaction of its own."""
    folder = corpus(name)
    first = half(folder, tmp_path / "first")
    begun_here, begun_there = (subject_of(first).with_settings(strategy=f'"{strategy}"') for _ in range(2))
    ours(begun_here)
    theirs(prisma, begun_there)
    same(begun_here, begun_there)
    skip_unless_offered(begun_here, folder)
    theirs(prisma, begun_here.over(folder))
    ours(begun_there.over(folder))
    same(begun_here, begun_there)
    says_up_to_date(prisma, begun_here.over(folder))
    says_up_to_date(prisma, begun_there.over(folder))
