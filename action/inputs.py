"""The inputs of ``action.yml``, as the runner hands them over: in variables called ``INPUT_…``. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

from msgspec import Struct
from msgspec.structs import fields

from operations.errors import UsageError, listed
from operations.secret import Secret

Command = Literal["validate", "deploy", "status", "check", "backup", "restore", "rollback", "rehearse", "report"]
FailOn = Literal["error", "warning", "never"]
COMMANDS: tuple[Command, ...] = get_args(Command)
CHANGING = ("deploy", "backup", "restore", "rollback")
"""Commands that change something, and so never listen to a pull request."""
TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
"""Booleans as YAML 1.2 writes them."""
NOT_GIVEN = Secret("")


class Inputs(Struct, frozen=True):
    """What the workflow asked for. Defaults are those of ``action.yml``; a test compares them."""

    command: Command = "validate"
    environment: str = ""
    config: str = "locktender.toml"
    migrations: str = ""
    base_ref: str = ""
    database_url: Secret = NOT_GIVEN
    ssh_host: str = ""
    ssh_user: str = ""
    ssh_port: int = 0
    ssh_private_key: Secret = NOT_GIVEN
    ssh_known_hosts: Secret = NOT_GIVEN
    github_token: Secret = NOT_GIVEN
    comment: bool = True
    check_run: bool = True
    fail_on: FailOn = "error"
    working_directory: str = "."
    backup_id: str = ""
    run_id: str = ""
    test_restore: bool = False
    environment_url: str = ""
    name: str = ""

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Texts that no sink may hold."""
        found = (getattr(self, name) for name in self.__struct_fields__)
        return tuple(value for value in found if isinstance(value, Secret) and value)


def variable(name: str) -> str:
    """What the runner calls the variable of a field: dashes stay, letters are made large."""
    return f"INPUT_{name.replace('_', '-').upper()}"


def parse(environ: Mapping[str, str]) -> Inputs:
    """Every input; an empty one is one that was not given. Raises ``UsageError`` with all that is wrong."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for field in fields(Inputs):
        text = environ.get(variable(field.name), "").strip()
        if not text:
            continue
        try:
            values[field.name] = _READERS.get(field.name, _reader(field.default))(text)
        except ValueError as error:
            problems.append(f"The input {field.name.replace('_', '-')} {error}.")
    if problems:
        raise UsageError(listed(problems), hint="docs/action.md lists the inputs with their meaning.")
    return Inputs(**values)


def _reader(default: object) -> Callable[[str], object]:
    if isinstance(default, bool):
        return _boolean
    return Secret if isinstance(default, Secret) else _plain


def _plain(text: str) -> str:
    if any(ord(character) < 32 for character in text):
        raise ValueError("must be a single line")
    return text


def _boolean(text: str) -> bool:
    if text not in TRUTH:
        raise ValueError("must be true or false")
    return TRUTH[text]


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise ValueError("must be a port from 1 to 65535")
    return int(text)


def _one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text

    return read


def _web_address(text: str) -> str:
    if not text.startswith(("https://", "http://")):
        raise ValueError("must begin with https:// or http://")
    return _plain(text)


def _name(text: str) -> str:
    """In one line; of a matrix, which ``action.yml`` hands over as JSON, its values."""
    try:
        matrix = json.loads(text)
    except ValueError:
        return _plain(text)
    values = matrix.values() if isinstance(matrix, dict) else [] if matrix is None else [text]
    told = (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in values)
    return " ".join(", ".join(told).split())


_READERS: dict[str, Callable[[str], object]] = {
    "command": _one_of(COMMANDS),
    "fail_on": _one_of(get_args(FailOn)),
    "ssh_port": _port,
    "environment_url": _web_address,
    "name": _name,
}
