"""Secrets taken out of a result before it is rendered: escaped for markdown, they would not be found any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal, TypeVar, get_origin, get_type_hints

from msgspec import Struct
from msgspec.structs import replace

from operations.secret import Secret, redact

T = TypeVar("T")


def redacted(value: T, secrets: Sequence[Secret]) -> T:
    """The same value, structs and all, with every text in it redacted. Pure."""
    hidden: T = _hidden(value, secrets)
    return hidden


def _hidden(value: Any, secrets: Sequence[Secret]) -> Any:
    if isinstance(value, str):
        return redact(value, secrets)
    if isinstance(value, Struct):
        ours = _of_our_words(type(value))
        names = [name for name in value.__struct_fields__ if name not in ours]
        return replace(value, **{name: _hidden(getattr(value, name), secrets) for name in names})
    if isinstance(value, Mapping):
        return {_hidden(key, secrets): _hidden(one, secrets) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(_hidden(one, secrets) for one in value)
    return value


@cache
def _of_our_words(kind: type) -> frozenset[str]:
    """Fields that hold one of a few words of ours, such as a severity, and by which it is decided what is shown."""
    try:
        hints = get_type_hints(kind)
    except NameError:  # of what is imported for its types only
        return frozenset()
    return frozenset(name for name, hint in hints.items() if get_origin(hint) is Literal)
