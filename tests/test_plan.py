"""Grouping of migrations into units and of statements into segments: pure."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from operations.applying import _Shared
from operations.migrations.script import Script, read_script
from operations.plan import Plan, PlannedMigration, Step, Unit, split, units_of
from operations.segments import segments_of

TABLE = "CREATE TABLE t (a int);"
INDEX = "CREATE INDEX CONCURRENTLY i ON t (a);"


def scripts(*texts: str) -> list[Script]:
    return [read_script(f"m{number}", text) for number, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("texts", "mode", "expected"),
    [
        ((TABLE, TABLE), "whole", [("transaction", 2)]),
        ((TABLE, TABLE), "file", [("transaction", 1), ("transaction", 1)]),
        ((TABLE, TABLE + INDEX, TABLE, TABLE), "whole", [("transaction", 1), ("statements", 1), ("transaction", 2)]),
        (("BEGIN;" + TABLE + "COMMIT;", TABLE), "whole", [("transaction", 2)]),
        ((TABLE + "COMMIT;" + TABLE,), "whole", [("message", 1)]),
        ((TABLE + "COMMIT;" + INDEX,), "whole", [("statements", 1)]),
        (("CREATE TABLE t (a int;",), "whole", [("transaction", 1)]),
        (("CREATE TABLE t (a int; COMMIT;",), "whole", [("message", 1)]),
        ((TABLE, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;" + TABLE), "whole", [("transaction", 1)] * 2),
        ((), "whole", []),
    ],
)
def test_units(texts: tuple[str, ...], mode: str, expected: list[tuple[str, int]]) -> None:
    units = units_of(scripts(*texts), mode)  # type: ignore[arg-type]
    assert [(unit.kind, len(unit.migrations)) for unit in units] == expected
    assert [name for unit in units for name in unit.migrations] == [f"m{n}" for n in range(len(texts))]


def test_splitting_a_unit_keeps_the_order() -> None:
    unit = Unit("transaction", ("c", "b", "a"), "")
    assert [part.migrations for part in split(unit, "b")] == [("c",), ("b", "a")]
    assert [part.migrations for part in split(unit, "a")] == [("c", "b"), ("a",)]
    assert [part.migrations for part in split(unit, "c")] == [("c",), ("b", "a")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TABLE + "\n" + TABLE + INDEX + TABLE, [(True, 2), (False, 1), (True, 1)]),
        (INDEX + INDEX, [(False, 1), (False, 1)]),
        ("ALTER TYPE m ADD VALUE 'x'; INSERT INTO t VALUES ('x'); SELECT 1;", [(True, 1), (True, 2)]),
        (TABLE + "COMMIT;" + INDEX, [(False, 1), (False, 1), (False, 1)]),
    ],
)
def test_segments(text: str, expected: list[tuple[bool, int]]) -> None:
    (script,) = scripts(text)
    segments = segments_of(script)
    assert [(segment.in_transaction, len(segment.statements)) for segment in segments] == expected
    for segment in segments:
        assert text[segment.offset :].startswith(segment.text)


def test_every_field_of_a_plan_is_in_its_digest() -> None:
    plan = Plan(
        operation="deploy",
        environment="production",
        database="app on db:5432",
        database_oid=1,
        strategy="maintenance",
        migrations=(PlannedMigration("m", "c", True, "r", down=True),),
        units=(Unit("transaction", ("m",), "r"),),
        verdict="v",
        restore_point="backup",
        steps=(Step("apply", "w"),),
    )
    changed: list[Plan] = [
        replace(plan, operation="apply"),
        replace(plan, environment="staging"),
        replace(plan, database="app on db:5433"),
        replace(plan, database_oid=2),
        replace(plan, strategy="online"),
        replace(plan, migrations=(replace(plan.migrations[0], checksum="d"),)),
        replace(plan, units=(replace(plan.units[0], kind="statements"),)),
        replace(plan, verdict="w"),
        replace(plan, restore_point="empty"),
        replace(plan, steps=()),
    ]
    assert len({plan.digest, *(other.digest for other in changed)}) == len(changed) + 1


def test_what_must_follow_a_commit_is_not_forgotten_by_a_later_attempt() -> None:
    shared = _Shared(Unit("transaction", ("1", "2", "3", "4"), "together"))
    shared.keep_only(*split(shared.unit, "3"))
    shared.keep_only(*split(shared.unit, "2"))
    assert shared.rest is not None
    assert (shared.unit.migrations, shared.rest.migrations) == (("1",), ("2", "3", "4"))
