"""The monitor: a week of it with a given clock; webhooks that are down, slow or elsewhere; the program itself."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import signal
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace
from prometheus_client import generate_latest

from operations import monitor
from operations.adapters.http import HttpClient
from operations.adapters.ledger import PostgresLedger
from operations.adapters.metrics import Metrics, Remembered
from operations.adapters.public_addresses import is_public
from operations.adapters.ssh_host import SshHost
from operations.checks.model import Check, Status
from operations.context import Context
from operations.errors import HostUnreachable, LocktenderError, OperationFailed, Refused
from operations.health import NAMES
from operations.lock import held
from operations.monitoring import store
from operations.monitoring.decide import decide, merged
from operations.monitoring.messages import address_key, payload, signature, slack
from operations.monitoring.metrics import NAMES as GAUGES
from operations.monitoring.model import Event, Message, Standing, State
from operations.monitoring.sending import KEPT_FOR, Sender, kept
from operations.secret import Secret
from operations.settings import Alerts
from operations.settings import Server as Machine

from .conftest import Server
from .documents.snippets import Snippet
from .folders import write_migration
from .ledgers import opened
from .locktender_process import Project
from .ports import free_port

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
RULES = Alerts()


# --- what is told: a week, minute by minute ------------------------------------------------------------------------


def week(
    at: Callable[[int], Mapping[str, Status]],
    rules: Alerts = RULES,
    minutes: int = 7 * 24 * 60,
    quiet: Callable[[int, str], bool] = lambda _, __: False,
    blind: Callable[[int], bool] = lambda _: False,
) -> list[tuple[int, str, str, Status]]:
    """What was told: minute, kind, check, status. ``at`` says what a look finds; what it does not name is missing."""
    standing: Mapping[str, Standing] = {}
    told = []
    for minute in range(minutes):
        checks = [Check(name, status, "d") for name, status in at(minute).items()]
        standing, events = decide(
            standing, checks, minute * MINUTE, rules, quiet=partial(quiet, minute), blind=blind(minute)
        )
        if events or minute % 60 == 0:
            assert State.from_bytes(State(0, standing).to_bytes()).standing == standing
        told += [(minute, event.kind, event.check, event.status) for event in events]
    return told


def test_a_week_without_trouble_is_silent() -> None:
    assert week(lambda _: {"disk": "ok", "app": "ok"}) == []


def test_a_trouble_is_told_once_reminded_of_and_told_to_be_over() -> None:
    told = week(lambda minute: {"disk": "fail" if 100 <= minute < 700 else "ok"})
    assert told == [
        (101, "raised", "disk", "fail"),
        (341, "reminder", "disk", "fail"),
        (581, "reminder", "disk", "fail"),
        (702, "recovered", "disk", "ok"),
    ]


def test_a_single_bad_look_is_nothing() -> None:
    assert week(lambda minute: {"app": "fail" if minute % 10 == 0 else "ok"}) == []
    assert [kind for _, kind, *_ in week(lambda m: {"app": "fail" if m == 9 else "ok"}, replace(RULES, after=1))] == [
        "raised",
        "recovered",
    ]


def test_what_flaps_is_one_trouble() -> None:
    told = week(lambda minute: {"app": "fail" if minute < 600 and minute % 2 else "ok"}, replace(RULES, remind=0.0))
    assert told == [(5, "raised", "app", "fail"), (602, "recovered", "app", "ok")]


def test_worse_and_better() -> None:
    def at(minute: int) -> Mapping[str, Status]:
        return {"disk": "warn" if minute < 10 else "fail" if minute < 20 else "warn" if minute < 30 else "ok"}

    assert week(at) == [
        (1, "raised", "disk", "warn"),
        (11, "worsened", "disk", "fail"),
        (22, "eased", "disk", "warn"),
        (32, "recovered", "disk", "ok"),
    ]


def test_only_failures_where_that_is_asked_for() -> None:
    def at(minute: int) -> Mapping[str, Status]:
        return {"disk": "warn" if minute < 10 else "fail" if minute < 20 else "warn"}

    told = week(at, replace(RULES, level="fail"))
    assert [(kind, status) for _, kind, _, status in told] == [("raised", "fail"), ("recovered", "ok")]


def test_troubles_of_one_look_are_one_group_and_reminders_too() -> None:
    told = week(lambda minute: {"a": "fail", "b": "warn" if minute >= 100 else "ok"}, minutes=300)
    assert told == [
        (1, "raised", "a", "fail"),
        (101, "raised", "b", "warn"),
        (241, "reminder", "a", "fail"),
        (241, "reminder", "b", "warn"),
    ]


def test_while_silenced_nothing_is_told_and_afterwards_what_still_stands() -> None:
    told = week(
        lambda minute: {"a": "fail" if minute < 50 else "ok", "b": "fail"},
        replace(RULES, remind=0.0),
        minutes=200,
        quiet=lambda minute, _: minute < 100,
    )
    assert told == [(100, "raised", "b", "fail")]
    told = week(lambda _: {"a": "fail", "b": "fail"}, minutes=30, quiet=lambda _, name: name == "a")
    assert {check for _, _, check, _ in told} == {"b"}


def test_what_was_not_looked_at_has_not_recovered() -> None:
    def at(minute: int) -> Mapping[str, Status]:
        if 60 <= minute < 120:
            return {"server": "fail"}
        return {"server": "ok", "disk": "fail" if minute < 60 else "ok"}

    told = week(at, replace(RULES, remind=0.0), minutes=300, blind=lambda minute: 60 <= minute < 120)
    assert told == [
        (1, "raised", "disk", "fail"),
        (61, "raised", "server", "fail"),
        (122, "recovered", "disk", "ok"),
        (122, "recovered", "server", "ok"),
    ]


def test_a_check_that_is_no_longer_made_recovers() -> None:
    told = week(lambda minute: {"app": "fail"} if minute < 10 else {}, minutes=60)
    assert [(kind, check) for _, kind, check, _ in told] == [("raised", "app"), ("recovered", "app")]


def test_findings_of_several_machines_are_one() -> None:
    found = merged(
        [Check("app", "ok", "1"), Check("app", "fail", "2"), Check("app", "warn", "3"), Check("app", "ok", "4")]
    )
    assert (found["app"].status, found["app"].detail) == ("fail", "2; 3")


def test_what_cannot_be_read_is_forgotten() -> None:
    for torn in (b"", b"[]", b'{"looked_at": 1}', b'{"looked_at": "x", "standing": {}, "trends": {}, "outbox": []}'):
        assert State.from_bytes(torn) == State(lost=True)
    assert State.from_bytes(State(lost=True).to_bytes()) == State(), "it is written over, and known from then on"


# --- messages ------------------------------------------------------------------------------------------------------

EVENT = Event("raised", "disk", "fail", "ok", 1000.0, "<!channel> `full` *now* & \u202ethen", "why", "fix <it>")


def test_a_message_has_the_documented_schema() -> None:
    told = payload("production", "shop on db:5432", [EVENT], 1060.0)
    assert told["events"][0] == {
        "event": "raised",
        "check": "disk",
        "status": "fail",
        "before": "ok",
        "since": "1970-01-01T00:16:40+00:00",
        "seconds": 60.0,
        "detail": EVENT.detail,
        "why": "why",
        "fix": "fix <it>",
    }
    assert {name: told[name] for name in told if name != "events"} == {
        "version": 1,
        "source": "locktender",
        "environment": "production",
        "database": "shop on db:5432",
        "at": "1970-01-01T00:17:40+00:00",
        "status": "fail",
        "summary": "production: disk fail",
        "freeze": None,
    }
    text = (Path(__file__).parents[1] / "docs" / "monitoring.md").read_text()
    for name in (*told, *told["events"][0]):
        assert f"`{name}`" in text, f"{name} is not documented"


def test_slack_sees_no_mention_and_no_formatting_that_came_with_a_text() -> None:
    text = slack("production", "shop", [EVENT] * 25, 1060.0)["text"]
    assert "&lt;!channel&gt; 'full' ∗now∗ &amp; then" in text
    assert "<" not in text
    assert text.endswith("and 5 more")


def test_an_outbox_is_bounded_in_time_and_number() -> None:
    outbox = [Message(str(i), "k", float(i), "{}") for i in range(200)]
    assert [message.id for message in kept(outbox, 199.0)] == [str(i) for i in range(100, 200)]
    assert kept(outbox, KEPT_FOR + 500) == ()


# --- webhooks: real HTTP on loopback -------------------------------------------------------------------------------


@dataclass
class Hook:
    """A webhook; ``answer`` says what it does with the n-th request."""

    answer: Callable[[int], int] = lambda _: 200
    got: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)
    url: str = ""
    release: threading.Event = field(default_factory=threading.Event)


@contextmanager
def hook(answer: Callable[[int], int] = lambda _: 200, location: str = "") -> Iterator[Hook]:
    made = Hook(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            made.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            status = made.answer(len(made.got))
            if status == 0:
                made.release.wait(60)
                return
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *words: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield made
    finally:
        made.release.set()
        server.shutdown()
        server.server_close()
        thread.join()


class Clock:
    """A time that is set; sleeping takes none."""

    def __init__(self, seconds: float = 1_800_000_000.0) -> None:
        self.seconds = seconds

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Back-off is waited for in no time."""


@pytest.fixture
def watched(server18: Server, context_of: Callable[..., Context]) -> Callable[..., Context]:
    """A database whose backup is missing, which is a warning; other checks are left out."""
    url = server18.url(server18.create())

    def make(**alerts: object) -> Context:
        context = context_of(url)
        write_migration(context, "1_init", "SELECT 1;")
        others = tuple(name for name in NAMES if name not in ("backups", "disk"))
        rules = Alerts(**{"internal": True, "after": 1, **alerts})  # type: ignore[arg-type]
        checks = replace(context.environment.checks, ignore=others)
        environment = replace(context.environment, checks=checks, alerts=rules)
        return replace(context, environment=environment, http=HttpClient(), clock=Clock())

    return make


def test_an_alert_reaches_the_webhook_signed_and_once(
    watched: Callable[..., Context], documented: list[Snippet]
) -> None:
    key = Secret("k3y")
    with hook() as one, hook() as beat:
        context = watched(
            webhooks=(Secret(one.url + "/in?x=1"),), signing_key=key, heartbeat=Secret(beat.url + "/beat")
        )
        first, second = monitor.once(context), monitor.once(context)
    assert [(event.kind, event.check, event.status) for event in first.events] == [("raised", "backups", "warn")]
    assert (second.events, second.standing, first.undelivered, first.troubles) == ((), {"backups": "warn"}, 0, ())
    ((path, headers, body),) = one.got
    assert path == "/in?x=1"
    assert json.loads(body)["events"][0]["check"] == "backups"
    stamp, made = (part.split("=")[1] for part in headers["locktender-signature"].split(","))
    assert made == hmac.new(b"k3y", f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["locktender-signature"] == signature(key, body, float(stamp))
    for later, sent, genuine in ((299, body, True), (299, body + b" ", False), (301, body, False)):
        receiver: dict[str, Callable[..., bool]] = {}
        exec(documented[0].text.replace("time.time()", f"({stamp} + {later})"), receiver)
        assert receiver["genuine"](b"k3y", headers["locktender-signature"], sent) == genuine
    assert [path for path, *_ in beat.got] == ["/beat", "/beat"], "also a look with trouble is a sign of life"
    history = list(store.history(context))
    assert [look["bad"] for look in history] == [{"backups": "warn"}] * 2
    assert [event[:3] for event in history[0]["events"]] == [["raised", "backups", "warn"]]


def test_a_webhook_that_is_down_gets_the_alert_later(watched: Callable[..., Context]) -> None:
    with hook(lambda n: 503 if n <= 4 else 200) as one:
        context = watched(webhooks=(Secret(one.url),))
        first = monitor.once(context)
        assert (len(one.got), first.undelivered, first.troubles) == (3, 1, (first.troubles[0],))
        assert "It answered with 503." in first.troubles[0]
        assert "127.0.0.1" not in first.troubles[0], "an address is a secret"
        second = monitor.once(context)
        assert (len(one.got), second.undelivered, second.troubles) == (5, 0, ())
    assert len({headers["locktender-id"] for _, headers, _ in one.got}) == 1, "so that it can be told to be the same"


def test_nobody_there(watched: Callable[..., Context]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found = monitor.once(watched(webhooks=(Secret(f"http://127.0.0.1:{taken.getsockname()[1]}/s3cret"),)))
    assert found.undelivered == 1
    assert "refused" in found.troubles[0]
    assert "s3cret" not in "".join(found.troubles)


def test_one_that_refuses_is_not_asked_again(watched: Callable[..., Context]) -> None:
    with hook(lambda _: 410) as one:
        context = watched(webhooks=(Secret(one.url),))
        assert "It answered with 410." in monitor.once(context).troubles[0]
        assert (monitor.once(context).troubles, len(one.got)) == ((), 1)


def test_a_slow_webhook_holds_up_neither_the_looks_nor_the_others(watched: Callable[..., Context]) -> None:
    with hook(lambda _: 0) as slow, hook() as quick:
        context = watched(webhooks=(Secret(slow.url), Secret(quick.url)))
        watching = monitor.Monitor(context)
        looks = [watching.look() for _ in range(3)]
        assert {len(look.checks) for look in looks} == {2}
        until = time.monotonic() + 60
        while not quick.got:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert len(slow.got) <= 1
        slow.release.set()


def test_a_slow_webhook_holds_up_no_further_alert_and_no_heartbeat(watched: Callable[..., Context]) -> None:
    with hook(lambda _: 0) as slow, hook() as quick, hook() as beat:
        context = watched(webhooks=(Secret(slow.url), Secret(quick.url)), heartbeat=Secret(beat.url))
        sender = Sender(context)
        keys = {url.url: address_key(Secret(url.url)) for url in (slow, quick)}

        def message(name: str) -> tuple[Message, ...]:
            return tuple(Message(f"{name}-{key}", key, time.time(), "{}") for key in keys.values())

        sender.start(message("first"), beat=True)
        wait_for(lambda: slow.got and quick.got and beat.got)
        for key in (keys[quick.url], "heartbeat"):  # until it has its answer, nothing more is begun
            sender._threads[key].join(60)
        sender.start(message("first") + message("second"), beat=True)
        wait_for(lambda: len(quick.got) == 2 and len(beat.got) == 2)
        assert len(slow.got) == 1
        slow.release.set()


def test_when_the_time_is_up_nothing_is_sent_that_nobody_would_know_of(watched: Callable[..., Context]) -> None:
    go = threading.Event()
    with hook(lambda _: 200 if go.wait(60) else 500) as slow, ThreadPoolExecutor(1) as beside:
        context = watched(webhooks=(Secret(slow.url),))
        sender, key = Sender(context), address_key(Secret(slow.url))
        sender.start([Message(name, key, time.time(), "{}") for name in ("first", "second")], beat=False)
        wait_for(lambda: slow.got)
        collected = beside.submit(sender.collect, 0.01)
        wait_for(sender._stopping.is_set)
        go.set()
        assert collected.result(60) == ({"first"}, ())
        assert not any(thread.is_alive() for thread in sender._threads.values())
        assert [headers["locktender-id"] for _, headers, _ in slow.got] == ["first"]


def test_what_is_delivered_at_the_very_end_is_not_sent_again(watched: Callable[..., Context]) -> None:
    go, stop = threading.Event(), threading.Event()
    with hook(lambda _: 200 if go.wait(60) else 500) as slow, ThreadPoolExecutor(1) as beside:
        context = watched(webhooks=(Secret(slow.url),))
        ended = beside.submit(monitor.continuously, context, 1.0, lambda _: stop.set(), stop)
        wait_for(lambda: slow.got and stop.is_set())
        go.set()
        ended.result(120)
        assert store.load(context).outbox == ()
        assert monitor.once(context).undelivered == 0
        assert len(slow.got) == 1


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_redirections_are_not_followed(watched: Callable[..., Context]) -> None:
    with hook() as inner, hook(lambda _: 302, location=inner.url) as outer:
        found = monitor.once(watched(webhooks=(Secret(outer.url),)))
    assert (len(outer.got), inner.got) == (1, [])
    assert "a redirection, which is not followed" in found.troubles[0]


def test_private_addresses_are_refused_unless_allowed(watched: Callable[..., Context]) -> None:
    with hook() as one:
        port = one.url.rpartition(":")[2]
        for url in (f"https://127.0.0.1:{port}/", f"https://localhost:{port}/", f"https://[::1]:{port}/"):
            with pytest.raises(Refused, match="no public address"):
                HttpClient().send(Secret(url), b"{}", {}, 5, internal=False)
        with pytest.raises(Refused, match="https"):
            HttpClient().send(Secret(one.url), b"{}", {}, 5, internal=False)
        with pytest.raises(OperationFailed, match="did not answer"):
            HttpClient().send(Secret(one.url.replace("http:", "https:")), b"{}", {}, 5, internal=True)
        with pytest.raises(Refused):
            HttpClient().send(Secret("file:///etc/passwd"), b"{}", {}, 5, internal=True)
    assert one.got == []


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1", "127.0.0.1", "169.254.169.254", "192.168.1.1", "172.16.0.1", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "::1", "::", "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "2002:0a00:0001::", "64:ff9b::a00:1", "ff02::1",
        "64:ff9b:1::a00:1", "fec0::1",
    ],
)  # fmt: skip
def test_addresses_that_not_anybody_can_reach(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_addresses_that_anybody_can_reach(address: str) -> None:
    assert is_public(address)


@contextmanager
def dripping(begin: bytes) -> Iterator[str]:
    """An address that answers with ``begin``, and then with one byte after the other for ever."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        gone = threading.Event()

        def drip() -> None:
            line, _ = listening.accept()
            with line, suppress(OSError):
                line.recv(65536)
                line.sendall(begin)
                while not gone.wait(0.05):
                    line.sendall(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            gone.set()
            thread.join()


@pytest.mark.parametrize("begin", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_who_drips_is_cut_off(begin: bytes) -> None:
    with dripping(begin) as url, pytest.raises(OperationFailed):
        HttpClient().send(Secret(url), b"{}", {}, 0.5, internal=True)


@pytest.mark.parametrize(("begin", "status"), [(b"HTTP/1.1 200 OK\r\nX: ", None), (b"HTTP/1.1 200 OK\r\n\r\n", 200)])
def test_a_page_without_an_end_holds_up_nobody(begin: bytes, status: int | None) -> None:
    with dripping(begin) as url:
        assert HttpClient().status(url, ("127.0.0.1", urlsplit(url).port or 0), 0.5) == status


def test_slack_gets_its_own_form(watched: Callable[..., Context]) -> None:
    with hook() as one:
        monitor.once(watched(slack=(Secret(one.url),)))
    assert set(json.loads(one.got[0][2])) == {"text", "unfurl_links", "unfurl_media"}


@pytest.fixture
def ledger(server18: Server) -> Iterator[PostgresLedger]:
    with opened(Secret(server18.url(server18.create()).reveal())) as made:
        yield made


# --- looks ---------------------------------------------------------------------------------------------------------


def ssh_key() -> tuple[Secret, Secret]:
    """A private key, and a line for known_hosts."""
    key = Ed25519PrivateKey.generate()
    form, plain = serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    return Secret(key.private_bytes(serialization.Encoding.PEM, form, plain).decode()), Secret(f"127.0.0.1 {public}")


def test_a_server_out_of_reach_is_told_at_once_where_nothing_can_be_remembered(watched: Callable[..., Context]) -> None:
    with hook() as one, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        context = watched(webhooks=(Secret(one.url),), after=5)
        host = SshHost(Machine("127.0.0.1", "nobody", *ssh_key(), taken.getsockname()[1]))
        found = monitor.once(replace(context, host=host))
        host.close()
    assert [(event.kind, event.check) for event in found.events] == [("raised", "server")]
    assert len(one.got) == 1


@dataclass
class Unreadable:
    """A memory that cannot be read for a while."""

    context: Context
    readable: bool = True

    def load(self) -> State:
        if not self.readable:
            raise HostUnreachable("The line is cut.")
        return store.load(self.context)

    def save(self, state: State, _before: State, _look: Mapping[str, object] | None) -> bool:
        store.save(self.context, state)
        return True

    def looks(self, _since: float) -> list[Mapping[str, object]]:
        return []


def test_one_read_that_fails_makes_the_monitor_forget_nothing(watched: Callable[..., Context]) -> None:
    context = watched()
    assert [event.kind for event in monitor.once(context).events] == ["raised"]
    unreadable = Unreadable(context, readable=False)
    later = replace(context, memory=unreadable, clock=Clock(context.clock.now() + MINUTE))
    watching = monitor.Monitor(later)
    told = watching.look()
    assert [event.kind for event in told.events] == ["raised"], "nobody could know that it had been told"
    assert told.troubles == ("history: it could not be read, and is not written over",)
    assert store.load(context).looked_at == context.clock.now(), "what was known is still there"
    assert watching.look().events == (), "and what is known here is not told again"
    unreadable.readable = True
    assert watching.look().events == ()
    known = store.load(context)
    assert known.standing["backups"].announced == "warn"
    assert known.trends["disk"][0][0] == context.clock.now(), "the samples from before are kept"
    assert monitor.once(context).events == ()


def test_of_two_looks_at_the_same_time_one_tells_it(watched: Callable[..., Context], ledger: PostgresLedger) -> None:
    with hook() as one:
        context = watched(webhooks=(Secret(one.url),))
        first, second = (replace(context, memory=ledger.memory("local")) for _ in range(2))
        monitors = [monitor.Monitor(first), monitor.Monitor(second)]
        for each in monitors:
            each._remembered()  # both have begun with the same knowledge
        looks = [each.look(wait=30) for each in monitors]
        assert [[event.check for event in look.events] for look in looks] == [["backups"], []]
        assert "somebody else has looked" in looks[1].troubles[0]
        assert len(one.got) == 1
        assert monitor.once(replace(context, memory=ledger.memory("local"))).events == ()
    (told,) = ledger.memory("local").looks(0)
    assert [event[:3] for event in told["events"]] == [["raised", "backups", "warn"]]
    assert not context.host.exists(f"{context.environment.backup_dir}/.locktender/local/monitor.json")


def test_what_the_last_look_has_found_is_told_to_prometheus_by_whoever_is_asked(
    watched: Callable[..., Context], ledger: PostgresLedger
) -> None:
    context = replace(watched(), memory=ledger.memory("local"))
    monitor.once(context)
    told = Remembered({"local": ledger.memory("local"), "never": ledger.memory("never")})
    first = told.page().decode()
    assert 'locktender_check_status{check="backups",environment="local",subject=""} 1.0' in first
    assert 'locktender_check_status{check="disk",environment="local",subject=""} 0.0' in first
    assert re.search(r'locktender_check_value{check="disk",environment="local",subject=""} [1-9]', first)
    assert 'locktender_alert_standing{check="backups",environment="local"} 1.0' in first
    assert 'locktender_look_timestamp_seconds{environment="local"} 1.8e+09' in first
    assert "never" not in first
    by_who_looked = Metrics("local")
    by_who_looked.update(monitor.once(context))
    assert {line.split("{")[0] for line in generate_latest(by_who_looked).decode().splitlines()} == {
        line.split("{")[0] for line in first.splitlines()
    }
    ledger.close()
    with pytest.raises(LocktenderError, match="does not answer"):
        told.page()


def test_a_state_that_cannot_be_read_any_more_is_written_over(
    watched: Callable[..., Context], ledger: PostgresLedger
) -> None:
    context = replace(watched(), memory=ledger.memory("local"))
    assert [event.kind for event in monitor.once(context).events] == ["raised"]
    with ledger._pool.connection() as connection:
        connection.execute("UPDATE monitor_states SET state = 'torn'")
    later = [replace(context, clock=Clock(context.clock.now() + minute * MINUTE)) for minute in (1, 2)]
    told, again = monitor.once(later[0]), monitor.once(later[1])
    assert [event.kind for event in told.events] == ["raised"], "told again, as nobody knows"
    assert (told.troubles, again.troubles, again.events) == ((monitor.LOST,), (), ()), "and known from then on"
    assert ledger.memory("local").load().looked_at == later[1].clock.now()


def test_a_damaged_file_of_the_monitor_is_told_once_and_logged(watched: Callable[..., Context]) -> None:
    logged: list[tuple[str, Mapping[str, object]]] = []
    context = replace(watched(), log=lambda event, facts: logged.append((event, facts)))
    assert monitor.once(context).troubles == (), "that there was none before is no trouble"
    kept = Path(context.environment.backup_dir, ".locktender", "local", "monitor.json")
    kept.write_bytes(kept.read_bytes()[:-7])
    looks = [monitor.once(context) for _ in range(2)]
    assert [look.troubles for look in looks] == [(monitor.LOST,), ()]
    assert [[event.kind for event in look.events] for look in looks] == [["raised"], []]
    assert logged.count(("monitor_trouble", {"trouble": monitor.LOST})) == 1


def test_silences(watched: Callable[..., Context]) -> None:
    context = watched()
    monitor.silence(context, ("backups", "disk"), 3600)
    assert set(monitor.silence(context, ("disk",), 0)) == {"backups"}
    silenced = monitor.once(context)
    assert (silenced.events, silenced.quiet) == ((), ("backups",))
    later = replace(context, clock=Clock(context.clock.now() + 3601))
    assert [event.check for event in monitor.once(later).events] == ["backups"]
    assert set(monitor.silence(later, (), 60)) == {"*"}
    context.host.write(f"{context.environment.backup_dir}/.locktender/local/silences.json", b"torn")
    assert store.silences(context) == {}


def test_what_a_run_does_is_no_trouble_unless_it_takes_too_long(watched: Callable[..., Context]) -> None:
    context = watched()
    with held(context, "deploy", "20240101T000000Z-abcdef"):
        during = monitor.once(context)
        assert (during.events, during.quiet) == ((), ("*",))
        too_long = replace(context, clock=Clock(context.clock.now() + monitor.DISTURBS_FOR + 1))
        assert [event.check for event in monitor.once(too_long).events] == ["backups"]


def test_old_days_of_the_history_are_removed(watched: Callable[..., Context]) -> None:
    context = watched()
    for day in range(20):
        store.append(context, day * DAY, {"day": day})
    assert [look["day"] for look in store.history(context)] == list(range(6, 20))


# --- the program itself --------------------------------------------------------------------------------------------


@pytest.fixture
def project(server18: Server, tmp_path: Path) -> Project:
    (tmp_path / "migrations" / "1_init").mkdir(parents=True)
    (tmp_path / "migrations" / "migration_lock.toml").write_text('provider = "postgresql"\n')
    (tmp_path / "migrations" / "1_init" / "migration.sql").write_text("SELECT 1;")
    return Project(tmp_path, server18.url(server18.create()), tmp_path / "migrations")


def test_once_by_the_command_line(project: Project, tmp_path: Path) -> None:
    metrics = tmp_path / "locktender.prom"
    done = project.run("monitor", "check", "--metrics-file", str(metrics))
    assert done.exit_code == 0, done.said
    names = {one["name"] for one in done.result["checks"]}
    assert {"connection", "drift", "disk"} <= names
    text = metrics.read_text()
    assert 'locktender_check_status{check="backups",environment="local",subject=""} 1.0' in text
    assert 'locktender_check_value{check="disk",environment="local",subject=""}' in text
    assert 'locktender_alert_standing{check="backups"' not in text, "one look is not enough"
    assert project.run("monitor", "silence", "disk", "--for", "10m").result["silences"][0]["check"] == "disk"


def test_again_and_again_until_it_is_told_to_stop(project: Project) -> None:
    port = free_port()
    process = project.start("monitor", "continuous", "--interval", "5s", "--metrics-port", str(port))
    try:
        assert process.stdout
        first = json.loads(process.stdout.readline())
        assert first["command"] == "monitor continuous"
        page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30).read().decode()
        assert "locktender_look_timestamp_seconds" in page
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, err
    assert json.loads(out.splitlines()[-1])["result"] == {"stopped": True}


def test_a_metrics_port_that_is_taken_is_told(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = project.run("monitor", "continuous", "--metrics-port", str(taken.getsockname()[1]))
    assert done.error["message"].startswith("Metrics cannot be served on 127.0.0.1:")


def test_the_examples_use_the_metrics_there_are() -> None:
    folder = Path(__file__).parents[1] / "examples" / "monitoring"
    used = set(
        re.findall(r"locktender_[a-z_]+", (folder / "dashboard.json").read_text() + (folder / "alerts.yml").read_text())
    )
    assert used == set(GAUGES)
    board = json.loads((folder / "dashboard.json").read_text())
    checks = set(re.findall(r'check=~?\\"([a-z_|]+)\\"', (folder / "dashboard.json").read_text()))
    assert {name for group in checks for name in group.split("|")} <= set(NAMES)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"]) > 10
