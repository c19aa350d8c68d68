"""``locktender.toml``, read into the frozen settings; every problem of it is told at once, with its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from operations.database_url import parse_database_url, refuse_what_cannot_be_forwarded
from operations.errors import ConfigurationError
from operations.settings import Environment, Person, Settings
from operations.settings_paths import located, misplaced
from operations.toml_lines import key_lines, line_of

UNSET = r"the environment variable (\w+) is not set"
HINT = "locktender.example.toml shows every key with its meaning."


class Problem(Struct, frozen=True):
    """One thing wrong with the file: ``key`` is its dotted path, ``line`` 1-based (``None``: nowhere in the file)."""

    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        return ": ".join(filter(None, (f"line {self.line}" if self.line else "", self.key, self.message)))


def load_environment(
    path: Path, name: str | None, environ: Mapping[str, str], changes: Mapping[str, Any] = MappingProxyType({})
) -> Environment:
    """One environment of the file; ``None`` is the only one there is. ``changes`` replace keys of its section.

    The others' shape is checked as well, but their secrets need not exist here. Raises ``ConfigurationError``.
    """
    text, data = _parsed(path)
    chosen = _chosen(path, data, name)
    every = _section(data, "environments")
    rest = {key: value for key, value in every.items() if key != chosen}
    changed = _changed(every[chosen], changes)
    found, problems = _validated({**data, "environments": {chosen: changed}}, path, environ)
    of_the_rest = _validated({**data, "environments": rest}, path, None)[1] if rest else []
    problems += [problem for problem in of_the_rest if problem not in problems]
    _refuse(path, text, problems)
    environment: Environment = found["environments"][chosen]
    return environment


def load_people(path: Path) -> tuple[Person, ...]:
    """Who is who; of the environments only the shape is looked at. Raises ``ConfigurationError``."""
    text, data = _parsed(path)
    found, problems = _validated(data, path, None)
    _refuse(path, text, problems)
    return tuple(found.get("people", {}).values())


def load_shape(path: Path) -> Settings:
    """The whole file, but without its secrets, which need not exist here. Raises ``ConfigurationError``."""
    text, data = _parsed(path)
    found, problems = _validated(data, path, None)
    _refuse(path, text, problems)
    return Settings(tuple(found["environments"].values()), tuple(found.get("people", {}).values()))


def load_without_secrets(path: Path, name: str | None, environ: Mapping[str, str] | None = None) -> Environment:
    """The same, whose secrets need not exist here: they are empty. Paths are as they are written.

    Only ``database_url`` is there where it is known: written in the file itself, or found by ``environ``.
    """
    from operations.settings_values import known_secret

    text, data = _parsed(path)
    chosen = _chosen(path, data, name)
    found, problems = _validated(data, path, None)
    _refuse(path, text, problems)
    environment: Environment = found["environments"][chosen]
    written, directory = _section(data, "environments")[chosen], path.absolute().parent
    url = known_secret(written["database_url"], directory, environ)
    return replace(environment, migrations=str(directory / written["migrations"]), database_url=url)


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """The whole file with all its secrets. Raises ``ConfigurationError``."""
    text, data = _parsed(path)
    found, problems = _validated(data, path, environ)
    if not _section(data, "environments"):
        problems.append((("environments",), "there is no [environments.NAME] section"))
    _refuse(path, text, problems)
    return Settings(tuple(found["environments"].values()), tuple(found.get("people", {}).values()))


def _parsed(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not UTF-8 text.", hint="Save it as UTF-8.") from None
    except OSError as error:
        raise ConfigurationError(
            f"The configuration file {path} cannot be read: {error.strerror}.",
            hint="Name it with --config, or leave it out and give --database-url, --migrations and --backup-dir.",
        ) from None
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}.", hint=HINT) from None


def _changed(section: Any, changes: Mapping[str, Any]) -> Any:
    """Sections within are changed key by key."""
    if not isinstance(section, Mapping):
        return section
    merged = {k: _changed(section.get(k) or {}, v) if isinstance(v, Mapping) else v for k, v in changes.items()}
    return {**section, **merged}


def _section(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = data.get(name)
    return found if isinstance(found, dict) else {}


def _chosen(path: Path, data: Mapping[str, Any], name: str | None) -> str:
    names = list(_section(data, "environments"))
    if not names:
        raise ConfigurationError(f"{path} has no [environments.NAME] section.", hint=HINT)
    if name is None and len(names) > 1:
        raise ConfigurationError(
            f"{path} has {len(names)} environments: {', '.join(names)}.",
            hint=f"Say which one: --env {names[0]}, or LOCKTENDER_ENV.",
        )
    if name is not None and name not in names:
        raise ConfigurationError(f"{path} has no environment {name!r}.", hint=f"It has: {', '.join(names)}.")
    return name or names[0]


Found = list[tuple[tuple[str, ...], str]]


def _validated(data: Mapping[str, Any], path: Path, environ: Mapping[str, str] | None) -> tuple[dict[str, Any], Found]:
    from pydantic_core import ValidationError

    from operations.settings_schema import problems_of, validate
    from operations.settings_values import Surroundings

    try:
        found = validate(data, Surroundings(path.absolute().parent, environ))
    except ValidationError as error:
        return {}, problems_of(error)
    environments: dict[str, Environment] = found["environments"]
    people = tuple(found.get("people", {}).values())
    problems = [(("environments", name, *key), told) for name, e in environments.items() for key, told in misplaced(e)]
    if people or any(environment.approvals or environment.break_glass for environment in environments.values()):
        from operations.approvals.people import problems as problems_with_people

        problems += problems_with_people(environments.values(), people)
    problems += _unopenable(environments.values())
    if environ is not None:
        problems += _unusable_urls(environments)
    placed = {
        name: replace(
            located(environment, path.absolute().parent), rules={**found.get("rules", {}), **environment.rules}
        )
        for name, environment in environments.items()
    }
    return {**found, "environments": placed}, problems


def _unopenable(environments: Iterable[Environment]) -> Found:
    """What GitHub holds back must be asked for somewhere, and it must be clear of which environment it is."""
    known: dict[tuple[str, str], str] = {}
    problems: Found = []
    for one in environments:
        if one.github is None:
            continue
        key = ("environments", one.name, "github")
        there = (one.github.repository.lower(), (one.github.environment or one.name).lower())
        if not one.slack.channels:
            problems.append((key, "needs slack.channels: requests are shown in the first one"))
        policy = one.approvals.get("deploy")
        if policy and not policy.required:
            problems.append((key, "approvals.deploy has required = 0: nobody would decide what GitHub holds back"))
        if there in known:
            problems.append((key, f"means the same environment on GitHub as that of {known[there]}"))
        known[there] = one.name
    return problems


def _unusable_urls(environments: Mapping[str, Environment]) -> Found:
    problems: Found = []
    for name, environment in environments.items():
        try:
            parameters = parse_database_url(environment.database_url)
            if environment.server:
                refuse_what_cannot_be_forwarded(parameters)
            if environment.schema and environment.schema != (parameters.target.schema or "public"):
                problems.append((("environments", name, "schema"), "the URL has another ?schema=, or none"))
        except ConfigurationError as error:
            problems.append((("environments", name, "database_url"), error.message))
    return problems


def _refuse(path: Path, text: str, found: Found) -> None:
    if not found:
        return
    lines = key_lines(text)
    problems = sorted(
        (Problem(line_of(lines, key), ".".join(key), _with_suggestion(key, message)) for key, message in found),
        key=lambda problem: problem.line or 0,
    )
    count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
    raise ConfigurationError(
        "\n".join([f"{path} has {count}:", *(f"  {problem}" for problem in problems)]),
        hint=_hint([problem.message for problem in problems]),
        details={"problems": [asdict(problem) for problem in problems]},
    )


def _hint(messages: list[str]) -> str:
    """What is lacking, where that is all that is wrong."""
    unset = [found[1] for message in messages if (found := re.match(UNSET, message))]
    if len(unset) < len(messages):
        return HINT
    given = " ".join(f"{name}=…" for name in dict.fromkeys(unset))
    return f"export {given}, or, where .env has it: set -a; . ./.env; set +a"


def _with_suggestion(key: tuple[str, ...], message: str) -> str:
    import difflib

    from operations.settings_schema import known_keys

    if message != "unknown key":
        return message
    close = difflib.get_close_matches(key[-1], known_keys(key[:-1]), n=1)
    return f"{message} (is {close[0]} meant?)" if close else message
