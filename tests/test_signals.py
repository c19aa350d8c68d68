"""A signal that comes while a program is being started is not lost, and neither is the program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from operations.signals import signals_held_back


class Told(Exception):
    """What the handler before raises."""


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    def tell(_number: int, _frame: FrameType | None) -> None:
        raise Told

    before = signal.signal(signal.SIGTERM, tell)
    yield
    signal.signal(signal.SIGTERM, before)


def test_it_is_told_at_the_release() -> None:
    reached = []
    with pytest.raises(Told), signals_held_back() as hold:
        signal.raise_signal(signal.SIGTERM)
        reached.append("the handle is stored")
        hold.release()
        reached.append("never")
    assert reached == ["the handle is stored"]


def test_it_is_told_at_the_end_of_a_block_that_never_releases() -> None:
    reached = []
    with pytest.raises(Told), signals_held_back():
        signal.raise_signal(signal.SIGTERM)
        reached.append("the end")
    assert reached == ["the end"]


def test_after_it_signals_come_at_once() -> None:
    with signals_held_back() as hold:
        hold.release()
        with pytest.raises(Told):
            signal.raise_signal(signal.SIGTERM)


def test_in_other_threads_there_is_nothing_to_hold() -> None:
    entered = []

    def work() -> None:
        with signals_held_back():
            entered.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert entered == [True]


INTERRUPTED = """
from operations.signals import end_with

try:
    exec("raise KeyboardInterrupt")
except KeyboardInterrupt:
    end_with(3)
"""


def test_the_exit_code_is_the_one_that_was_said(tmp_path: Path) -> None:
    (tmp_path / "interrupted.py").write_text(INTERRUPTED)
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])
    environ = {**os.environ, "PYTHONPATH": path}
    assert subprocess.run([sys.executable, "-m", "interrupted"], env=environ, timeout=90).returncode == 3


LOST = """
import signal, threading, weakref
from operations.signals import end_cleanly

class Thing:
    pass

end_cleanly()
thing = Thing()
watching = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGTERM))
try:
    del thing
    threading.Event().wait(60)
    print("never told")
except KeyboardInterrupt:
    signal.raise_signal(signal.SIGTERM)
    print("told, and undone")
"""


def test_one_that_comes_where_python_lets_no_exception_out_comes_again() -> None:
    done = subprocess.run([sys.executable, "-c", LOST], capture_output=True, text=True, timeout=90, check=True)
    assert done.stdout == "told, and undone\n"
    assert done.stderr == "Ending already: what was begun is being undone.\n"
