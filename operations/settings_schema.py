"""The structs of ``settings`` as a schema that finds every problem of a file in one pass.

pydantic's core is used without its front: building models would cost every command 45 ms. Imported only where there is
a file.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Annotated, Any, Literal, TypeGuard, Union, get_args, get_origin

from msgspec import Struct
from msgspec.structs import FieldInfo, fields
from pydantic_core import SchemaValidator, ValidationError, core_schema
from pydantic_core.core_schema import CoreSchema

from operations import settings_values
from operations.secret import Secret
from operations.settings import (
    APPROVABLE,
    REPOSITORY,
    Alerts,
    App,
    Approval,
    Backups,
    Environment,
    Github,
    Level,
    Person,
)
from operations.settings_values import Surroundings, invalid

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
"""What an environment may be called: it becomes a directory's name."""
SERVICE = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]*")
"""As Compose has it, but for what a program would take for an option."""
NAMED = (Environment, Person)
"""Sections whose own name is their ``name``."""


def validate(data: Mapping[str, Any], surroundings: Surroundings) -> dict[str, Any]:
    """``{"environments": {name: Environment}, "people": {name: Person}, "rules": {name: Level}}``.

    Raises pydantic's ``ValidationError``.
    """
    result: dict[str, Any] = _validator().validate_python(data, strict=True, context=surroundings)
    return result


@cache
def _validator() -> SchemaValidator:
    root = core_schema.typed_dict_schema(
        {
            "environments": core_schema.typed_dict_field(_named_schema(Environment)),
            "people": core_schema.typed_dict_field(_named_schema(Person), required=False),
            "rules": core_schema.typed_dict_field(MARKED["rules"], required=False),
        },
        extra_behavior="forbid",
    )
    return SchemaValidator(root)


def problems_of(error: ValidationError) -> list[tuple[tuple[str, ...], str]]:
    """Each problem as the path of what is wrong, and what is wrong with it; no value is repeated."""
    found = []
    for one in error.errors(include_url=False, include_input=False):
        message = _worded(one["type"], one.get("ctx", {}), one["msg"])
        of_name = one["loc"][-1:] == ("[key]",)
        path = tuple(str(part) for part in one["loc"][: -1 if of_name else None])
        found.append((path, f"its name {message}" if of_name else message))
    return found


def section_fields(section: type[Struct]) -> tuple[FieldInfo, ...]:
    """The keys that a section may hold: each field with its type as annotated."""
    return tuple(f for f in fields(section) if not (section in NAMED and f.name == "name"))


def known_keys(path: tuple[str, ...]) -> list[str]:
    """The keys that may stand in the section at ``path``, for suggestions; empty where there is no such section."""
    if path[-1:] == ("rules",):
        return _rule_names()
    section: Any = {"environments": Environment, "people": Person}.get(path[0]) if path else None
    if section is None:
        return [] if path else ["environments", "people", "rules"]
    for step in path[2:]:
        hint = {field.name: field.type for field in section_fields(section)}.get(step) if section else None
        section = next((found for found in (hint, *get_args(hint)) if is_section(found)), None)
    return [field.name for field in section_fields(section)] if section else []


def is_section(hint: Any) -> TypeGuard[type[Struct]]:
    """Whether a type stands for keys of its own."""
    return isinstance(hint, type) and issubclass(hint, Struct)


def _named_schema(section: type[Struct]) -> CoreSchema:
    named = core_schema.dict_schema(
        core_schema.str_schema(),
        core_schema.no_info_after_validator_function(lambda values: partial(section, **values), _keys_schema(section)),
    )
    return core_schema.no_info_after_validator_function(_with_names, named)


def _with_names(found: dict[str, Callable[..., Any]]) -> dict[str, Any]:
    for name in found:
        if not NAME.fullmatch(name):
            raise invalid("{name} cannot be a name: letters, digits, - and _ only", name=repr(name))
    return {name: build(name=name) for name, build in found.items()}


def _section_schema(section: type[Struct]) -> CoreSchema:
    def build(values: dict[str, Any]) -> Any:
        made = section(**values)
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

    return core_schema.no_info_after_validator_function(build, _keys_schema(section))


def _keys_schema(section: type[Struct]) -> CoreSchema:
    return core_schema.typed_dict_schema(
        {
            field.name: core_schema.typed_dict_field(_schema(field.type), required=field.required)
            for field in section_fields(section)
        },
        extra_behavior="forbid",
    )


def _schema(hint: Any) -> CoreSchema:
    if is_section(hint):
        return _section_schema(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return MARKED[arguments[1]]
    if origin in (Union, types.UnionType):
        return _schema(next(argument for argument in arguments if argument is not type(None)))
    if origin is Literal:
        return core_schema.literal_schema(list(arguments))
    if origin is tuple:
        return _list_schema(_schema(arguments[0]))
    if origin is Mapping:
        return core_schema.dict_schema(core_schema.literal_schema(list(APPROVABLE)), _schema(arguments[1]))
    return PLAIN[hint]


def _list_schema(item: CoreSchema) -> CoreSchema:
    return core_schema.no_info_after_validator_function(tuple, core_schema.list_schema(item))


def _rules(value: object) -> object:
    """Rules are many modules, which only those pay for who set one."""
    level = core_schema.literal_schema(list(get_args(Level)))
    fields = {name: core_schema.typed_dict_field(level, required=False) for name in _rule_names()}
    return SchemaValidator(core_schema.typed_dict_schema(fields, extra_behavior="forbid")).validate_python(value)


def _rule_names() -> list[str]:
    from operations.rules.registry import RULES

    return list(RULES)


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _keeps_something(made: object) -> None:
    if isinstance(made, Backups) and not any(
        getattr(made, name) for name in Backups.__struct_fields__ if name.startswith("keep_")
    ):
        raise invalid("keeps no backup at all: set keep_last or another keep_…")


def _can_be_approved(made: object) -> None:
    if not isinstance(made, Approval):
        return
    from operations.approvals.people import SLACK_GROUP

    groups = any(SLACK_GROUP.fullmatch(entry) for entry in made.approvers)
    if not groups and made.required > len(set(made.approvers)):
        raise invalid(f"requires {made.required} approvals, but names {len(set(made.approvers))} approvers")


def _may_be_sent_to(made: object) -> None:
    if isinstance(made, Alerts) and not made.internal:
        every = (*made.webhooks, *made.slack, *([made.heartbeat] if made.heartbeat else []))
        if any(url and not url.reveal().startswith("https://") for url in every):
            raise invalid("webhooks, slack and heartbeat must begin with https://, unless internal = true")


def _is_for_apprise(made: object) -> None:
    if isinstance(made, Alerts) and any(url and "://" not in url.reveal() for url in made.apprise):
        raise invalid("an address under apprise must begin with a service's name and ://")


def _is_a_repository(made: object) -> None:
    if isinstance(made, Github) and not REPOSITORY.fullmatch(made.repository):
        raise invalid('its repository must be written "OWNER/NAME"')


def _has_services(made: object) -> None:
    if not isinstance(made, App):
        return
    if not made.services:  # for Compose that would be all, the database with them
        raise invalid("services must name at least one")
    if made.database_service in made.services:
        raise invalid("services must not name the database_service: they are stopped while it is worked on")
    wrong = [name for name in (*made.services, made.database_service or "x") if not SERVICE.fullmatch(name)]
    if wrong:
        raise invalid("{name} cannot be a service: letters, digits, -, _ and . only", name=repr(wrong[0]))


def _worded(kind: str, context: Mapping[str, Any], message: str) -> str:
    if kind == "literal_error":
        return f"must be {context['expected']}".replace("'", '"')
    return {
        "extra_forbidden": "unknown key",
        "missing": "is missing",
        "string_type": "must be text in quotes",
        "string_too_short": "must not be empty",
        "int_type": "must be a whole number",
        "bool_type": "must be true or false",
        "list_type": 'must be a list, such as ["a", "b"]',
        "dict_type": "must be a section",
        "greater_than_equal": f"must be at least {context.get('ge')}",
    }.get(kind, message)


TEXT = core_schema.str_schema(min_length=1)
PLAIN: Mapping[Any, CoreSchema] = {
    str: TEXT,
    int: core_schema.int_schema(ge=0),
    bool: core_schema.bool_schema(),
    Secret: core_schema.with_info_plain_validator_function(settings_values.secret),
}
MARKED: Mapping[str, CoreSchema] = {
    "duration": core_schema.no_info_plain_validator_function(settings_values.seconds),
    "size": core_schema.no_info_plain_validator_function(settings_values.size),
    "path": core_schema.no_info_plain_validator_function(settings_values.path),
    "positive": core_schema.int_schema(ge=1),
    "cron": core_schema.no_info_plain_validator_function(settings_values.cron),
    "rules": core_schema.no_info_plain_validator_function(_rules),
    "one or many": core_schema.no_info_before_validator_function(_one_or_many, _list_schema(TEXT)),
}
