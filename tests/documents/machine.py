"""A machine of its own for what a document does to one: accounts, keys, an sshd, and the name app.example.com."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ..conftest import missing
from ..netns import namespace
from ..sshd import BINARY, wait_for

# Debian's PAM for sshd wants what a container may not have; without PAM an account without a password cannot log in.
MADE = r"""
cd "$1"
cp -a /etc etc
mkdir homes logs
mount --bind etc /etc
mount --bind logs /var/log
echo '127.0.0.1 localhost app.example.com' > /etc/hosts
printf 'HOME=%s\nCREATE_MAIL_SPOOL=no\n' "$PWD/homes" > /etc/default/useradd
printf '%s required pam_permit.so\n' account session > /etc/pam.d/sshd
printf '%s\n' 'UsePAM yes' 'PasswordAuthentication no' 'PidFile none' 'Subsystem sftp internal-sftp' \
    > /etc/ssh/sshd_config
rm -f /etc/ssh/ssh_host_*
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
install -d /run/sshd
exec /usr/sbin/sshd -D -e 2> sshd.log
"""


@contextmanager
def machine(directory: Path) -> Iterator[Sequence[str]]:
    """What a command begins with to run there, in ``/``; meanwhile this thread is on its network, with all it starts.

    Its files are this machine's, but for /etc, and accounts have their homes in ``directory``. Needs root.
    """
    if not BINARY.exists():
        missing("sshd")
    with namespace() as network, network.entered():
        sshd = subprocess.Popen(
            ["unshare", "--mount", "bash", "-euc", MADE, "bash", str(directory)], stdin=subprocess.DEVNULL
        )
        try:
            wait_for("127.0.0.1", 22, sshd)
            yield ("nsenter", "--target", str(sshd.pid), "--mount")
        finally:
            for pid in network.processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            sshd.wait()
