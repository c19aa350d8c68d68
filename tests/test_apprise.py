"""Services by Apprise: real programs and real HTTP on loopback; what may not be reached is not."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace

from operations import monitor
from operations.adapters.apprise_services import AppriseServices
from operations.context import Context
from operations.errors import OperationFailed, Refused
from operations.monitoring.messages import SLACK_MOST, spoken
from operations.monitoring.model import Event
from operations.secret import Secret

from .test_monitor import hook, wait_for, watched

__all__ = ["watched"]
MESSAGE = {"title": "production: disk fail", "text": "full", "kind": "failure"}
PATIENCE = 120.0
TELLS = AppriseServices()
ROOT = Path(__file__).parents[1]


def of(url: str, schema: str = "json") -> Secret:
    """A service of Apprise's at a hook; what its path holds must never be seen."""
    return Secret(url.replace("http", schema, 1) + "/t0ken-s3cret")


def service(context: Context) -> Context:
    return replace(context, services=TELLS)


def test_an_alert_reaches_a_service(watched: Callable[..., Context]) -> None:
    with hook() as one:
        found = monitor.once(service(watched(apprise=(of(one.url),))))
    assert (found.undelivered, found.troubles) == (0, ())
    ((path, _, body),) = one.got
    assert path == "/t0ken-s3cret"
    told = json.loads(body)
    assert (told["title"], told["type"]) == ("local: backups warn", "warning")
    assert "New: backups: warn: " in told["message"]
    assert "Next: " in told["message"]


def test_one_that_is_busy_is_asked_again_and_one_that_refuses_is_not(watched: Callable[..., Context]) -> None:
    with hook(lambda n: 503 if n == 1 else 410) as one:
        context = service(watched(apprise=(of(one.url, "xml"),)))
        first, second = (monitor.once(context) for _ in range(2))
    assert (first.undelivered, second.undelivered, second.troubles) == (0, 0, ())
    (trouble,) = first.troubles
    assert "It answered with 410." in trouble
    assert "s3cret" not in trouble
    assert len(one.got) == 2


def test_a_redirection_is_not_followed() -> None:
    with hook() as inner, hook(lambda _: 302, location=inner.url) as outer:
        url = Secret(of(outer.url).reveal() + "?redirect=yes")
        assert TELLS.tell(url, MESSAGE, PATIENCE, internal=True) == 302
    assert (len(outer.got), inner.got) == (1, [])


def test_what_is_slow_is_ended_and_its_address_is_in_no_argv_and_no_environment() -> None:
    with hook(lambda _: 0) as slow, ThreadPoolExecutor(1) as beside:
        telling = beside.submit(TELLS.tell, of(slow.url), MESSAGE, PATIENCE, internal=True)
        wait_for(lambda: slow.got or telling.done())
        (child,) = children()
        for name in ("cmdline", "environ"):
            assert b"s3cret" not in Path(f"/proc/{child}/{name}").read_bytes()
        assert b"apprise_program" in Path(f"/proc/{child}/cmdline").read_bytes()
        slow.release.set()
        with pytest.raises(OperationFailed, match="It could not be told: ConnectionError"):
            telling.result(PATIENCE)
        slow.release.clear()
        with pytest.raises(OperationFailed, match="It took longer than 0"):
            TELLS.tell(of(slow.url), MESSAGE, 0.5, internal=True)
        assert children() == []
        slow.release.set()


def children() -> list[str]:
    """Programs that tell something for this process."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if parent == str(os.getpid()) and b"apprise_program" in (folder / "cmdline").read_bytes():
                found.append(folder.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    ("url", "internal", "why"),
    [
        ("json://127.0.0.1:PORT/t0ken", False, "it does not speak https"),
        ("jsons://127.0.0.1:PORT/t0ken", False, "it leads to 127.0.0.1, which is no public address"),
        ("mailtos://me:t0ken@localhost:PORT/?to=a@example.com", False, "which is no public address"),
        ("syslog://user", True, "it is no address that Apprise understands here"),
    ],
)
def test_what_may_not_be_reached_is_refused(url: str, internal: bool, why: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])
        with pytest.raises((Refused, OperationFailed), match=f"(?i){why}") as caught:
            TELLS.tell(Secret(url.replace("PORT", port)), MESSAGE, PATIENCE, internal=internal)
        assert "t0ken" not in f"{caught.value} {caught.value.hint}"
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()


GUARDED = """
import socket, subprocess, sys, syslog
from operations.adapters.apprise_program import Forbidden, guarded

def tried(what):
    try:
        what()
    except Forbidden:
        return "refused"
    except OSError:
        return "tried"
    return "done"

port, internal = int(sys.argv[1]), sys.argv[2] == "internal"
def fresh(what):
    def afresh():
        guard.why = ""
        return what()
    return afresh
guard = guarded(internal=internal)
inet, udp = socket.AF_INET, socket.SOCK_DGRAM
for what in (
    lambda: socket.create_connection(("127.0.0.1", port), timeout=60).close(),
    lambda: socket.socket(inet).connect_ex(("127.0.0.1", port)),
    lambda: socket.socket(inet).connect(("localhost", port)),
    lambda: socket.socket(inet, udp).sendto(b"x", ("127.0.0.1", port)),
    lambda: socket.socket(inet, udp).sendmsg([b"x"], [], 0, ("127.0.0.1", port)),
    lambda: socket.socket(socket.AF_UNIX).connect("/nowhere"),
    lambda: subprocess.run(["true"]),
    lambda: syslog.syslog("x"),
):
    print(tried(fresh(what)))
guard.why = "once is enough"
print(tried(lambda: socket.socket(inet).connect_ex(("127.0.0.1", port))))
"""


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("public", ["refused"] * 9), ("internal", ["done"] * 5 + ["refused"] * 4)],
)
def test_every_way_out_is_judged_where_it_is_made(mode: str, expected: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        argv = [sys.executable, "-P", "-c", GUARDED, str(listening.getsockname()[1]), mode]
        done = subprocess.run(
            argv, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=PATIENCE
        )
    assert (done.stdout.split(), done.stderr) == (expected, "")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("<!channel> <!here> <!all>", "‹!channel› ‹!here› ‹!all›"),
        ("<https://evil.example|the dashboard>", "‹https://evil.example|the dashboard›"),
        ("[the dashboard](https://evil.example)", "［the dashboard］(https://evil.example)"),
        ("<@1234>", "‹＠1234›"),
    ],
)
def test_a_name_from_the_database_is_no_mention_and_no_link(name: str, shown: str) -> None:
    event = Event("raised", "drift", "warn", "ok", 1000.0, f"added table {name}", name, f"look at {name}")
    told = spoken(name, name, [event], 1060.0)
    assert told["title"] == f"{shown}: drift warn"
    assert told["text"].splitlines() == [
        f"{shown}:", f"New: drift: warn: added table {shown}", f"  {shown}", f"  Next: look at {shown}",
    ]  # fmt: skip


def test_a_service_calls_nobody_and_is_not_flooded() -> None:
    event = Event("raised", "disk", "fail", "ok", 1000.0, "@everyone `full` *now* \u202ethen\nnext", "why", "fix it")
    told = spoken("production", "shop on db:5432", [event] * (SLACK_MOST + 5), 1060.0)
    assert "New: disk: fail: ＠everyone 'full' ∗now∗ then next" in told["text"].splitlines()
    assert told["text"].endswith("and 5 more")
    assert told["kind"] == "failure"
    over = Event("recovered", "disk", "ok", "fail", 1000.0)
    assert spoken("production", "shop", [over], 1060.0) == {
        "title": "production: disk recovered", "text": "shop:\nOver: disk has recovered after 60 s", "kind": "success",
    }  # fmt: skip
