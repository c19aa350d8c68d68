"""What every ``Host`` must do, the same on this machine and on one reached over SSH."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from operations.adapters.local_host import LocalHost
from operations.adapters.ssh_host import SshHost
from operations.errors import CommandFailed, DiskFull, HostError
from operations.ports import Host

ODD_NAMES = [
    "plain",
    "with space",
    "quote's",
    'double"quote',
    "new\nline",
    "back\\slash",
    "-leading",
    "$(touch hacked)`x`;&|",
    "*?[a]",
    "ünïcode 日本",
    os.fsdecode(b"not utf-8 \xff\xfe"),
    os.fsdecode(bytes(range(0x80, 0x90))),
    "~",
    "#",
    " ",
    "tab\t",
]


@pytest.fixture(params=["local", "ssh"])
def machine(request: pytest.FixtureRequest) -> Iterator[Host]:
    local = request.param == "local"
    host: Host = LocalHost() if local else SshHost(request.getfixturevalue("sshd").server())
    yield host
    host.close()


def wait_until(true: Callable[[], bool], within: float = 60.0) -> None:
    until = time.monotonic() + within
    while not true():
        assert time.monotonic() < until, "it did not come true"
        time.sleep(0.01)


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def processes_with(mark: str) -> list[int]:
    """Processes, zombies aside, that have the word among their arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in words:
                found.append(int(entry.name))
    return found


# --- programs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", [*ODD_NAMES, "", "a\n\nb\n", "x" * 60_000, "'", "''", "!", "%s%n\\n"])
def test_arguments_and_variables_arrive_as_they_are(machine: Host, word: str) -> None:
    done = machine.run(
        ["sh", "-c", 'printf "%s|%s" "$1" "$LT_WORD" | od -An -tx1 -v | tr -d " \\n"', "sh", word],
        env={"LT_WORD": word},
        timeout=20,
    )
    assert bytes.fromhex(done.stdout) == os.fsencode(f"{word}|{word}")
    assert (done.returncode, done.stderr) == (0, "")


def test_no_argument_is_lost_or_added(machine: Host) -> None:
    done = machine.run(["sh", "-c", 'echo "$#"', "sh", "", "a b", "", "-n"], timeout=20)
    assert done.stdout == "4\n"
    assert done.argv == ("sh", "-c", 'echo "$#"', "sh", "", "a b", "", "-n")


@pytest.mark.parametrize("status", [0, 1, 2, 42, 126, 127, 128])
def test_exit_codes_are_kept(machine: Host, status: int) -> None:
    assert machine.run(["sh", "-c", f"exit {status}"], timeout=20).returncode == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGHUP])
def test_death_by_a_signal_is_told(machine: Host, number: signal.Signals) -> None:
    done = machine.run(["sh", "-c", f"kill -{int(number)} $$"], timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (-number, "", "")


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("/nonexistent/program", "No such file or directory"),
        ("no-such-program", "No such file or directory"),
        ("/etc/passwd", "Permission denied"),
        ("/etc", "Permission denied"),
    ],
)
def test_a_program_that_cannot_be_run_is_an_error(machine: Host, program: str, reason: str) -> None:
    with pytest.raises(CommandFailed) as caught:
        machine.run([program, "x"], timeout=20)
    assert caught.value.message == f"{program} cannot be run: {reason}."


def test_stderr_is_told_line_by_line_as_it_comes(machine: Host, tmp_path: Path) -> None:
    told: list[str] = []

    def on_line(line: str) -> None:
        told.append(line)
        (tmp_path / "seen").touch()

    script = (
        f'echo one >&2; while [ ! -e "{tmp_path}/seen" ]; do sleep 0.01; done; printf "two\\r\\nthrée" >&2; echo out'
    )
    done = machine.run(["sh", "-c", script], timeout=20, on_line=on_line)
    assert told == ["one", "two", "thrée"]
    assert (done.stdout, done.stderr) == ("out\n", "one\ntwo\nthrée")


def test_output_is_bounded_and_its_end_is_kept(machine: Host) -> None:
    told: list[str] = []
    script = "head -c 5000000 /dev/zero | tr '\\0' 'x' | fold -w 99; echo; echo END; seq 200000 >&2"
    done = machine.run(["sh", "-c", script], timeout=60, on_line=told.append)
    assert len(done.stdout) == len(done.stderr) == 1 << 20
    assert done.stdout.endswith("x\nEND\n")
    assert done.stderr.endswith("199999\n200000\n")
    assert told == [str(number) for number in range(1, 200001)]


def test_output_that_is_no_utf8_is_shown_all_the_same(machine: Host) -> None:
    done = machine.run(["printf", r"a\377b"], timeout=20)
    assert done.stdout == "a�b"


def test_standard_input_is_empty(machine: Host) -> None:
    assert machine.run(["cat"], timeout=20).stdout == ""


def test_a_program_is_ended_with_all_its_children_when_its_time_is_over(machine: Host) -> None:
    mark = f"31{os.getpid()}{time.monotonic_ns() % 10**6}"
    began = time.monotonic()
    with pytest.raises(CommandFailed, match="still running after 1 s and was ended"):
        machine.run(["sh", "-c", f"sleep {mark} & sleep {mark}; true"], timeout=1)
    assert time.monotonic() - began < 40
    wait_until(lambda: not processes_with(mark))


def test_a_program_that_ignores_the_request_to_end_is_killed(machine: Host) -> None:
    mark = f"32{os.getpid()}{time.monotonic_ns() % 10**6}"
    with pytest.raises(CommandFailed):
        machine.run(["sh", "-c", f"trap '' TERM; while true; do sleep 0.1 {mark[:0]}; : {mark}; done"], timeout=0.5)
    wait_until(lambda: not processes_with(mark))


def test_an_interruption_ends_the_program(machine: Host) -> None:
    mark = f"33{os.getpid()}{time.monotonic_ns() % 10**6}"

    def interrupt() -> None:
        wait_until(lambda: bool(processes_with(mark)))
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        machine.run(["sleep", mark], timeout=60)
    thread.join()
    wait_until(lambda: not processes_with(mark))
    assert machine.run(["echo", "on"], timeout=20).stdout == "on\n"


def test_a_child_left_behind_does_not_hold_the_call(machine: Host) -> None:
    mark = f"34{os.getpid()}{time.monotonic_ns() % 10**6}"
    began = time.monotonic()
    done = machine.run(["sh", "-c", f"sleep {mark} & echo done"], timeout=60)
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert time.monotonic() - began < 40
    for pid in processes_with(mark):
        os.kill(pid, signal.SIGKILL)


# --- files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"x", b"\0\r\n\xff", os.urandom(3_000_001)], ids=["empty", "one", "odd", "big"])
def test_what_was_written_is_read(machine: Host, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    machine.write(str(path), b"before")
    machine.write(str(path), data)
    assert path.read_bytes() == data
    assert machine.read(str(path)) == data
    assert path.stat().st_mode & 0o777 == 0o600
    assert names_in(tmp_path) == ["file"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_every_operation_takes_any_name(machine: Host, tmp_path: Path, name: str) -> None:
    top = str(tmp_path / name)
    machine.make_directory(f"{top}/{name}")
    machine.write(f"{top}/{name}/{name}", b"1")
    machine.append(f"{top}/{name}/{name}", b"2")
    assert machine.list(str(tmp_path)) == (f"{name}/",)
    assert machine.list(f"{top}/{name}") == (name,)
    assert machine.exists(f"{top}/{name}/{name}")
    assert machine.read(f"{top}/{name}/{name}") == b"12"
    assert machine.sizes(top) == {f"{name}/{name}": 2}
    assert machine.sha256(top, [f"{name}/{name}"]) == {f"{name}/{name}": hashlib.sha256(b"12").hexdigest()}
    assert machine.read_tree(top) == {f"{name}/": b"", f"{name}/{name}": b"12"}
    assert machine.age(f"{top}/{name}/{name}") < 60
    machine.link(f"{top}/{name}/{name}", f"{top}/linked")
    assert Path(top, "linked").stat().st_ino == Path(top, name, name).stat().st_ino
    machine.sync(top)
    assert machine.rename(f"{top}/{name}", f"{top}/moved")
    machine.remove(top)
    assert names_in(tmp_path) == []


def test_append_adds_and_keeps_what_is_there(machine: Host, tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    machine.append(path, b"one\n")
    machine.append(path, b"two\n", sync=False)
    machine.append(path, b"")
    assert Path(path).read_bytes() == b"one\ntwo\n"
    assert Path(path).stat().st_mode & 0o777 == 0o600


def test_lines_appended_by_several_threads_stay_whole(machine: Host, tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    lines = [f"{number:03d} {'x' * 200}\n".encode() for number in range(80)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda line: machine.append(path, line), lines))
    assert sorted(Path(path).read_bytes().splitlines(keepends=True)) == lines


def test_directories_are_made_with_their_parents_for_their_owner_alone(machine: Host, tmp_path: Path) -> None:
    machine.make_directory(str(tmp_path / "a/b/c"))
    machine.make_directory(str(tmp_path / "a/b/c"))
    for made in ("a", "a/b", "a/b/c"):
        assert (tmp_path / made).stat().st_mode & 0o777 == 0o700


def test_directories_made_at_the_same_time_are_made_once(machine: Host, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: machine.make_directory(str(tmp_path / "a/b/c/d")), range(16)))
    assert (tmp_path / "a/b/c/d").is_dir()


def test_rename_moves_files_and_directories_and_never_overwrites(machine: Host, tmp_path: Path) -> None:
    for name in ("file", "other"):
        (tmp_path / name).write_text(name)
    for name in ("full", "target"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "inside").write_text(name)
    (tmp_path / "empty").mkdir()
    (tmp_path / "nowhere").symlink_to("dangling")

    def at(name: str) -> str:
        return str(tmp_path / name)

    assert machine.rename(at("file"), at("moved"))
    for taken in ("other", "target", "empty"):
        assert not machine.rename(at("moved"), at(taken))
        assert not machine.rename(at("full"), at(taken))
    assert not machine.rename(at("full"), at("nowhere"))
    assert not machine.rename(at("gone"), at("other"))
    assert machine.rename(at("full"), at("full2"))
    assert (tmp_path / "full2/inside").read_text() == "full"
    assert (tmp_path / "other").read_text() == "other"
    with pytest.raises(HostError, match="gone: No such file or directory"):
        machine.rename(at("gone"), at("new"))


def test_one_of_many_takes_a_place_by_renaming(machine: Host, tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"prepared{number}").mkdir()
        (tmp_path / f"prepared{number}/owner").write_text(str(number))
    with ThreadPoolExecutor(6) as pool:
        took = list(pool.map(lambda n: machine.rename(f"{tmp_path}/prepared{n}", f"{tmp_path}/lock"), range(12)))
    assert took.count(True) == 1
    assert (tmp_path / "lock/owner").read_text() == str(took.index(True))


def test_remove_takes_files_links_and_trees_and_minds_no_absence(machine: Host, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/inside").write_text("x")
    (tmp_path / "tree/deep/deeper").mkdir(parents=True)
    (tmp_path / "tree/deep/file").write_text("x")
    (tmp_path / "tree/link").symlink_to(tmp_path / "kept")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    for name in ("tree", "link", "empty", "file", "gone", "gone/below"):
        machine.remove(str(tmp_path / name))
    assert names_in(tmp_path) == ["kept"]
    assert (tmp_path / "kept/inside").exists()


def test_listing_is_sorted_by_bytes_and_marks_directories(machine: Host, tmp_path: Path) -> None:
    for name in ("b", "B", "ä", "a-", "a", "a_", "10", "9", ".hidden"):
        (tmp_path / name).write_text("")
    (tmp_path / "dir").mkdir()
    (tmp_path / "to_dir").symlink_to("dir")
    assert machine.list(str(tmp_path)) == (".hidden", "10", "9", "B", "a", "a-", "a_", "b", "dir/", "to_dir", "ä")
    assert machine.list(str(tmp_path / "dir")) == ()
    assert machine.list(str(tmp_path / "gone")) == ()
    with pytest.raises(HostError, match="Not a directory"):
        machine.list(str(tmp_path / "b"))


def test_a_large_directory_is_listed_whole(machine: Host, tmp_path: Path) -> None:
    names = sorted(f"{number:05d}{'x' * 100}" for number in range(3000))
    for name in names:
        (tmp_path / name).touch()
    assert machine.list(str(tmp_path)) == tuple(names)


def test_existence_follows_links(machine: Host, tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("gone")
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    seen = [machine.exists(str(tmp_path / name)) for name in ("file", "link", "dangling", "gone", "file/below", "")]
    assert seen == [True, True, False, False, False, True]


def test_what_is_missing_is_named(machine: Host, tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    for call in (
        lambda: machine.read(gone),
        lambda: machine.sizes(gone),
        lambda: machine.read_tree(gone),
        lambda: machine.age(gone),
        lambda: machine.sync(gone),
        lambda: machine.sha256(gone, ["file"]),
        lambda: machine.write(f"{gone}/file", b""),
        lambda: machine.append(f"{gone}/file", b""),
        lambda: machine.link(gone, str(tmp_path / "link")),
    ):
        with pytest.raises(HostError, match=r"gone.*: No such file or directory"):
            call()
    assert names_in(tmp_path) == []


def test_a_directory_is_no_file(machine: Host, tmp_path: Path) -> None:
    with pytest.raises(HostError):
        machine.read(str(tmp_path))
    with pytest.raises(HostError):
        machine.append(str(tmp_path), b"x")
    (tmp_path / "full/inside").mkdir(parents=True)
    with pytest.raises(HostError):
        machine.write(str(tmp_path / "full"), b"x")
    assert names_in(tmp_path) == ["full"]


def test_sizes_are_of_regular_files_and_anything_else_is_an_error(machine: Host, tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").write_bytes(b"123")
    (tmp_path / "empty").touch()
    assert machine.sizes(str(tmp_path)) == {"a/b/file": 3, "empty": 0}
    for odd in ("link to a file", "link to a directory", "pipe"):
        path = tmp_path / "a" / odd
        os.mkfifo(path) if odd == "pipe" else path.symlink_to("/etc/passwd" if "file" in odd else "/etc")
        with pytest.raises(HostError, match=f"{odd} is not a regular file"):
            machine.sizes(str(tmp_path))
        path.unlink()


def test_many_files_are_hashed(machine: Host, tmp_path: Path) -> None:
    expected = {}
    for number in range(700):
        data = str(number).encode() * number
        (tmp_path / f"{number:04d}").write_bytes(data)
        expected[f"{number:04d}"] = hashlib.sha256(data).hexdigest()
    assert machine.sha256(str(tmp_path), sorted(expected)) == expected
    assert machine.sha256(str(tmp_path), []) == {}


def test_a_link_replaces_its_target(machine: Host, tmp_path: Path) -> None:
    (tmp_path / "source").write_text("source")
    (tmp_path / "target").write_text("target")
    for _ in range(2):
        machine.link(str(tmp_path / "source"), str(tmp_path / "target"))
    assert (tmp_path / "target").read_text() == "source"
    assert (tmp_path / "source").stat().st_nlink == 2
    assert names_in(tmp_path) == ["source", "target"]


def test_free_space_is_that_of_the_nearest_parent_that_exists(machine: Host, tmp_path: Path) -> None:
    here = os.statvfs(tmp_path)
    expected = here.f_bavail * here.f_frsize
    assert abs(machine.free_bytes(str(tmp_path / "not/yet/there")) - expected) < 1 << 30


def test_age_is_told_by_the_hosts_clock(machine: Host, tmp_path: Path) -> None:
    path = tmp_path / "heartbeat"
    path.touch()
    os.utime(path, (0, time.time() - 100))
    assert 99 <= machine.age(str(path)) < 130
    os.utime(path, (0, time.time() + 1000))
    assert machine.age(str(path)) == 0


def test_a_tree_is_read_at_once(machine: Host, tmp_path: Path) -> None:
    deep = "/".join(["d" * 60] * 4)
    (tmp_path / deep).mkdir(parents=True)
    (tmp_path / deep / ("f" * 120)).write_bytes(b"deep")
    (tmp_path / "empty").mkdir()
    (tmp_path / "binary").write_bytes(os.urandom(300_000))
    (tmp_path / "zero").touch()
    os.link(tmp_path / "binary", tmp_path / "same")
    (tmp_path / "link").symlink_to("binary")
    (tmp_path / "linked").symlink_to("empty")
    os.mkfifo(tmp_path / "pipe")
    found = machine.read_tree(str(tmp_path))
    assert found == LocalHost().read_tree(str(tmp_path))
    assert {"empty/", "zero", "same", "binary", f"{deep}/", f"{deep}/{'f' * 120}"} <= found.keys()
    assert not found.keys() & {"link", "linked", "linked/", "pipe"}
    assert found["same"] == (tmp_path / "binary").read_bytes()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB, where one may be mounted."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip("nothing may be mounted here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_is_told_as_such_and_leaves_the_old_file(machine: Host, small_disk: Path) -> None:
    path = str(small_disk / "file")
    machine.write(path, b"old")
    for call in (
        lambda: machine.write(path, b"x" * 3_000_000),
        lambda: machine.append(str(small_disk / "journal"), b"x" * 3_000_000),
    ):
        with pytest.raises(DiskFull, match=str(small_disk)):
            call()
    assert machine.read(path) == b"old"
    assert names_in(small_disk) == ["file", "journal"]


# --- several at once -----------------------------------------------------------------------------------------------


def test_threads_do_everything_at_the_same_time(machine: Host, tmp_path: Path) -> None:
    def work(number: int) -> tuple[str, bytes, str]:
        path = str(tmp_path / f"file{number}")
        for turn in range(5):
            machine.write(path, f"{number}.{turn}".encode() * 1000)
            machine.list(str(tmp_path))
        said = machine.run(["sh", "-c", f"echo {number}; cat {path} | head -c 3"], timeout=30).stdout
        return said, machine.read(path)[:3], machine.sha256(str(tmp_path), [f"file{number}"])[f"file{number}"]

    with ThreadPoolExecutor(6) as pool:
        for number, (said, data, digest) in enumerate(pool.map(work, range(6))):
            assert (said, data) == (f"{number}\n{number}.4", f"{number}.4".encode())
            assert digest == hashlib.sha256((tmp_path / f"file{number}").read_bytes()).hexdigest()


def test_file_operations_go_on_while_a_program_runs(machine: Host, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(
            machine.run, ["sh", "-c", f"while [ ! -e {tmp_path}/go ]; do sleep 0.01; done; echo went"], timeout=30
        )
        machine.write(str(tmp_path / "other"), b"x")
        machine.write(str(tmp_path / "go"), b"")
        assert running.result().stdout == "went\n"


def test_nothing_can_be_done_after_close_but_close(sshd: object) -> None:
    host = SshHost(sshd.server())  # type: ignore[attr-defined]
    assert host.exists("/")
    host.close()
    host.close()
    with pytest.raises(HostError, match="closed"):
        host.exists("/")
