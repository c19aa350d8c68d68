"""A report of a busy year, made up: for pictures of it, and for tests of how it is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from operations.catalog.ddl import Restated
from operations.checks.model import Check
from operations.reporting.model import (
    Alert,
    Approval,
    Backup,
    Decision,
    MigrationTime,
    Report,
    Run,
    SizePoint,
    TableSize,
    summarised,
    watched,
)

BEGIN = datetime(2024, 1, 8, 9, 30, tzinfo=UTC)
NAMES = ("init", "categories", "order_status", "order_total", "reviews", "customer_index", "product_slug", "newsletter")
TABLES = ('public."OrderItem"', 'public."Order"', 'public."Customer"', 'public."Product"', "public._prisma_migrations")


def at(days: float) -> str:
    return (BEGIN + timedelta(days=days)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def run_id(days: float) -> str:
    return f"{BEGIN + timedelta(days=days):%Y%m%dT%H%M%SZ}-{int(days * 977) % 0xFFFFFF:06x}"


def deploys() -> list[Run]:
    runs = []
    for number in range(24):
        day, bad = number * 7.0, number in (6, 17)
        seconds = 8 + number * 1.7 + (number * 37 % 11)
        runs.append(
            Run(
                run_id=run_id(day),
                operation="deploy",
                at=at(day),
                actor="ada@laptop" if number % 3 else "github-actions",
                outcome="rolled_back" if bad else "deployed",
                seconds=seconds,
                applied=() if bad else (f"{20240108 + number}093000_{NAMES[number % 8]}",),
                backup_id=run_id(day + 0.001),
                downtime_seconds=round(1.2 + number * 37 % 11 * 0.4, 1),
                rollback="transaction" if bad else None,
                error='20240424_product_slug/migration.sql:3:1: column "slug" contains null values.' if bad else None,
            )
        )
    runs.append(Run(run_id(163), "restore", at(163), "grace@ops", "restored", 41.0, (), run_id(163.01), 0.031))
    runs.append(Run(run_id(165), "rollback", at(165), "ada@laptop", "rolled_back", 19.5, rollback="swap"))
    return runs[::-1]


def approvals() -> tuple[Approval, ...]:
    found = []
    for number in range(14):
        operation = ("deploy", "restore", "rollback")[number % 3]
        decision: Decision = "denied" if number in (4, 11) else "expired" if number == 8 else "granted"
        emergency = number == 9
        found.append(
            Approval(
                id=f"r{number:02}",
                operation=operation,
                at=at(80 + number * 6.0),
                requester="ada" if number % 2 else "slack:U0DAN",
                decision=decision,
                waited=None if decision == "expired" or emergency else 90.0 + number * 311 % 1500,
                approvers=("bob",) if decision == "granted" and not emergency else (),
                reason=("Release 4.2", "Rows of yesterday are gone", "Prices were wrong")[number % 3],
                state="done",
                break_glass=emergency,
            )
        )
    return tuple(reversed(found))


def alerts() -> tuple[Alert, ...]:
    found = []
    for number in range(9):
        seconds = None if number == 8 else 240.0 + number * 1777 % 9000
        check = ("backups", "long_transactions", "app", "disk", "drift")[number % 5]
        over = at(90 + number * 8.0 + seconds / 86400) if seconds else None
        found.append(Alert(check, "fail" if check == "app" else "warn", at(90 + number * 8.0), over, seconds))
    return tuple(reversed(found))


def sample() -> Report:
    times = tuple(
        MigrationTime(f"{20240108 + n}093000_{NAMES[n % 8]}", at(n * 4.0), [0.02, 0.4, 1.9, 0.06, 0.9, 4.8, 0.3][n % 7])
        for n in range(46)
    )
    sizes = tuple(SizePoint(at(day), int(4e9 + 2.1e7 * day + 9e7 * (day % 11))) for day in range(0, 168, 4))
    backups = tuple(
        Backup(
            id=run_id(day),
            at=at(day),
            bytes=int(6e8 + 3.1e6 * day),
            reason="manual" if day % 3 == 1 else "before deploy",
            level=None if day == 146 else "L1" if day % 3 == 1 else "L2",
            seconds=61 + day / 3,
            database_bytes=int(4e9 + 2e7 * day),
            rows=11_000_000 + day * 40_000,
            checked=None if day % 3 == 1 else at(day + 0.02),
            problems=("data.dat has 12 bytes, and had 6120",) if day == 146 else (),
        )
        for day in range(166, 120, -2)
    )
    tables = tuple(
        TableSize(name, int(3.1e9 / (n * n + 1)), 9_000_000 // (n * n + 1), (1_250_000, 310_400, -12, 0, None)[n])
        for n, name in enumerate(TABLES)
    )
    checks = (
        Check("connection", "ok", "shop on db.example.com:5432, 3 ms, TLS 1.3"),
        Check("migrations", "ok", "46 applied, nothing pending"),
        Check("sequences", "ok", "the fullest is at 3 %"),
        Check(
            "drift",
            "warn",
            "changed since run 20240701T093000Z-0acd01: changed column public.Order.note (type: text → character"
            " varying(40)); added index public.by_hand",
            "The next migration meets another schema than the one it was tried on.",
            "locktender resolve NAME --applied",
            value=2,
            ddl=(
                Restated(
                    "changed",
                    'column public."Order".note',
                    ('ALTER TABLE public."Order" ALTER COLUMN note TYPE text;',),
                    ('ALTER TABLE public."Order" ALTER COLUMN note TYPE character varying(40);',),
                ),
                Restated(
                    "added",
                    "index public.by_hand",
                    (),
                    ("CREATE INDEX by_hand ON public.\"Order\" USING btree (note) WHERE (note <> ''::text);",),
                ),
            ),
        ),
        Check(
            "backups",
            "warn",
            f"23, the newest {backups[0].id} (L1), 2 h old, never restored for a test",
            "A dump can be whole and yet not restorable.",
            f"locktender backup verify {backups[0].id} --test-restore",
        ),
        Check(
            "damaged_backups",
            "fail",
            f"{run_id(146)}: data.dat has 12 bytes, and had 6120",
            "They are refused by every restore, and are no way back.",
            f"Look for the cause (disk?), then remove them, such as: rm -r /srv/backups/shop/{run_id(146)}",
        ),
    )
    runs = tuple(deploys())
    approved, told = approvals(), alerts()
    return Report(
        environment="production",
        database="shop on db.example.com:5432",
        generated=at(167),
        summary=summarised(runs, times, (), backups, sizes[-1].bytes, checks),
        server_version="17.2",
        checks=checks,
        runs=runs,
        migrations=times,
        sizes=sizes,
        tables=tables,
        more_tables=19,
        backups=backups,
        approvals=approved,
        alerts=told,
        watched=watched(approved, told),
    )
