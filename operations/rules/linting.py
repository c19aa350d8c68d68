"""New files held against all rules, in the order in which they will be applied. Pure; time is linear in their size."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from operations.rules.allowing import Allowance, allowances, complaints
from operations.rules.changes import advance
from operations.rules.hits import Hit, merged, without_parts
from operations.rules.model import Context, Finding, Found, Rule
from operations.rules.places import command_start
from operations.rules.registry import RULES
from operations.rules.schema import Name, Schema
from operations.rules.shapes import index_columns, name_of
from operations.rules.source import Source, read_source, source_of
from operations.rules.state import State, beginnings
from operations.settings import Level

__all__ = ["Source", "lint", "read_source", "source_of"]


def lint(
    sources: Sequence[Source], schema: Schema | None = None, levels: Mapping[str, Level] | None = None
) -> tuple[Finding, ...]:
    """What the rules find in new files, which come in the order of their application.

    ``schema`` is what the database holds before them, ``None`` where nobody knows: then every table that they do not
    create themselves counts as one with rows. ``levels`` are the severities that the configuration sets.
    """
    rules = _Active(levels or {})
    state = State(schema)
    indexes = _indexes(sources, state.default)
    return tuple(finding for source in sources for finding in _lint(source, state, indexes, rules))


@dataclass
class _Active:
    """The rules that are not off, by the statements they look at."""

    levels: Mapping[str, Level]
    off: set[str] = field(default_factory=set)
    by_node: dict[str, list[Rule]] = field(default_factory=dict)
    of_files: list[Rule] = field(default_factory=list)

    def __post_init__(self) -> None:
        for rule in RULES.values():
            if self.levels.get(rule.name, rule.severity) == "off":
                self.off.add(rule.name)
                continue
            if rule.check_file:
                self.of_files.append(rule)
            for node in rule.nodes:
                self.by_node.setdefault(node, []).append(rule)


def _lint(
    source: Source, state: State, indexes: Mapping[Name, Collection[frozenset[str]]], rules: _Active
) -> Iterator[Finding]:
    hits = [
        Hit(rule, found, source.statement_at(found.offset or 0))
        for rule in rules.of_files
        if rule.check_file
        for found in rule.check_file(source)
    ]
    for index, one in enumerate(source.parsed):
        context = Context(state, source, index, indexes)
        for rule in rules.by_node.get(type(one.node).__name__, ()):
            if rule.check:
                hits += (Hit(rule, found, index) for found in rule.check(context))
        advance(state, one.node, (source.file, context.transaction))
    comments = allowances(source)
    by_statement: dict[int | None, list[Allowance]] = {}
    for comment in comments:
        by_statement.setdefault(comment.statement, []).append(comment)
    used: set[tuple[Allowance, str]] = set()
    kept = [hit for hit in without_parts(hits) if not _allowed(source, hit, by_statement, used)]
    for name, message, offset in complaints(comments, used, RULES.keys(), rules.off):
        if name not in rules.off:
            kept.append(Hit(RULES[name], Found(message, offset=offset), None))
    findings = [_finding(source, hit, rules.levels) for hit in merged(source, kept)]
    yield from sorted(findings, key=lambda finding: (finding.line, finding.column, finding.rule))


def _allowed(
    source: Source,
    hit: Hit,
    comments: Mapping[int | None, Sequence[Allowance]],
    used: set[tuple[Allowance, str]],
) -> bool:
    name = hit.rule.name
    places = {place for index in hit.statements for place in (index, source.outer(index))}
    by = [one for place in places for one in comments.get(place, ()) if name in one.rules]
    used.update((one, name) for one in by)
    return any(one.reason for one in by)


def _finding(source: Source, hit: Hit, levels: Mapping[str, Level]) -> Finding:
    level = levels.get(hit.rule.name) or hit.found.severity or hit.rule.severity
    if level == "off":
        raise AssertionError(hit.rule.name)
    line, column, end_line = _place(source, hit)
    return Finding(
        rule=hit.rule.name,
        severity=level,
        file=source.file,
        line=line,
        column=column,
        message=hit.found.message,
        help=hit.found.help or hit.rule.help,
        end_line=end_line,
        suggestion=hit.found.suggestion,
    )


def _place(source: Source, hit: Hit) -> tuple[int, int, int | None]:
    if hit.index is None:
        return *source.place(hit.found.offset or 0), None
    statement = source.parsed[hit.index].statement
    start = command_start(statement, hit.found.command) if hit.found.offset is None else hit.found.offset
    return *source.place(start), source.place(source.parsed[max(hit.statements)].statement.end)[0]


def _indexes(sources: Sequence[Source], default: str) -> dict[Name, set[frozenset[str]]]:
    """For each table the sets of columns that an index of the new files begins with."""
    found: dict[Name, set[frozenset[str]]] = {}
    for source in sources:
        for one in source.parsed:
            if type(one.node).__name__ == "IndexStmt" and not one.node.whereClause:
                found.setdefault(name_of(one.node.relation, default), set()).update(beginnings(index_columns(one.node)))
    return found
