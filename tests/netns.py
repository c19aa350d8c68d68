"""A network namespace: a machine of its own as far as the network goes, on a line that can be cut (needs root)."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Literal

from .conftest import missing

Direction = Literal["INPUT", "OUTPUT"]
"""As seen from inside."""
CLONE_NEWNET = 0x40000000
FIRST = IPv4Address("10.213.0.0")
PER_LINE = 4
"""Addresses: the two ends, and two that no machine may have."""
LINES = 16384
LINK = "line"
"""What the inner end is called."""


@dataclass(frozen=True)
class Namespace:
    """One with a line to this machine. Both ends have an address; inside there is a loopback interface besides."""

    name: str
    address: str
    """Of the inner end."""
    home: int
    """Descriptor of the namespace that this one was made from."""

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This thread is inside, and so is what it starts."""
        with Path("/run/netns", self.name).open() as there, _in(there.fileno()):
            yield

    @contextmanager
    def left(self) -> Iterator[None]:
        """This thread is back on the machine itself, and so is what it starts."""
        with _in(self.home):
            yield

    def down(self) -> None:
        """Pull the plug at the inner end. (At the outer one, packets would look for another way out.)"""
        _run("ip", "-n", self.name, "link", "set", LINK, "down")

    def up(self) -> None:
        """Put it back in."""
        _run("ip", "-n", self.name, "link", "set", LINK, "up")

    def lose(self, direction: Direction) -> None:
        """Whatever comes in, or goes out, is lost without a word."""
        interface = "--in-interface" if direction == "INPUT" else "--out-interface"
        with self.entered():
            _run("iptables", "--wait", "--append", direction, interface, LINK, "--jump", "DROP")

    def lose_nothing(self) -> None:
        """Forget what ``lose`` was told."""
        with self.entered():
            _run("iptables", "--wait", "--flush")

    def packets(self) -> int:
        """How many have come in so far; to be asked inside."""
        (line,) = (line for line in Path("/proc/thread-self/net/dev").read_text().splitlines() if f"{LINK}:" in line)
        return int(line.partition(":")[2].split()[1])

    def processes(self) -> set[int]:
        """All that run inside, but for this one."""
        return {int(pid) for pid in _run("ip", "netns", "pids", self.name).split()} - {os.getpid()}


@contextmanager
def namespace() -> Iterator[Namespace]:
    """A new one; its addresses are this process's own, so that several can be used at once."""
    if os.getuid() != 0:
        missing("The right to make a network namespace")
    if not shutil.which("ip") or not shutil.which("iptables"):
        missing("iproute2 or iptables")
    number = os.getpid()
    first = FIRST + PER_LINE * (number % LINES)
    name, outer, near, far = f"locktender-{number}", f"lt{number}", str(first + 1), str(first + 2)
    _run("ip", "netns", "add", name)
    try:
        _run("ip", "link", "add", outer, "type", "veth", "peer", "name", LINK, "netns", name)
        _run("ip", "address", "add", f"{near}/30", "dev", outer)
        _run("ip", "link", "set", outer, "up")
        _run("ip", "-n", name, "address", "add", f"{far}/30", "dev", LINK)
        _run("ip", "-n", name, "link", "set", LINK, "up")
        _run("ip", "-n", name, "link", "set", "lo", "up")
        with Path("/proc/thread-self/ns/net").open() as home:
            yield Namespace(name, far, home.fileno())
    finally:
        _run("ip", "netns", "delete", name)  # and the line with it, as soon as nothing runs there any more


@contextmanager
def _in(namespace: int) -> Iterator[None]:
    with Path("/proc/thread-self/ns/net").open() as before:
        _enter(namespace)
        try:
            yield
        finally:
            _enter(before.fileno())


def _enter(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)  # os.setns came with Python 3.12
    if libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=20).stdout
