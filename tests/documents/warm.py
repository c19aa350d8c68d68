"""Locktender for commands by the hundred: imported once, and forked for each, which is what takes a second otherwise.

``python -m tests.documents.warm SOCKET`` serves; ``python -IS warm.py SOCKET WORDS…`` is the command: it hands its
words, directory, variables and open files over, and ends as the fork ends. The fork is the program's own ``main``.
"""

import json
import os
import socket
import sys


def ask(path: str, words: list[str]) -> int:
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(path)
        place = os.getcwd()  # noqa: PTH109 - pathlib takes longer to import than all of this
        hand_over(line, words, place, dict(os.environ), [0, 1, 2])
        return line.recv(1)[0]


def hand_over(
    line: socket.socket, words: list[str], directory: str, variables: dict[str, str], files: list[int]
) -> int:
    """The process that performs it, over a connection that then says how it has ended, in one byte as shells do."""
    told = json.dumps({"words": words, "directory": directory, "variables": variables}).encode()
    socket.send_fds(line, [len(told).to_bytes(8, "big")], files)
    line.sendall(told)
    return int.from_bytes(line.recv(4, socket.MSG_WAITALL), "big")


def serve(path: str) -> None:
    import gc
    import signal

    from cli.__main__ import main
    from cli.verbs import VERBS

    for name in VERBS:
        __import__(f"cli.verbs.{name}")
    for name in ("cli.wiring", "operations.validate", "operations.deploy", "operations.restore", "operations.report"):
        __import__(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(path)
        door.listen(16)
        print("ready", flush=True)
        while True:
            line, _ = door.accept()
            if not os.fork():
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                door.close()
                _ending(lambda line=line: _watch(line, main))
            line.close()


def _ending(act) -> None:  # type: ignore[no-untyped-def]
    """A fork must never go on with what its parent does."""
    code = 70
    try:
        code = act()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _watch(line, main) -> int:  # type: ignore[no-untyped-def]
    """A child for the command itself, so that one which becomes another program is waited for as well."""
    length, files, _, _ = socket.recv_fds(line, 8, 3)
    told = json.loads(line.recv(int.from_bytes(length, "big"), socket.MSG_WAITALL))
    child = os.fork()
    if not child:
        line.close()
        _ending(lambda: _perform(told, files, main))
    for file in files:
        os.close(file)
    line.sendall(child.to_bytes(4, "big"))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    line.sendall(bytes([code if code >= 0 else 128 - code]))
    return 0


def _perform(told, files, main) -> int:  # type: ignore[no-untyped-def]
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(told["directory"])
    os.environ.clear()
    os.environ.update(told["variables"])
    sys.argv = ["locktender", *told["words"]]
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
    return int(main(told["words"]))


if __name__ == "__main__":
    if len(sys.argv) == 2:
        serve(sys.argv[1])
    else:
        sys.exit(ask(sys.argv[1], sys.argv[2:]))
