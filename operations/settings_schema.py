"""The dataclasses of ``settings`` as what a file may hold: every problem of it is found in one pass.

Read straight from their annotations: a library's models or schemas of them would cost every command 30 to 45 ms.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

from operations.secret import Secret
from operations.settings import APPROVABLE, Alerts, App, Approval, Backups, Environment, Github, Level, Person

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
"""What an environment may be called: it becomes a directory's name."""
SERVICE = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]*")
"""As Compose has it, but for what a program would take for an option."""
REPOSITORY = re.compile(r"[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}")
"""As GitHub has it: OWNER/NAME."""
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kKMGT]?i?B)")
BYTES = {unit: 10**power for unit, power in {"B": 0, "kB": 3, "KB": 3, "MB": 6, "GB": 9, "TB": 12}.items()} | {
    unit: 1024**power for unit, power in {"KiB": 1, "MiB": 2, "GiB": 3, "TiB": 4}.items()
}
NAMED = (Environment, Person)
"""Sections whose own name is their ``name``."""
A_SECTION = "must be a section"
UNKNOWN = "unknown key"


@dataclass(frozen=True)
class Surroundings:
    """What a value may refer to. Without ``environ`` only the shape is looked at: secrets are left empty."""

    directory: Path
    environ: Mapping[str, str] | None


class Invalid(ValueError):
    """What is wrong with a value: each ``found`` as the path within it, and what is wrong there. Repeats no value."""

    def __init__(self, *found: tuple[tuple[str, ...], str]) -> None:
        super().__init__("; ".join(message for _, message in found))
        self.found = found


def validate(data: Mapping[str, Any], surroundings: Surroundings) -> dict[str, Any]:
    """``{"environments": {name: Environment}, "people": {name: Person}, "rules": {name: Level}}``.

    Raises ``Invalid`` with everything that is wrong.
    """
    known: Mapping[str, Callable[[Any], Any]] = {
        "environments": partial(_named, Environment, around=surroundings),
        "people": partial(_named, Person, around=surroundings),
        "rules": _rules,
    }
    return _all(_keys(data, known, {"environments"}))


def seconds(text: object) -> float:
    """``"1h30m"`` → 5400.0."""
    if isinstance(text, str) and text and not DURATION.sub("", text):
        return sum(float(number) * SECONDS[unit] for number, unit in DURATION.findall(text))
    raise _invalid('must be a duration with its unit, such as "2s", "30m", "26h" or "14d"')


def size(text: object) -> int:
    """``"10GB"`` → 10**10."""
    match = SIZE.fullmatch(text) if isinstance(text, str) else None
    if match and match[2] in BYTES:
        return int(float(match[1]) * BYTES[match[2]])
    raise _invalid('must be a size with its unit, such as "500MB" or "10GiB"')


@cache
def section_fields(section: type) -> tuple[tuple[Field[Any], Any], ...]:
    """The keys that a section may hold: each field with its type as annotated."""
    hints = get_type_hints(section, include_extras=True)
    return tuple((f, hints[f.name]) for f in fields(section) if not (section in NAMED and f.name == "name"))


def known_keys(path: tuple[str, ...]) -> list[str]:
    """The keys that may stand in the section at ``path``, for suggestions; empty where there is no such section."""
    if path[-1:] == ("rules",):
        return _rule_names()
    section: Any = {"environments": Environment, "people": Person}.get(path[0]) if path else None
    if section is None:
        return [] if path else ["environments", "people", "rules"]
    for step in path[2:]:
        hint = {field.name: hint for field, hint in section_fields(section)}.get(step) if section else None
        section = next((found for found in (hint, *get_args(hint)) if is_dataclass(found)), None)
    return [field.name for field, _ in section_fields(section)] if section else []


def _all(parts: Iterable[tuple[str, Callable[[], Any]]]) -> dict[str, Any]:
    """Every part read, by name, or everything that is wrong with any of them."""
    made: dict[str, Any] = {}
    problems: list[tuple[tuple[str, ...], str]] = []
    for name, read in parts:
        try:
            made[name] = read()
        except Invalid as error:
            problems += [((name, *path), message) for path, message in error.found]
    if problems:
        raise Invalid(*problems)
    return made


def _keys(
    value: object, known: Mapping[str, Callable[[Any], Any]], required: Iterable[str]
) -> Iterator[tuple[str, Callable[[], Any]]]:
    if not isinstance(value, dict):
        raise _invalid(A_SECTION)
    for name, read in known.items():
        if name in value:
            yield name, partial(read, value[name])
        elif name in required:
            yield name, partial(_refused, "is missing")
    yield from ((name, partial(_refused, UNKNOWN)) for name in value if name not in known)


def _refused(message: str) -> NoReturn:
    raise _invalid(message)


def _named(section: type, value: object, around: Surroundings) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _invalid(A_SECTION)
    found = _all((name, partial(_values, section, keys, around)) for name, keys in value.items())
    for name in found:
        if not NAME.fullmatch(name):
            raise _invalid(f"{name!r} cannot be a name: letters, digits, - and _ only")
    return {name: section(name=name, **values) for name, values in found.items()}


def _section(section: type, value: object, around: Surroundings) -> Any:
    made = section(**_values(section, value, around))
    for check in (
        _keeps_something,
        _can_be_approved,
        _has_services,
        _may_be_sent_to,
        _is_for_apprise,
        _is_a_repository,
    ):
        check(made)
    return made


def _values(section: type, value: object, around: Surroundings) -> dict[str, Any]:
    known = section_fields(section)
    required = {f.name for f, _ in known if f.default is MISSING and f.default_factory is MISSING}
    return _all(_keys(value, {f.name: partial(_read, hint, around=around) for f, hint in known}, required))


def _read(hint: Any, value: object, around: Surroundings) -> Any:
    """A value of the type that an annotation says; ``None`` cannot be written in a file."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return MARKED[arguments[1]](value)
    if origin in (Union, types.UnionType):
        return _read(next(argument for argument in arguments if argument is not type(None)), value, around)
    if origin is Literal:
        return _one_of(arguments, value)
    if origin is tuple:
        return _list(partial(_read, arguments[0], around=around), value)
    if origin is Mapping:
        return _policies(partial(_read, arguments[1], around=around), value)
    if hint is Secret:
        return _secret(value, around)
    return PLAIN[hint](value) if hint in PLAIN else _section(hint, value, around)


def _one_of(choices: tuple[str, ...], value: object) -> str:
    if not isinstance(value, str) or value not in choices:
        *others, last = (f'"{choice}"' for choice in choices)
        raise _invalid(f"must be {', '.join(others)} or {last}")
    return value


def _list(item: Callable[[Any], Any], value: object) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _invalid('must be a list, such as ["a", "b"]')
    return tuple(_all((str(place), partial(item, one)) for place, one in enumerate(value)).values())


def _policies(policy: Callable[[Any], Any], value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _invalid(A_SECTION)
    return _all(
        part
        for name, one in value.items()
        for part in ((name, partial(_approvable, name)), (name, partial(policy, one)))
    )


def _approvable(name: str) -> None:
    try:
        _one_of(APPROVABLE, name)
    except Invalid as error:
        raise _invalid(f"its name {error}") from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _invalid("must be text in quotes")
    if not value:
        raise _invalid("must not be empty")
    return value


def _number(least: int, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _invalid("must be a whole number")
    if value < least:
        raise _invalid(f"must be at least {least}")
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise _invalid("must be true or false")
    return value


def _secret(value: object, around: Surroundings) -> Secret:
    if not isinstance(value, str) or not value:
        raise _invalid('must be text, "env:NAME" or "file:PATH"')
    if around.environ is None:
        return Secret("")
    return _revealed(value, around.directory, around.environ)


def known_secret(written: str, directory: Path, environ: Mapping[str, str] | None) -> Secret:
    """What a value stands for, or empty where that is not there; without ``environ`` only what stands in the file."""
    if environ is None:
        return Secret("" if written.startswith(("env:", "file:")) else written)
    try:
        return _revealed(written, directory, environ)
    except Invalid:
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
        raise _invalid(f"the environment variable {name} is not set" + " (it is empty)" * (name in environ))
    return environ[name]


def _of_file(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise _invalid(f"the file {path} is not UTF-8 text") from None
    except OSError as error:
        raise _invalid(f"the file {path} cannot be read: {error.strerror or '?'}") from None
    if not text:
        raise _invalid(f"the file {path} is empty")
    return text


def _path(value: object) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise _invalid("must be a path in quotes")
    return value


def _cron(value: object) -> str:
    """Five fields; only who sets one pays for the library that reads them."""
    from croniter import croniter

    if not isinstance(value, str) or len(value.split()) != 5 or not croniter.is_valid(value):
        raise _invalid('must be a cron expression of five fields, such as "*/5 * * * *"')
    return value


def _rules(value: object) -> dict[str, Any]:
    """Rules are many modules, which only those pay for who set one."""
    return _all(_keys(value, dict.fromkeys(_rule_names(), partial(_one_of, get_args(Level))), ()))


def _rule_names() -> list[str]:
    from operations.rules.registry import RULES

    return list(RULES)


def _one_or_many(value: object) -> tuple[str, ...]:
    return _list(_text, [value] if isinstance(value, str) else value)


def _keeps_something(made: object) -> None:
    if isinstance(made, Backups) and not any(
        getattr(made, f.name) for f in fields(Backups) if f.name.startswith("keep_")
    ):
        raise _invalid("keeps no backup at all: set keep_last or another keep_…")


def _can_be_approved(made: object) -> None:
    if not isinstance(made, Approval):
        return
    from operations.approvals.people import SLACK_GROUP

    groups = any(SLACK_GROUP.fullmatch(entry) for entry in made.approvers)
    if not groups and made.required > len(set(made.approvers)):
        raise _invalid(f"requires {made.required} approvals, but names {len(set(made.approvers))} approvers")


def _may_be_sent_to(made: object) -> None:
    if isinstance(made, Alerts) and not made.internal:
        every = (*made.webhooks, *made.slack, *([made.heartbeat] if made.heartbeat else []))
        if any(url and not url.reveal().startswith("https://") for url in every):
            raise _invalid("webhooks, slack and heartbeat must begin with https://, unless internal = true")


def _is_for_apprise(made: object) -> None:
    if isinstance(made, Alerts) and any(url and "://" not in url.reveal() for url in made.apprise):
        raise _invalid("an address under apprise must begin with a service's name and ://")


def _is_a_repository(made: object) -> None:
    if isinstance(made, Github) and not REPOSITORY.fullmatch(made.repository):
        raise _invalid('its repository must be written "OWNER/NAME"')


def _has_services(made: object) -> None:
    if not isinstance(made, App):
        return
    if not made.services:  # for Compose that would be all, the database with them
        raise _invalid("services must name at least one")
    if made.database_service in made.services:
        raise _invalid("services must not name the database_service: they are stopped while it is worked on")
    wrong = [name for name in (*made.services, made.database_service or "x") if not SERVICE.fullmatch(name)]
    if wrong:
        raise _invalid(f"{wrong[0]!r} cannot be a service: letters, digits, -, _ and . only")


def _invalid(message: str) -> Invalid:
    return Invalid(((), message))


PLAIN: Mapping[Any, Callable[[object], Any]] = {str: _text, int: partial(_number, 0), bool: _truth}
MARKED: Mapping[str, Callable[[object], Any]] = {
    "duration": seconds,
    "size": size,
    "path": _path,
    "positive": partial(_number, 1),
    "cron": _cron,
    "rules": _rules,
    "one or many": _one_or_many,
}
