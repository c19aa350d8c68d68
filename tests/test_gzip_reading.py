"""A gzip file that is not what was written is told, and a whole one is not."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest

from operations.adapters.local_host import LocalHost
from operations.errors import HostError

ROWS = "".join(f"{number}\t{number * 7919 % 1000}\tsome text\n" for number in range(3000)).encode()
HEADER = 10
"""Bytes that say of what time and system the file is, and nothing of its content; see RFC 1952."""


def problem(path: Path, data: bytes) -> str | None:
    path.write_bytes(data)
    return LocalHost().read_gzip(str(path.parent), [path.name], 1)[path.name]


def test_whole_files_are_read_however_far_they_inflate(tmp_path: Path) -> None:
    names = {"rows": ROWS, "no rows": b"\\.\n", "zeros": bytes(50 << 20), "noise": random.Random(1).randbytes(1 << 20)}
    for name, data in names.items():
        (tmp_path / name).write_bytes(gzip.compress(data, 1))
    assert LocalHost().read_gzip(str(tmp_path), list(names), 2) == dict.fromkeys(names)


def test_every_truncation_is_told(tmp_path: Path) -> None:
    whole = gzip.compress(ROWS, 1)
    lengths = {0, 1, HEADER, len(whole) - 1, len(whole) - 4, len(whole) - 8, *range(0, len(whole), 499)}
    assert [length for length in lengths if not problem(tmp_path / "rows", whole[:length])] == []


def test_every_flipped_bit_of_the_content_is_told(tmp_path: Path) -> None:
    whole, chance = gzip.compress(ROWS, 1), random.Random(2)
    for position in [*chance.sample(range(HEADER, len(whole)), 150), *range(len(whole) - 8, len(whole))]:
        flipped = bytearray(whole)
        flipped[position] ^= 1 << chance.randrange(8)
        assert problem(tmp_path / "rows", bytes(flipped)), position


def test_what_follows_the_end_is_told(tmp_path: Path) -> None:
    assert problem(tmp_path / "rows", gzip.compress(ROWS, 1) + b"more")
    assert problem(tmp_path / "rows", ROWS)


def test_one_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="gone: No such file"):
        LocalHost().read_gzip(str(tmp_path), ["gone"], 1)
    (tmp_path / "directory").mkdir()
    with pytest.raises(HostError, match="directory: Is a directory"):
        LocalHost().read_gzip(str(tmp_path), ["directory"], 1)
