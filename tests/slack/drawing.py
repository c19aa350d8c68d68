"""Block Kit as HTML, about as Slack draws it: to look at what people will see, without Slack."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

EMOJI = {
    "white_check_mark": "✅", "x": "❌", "rotating_light": "🚨", "no_entry": "⛔", "hourglass": "⌛",
    "heavy_minus_sign": "➖", "warning": "⚠️", "arrow_forward": "▶️", "ballot_box_with_check": "☑️",
}  # fmt: skip
NAMES = {"U0ADA": "Ada", "U0BOB": "Bob", "U0CLEO": "Cleo", "U0DAN": "Dan"}
CHANNELS = {"C0OPS": "database", "C0EU": "database-eu"}
STYLE = """\
* { box-sizing: border-box }
body { margin: 0; background: #fff; color: #1d1c1d;
  font: 15px/1.46668 Lato, "Liberation Sans", sans-serif; width: WIDTH }
.message { display: flex; gap: 8px; padding: 8px 20px }
.face { flex: none; width: 36px; height: 36px; border-radius: 8px; background: #4a154b; color: #fff; font-weight: 900;
  display: grid; place-items: center }
.body { flex: 1; min-width: 0 }
.who { font-weight: 900 } .app { font-size: 10px; background: #e8e8e8; color: #616061;
  padding: 1px 3px; border-radius: 2px; font-weight: 400 } .at { font-size: 12px; color: #616061; font-weight: 400 }
.thread { margin-left: 44px; border-left: 3px solid #eee }
.block { margin: 8px 0; max-width: 600px; overflow-wrap: anywhere } .header { font-weight: 900; font-size: 18px }
.fields { display: grid; grid-template-columns: 1fr 1fr; gap: 8px 16px } .context { font-size: 12px; color: #616061 }
.context > span { margin-right: 8px } .with { display: flex; gap: 16px; justify-content: space-between }
.actions { display: flex; flex-wrap: wrap; gap: 8px }
button { font: 700 14px Lato, sans-serif; padding: 6px 12px; border: 1px solid #bbb; border-radius: 4px;
  background: #fff; color: #1d1c1d } button.primary { background: #007a5a; color: #fff; border-color: #007a5a }
button.danger { background: #e01e5a; color: #fff; border-color: #e01e5a }
code { font: 12px "DejaVu Sans Mono", monospace; color: #c01343; background: #f6f6f6; border: 1px solid #ddd;
  border-radius: 3px; padding: 1px 3px }
blockquote { margin: 0; padding-left: 12px; border-left: 4px solid #ddd }
.mention { background: #e8f5fa; color: #1264a3; border-radius: 3px; padding: 0 2px }
hr { border: 0; border-top: 1px solid #ddd }
.modal { margin: 16px auto; width: min(520px, 94%); border: 1px solid #ccc; border-radius: 8px;
  box-shadow: 0 4px 16px #0002 }
.modal > .title { font-weight: 900; font-size: 20px; padding: 16px 20px; border-bottom: 1px solid #ddd }
.modal > .inside { padding: 8px 20px }
.modal > .ends { padding: 12px 20px; border-top: 1px solid #ddd; text-align: right }
.label { font-weight: 900 } .input { border: 1px solid #868686; border-radius: 4px; padding: 8px 12px; color: #616061;
  background: #fff; margin: 4px 0 } .tall { min-height: 60px } .hint { font-size: 13px; color: #616061 }
.home { padding: 0 20px 16px } .tabs { border-bottom: 1px solid #ddd; padding: 8px 0; word-spacing: 12px }
.caption { font-size: 12px; color: #616061; padding: 12px 20px 0; border-top: 1px dashed #ddd }
"""


def page(parts: Mapping[str, Mapping[str, Any]], width: int) -> str:
    """Messages and views, each under its name; on a phone fields stand one below the other."""
    phone = ".fields { grid-template-columns: 1fr } .message { padding: 8px 12px }" if width < 500 else ""
    drawn = "".join(f'<div class="caption">{html.escape(name)}</div>{_one(part)}' for name, part in parts.items())
    style = STYLE.replace("WIDTH", f"{width}px") + phone
    return f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Slack</title><style>{style}</style>{drawn}'


def _one(part: Mapping[str, Any]) -> str:
    if part.get("type") == "modal":
        return _modal(part)
    blocks = "".join(map(_block, part["blocks"]))
    if part.get("type") == "home":
        return f'<div class="home"><div class="tabs"><b>Home</b> Messages About</div>{blocks}</div>'
    return (
        '<div class="message"><div class="face">L</div><div class="body"><span class="who">Locktender '
        f'<span class="app">APP</span> <span class="at">14:06</span></span>{blocks}</div></div>'
    )


def _modal(view: Mapping[str, Any]) -> str:
    ends = f"<button>{_plain(view['close'])}</button>"
    if "submit" in view:
        ends += f' <button class="primary">{_plain(view["submit"])}</button>'
    inside = "".join(map(_block, view["blocks"]))
    return (
        f'<div class="modal"><div class="title">{_plain(view["title"])}</div><div class="inside">{inside}</div>'
        f'<div class="ends">{ends}</div></div>'
    )


def _block(block: Mapping[str, Any]) -> str:
    kind = block["type"]
    if kind == "header":
        return f'<div class="block header">{_plain(block["text"])}</div>'
    if kind == "divider":
        return "<hr>"
    if kind == "context":
        return '<div class="block context">' + "".join(f"<span>{_text(e)}</span>" for e in block["elements"]) + "</div>"
    if kind == "actions":
        return '<div class="block actions">' + "".join(map(_element, block["elements"])) + "</div>"
    if kind == "input":
        optional = " <span class='hint'>(optional)</span>" if block.get("optional") else ""
        hint = f'<div class="hint">{_plain(block["hint"])}</div>' if "hint" in block else ""
        label = f'<div class="label">{_plain(block["label"])}{optional}</div>'
        return f'<div class="block">{label}{_element(block["element"])}{hint}</div>'
    if "fields" in block:
        return '<div class="block fields">' + "".join(f"<div>{_text(f)}</div>" for f in block["fields"]) + "</div>"
    beside = f"<div>{_element(block['accessory'])}</div>" if "accessory" in block else ""
    return f'<div class="block{" with" if beside else ""}"><div>{_text(block["text"])}</div>{beside}</div>'


def _element(element: Mapping[str, Any]) -> str:
    if element["type"] == "button":
        return f'<button class="{element.get("style", "")}">{_plain(element["text"])}</button>'
    if element["type"] == "static_select":
        shown = element.get("initial_option", {}).get("text") or element["placeholder"]
        return f'<div class="input">{_plain(shown)} ▾</div>'
    shown = html.escape(element.get("initial_value", "")) or _plain(element.get("placeholder", {"text": " "}))
    return f'<div class="input{" tall" if element.get("multiline") else ""}">{shown}</div>'


def _plain(text: Mapping[str, Any]) -> str:
    return html.escape(text["text"])


def _text(text: Mapping[str, Any]) -> str:
    if text["type"] == "plain_text":
        return _plain(text)
    return re.sub(r"</blockquote>(<br>)+", "</blockquote>", "<br>".join(map(_line, text["text"].split("\n"))))


def _line(line: str) -> str:
    quote = line.startswith("> ")
    line = line.removeprefix("> ")
    line = re.sub(r"<@([A-Z0-9]+)>", lambda m: f'<span class="mention">@{NAMES.get(m[1], m[1])}</span>', line)
    line = re.sub(r"<#([A-Z0-9]+)>", lambda m: f'<span class="mention">#{CHANNELS.get(m[1], m[1])}</span>', line)
    line = re.sub(r"<!date\^(\d+)\^[^|>]*\|[^>]*>", lambda m: _date(int(m[1])), line)
    line = re.sub(r":([a-z_]+):", lambda m: EMOJI.get(m[1], m[0]), line)
    line = re.sub(r"`([^`]*)`", r"<code>\1</code>", line)
    line = re.sub(r"(?<![\w*])\*([^*\n]+)\*(?![\w*])", r"<b>\1</b>", line)
    return f"<blockquote>{line}</blockquote>" if quote else line


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%b %-d, %Y %H:%M")
