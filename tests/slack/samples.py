"""One of each message and form that the bot shows: for golden files, for the limits, for pictures."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from bot.blocks import backups, check, home, lists, modals, notices, outcome, report, request, status
from bot.blocks.parts import Board, Message, Modal, Option
from bot.blocks.request import RequestView
from bot.words import BY_NAME, VERBS
from operations.approvals.model import (
    Account,
    Explanation,
    Freeze,
    Outcome,
    Person,
    Policy,
    Proposal,
    Request,
    State,
    Vote,
)
from operations.backup_catalogue import BackupInfo
from operations.checks.model import Check
from operations.secret import Secret
from operations.settings import Alerts
from operations.status import StatusResult

from ..report_sample import sample

NOW = 1_732_630_000.0
HOUR = 3600.0
ADA, BOB, CLEO, DAN = (Person(f"slack:{id}", Account("slack", id)) for id in ("U0ADA", "U0BOB", "U0CLEO", "U0DAN"))
POLICY = Policy(
    requesters=None,
    approvers=frozenset({"slack:U0BOB", "slack:U0CLEO", "slack:U0DAN"}),
    required=2,
    expires=1800.0,
    reason_wanted=True,
)
BACKUPS = (
    BackupInfo(
        "20241126T080000Z-1a2b3c",
        "/srv/b/1",
        NOW - 3 * HOUR,
        "production",
        "shop",
        "nightly",
        None,
        "L2",
        True,
        1_480_000_000,
        34,
        4_120_331,
        True,
    ),
    BackupInfo(
        "20241125T171210Z-9f8e7d",
        "/srv/b/2",
        NOW - 18 * HOUR,
        "production",
        "shop",
        "before deploy",
        "r",
        "L1",
        False,
        1_470_500_000,
        34,
        4_101_002,
        True,
        "the state before the summer sale",
    ),
    BackupInfo(
        "20241124T080000Z-77aa01", "/srv/b/3", 0.0, own=False, problems=("archive.dump: its SHA-256 is another one",)
    ),
)
PROPOSAL = Proposal(
    operation="restore",
    environment="production",
    arguments={"backup": BACKUPS[0].id},
    policy="0" * 64,
    database="shop",
    server="db.internal:5432",
    backup_id=BACKUPS[0].id,
    backup_digest="ab" * 32,
    explanation=Explanation(
        steps=(
            "Take an emergency backup of shop.",
            "Create database shop_r_1a2b3c and restore 34 tables with 4,120,331 rows into it.",
            "Compare rows, sequences, definitions and properties with what was recorded.",
            "Disconnect all sessions (12 now), rename shop to shop_before_1a2b3c and shop_r_1a2b3c to shop.",
        ),
        loses="What was written since 26 November, 08:00 UTC is no longer live; it is kept in shop_before_1a2b3c.",
        undo="locktender restore --undo swaps the two databases back, as long as the old one is kept.",
        notes=("The application will lose its connections for about a second.",),
        seconds=190.0,
    ),
)
PENDING = Request(
    id="r7Qm2xKfA9",
    version=1,
    revision=3,
    environment="production",
    operation="restore",
    arguments={"backup": "latest"},
    requester=ADA,
    reason="The import of this morning overwrote the prices of <500> articles.\nSupport has a list & knows.",
    state=State.PENDING,
    executor="worker",
    policy=POLICY,
    created_at=NOW - 300,
    expires_at=NOW + 1500,
    proposal=PROPOSAL,
    digest="5d41402abc4b2a76b9719d911017c592" * 2,
    votes=(Vote(BOB, True, "Seen the list, go ahead.", NOW - 60),),
)
RUNNING = replace(
    PENDING,
    state=State.RUNNING,
    revision=9,
    started_at=NOW,
    votes=(*PENDING.votes, Vote(CLEO, True, "", NOW - 20)),
    progress="restoring: 62 % of 1.5 GB, 0:41 left",
)
DONE = replace(
    RUNNING,
    state=State.DONE,
    ended_at=NOW + 184,
    outcome=Outcome(
        "Backup 20241126T080000Z-1a2b3c is live. The database from before is kept as shop_before_1a2b3c.",
        run_id="20241126T110640Z-c0ffee",
        seconds=184.2,
        result={
            "restored": BACKUPS[0].id,
            "emergency_backup": "20241126T110642Z-00aa11",
            "previous_database": "shop_before_1a2b3c",
            "outage_seconds": 0.31,
        },
    ),
)
FAILED = replace(
    DONE,
    state=State.FAILED,
    outcome=Outcome(
        "The restore was given up before the live database was touched: the disk is full.",
        "Free 1.2 GB on db.internal, and ask again.",
        "20241126T110640Z-c0ffee",
        23.0,
        {},
        "not_enough_space",
    ),
)
ATTENTION = replace(
    DONE,
    state=State.NEEDS_ATTENTION,
    outcome=Outcome(
        "The worker that ran it died during the swap. By the journal shop was renamed, and the new one was not.",
        "locktender --env production status says what stands; locktender --env production deploy settles it.",
        "20241126T110640Z-c0ffee",
    ),
)
DEPLOY = replace(
    PENDING,
    id="dK2Lp0QxZ1",
    operation="deploy",
    arguments={"ref": "main"},
    reason="Release 41",
    votes=(),
    policy=replace(POLICY, required=1),
    proposal=replace(
        PROPOSAL,
        operation="deploy",
        backup_id=None,
        commit="9fceb02d0ae598e95dc970b74767f19372d61af8",
        migrations={"20241120090000_order_total": "aa" * 32, "20241125100000_drop_legacy": "bb" * 32},
        explanation=Explanation(
            steps=(
                "prepare: read the folder and the history, and lock",
                "build: the images of web, from commit 9fceb02",
                "stop: web",
                "restore point: a verified backup",
                "apply: 2 migrations in one transaction",
                "start: web",
                "check: nothing is pending, and the application answers",
            ),
            loses="20241125100000_drop_legacy drops table legacy_prices with 1,204 rows.",
            undo="Automatically, in the same transaction, if a step fails; afterwards: locktender rollback.",
            seconds=42.0,
        ),
    ),
)
STATUS = StatusResult(
    applied=tuple(f"2024{month:02}01090000_step" for month in range(1, 11)),
    pending=("20241120090000_order_total", "20241125100000_drop_legacy"),
    failed=(),
    edited=("20240603081500_newsletter",),
    missing=(),
    out_of_order=(),
    format="prisma",
)
CHECKS = (
    Check("connection", "ok", "answers in 3 ms"),
    Check(
        "backups",
        "warn",
        "The newest backup is 31 h old.",
        "A deploy's way back may be a backup.",
        "locktender backup create",
    ),
    Check(
        "sequences",
        "fail",
        "orders_id_seq stands at 41, and orders holds 57.",
        "The next INSERT fails.",
        "SELECT setval('orders_id_seq', 57)",
    ),
    *(Check(name, "ok", "fine") for name in ("rights", "versions", "schema", "tables", "clock")),
)
STATUS_CARD = status.StatusCard(
    environment="production",
    database="shop on db.internal:5432",
    now=NOW,
    status=STATUS,
    newest=BACKUPS[0],
    checks=tuple(check for check in CHECKS if check.status != "fail"),
    at_work=(status.AtWork("backup", "U0DAN", NOW - 95),),
    frozen=status.Frozen("U0BOB", "Black Friday", NOW + 4 * HOUR, 3),
)
NASTY = "`code` <!channel> & <https://evil.example|click> \u202egnp.exe\u0007\n*Approved by* <@U0CLEO>"

FROZEN = Freeze("production", BOB, "Black Friday", NOW, NOW + HOUR)
ALERTS = Alerts((Secret("https://e.x"),))
MESSAGES: Mapping[str, Message] = {
    "status": status.message(STATUS_CARD),
    "status_up_to_date": status.message(
        replace(STATUS_CARD, status=replace(STATUS, pending=(), edited=()), at_work=(), frozen=None, checks=CHECKS[:1])
    ),
    "status_unreachable": status.message(
        status.StatusCard(
            "production", "shop on db.internal:5432", NOW, trouble=("Nobody answers at db.internal:5432.",)
        )
    ),
    "check": check.message(check.CheckCard("production", NOW, CHECKS)),
    "backups": backups.message(backups.BackupsCard("production", NOW, BACKUPS)),
    "request_planning": request.card(
        RequestView(replace(PENDING, state=State.PLANNING, proposal=None, digest=None, votes=()))
    ),
    "request_pending": request.card(RequestView(PENDING, ("U0BOB", "U0CLEO", "U0DAN"))),
    "deploy_pending": request.card(RequestView(DEPLOY, ("U0BOB", "U0CLEO", "U0DAN"))),
    "request_nasty": request.card(
        RequestView(replace(PENDING, reason=NASTY, votes=(Vote(BOB, True, NASTY, NOW),)), ("U0BOB",))
    ),
    "request_approved": request.card(RequestView(replace(RUNNING, state=State.APPROVED, started_at=None))),
    "request_running": request.card(RequestView(RUNNING)),
    "request_denied": request.card(
        RequestView(
            replace(
                PENDING,
                state=State.DENIED,
                why="Not before the sale ends.",
                votes=(Vote(CLEO, False, "Not before the sale ends.", NOW),),
            )
        )
    ),
    "request_expired": request.card(RequestView(replace(PENDING, state=State.EXPIRED))),
    "request_voided": request.card(
        RequestView(replace(PENDING, state=State.VOIDED, why="the content of the backup changed"))
    ),
    "progress": outcome.progress(RequestView(RUNNING)),
    "result_done": outcome.result(RequestView(DONE)),
    "result_failed": outcome.result(RequestView(FAILED)),
    "result_attention": outcome.result(RequestView(ATTENTION)),
    "reminder": outcome.reminder(RequestView(PENDING, ("U0BOB", "U0CLEO"))),
    "requester_told": outcome.for_requester(RequestView(DONE)),
    "history": lists.history("production", (DONE, FAILED, replace(DEPLOY, state=State.EXPIRED))),
    "pending": lists.pending(
        None,
        (lists.Waiting(PENDING, ("U0BOB", "U0CLEO")), lists.Waiting(ATTENTION, ())),
        (Freeze("production", BOB, "Black Friday", NOW, NOW + 4 * HOUR),),
    ),
    "help": lists.help_card("/db", VERBS, ("production", "staging")),
    "report": report.message(sample()),
    "freeze_told": notices.freeze_told(
        "production",
        "U0BOB",
        FROZEN,
        ALERTS,
        watched=True,
    ),
    "form_button": notices.form_button("/db", "restore", "production"),
    "failure": notices.failure("check of production could not be shown.", "Nobody answers.", "Look at the server."),
    "notice": notices.notice("You asked for this yourself: somebody else has to decide."),
    "which_environment": notices.which_environment(BY_NAME["status"], ("production", "staging")),
}
MODALS: Mapping[str, Modal] = {
    "loading": modals.loading("Restore"),
    "form_restore": modals.form(
        modals.Form(
            "restore",
            "production",
            "restore:production:C0OPS:shop",
            backups.options(BACKUPS, NOW),
            database="shop",
            note="What is live now is backed up before, and kept beside it.",
        )
    ),
    "form_deploy": modals.form(
        modals.Form(
            "deploy", "production", "deploy:production:C0OPS:shop", ref_wanted=True, chosen="main", database="shop"
        )
    ),
    "form_rollback": modals.form(
        modals.Form("rollback", "production", "rollback:production:C0OPS:shop", emergency=True, database="shop")
    ),
    "form_freeze": modals.form(modals.Form("freeze", "production", "freeze:production:C0OPS:")),
    "form_denial": modals.denial("r7Qm2xKfA9:1", "Restore · production"),
    "choose": modals.choose("C0OPS", [Option("Status", "status")], [Option("production", "production")]),
    "cannot": modals.cannot("Restore", "There is no backup that could be restored.", "/db backup takes one."),
}
FINE = home.Looked(NOW - 40, "up to date", "46 applied", "all fine (35 checks)", NOW - 5 * HOUR, "L2", 1_480_000_000)
WATCHED = (
    home.Environment(
        "production",
        "C0OPS",
        replace(FINE, verdict="2 migrations pending", migrations="44 applied, 2 pending", health="1 warning, 34 fine"),
        (home.Waiting(PENDING, ("U0BOB", "U0CLEO")), home.Waiting(replace(ATTENTION, state=State.PLANNING))),
        (status.AtWork("backup", "U0DAN", NOW - 95),),
        status.Frozen("U0BOB", "Black Friday", NOW + 4 * HOUR, 3),
    ),
    home.Environment("staging", "C0OPS", FINE),
    home.Environment(
        "eu-west",
        "C0EU",
        home.Looked(
            NOW - 30, "cannot be looked at", "unknown", "not checked", None, "unknown", 0, ("Nobody answers.",)
        ),
    ),
    home.Environment("preview"),
)
BOARDS: Mapping[str, Board] = {
    "home": home.board(WATCHED),
    "home_nothing": home.board((), "Nothing is shown: this is a guest's account."),
}
