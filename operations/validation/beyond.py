"""What may not run on a server that is somebody's, even in a database of its own there. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from operations.migrations.prisma_folder import DOWN, SCRIPT
from operations.migrations.reach import reaching_beyond
from operations.migrations.script import Script, Statement
from operations.rules import ban_server_access, linting
from operations.rules.source import read_source
from operations.validation.reading import Source


def beyond(source: Source) -> tuple[Statement, ...]:
    """Statements of a new migration that reach beyond their database."""
    return statements_beyond(source.script, source.lint)


def statements_beyond(script: Script, parsed: linting.Source | None = None) -> tuple[Statement, ...]:
    """Those that reach beyond their database, as far as their text shows it; none are known where it does not parse.

    ``parsed``: the same script, where somebody has parsed it already.
    """
    starts = {statement.start for statement in reaching_beyond(script)} | dict(server_access(script, parsed)).keys()
    return tuple(statement for statement in script.statements or () if statement.start in starts)


def server_access(script: Script, parsed: linting.Source | None = None) -> Iterator[tuple[int, str]]:
    """Where the lint rule finds that a script reaches the server's files, programs or settings, and what it says."""
    check = ban_server_access.RULE.check_file
    if check and script.statements is not None:
        yield from ((found.offset or 0, found.message) for found in check(parsed or read_source(SCRIPT, script.text)))


def unknown(sources: Sequence[Source]) -> Iterator[str]:
    """Scripts that do not parse, so that nobody knows."""
    for source in sources:
        if source.script.statements is None:
            yield f"{source.migration.file} ({source.script.verdict.reason})"


def without_downs_beyond(sources: Sequence[Source]) -> tuple[tuple[Source, ...], tuple[str, ...]]:
    """The sources without those of their ``down.sql`` that may not run, and these files."""
    left_out = {
        source.migration.name
        for source in sources
        if source.down and (source.down.statements is None or statements_beyond(source.down))
    }
    kept = tuple(replace(one, down=None) if one.migration.name in left_out else one for one in sources)
    return kept, tuple(f"{name}/{DOWN}" for name in sorted(left_out))
