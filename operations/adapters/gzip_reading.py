"""Reads gzip files to their ends with ISA-L, in a third of the time that pg_restore's zlib needs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BUFFER = 1 << 16
"""Bytes; each piece is thrown away, whatever a file inflates to."""


def read_all(directory: str, names: Sequence[str], jobs: int) -> Mapping[str, str | None]:
    """Each file → what is wrong with it, ``None`` if it is whole by its own length and CRC-32. Raises ``OSError``.

    In so many threads, as ISA-L lets go of the interpreter.
    """
    unwanted = threading.Event()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            found = pool.map(lambda name: _problem(Path(directory, name), unwanted.is_set), names)
            return dict(zip(names, found, strict=True))
        except BaseException:
            unwanted.set()
            raise


def _problem(path: Path, unwanted: Callable[[], bool]) -> str | None:
    from isal import igzip, isal_zlib

    piece, read = bytearray(BUFFER), 0
    try:
        with igzip.open(path, "rb") as file:  # type: ignore[no-untyped-call]
            while not unwanted() and (length := file.readinto(piece)):
                read += length
    except (igzip.BadGzipFile, EOFError, isal_zlib.error) as error:  # type: ignore[misc]  # its stubs name no class
        return str(error)
    return None if read else "it is empty"  # without even a gzip header that is no error to gzip
