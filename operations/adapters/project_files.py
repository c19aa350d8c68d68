"""Files of a project in a working directory: with the rights that the person's umask gives them, never overwritten."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from operations.errors import HostError


class ProjectFolder:
    """The only way in which ``init`` writes."""

    def create(self, path: str, data: bytes, *, executable: bool) -> bool:
        """The operating system sees to it that nothing is overwritten, whoever else writes at the same time."""
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(os.open(path, flags, 0o777 if executable else 0o666), "wb") as file:
                file.write(data)
        except FileExistsError:
            return False
        except OSError as error:
            raise HostError(f"{path} could not be written: {error.strerror}.") from None
        return True

    def replace(self, path: str, old: bytes, new: bytes) -> bool:
        """The file that a link leads to, at once, with the rights that it has."""
        target = Path(path).resolve()
        try:
            if target.read_bytes() != old:
                return False
            descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
            with os.fdopen(descriptor, "wb") as file:
                file.write(new)
                os.fchmod(descriptor, target.stat().st_mode & 0o777)
            Path(temporary).replace(target)
        except OSError as error:
            raise HostError(f"{path} could not be written: {error.strerror}.") from None
        return True
