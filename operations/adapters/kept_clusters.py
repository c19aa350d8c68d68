"""Clusters to begin with a copy of: bases that were put by, and the new one that comes with the image.

Who may write a base may change what a validation says, and run programs as the trial server's account.
"""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import tempfile
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from operations.adapters.throwaway import ThrowawayServer
from operations.secret import Secret

KEPT = 4
"""Bases in a directory; the oldest goes."""
PREPARED = Path("/var/lib/locktender/cluster")
PREPARED_PASSWORD = Secret("prepared")
"""Nobody's secret: the superuser gets another one before anything runs there."""


@dataclass(frozen=True)
class Kept:
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
        with suppress(OSError, KeyError):  # what cannot be read is built anew
            said = _said(entry)
            password = Secret((entry / "password").read_text())
            os.utime(entry)
            return Kept(entry / "data", password, reached, tuple(said["troubles"]), said["fingerprint"])
    return None


def prepared(directory: Path, binaries: Path) -> Kept | None:
    """A new cluster, with the roles."""
    archive = _archive(directory, binaries)
    return Kept(archive, PREPARED_PASSWORD) if archive.exists() else None


def put_by(cache: Path, process: ThrowawayServer, digest: str, troubles: Sequence[str], fingerprint: str) -> None:
    """Beside the others, under a name that a crash does not leave half-made. The server is started anew."""
    target = _entry(cache, process.binaries, digest)
    if target.exists():
        if _said(target).get("fingerprint") == fingerprint:  # somebody else was quicker
            return
        shutil.rmtree(target, ignore_errors=True)
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    begun = cache / f"{uuid.uuid4().hex}.tmp"
    begun.mkdir(mode=0o700)
    process.put_by(begun / "data")
    (begun / "kept.json").write_text(json.dumps({"troubles": list(troubles), "fingerprint": fingerprint}))
    _write_private(begun / "password", process.password.reveal())
    with suppress(OSError):  # somebody else was quicker
        begun.rename(target)
    shutil.rmtree(begun, ignore_errors=True)
    _leave_only(cache, KEPT)


def forget(base: Kept) -> None:
    """Of a base that is of no use."""
    shutil.rmtree(base.cluster.parent, ignore_errors=True)


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


def _said(entry: Path) -> dict[str, Any]:
    try:
        said = json.loads((entry / "kept.json").read_text())
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _of(binaries: Path) -> str:
    """The same server files only: another build may read a data directory otherwise."""
    return f"{(binaries / 'postgres').stat().st_size:x}"


def _leave_only(cache: Path, count: int) -> None:
    entries = sorted((e for e in cache.iterdir() if (e / "password").exists()), key=lambda e: -e.stat().st_mtime)
    for entry in entries[count:]:
        shutil.rmtree(entry, ignore_errors=True)


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
