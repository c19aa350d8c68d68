"""What comes back from buttons and forms is ids and texts, and becomes what the operation takes, or is refused."""

from __future__ import annotations

import pytest

from bot.forms import NOTES
from bot.submission import Metadata, duration_of, read
from operations.errors import RequestChanged, UsageError
from operations.proposing import refuse_unknown

from .slack import samples


@pytest.mark.parametrize("value", ["", "x", "a:b", "a:1:2", "../x:1", "a:-1", "a:1\n", "a b:1", "a:" + "9" * 10])
def test_a_value_that_is_no_id_and_version_is_refused(value: str) -> None:
    with pytest.raises(RequestChanged):
        Metadata.of_request(value)


@pytest.mark.parametrize(
    "text", ["", "drop:p:C0:", "restore:p:x:", "restore:-p:C0:", "restore:p:C0", "restore:p:C0:a\nb"]
)
def test_metadata_that_we_do_not_write_is_refused(text: str) -> None:
    with pytest.raises(RequestChanged):
        Metadata.of_form(text)


@pytest.mark.parametrize("verb", NOTES)
def test_what_a_form_asks_for_is_what_its_operation_knows(verb: str) -> None:
    made = Metadata.of_form(f"{verb}:production:C0OPS:shop")
    assert Metadata.of_form(made.text) == made
    given = {"backup": "B1", "level": "test", "ref": " main ", "loss": "go_on"}
    arguments = made.arguments(given)
    refuse_unknown(made.operation, arguments)
    assert (
        arguments
        == {
            "restore": {"backup": "B1"},
            "undo": {"undo": True},
            "deploy": {"ref": "main"},
            "rollback": {"accept_data_loss": True},
            "verify": {"backup": "B1", "test_restore": True},
            "freeze": {},
        }[verb]
    )
    assert not Metadata.of_form("rollback:p:C0:").arguments({"loss": "stop"})


def test_a_state_is_read_whatever_kind_of_field_it_is() -> None:
    values = {"reason": {"reason": {"value": "why"}}, "backup": {"backup": {"selected_option": {"value": "B1"}}}}
    assert read({"values": {**values, "ref": {"ref": {"value": None}}}}) == {"reason": "why", "backup": "B1", "ref": ""}
    assert read({}) == {}


def test_lengths_of_a_freeze() -> None:
    assert duration_of("1h30m") == 5400.0
    assert duration_of("lifted") is None
    for wrong in ("2", "1y", "0h", "200d", "h", "1h x"):
        with pytest.raises(UsageError):
            duration_of(wrong)


def test_every_form_can_be_sent() -> None:
    assert all(view.submit for name, view in samples.MODALS.items() if name.startswith("form_"))
