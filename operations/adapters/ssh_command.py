"""A program on the server: started by a script that goes over stdin, watched, and ended with the connection.

Nothing of it stands in the server's list of processes but the program's own words. The script starts the program in a
session of its own and waits beside it for the end of its own stdin; when that comes while the program still runs (the
line was cut, its time is over, we were interrupted), the whole session is ended.
"""

from __future__ import annotations

import codecs
import io
import os
import secrets
import shlex
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from msgspec import Struct

from operations.adapters.ssh_line import BROKEN, Line
from operations.adapters.tail import Tail
from operations.errors import CommandFailed, CommandTimedOut, HostUnreachable, ProgramUnusable
from operations.ports import Completed
from operations.signals import signals_held_back

KEPT_OUTPUT = 1 << 20
"""Characters of a program's output that are kept, as on this machine."""
BLOCK = 1 << 16
ENDING = 10.0
"""Seconds that the script may take to end a program, which gets 3 of them after the first request."""
LINGERING = 2.0
"""Seconds of silence after its end: a process that it left behind may hold the other end for ever …"""
LAST_WORDS = 60.0
"""… or go on talking. What the program itself said last may still be on its way."""
MOST_SIGNALS = 64

SCRIPT = """\
{{ printf '%s\\n' {mark}
{exports}
set -- {words}
case $1 in */*) [ -f "$1" ] && [ -x "$1" ] ;; *) command -v "$1" >/dev/null 2>&1 ;; esac || {{
    if [ -e "$1" ]; then printf '%s\\n' '{mark} denied' >&2; else printf '%s\\n' '{mark} missing' >&2; fi
    exit 127
}}
printf '%s\\n' '{mark} found' >&2
exec 3<&0
if command -v setsid >/dev/null 2>&1; then
    setsid "$@" </dev/null 3<&- &
    program=$! all=-$!
else
    "$@" </dev/null 3<&- &
    program=$! all=$!
fi
{{ cat; trap '' TERM; kill -TERM "$all"; sleep 3; kill -KILL "$all"; }} <&3 >/dev/null 2>&1 &
watch=$!
exec 3<&-
wait "$program" 2>/dev/null
status=$?
kill "$watch" 2>/dev/null
exit "$status"
}}
"""


class Ended(Struct, frozen=True):
    """How a program ended: ``returncode`` negative for a signal; its whole output up to a bound."""

    returncode: int
    stdout: bytes
    stderr: str


class RemoteProgram:
    """One program on one channel. ``keep`` bounds stdout in bytes; ``None`` keeps all of it."""

    def __init__(
        self, line: Line, argv: Sequence[str], env: Mapping[str, str], on_line: Callable[[str], None] | None
    ) -> None:
        self._line = line
        self._name = argv[0]
        self._mark = secrets.token_hex(16)
        self._script = _script(self._mark, argv, env)
        self._stderr = _Lines(self._mark, on_line)
        self._stdout = _Output(self._mark)
        self._readers: list[threading.Thread] = []
        self._heard = 0

    def run(self, timeout: float, keep: int | None) -> Ended:
        """Raises ``CommandFailed`` if there is no such program or its time is over, ``HostUnreachable`` if cut."""
        self._line.transport()
        with signals_held_back() as hold:
            channel = self._line.session()
            self._line.watch()  # not before: of two sessions that fail at once, paramiko knows the reason of one
            try:
                self._start(channel, keep)
                hold.release()
                self._wait(channel, timeout)
            finally:
                self._end(channel)
        return self._outcome(channel)

    def _start(self, channel: Any, keep: int | None) -> None:
        with self._line.told(f"{self._name} was being started"):
            channel.settimeout(self._line.server.connect_timeout)
            channel.exec_command("exec /bin/sh")
            self._send_script(channel)
            channel.settimeout(None)  # a program may be silent for long; a cut line ends the channel
        for receive, take in (
            (channel.recv, partial(self._stdout.feed, keep)),
            (channel.recv_stderr, self._stderr.feed),
        ):
            self._readers.append(threading.Thread(target=self._drain, args=(receive, take), daemon=True))
            self._readers[-1].start()

    def _send_script(self, channel: Any) -> None:
        try:
            channel.sendall(self._script)
        except OSError:
            if not channel.closed:
                raise
            # What should have read it ended at once: its status says why, and that there is none that the line was cut.

    def _drain(self, receive: Callable[[int], bytes], take: Callable[[bytes], None]) -> None:
        with suppress(*BROKEN):
            while data := receive(BLOCK):
                self._heard += 1
                take(data)

    def _wait(self, channel: Any, timeout: float) -> None:
        if not channel.status_event.wait(timeout):
            raise CommandTimedOut(f"{self._name} was still running after {timeout:.0f} s and was ended.")

    def _end(self, channel: Any) -> None:
        """However it came to this, the program has ended, too."""
        with suppress(*BROKEN):
            if not channel.status_event.is_set():
                channel.shutdown_write()
                channel.status_event.wait(ENDING)
            self._hear_out()
            channel.close()

    def _hear_out(self) -> None:
        until, heard = time.monotonic() + LAST_WORDS, -1
        while any(reader.is_alive() for reader in self._readers) and time.monotonic() < until and heard != self._heard:
            heard = self._heard
            for reader in self._readers:
                reader.join(LINGERING / 2)

    def _outcome(self, channel: Any) -> Ended:
        status = channel.exit_status
        if self._stderr.verdict in ("missing", "denied"):
            why = os.strerror(2 if self._stderr.verdict == "missing" else 13)
            raise ProgramUnusable(f"{self._name} cannot be run: {why}.")
        if status < 0:
            raise self._cut(channel)
        if not self._stderr.verdict:
            raise ProgramUnusable(
                f"{self._name} cannot be run: the account on {self._line.where} has no usable shell.",
                hint="Give it one (chsh), or leave out what its shell does in place of a command.",
            )
        self._stderr.end()
        signal = status - 128
        return Ended(-signal if 0 < signal <= MOST_SIGNALS else status, self._stdout.kept, self._stderr.kept)

    def _cut(self, channel: Any) -> CommandFailed | HostUnreachable:
        transport = channel.get_transport()
        transport.join(1)
        if transport.is_active():
            return CommandFailed(f"{self._name} was ended by somebody else.")
        return self._line.cut(f"{self._name} was running there, and is ended by now")


def completed(
    line: Line,
    argv: Sequence[str],
    env: Mapping[str, str],
    timeout: float,
    on_line: Callable[[str], None] | None = None,
) -> Completed:
    """Run a program, as ``Host.run`` says."""
    ended = RemoteProgram(line, argv, env, on_line).run(timeout, 4 * KEPT_OUTPUT)
    text = io.IncrementalNewlineDecoder(None, translate=True).decode(ended.stdout.decode(errors="replace"), True)
    return Completed(tuple(argv), ended.returncode, text[-KEPT_OUTPUT:], ended.stderr)


class _Output:
    """stdout after the script's mark."""

    def __init__(self, mark: str) -> None:
        self._mark = mark.encode() + b"\n"
        self._begun = False
        self._found = bytearray()

    @property
    def kept(self) -> bytes:
        """The last of it."""
        return bytes(self._found) if self._begun else b""

    def feed(self, keep: int | None, data: bytes) -> None:
        """``keep`` in bytes; twice of it is held at most."""
        self._found += data
        if not self._begun and (at := self._found.find(self._mark)) >= 0:
            del self._found[: at + len(self._mark)]
            self._begun = True
        if keep is not None and len(self._found) > 2 * keep:
            del self._found[:-keep]


class _Lines:
    """Lines of stderr; what a login shell says before the script's mark is none of the program's."""

    def __init__(self, mark: str, on_line: Callable[[str], None] | None) -> None:
        self.verdict = ""
        self._kept = Tail(KEPT_OUTPUT)
        self._mark = mark
        self._on_line = on_line
        self._rest = ""
        self._decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")("replace"), translate=True)

    @property
    def kept(self) -> str:
        """The last of it."""
        return self._kept.text

    def feed(self, data: bytes) -> None:
        """Tell every line that is complete by now."""
        *lines, self._rest = (self._rest + self._decoder.decode(data)).split("\n")
        for line in lines:
            self._line(line, "\n")

    def end(self) -> None:
        """Tell the last one."""
        rest = self._rest + self._decoder.decode(b"", True)
        self._rest = ""
        if rest:
            self._line(rest, "")

    def _line(self, line: str, end: str) -> None:
        if not self.verdict:
            _, mark, verdict = line.partition(self._mark)
            self.verdict = verdict.strip() if mark else ""
            return
        self._kept.add(line + end)
        if self._on_line:
            self._on_line(line)


def _script(mark: str, argv: Sequence[str], env: Mapping[str, str]) -> bytes:
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in env.items())
    return os.fsencode(SCRIPT.format(mark=mark, exports=exports, words=shlex.join(argv)))
