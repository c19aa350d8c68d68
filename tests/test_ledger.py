"""The ledger in a real PostgreSQL: one commit or nothing, one word a person, one job, whoever comes first."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from operations.adapters.ledger import PostgresLedger
from operations.approvals.audit import verify
from operations.approvals.change import Change
from operations.approvals.deciding import amended, ended, expire, planned, voted
from operations.approvals.model import Event, Freeze, Outcome, Person, Request, State, Vote
from operations.errors import DatabaseUnreachable, RateLimited, RequestChanged
from operations.secret import Secret

from .conftest import Server
from .documents.snippets import Snippet
from .ledgers import ADA, BOB, CY, environment, new, opened, proposal, rules

PATIENCE = 120.0


@pytest.fixture
def url(ledger_url: Secret) -> Secret:
    return ledger_url


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
    assert [name for name, _ in jobs(url)].count("locktender.execute") == 5


def shifted(ledger: PostgresLedger, request: Request, seconds: float) -> None:
    """Let it expire so many seconds from now, by the database's clock."""
    with ledger._transaction() as connection:
        connection.execute(
            "UPDATE requests SET expires_at = clock_timestamp() + make_interval(secs => %s) WHERE id = %s",
            (seconds, request.id),
        )


@pytest.mark.parametrize("stage", ["pending", "approved"])
def test_a_second_after_its_expiry_nothing_happens_to_a_request_any_more(ledger: PostgresLedger, stage: str) -> None:
    made = ledger.create(new(environment()))
    if stage == "approved":
        made = vote(ledger, made, BOB)
    shifted(ledger, made, -1)
    with pytest.raises(RequestChanged, match="expired"):
        if stage == "approved":
            ledger.change(made.id, lambda *_: Change((Event.STARTED,)))
        else:
            vote(ledger, made, BOB)
    assert ledger.request(made.id).state == State(stage)
    assert ledger.sweep().expired == (made.id,)
    ended = ledger.request(made.id)
    assert (ended.state, ended.votes == made.votes) == (State.EXPIRED, True)
    assert ledger.sweep().expired == ()


def test_a_moment_before_its_expiry_it_still_counts(ledger: PostgresLedger) -> None:
    # A minute, where the moment is a second: a slow machine must not make it expire under the test.
    made = ledger.create(new(environment()))
    shifted(ledger, made, 60)
    assert ledger.sweep().expired == ()
    with pytest.raises(RequestChanged, match="no reason to end"):
        ledger.change(made.id, expire)
    approved = vote(ledger, made, BOB)
    assert approved.state == State.APPROVED
    assert approved.expires_at > ledger.now() + 60  # counted anew from the approval


def test_the_clock_of_who_clicks_does_not_count(ledger: PostgresLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    made = ledger.create(new(environment()))
    monkeypatch.setattr("time.time", lambda: 0.0)
    shifted(ledger, made, -1)
    with pytest.raises(RequestChanged, match="expired"):
        vote(ledger, made, BOB)


def test_a_start_happens_once_and_only_who_holds_its_token_ends_it(ledger: PostgresLedger) -> None:
    made = vote(ledger, ledger.create(new(environment())), BOB)

    def start(_: int) -> Request | None:
        try:
            return ledger.change(made.id, lambda *_: Change((Event.STARTED,)))
        except RequestChanged:
            return None

    with ThreadPoolExecutor(8) as pool:
        begun = [request for request in pool.map(start, range(8)) if request]
    assert len(begun) == 1
    token = begun[0].token or 0
    with pytest.raises(RequestChanged, match="given up"):
        ledger.change(made.id, lambda *_: ended(Event.DONE, token + 1, Outcome("no")))
    assert ledger.beat(made.id, token, "dumping")
    assert not ledger.beat(made.id, token + 1)
    assert ledger.request(made.id).progress == "dumping"
    assert ledger.change(made.id, lambda *_: ended(Event.DONE, token, Outcome("yes"))).state == State.DONE
    assert not ledger.beat(made.id, token)
    assert ledger.typical_seconds("production", "restore") is not None


def test_a_run_without_a_sign_of_life_needs_attention_and_is_not_queued_again(
    ledger: PostgresLedger, url: Secret
) -> None:
    made = vote(ledger, ledger.create(new(environment())), BOB)
    begun = ledger.change(made.id, lambda *_: Change((Event.STARTED,)))
    with ledger._transaction() as connection:
        connection.execute("UPDATE procrastinate_jobs SET status = 'doing'")  # of a worker that has gone
    assert ledger.sweep(lost_after=3600).lost == ()
    assert [name for name, _ in jobs(url)] == ["locktender.execute"]  # keeps the next one of this environment away
    with ledger._transaction() as connection:
        connection.execute("UPDATE requests SET beat_at = beat_at - interval '2 hours'")
        connection.execute("DELETE FROM procrastinate_jobs")
    assert ledger.sweep(lost_after=3600).lost == (made.id,)
    lost = ledger.request(made.id)
    assert (lost.state, lost.outcome and lost.outcome.error) == (State.NEEDS_ATTENTION, "lost")
    assert [name for name, _ in jobs(url)] == ["locktender.look"]
    # Who ran it was alive after all, and the truth is known.
    assert ledger.change(made.id, lambda *_: ended(Event.DONE, begun.token or 0, Outcome("yes"))).state == State.DONE


def test_a_job_that_is_lost_before_it_began_is_queued_again(ledger: PostgresLedger, url: Secret) -> None:
    made = vote(ledger, ledger.create(new(environment())), BOB)
    assert ledger.sweep().requeued == ()
    with ledger._transaction() as connection:
        connection.execute("UPDATE procrastinate_jobs SET status = 'doing'")  # and no worker has it
    assert ledger.sweep().requeued == (made.id,)
    assert [name for name, _ in jobs(url)] == ["locktender.execute"]


def test_of_an_environment_one_is_executed_at_a_time_and_of_another_one_meanwhile(ledger: PostgresLedger) -> None:
    guard, staging, at_work, most = threading.Lock(), threading.Event(), Counter[str](), Counter[str]()
    names = {}
    for name in ("production", "production", "production", "staging"):
        asked = environment(name=name)
        made = ledger.create(new(asked))
        names[made.id] = name
        ledger.change(made.id, lambda r, _, asked=asked: voted(r, 1, Vote(BOB, True, "", 0.0), rules(asked)))

    def handle(id: str) -> None:
        name = names[id]
        with guard:
            at_work[name] += 1
            most[name] = max(most[name], at_work[name])
        if name == "staging":
            staging.set()
        assert staging.wait(PATIENCE), "nobody waits behind another environment"
        with guard:
            at_work[name] -= 1
            names.pop(id)

    while names:
        ledger.worker({"plan": print, "check": print, "execute": handle, "look": print}, 4).run(wait=False)
    assert most == {"production": 1, "staging": 1}


def test_asking_twice_with_the_same_id_is_asking_once(ledger: PostgresLedger) -> None:
    first = ledger.create(new(environment(), id="the-same"))
    assert ledger.create(new(environment(), id="the-same")) == first
    assert len(ledger.history()) == 1


def test_who_asks_for_too_much_in_an_hour_is_stopped(ledger: PostgresLedger) -> None:
    for _ in range(3):
        ledger.create(new(environment()), per_hour=3)
    with pytest.raises(RateLimited):
        ledger.create(new(environment()), per_hour=3)
    ledger.create(new(environment(), requester=BOB), per_hour=3)
    assert len(ledger.history()) == 4


def test_a_signature_is_seen_for_the_first_time_once(ledger: PostgresLedger) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(lambda _: ledger.first_seen("ab"), range(8))) == [False] * 7 + [True]
    ledger.sweep()
    assert not ledger.first_seen("ab")
    with ledger._transaction() as connection:
        connection.execute("UPDATE signatures SET seen_at = seen_at - interval '16 minutes'")
    ledger.sweep()
    assert ledger.first_seen("ab")


def test_an_amended_request_is_planned_anew_and_its_votes_are_void(ledger: PostgresLedger, url: Secret) -> None:
    two = environment(2)
    made = vote(ledger, ledger.create(new(two)), BOB, required=2)
    changed = ledger.change(
        made.id, lambda request, _: amended(request, 1, ADA, {"backup": "B2"}, "another", rules(two))
    )
    assert (changed.state, changed.version, changed.votes) == (State.PLANNING, 2, ())
    assert (changed.proposal, changed.digest, changed.reason) == (None, None, "another")
    assert [name for name, _ in jobs(url)] == ["locktender.check", "locktender.plan"]
    planned_anew = ledger.change(made.id, lambda request, _: planned(request, proposal(two)))
    with pytest.raises(RequestChanged, match="changed since"):
        vote(ledger, made, CY, required=2)
    assert vote(ledger, planned_anew, BOB, required=2).state == State.PENDING


def test_a_message_is_stale_until_it_shows_the_latest_and_one_process_gets_it(ledger: PostgresLedger) -> None:
    made = ledger.create(new(environment(), messages=(("card", "C1"), ("dm", "UBOB"))))
    card, dm = ledger.stale_messages()
    assert (card.kind, card.channel, card.ts, card.shown, card.wanted) == ("card", "C1", None, 0, made.revision)
    assert ledger.stale_messages() == ()
    ledger.message_shown(card.id, "1.1", card.wanted)
    assert ledger.stale_messages() == ()
    vote(ledger, made, BOB)
    (again,) = ledger.stale_messages()
    assert (again.id, again.ts) == (card.id, "1.1")
    ledger.message_shown(card.id, "1.1", again.wanted - 1)  # an older one comes late
    assert ledger.stale_messages(lease=0.0)[0].id == card.id
    ledger.message_shown(card.id, None, 0)  # it is gone in Slack
    (gone,) = ledger.stale_messages()
    assert (gone.ts, gone.shown) == (None, 0)
    assert dm.id in {message.id for message in ledger.messages(made.id)}


def test_a_freeze_stands_until_it_ends_or_is_lifted(ledger: PostgresLedger) -> None:
    assert ledger.frozen("production") is None
    ledger.freeze(Freeze("production", ADA, "launch", 0.0, until=ledger.now() + 3600))
    ledger.freeze(Freeze("production", BOB, "longer", 0.0))
    standing = ledger.frozen("production")
    assert standing
    assert (standing.by, standing.reason, standing.until) == (BOB, "longer", None)
    assert ledger.frozen("staging") is None
    assert ledger.unfreeze("production", BOB, "over") == standing
    assert ledger.unfreeze("production", BOB, "over") is None
    ledger.freeze(Freeze("production", ADA, "past", 0.0, until=ledger.now() - 1))
    assert ledger.frozen("production") is None
    assert verify(ledger).intact


def test_many_processes_that_start_together_make_the_tables_once(server18: Server) -> None:
    url = server18.url(server18.create())

    def start(_: int) -> str:
        with opened(url) as ledger:
            return ledger.create(new(environment())).id

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(start, range(6)))) == 6
    with opened(url) as ledger:
        assert len(ledger.history()) == 6
        assert verify(ledger).entries == 12


def test_what_people_type_cannot_break_it(ledger: PostgresLedger) -> None:
    made = ledger.create(new(environment(), reason="nul \0, half a \ud800, 'quoted' -- ; %s {} \n <!channel>"))
    assert made.reason == "nul , half a ?, 'quoted' -- ; %s {} \n <!channel>"
    assert verify(ledger).intact


def test_a_ledger_that_does_not_answer_says_so_without_its_password() -> None:
    with pytest.raises(DatabaseUnreachable) as caught, opened(Secret("postgresql://u:s3cret@127.0.0.1:9/d")):
        pass
    assert "s3cret" not in str(caught.value)


def tampered(ledger: PostgresLedger, statement: str) -> tuple[str, ...]:
    """What an owner of the database can do, who first takes the guard away."""
    with ledger._transaction() as connection:
        connection.execute("ALTER TABLE audit DISABLE TRIGGER keep")
        connection.execute(statement.encode())
        connection.execute("ALTER TABLE audit ENABLE TRIGGER keep")
    found = verify(ledger)
    assert not found.intact
    return found.problems


FORGED = """UPDATE audit SET body = replace(body, 'bob', 'cy'),
    hash = encode(sha256(convert_to(concat_ws(E'\\n', previous, seq, at, replace(body, 'bob', 'cy')), 'UTF8')), 'hex')
    WHERE seq = 3"""
TAMPERINGS = {
    "update": ("UPDATE audit SET body = replace(body, 'bob', 'cy') WHERE seq = 3", "entry 3 was changed"),
    "update with its hash": (FORGED, "entry 4 does not follow"),
    "delete": ("DELETE FROM audit WHERE seq = 3", "entry 3 is missing"),
    "reorder": (
        "UPDATE audit a SET body = b.body FROM audit b WHERE (a.seq, b.seq) IN ((2, 3), (3, 2))",
        "entry 2 was changed",
    ),
    "cut off": ("DELETE FROM audit WHERE seq >= 6", "and the log says pending"),
    "a request": ("UPDATE requests SET state = 'done' WHERE state = 'pending'", "is done, and the log says pending"),
}


@pytest.mark.parametrize("how", TAMPERINGS)
def test_tampering_with_the_log_is_found(ledger: PostgresLedger, how: str) -> None:
    for _ in range(2):
        vote(ledger, ledger.create(new(environment())), BOB)
    ledger.create(new(environment()))
    assert verify(ledger).intact
    statement, said = TAMPERINGS[how]
    assert any(said in problem for problem in tampered(ledger, statement))


def test_a_log_cut_off_at_the_end_or_written_anew_is_found_by_a_head_kept_elsewhere(ledger: PostgresLedger) -> None:
    for _ in range(3):
        ledger.note("refused", BOB, what="approve")
    head = verify(ledger).head
    assert verify(ledger, head).intact
    with ledger._transaction() as connection:
        connection.execute("ALTER TABLE audit DISABLE TRIGGER keep")
        connection.execute("DELETE FROM audit WHERE seq = 3")
    assert verify(ledger).intact
    assert verify(ledger, head).problems == ("the log ends with entry 2, and entry 3 was there: cut off",)
    ledger.note("refused", CY, what="approve")
    assert "written anew" in verify(ledger, head).problems[0]


def test_the_role_of_the_documents_can_work_and_cannot_rewrite_the_log(
    server18: Server, documented: list[Snippet]
) -> None:
    name = server18.create()
    with opened(server18.url(name)):
        pass
    with server18.superuser(name).session() as session:
        session.script("DROP ROLE IF EXISTS locktender_bot")
        for block in documented:
            session.script(block.text.replace("a long password", "pw"))
    with opened(server18.url(name, "locktender_bot", Secret("pw"))) as ledger:
        vote(ledger, ledger.create(new(environment(), messages=(("card", "C1"),))), BOB)
        assert ledger.first_seen("ab")
        ledger.sweep()
        ledger.freeze(Freeze("production", ADA, "launch", 0.0))
        ledger.unfreeze("production", ADA, "over")
        ledger.worker({"plan": print, "check": print, "execute": print, "look": print}).run(wait=False)
        assert verify(ledger).intact
        for statement in ("UPDATE audit SET body = ''", "DELETE FROM audit", "TRUNCATE audit"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), ledger._transaction() as connection:
                connection.execute(statement.encode())
    with server18.superuser(name).session() as session:
        session.script("DROP OWNED BY locktender_bot; DROP ROLE locktender_bot")
    refused = pytest.raises(psycopg.errors.RaiseException, match="only added to")
    with opened(server18.url(name)) as owner, refused, owner._transaction() as connection:
        connection.execute("DELETE FROM audit")
