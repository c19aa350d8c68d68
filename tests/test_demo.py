"""The demonstration: tells its whole story, checks it, and leaves nothing behind, not even when it is ended early."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .terminal import locktender, start


@pytest.fixture
def place() -> Iterator[Path]:
    """A place for temporary files that every user may enter: run by root, the server is another user's."""
    path = Path(tempfile.mkdtemp(prefix="lt-demo-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def running_in(place: Path) -> list[str]:
    """Programs that were started with a path below ``place``."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(place) in words:
            found.append(words)
    return found


@pytest.mark.campaign
def test_the_whole_story(place: Path) -> None:
    said = locktender("demo", "--json", cwd=place, env={"TMPDIR": str(place)})
    assert said.exit_code == 0, said.stderr
    result = said.answer["result"]
    assert [step["ok"] for step in result["steps"]] == [True] * 6
    states = [step["state"] for step in result["steps"]]
    assert states[0]["rows"] > 100_000
    assert len({state["fingerprint"] for state in states}) == 1, (
        "each step ends in the state that was deployed and filled"
    )
    for word in ("deploy", "backup create", "backup verify", "rollback", "restore --undo"):
        assert any(command.startswith(f"locktender {word}") for command in result["commands"])
        assert f"$ locktender {word}" in said.stderr
    assert "the database is untouched" in said.stderr
    assert (running_in(place), list(place.iterdir())) == ([], [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ended_early_it_leaves_nothing_running(number: signal.Signals, place: Path) -> None:
    with start("demo", cwd=place, env={"TMPDIR": str(place)}) as process:
        try:
            assert process.stdout
            for line in process.stdout:
                if "$ locktender deploy" in line:
                    break
            assert any("postgres" in words for words in running_in(place))
            process.send_signal(number)
            _, stderr = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, "interrupted" in stderr) == (3, True)
    assert (running_in(place), list(place.iterdir())) == ([], [])
