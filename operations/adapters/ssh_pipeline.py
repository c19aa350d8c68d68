"""SFTP's messages: requests sent together, and what their answers say.

paramiko's client holds the connection and packs the messages; what it lacks are names that are no UTF-8 and OpenSSH's
extensions (https://cvsweb.openbsd.org/src/usr.bin/ssh/PROTOCOL): fsync, statvfs, hardlink.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import PurePosixPath
from typing import Any

import paramiko
from msgspec import Struct
from paramiko import sftp as code

from operations.errors import HostError


class Refused(Struct, frozen=True):
    """What the server said instead of doing it; ``errno`` where the protocol tells one."""

    text: str
    errno: int | None


class Pipeline(paramiko.SFTPClient):  # type: ignore[misc]
    """Requests sent together, answered in their order."""

    def ask(self, *requests: tuple[Any, ...]) -> list[Any]:
        """Each request's answer: a paramiko ``Message``, or ``Refused``."""
        numbers = [self._async_request(type(None), *request) for request in requests]
        return [self._answer(number) for number in numbers]

    def tell(self, *requests: tuple[Any, ...]) -> None:
        """Requests whose answers tell nothing: not waited for, they are passed over when the next one is read."""
        for request in requests:
            self._async_request(type(None), *request)

    def _answer(self, number: int) -> Any:
        try:
            return self._read_response(number)[1]
        except EOFError:
            return Refused("End of file", None)
        except TimeoutError:
            raise
        except OSError as error:
            if error.errno not in (None, errno.ENOENT, errno.EACCES):
                raise  # of the connection, not of the file
            return Refused(str(error.args[-1]), error.errno)


def raw(path: str) -> bytes:
    """A path as the server has it: its names need be no UTF-8."""
    return os.fsencode(path)


def mode(mode: int | None = None) -> Any:
    """The attributes that a request sets: a mode, or nothing."""
    attributes = paramiko.SFTPAttributes()
    attributes.st_mode = mode
    return attributes


def open_directory(of: str) -> tuple[Any, ...]:
    """OpenSSH opens a directory like a file, as the system call does."""
    return code.CMD_OPEN, raw(str(PurePosixPath(of).parent)), code.SFTP_FLAG_READ, mode()


def rename_over(old: str, new: str) -> tuple[Any, ...]:
    """As the system call does it: what was there goes."""
    return code.CMD_EXTENDED, "posix-rename@openssh.com", raw(old), raw(new)


def fsync(handle: bytes) -> tuple[Any, ...]:
    """Of a file or a directory that is open."""
    return code.CMD_EXTENDED, "fsync@openssh.com", handle


def got(path: str, answer: Any) -> Any:
    """The answer; raises ``HostError`` for a refusal."""
    if isinstance(answer, Refused):
        raise HostError(f"{path}: {os.strerror(answer.errno) if answer.errno else answer.text}.")
    return answer


def attributes(answer: Any) -> Any:
    """Those in the answer to a STAT; of what was refused, none is known."""
    return mode() if isinstance(answer, Refused) else paramiko.SFTPAttributes._from_msg(answer)


def is_directory(attributes: Any) -> bool:
    """Whether they are those of a directory."""
    return stat.S_ISDIR(attributes.st_mode or 0)


def names(answer: Any) -> dict[str, Any]:
    """What the answer to a READDIR lists, each with its attributes."""
    found = {}
    for _ in range(answer.get_int()):
        name = os.fsdecode(answer.get_binary())
        answer.get_binary()  # as ls -l would show it
        found[name] = paramiko.SFTPAttributes._from_msg(answer)
    return {name: attributes for name, attributes in found.items() if name not in (".", "..")}


def upwards(path: str) -> list[str]:
    """The path and all its parents, the root last."""
    return [str(each) for each in (PurePosixPath(path), *PurePosixPath(path).parents)]


def free(answer: Any, path: str) -> int:
    """The bytes that the answer to a statvfs leaves to us; raises ``HostError`` where there is none."""
    if answer is None:
        raise HostError(f"{path}: the server does not tell how full its disk is.")
    _, fragment, _, _, available = (answer.get_int64() for _ in range(5))
    return int(fragment * available)
