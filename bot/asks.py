"""What the bot hands to workers besides requests: looks to be answered, forms to be filled. Pure.

It lies in the queue as plain text. Nothing in it is believed: the worker looks at who asked, and from where, again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from msgspec import Struct
from msgspec.structs import asdict

Kind = Literal["answer", "form", "home"]


class Ask(Struct, frozen=True):
    """``answer`` a look at an environment in a channel (in a thread of it), fill the ``form`` of an operation, show
    somebody's ``home``.

    ``view`` and ``hash`` name the modal that was opened for it; ``chosen`` what the command named already.
    """

    kind: Kind
    verb: str
    environment: str
    channel: str
    user: str
    thread: str = ""
    view: str = ""
    hash: str = ""
    chosen: str = ""


class Queue(Protocol):
    """Where asks are put. Raises as a ``Ledger`` does."""

    def put(self, ask: Ask) -> None:
        """In one commit; a worker takes it from there."""
        ...


def to_payload(ask: Ask) -> dict[str, str]:
    """As it lies in the queue."""
    return asdict(ask)


def from_payload(payload: Mapping[str, object]) -> Ask | None:
    """What lies in the queue, or ``None`` if that is nothing of ours."""
    values = {name: str(payload.get(name, ""))[:2000] for name in Ask.__struct_fields__}
    return Ask(**values) if values["kind"] in ("answer", "form", "home") else None  # type: ignore[arg-type]
