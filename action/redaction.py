"""Secrets taken out of a result before it is rendered: escaped for markdown, they would not be found any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from operations.secret import Secret, redact

T = TypeVar("T")


def redacted(value: T, secrets: Sequence[Secret]) -> T:
    """The same value, frozen dataclasses and all, with every text in it redacted. Pure."""
    hidden: T = _hidden(value, secrets)
    return hidden


def _hidden(value: Any, secrets: Sequence[Secret]) -> Any:
    if isinstance(value, str):
        return redact(value, secrets)
    if is_dataclass(value) and not isinstance(value, type):
        changed = {field.name: _hidden(getattr(value, field.name), secrets) for field in fields(value) if field.init}
        return replace(value, **changed)
    if isinstance(value, Mapping):
        return {_hidden(key, secrets): _hidden(one, secrets) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(_hidden(one, secrets) for one in value)
    return value
