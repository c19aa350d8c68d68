"""What Slack refuses, as https://docs.slack.dev/reference/block-kit has it: every problem of a message or a view."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MESSAGE_TEXT = 40_000
ALL_BLOCKS = 13_200
BUTTON_KEYS = {"type", "text", "action_id", "value", "style", "confirm", "url", "accessibility_label"}


def of_message(payload: dict[str, Any]) -> list[str]:
    """Of what ``chat.postMessage`` and its like are sent."""
    return list(_message(payload))


def of_view(view: dict[str, Any]) -> list[str]:
    """Of a modal."""
    return list(_view(view))


def _message(payload: dict[str, Any]) -> Iterator[str]:
    text, blocks = payload.get("text"), payload.get("blocks", [])
    if not text:
        yield "no top-level text: notifications and screen readers would have nothing"
    elif len(text) > MESSAGE_TEXT:
        yield f"text of {len(text)} characters"
    if len(blocks) > 50:
        yield f"{len(blocks)} blocks"
    if _characters(blocks) > ALL_BLOCKS:
        yield f"msg_blocks_too_long: {_characters(blocks)}"
    yield from _blocks(blocks, in_modal=False)


def _view(view: dict[str, Any]) -> Iterator[str]:
    if view.get("type") == "home":
        yield from _home(view)
        return
    if view.get("type") != "modal":
        yield "no modal"
    for key in ("title", "submit", "close"):
        if key in view:
            yield from _text(view[key], 24, f"modal {key}", kinds=("plain_text",))
    if "title" not in view:
        yield "a modal without title"
    if len(view.get("private_metadata", "")) > 3000:
        yield "private_metadata too long"
    if len(view.get("callback_id", "")) > 255:
        yield "callback_id too long"
    blocks = view.get("blocks", [])
    if len(blocks) > 100:
        yield f"{len(blocks)} blocks in a modal"
    if any(block.get("type") == "input" for block in blocks) and "submit" not in view:
        yield "inputs without a submit button"
    yield from _blocks(blocks, in_modal=True)


def _home(view: dict[str, Any]) -> Iterator[str]:
    blocks = view.get("blocks", [])
    if not 1 <= len(blocks) <= 100:
        yield f"{len(blocks)} blocks in a home"
    if set(view) - {"type", "blocks", "private_metadata", "callback_id", "external_id"}:
        yield f"a home with {set(view)}"
    yield from _blocks(blocks, in_modal=True)


def _blocks(blocks: list[dict[str, Any]], *, in_modal: bool) -> Iterator[str]:  # noqa: C901
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    if len(ids) != len(set(ids)):
        yield f"a block_id twice: {ids}"
    for block in blocks:
        if len(block.get("block_id", "")) > 255:
            yield "block_id too long"
        kind = block.get("type")
        if kind == "section":
            yield from _section(block)
        elif kind == "header":
            yield from _text(block["text"], 150, "header", kinds=("plain_text",))
        elif kind == "context":
            if not 1 <= len(block["elements"]) <= 10:
                yield f"{len(block['elements'])} elements in a context"
            for element in block["elements"]:
                yield from _text(element, 3000, "context")
        elif kind == "actions":
            if not 1 <= len(block["elements"]) <= 25:
                yield f"{len(block['elements'])} elements in actions"
            names = [element["action_id"] for element in block["elements"]]
            if len(names) != len(set(names)):
                yield f"an action_id twice in a block: {names}"
            for element in block["elements"]:
                yield from _element(element)
        elif kind == "input" and in_modal:
            yield from _text(block["label"], 2000, "label", kinds=("plain_text",))
            if "hint" in block:
                yield from _text(block["hint"], 2000, "hint", kinds=("plain_text",))
            yield from _element(block["element"])
        elif kind != "divider":
            yield f"a block of type {kind}"


def _section(block: dict[str, Any]) -> Iterator[str]:
    if not block.get("text") and not block.get("fields"):
        yield "an empty section"
    if "text" in block:
        yield from _text(block["text"], 3000, "section")
    if not 0 < len(block.get("fields", [1])) <= 10:
        yield f"{len(block['fields'])} fields"
    for one in block.get("fields", ()):
        yield from _text(one, 2000, "field")
    if "accessory" in block:
        yield from _element(block["accessory"])


def _element(element: dict[str, Any]) -> Iterator[str]:  # noqa: C901
    kind = element.get("type")
    if not 0 < len(element.get("action_id", "")) <= 255:
        yield f"action_id of {kind} missing or too long"
    if kind == "button":
        yield from _text(element["text"], 75, "button", kinds=("plain_text",))
        if len(element.get("value", "")) > 2000:
            yield "a button's value too long"
        if element.get("style") not in (None, "primary", "danger"):
            yield f"style {element['style']}"
        if set(element) - BUTTON_KEYS:
            yield f"a button with {set(element) - BUTTON_KEYS}"
        if "confirm" in element:
            yield from _confirm(element["confirm"])
    elif kind == "static_select":
        yield from _select(element)
    elif kind == "plain_text_input":
        if "placeholder" in element:
            yield from _text(element["placeholder"], 150, "placeholder", kinds=("plain_text",))
        if not 0 < element.get("max_length", 1) <= 3000:
            yield "max_length"
    else:
        yield f"an element of type {kind}"


def _select(element: dict[str, Any]) -> Iterator[str]:
    options = element.get("options", [])
    if not 1 <= len(options) <= 100:
        yield f"{len(options)} options"
    if "placeholder" in element:
        yield from _text(element["placeholder"], 150, "placeholder", kinds=("plain_text",))
    for option in options:
        yield from _text(option["text"], 75, "option", kinds=("plain_text",))
        if not 0 < len(option["value"]) <= 150:
            yield "an option's value missing or too long"
        if "description" in option:
            yield from _text(option["description"], 75, "description", kinds=("plain_text",))
    if "initial_option" in element and element["initial_option"] not in options:
        yield "initial_option is none of the options"


def _confirm(confirm: dict[str, Any]) -> Iterator[str]:
    for key, most in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
        yield from _text(confirm[key], most, f"confirm {key}")


def _text(
    text: dict[str, Any], most: int, what: str, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")
) -> Iterator[str]:
    if text.get("type") not in kinds:
        yield f"{what}: {text.get('type')} text"
    if not text.get("text"):
        yield f"{what}: no text"
    elif len(text["text"]) > most:
        yield f"{what}: {len(text['text'])} characters, {most} fit"


def _characters(part: Any) -> int:
    if isinstance(part, dict):
        text = part.get("text")
        own = len(text) if isinstance(text, str) else 0
        return own + sum(_characters(value) for value in part.values() if not isinstance(value, str))
    return sum(map(_characters, part)) if isinstance(part, list) else 0
