"""Processes of this machine, by way of ``/proc``."""

from __future__ import annotations

import os
import socket
from pathlib import Path


class LocalProcesses:
    """Identities read ``machine|pid|start``.

    The machine comes with its boot and pid namespace, so that a container's process 7 is not taken for the host's; the
    start time is there so that a pid used again is not taken for the one before.
    """

    def identity(self) -> str:
        """Of this very process."""
        return f"{_machine()}|{os.getpid()}|{_started(os.getpid())}"

    def alive(self, identity: str) -> bool | None:
        """``None`` for a process of another machine or container."""
        machine, _, rest = identity.partition("|")
        pid, _, started = rest.partition("|")
        if machine != _machine() or not pid.isdigit():
            return None
        return _started(int(pid)) == started


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        boot, namespace = "", ""
    return f"{socket.gethostname()}:{boot}:{namespace}".replace("|", "_")


def _started(pid: int) -> str:
    """Field 22 of proc(5)'s stat; the command's name before it may hold anything, but ends with the last ``)``."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return "gone"
    return "gone" if fields[0] in "ZX" else fields[19]
