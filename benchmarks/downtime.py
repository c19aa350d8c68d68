"""How long an application's visitors get no answer while a new version with a migration is deployed."""

from __future__ import annotations

import hashlib
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .lab import Production, production
from .measure import BenchmarkFailed
from .projects import result
from .report import Goal, Section
from .settings import Scope
from .visitors import PATIENCE, Seen, visiting

MAINTENANCE_GOAL, ONLINE_GOAL, AGREEMENT = 0.75, 3.0, 1.0
MIGRATION = """ALTER TABLE "Order" ADD COLUMN "extra{number}" TEXT;
CREATE INDEX "Order_extra{number}_idx" ON "Order" ("createdAt", "extra{number}");
"""
NAME = "202409{number:02}090000_extra"
DEADLINE = 300.0
PSQL = "docker compose exec -T db psql -h 127.0.0.1 -U shop -d shop -v ON_ERROR_STOP=1 -q"
APPLY = f"until {PSQL} -c 'SELECT 1' >/dev/null 2>&1; do sleep 0.1; done; {{sql}} | {PSQL} -1 -f -"
WITHOUT_DOWN: tuple[tuple[str, str], ...] = (
    ("pull", "git pull -q"),
    ("build", "docker compose build -q"),
    ("apply", APPLY),
    ("up", "docker compose up -d"),
)
USUAL: tuple[tuple[str, str], ...] = (
    ("pull", "git pull -q"),
    ("down", "docker compose down"),
    ("build", "docker compose build -q"),
    ("database", "docker compose up -d db"),
    ("apply", APPLY),
    ("up", "docker compose up -d"),
)


@dataclass(frozen=True)
class Deployed:
    """One deploy under load. ``told`` is what Locktender itself says it cost, ``steps`` the seconds of its parts."""

    out: float
    longest: float
    failed: int
    asked: int
    seconds: float
    steps: Mapping[str, float]
    told: float | None = None


@dataclass(frozen=True)
class Way:
    """A way to deploy commit and migration, which says what its steps took and, if it knows, the downtime."""

    name: str
    deploy: Callable[[str, str], tuple[Mapping[str, float], float | None]]


def sections(scope: Scope) -> list[Section]:
    with production(scope.work / "downtime") as found:
        ways = _ways(found)
        _first_version(found)
        made: dict[str, list[Deployed]] = {way.name: [] for way in ways}
        number = 0
        for _ in range(scope.runs):
            for way in ways:
                number += 1
                made[way.name].append(_measured(found, way, number))
    return [_outages(made), _steps(made)]


def _ways(found: Production) -> tuple[Way, ...]:
    return (
        Way("usual", lambda _, migration: (_typed(found, USUAL, migration), None)),
        Way("maintenance", lambda commit, _: _ours(found, commit, "maintenance")),
        Way("by hand", lambda _, migration: (_typed(found, WITHOUT_DOWN, migration), None)),
        Way("online", lambda commit, _: _ours(found, commit, "online")),
    )


def _first_version(found: Production) -> None:
    found.deploy(found.shop.commit("The first version"))
    found.shop.compose(
        *("exec", "-T", "db", "psql", "-q", "-U", "shop", "-d", "shop"),
        *("-v", "ON_ERROR_STOP=1", "-1", "-f", "/srv/scripts/generate.sql"),
    )
    found.shop.sql("VACUUM ANALYZE")


def _measured(found: Production, way: Way, number: int) -> Deployed:
    shop, migration = found.shop, NAME.format(number=number)
    commit = shop.commit_version(f"2.{number}", migrations={migration: MIGRATION.format(number=number)})
    _on_branch(found)
    orders = _orders(found)
    with visiting(shop.web_port) as seen:
        began = time.monotonic()
        steps, told = way.deploy(commit, migration)
        seconds = time.monotonic() - began
    if shop.get("/version").body.get("version") != f"2.{number}":
        raise BenchmarkFailed(f"{way.name}: version 2.{number} does not run.")
    if _orders(found) < orders + seen.placed:
        raise BenchmarkFailed(f"{way.name}: orders that were confirmed are missing.")
    return _deployed(seen, seconds, steps, told)


def _deployed(seen: Seen, seconds: float, steps: Mapping[str, float], told: float | None) -> Deployed:
    return Deployed(sum(seen.outages), max(seen.outages, default=0.0), seen.failed, seen.asked, seconds, steps, told)


def _orders(found: Production) -> int:
    return int(found.shop.get("/orders/count").body["count"])


def _on_branch(found: Production) -> None:
    """Where ``git pull`` works; a deploy of ours leaves a commit checked out."""
    _bash(found, "git fetch -q && git checkout -q -B main && git branch -q -u origin/main")


def _typed(found: Production, lines: tuple[tuple[str, str], ...], migration: str) -> Mapping[str, float]:
    """Each line in a shell of its own on the server."""
    took = {}
    for name, line in lines:
        began = time.monotonic()
        _bash(found, line.replace("{sql}", f"cat {_sql(found, migration)}"))
        took[name] = time.monotonic() - began
    return took


def _sql(found: Production, migration: str) -> str:
    """A file with the migration and the entry of the history that ``prisma migrate deploy`` would make."""
    file = found.shop.work / "prisma" / "migrations" / migration / "migration.sql"
    target = found.directory / "migration.sql"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    target.write_text(
        f"{file.read_text()}INSERT INTO _prisma_migrations"
        " (id, checksum, finished_at, migration_name, started_at, applied_steps_count)"
        f" VALUES (gen_random_uuid(), '{digest}', now(), '{migration}', now(), 1);\n"
    )
    return str(target)


def _bash(found: Production, line: str) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line],
        cwd=found.shop.server,
        env=dict(found.shop.docker.variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    if done.returncode:
        raise BenchmarkFailed(f"{line}: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def _ours(found: Production, commit: str, strategy: str) -> tuple[Mapping[str, float], float | None]:
    told = result(found.deploy(commit, "--strategy", strategy))
    return {step["name"]: step["seconds"] for step in told["steps"]}, float(told["downtime_seconds"])


def _outages(made: Mapping[str, list[Deployed]]) -> Section:
    section = Section(
        "Downtime of a deploy, under load",
        _DOWNTIME,
        ("way", "seconds out", "longest", "requests failed", "it says itself", "the deploy took", "of the usual way"),
    )
    usual = _median(made["usual"], "out")
    for name, runs in made.items():
        out = _median(runs, "out")
        told = [run.told for run in runs if run.told is not None]
        section.rows.append(
            (
                _NAMES[name],
                _range([run.out for run in runs]),
                f"{_median(runs, 'longest'):.1f} s",
                f"{_median(runs, 'failed'):.0f} of {_median(runs, 'asked'):.0f}",
                _range(told) if told else "–",
                f"{_median(runs, 'seconds'):.1f} s",
                f"{out / usual:.2f}×",
            )
        )
    section.goals += _goals(made, usual)
    return section


def _goals(made: Mapping[str, list[Deployed]], usual: float) -> list[Goal]:
    stopped, online = (_median(made[name], "out") for name in ("maintenance", "online"))
    off = max(abs(run.out - run.told) for runs in made.values() for run in runs if run.told is not None)
    return [
        Goal(
            "downtime of a deploy, `maintenance`",
            f"≤{MAINTENANCE_GOAL}× the usual way's",
            f"{stopped / usual:.2f}×, {stopped:.1f} s",
            stopped / usual <= MAINTENANCE_GOAL,
        ),
        Goal("downtime of a deploy, `online`", f"≤{ONLINE_GOAL:g} s", f"{online:.1f} s", online <= ONLINE_GOAL),
        Goal("`downtime_seconds` and what visitors see", f"≤{AGREEMENT:g} s apart", f"{off:.1f} s", off <= AGREEMENT),
    ]


def _steps(made: Mapping[str, list[Deployed]]) -> Section:
    section = Section("Where the seconds of a deploy go", _STEPS, ("way", "steps"))
    for name, runs in made.items():
        took = {step: statistics.median(run.steps[step] for run in runs) for step in runs[0].steps}
        section.rows.append((_NAMES[name], ", ".join(f"{step} {seconds:.1f}" for step, seconds in took.items())))
    return section


def _median(runs: list[Deployed], what: str) -> float:
    return float(statistics.median(getattr(run, what) for run in runs))


def _range(seconds: list[float]) -> str:
    spread = f" ({min(seconds):.1f}–{max(seconds):.1f})" if len(seconds) > 1 else ""
    return f"{statistics.median(seconds):.1f} s{spread}"


def _typed_out(lines: tuple[tuple[str, str], ...]) -> str:
    return "; ".join("(migration)" if name == "apply" else line for name, line in lines)


_NAMES = {
    "usual": "usual way",
    "maintenance": "Locktender, `maintenance`",
    "by hand": "by hand without `down`",
    "online": "Locktender, `online`",
}
_DOWNTIME = f"""The example shop with about 120 000 rows in Docker Compose, and visitors all the while: two that
read every 10 ms, two that place orders every 50 ms, each on a new connection and with {PATIENCE:g} s of patience.
Every deploy brings one migration (a column and an index on the orders) and a changed image. Out is the time from
the last right answer before a wrong one to the first right one after it, from the visitors' side;
`downtime_seconds` is what Locktender reports of it. A deploy took what its commands took: typed by hand they end
before the application answers, Locktender's only when it has been well for 5 s.

The usual way is `{_typed_out(USUAL)}`, on the server itself; the migration is applied by `psql` in the database's
container, in one transaction with its entry in the history. The build is short here (its layers are cached, only
the application's files change); in the usual way a longer one adds to the outage second by second, in Locktender's
it does not. By hand without `down` is what a careful person types: `{_typed_out(WITHOUT_DOWN)}`. Like the usual way
it has no backup, no lock, no check and no way back. `maintenance` takes a backup and restores it for a test while the
application still runs, and, as orders were placed since, another one while it is stopped; `online` takes one while the
application goes on. Locktender runs elsewhere and reaches the server over SSH."""
_STEPS = """Medians in seconds. What follows `stop` and comes before `start` is downtime; of `start` only the first
seconds are, as it goes on until the container's own health check, every five seconds, has said well. `check`
watches for 5 s."""
