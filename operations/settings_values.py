"""Single values of the settings, each read or refused by itself.

A refusal is pydantic's, so that ``settings_schema`` finds it together with all others of the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from operations.secret import Secret

DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kKMGT]?i?B)")
BYTES = {unit: 10**power for unit, power in {"B": 0, "kB": 3, "KB": 3, "MB": 6, "GB": 9, "TB": 12}.items()} | {
    unit: 1024**power for unit, power in {"KiB": 1, "MiB": 2, "GiB": 3, "TiB": 4}.items()
}
INVALID = "invalid"


class Surroundings(Struct, frozen=True):
    """What a value may refer to. Without ``environ`` only the shape is looked at: secrets are left empty."""

    directory: Path
    environ: Mapping[str, str] | None


def seconds(text: object) -> float:
    """``"1h30m"`` → 5400.0."""
    if isinstance(text, str) and text and not DURATION.sub("", text):
        return sum(float(number) * SECONDS[unit] for number, unit in DURATION.findall(text))
    raise invalid('must be a duration with its unit, such as "2s", "30m", "26h" or "14d"')


def size(text: object) -> int:
    """``"10GB"`` → 10**10."""
    match = SIZE.fullmatch(text) if isinstance(text, str) else None
    if match and match[2] in BYTES:
        return int(float(match[1]) * BYTES[match[2]])
    raise invalid('must be a size with its unit, such as "500MB" or "10GiB"')


def secret(value: object, info: ValidationInfo) -> Secret:
    """A text, or where one is to be found."""
    if not isinstance(value, str) or not value:
        raise invalid('must be text, "env:NAME" or "file:PATH"')
    surroundings: Surroundings = info.context  # type: ignore[assignment]
    if surroundings.environ is None:
        return Secret("")
    return _revealed(value, surroundings.directory, surroundings.environ)


def known_secret(written: str, directory: Path, environ: Mapping[str, str] | None) -> Secret:
    """What a value stands for, or empty where that is not there; without ``environ`` only what stands in the file."""
    if environ is None:
        return Secret("" if written.startswith(("env:", "file:")) else written)
    try:
        return _revealed(written, directory, environ)
    except PydanticCustomError:
        return Secret("")


def _revealed(value: str, directory: Path, environ: Mapping[str, str]) -> Secret:
    kind, _, rest = value.partition(":")
    if kind == "env":
        return Secret(_of_environment(rest, environ))
    if kind == "file":
        return Secret(_of_file(directory / rest))
    return Secret(value)


def _of_environment(name: str, environ: Mapping[str, str]) -> str:
    if not environ.get(name):
        raise invalid("the environment variable {name} is not set" + (" (it is empty)" * (name in environ)), name=name)
    return environ[name]


def _of_file(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise invalid("the file {path} is not UTF-8 text", path=str(path)) from None
    except OSError as error:
        raise invalid("the file {path} cannot be read: {why}", path=str(path), why=error.strerror or "?") from None
    if not text:
        raise invalid("the file {path} is empty", path=str(path))
    return text


def path(value: object) -> str:
    """Of whatever is or will be there."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise invalid("must be a path in quotes")
    return value


def cron(value: object) -> str:
    """Five fields; only who sets one pays for the library that reads them."""
    from croniter import croniter

    if not isinstance(value, str) or len(value.split()) != 5 or not croniter.is_valid(value):
        raise invalid('must be a cron expression of five fields, such as "*/5 * * * *"')
    return value


def invalid(message: str, **context: str) -> PydanticCustomError:
    """To be raised; ``context`` stands in the message in braces, and is no secret."""
    return PydanticCustomError(INVALID, message, context or None)
