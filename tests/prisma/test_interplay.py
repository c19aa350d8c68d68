"""Failed rows, resolve, baseline, edited files and the lock, with either tool on the other's traces."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from operations.ports import Session

from .command_line import Prisma
from .compare import Subject, write

SubjectOf = Callable[..., Subject]
pytestmark = pytest.mark.prisma

PRISMA_LOCK = 72707369
GOOD = 'CREATE TABLE "User" (id SERIAL PRIMARY KEY, email TEXT NOT NULL);\n'
MORE = 'ALTER TABLE "User" ADD COLUMN name TEXT;\n'
BROKEN = 'CREATE TABLE half (id INT);\nALTER TABLE "Nobody" ADD COLUMN x INT;\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "migrations", **{"20240101000000_init": GOOD, "20240102000000_more": MORE})


def open_rows(subject: Subject) -> list[str]:
    return [
        row[0]
        for row in subject.rows(
            "SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NULL AND rolled_back_at IS NULL"
        )
    ]


def test_a_failure_left_by_prisma_blocks_us_until_resolved(subject_of: SubjectOf, prisma: Prisma, folder: Path) -> None:
    subject = subject_of(folder)
    write(folder, **{"20240103000000_broken": BROKEN})
    assert prisma.deploy(subject.database, folder).exit_code == 1
    assert open_rows(subject) == ["20240103000000_broken"]

    status = subject.project.run("status")
    assert (status.exit_code, status.result["failed"]) == (1, ["20240103000000_broken"]), status.said
    refused = subject.project.run("deploy")
    assert refused.exit_code == 5, refused.said
    assert "P3009" in refused.stdout
    assert "20240103000000_broken" in refused.error["message"]
    assert "resolve" in refused.error["hint"]

    resolved = subject.project.run("resolve", "20240103000000_broken", "--rolled-back")
    assert resolved.exit_code == 0, resolved.said
    assert open_rows(subject) == []
    write(folder, **{"20240103000000_broken": "CREATE TABLE whole (id INT);\n"})
    assert prisma.deploy(subject.database, folder).exit_code == 0
    assert "up to date" in prisma.status(subject.database, folder).output
    assert subject.project.run("status").exit_code == 0
    assert len(subject.history()) == 4


def test_resolve_writes_what_prisma_writes(subject_of: SubjectOf, prisma: Prisma, folder: Path) -> None:
    write(folder, **{"20240103000000_broken": BROKEN})
    ours, theirs = subject_of(folder), subject_of(folder)
    for subject in (ours, theirs):
        assert prisma.deploy(subject.database, folder).exit_code == 1
    assert ours.project.run("resolve", "20240103000000_broken", "--rolled-back").exit_code == 0
    assert prisma.resolve(theirs.database, folder, "20240103000000_broken", "rolled-back").exit_code == 0
    assert ours.history() == theirs.history()
    assert ours.project.run("resolve", "20240103000000_broken", "--applied").exit_code == 0
    assert prisma.resolve(theirs.database, folder, "20240103000000_broken", "applied").exit_code == 0
    assert ours.history() == theirs.history()
    assert "up to date" in prisma.status(ours.database, folder).output
    assert theirs.project.run("status").exit_code == 0


def test_resolve_as_applied_over_an_open_failure(subject_of: SubjectOf, prisma: Prisma, folder: Path) -> None:
    write(folder, **{"20240103000000_broken": BROKEN})
    ours, theirs = subject_of(folder), subject_of(folder)
    for subject in (ours, theirs):
        assert prisma.deploy(subject.database, folder).exit_code == 1
    assert ours.project.run("resolve", "20240103000000_broken", "--applied").exit_code == 0
    assert prisma.resolve(theirs.database, folder, "20240103000000_broken", "applied").exit_code == 0
    assert ours.history() == theirs.history()


@pytest.mark.parametrize(
    ("name", "how", "code"),
    [
        ("20240101000000_init", "applied", "P3008"),
        ("20240101000000_init", "rolled-back", "P3012"),
        ("20240102000000_more", "rolled-back", "P3011"),
        ("20990101000000_nobody", "applied", "P3017"),
    ],
)
def test_wrong_resolves_are_refused_alike(
    subject_of: SubjectOf, prisma: Prisma, tmp_path: Path, name: str, how: str, code: str
) -> None:
    folder = write(tmp_path / "only", **{"20240101000000_init": GOOD})
    subject = subject_of(folder)
    assert prisma.deploy(subject.database, folder).exit_code == 0
    write(folder, **{"20240102000000_more": MORE})
    theirs = prisma.resolve(subject.database, folder, name, how)
    assert theirs.exit_code == 1
    assert code in theirs.output
    before = subject.history()
    ours = subject.project.run("resolve", name, f"--{how}")
    assert ours.exit_code in (2, 5), ours.said
    assert code in ours.stdout
    assert subject.history() == before


def test_baseline_of_a_database_that_already_has_tables(subject_of: SubjectOf, prisma: Prisma, folder: Path) -> None:
    ours, theirs = subject_of(folder), subject_of(folder)
    for subject in (ours, theirs):
        subject.execute(GOOD)
        assert "P3005" in prisma.deploy(subject.database, folder).output
        refused = subject.project.run("deploy")
        assert refused.exit_code == 5, refused.said
        assert "P3005" in refused.stdout
    assert prisma.resolve(theirs.database, folder, "20240101000000_init", "applied").exit_code == 0
    assert prisma.deploy(theirs.database, folder).exit_code == 0
    baselined = ours.project.run("apply", "--baseline", "20240101000000_init")
    assert baselined.exit_code == 0, baselined.said
    if prisma.status(ours.database, folder).exit_code:
        assert ours.project.run("apply").exit_code == 0
    assert ours.history() == theirs.history()
    assert ours.schema() == theirs.schema()
    assert "up to date" in prisma.status(ours.database, folder).output


def test_edited_files_are_no_matter_to_prisma_and_one_to_us(
    subject_of: SubjectOf, prisma: Prisma, folder: Path
) -> None:
    subject = subject_of(folder)
    assert prisma.deploy(subject.database, folder).exit_code == 0
    write(folder, **{"20240101000000_init": GOOD + "-- edited\n", "20240103000000_last": "CREATE TABLE l (id INT);\n"})
    status = subject.project.run("status")
    assert status.result["edited"] == ["20240101000000_init"], status.said
    refused = subject.project.run("deploy")
    assert refused.exit_code == 5, refused.said
    assert "20240101000000_init" in refused.error["message"]
    assert prisma.deploy(subject.database, folder).exit_code == 0
    assert "up to date" in prisma.status(subject.database, folder).output


def test_other_line_ends_are_no_edit(subject_of: SubjectOf, prisma: Prisma, folder: Path) -> None:
    subject = subject_of(folder)
    assert prisma.deploy(subject.database, folder).exit_code == 0
    file = folder / "20240101000000_init" / "migration.sql"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    status = subject.project.run("status")
    assert (status.exit_code, status.result["edited"]) == (0, []), status.said


def test_a_schema_of_its_own_in_the_url(subject_of: SubjectOf, prisma: Prisma, folder: Path) -> None:
    ours, theirs = subject_of(folder, "tenant_1"), subject_of(folder, "tenant_1")
    ran = ours.project.run("deploy")
    assert ran.exit_code == 0, ran.said
    theirs.execute("CREATE SCHEMA IF NOT EXISTS tenant_1")  # its driver adapter, unlike its engine, does not create it
    assert prisma.deploy(theirs.database, folder).exit_code == 0
    assert ours.schema() == theirs.schema()
    assert "up to date" in prisma.status(ours.database, folder).output


@contextmanager
def paused_prisma(prisma: Prisma, subject: Subject, blocker: Session) -> Iterator[subprocess.Popen[bytes]]:
    """A ``prisma migrate deploy`` that holds its lock: its script waits for a table that ``blocker`` has locked."""
    process = subprocess.Popen(
        prisma.argv("deploy"),
        cwd=prisma.directory,
        env=prisma.variables(subject.database, subject.migrations),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not blocker.rows(
            "SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
            " WHERE l.locktype = 'advisory' AND l.objid = %s AND l.granted AND a.wait_event_type = 'Lock'"
            " AND a.datname = current_database()",
            (PRISMA_LOCK,),
        ):
            assert process.poll() is None, "Prisma ended without waiting"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_prisma_at_work_keeps_us_out(subject_of: SubjectOf, prisma: Prisma, tmp_path: Path) -> None:
    folder = write(tmp_path / "held", **{"20240101000000_init": GOOD})
    subject = subject_of(folder).with_settings(advisory_lock_timeout='"1s"')
    assert prisma.deploy(subject.database, folder).exit_code == 0
    write(folder, **{"20240102000000_more": MORE})
    with subject.database.session() as blocker:
        blocker.execute("BEGIN")
        blocker.execute('LOCK TABLE "User" IN ACCESS EXCLUSIVE MODE')
        with paused_prisma(prisma, subject, blocker) as process:
            holder = blocker.rows(
                "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND granted", (PRISMA_LOCK,)
            )
            refused = subject.project.run("deploy")
            blocker.execute("ROLLBACK")
            assert process.wait(60) == 0
    assert refused.exit_code == 5, refused.said
    assert "P1002" in refused.stdout
    assert str(holder[0][0]) in refused.error["message"]
    assert subject.project.run("status").exit_code == 0


def test_our_deploy_keeps_prisma_out(subject_of: SubjectOf, prisma: Prisma, tmp_path: Path) -> None:
    """A trigger of the test holds our run in the middle of a script until Prisma has given up (10 s)."""
    folder = write(tmp_path / "held", **{"20240101000000_init": GOOD})
    subject = subject_of(folder)
    assert prisma.deploy(subject.database, folder).exit_code == 0
    write(
        folder, **{"20240102000000_more": "SELECT pg_advisory_lock(4711);\nSELECT pg_advisory_unlock(4711);\n" + MORE}
    )
    with subject.database.session() as gate:
        gate.execute("SELECT pg_advisory_lock(4711)")
        process = subject.with_settings(lock_timeout='"60s"').project.start("deploy")
        try:
            deadline = time.monotonic() + 60
            while not gate.rows("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted"):
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            refused = prisma.deploy(subject.database, folder)
            gate.execute("SELECT pg_advisory_unlock(4711)")
            stdout, stderr = process.communicate(timeout=60)
        finally:
            process.kill()
            process.wait()
    assert refused.exit_code == 1
    assert "P1002" in refused.output
    assert process.returncode == 0, stdout + stderr
    assert "up to date" in prisma.status(subject.database, folder).output
