"""Blocks and elements, within Slack's limits by construction. Pure.

Texts of content are clipped, ids are ours and raise. Limits: https://docs.slack.dev/reference/block-kit
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from msgspec import Struct

from bot.blocks.text import Marked, joined, plain

Block = dict[str, Any]
Element = dict[str, Any]
Style = Literal["primary", "danger"]

SECTION = 3000
FIELD = 2000
FIELDS = 10
HEADER = 150
BUTTON = 75
VALUE = 2000
OPTION = 75
OPTION_VALUE = 150
OPTIONS = 100
ELEMENTS = 25
CONTEXT_ELEMENTS = 10
ID = 255
CONFIRM_TITLE, CONFIRM_TEXT, CONFIRM_BUTTON = 100, 300, 30
MODAL_TITLE = 24
METADATA = 3000
LABEL, HINT, PLACEHOLDER = 2000, 2000, 150
MESSAGE_BLOCKS = 50
MODAL_BLOCKS = 100
MESSAGE_CHARACTERS = 12_000
"""All blocks of a message together; Slack refuses at about 13,200 (``msg_blocks_too_long``)."""
TEXT = 3_000
"""Of a message's top-level text; Slack takes 40,000, and a notification shows a line of it."""


class Message(Struct, frozen=True):
    """What is posted: ``text`` is what notifications and screen readers get, complete in itself."""

    text: str
    blocks: tuple[Block, ...]


class Modal(Struct, frozen=True):
    """A view; ``metadata`` is an id and nothing else."""

    title: str
    blocks: tuple[Block, ...]
    callback: str
    metadata: str = ""
    submit: str | None = None
    close: str = "Cancel"

    def view(self) -> dict[str, Any]:
        """As ``views.open`` takes it."""
        made: dict[str, Any] = {
            "type": "modal",
            "callback_id": _id(self.callback),
            "title": _plain(self.title, MODAL_TITLE),
            "close": _plain(self.close, MODAL_TITLE),
            "private_metadata": _within(self.metadata, METADATA),
            "blocks": list(self.blocks[:MODAL_BLOCKS]),
        }
        if self.submit:
            made["submit"] = _plain(self.submit, MODAL_TITLE)
        return made


class Board(Struct, frozen=True):
    """App Home."""

    blocks: tuple[Block, ...]

    def view(self) -> dict[str, Any]:
        """As ``views.publish`` takes it."""
        return {"type": "home", "blocks": list(self.blocks[:MODAL_BLOCKS])}


class Option(Struct, frozen=True):
    """One entry of a menu."""

    label: str
    value: str
    description: str = ""

    def made(self) -> Element:
        """As Slack takes it."""
        made: Element = {"text": _plain(self.label, OPTION), "value": _within(self.value, OPTION_VALUE)}
        if self.description:
            made["description"] = _plain(self.description, OPTION)
        return made


@dataclass
class Sheet:
    """Blocks under way; ``message`` closes it. What would not fit any more is left out, and the last line says so."""

    blocks: list[Block] = field(default_factory=list)

    def header(self, text: str) -> None:
        """A large line."""
        self.blocks.append({"type": "header", "text": _plain(text, HEADER)})

    def section(self, text: str, accessory: Element | None = None) -> None:
        """A paragraph."""
        if not text:
            return
        made: Block = {"type": "section", "text": _mrkdwn(text, SECTION)}
        if accessory:
            made["accessory"] = accessory
        self.blocks.append(made)

    def fields(self, *pairs: tuple[str, str]) -> None:
        """Short facts in two columns: label and what it is."""
        told = [(label, text) for label, text in pairs if text]
        for start in range(0, len(told), FIELDS):
            some = told[start : start + FIELDS]
            made = [_mrkdwn(joined(Marked(f"*{joined(label)}*\n"), text), FIELD) for label, text in some]
            self.blocks.append({"type": "section", "fields": made})

    def context(self, *texts: str) -> None:
        """Small print."""
        told = [_mrkdwn(text, FIELD) for text in texts if text][:CONTEXT_ELEMENTS]
        if told:
            self.blocks.append({"type": "context", "elements": told})

    def divider(self) -> None:
        """A line."""
        self.blocks.append({"type": "divider"})

    def actions(self, block_id: str, *elements: Element | None) -> None:
        """Buttons and menus."""
        told = [element for element in elements if element][:ELEMENTS]
        if told:
            self.blocks.append({"type": "actions", "block_id": _id(block_id), "elements": told})

    def input(self, block_id: str, label: str, element: Element, *, hint: str = "", optional: bool = False) -> None:
        """A field of a modal."""
        made: Block = {
            "type": "input",
            "block_id": _id(block_id),
            "label": _plain(label, LABEL),
            "element": element,
            "optional": optional,
        }
        if hint:
            made["hint"] = _plain(hint, HINT)
        self.blocks.append(made)

    def message(self, text: str) -> Message:
        """All of it; buttons and small print at the end are kept, whatever does not fit before them is not."""
        return Message(_cut(joined(text), TEXT), tuple(_fitting(self.blocks)))


def button(
    label: str, action: str, value: str = "", *, style: Style | None = None, confirm: Element | None = None
) -> Element:
    """``value`` is an id and nothing else."""
    made: Element = {"type": "button", "text": _plain(label, BUTTON), "action_id": _id(action)}
    if value:
        made["value"] = _within(value, VALUE)
    if style:
        made["style"] = style
    if confirm:
        made["confirm"] = confirm
    return made


def confirm(title: str, text: str, yes: str, no: str = "Cancel", style: Style | None = None) -> Element:
    """Asks once more before a button counts."""
    made: Element = {
        "title": _plain(title, CONFIRM_TITLE),
        "text": _plain(text, CONFIRM_TEXT),
        "confirm": _plain(yes, CONFIRM_BUTTON),
        "deny": _plain(no, CONFIRM_BUTTON),
    }
    if style:
        made["style"] = style
    return made


def menu(action: str, placeholder: str, options: Sequence[Option], chosen: str | None = None) -> Element:
    """A menu of at most 100 entries; there must be one."""
    shown = [option.made() for option in options[:OPTIONS]]
    made: Element = {
        "type": "static_select",
        "action_id": _id(action),
        "placeholder": _plain(placeholder, PLACEHOLDER),
        "options": shown,
    }
    initial = next((option for option in shown if option["value"] == chosen), None)
    if initial:
        made["initial_option"] = initial
    return made


def entry(
    action: str, placeholder: str = "", *, multiline: bool = False, most: int | None = None, initial: str = ""
) -> Element:
    """A field to type in."""
    made: Element = {"type": "plain_text_input", "action_id": _id(action), "multiline": multiline}
    if placeholder:
        made["placeholder"] = _plain(placeholder, PLACEHOLDER)
    if most:
        made["max_length"] = most
    if initial:
        made["initial_value"] = initial[:most]
    return made


def _fitting(blocks: Sequence[Block]) -> Iterable[Block]:
    end = next((i for i, block in enumerate(blocks) if block["type"] == "actions"), len(blocks))
    body, tail = blocks[:end], list(blocks[end:])[: MESSAGE_BLOCKS // 2]
    room, places = MESSAGE_CHARACTERS - sum(map(characters, tail)), MESSAGE_BLOCKS - len(tail)
    kept: list[Block] = []
    for block in body:
        room -= characters(block)
        if room < len(LEFT_OUT) or len(kept) >= places - 1:
            return [*kept, {"type": "context", "elements": [_mrkdwn(LEFT_OUT, FIELD)]}, *tail]
        kept.append(block)
    return [*kept, *tail]


LEFT_OUT = "… and more, which does not fit into a message."


def characters(part: object) -> int:
    """All that is text in a block."""
    if isinstance(part, dict):
        own = len(part["text"]) if isinstance(part.get("text"), str) else 0
        return own + sum(characters(value) for key, value in part.items() if not (key == "text" and own))
    return sum(characters(one) for one in part) if isinstance(part, list) else 0


def _mrkdwn(text: str, most: int) -> Element:
    # verbatim: what looks like an address or a channel stays text
    return {"type": "mrkdwn", "text": _cut(joined(text), most) or "–", "verbatim": True}


def _cut(text: Marked, most: int) -> str:
    """Marked text at most so long; never cut inside of an escape or a mention."""
    if len(text) <= most:
        return text
    end = most - 1
    for opening, closing in (("<", ">"), ("&", ";")):
        start = text.rfind(opening, 0, end)
        if start >= 0 and closing not in text[start:end]:
            end = start
    return text[:end] + "…"


def _plain(text: str, most: int) -> Element:
    return {"type": "plain_text", "text": plain(text, most), "emoji": False}


def _id(text: str) -> str:
    return _within(text, ID)


def _within(text: str, most: int) -> str:
    if len(text) > most:
        raise ValueError(f"an id of {len(text)} characters, where {most} fit")
    return text
