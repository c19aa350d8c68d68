"""The options that every verb understands, before it and after it, and how a verb is declared."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any

import click
from click.core import ParameterSource
from msgspec import Struct

from cli.output import Answer
from cli.verbs import VERBS

COLLECTED = "locktender.options"


class Options(Struct, frozen=True):
    """What was asked for besides the verb. ``typed`` names those that stood on the command line itself."""

    config: str | None = None
    env: str | None = None
    database_url: str | None = None
    migrations: str | None = None
    backup_dir: str | None = None
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    no_color: bool = False
    yes: bool = False
    typed: frozenset[str] = frozenset()

    @classmethod
    def collected(cls, context: click.Context) -> Options:
        """Those of the group and of the verb together."""
        values: dict[str, Any] = context.find_root().meta.get(COLLECTED, {})
        return cls(**{name: values[name] for name in cls.__struct_fields__ if name in values})


def _collect(context: click.Context, parameter: click.Parameter, value: object) -> None:
    """An option after the verb wins over the same one before it; a variable, over neither."""
    name = parameter.name or ""
    typed = context.get_parameter_source(name) == ParameterSource.COMMANDLINE
    values = context.find_root().meta.setdefault(COLLECTED, {"typed": frozenset()})
    if typed:
        values["typed"] |= {name}
    if typed or context.parent is None:
        values[name] = value


def _option(*names: str, **settings: Any) -> click.Option:
    return click.Option(names, expose_value=False, callback=_collect, **settings)


GLOBAL_OPTIONS: tuple[click.Option, ...] = (
    _option("--config", metavar="FILE", envvar="LOCKTENDER_CONFIG", help="Configuration (default: locktender.toml)."),
    _option("--env", metavar="NAME", envvar="LOCKTENDER_ENV", help="Which environment (default: the only one)."),
    _option(
        "--database-url",
        metavar="URL",
        envvar="LOCKTENDER_DATABASE_URL",
        help="Without a configuration file: the database. As LOCKTENDER_DATABASE_URL it is not shown by ps.",
    ),
    _option(
        "--migrations",
        metavar="DIR",
        envvar="LOCKTENDER_MIGRATIONS",
        help="Without a configuration file: the migrations folder (default: prisma/migrations).",
    ),
    _option(
        "--backup-dir",
        metavar="DIR",
        envvar="LOCKTENDER_BACKUP_DIR",
        help="Without a configuration file: where backups, journal and lock lie.",
    ),
    _option("--json", is_flag=True, help="One JSON object on stdout at the end."),
    _option("--yes", is_flag=True, help="Do not ask before something live is replaced or removed."),
    _option("-q", "--quiet", is_flag=True, help="No progress."),
    _option("-v", "--verbose", is_flag=True, help="Tracebacks of internal errors."),
    _option("--no-color", is_flag=True, help="No colours (also: NO_COLOR=1)."),
)


class Verb(click.Command):
    """A verb: takes the global options too, and shows its example as it stands."""

    def __init__(self, *args: Any, example: str = "", **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.example = example

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Its own, then the global ones."""
        return [*super().get_params(ctx), *GLOBAL_OPTIONS]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Only its own; ``locktender --help`` lists the others."""
        records = [parameter.get_help_record(ctx) for parameter in super().get_params(ctx)]
        shown = [record for record in records if record]
        if shown:
            with formatter.section("Options"):
                formatter.write_dl(shown)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The example, line for line."""
        with formatter.section("Example"):
            for line in self.example.strip().splitlines():
                formatter.write(f"  {line}\n")
        formatter.write_paragraph()
        formatter.write_text("The global options (--json, --env, --yes …) may stand before or after the verb.")


class VerbGroup(click.Group):
    """Verbs of two words; the global options may stand between them as well."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """As a verb's."""
        return [*super().get_params(ctx), *GLOBAL_OPTIONS]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Only the verbs."""
        self.format_commands(ctx, formatter)


class Verbs(click.Group):
    """All verbs by name; a verb's module is imported when it is called, not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the order in which one meets them."""
        return list(VERBS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """A misspelt verb is told which one may have been meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand:
            raise click.exceptions.NoSuchCommand(args[0], possibilities=VERBS, ctx=ctx) from None

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The verb, imported now."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"cli.verbs.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """From the table, so that nothing is imported for it."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


class Duration(click.ParamType[float]):
    """``90s``, ``10m``, ``1h30m`` → seconds, as in the configuration."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Plain ones are read here: what reads the others costs 30 ms."""
        plain = re.fullmatch(r"(\d+)(s|m)", str(value))
        if plain:
            return int(plain[1]) * {"s": 1.0, "m": 60.0}[plain[2]]
        from operations.settings_values import seconds

        try:
            return seconds(value)
        except ValueError as error:
            self.fail(f"{value!r} {error}", param, ctx)


def verb(name: str, example: str, **settings: Any) -> Callable[[Callable[..., Answer]], Verb]:
    """Declare a verb: a function of the desk and its own parameters; the docstring is its help."""

    def declare(function: Callable[..., Answer]) -> Verb:
        @wraps(function)
        def begun(context: click.Context, /, **words: Any) -> Answer:
            return function(context.obj.begin(context), **words)

        return click.command(name, cls=Verb, example=example, **settings)(click.pass_context(begun))

    return declare
