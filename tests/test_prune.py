"""Pruning real directories: what goes, what stays, and that nothing goes by mistake."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from operations import backup
from operations.backup import create, list_backups, load_intact, pin, prune, take_backup, unpin
from operations.backup_verify import note
from operations.backups.manifest import Manifest, StoredFile, timestamp, to_bytes
from operations.context import Context
from operations.errors import BackupFailed, ConfigurationError, LockHeld
from operations.journal import Journal
from operations.lock import held
from operations.secret import Secret
from operations.settings import Backups

from .conftest import Server
from .test_backup_manifest import MANIFEST

KEEP_TWO = Backups(keep_last=2, keep_daily=0, keep_weekly=0, keep_monthly=0)
CONTENT = b"content"
DIGEST = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
START = datetime(2026, 1, 1, 3, tzinfo=UTC).timestamp()


@pytest.fixture
def context(context_of: Callable[..., Context]) -> Context:
    """No database is asked anything when backups are pruned."""
    return context_of(Secret("postgresql://u@127.0.0.1:1/shop"), backups=KEEP_TWO)


def planted(context: Context, day: int, **changes: object) -> Manifest:
    """A backup of the ``day``-th of January 2026, of hardly any bytes."""
    created = START + (day - 1) * 86400
    manifest = replace(
        MANIFEST,
        id=f"{datetime.fromtimestamp(created, UTC):%Y%m%dT%H%M%SZ}-{day:06x}",
        environment="local",
        database="shop",
        created=timestamp(created),
        files={"archive/toc.dat": StoredFile(len(CONTENT), DIGEST)},
        **changes,  # type: ignore[arg-type]
    )
    directory = Path(context.environment.backup_dir, manifest.id)
    (directory / "archive").mkdir(parents=True)
    (directory / "archive" / "toc.dat").write_bytes(CONTENT)
    (directory / "manifest.json").write_bytes(to_bytes(manifest))
    return manifest


def left(context: Context) -> list[str]:
    return [one.id for one in list_backups(context)]


def test_it_removes_what_no_rule_wants_and_says_why(context: Context) -> None:
    made = [planted(context, day).id for day in range(1, 6)]
    dry = prune(context, dry_run=True)
    assert dry.removed == ()
    assert left(context) == made[::-1]
    result = prune(context)
    assert [(d.id, d.keep, d.reasons) for d in result.decisions[:3]] == [
        (made[4], True, ("last",)),
        (made[3], True, ("last",)),
        (made[2], False, ()),
    ]
    assert result.decisions == dry.decisions
    assert result.removed == (made[2], made[1], made[0])
    assert left(context) == [made[4], made[3]]
    assert [path.name for path in Path(context.environment.backup_dir).iterdir() if "partial" in path.name] == []


def test_pinned_ones_stay_until_they_are_unpinned(context: Context) -> None:
    made = [planted(context, day).id for day in range(1, 5)]
    pin(context, made[0], "audit 2026")
    assert prune(context).removed == (made[1],)
    assert next(one for one in list_backups(context) if one.id == made[0]).pinned == "audit 2026"
    unpin(context, made[0])
    assert prune(context).removed == (made[0],)


def test_what_a_run_would_go_back_to_stays(context: Context) -> None:
    made = [planted(context, day).id for day in range(1, 7)]
    for run, backup_id, outcome in (("r1", made[0], "deployed"), ("r2", made[1], "deployed"), ("r3", made[2], None)):
        with held(context, "deploy", run) as lock:
            journal = Journal.open(context, lock, "deploy")
            journal.record("restore_point", backup_id=backup_id)
            if outcome:
                journal.finish(outcome)
    assert prune(context).removed == (made[3], made[0])
    reasons = {decision.id: decision.reasons for decision in prune(context, dry_run=True).decisions}
    assert reasons[made[1]] == ("needed to roll back run r2",)
    assert reasons[made[2]] == ("needed by run r3, which has not ended",)


def test_a_newest_verified_one_that_is_damaged_does_not_stand_for_the_others(context: Context) -> None:
    manifests = [planted(context, day) for day in range(1, 7)]
    for manifest in manifests[:3]:
        note(context, manifest, "L2")
    (Path(context.environment.backup_dir) / manifests[2].id / "archive" / "toc.dat").write_bytes(CONTENT.upper())
    result = prune(context)
    assert result.removed == (manifests[3].id, manifests[0].id)
    assert left(context) == [m.id for m in (manifests[5], manifests[4], manifests[2], manifests[1])]


def test_damaged_and_foreign_ones_are_not_touched(context: Context) -> None:
    made = [planted(context, day).id for day in range(1, 4)]
    (Path(context.environment.backup_dir) / made[2] / "archive" / "toc.dat").write_bytes(b"cut")
    (Path(context.environment.backup_dir) / made[1] / "manifest.json").write_bytes(b"?")
    other = replace(context, environment=replace(context.environment, name="staging"))
    assert prune(other).removed == ()
    assert prune(context).removed == ()
    assert len(left(context)) == 3


def test_nothing_goes_while_another_run_is_at_work(context: Context) -> None:
    planted(context, 1)
    with held(context, "deploy", "other"), pytest.raises(LockHeld):
        prune(context)


def test_rules_that_keep_nothing_are_refused(context: Context) -> None:
    planted(context, 1)
    nothing = replace(context, environment=replace(context.environment, backups=replace(KEEP_TWO, keep_last=0)))
    with pytest.raises(ConfigurationError, match="would remove all backups"):
        prune(nothing)
    assert len(left(context)) == 1


def test_a_backup_that_succeeds_prunes_and_one_that_fails_does_not(
    server15: Server, context_of: Callable[..., Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    context = context_of(server15.url(server15.create()), backups=KEEP_TWO)
    made = [take_backup(context, str(number), None, "L0").id for number in range(4)]
    with context.database.session() as session:
        session.script("CREATE TABLE t (a int CHECK (a < 5)); CREATE VIEW v AS SELECT * FROM t")
    broken = replace(context, environment=replace(context.environment, client_bin="/nonexistent"))
    with pytest.raises(Exception, match="pg_dump"):
        create(broken)
    assert left(context) == made[::-1]
    monkeypatch.setattr(backup, "restore_problems", lambda *_: ("table t: gone",))
    with pytest.raises(BackupFailed, match="table t: gone"):
        create(context, verify="L2")
    assert len(left(context)) == 5
    monkeypatch.undo()
    failed = left(context)[0]
    succeeded = create(context, verify="L2")
    assert succeeded.pruned == (failed, made[2], made[1], made[0])
    assert left(context) == [succeeded.id, made[3]]
    assert load_intact(context, "latest").id == succeeded.id
