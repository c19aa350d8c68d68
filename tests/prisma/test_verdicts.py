"""The atomicity verdict against what really stays behind when a file fails half-way.

Sound is the verdict that never says *atomic* of a file that can leave something behind. What stays is found by running
the file as one message, as Prisma up to 7.3 does; a sample goes through the real Prisma, the mass through our own
connection, which sends the same message.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from operations.adapters.postgres import PostgresDatabase, PostgresSession
from operations.database_url import parse_database_url
from operations.errors import LocktenderError
from operations.migrations.script import read_script

from ..conftest import Server
from .command_line import Prisma
from .compare import Subject, write

SubjectOf = Callable[..., Subject]
FAIL = "SELECT 1/0;"
STAYS = {
    "a commit in the middle": f"CREATE TABLE a (); COMMIT; {FAIL}",
    "its own transaction, then more": f"BEGIN; CREATE TABLE a (); COMMIT; {FAIL}",
    "end instead of commit": f"START TRANSACTION; CREATE TABLE a (); END; {FAIL}",
    "commit and chain": f"BEGIN; CREATE TABLE a (); COMMIT AND CHAIN; {FAIL} COMMIT;",
    "begin in the middle": f"CREATE TABLE a (); BEGIN; CREATE TABLE b (); COMMIT; {FAIL}",
    "commit in mixed case after a comment": f"CREATE TABLE a (); /* x */ CoMmIt ; -- y\n {FAIL}",
    "a block that commits": "DO $$ BEGIN CREATE TABLE a (); COMMIT; PERFORM 1/0; END $$;",
    "a unique index built concurrently over duplicates": "CREATE UNIQUE INDEX CONCURRENTLY a ON seed (same);",
}
VANISHES = {
    "plain": f"CREATE TABLE a (); INSERT INTO seed VALUES (9, 9); {FAIL}",
    "its own transaction around everything": f"BEGIN; CREATE TABLE a (); {FAIL} COMMIT;",
    "the same with options": f"-- x\nBEGIN ISOLATION LEVEL SERIALIZABLE; CREATE TABLE a (); {FAIL} COMMIT;",
    "savepoints": f"SAVEPOINT s; CREATE TABLE a (); RELEASE SAVEPOINT s; {FAIL}",
    "the word in strings": f"CREATE TABLE a (); COMMENT ON TABLE a IS 'x; COMMIT; y'; {FAIL}",
    "the word in a body": "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END; $$;"
    f" CREATE TABLE a (); {FAIL}",
    "a block": f"DO $$ BEGIN CREATE TABLE a (); END $$; {FAIL}",
    "an enum value": f"ALTER TYPE mood ADD VALUE 'late'; CREATE TABLE a (); {FAIL}",
    "settings": f"SET lock_timeout = '1s'; SET LOCAL statement_timeout = 0; CREATE TABLE a (); {FAIL}",
}
REFUSED_IN_ONE_MESSAGE = {
    "an index concurrently and more": "CREATE TABLE a (); CREATE INDEX CONCURRENTLY i ON seed (id);",
    "dropped concurrently and more": "CREATE TABLE a (); DROP INDEX CONCURRENTLY seed_index;",
    "rebuilt concurrently and more": "CREATE TABLE a (); REINDEX INDEX CONCURRENTLY seed_index;",
    "vacuum and more": "CREATE TABLE a (); VACUUM seed;",
    "an enum value that is used": "CREATE TABLE a (); ALTER TYPE mood ADD VALUE 'x'; INSERT INTO moods VALUES ('x');",
}
PIECES = (
    "CREATE TABLE t{n} ();",
    "INSERT INTO seed VALUES ({n}, {n});",
    "BEGIN;",
    "COMMIT;",
    "ROLLBACK;",
    "SAVEPOINT s;",
    "ROLLBACK TO SAVEPOINT s;",
    "START TRANSACTION READ WRITE;",
    "END;",
    "ABORT;",
    "-- COMMIT;\n",
    "SELECT 'BEGIN; COMMIT;';",
    "DO $$ BEGIN CREATE TABLE t{n} (); END $$;",
    "DO $body$ BEGIN INSERT INTO seed VALUES ({n}, {n}); COMMIT; END $body$;",
    "CALL committing({n});",
)
SEED = """
    CREATE TABLE seed (id int, same int DEFAULT 1); INSERT INTO seed (id) VALUES (1), (2), (3);
    CREATE INDEX seed_index ON seed (id);
    CREATE TYPE mood AS ENUM ('old'); CREATE TABLE moods (m mood);
    CREATE PROCEDURE committing(n int) LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seed VALUES (n, n); COMMIT; END $$;
"""
STATE = """
    SELECT (SELECT array_agg(relname::text ORDER BY relname) FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relname <> '_prisma_migrations'
              AND relname <> '_prisma_migrations_pkey'),
           (SELECT array_agg(proname::text ORDER BY proname) FROM pg_proc WHERE pronamespace = 'public'::regnamespace),
           (SELECT array_agg(enumlabel::text ORDER BY enumlabel) FROM pg_enum),
           (SELECT array_agg(id ORDER BY id) FROM seed)"""


@pytest.fixture(scope="session")
def seeds() -> dict[int, str]:
    """Databases on which Prisma has deployed the seed, by the server's major version."""
    return {}


@pytest.fixture
def seeded(seeds: dict[int, str], server: Server, prisma: Prisma, folder: Path) -> str:
    """The one on this server: Prisma takes seconds, a copy of what it has left does not."""
    if server.major not in seeds:
        database = PostgresDatabase(parse_database_url(server.url(server.create(for_others=True))))
        assert prisma.deploy(database, folder).exit_code == 0
        seeds[server.major] = database.target.database
    return seeds[server.major]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "m", **{"20240101000000_seed": SEED})


def stays(session: PostgresSession, script: str) -> tuple[bool, bool]:
    """Whether a script sent as one message failed, and whether it changed anything all the same."""
    before = session.rows(STATE)
    failed = False
    try:
        session.script(script)
    except LocktenderError:
        failed = True
    session.script("ROLLBACK")
    return failed, session.rows(STATE) != before


@pytest.mark.parametrize("what", STAYS)
def test_what_can_stay_is_never_called_atomic(server: Server, what: str) -> None:
    with server.owned().session() as session:
        session.script(SEED)
        assert stays(session, STAYS[what]) == (True, True)
    verdict = read_script("m", STAYS[what]).verdict
    assert not verdict.atomic
    assert verdict.reason


@pytest.mark.parametrize("what", VANISHES)
def test_what_always_vanishes_is_called_atomic(server: Server, what: str) -> None:
    with server.owned().session() as session:
        session.script(SEED)
        assert stays(session, VANISHES[what]) == (True, False)
    verdict = read_script("m", VANISHES[what]).verdict
    assert verdict.atomic, verdict.reason


@pytest.mark.parametrize("what", REFUSED_IN_ONE_MESSAGE)
def test_what_one_message_cannot_do_is_not_called_atomic(server: Server, what: str) -> None:
    with server.owned().session() as session:
        session.script(SEED)
        assert stays(session, REFUSED_IN_ONE_MESSAGE[what]) == (True, False)
    assert not read_script("m", REFUSED_IN_ONE_MESSAGE[what]).verdict.atomic


def test_random_files_called_atomic_never_leave_anything_behind(server: Server) -> None:
    """Files put together at random that fail somewhere: whatever stayed, the verdict had said so."""
    chance = random.Random(20240229)
    counted = {"stayed": 0, "vanished": 0, "called atomic": 0}
    with server.owned().session() as session:
        session.script(SEED)
        for number in range(600):
            pieces = [*chance.choices(PIECES, k=chance.randint(0, 5)), FAIL]
            if chance.random() < 0.3:
                pieces.insert(chance.randrange(len(pieces)), "COMMIT;")
            if chance.random() < 0.3:
                pieces = ["BEGIN;", *pieces, "COMMIT;"]
            script = " ".join(piece.format(n=f"{number}0{index}") for index, piece in enumerate(pieces))
            failed, stayed = stays(session, script)
            if not failed:
                continue
            atomic = read_script("m", script).verdict.atomic
            counted["stayed" if stayed else "vanished"] += 1
            counted["called atomic"] += atomic
            assert not (atomic and stayed), script
    assert counted["stayed"] > 30, counted
    assert counted["called atomic"] > 50, counted


@pytest.mark.prisma
@pytest.mark.parametrize("what", [*STAYS, *VANISHES])
def test_the_real_prisma_leaves_the_same(
    subject_of: SubjectOf, prisma: Prisma, folder: Path, seeded: str, what: str
) -> None:
    """And our own deploy of the same file leaves nothing behind, or says what brings the old state back."""
    script = (STAYS | VANISHES)[what]
    ours, theirs = subject_of(folder, template=seeded), subject_of(folder, template=seeded)
    write(folder, **{"20240102000000_tried": script})
    before = theirs.rows(STATE)
    assert prisma.deploy(theirs.database, folder).exit_code == 1
    assert (theirs.rows(STATE) != before) is (what in STAYS)

    history, dumped = ours.history(), ours.schema()
    ours = ours.with_settings(preflight='{mode = "off"}')  # what fails for existing rows would not begin
    ran = ours.project.run("deploy")
    if what in STAYS and ran.exit_code == 4:
        hinted = ["rollback", "--run", ran.result["run_id"], "--accept-data-loss", "--yes"]
        assert " ".join(hinted) in ran.error["hint"], ran.said
        back = ours.project.run(*hinted)
        assert back.exit_code == 0, back.said
    else:
        assert ran.exit_code == 3, ran.said
        assert "P3018" in ran.stdout
    assert ours.rows(STATE) == before
    assert ours.history() == history
    assert ours.schema() == dumped
