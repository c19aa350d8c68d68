"""The host's file systems, as Linux tells of them, and which of them a path is on."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from msgspec import Struct

from operations.ports import Host

ROOT = "/"
TIMEOUT = 5.0
ESCAPED = re.compile(r"\\([0-7]{3})")
"""Blanks and backslashes in mountinfo, as octal numbers."""


class Mount(Struct, frozen=True):
    """``root`` of the file system on ``device`` (``MAJOR:MINOR``) is seen at ``point``."""

    device: str
    root: str
    point: str
    writable: bool
    """The file system itself, however it is mounted here."""

    def leads_to(self, path: str) -> bool:
        """Whether a path is below it, by its name."""
        return path == self.point or path.startswith(f"{self.point.rstrip('/')}/")


def file_systems(host: Host, paths: Collection[str]) -> Mapping[str, Mount]:
    """Of each path that is there and can be seen the mount by which its file system is called."""
    told = host.run(["stat", "-L", "-c", "%d %n", "--", *dict.fromkeys((*paths, ROOT))], timeout=TIMEOUT)
    lines = (line.partition(" ") for line in told.stdout.splitlines())
    numbers = {path: int(number) for number, _, path in lines if number.isdigit()}
    mounts = tuple(parsed(host.run(["cat", "/proc/self/mountinfo"], timeout=TIMEOUT).stdout))
    found = located(with_root(mounts, numbers.get(ROOT)), numbers)
    return {path: found[path] for path in paths if path in found}


def parsed(mountinfo: str) -> Iterator[Mount]:
    """A line: id, parent, device, root, mount point, options …, -, type, source, the file system's options. Pure."""
    for line in mountinfo.splitlines():
        mount, _, file_system = line.partition(" - ")
        _, _, device, root, point, *_ = mount.split(" ")
        point = ESCAPED.sub(lambda found: chr(int(found[1], 8)), point)
        yield Mount(device, root, point, "ro" not in file_system.rpartition(" ")[2].split(","))


def with_root(mounts: Sequence[Mount], number: int | None) -> Sequence[Mount]:
    """In a changed root (chroot) nothing tells of the file system that it lies on but its number. Pure."""
    if number is None or any(mount.point == ROOT for mount in mounts):
        return mounts
    return (*mounts, Mount(_device(number), ROOT, ROOT, True))


def located(mounts: Sequence[Mount], numbers: Mapping[str, int]) -> Mapping[str, Mount]:
    """By each path's device as stat has it; of a file system with devices of its own (btrfs), by the path. Pure."""
    known = {mount.device for mount in mounts}
    shared: dict[str, list[str]] = {}
    for path, number in numbers.items():
        device = _device(number)
        if device not in known:
            above = [mount for mount in mounts if mount.leads_to(path)]
            device = max(above, key=lambda mount: len(mount.point)).device if above else ""
        shared.setdefault(device, []).append(path)
    return {path: _called(mounts, device, paths) for device, paths in shared.items() if device for path in paths}


def _device(number: int) -> str:
    return f"{os.major(number)}:{os.minor(number)}"


def _called(mounts: Sequence[Mount], device: str, paths: Sequence[str]) -> Mount:
    """Always the same of several: one that shows all of it, or else leads to what is looked for."""
    return min(
        (mount for mount in mounts if mount.device == device),
        key=lambda one: (one.root != "/", not any(map(one.leads_to, paths)), len(one.point), one.point),
    )
