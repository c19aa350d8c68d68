"""What is typed to run PostgreSQL's client tools; connection and passwords go through the environment, never argv.

See https://www.postgresql.org/docs/current/app-pgdump.html and app-pgrestore.html.
"""

from __future__ import annotations

from collections.abc import Mapping

from operations.ports import Target

PLAIN = {"LC_ALL": "C", "PG_COLOR": "never", "PGOPTIONS": ""}
"""Messages that can be read by machine, and nothing inherited from the user's own shell."""

_PROBE = '"$1" --version && "$2" --version && { "$1" --compress=zstd:1 --file=/dev/null; :; }'


def probe(pg_dump: str, pg_restore: str) -> list[str]:
    """Prints ``pg_dump (PostgreSQL) 15.18 (…)`` and the same of pg_restore; fails if one of them is not there.

    On stderr pg_dump then complains, before it connects, if its build has no zstd.
    """
    return ["sh", "-c", _PROBE, "sh", pg_dump, pg_restore]


def dump(
    pg_dump: str, target: Target, directory: str, *, jobs: int, snapshot: str, compression: str, lock_wait: float
) -> list[str]:
    """A parallel dump of one exported snapshot into a new directory; the caller syncs it. ``lock_wait`` in seconds."""
    return [
        pg_dump,
        "--format=directory",
        f"--jobs={jobs}",
        f"--snapshot={snapshot}",
        f"--compress={compression}",
        f"--lock-wait-timeout={round(lock_wait * 1000)}",
        "--no-sync",
        "--verbose",
        "--no-password",
        f"--file={directory}",
        f"--dbname={connection_string(target)}",
    ]


def table_of_contents(pg_restore: str, directory: str, to: str) -> list[str]:
    """Write the archive's list of entries to a file."""
    return [pg_restore, "--list", f"--file={to}", directory]


def read_through(pg_restore: str, directory: str, entries: str | None = None) -> list[str]:
    """Read an archive to its end, or only what the list ``entries`` names, and do nothing with it."""
    return [pg_restore, *([f"--use-list={entries}"] if entries else []), "--file=/dev/null", directory]


def restore(pg_restore: str, directory: str, target: Target, *, jobs: int, entries: str | None = None) -> list[str]:
    """Fill an empty database in parallel, and stop at the first error."""
    return [
        pg_restore,
        "--format=directory",
        f"--jobs={jobs}",
        "--exit-on-error",
        "--verbose",
        "--no-password",
        *([f"--use-list={entries}"] if entries else []),
        f"--dbname={connection_string(target)}",
        directory,
    ]


def connection_string(target: Target) -> str:
    """Everything but the password in so many words, so that no PGSERVICE and no name like a URL leads elsewhere."""
    parts = {"host": target.host, "port": str(target.port), "user": target.user, "dbname": target.database}
    if target.hostaddr:
        parts["hostaddr"] = target.hostaddr
    return " ".join(f"{key}='{_escaped(value)}'" for key, value in parts.items())


def quick_restore(maintenance_work_mem: int) -> Mapping[str, str]:
    """Settings for the restoring sessions: durability comes with the first ordinary commit after it. In bytes.

    The other settings take back what a role or database may have set to its own harm.
    """
    settings = {
        "synchronous_commit": "off",
        "maintenance_work_mem": f"{maintenance_work_mem // 1024}kB",
        "default_transaction_read_only": "off",
        "statement_timeout": "0",
        "lock_timeout": "0",
        "idle_in_transaction_session_timeout": "0",
        "idle_session_timeout": "0",
    }
    return {"PGOPTIONS": " ".join(f"-c {name}={value}" for name, value in settings.items())}


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")
