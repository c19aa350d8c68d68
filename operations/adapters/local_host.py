"""This machine as a ``Host``."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from operations.adapters import gzip_reading
from operations.adapters.tail import Tail
from operations.errors import CommandTimedOut, DiskFull, HostError, ProgramUnusable
from operations.ports import Completed
from operations.signals import signals_held_back

CHUNK = 1 << 20
KEPT_OUTPUT = 1 << 20
"""Characters of a program's output that are kept; a chatty one cannot fill the memory."""

LINGERING = 2.0
"""Seconds for a program's last words: a process that it left behind may hold the other end for ever."""


class LocalHost:
    """Commands and files of the machine that this process runs on."""

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        timeout: float,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run a program in a session of its own, so that a terminal's Ctrl-C reaches only us and we end it."""
        with signals_held_back() as hold:
            process = _started(argv, env or {})
            with _ended(process):
                output = _Output(process, on_line)
                hold.release()
                _wait(process, argv[0], timeout)
        output.wait()
        return Completed(tuple(argv), process.returncode, output.stdout.text, output.stderr.text)

    def read(self, path: str) -> bytes:
        """The file's bytes."""
        with _told(path), open(path, "rb", buffering=0) as file:  # noqa: PTH123 - of hundreds, each Path would be felt
            return file.readall()

    def write(self, path: str, data: bytes) -> None:
        """By way of a temporary file beside it, synced before it takes the name."""
        temporary = f"{path}.{os.urandom(16).hex()}.tmp"
        with _told(path):
            try:
                _write(temporary, data, os.O_CREAT | os.O_EXCL)
                Path(temporary).rename(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
            _sync_path(Path(path).parent)

    def append(self, path: str, data: bytes, *, sync: bool = True) -> None:
        """Append and sync; the directory too where the file is new."""
        with _told(path):
            new = not Path(path).exists()
            _write(path, data, os.O_CREAT | os.O_APPEND, sync=sync)
            if new:
                _sync_path(Path(path).parent)

    def make_directory(self, path: str) -> None:
        """With its parents, mode 0700."""
        with _told(path):
            missing = [p for p in (Path(path), *Path(path).parents) if not p.exists()]
            for directory in reversed(missing):
                directory.mkdir(mode=0o700, exist_ok=True)
                _sync_path(directory.parent)

    def rename(self, old: str, new: str) -> bool:
        """Never overwrites: an existing target, even an empty directory, leaves both as they are."""
        with _told(old):
            if Path(new).exists():
                return False
            try:
                Path(old).rename(new)
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    return False
                raise
            _sync_path(Path(new).parent)
            return True

    def remove(self, path: str) -> None:
        """A file, a link or a tree."""
        with _told(path):
            if Path(path).is_dir() and not Path(path).is_symlink():
                shutil.rmtree(path)
            else:
                Path(path).unlink(missing_ok=True)

    def exists(self, path: str) -> bool:
        """Follows links."""
        with _told(path):
            return Path(path).exists()

    def list(self, path: str) -> tuple[str, ...]:
        """Sorted byte-wise, as Prisma sorts migration folders."""
        with _told(path):
            try:
                with os.scandir(path) as entries:
                    names = [entry.name + ("/" if entry.is_dir(follow_symlinks=False) else "") for entry in entries]
            except FileNotFoundError:
                return ()
            return tuple(sorted(names, key=os.fsencode))

    def sizes(self, path: str) -> Mapping[str, int]:
        """Regular files only: a link, a device or a pipe in a backup is not ours."""
        found: dict[str, int] = {}
        with _told(path):
            for directory, directories, names in os.walk(path, onerror=_raise):
                for name in (*names, *(name for name in directories if Path(directory, name).is_symlink())):
                    file = Path(directory, name)
                    status = file.lstat()
                    if not stat.S_ISREG(status.st_mode):
                        raise HostError(f"{file} is not a regular file.")
                    found[os.path.relpath(file, path)] = status.st_size
        return found

    def sha256(self, directory: str, names: Sequence[str]) -> Mapping[str, str]:
        """One thread per core: hashlib lets go of the interpreter for large blocks."""
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            return dict(zip(names, pool.map(lambda name: _digest(Path(directory, name)), names), strict=True))

    def read_gzip(self, directory: str, names: Sequence[str], jobs: int, /) -> Mapping[str, str | None]:
        """All of them."""
        with _told(directory):
            return gzip_reading.read_all(directory, names, jobs)

    def sync(self, path: str) -> None:
        """Files first, then the directories that name them."""
        with _told(path):
            for directory, _, names in os.walk(path, topdown=False, onerror=_raise):
                for name in names:
                    _sync_path(Path(directory, name))
                _sync_path(Path(directory))

    def link(self, source: str, target: str) -> None:
        """By way of a temporary name beside the target."""
        temporary = f"{target}.{os.urandom(16).hex()}.tmp"
        with _told(target):
            os.link(source, temporary)
            Path(temporary).replace(target)
            Path(temporary).unlink(missing_ok=True)  # left where both are one file already

    def free_bytes(self, path: str) -> int:
        """What an ordinary user may still write there."""
        with _told(path):
            existing = next(p for p in (Path(path), *Path(path).parents) if p.exists())
            return shutil.disk_usage(existing).free

    def age(self, path: str) -> float:
        """Seconds since the last change of its content."""
        with _told(path):
            return max(0.0, time.time() - Path(path).stat().st_mtime)

    def read_tree(self, path: str) -> Mapping[str, bytes]:
        """A directory that is not there is an error."""
        found: dict[str, bytes] = {}
        with _told(path):
            for directory, directories, names in os.walk(path, onerror=_raise):
                below = (Path(directory, name) for name in directories)
                found |= {f"{os.path.relpath(each, path)}/": b"" for each in below if not each.is_symlink()}
                for file in (Path(directory, name) for name in names):
                    if stat.S_ISREG(file.lstat().st_mode):
                        found[os.path.relpath(file, path)] = file.read_bytes()
        return found

    def reach(self, address: str, port: int) -> tuple[str, int]:
        """The very same: it is this machine that connects."""
        return address, port

    def close(self) -> None:
        """There is nothing to let go of."""


def _started(argv: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            argv,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise ProgramUnusable(f"{argv[0]} cannot be run: {error.strerror}.") from error


@contextmanager
def _ended(process: subprocess.Popen[str]) -> Iterator[None]:
    """However the block ends, the program has ended too."""
    try:
        yield
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # with its parallel workers, which would go on by themselves
        process.wait()


class _Output:
    """Reads both pipes to their ends, each in a thread that closes it: a child left behind may hold them for long."""

    def __init__(self, process: subprocess.Popen[str], on_line: Callable[[str], None] | None) -> None:
        self.stdout, self.stderr = Tail(KEPT_OUTPUT), Tail(KEPT_OUTPUT)
        self._readers = [
            threading.Thread(target=_drain, args=(process.stdout, self.stdout, None), daemon=True),
            threading.Thread(target=_drain, args=(process.stderr, self.stderr, on_line), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def wait(self) -> None:
        """For what was written last."""
        for reader in self._readers:
            reader.join(LINGERING)


def _drain(pipe: IO[str], kept: Tail, tell: Callable[[str], None] | None) -> None:
    with pipe:
        for line in pipe:
            kept.add(line)
            if tell:
                tell(line.rstrip("\n"))


def _wait(process: subprocess.Popen[str], program: str, timeout: float) -> None:
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired as error:
        raise CommandTimedOut(f"{program} was still running after {timeout:.0f} s and was ended.") from error


@contextmanager
def _told(path: str) -> Iterator[None]:
    """The operating system's errors as ours."""
    try:
        yield
    except OSError as error:
        at = error.filename or path
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"The disk is full: {at} could not be written.", hint="df -h shows what is full.") from error
        raise HostError(f"{at}: {error.strerror}.") from error


def _raise(error: OSError) -> None:
    raise error


def _write(path: str, data: bytes, flags: int, *, sync: bool = True) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | flags, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_path(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(path: Path) -> str:
    with _told(str(path)), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
