"""Several threads read into a struct for the first time, in a process of their own: it would be the one to crash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TOGETHER = """
import threading, time
from msgspec import Struct
from operations.described import read_data

describing = threading.Event()

def slowly():
    describing.set()
    time.sleep(0.3)
    return int

class Inner(Struct):
    number: "slowly()"

class Outer(Struct):
    inner: Inner

def read():
    assert read_data({"inner": {"number": 1}}, Outer).inner.number == 1

first = threading.Thread(target=read)
first.start()
assert describing.wait(10)
read()
first.join()
print("read")
"""


def test_a_second_thread_waits_until_a_struct_is_described() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TOGETHER], cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "read\n", "")
