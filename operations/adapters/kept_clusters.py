"""Clusters to begin with a copy of: bases that were put by, and the new one that comes with the image.

Who may write a base may change what a validation says, and run programs as the trial server's account.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tarfile
import tempfile
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from operations.adapters.throwaway import ThrowawayServer
from operations.secret import Secret

KEPT = 4
"""Bases in a directory; the oldest goes."""
ABANDONED = 3600.0
"""Seconds after which what is half-made is nobody's."""
NAME = re.compile(r"[0-9a-f]{40}-[0-9a-f]+")
PASSWORD = re.compile(r"[A-Za-z0-9_-]+")
PREPARED = Path("/var/lib/locktender/cluster")
PREPARED_PASSWORD = Secret("prepared")
"""Nobody's secret: the superuser gets another one before anything runs there."""


class Kept(Struct, frozen=True):
    """``cluster`` is a directory or an archive of one.

    ``reached``: how many of the landed migrations its database ``base`` holds; ``None``: it has no such database.
    """

    cluster: Path
    password: Secret
    reached: int | None = None
    troubles: tuple[str, ...] = ()
    fingerprint: str = ""


def longest(cache: Path, binaries: Path, landed: Sequence[str]) -> Kept | None:
    """The longest beginning of a history, by ``chain``'s digests, that was put by."""
    for reached in range(len(landed) - 1, -1, -1):
        entry = _entry(cache, binaries, landed[reached])
        if found := _read(entry, reached):
            with suppress(OSError):
                os.utime(entry)
            return found
    return None


def prepared(directory: Path, binaries: Path) -> Kept | None:
    """A new cluster, with the roles."""
    archive = _archive(directory, binaries)
    return Kept(archive, PREPARED_PASSWORD) if archive.exists() else None


def put_by(cache: Path, process: ThrowawayServer, digest: str, troubles: Sequence[str], fingerprint: str) -> Path:
    """Beside the others, under a name that a crash does not leave half-made; returns it. The server is started anew."""
    target = _entry(cache, process.binaries, digest)
    if target.exists():
        there = _read(target)
        if there and there.fingerprint == fingerprint:  # somebody else was quicker
            return target
        shutil.rmtree(target, ignore_errors=True)
    begun = cache / f"{uuid.uuid4().hex}.tmp"
    with suppress(OSError):  # a full disk, or somebody else was quicker: nothing that was asked for depends on it
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        begun.mkdir(mode=0o700)
        process.put_by(begun / "data")
        (begun / "kept.json").write_text(json.dumps({"troubles": list(troubles), "fingerprint": fingerprint}))
        _write_private(begun / "password", process.password.reveal())
        os.sync()  # or a loss of power would leave torn files under the final name; thousands of fsyncs take longer
        begun.rename(target)
    shutil.rmtree(begun, ignore_errors=True)
    with suppress(OSError):
        _tidy(cache)
    return target


def entry_of(base: Kept) -> Path:
    """The directory of one that was put by."""
    return base.cluster.parent


def forget(entry: Path) -> None:
    """One that is of no use."""
    shutil.rmtree(entry, ignore_errors=True)


def prepare(directory: Path, process: ThrowawayServer) -> None:
    """Put a new cluster by, for these server files only, as an archive: it is mostly air."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        process.put_by(Path(temporary) / "data")
        with tarfile.open(_archive(directory, process.binaries), "w:gz", compresslevel=6) as tar:
            tar.add(Path(temporary) / "data", ".")


def _archive(directory: Path, binaries: Path) -> Path:
    return directory / f"{_of(binaries)}.tar.gz"


def _entry(cache: Path, binaries: Path, digest: str) -> Path:
    return cache / f"{digest[:40]}-{_of(binaries)}"


def _read(entry: Path, reached: int | None = None) -> Kept | None:
    """``None`` where it is not there, or damaged: then it is built anew."""
    try:
        said = json.loads((entry / "kept.json").read_text())
        password = (entry / "password").read_text()
        if PASSWORD.fullmatch(password) and (entry / "data").is_dir():
            return Kept(entry / "data", Secret(password), reached, tuple(said["troubles"]), said["fingerprint"])
    except (OSError, ValueError, LookupError, TypeError):
        pass
    return None


def _of(binaries: Path) -> str:
    """The same server files only: another build may read a data directory otherwise."""
    return f"{(binaries / 'postgres').stat().st_size:x}"


def _tidy(cache: Path) -> None:
    """The newest few stay, and what somebody else is just making."""
    ages = {entry: time.time() - _changed(entry) for entry in cache.iterdir()}
    kept = sorted((entry for entry in ages if NAME.fullmatch(entry.name)), key=ages.__getitem__)
    abandoned = [entry for entry, age in ages.items() if entry.suffix == ".tmp" and age > ABANDONED]
    for entry in (*kept[KEPT:], *abandoned):
        shutil.rmtree(entry, ignore_errors=True)


def _changed(entry: Path) -> float:
    """Of something that another process may have removed meanwhile."""
    try:
        return entry.stat().st_mtime
    except OSError:
        return 0.0


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
