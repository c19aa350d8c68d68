"""How quickly the bot answers Slack while its ledger's database is slow, and whether anything is lost."""

from __future__ import annotations

import http.client
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count

from operations.adapters.throwaway import embedded_binaries
from operations.approvals.change import NewRequest
from operations.approvals.model import Account, Person, Proposal
from operations.approvals.people import Directory
from operations.approvals.policy import policy_of
from operations.secret import Secret
from operations.settings_file import load_shape
from tests.slack.stage import BOB, Stage, staged
from tests.slack.standin import Posted

from .measure import BenchmarkFailed
from .report import Goal, Section
from .servers import Server, running
from .settings import Scope
from .slow_line import SlowLine

PER_SECOND, SECONDS, SHORT = 50, 60, 8
DELAY = 0.1
GOAL = 1.0
GIVES_UP = 3.0
"""Seconds after which Slack tells the person that it failed."""
PEOPLE = 200
"""So many ask, or the limit of requests per hour and person would be reached."""


@dataclass(frozen=True)
class Sent:
    """One request: what it was, how long its answer took, and what that was."""

    kind: str
    seconds: float
    status: int


def sections(scope: Scope) -> list[Section]:
    """The whole part; the bot is a real process, and so is its ledger's server."""
    seconds = SECONDS if scope.judged else SHORT
    with running("PostgreSQL 18", embedded_binaries()) as server:
        for name in ("ledger", "target"):
            server.create(name)
        line = SlowLine(server.process.port, DELAY)
        try:
            slow = Secret(server.url("ledger").reveal().replace(f":{server.process.port}/", f":{line.port}/"))
            work = scope.work / "ack"
            work.mkdir()
            with staged(work, server.url("target"), server.url("ledger")) as stage:
                stage.bot(LOCKTENDER_LEDGER_URL=slow.reveal(), LOCKTENDER_BOT_THREADS="32")
                kinds = plan(stage, seconds)
                sent = send(kinds)
                lost = lost_of(server, stage, sent)
        finally:
            line.close()
    return [_section(sent, lost, seconds, scope.judged)]


def plan(stage: Stage, seconds: int) -> list[Callable[[], Sent]]:
    """Of ten requests: five looks, three requests of a backup, two approvals."""
    numbers, approvals = count(), iter(approvable(stage, PER_SECOND * seconds // 5))

    def look() -> int:
        return stage.command("status production", f"U{next(numbers) % PEOPLE:04}").status

    def ask() -> int:
        return stage.command("backup production asked", f"U{next(numbers) % PEOPLE:04}").status

    def approve() -> int:
        return stage.press(next(approvals), "approve", BOB).status

    pattern = [look, ask, look, approve, look, ask, look, approve, ask, look]
    return [partial(_timed, work) for work in (pattern * math.ceil(seconds * PER_SECOND / 10))]


def approvable(stage: Stage, number: int) -> list[Posted]:
    """Requests that wait for one approval, and the cards that they would be seen on."""
    settings = load_shape(stage.configuration)
    environment, ada = settings.environments[0], Person("slack:U0ADA", Account("slack", "U0ADA"))
    policy = policy_of(environment, "restore", Directory(settings.people))
    proposal = Proposal("restore", environment.name, {"backup": "b"}, policy.version, "target", "127.0.0.1:5432")
    new = NewRequest(environment.name, "restore", {"backup": "b"}, ada, "a reason", policy, proposal=proposal)
    return [_card(stage.ledger.create(new).id) for _ in range(number)]


def send(work: Sequence[Callable[[], Sent]]) -> list[Sent]:
    """At its own pace, whether answers come or not."""
    began = time.monotonic()
    with ThreadPoolExecutor(200) as senders:
        under_way = []
        for number, one in enumerate(work):
            time.sleep(max(0.0, began + number / PER_SECOND - time.monotonic()))
            under_way.append(senders.submit(one))
        return [one.result() for one in under_way]


def lost_of(server: Server, stage: Stage, sent: Sequence[Sent]) -> int:
    """How much less the ledger and its queue hold than was answered with a yes."""
    with server.superuser("ledger").session() as session:
        ((asks,),) = session.rows(
            "SELECT count(*) FROM locktender.procrastinate_jobs WHERE task_name = 'locktender.ask'"
        )
        ((backups,),) = session.rows("SELECT count(*) FROM locktender.requests WHERE operation = 'backup'")
        ((votes,),) = session.rows("SELECT count(*) FROM locktender.votes")
    held = {"look": asks, "ask": backups, "approve": votes}
    answered = {kind: sum(one.kind == kind and one.status == 200 for one in sent) for kind in held}
    if any(held[kind] > answered[kind] + sum(o.kind == kind and o.status != 200 for o in sent) for kind in held):
        raise BenchmarkFailed(f"the ledger holds more than was asked: {held}, {answered}; {stage.logs()[-2000:]}")
    return sum(max(0, answered[kind] - held[kind]) for kind in held)


def _timed(work: Callable[[], int]) -> Sent:
    began = time.monotonic()
    try:
        status = work()
    except (OSError, http.client.HTTPException):
        status = 0
    return Sent(work.__name__, time.monotonic() - began, status)


def _card(request_id: str) -> Posted:
    button = {"type": "button", "action_id": "approve", "value": f"{request_id}:1"}
    return Posted("C0OPS", "1.1", "", [{"type": "actions", "block_id": "decide", "elements": [button]}])


def _section(sent: Sequence[Sent], lost: int, seconds: int, judged: bool) -> Section:
    p99 = _percentile([one.seconds for one in sent], 99)
    failed = sum(one.status != 200 for one in sent)
    late = sum(one.seconds > GIVES_UP for one in sent)
    measured = f"{p99:.2f} s; {lost} lost, {failed} failed, {late} later than {GIVES_UP:.0f} s"
    met = p99 < GOAL and not lost and not failed if judged else None
    return Section(
        title="Answers to Slack while the ledger is slow",
        words=(
            f"One bot process, {PER_SECOND} signed requests a second for {seconds} s, whether answers come or not; "
            f"every message to the ledger's database takes {DELAY * 1000:.0f} ms longer. Half are looks, 3 of 10 ask "
            "for a backup, "
            "2 of 10 approve. An answer is given after the commit. Load, bot and database share this machine."
        ),
        columns=("request", "number", "median", "99 of 100 within", "longest"),
        rows=list(_rows(sent)),
        goals=[
            Goal(
                f"{PER_SECOND} requests of Slack a second, database at 100 ms",
                "99 % within 1 s, none lost",
                measured,
                met,
            )
        ],
    )


def _rows(sent: Sequence[Sent]) -> Iterator[tuple[str, ...]]:
    for kind, label in (("look", "look"), ("ask", "request"), ("approve", "approval")):
        took = [one.seconds for one in sent if one.kind == kind]
        if took:
            middle = statistics.median(took)
            yield label, str(len(took)), f"{middle:.2f} s", f"{_percentile(took, 99):.2f} s", f"{max(took):.2f} s"


def _percentile(values: Sequence[float], share: int) -> float:
    return sorted(values)[min(len(values) - 1, math.ceil(len(values) * share / 100) - 1)]
