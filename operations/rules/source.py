"""A new file with its parse trees, and which of its statements share a transaction. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from operations.migrations.atomicity import Judgement, judge
from operations.migrations.kinds import transaction_command
from operations.migrations.parsing import Parsing, parse
from operations.migrations.statement import Parsed
from operations.rules.blocks import inside

_NEWLINE = re.compile("\n")
_WRITES = frozenset({"UPDATE", "DELETE", "MERGE", "INSERT", "SELECT", "LOCK", "VACUUM", "ANALYZE"})


@dataclass(frozen=True)
class Source:
    """A file of SQL. ``top`` is ``None`` where the parser gave up, ``problem`` says why, at character ``offset``."""

    file: str
    text: str = field(repr=False)
    top: tuple[Parsed, ...] | None = field(repr=False)
    problem: str = ""
    offset: int = 0

    @cached_property
    def parsed(self) -> tuple[Parsed, ...]:
        """All statements, those that a DO block runs behind it."""
        return tuple(one for _, one in self._expanded)

    def outer(self, index: int) -> int:
        """The index of the DO statement around a statement, or its own."""
        return index - self._depths[index]

    @cached_property
    def _expanded(self) -> tuple[tuple[int, Parsed], ...]:
        """With the index in ``top`` of the statement that each of them is, or is in."""
        top = enumerate(self.top or ())
        return tuple((at, found) for at, one in top for found in (one, *inside(one, self.text)))

    @cached_property
    def _depths(self) -> tuple[int, ...]:
        """How many statements lie between each of them and its DO."""
        depths: list[int] = []
        for before, (at, _) in zip((-1, *(at for at, _ in self._expanded)), self._expanded, strict=False):
            depths.append(depths[-1] + 1 if at == before else 0)
        return tuple(depths)

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of a character offset."""
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def last_before(self, offset: int) -> int:
        """The index of the last statement that begins at or before a character offset; -1 if none does."""
        return bisect_right(self._starts, offset) - 1

    def statement_at(self, offset: int) -> int | None:
        """The index of the statement around a character offset."""
        index = self.last_before(offset)
        return index if index >= 0 and offset < self.parsed[index].statement.end else None

    @cached_property
    def _starts(self) -> list[int]:
        return [one.statement.start for one in self.parsed]

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in _NEWLINE.finditer(self.text))]

    @cached_property
    def judgement(self) -> Judgement:
        """Whether it can be one transaction."""
        return judge(self.top or ())

    @cached_property
    def renamed_tables(self) -> Mapping[str, int]:
        """By the old name, the index of the statement that renames it."""
        return self._renamed("OBJECT_TABLE")

    @cached_property
    def renamed_types(self) -> Mapping[str, int]:
        """The same for types."""
        return self._renamed("OBJECT_TYPE")

    @cached_property
    def views(self) -> frozenset[str]:
        """Names of the views that it makes, materialized ones too."""
        kinds = {"ViewStmt": lambda node: node.view, "CreateTableAsStmt": lambda node: node.into.rel}
        made = ((kinds.get(type(one.node).__name__), one.node) for one in self.parsed)
        return frozenset(find(node).relname for find, node in made if find)

    def _renamed(self, what: str) -> Mapping[str, int]:
        return {
            one.node.relation.relname if one.node.relation else one.node.object[-1].sval: index
            for index, one in enumerate(self.parsed)
            if type(one.node).__name__ == "RenameStmt" and one.node.renameType.name == what
        }

    @cached_property
    def transactions(self) -> tuple[int | None, ...]:
        """For each statement the number of the transaction that it is run in with others; ``None``: by itself."""
        top = self.top or ()
        numbers = [0] * len(top) if self.judgement.verdict.atomic else list(_explicit(top))
        return tuple(numbers[at] for at, _ in self._expanded)

    @cached_property
    def with_ddl(self) -> frozenset[int | None]:
        """The transactions that hold strong locks on tables that stood before, until they end."""
        pairs = zip(self.parsed, self.transactions, strict=True)
        return frozenset(
            number
            for one, number in pairs
            if number is not None and one.statement.relations and one.statement.kind not in _WRITES
        )


def read_source(file: str, text: str) -> Source:
    """Parse a file; what cannot be parsed is told, not raised."""
    return source_of(file, text, parse(text))


def source_of(file: str, text: str, parsing: Parsing) -> Source:
    """A file that has been parsed."""
    return Source(file, text, parsing.parsed, parsing.problem, min(parsing.offset, len(text)))


def _explicit(parsed: Sequence[Parsed]) -> Iterator[int | None]:
    number, inside = 0, False
    for one in parsed:
        command = transaction_command(one.node)
        if command in ("BEGIN", "START TRANSACTION") and not inside:
            inside = True
            number += 1
        yield number if inside else None
        if command in ("COMMIT", "ROLLBACK", "PREPARE TRANSACTION"):
            inside = False
