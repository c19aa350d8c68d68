"""Folder and table laid side by side."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from operations.migrations.history import standing
from operations.migrations.model import HistoryRow, Migration, Standing

START = datetime(2024, 1, 1, tzinfo=UTC)


def migration(name: str, checksum: str | None = "same") -> Migration:
    if checksum is None:
        return Migration(name, f"{name}/migration.sql", None)
    return Migration(name, f"{name}/migration.sql", "SELECT 1;", checksum, frozenset({checksum, "same with CRLF"}))


def row(name: str, state: str = "applied", checksum: str = "same", second: int = 0) -> HistoryRow:
    began = START + timedelta(seconds=second)
    return HistoryRow(
        id=f"{name} {second}",
        name=name,
        checksum=checksum,
        started_at=began,
        finished_at=began if state in ("applied", "undone") else None,
        rolled_back_at=began if state in ("rolled back", "undone") else None,
        logs=None,
        applied_steps=1,
    )


def test_without_a_table_everything_is_pending() -> None:
    assert standing([migration("1"), migration("2")], None) == Standing(pending=("1", "2"), has_table=False)
    assert standing([], ()) == Standing()


def test_what_is_applied_pending_and_failed() -> None:
    found = standing([migration(name) for name in "1234"], [row("1"), row("2", "failed"), row("3", "rolled back")])
    assert found == Standing(applied=("1",), failed=("2",), pending=("3", "4"))


def test_a_name_may_have_been_tried_before() -> None:
    tries = [row("1", "rolled back"), row("1", "rolled back", second=1), row("1", "applied", second=2)]
    assert standing([migration("1")], tries) == Standing(applied=("1",))
    assert standing([migration("1")], [*tries[:2], row("1", "failed", second=2)]) == Standing(failed=("1",))
    assert standing([migration("1")], [row("1", "undone")]) == Standing(pending=("1",))


def test_an_edited_file_is_one_with_another_text() -> None:
    folder = [migration("1", "changed"), migration("2")]
    assert standing(folder, [row("1"), row("2", checksum="same with CRLF")]).edited == ("1",)
    assert standing(folder, [row("1", "rolled back"), row("2")]).edited == ()
    again = [row("1", checksum="old"), row("1", "undone", "changed", 1), row("1", checksum="changed", second=2)]
    assert standing(folder[:1], again).edited == ()


def test_missing_is_what_the_folder_lost_whole_or_its_script() -> None:
    found = standing([migration("1", None), migration("2")], [row("9"), row("1"), row("2")])
    assert found == Standing(applied=("1", "2", "9"), missing=("9", "1"))


def test_a_pending_directory_without_a_script_is_pending() -> None:
    assert standing([migration("1", None)], ()) == Standing(pending=("1",))


def test_late_is_pending_before_something_applied_by_bytes() -> None:
    folder = [migration(name) for name in ("10", "2", "Z", "a", "ä")]
    assert standing(folder, [row("a")]).out_of_order == ("10", "2", "Z")
    assert standing(folder, [row("zz gone from the folder")]).out_of_order == ("10", "2", "Z", "a")
    assert standing(folder, [row("a", "failed")]).out_of_order == ()


NAMES = st.sampled_from(["01", "1", "2", "a", "Z", "ä", "two words"])
ROWS = st.lists(
    st.builds(
        row,
        NAMES,
        st.sampled_from(["applied", "failed", "rolled back", "undone"]),
        st.sampled_from(["same", "other", "same with CRLF"]),
        st.integers(0, 99),
    )
)
FOLDERS = st.sets(NAMES).map(lambda names: [migration(name) for name in sorted(names, key=str.encode)])


@given(FOLDERS, ROWS)
def test_every_name_is_accounted_for(folder: list[Migration], rows: list[HistoryRow]) -> None:
    found = standing(folder, rows)
    names, live = {m.name for m in folder}, {r.name for r in rows if r.rolled_back_at is None}
    assert set(found.applied) | set(found.failed) == live
    assert set(found.pending) == names - live
    assert set(found.edited) | set(found.missing) <= set(found.applied)
    assert set(found.missing) == set(found.applied) - names
    assert set(found.out_of_order) <= set(found.pending)
    assert list(found.pending) == [m.name for m in folder if m.name in found.pending]
    assert list(found.applied) == sorted(found.applied, key=str.encode)
