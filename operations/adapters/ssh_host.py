"""A server reached over SSH as a ``Host``: sshd with SFTP, a POSIX shell, coreutils, find, xargs and tar."""

from __future__ import annotations

import os
import stat
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence

from operations.adapters.ssh_command import Ended, RemoteProgram, completed
from operations.adapters.ssh_forward import Forward
from operations.adapters.ssh_line import Line
from operations.adapters.ssh_sftp import SftpFiles
from operations.errors import DiskFull, HostError
from operations.ports import Completed
from operations.settings import Server
from operations.tree import unpacked

MESSAGES = {"LC_ALL": "C"}
PATIENCE = 600.0
"""Seconds for what depends on how much there is: removing, syncing."""
HASHING = 6 * 3600.0
AT_ONCE = 500
"""Names in one command."""


class SshHost:
    """Commands and files of another machine, over one connection that is made at the first use."""

    def __init__(self, server: Server) -> None:
        self._line = Line(server)
        self._files = SftpFiles(self._line)
        self._lock = threading.Lock()
        self._forwards: dict[tuple[str, int], Forward] = {}

    def begin(self) -> None:
        """Connect while other things are being prepared."""
        self._line.begin(lambda: self._files.exists("/"))

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        timeout: float,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """In a session of its own on the server, which ends with the connection."""
        return completed(self._line, argv, env or {}, timeout, on_line)

    def read(self, path: str) -> bytes:
        """The file's bytes."""
        return self._files.read(path)

    def write(self, path: str, data: bytes) -> None:
        """By way of a temporary file beside it, synced before it takes the name."""
        self._files.write(path, _beside(path), data)

    def append(self, path: str, data: bytes, *, sync: bool = True) -> None:
        """Append and sync; the directory too where the file is new."""
        self._files.append(path, data, sync=sync)

    def make_directory(self, path: str) -> None:
        """With its parents, mode 0700."""
        self._files.make_directory(path)

    def rename(self, old: str, new: str) -> bool:
        """Never overwrites."""
        return self._files.rename(old, new)

    def remove(self, path: str) -> None:
        """A file, a link or a tree."""
        if not self._files.remove_one(path):
            self._told(["rm", "-rf", "--", path], path)

    def exists(self, path: str) -> bool:
        """Follows links."""
        return self._files.exists(path)

    def list(self, path: str) -> tuple[str, ...]:
        """Sorted byte-wise."""
        found = self._files.entries(path) or {}
        names = (name + ("/" if stat.S_ISDIR(attributes.st_mode) else "") for name, attributes in found.items())
        return tuple(sorted(names, key=os.fsencode))

    def sizes(self, path: str) -> Mapping[str, int]:
        """Regular files only."""
        return dict(self._sizes(path, ""))

    def sha256(self, directory: str, names: Sequence[str]) -> Mapping[str, str]:
        """One ``sha256sum`` per core of the server."""
        found: dict[str, str] = {}
        for start in range(0, len(names), AT_ONCE):
            some = [f"{directory}/{name}" for name in names[start : start + AT_ONCE]]
            each = str(1 + len(some) // 64)
            script = 'each=$1; shift; printf "%s\\0" "$@" | xargs -0 -n "$each" -P "$(nproc)" sha256sum -z --'
            ended = self._told(["sh", "-c", script, "sh", each, *some], directory, HASHING)
            for line in ended.stdout.split(b"\0")[:-1]:
                digest, _, name = line.partition(b"  ")
                found[os.fsdecode(name).removeprefix(f"{directory}/")] = digest.decode()
        return {name: found[name] for name in names}

    def read_gzip(self, _directory: str, _names: Sequence[str], _jobs: int, /) -> Mapping[str, str | None]:
        """None of them: the server's own ``gzip -t`` is slower than pg_restore."""
        return {}

    def sync(self, path: str) -> None:
        """Files first, then the directories that name them."""
        ours = ["(", "-type", "f", "-o", "-type", "d", ")"]
        self._told(["find", path, "-depth", *ours, "-exec", "sync", "--", "{}", "+"], path)

    def link(self, source: str, target: str) -> None:
        """By way of a temporary name beside the target."""
        self._files.replace_by_link(source, target, _beside(target))

    def free_bytes(self, path: str) -> int:
        """What an ordinary user may still write there."""
        return self._files.free_bytes(path)

    def age(self, path: str) -> float:
        """Both times are the server's."""
        changed = self._files.changed(path)
        return max(0.0, float(self._told(["date", "+%s"], path).stdout) - changed)

    def read_tree(self, path: str) -> Mapping[str, bytes]:
        """One stream of ``tar``, unpacked in memory."""

        ended = self._told(["tar", "-cf", "-", "-C", path, "."], path)
        return unpacked(ended.stdout)

    def reach(self, address: str, port: int) -> tuple[str, int]:
        """A port of this machine, as long as the connection stands or can be made again."""
        with self._lock:
            forward = self._forwards.get((address, port))
            if forward is None:
                forward = self._forwards[address, port] = Forward(self._line, address, port)
        return forward.address()

    def close(self) -> None:
        """End the connection, and with it all that goes through it."""
        with self._lock:
            for forward in self._forwards.values():
                forward.close()
            self._forwards.clear()
        self._line.close()

    def _told(self, argv: Sequence[str], path: str, timeout: float = PATIENCE) -> Ended:
        """Run one of the server's own tools; raises what it complains of, for ``path``."""
        ended = RemoteProgram(self._line, argv, MESSAGES, None).run(timeout, None)
        if ended.returncode == 0:
            return ended
        first, *_ = ended.stderr.strip().splitlines() or [f"{argv[0]} ended with {ended.returncode}"]
        reason = first.rpartition(": ")[2]
        if reason == os.strerror(28):
            raise DiskFull(f"The disk is full: {path} could not be written.", hint="df -h shows what is full.")
        raise HostError(f"{path}: {reason}.")

    def _sizes(self, top: str, below: str) -> Iterator[tuple[str, int]]:
        found = self._files.entries(f"{top}/{below}")
        if found is None:
            raise HostError(f"{top}: {os.strerror(2)}.")
        for name, attributes in found.items():
            if stat.S_ISDIR(attributes.st_mode):
                yield from self._sizes(top, f"{below}{name}/")
            elif stat.S_ISREG(attributes.st_mode):
                yield f"{below}{name}", attributes.st_size
            else:
                raise HostError(f"{top}/{below}{name} is not a regular file.")


def _beside(path: str) -> str:
    return f"{path}.{uuid.uuid4().hex}.tmp"
