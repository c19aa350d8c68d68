"""The bot from outside: real processes, a real ledger, a real database, and a stand-in for Slack that is strict."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Server
from .slack.stage import ADA, BOB, Stage, eventually, staged


@pytest.fixture
def stage(tmp_path: Path, server18: Server) -> Iterator[Stage]:
    target, ledger = server18.create(), server18.create()
    with server18.superuser(target).session() as session:
        session.script("CREATE TABLE items (id int PRIMARY KEY); INSERT INTO items SELECT generate_series(1, 100)")
        session.execute("ALTER TABLE items OWNER TO app_owner")
    with staged(tmp_path, server18.url(target), server18.url(ledger)) as made:
        yield made


def rows(server: Server, stage: Stage) -> int:
    database = stage.target.reveal().rpartition("/")[2]
    with server.superuser(database).session() as session:
        ((count,),) = session.rows("SELECT count(*) FROM items")
    return int(count)


def test_from_a_backup_to_a_restore_that_somebody_else_approves(stage: Stage, server18: Server) -> None:
    stage.bot()
    stage.worker()
    assert "status of production" in stage.command("status").text
    stage.card("up to date")
    assert "asked for" in stage.command("backup production before the import").text
    backup = stage.card("Backup · production: done")
    stage.in_thread(backup, "Backup ")
    assert "approve" not in backup.actions

    database = stage.target.reveal().rpartition("/")[2]
    with server18.superuser(database).session() as session:
        session.execute("DELETE FROM items WHERE id > 7")
    assert stage.command("restore production").body == b""
    form = stage.form()
    wrong = stage.submit(form, {"backup": "x", "reason": "rows are gone", "name": "another"}, ADA)
    assert wrong.json.get("response_action") == "errors", (wrong, stage.slack.views[form].view)
    view = stage.slack.views[form].view
    chosen = next(b["element"]["options"][0]["value"] for b in view["blocks"] if b.get("block_id") == "backup")
    assert stage.submit(form, {"backup": chosen, "reason": "rows are gone", "name": database}, ADA).body == b""

    card = stage.card("Restore · production: waits for approval")
    assert chosen in card.all_text
    stage.press(card, "approve", ADA)
    eventually(lambda: [one for one in stage.slack.ephemerals if "yourself" in one["text"]])
    assert rows(server18, stage) == 7
    eventually(lambda: [one for one in stage.slack.direct_to(BOB) if "waits for approval" in one.all_text])
    stage.press(card, "approve", BOB)
    stage.card("Restore · production: done")
    stage.in_thread(card, "Restore · production: done")
    assert rows(server18, stage) == 100
    assert set(card.actions) == set()
    eventually(lambda: [one for one in stage.slack.direct_to(ADA) if "Restore · production: done" in one.all_text])
    (told,) = stage.slack.direct_to(BOB)
    assert "approve" not in told.actions
