"""The story, scene by scene; each says what it does, does it, and checks what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import click
from msgspec import Struct

from cli.demo.stage import Stage, State, StoryBroken

HALF_WAY = "20240701090000_one_account_per_phone"
SALE = "20240702090000_summer_sale"
FREE = 'SELECT count(*) FILTER (WHERE "priceCents" = 0) FROM "Product"'


class Step(Struct, frozen=True):
    """One row of the table at the end."""

    step: str
    what: str
    state: State | None
    seconds: float
    ok: bool


@dataclass
class Memory:
    """What later scenes compare with."""

    backup_id: str = ""
    backed_up: State | None = None
    steps: list[Step] = field(default_factory=list)


class Scene(Struct, frozen=True):
    """``play`` does it, checks it, and says in a few words what happened."""

    step: str
    title: str
    play: Callable[[Stage, Memory], str]


def deploy(stage: Stage, _memory: Memory) -> str:
    """The first deploy, of everything, and the data of half a year."""
    stage.say(
        "  The project has nine Prisma migrations; the database is empty. One of them builds an index CONCURRENTLY,"
    )
    stage.say("  which PostgreSQL does not do inside a transaction; all others are atomic, and are applied so.")
    stage.locktender("deploy")
    stage.locktender("status")
    stage.expect(stage.state().tables == 7, "six tables and Prisma's history are there")
    stage.say("  Now the shop opens. Half a year later it has customers, orders, reviews:")
    stage.sql(Path(stage.project, "generate.sql").read_text(encoding="utf-8"))
    state = stage.state()
    stage.expect(state.rows > 100_000, f"{state}")
    return "9 migrations applied, data loaded"


def back_up(stage: Stage, memory: Memory) -> str:
    """A backup that is restored for a test."""
    stage.say("  A backup nobody has restored is a hope. This one is restored into a second database and compared with")
    stage.say("  what was in the first: schema, number of rows, and a hash of every row.")
    stage.locktender("backup", "create")
    stage.locktender("backup", "verify", "latest", "--test-restore")
    stage.locktender("backup", "list")
    newest = stage.asked("backup", "list")["backups"][0]
    memory.backup_id, memory.backed_up = newest["id"], stage.state()
    stage.expect(newest["verified"] is True, f"backup {memory.backup_id} is verified by a restore")
    return "restored for a test, all rows equal"


def fail(stage: Stage, _memory: Memory) -> str:
    """A deploy that fails must leave no trace."""
    stage.say("  Someone merges a migration that worked on their empty test database. It adds a column, rewrites every")
    stage.say(
        "  customer's phone number, and then wants the numbers to be unique. In the real data, families share one."
    )
    before = stage.state()
    stage.add_migration(HALF_WAY)
    said = stage.locktender("deploy", exit_code=3)
    after = stage.state()
    stage.expect("Customer_phone_key" in said and "migration.sql" in said, "the message names the file and what failed")
    stage.expect(before == after, f"before: {before}\n    after:  {after}\n    the database is untouched")
    stage.revert_migration(HALF_WAY)
    stage.locktender("status")
    return "failed at its 3rd statement, left nothing"


def regret(stage: Stage, _memory: Memory) -> str:
    """A deploy that does damage, and its rollback."""
    stage.say("  Ten per cent off everything, says the next one: priceCents * (90 / 100). In SQL 90 / 100 is 0.")
    stage.say("  It also drops the reviews. PostgreSQL finds nothing wrong with any of it.")
    before = stage.state()
    stage.add_migration(SALE)
    stage.locktender("deploy")
    free = stage.value(FREE)
    stage.expect(free == stage.value('SELECT count(*) FROM "Product"'), f"all {free} products are free now: a disaster")
    stage.expect(stage.value("SELECT to_regclass('\"Review\"') IS NULL") is True, "and all reviews are gone")
    stage.say("  With Prisma alone the way back would be a dump, if there is one. Here:")
    stage.locktender("rollback", "--yes")
    after = stage.state()
    stage.expect(before == after, f"before: {before}\n    after:  {after}\n    prices and reviews are back, every row")
    stage.revert_migration(SALE)
    return "deployed, regretted, rolled back"


def restore(stage: Stage, memory: Memory) -> str:
    """A restore of the backup from the second scene."""
    stage.say("  No migration this time: a person types DELETE with the wrong WHERE.")
    stage.sql('DELETE FROM "OrderItem"; DELETE FROM "Order" WHERE status <> \'PENDING\'')
    damaged = stage.state()
    stage.expect(damaged.rows < 100_000, f"orders are lost: {damaged}")
    stage.say("  The backup is restored beside the live database, checked, and swapped in by renaming.")
    stage.locktender("restore", memory.backup_id, "--yes")
    now = stage.state()
    stage.expect(now == memory.backed_up, f"the database is what was backed up: {now}")
    return "restored beside, compared, swapped in"


def undo(stage: Stage, memory: Memory) -> str:
    """Back to before the restore, and forth again."""
    stage.say("  Was that right? The database from before the restore is still there, under another name.")
    restored = stage.state()
    stage.locktender("restore", "--undo", "--yes")
    now = stage.state()
    stage.expect(now.rows < 100_000 and now != restored, f"what the restore had replaced is live again: {now}")
    stage.say("  It was right after all:")
    stage.locktender("restore", "--undo", "--yes")
    stage.expect(stage.state() == memory.backed_up, "and back to the restored one")
    return "swapped back, and forth again"


SCENES = (
    Scene("first deploy", "A shop is deployed for the first time", deploy),
    Scene("backup", "A backup is taken, and proved", back_up),
    Scene("failing migration", "A migration fails half-way", fail),
    Scene("wrong migration", 'A migration "succeeds", and is wrong', regret),
    Scene("restore", "Somebody deletes the wrong rows, and the backup comes back", restore),
    Scene("undo", "And the restore is undone", undo),
)


def play(stage: Stage) -> tuple[Step, ...]:
    """Every scene, up to the first that does not go as it should."""
    memory = Memory()
    for number, scene in enumerate(SCENES, 1):
        stage.say()
        stage.say(click.style(f"{number}. {scene.title}", fg="cyan", bold=True))
        began = time.monotonic()
        try:
            what, ok = scene.play(stage, memory), True
        except StoryBroken as broken:
            what, ok = str(broken), False
            stage.say(click.style(f"  ✗ {broken}", fg="red", bold=True))
        seconds = time.monotonic() - began
        memory.steps.append(Step(scene.step, what, stage.state() if ok else None, seconds, ok))
        if not ok:
            break
    return tuple(memory.steps)
