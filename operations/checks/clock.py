"""Do the clocks here and on the other machines agree?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check
from operations.context import Context
from operations.errors import CommandFailed
from operations.ports import Host

TIMEOUT = 5.0


def look(context: Context) -> Iterator[Check]:
    """One finding for each other machine; nothing where there is none."""
    server = context.environment.server
    if server is None:
        return
    for name, host in {server.host: context.host, **context.app_hosts}.items():
        late = _behind(context, host)
        direction = "behind" if late > 0 else "ahead of"
        if abs(late) > context.environment.checks.clock:
            yield Check(
                "clock",
                "warn",
                f"the clock of {name} is {abs(late):.0f} s {direction} ours",
                "Runs and backups bear the time of the machine that they are started from: which was first, and how old"
                " one is, then looks other than it is.",
                f"date -u, here and on {name}, shows which is wrong; timedatectl set-ntp true mends it.",
                value=late,
                subject=name,
            )
        else:
            yield Check("clock", "ok", f"that of {name} agrees with ours", value=late, subject=name)


def behind(asked: float, told: float, answered: float) -> float:
    """Seconds by which a clock is behind ours, negative if it is ahead; as little as can be, and 0 if it may be right.

    It told whole seconds, some time between ``asked`` and ``answered``. Pure.
    """
    return max(0.0, asked - told - 1) or min(0.0, answered - told)


def _behind(context: Context, host: Host) -> float:
    asked = context.clock.now()
    said = host.run(["date", "+%s"], timeout=TIMEOUT)
    if not said.stdout.strip().isdigit():
        raise CommandFailed(f"date does not tell the time: {said.stderr.strip() or said.stdout.strip()}")
    return behind(asked, float(said.stdout), context.clock.now())
