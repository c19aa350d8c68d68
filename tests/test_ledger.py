"""The ledger in a real PostgreSQL: one commit or nothing, one word a person, one job, whoever comes first."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from operations.adapters.ledger import PostgresLedger
from operations.approvals.deciding import voted
from operations.approvals.model import Person, Request, State, Vote
from operations.errors import RequestChanged
from operations.secret import Secret

from .conftest import Server
from .ledgers import BOB, CY, environment, new, opened, rules


@pytest.fixture
def url(server18: Server) -> Secret:
    return server18.url(server18.create())


@pytest.fixture
def ledger(url: Secret) -> Iterator[PostgresLedger]:
    with opened(url) as made:
        yield made


def vote(ledger: PostgresLedger, request: Request, person: Person, agrees: bool = True, required: int = 1) -> Request:
    word = Vote(person, agrees, "", 0.0)
    return ledger.change(request.id, lambda r, _: voted(r, request.version, word, rules(environment(required))))


def jobs(url: Secret) -> list[tuple[str, str]]:
    from operations.adapters.postgres import PostgresDatabase
    from operations.database_url import parse_database_url

    with PostgresDatabase(parse_database_url(url)).session() as session:
        return session.rows("SELECT task_name, args::text FROM locktender.procrastinate_jobs ORDER BY id")


def test_a_request_is_pending_with_its_digest(ledger: PostgresLedger) -> None:
    made = ledger.create(new(environment()))
    assert (made.state, made.version, made.digest is not None) == (State.PENDING, 1, True)
    assert ledger.request(made.id) == made
    assert ledger.open_requests("production") == (made,)


def test_an_approval_makes_one_job_that_holds_only_the_id(ledger: PostgresLedger, url: Secret) -> None:
    made = ledger.create(new(environment()))
    approved = vote(ledger, made, BOB)
    assert approved.state == State.APPROVED
    assert jobs(url) == [("locktender.execute", f'{{"request_id": "{made.id}"}}')]


def test_fifty_approvals_at_once_make_one_job(ledger: PostgresLedger, url: Secret) -> None:
    made = ledger.create(new(environment()))

    def click(number: int) -> str:
        try:
            return str(vote(ledger, made, (BOB, CY)[number % 2]).state)
        except RequestChanged as error:
            return error.code

    with ThreadPoolExecutor(50) as pool:
        said = list(pool.map(click, range(50)))
    assert (said.count("approved"), said.count("request_changed")) == (1, 49)
    assert len(jobs(url)) == 1
    assert len(ledger.request(made.id).votes) == 1


def test_two_of_two_at_the_same_moment_are_enough(ledger: PostgresLedger, url: Secret) -> None:
    for _ in range(5):
        made = ledger.create(new(environment(2)))
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda person, made=made: vote(ledger, made, person, required=2), (BOB, CY)))
        assert ledger.request(made.id).state == State.APPROVED
    assert len(jobs(url)) == 5
