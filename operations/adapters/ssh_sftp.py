"""Files by SFTP, with several requests under way at once, so that an operation costs one or two round trips."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from typing import Any

from paramiko import sftp as code
from paramiko.sftp import int64

from operations.adapters.ssh_line import BROKEN, Line
from operations.adapters.ssh_pipeline import (
    Pipeline,
    Refused,
    attributes,
    free,
    fsync,
    got,
    is_directory,
    mode,
    names,
    open_directory,
    raw,
    rename_over,
    upwards,
)
from operations.errors import DiskFull, HostError
from operations.signals import signals_held_back

CHUNK = 128 * 1024
AT_ONCE = 16
"""Chunks under way: 2 MiB."""
PATIENCE = 120.0
"""Seconds that one answer may take, while the line itself shows signs of life: a disk can be slow."""
NO_SFTP = "sshd_config there must have a line such as: Subsystem sftp internal-sftp"
NOTHING_LEFT = 1 << 20
"""A disk with less than this is full."""


class SftpFiles:
    """The file operations that SFTP can do. Every path is absolute."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._lock = threading.RLock()
        self._client: Pipeline | None = None

    def read(self, path: str) -> bytes:
        """The file's bytes, also of one that grows while it is read."""
        with self._asking() as ask:
            status, handle = ask((code.CMD_STAT, raw(path)), (code.CMD_OPEN, raw(path), code.SFTP_FLAG_READ, mode()))
            handle = got(path, handle).get_binary()
            with self._handle(handle):
                if is_directory(attributes(status)):
                    raise HostError(f"{path}: {os.strerror(errno.EISDIR)}.")
                return self._read_all(path, handle, attributes(status).st_size or 0)

    def write(self, path: str, temporary: str, data: bytes) -> None:
        """By way of the temporary name; on an error it is removed again."""
        flags = code.SFTP_FLAG_WRITE | code.SFTP_FLAG_CREATE | code.SFTP_FLAG_EXCL
        with self._asking() as ask:
            file, parent = ask((code.CMD_OPEN, raw(temporary), flags, mode(0o600)), open_directory(path))
            handles = [answer.get_binary() for answer in (file, parent) if not isinstance(answer, Refused)]
            try:
                self._did(path, file, data)
                got(str(PurePosixPath(path).parent), parent)
                self._write_all(path, handles[0], data, sync=True)
                self._did(path, *ask(rename_over(temporary, path), fsync(handles[1])))
            except HostError:
                ask((code.CMD_REMOVE, raw(temporary)))
                self._close(*handles)
                raise
            self._close(*handles)

    def append(self, path: str, data: bytes, *, sync: bool) -> None:
        """At the end, wherever that is by then."""
        flags = code.SFTP_FLAG_WRITE | code.SFTP_FLAG_CREATE | code.SFTP_FLAG_APPEND
        with self._asking() as ask:
            before, file = ask((code.CMD_STAT, raw(path)), (code.CMD_OPEN, raw(path), flags, mode(0o600)))
            self._did(path, file, data)
            handle = file.get_binary()
            with self._handle(handle):
                self._write_all(path, handle, data, sync=sync)
        if isinstance(before, Refused):
            self.sync_directory(str(PurePosixPath(path).parent))

    def make_directory(self, path: str) -> None:
        """With its parents, mode 0700, each synced into its own parent."""
        above = upwards(path)
        with self._asking() as ask:
            found = ask(*((code.CMD_STAT, raw(each)) for each in above))
            missing = [each for each, answer in zip(above, found, strict=True) if isinstance(answer, Refused)]
            for each in reversed(missing):
                made, there = ask((code.CMD_MKDIR, raw(each), mode(0o700)), (code.CMD_STAT, raw(each)))
                if isinstance(there, Refused):
                    self._did(each, made)
                self.sync_directory(str(PurePosixPath(each).parent))

    def rename(self, old: str, new: str) -> bool:
        """SFTP's own rename, which never overwrites."""
        with self._asking() as ask:
            taken, renamed, parent = ask(
                (code.CMD_STAT, raw(new)), (code.CMD_RENAME, raw(old), raw(new)), open_directory(new)
            )
            if isinstance(parent, Refused):
                self._did(old, renamed)
                return True
            handle = parent.get_binary()
            with self._handle(handle):
                synced, there = ask(fsync(handle), (code.CMD_LSTAT, raw(new)))
                if not isinstance(renamed, Refused):
                    self._did(new, synced)
                    return True
                if isinstance(taken, Refused) and isinstance(there, Refused):
                    self._did(old, renamed)
                return False

    def replace_by_link(self, source: str, target: str, temporary: str) -> None:
        """A hard link under the temporary name, moved over the target."""
        with self._asking() as ask:
            linked, moved, _ = ask(
                (code.CMD_EXTENDED, "hardlink@openssh.com", raw(source), raw(temporary)),
                rename_over(temporary, target),
                (code.CMD_REMOVE, raw(temporary)),
            )
            self._did(source, linked)
            self._did(target, moved)

    def remove_one(self, path: str) -> bool:
        """A file, a link or an empty directory, or nothing; False if it is a directory that holds something."""
        with self._asking() as ask:
            found, removed, emptied = ask(
                (code.CMD_LSTAT, raw(path)), (code.CMD_REMOVE, raw(path)), (code.CMD_RMDIR, raw(path))
            )
            if isinstance(found, Refused):
                if found.errno != errno.ENOENT:
                    self._did(path, found)
                return True
            if not isinstance(removed, Refused) or not isinstance(emptied, Refused):
                return True
            if not is_directory(attributes(found)):
                self._did(path, removed)
            return False

    def exists(self, path: str) -> bool:
        """Follows links."""
        with self._asking() as ask:
            (found,) = ask((code.CMD_STAT, raw(path)))
            if isinstance(found, Refused) and found.errno != errno.ENOENT:
                self._did(path, found)
            return not isinstance(found, Refused)

    def changed(self, path: str) -> int:
        """When its content changed last, in seconds since the epoch."""
        with self._asking() as ask:
            return int(attributes(got(path, *ask((code.CMD_STAT, raw(path))))).st_mtime or 0)

    def entries(self, path: str) -> dict[str, Any] | None:
        """Names in a directory with their paramiko attributes, links not followed; ``None`` if it does not exist."""
        with self._asking() as ask:
            opened, there = ask((code.CMD_OPENDIR, raw(path)), (code.CMD_STAT, raw(path)))
            if isinstance(opened, Refused):
                if opened.errno == errno.ENOENT and isinstance(there, Refused):
                    return None
                wrong = not isinstance(there, Refused) and not is_directory(attributes(there))
                raise HostError(f"{path}: {os.strerror(errno.ENOTDIR if wrong else opened.errno or 0)}.")
            handle = opened.get_binary()
            with self._handle(handle):
                return self._list_all(handle)

    def free_bytes(self, path: str) -> int:
        """Of the nearest parent that exists."""
        with self._asking() as ask:
            found = ask(*((code.CMD_EXTENDED, "statvfs@openssh.com", raw(each)) for each in upwards(path)))
            return free(next((answer for answer in found if not isinstance(answer, Refused)), None), path)

    def sync_directory(self, path: str) -> None:
        """So that the names in it survive a crash."""
        with self._asking() as ask:
            (opened,) = ask((code.CMD_OPEN, raw(path), code.SFTP_FLAG_READ, mode()))
            handle = got(path, opened).get_binary()
            with self._handle(handle):
                self._did(path, *ask(fsync(handle)))

    @contextmanager
    def _asking(self) -> Iterator[Any]:
        """One operation at a time, which no signal interrupts: an answer that is half read would be taken for others.

        After anything but the file system's own errors the channel is given up.
        """
        self._line.transport()
        with self._lock, signals_held_back():
            client = self._open()
            try:
                with self._line.told("a file operation was under way"):
                    yield client.ask
            except HostError:
                raise
            except BaseException:
                self._forget(client)
                raise

    def _open(self) -> Pipeline:
        client = self._client
        if client is None or client.get_channel().closed:
            channel = self._line.session()
            with self._line.told("SFTP could not be started", refused=NO_SFTP):
                channel.invoke_subsystem("sftp")
                channel.settimeout(PATIENCE)
                client = self._client = Pipeline(channel)
        return client

    def _forget(self, client: Pipeline) -> None:
        self._client = None
        with suppress(*BROKEN):
            client.close()

    @contextmanager
    def _handle(self, handle: bytes) -> Iterator[None]:
        try:
            yield
        except HostError:
            self._close(handle)
            raise
        self._close(handle)

    def _close(self, *handles: bytes) -> None:
        assert self._client  # noqa: S101 - inside of _asking
        self._client.tell(*((code.CMD_CLOSE, handle) for handle in handles))

    def _read_all(self, path: str, handle: bytes, size: int) -> bytes:
        assert self._client  # noqa: S101 - inside of _asking
        found = bytearray()
        while True:
            wanted = min(AT_ONCE, max(0, size - len(found)) // CHUNK + 2)
            starts = [len(found) + number * CHUNK for number in range(wanted)]
            answers = self._client.ask(*((code.CMD_READ, handle, int64(start), CHUNK) for start in starts))
            for start, answer in zip(starts, answers, strict=True):
                if isinstance(answer, Refused):
                    if answer.text != "End of file":
                        self._did(path, answer)
                    return bytes(found)
                if start != len(found):
                    break  # one before was cut short: asked again from there
                found += answer.get_binary()

    def _list_all(self, handle: bytes) -> dict[str, Any]:
        assert self._client  # noqa: S101 - inside of _asking
        found: dict[str, Any] = {}
        while True:
            for answer in self._client.ask(*[(code.CMD_READDIR, handle)] * 2):
                if isinstance(answer, Refused):
                    return found
                found |= names(answer)

    def _write_all(self, path: str, handle: bytes, data: bytes, *, sync: bool) -> None:
        assert self._client  # noqa: S101 - inside of _asking
        requests: list[tuple[Any, ...]] = [
            (code.CMD_WRITE, handle, int64(start), data[start : start + CHUNK]) for start in range(0, len(data), CHUNK)
        ]
        if sync:
            requests.append(fsync(handle))
        for start in range(0, len(requests), AT_ONCE):
            self._did(path, *self._client.ask(*requests[start : start + AT_ONCE]), data=data)

    def _did(self, path: str, *answers: Any, data: bytes = b"") -> None:
        """Raise what the first refusal means; the protocol has one word for a full disk and everything else."""
        refused = next((answer for answer in answers if isinstance(answer, Refused)), None)
        if refused is None:
            return
        if refused.errno is not None:
            raise HostError(f"{path}: {os.strerror(refused.errno)}.")
        if refused.text == code.SFTP_DESC[code.SFTP_OP_UNSUPPORTED]:
            raise HostError(f"{path}: the server's SFTP cannot do this; OpenSSH's can.")
        if self.free_bytes(path) < max(NOTHING_LEFT, len(data)):
            raise DiskFull(f"The disk is full: {path} could not be written.", hint="df -h shows what is full.")
        raise HostError(f"{path}: the server refused it ({refused.text}).")
