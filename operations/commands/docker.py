"""What is typed to work with Docker itself; ``compose`` has what concerns a whole project.

Values of variables come from the environment of the command: only their names are in argv, where anybody can read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

LOCK_VARIABLE = "LOCKTENDER_LOCK"
"""Tells processes of ours that were started inside somebody else's container."""
LOCK_LABEL = "locktender.lock"
"""Tells containers that only the holder of the lock named by the value may use, and remove."""
_END = """\
marked() {
  for process in /proc/[0-9]*; do
    tr '\\0' '\\n' <$process/environ | grep -qxF -- "$1" && echo "${process#/proc/}"
  done
} 2>/dev/null
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  left=$(marked "$1")
  [ -z "$left" ] && exit 0
  kill -s TERM $left 2>/dev/null
  kill -s CONT $left 2>/dev/null
  sleep 1
done
left=$(marked "$1")
[ -z "$left" ] && exit 0
echo error: still running: $left >&2
exit 1
"""


def inspect(containers: Sequence[str]) -> list[str]:
    """Prints a JSON list with all that is known of them."""
    return ["docker", "inspect", "--type", "container", *containers]


def security_options() -> list[str]:
    """Prints a JSON list with ``name=rootless`` or ``name=userns`` where users in containers are others outside."""
    return ["docker", "info", "--format", "{{json .SecurityOptions}}"]


def root_directory() -> list[str]:
    """Prints the directory that holds volumes and images."""
    return ["docker", "info", "--format", "{{.DockerRootDir}}"]


def labelled(key: str, value: str) -> list[str]:
    """Prints the ids of all containers with that label, be they running or not."""
    return ["docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={key}={value}"]


def stop(containers: Sequence[str], seconds: int) -> list[str]:
    """Stop containers; one that does not stop in time is killed, one that does not run is left alone."""
    return ["docker", "stop", "--time", str(seconds), *containers]


def remove(containers: Sequence[str]) -> list[str]:
    """Kill and remove containers with their anonymous volumes."""
    return ["docker", "rm", "--force", "--volumes", *containers]


def sidecar(
    image: str,
    argv: Sequence[str],
    *,
    name: str,
    user: str,
    network: str = "none",
    mounts: Iterable[tuple[str, bool]] = (),
    variables: Iterable[str] = (),
    labels: Iterable[tuple[str, str]] = (),
) -> list[str]:
    """Run a program of an image in a container of its own that has no rights, and is gone when it ends.

    ``mounts`` are paths that are the same inside, and whether they may be written to. Neither is the image looked for
    elsewhere, nor its own start-up run, nor what is printed kept on disk. Only root keeps one of its rights: to reach
    files of other accounts, as it does outside.
    """
    program, *arguments = argv
    kept = ["--cap-add", "DAC_OVERRIDE"] if user.startswith("0:") else []
    return [
        "docker", "run", "--rm", "--pull", "never", "--name", name, "--user", user, "--network", network,
        "--read-only", "--cap-drop", "ALL", *kept, "--security-opt", "no-new-privileges", "--log-driver", "none",
        *(word for key, value in labels for word in ("--label", f"{key}={value}")),
        *(word for path, writable in mounts for word in ("--mount", _mount(path, writable))),
        *(word for variable in sorted(variables) for word in ("--env", variable)),
        "--entrypoint", program, image, *arguments,
    ]  # fmt: skip


def execute(container: str, argv: Sequence[str], *, user: str, variables: Iterable[str] = ()) -> list[str]:
    """Run a program inside a running container; it goes on even if this command is killed."""
    names = (word for variable in sorted(variables) for word in ("--env", variable))
    return ["docker", "exec", "--user", user, *names, container, *argv]


def end_marked(container: str, lock: str, *, user: str) -> list[str]:
    """End what ``execute`` has left running inside with this value of ``LOCK_VARIABLE``; needs only a shell there.

    Asked to end, PostgreSQL's tools leave with status 1. What runs on after ten times, a second apart, is named
    on stderr. They are never killed: PostgreSQL is process 1 there, which inherits the workers of a parallel tool, and
    takes one that died by a signal for a crash of its own: it throws out everybody and recovers (``CleanupBackend`` in
    its postmaster.c).
    """
    return execute(container, ["sh", "-c", _END, "sh", f"{LOCK_VARIABLE}={lock}"], user=user)


def _mount(path: str, writable: bool) -> str:
    """Fields as CSV has them: a path may hold a comma."""
    fields = ["type=bind", f"source={path}", f"target={path}", *([] if writable else ["readonly"])]
    return ",".join(_field(field) for field in fields)


def _field(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if '"' in text or "," in text else text


def tag(image: str, name: str) -> list[str]:
    """Give an image another name."""
    return ["docker", "image", "tag", image, name]


def untag(name: str) -> list[str]:
    """Take a name from an image; one without any name and container is removed."""
    return ["docker", "image", "rm", name]


def image(id: str) -> list[str]:
    """Succeeds if there is such an image here."""
    return ["docker", "image", "inspect", "--format", "{{.Id}}", id]


def tags(repository: str) -> list[str]:
    """Prints the tags that a repository has here, one a line."""
    return ["docker", "image", "ls", "--format", "{{.Tag}}", repository]
