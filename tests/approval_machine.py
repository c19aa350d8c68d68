"""Everything that people, time, crashes and attackers do to requests, in any order; and books of what may happen then.

The machine keeps its books from what it did, not from what the ledger says. An effect (a request that begins) is right
only if by these books enough other people have agreed to exactly that, in time, and it has not begun before.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule
from msgspec.structs import replace

from operations.adapters.ledger import PostgresLedger
from operations.approvals import deciding
from operations.approvals.asking import Door, amend, ask, cancel, freeze, unfreeze, vote
from operations.approvals.audit import unrecorded, verify
from operations.approvals.model import Account, Event, Outcome, Proposal, State
from operations.approvals.people import Directory
from operations.errors import NotFound, Refused
from operations.executing import changed
from operations.secret import Secret
from operations.settings import Approval, Environment
from operations.settings import Person as Named

HUMANS = {"UADA": "ada", "UADA2": "ada", "UBOB": "bob", "UCY": "cy", "UEVE": "eve"}
DIRECTORY = Directory(
    tuple(Named(n, slack=tuple(u for u, h in HUMANS.items() if h == n)) for n in ("ada", "bob", "cy", "eve"))
)
ACCOUNTS = st.sampled_from(sorted(HUMANS))
LISTS = st.sets(st.sampled_from(["ada", "bob", "cy"]), min_size=2)
MEANWHILE = ("nothing", "nothing", "nothing", "a freeze", "a policy", "the world", "time", "second thoughts")
NUMBERS = itertools.count()


@dataclass
class Book:
    """What is known of one request without asking the ledger. ``policy``: as it was asked for."""

    human: str
    policy: tuple[frozenset[str], int]
    plan: str | None = None
    version: int = 1
    agreed: set[str] = field(default_factory=set)
    over: bool = False
    """Denied, taken back, or expired."""
    begun: int = 0


class Machine(RuleBasedStateMachine):
    """One environment per run; ``ledger`` is set by who runs it."""

    ledger: PostgresLedger
    steps = 0
    effects = 0
    requests = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.name = f"e{next(NUMBERS)}-{id(self)}"
        self.approvers: frozenset[str] = frozenset({"ada", "bob", "cy"})
        self.required = 1
        self.reality = "plan 0"
        self.frozen = False
        self.books: dict[str, Book] = {}
        self.running: dict[str, int] = {}

    @property
    def environment(self) -> Environment:
        approval = Approval(approvers=tuple(sorted(self.approvers)), required=self.required, reason=False)
        return Environment(self.name, Secret("x"), "/m", "/b", approvals={"restore": approval}, requests_per_hour=10**6)

    @property
    def door(self) -> Door:
        return Door(self.ledger, self.environment, DIRECTORY)

    def proposal(self, arguments: Any) -> Proposal:
        version = self.door.rules("restore").policy.version
        return Proposal("restore", self.name, arguments, version, "shop", "db:5432", "7", plan=self.reality)

    def tried(self, act: Callable[[], Any]) -> Any:
        type(self).steps += 1
        try:
            return act()
        except (Refused, NotFound):
            return None

    @rule(target=requests, who=ACCOUNTS)
    def somebody_asks(self, who: str) -> Any:
        made = self.tried(lambda: ask(self.door, Account("slack", who), "restore", {"backup": "1"}))
        if made is None:
            return multiple()
        self.books[made.id] = Book(HUMANS[who], (self.approvers, self.required))
        return made.id

    @initialize(required=st.integers(1, 2))
    def with_a_policy(self, required: int) -> None:
        self.required = required

    @rule(target=requests, who=ACCOUNTS, meanwhile=st.sampled_from(MEANWHILE), then=st.booleans())
    def somebody_asks_and_all_agree(self, who: str, meanwhile: str, then: bool) -> Any:
        """The way it should go, up to where it may begin, or further; or something comes in between."""
        for lifts in ("UBOB", "UCY"):
            self.somebody_lifts_the_freeze(lifts)
        id = self.somebody_asks(who)
        if not isinstance(id, str):
            return multiple()
        self.a_worker_plans_it(id)
        for account in ("UADA2", "UBOB", "UCY"):
            self.somebody_clicks(id, account, agrees=True, old=False)
        happens = {
            "a freeze": lambda: self.somebody_freezes_it("UBOB"),
            "a policy": lambda: self.the_policy_is_changed({"ada", "bob", "cy"} - {"ada"}, self.required),
            "the world": lambda: self.the_world_changes((int(self.reality[-1]) + 1) % 10),
            "time": lambda: self.its_time_runs_out(id),
            "second thoughts": lambda: self.somebody_takes_it_back(id, who),
        }
        if meanwhile in happens:
            happens[meanwhile]()
        if then:
            self.a_job_for_it_arrives(id)
        return id

    @rule(id=requests)
    def a_worker_plans_it(self, id: str) -> None:
        request = self.ledger.request(id)
        if request.state != State.PLANNING:
            return
        proposal = replace(self.proposal(request.arguments), policy=request.policy.version)
        self.tried(lambda: self.ledger.change(id, lambda r, _: deciding.planned_as(r, request.version, proposal)))
        self.books[id].plan = self.reality

    @rule(id=requests, who=ACCOUNTS, agrees=st.sampled_from([True, True, True, False]), old=st.booleans())
    def somebody_clicks(self, id: str, who: str, agrees: bool, old: bool) -> None:
        book = self.books[id]
        version = book.version - 1 if old else book.version
        done = self.tried(lambda: vote(self.door, id, version, Account("slack", who), agrees))
        if done is None:
            return
        assert not old
        assert HUMANS[who] != book.human
        assert done.state == State.VOIDED or HUMANS[who] in self.approvers
        if done.state == State.VOIDED or not agrees:
            book.over = True
        else:
            assert HUMANS[who] not in book.agreed, "counted twice"
            book.agreed.add(HUMANS[who])

    @rule(id=requests, who=ACCOUNTS)
    def somebody_takes_it_back(self, id: str, who: str) -> None:
        if self.tried(lambda: cancel(self.door, id, Account("slack", who))):
            assert HUMANS[who] == self.books[id].human
            self.books[id].over = True

    @rule(id=requests, who=ACCOUNTS)
    def somebody_changes_it(self, id: str, who: str) -> None:
        book = self.books[id]
        done = self.tried(lambda: amend(self.door, id, book.version, Account("slack", who), {"backup": "2"}, ""))
        if done:
            assert HUMANS[who] == book.human
            book.version, book.plan, book.agreed = done.version, None, set()

    @rule(id=requests)
    def its_time_runs_out(self, id: str) -> None:
        with self.ledger._transaction() as connection:
            connection.execute(
                "UPDATE requests SET expires_at = clock_timestamp() - interval '1 second' WHERE id = %s", (id,)
            )
        type(self).steps += 1
        if not self.books[id].begun:
            self.books[id].over = True

    @rule()
    def it_is_swept(self) -> None:
        type(self).steps += 1
        self.ledger.sweep(lost_after=3600.0)

    @rule(approvers=LISTS, required=st.integers(1, 2))
    def the_policy_is_changed(self, approvers: set[str], required: int) -> None:
        type(self).steps += 1
        self.approvers, self.required = frozenset(approvers), required

    @rule(number=st.integers(0, 9))
    def the_world_changes(self, number: int) -> None:
        type(self).steps += 1
        self.reality = f"plan {number}"

    @rule(who=ACCOUNTS)
    def somebody_freezes_it(self, who: str) -> None:
        type(self).steps += 1
        freeze(self.door, Account("slack", who), "a freeze")
        self.frozen = True

    @rule(who=ACCOUNTS)
    def somebody_lifts_the_freeze(self, who: str) -> None:
        if self.tried(lambda: unfreeze(self.door, Account("slack", who))):
            self.frozen = False

    @rule(id=requests)
    def the_same_job_arrives_twice(self, id: str) -> None:
        for _ in range(2):
            self.a_job_for_it_arrives(id)

    @rule(id=requests)
    def a_job_for_it_arrives(self, id: str) -> None:
        """Also one that nobody has queued, twice, or for a request that is long over."""
        type(self).steps += 1
        request = self.ledger.request(id)
        now = self.proposal(request.proposal.arguments if request.proposal else request.arguments)
        recorded = unrecorded(request, self.ledger.audit(request_id=id))
        rules = self.door.rules("restore")
        begun = changed(self.ledger, request, lambda r, s: deciding.started(r, s, now, rules, recorded))
        if begun is None or begun.state != State.RUNNING:
            self.books[id].over |= begun is not None
            return
        self.effect(id)
        assert begun.token is not None
        self.running[id] = begun.token

    def effect(self, id: str) -> None:
        book = self.books[id]
        type(self).effects += 1
        book.begun += 1
        assert book.begun == 1, "it began twice"
        assert not book.over, "it was over"
        assert not self.frozen, "frozen"
        assert book.plan == self.reality, "the plan is another one"
        assert book.policy == (self.approvers, self.required), "the policy is another one"
        assert len((book.agreed & self.approvers) - {book.human}) >= self.required, "not enough have agreed"

    @rule(id=requests, well=st.booleans(), stolen=st.booleans())
    def its_run_ends(self, id: str, well: bool, stolen: bool) -> None:
        token = self.running.get(id, 0) + (10**6 if stolen else 0)
        event = Event.DONE if well else Event.FAILED
        done = self.tried(lambda: self.ledger.change(id, lambda *_: deciding.ended(event, token, Outcome("ended"))))
        if done:
            assert id in self.running
            assert not stolen
            del self.running[id]

    @rule(id=requests)
    def its_worker_dies(self, id: str) -> None:
        type(self).steps += 1
        with self.ledger._transaction() as connection:
            connection.execute("UPDATE requests SET beat_at = beat_at - interval '2 hours' WHERE id = %s", (id,))
        lost = self.ledger.sweep(lost_after=3600.0).lost
        assert (id in lost) <= (id in self.running)

    @rule(id=requests)
    def its_job_gets_lost(self, id: str) -> None:
        type(self).steps += 1
        with self.ledger._transaction() as connection:
            connection.execute("DELETE FROM procrastinate_jobs WHERE args ->> 'request_id' = %s", (id,))
        self.ledger.sweep()

    @invariant()
    def what_has_not_begun_is_not_running(self) -> None:
        for request in self.ledger.open_requests(self.name):
            assert (request.state == State.RUNNING) <= (self.books[request.id].begun == 1)

    def teardown(self) -> None:
        assert verify(self.ledger).problems == ()
