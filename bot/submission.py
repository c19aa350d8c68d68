"""What comes back from buttons and forms: ids, and what was typed. Pure; nothing of it is believed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

from msgspec import Struct

from bot.blocks import modals
from operations.approvals.model import Operation
from operations.errors import RequestChanged, UsageError

REQUEST = re.compile(r"([A-Za-z0-9_-]{1,64}):([0-9]{1,9})")
FORM = re.compile(r"([a-z]{1,20}):([A-Za-z0-9][A-Za-z0-9_-]{0,62}):([CDGUW][A-Z0-9]{1,30}):([^\n]{0,200})")
LENGTH = re.compile(r"(\d+(?:\.\d+)?)([mhdw])")
SECONDS = {"m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
MOST = 90 * 86400.0
"""Of a freeze: what is longer is not meant."""


class Metadata(Struct, frozen=True):
    """What a form is about. ``undo``: of a restore. ``database``: the name that must be typed, empty for none."""

    operation: Operation
    environment: str
    channel: str
    database: str = ""
    undo: bool = False

    @staticmethod
    def of_request(value: str) -> tuple[str, int]:
        """``ID:VERSION``. Raises ``RequestChanged``."""
        found = REQUEST.fullmatch(value)
        if not found:
            raise RequestChanged("This button is not known any more.")
        return found[1], int(found[2])

    @staticmethod
    def of_form(text: str) -> Metadata:
        """As ``text`` gives it. Raises ``RequestChanged``."""
        found = FORM.fullmatch(text)
        operation = "restore" if found and found[1] == "undo" else found[1] if found else ""
        if not found or operation not in get_args(Operation):
            raise RequestChanged("This form is not known any more.", hint="Type the command again.")
        return Metadata(operation, found[2], found[3], found[4], undo=found[1] == "undo")  # type: ignore[arg-type]

    @property
    def text(self) -> str:
        """For ``private_metadata``."""
        return f"{'undo' if self.undo else self.operation}:{self.environment}:{self.channel}:{self.database}"

    def arguments(self, values: Mapping[str, str]) -> dict[str, Any]:
        """What is asked for, as the operation takes it."""
        if self.undo:
            return {"undo": True}
        if self.operation == "restore":
            return {"backup": values.get(modals.BACKUP, "")}
        if self.operation == "verify":
            return {"backup": values.get(modals.BACKUP, ""), "test_restore": values.get(modals.LEVEL) == "test"}
        if self.operation == "rollback" and values.get(modals.LOSS) == modals.GO_ON:
            return {"accept_data_loss": True}
        if self.operation == "deploy" and values.get(modals.REF, "").strip():
            return {"ref": values[modals.REF].strip()}
        return {}


def submission(view: Mapping[str, Any]) -> tuple[str, str, dict[str, str]]:
    """Of a form that was sent: which it is, what it is about, and what was filled in."""
    return str(view.get("callback_id", "")), str(view.get("private_metadata", "")), read(view.get("state") or {})


def read(state: Mapping[str, Any]) -> dict[str, str]:
    """``view.state.values`` as field → text."""
    found = {}
    for block, elements in (state.get("values") or {}).items():
        for element in elements.values():
            value = element.get("value")
            option = element.get("selected_option") or {}
            found[str(block)] = str(value if value is not None else option.get("value", ""))
    return found


def duration_of(text: str) -> float | None:
    """``1h30m`` in seconds; ``None`` for no end. Raises ``UsageError``."""
    if text in ("", "lifted"):
        return None
    seconds = sum(float(number) * SECONDS[unit] for number, unit in LENGTH.findall(text))
    if LENGTH.sub("", text) or not 0 < seconds <= MOST:
        raise UsageError(f"{text!r} is no length of time.", hint="Say 30m, 2h, 1d or 1w.")
    return seconds
