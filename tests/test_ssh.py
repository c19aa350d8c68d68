"""The connection itself: whom it talks to, how it logs in, what becomes of it when the line is cut."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from operations.adapters import ssh_line
from operations.adapters.postgres import PostgresDatabase
from operations.adapters.ssh_host import SshHost
from operations.database_url import parse_database_url
from operations.errors import (
    AuthenticationFailed,
    CommandFailed,
    ConfigurationError,
    ConnectionLost,
    DatabaseUnreachable,
    ExitCode,
    HostError,
    HostKeyRefused,
    HostLoginRefused,
    HostUnreachable,
    LocktenderError,
)
from operations.secret import Secret
from operations.settings import Server

from .conftest import Server as Postgres
from .ports import free_port
from .sshd import Sshd, children, keygen, public_of, running
from .stalling import LastAnswer, Relay
from .test_host import processes_with, wait_until


@contextmanager
def connected(server: Server) -> Iterator[SshHost]:
    host = SshHost(server)
    try:
        yield host
    finally:
        host.close()


def known(sshd: Sshd, text: str, **changes: object) -> Server:
    return sshd.server(known_hosts=Secret(text), **changes)


def unique() -> str:
    return f"9{os.getpid()}{time.monotonic_ns() % 10**8}"


# --- host keys -----------------------------------------------------------------------------------------------------


def test_the_pinned_host_is_talked_to(sshd: Sshd) -> None:
    with connected(sshd.server()) as host:
        assert host.run(["echo", "hello"], timeout=20).stdout == "hello\n"


def other_key(tmp_path: Path, kind: str = "ed25519") -> str:
    return public_of(keygen(tmp_path / f"other_{kind}", kind=kind))


def test_lines_are_understood_as_ssh_understands_them(sshd: Sshd, tmp_path: Path) -> None:
    key, other = public_of(sshd.directory / "host_key"), other_key(tmp_path)
    where = f"[127.0.0.1]:{sshd.port}"
    file = tmp_path / "known_hosts"
    file.write_text(f"{where} {key}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", file], check=True, capture_output=True)
    hashed = file.read_text()
    assert hashed.startswith("|1|")
    for text in (
        hashed,
        f"elsewhere,{where} {key} a comment",
        f"# comment\n\n@cert-authority * {other}\n{where} {other}\n{where} {key}\r\n",
        f"[127.0.0.*]:{sshd.port} {key}",
        f"{where} {key}\n{where} ssh-unknown AAAA",
        f"{where} {public_of(sshd.directory / 'host_ecdsa')}",
    ):
        with connected(known(sshd, text)) as host:
            assert host.exists("/")


@pytest.mark.parametrize("case", ["wrong", "wrong kind", "unknown", "revoked", "excluded", "other port", "none"])
def test_any_other_host_is_refused_before_anything_is_sent(sshd: Sshd, tmp_path: Path, case: str) -> None:
    key, where = public_of(sshd.directory / "host_key"), f"[127.0.0.1]:{sshd.port}"
    text = {
        "wrong": f"{where} {other_key(tmp_path)}",
        "wrong kind": f"{where} {other_key(tmp_path, 'rsa')}",
        "unknown": f"example.com {key}",
        "revoked": f"{where} {key}\n@revoked * {key}",
        "excluded": f"*,!{where} {key}",
        "other port": f"127.0.0.1 {key}",
        "none": "# nothing",
    }[case]
    before = len(sshd.log)
    with connected(known(sshd, text)) as host:
        for _ in range(2):
            with pytest.raises(HostKeyRefused) as caught:
                host.run(["touch", str(tmp_path / "touched")], timeout=20)
        with pytest.raises(HostKeyRefused):
            host.reach("127.0.0.1", 1)
    error = caught.value
    assert (error.code, error.exit_code) == ("host_key", ExitCode.REFUSED)
    print_of = subprocess.run(
        ["ssh-keygen", "-l", "-f", sshd.directory / "host_key"], check=True, capture_output=True, text=True
    ).stdout.split()[1]
    assert print_of in error.message
    if case.startswith("wrong"):
        assert error.message.count("SHA256:") == 2
    assert f"ssh-keyscan -p {sshd.port} 127.0.0.1" in (error.hint or "")
    assert not (tmp_path / "touched").exists()
    told = sshd.log[before:]
    assert told.count("Connection from") <= 1
    assert "publickey" not in told
    assert "authenticating user" not in told


def test_a_broken_line_is_a_mistake_of_the_configuration(sshd: Sshd) -> None:
    with pytest.raises(ConfigurationError, match="known_hosts cannot be read: the key in line 2"):
        SshHost(known(sshd, "# first\nhost ssh-ed25519 AAA\n"))


# --- our key -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "form", "passphrase"),
    [
        ("ed25519", (), ""),
        ("ed25519", (), "correct horse"),
        ("ecdsa", (), ""),
        ("ecdsa", ("-m", "PEM"), "correct horse"),
        ("rsa", ("-m", "PEM"), ""),
        ("rsa", ("-m", "PKCS8"), "correct horse"),
    ],
)
def test_every_usual_key_logs_in(sshd: Sshd, tmp_path: Path, kind: str, form: tuple[str, ...], passphrase: str) -> None:
    size = ("-b", "2048") if kind == "rsa" else ()
    path = keygen(tmp_path / "key", *form, *size, kind=kind, passphrase=passphrase)
    with (sshd.directory / "authorized_keys").open("a") as file:
        file.write(public_of(path) + "\n")
    secret = Secret(passphrase) if passphrase else None
    crlf = path.read_text().strip().replace("\n", "\r\n")
    with connected(sshd.server(private_key=Secret(crlf), passphrase=secret)) as host:
        assert host.exists("/")
    if not passphrase:
        with connected(sshd.server(private_key=Secret(path.read_text()), passphrase=Secret("needless"))) as host:
            assert host.exists("/")


@pytest.mark.parametrize("form", [(), ("-m", "PEM"), ("-m", "PKCS8")])
def test_a_key_that_cannot_be_opened_is_a_mistake_of_the_configuration(
    sshd: Sshd, tmp_path: Path, form: tuple[str, ...]
) -> None:
    path = keygen(tmp_path / "key", *form, "-b", "2048", kind="rsa", passphrase="correct horse")
    text = path.read_text()
    cut = "".join(text.splitlines(keepends=True)[:-4])
    for key, passphrase, why in (
        (text, None, "it has a passphrase, and none is given"),
        (text, "wrong horse", "the passphrase does not open it"),
        (cut, "correct horse", "cannot be read as one"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            SshHost(sshd.server(private_key=Secret(key), passphrase=Secret(passphrase) if passphrase else None))
        assert caught.value.exit_code == ExitCode.USAGE
        assert why in caught.value.message
        assert not any(line in f"{caught.value.message}{caught.value.hint}" for line in text.splitlines() if line)
        assert "horse" not in f"{caught.value.message}{caught.value.hint}"


@pytest.mark.parametrize("text", ["", "nonsense", "/home/me/.ssh/id_ed25519", "ssh-ed25519 AAAA me"])
def test_what_is_no_private_key_is_a_mistake_of_the_configuration(sshd: Sshd, text: str) -> None:
    with pytest.raises(ConfigurationError, match="private_key is not usable: it cannot be read as one"):
        SshHost(sshd.server(private_key=Secret(text)))


def test_a_refused_login_is_told_and_not_tried_again(sshd: Sshd, tmp_path: Path) -> None:
    stranger = Secret(keygen(tmp_path / "stranger").read_text())
    before = len(sshd.log)
    with connected(sshd.server(private_key=stranger)) as host:
        for _ in range(3):
            with pytest.raises(HostLoginRefused, match=f"refused the login of '{sshd.user}'") as caught:
                host.exists("/")
    assert (caught.value.code, caught.value.exit_code) == ("host_login", ExitCode.USAGE)
    assert sshd.log[before:].count("Connection from") == 1
    with connected(sshd.server(user="nobody-of-that-name")) as host, pytest.raises(HostLoginRefused):
        host.exists("/")


# --- out of reach --------------------------------------------------------------------------------------------------


def test_an_unreachable_host_is_told(sshd: Sshd) -> None:
    for changes, why in (({"port": free_port()}, "Connection refused"), ({"host": "nowhere.invalid"}, "")):
        with connected(replace(sshd.server(), **changes)) as host, pytest.raises(HostUnreachable) as caught:  # type: ignore[arg-type]
            host.run(["true"], timeout=5)
        assert why in caught.value.message
        assert (caught.value.code, caught.value.exit_code) == ("host_unreachable", ExitCode.FAILED_OLD_STATE)


@pytest.mark.parametrize("greeting", [b"", b"SSH-2.0-silent\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 5000])
def test_a_port_that_does_not_speak_ssh_holds_nobody_up(sshd: Sshd, greeting: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            connection.sendall(greeting)
            kept.append(connection)

        kept: list[socket.socket] = []
        thread = threading.Thread(target=answer)
        thread.start()
        began = time.monotonic()
        server = sshd.server(port=listener.getsockname()[1], connect_timeout=1.0)
        with connected(server) as host, pytest.raises(HostUnreachable):
            host.exists("/")
        assert time.monotonic() - began < 40
        thread.join()
        for connection in kept:
            connection.close()


@pytest.mark.parametrize(
    ("more", "patience", "why"),
    [("", 1.0, "it did not answer in time"), ("LoginGraceTime 1", 10.0, "the connection was closed")],
    ids=["silent", "closed"],
)
def test_a_line_that_breaks_during_the_login_is_no_refusal(
    tmp_path: Path, more: str, patience: float, why: str
) -> None:
    slow = f"AuthorizedKeysCommand /bin/sleep 5\nAuthorizedKeysCommandUser root\n{more}"
    with running(tmp_path, slow) as started:
        stranger = Secret(keygen(tmp_path / "stranger").read_text())
        with connected(started.server(private_key=stranger, connect_timeout=patience)) as host:
            for _ in range(2):  # it is tried again
                with pytest.raises(HostUnreachable, match=f"could be made: {why}"):
                    host.exists("/")
        assert started.log.count("Connection from 127.0.0.1") == 3, "one of them is how the test has waited for it"


# --- through another host ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def inner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running(tmp_path_factory.mktemp("inner")) as started:
        (started.directory / "hop").mkdir()
        yield started


def through(gateway: Sshd, inner: Sshd, **changes: object) -> Server:
    with (inner.directory / "authorized_keys").open("a") as file:
        file.write(public_of(gateway.directory / "user_key") + "\n")
    return gateway.server(
        **{
            "port": inner.port,
            "jump": (f"{gateway.user}@127.0.0.1:{gateway.port}",),
            "known_hosts": Secret(gateway.known_hosts + inner.known_hosts),
            **changes,
        }
    )


def test_a_host_is_reached_through_another_one(sshd: Sshd, inner: Sshd, tmp_path: Path) -> None:
    before = sshd.log.count("Accepted publickey")
    with connected(through(sshd, inner)) as host:
        host.write(str(tmp_path / "file"), b"x" * 1_000_000)
        assert host.read(str(tmp_path / "file")) == b"x" * 1_000_000
        assert host.run(["echo", "there"], timeout=20).stdout == "there\n"
        assert (len(inner.connections()), sshd.log.count("Accepted publickey")) == (1, before + 1)
        inner.cut()
        with pytest.raises(HostUnreachable):
            for _ in range(100):
                host.exists("/")
        assert host.exists("/")
    wait_until(lambda: not inner.connections())


@pytest.mark.parametrize("missing", ["gateway", "target"])
def test_both_must_be_known(sshd: Sshd, inner: Sshd, missing: str) -> None:
    only = inner.known_hosts if missing == "gateway" else sshd.known_hosts
    port = sshd.port if missing == "gateway" else inner.port
    refused = pytest.raises(HostKeyRefused, match=rf"\[127.0.0.1\]:{port} is not known")
    with connected(through(sshd, inner, known_hosts=Secret(only))) as host, refused:
        host.exists("/")


@pytest.mark.parametrize("jump", ["", "u@", "u@h:x", "u@:22"])
def test_a_jump_that_names_nobody_is_a_mistake_of_the_configuration(sshd: Sshd, jump: str) -> None:
    with pytest.raises(ConfigurationError, match="names no machine"):
        SshHost(sshd.server(jump=(jump,)))


# --- a line that is cut --------------------------------------------------------------------------------------------


def test_a_program_whose_line_is_cut_ends_there_and_is_told_here(sshd: Sshd, tmp_path: Path) -> None:
    mark = unique()
    script = f"echo x >> {tmp_path}/count; sleep {mark} & sleep {mark}"
    with connected(sshd.server()) as host, ThreadPoolExecutor(1) as pool:
        call = pool.submit(host.run, ["sh", "-c", script], timeout=60)
        wait_until(lambda: len(processes_with(mark)) >= 3)
        sshd.cut()
        with pytest.raises(HostUnreachable, match="sh was running there"):
            call.result(30)
        wait_until(lambda: not processes_with(mark))
        assert host.run(["echo", "again"], timeout=20).stdout == "again\n"
    assert (tmp_path / "count").read_text() == "x\n"


def test_the_end_of_the_client_ends_its_programs(sshd: Sshd, tmp_path: Path) -> None:
    mark = unique()
    host = SshHost(sshd.server())
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(host.run, ["sh", "-c", f"trap '' TERM HUP; sleep {mark}; sleep {mark}"], timeout=60)
        wait_until(lambda: bool(processes_with(mark)))
        host.close()
        with pytest.raises(LocktenderError):
            call.result(30)
    wait_until(lambda: not processes_with(mark))


def test_a_file_operation_whose_line_is_cut_ends_with_our_error(sshd: Sshd, tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(b"x" * 40_000_000)
    with connected(sshd.server()) as host, ThreadPoolExecutor(1) as pool:
        for call in (lambda: host.read(str(big)), lambda: host.write(str(tmp_path / "new"), b"y" * 40_000_000)):
            assert host.exists("/")
            under_way = pool.submit(call)
            while not under_way.done():
                time.sleep(0.1)
                sshd.cut()
            with pytest.raises(HostUnreachable):
                under_way.result()
            assert host.read(str(big))[:1] == b"x"
    assert not (tmp_path / "new").exists()


def test_a_query_whose_line_is_cut_ends_with_our_error(sshd: Sshd, server15: Postgres) -> None:
    with connected(sshd.server()) as host, ThreadPoolExecutor(1) as pool:
        database = forwarded(host, server15)
        session = database.connect()
        pid = session.pid
        call = pool.submit(session.rows, "SELECT pg_sleep(60)")
        time.sleep(0.2)
        sshd.cut()
        with pytest.raises(ConnectionLost):
            call.result(30)
        session.close()
        with database.session() as again:
            assert again.rows("SELECT 1") == [(1,)]
            again.execute("SELECT pg_terminate_backend(%s)", (pid,))


@pytest.fixture
def relay(sshd: Sshd) -> Iterator[Relay]:
    started = Relay(sshd.port)
    yield started
    started.close()


def test_a_line_that_falls_silent_counts_as_cut_on_both_sides(
    sshd: Sshd, relay: Relay, server15: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = unique()
    monkeypatch.setattr(ssh_line, "GUARD", ssh_line.GUARD.replace("{seconds}", f"{{seconds}}.0{mark}"))
    text = sshd.known_hosts.replace(str(sshd.port), str(relay.port))
    server = known(sshd, text, port=relay.port, keepalive=0.5)
    with connected(server) as host, ThreadPoolExecutor(3) as pool:
        session = forwarded(host, server15).connect()
        pid = session.pid
        program = pool.submit(host.run, ["sleep", mark], timeout=60)
        query = pool.submit(session.rows, "SELECT pg_sleep(60)")
        wait_until(lambda: bool(processes_with(mark)))
        wait_until(lambda: bool(processes_with(f"timeout\x002.0{mark}\0head")))  # the server watches, too
        assert not program.done()
        relay.stall()
        began = time.monotonic()
        reading = pool.submit(host.read, "/etc/passwd")
        for call, kind in ((program, HostUnreachable), (reading, HostUnreachable), (query, ConnectionLost)):
            with pytest.raises(kind):
                call.result(30)
        assert time.monotonic() - began < 30, "the commands themselves would go on for 60 s"
        wait_until(lambda: not processes_with(mark))
        with server15.superuser().session() as watcher:
            watcher.execute("SELECT pg_cancel_backend(%s)", (pid,))
            wait_until(lambda: watcher.rows("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", (pid,)) == [(0,)])
        assert host.exists("/")
        session.close()


def test_a_line_that_falls_silent_while_its_watch_begins_counts_as_cut(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_line, "FIRST_BEAT", 3600.0)
    relay = LastAnswer(sshd.port)
    text = sshd.known_hosts.replace(str(sshd.port), str(relay.port))
    line = ssh_line.Line(known(sshd, text, port=relay.port, keepalive=1.0, connect_timeout=2.0))
    try:
        transport = line.session().get_transport()  # and sshd has said what it says after each login
        relay.stall_after_an_answer()
        line.watch()
        transport.join(30)
        assert not transport.is_active()
    finally:
        line.close()
        relay.close()


def test_a_program_is_watched_from_its_start_on(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = 4_000_000 + os.getpid() % 1_000_000
    monkeypatch.setattr(ssh_line, "FIRST_BEAT", 3600.0)
    with connected(sshd.server(keepalive=seconds / ssh_line.MISSED)) as host:
        assert host.exists("/")
        host.run(["true"], timeout=20)
        wait_until(lambda: bool(processes_with(f"timeout\0{seconds}\0head")), 30)
    wait_until(lambda: not processes_with(f"timeout\0{seconds}\0head"), 30)


# --- what the server lets others see -------------------------------------------------------------------------------


def test_no_secret_shows_among_the_servers_processes(sshd: Sshd) -> None:
    mark, word = unique(), f"hush{unique()}"
    with connected(sshd.server()) as host, ThreadPoolExecutor(1) as pool:
        call = pool.submit(host.run, ["sleep", mark], env={"PGPASSWORD": word, "LT_ODD": f"a'{word}\n"}, timeout=60)
        wait_until(lambda: bool(processes_with(mark)))
        (sleeping,) = [p for p in processes_with(mark) if Path(f"/proc/{p}/comm").read_text() == "sleep\n"]
        assert word.encode() in Path(f"/proc/{sleeping}/environ").read_bytes()
        lines = [line for line in sshd.key.reveal().splitlines() if len(line) > 16 and "-----" not in line]
        assert not [secret for secret in (word, *lines) if processes_with(secret)]
        os.kill(sleeping, 9)
        assert call.result(30).returncode == -9


# --- servers that allow less, or are noisy -------------------------------------------------------------------------

LARGE = {"LARGE": "x" * 4_000_000}
"""More than a server takes before something reads it."""


def test_what_a_login_shell_says_is_none_of_the_programs_output(tmp_path: Path) -> None:
    more = "ForceCommand echo Welcome; echo to you >&2; exec /bin/sh"
    with running(tmp_path, more) as noisy, connected(noisy.server()) as host:
        done = host.run(["sh", "-c", "echo out; echo err >&2; exit 3"], timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")


@pytest.mark.parametrize(
    ("more", "call", "kind"),
    [
        ("ForceCommand echo no login; false", lambda host: host.run(["true"], timeout=5), CommandFailed),
        ("ForceCommand echo no login; exit 0", lambda host: host.run(["true"], timeout=5), CommandFailed),
        ("ForceCommand echo no login; exit 0", lambda host: host.run(["true"], env=LARGE, timeout=5), CommandFailed),
        ("ForceCommand false", lambda host: host.exists("/"), HostUnreachable),
        ("MaxSessions 0", lambda host: host.exists("/"), HostError),
        ("MaxSessions 0", lambda host: host.run(["true"], timeout=5), HostError),
        ("AllowTcpForwarding no", lambda host: host.reach("127.0.0.1", 1), HostError),
    ],
)
def test_a_server_that_allows_less_is_told_in_our_words(
    tmp_path: Path, more: str, call: Callable[[SshHost], object], kind: type[LocktenderError]
) -> None:
    caught = pytest.raises(kind)
    with running(tmp_path, more) as started, connected(started.server(connect_timeout=8.0)) as host, caught as told:
        call(host)
    assert type(told.value).__module__ == "operations.errors"


def test_a_cipher_without_a_checksum_of_its_own_is_preferred_and_any_other_will_do(tmp_path: Path) -> None:
    for more, cipher in (("", "aes128-gcm@openssh.com"), ("Ciphers aes256-ctr", "aes256-ctr")):
        (directory := tmp_path / cipher).mkdir()
        with running(directory, more) as started, connected(started.server()) as host:
            assert host.exists("/")
            assert host._line.transport().local_cipher == cipher


def test_files_are_closed_there_although_nobody_waits_for_it(tmp_path: Path) -> None:
    (files := tmp_path / "files").mkdir()
    file = files / "file"
    with running(tmp_path) as started, connected(started.server()) as host:
        host.write(str(file), b"")

        def open_there() -> int:
            assert host.exists("/")  # answered after all that was sent before
            serving = [pid for child in started.connections() for pid in (child, *children(child))]
            return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in serving)

        before = open_there()
        for number in range(40):
            host.append(str(file), b"x")
            host.write(str(files / "other"), b"y")
            assert host.read(str(file)) == b"x" * (number + 1)
            assert host.list(str(files)) == ("file", "other")
        assert open_there() < before + 40  # a few are those of the line's own watch


# --- a forwarded port ----------------------------------------------------------------------------------------------


def forwarded(host: SshHost, server: Postgres, url: Secret | None = None) -> PostgresDatabase:
    parameters = parse_database_url(url or server.url(server.create()))
    target = parameters.target
    return PostgresDatabase(parameters, lambda: host.reach(target.host, target.port), "the server")


def test_several_sessions_go_through_a_forwarded_port_at_once(sshd: Sshd, server: Postgres) -> None:
    with connected(sshd.server()) as host, ThreadPoolExecutor(8) as pool:
        database = forwarded(host, server)

        def work(number: int) -> int:
            with database.session() as session:
                ((length,),) = session.rows("SELECT length(repeat('x', %s))", (1_000_000 + number,))
                ((text,),) = session.rows("SELECT repeat('y', 300000)")
                return int(length) + len(text)

        assert list(pool.map(work, range(24))) == [1_300_000 + number for number in range(24)]
        assert database.client_environment()["PGPORT"] == str(server.process.port)


def test_a_database_that_does_not_answer_is_told_as_the_server_sees_it(sshd: Sshd, server15: Postgres) -> None:
    port = free_port()
    with connected(sshd.server()) as host:
        nowhere = forwarded(host, server15, Secret(f"postgresql://u:p@127.0.0.1:{port}/d"))
        with pytest.raises(DatabaseUnreachable, match=f"127.0.0.1:{port}, as seen from the server"):
            nowhere.connect()
        wrong = forwarded(host, server15, server15.url(server15.create(), password=Secret("wrong")))
        with pytest.raises(AuthenticationFailed, match=f"127.0.0.1:{server15.process.port}, as seen from the server"):
            wrong.connect()


def test_a_forwarded_port_listens_on_the_loopback_interface_until_it_is_closed(sshd: Sshd, server15: Postgres) -> None:
    with connected(sshd.server()) as host:
        address, port = host.reach("127.0.0.1", server15.process.port)
        assert address == "127.0.0.1"
        assert host.reach("127.0.0.1", server15.process.port) == (address, port)
        for _ in range(3):
            socket.create_connection((address, port)).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address, port))


# --- connecting ahead ----------------------------------------------------------------------------------------------


def test_a_connection_made_ahead_is_the_one_that_is_used(sshd: Sshd) -> None:
    before = sshd.log.count("Accepted publickey")
    with connected(sshd.server()) as host:
        host.begin()
        assert host.exists("/")
        assert host.run(["echo", "x"], timeout=20).stdout == "x\n"
    assert sshd.log.count("Accepted publickey") == before + 1


def test_a_connection_that_failed_ahead_is_told_at_the_first_use_and_tried_again_at_the_next(sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = sshd.server(port=silent.getsockname()[1], connect_timeout=1.0)
        silent.settimeout(0)
        with connected(server) as host:
            host.begin()
            wait_until(host._line._lock.locked)
            for _ in range(2):
                with pytest.raises(HostUnreachable):
                    host.exists("/")
        asked = 0
        with pytest.raises(BlockingIOError):
            while True:
                silent.accept()[0].close()
                asked += 1
        assert asked == 2
