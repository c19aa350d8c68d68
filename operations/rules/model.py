"""What a lint rule is, what it is given, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from operations.migrations.statement import Parsed, Statement
from operations.rules.schema import Name
from operations.rules.source import Source
from operations.rules.state import State
from operations.settings import Level

Severity = Literal["error", "warning", "note"]


class Finding(Struct, frozen=True):
    """One thing that somebody should look at, at its place in a file of the pull request.

    ``file`` is relative to the migrations folder (``NAME/migration.sql``), or the path as given for a file outside it;
    lines and columns are 1-based and count characters, ``end_line`` is the statement's last line. ``suggestion``, where
    a safe form is known, is what may stand in place of the lines ``line`` to ``end_line``.
    """

    rule: str
    severity: Severity
    file: str
    line: int
    column: int
    message: str
    help: str
    end_line: int | None = None
    suggestion: str | None = None


class Found(Struct, frozen=True):
    """What a rule says of one statement, or of a file.

    ``about``: the tables or columns that it is about, where it may be one of several findings alike.
    ``command``: which part of an ALTER TABLE is meant, 0-based. ``offset``: a place in the file, where it is not a
    statement. ``statements`` are all those that belong to it, by index, if there are more than one; what the rules
    ``instead`` say of them is then left out. ``help`` and ``severity`` where they are not the rule's.
    """

    message: str
    command: int = 0
    offset: int | None = None
    help: str | None = None
    severity: Severity | None = None
    suggestion: str | None = None
    statements: tuple[int, ...] = ()
    about: str = ""
    instead: frozenset[str] = frozenset()


class Context(Struct, frozen=True):
    """Where a statement stands: in which file, after what, and what there is by then.

    ``indexes``: by table, the sets of columns that an index which the new files make begins with.
    """

    state: State
    source: Source
    index: int
    indexes: Mapping[Name, Collection[frozenset[str]]]

    @property
    def node(self) -> Any:
        """Its parse tree."""
        return self._parsed[self.index].node

    @property
    def statement(self) -> Statement:
        """The statement itself."""
        return self._parsed[self.index].statement

    @property
    def transaction(self) -> int | None:
        """The number, within the file, of the transaction that it shares with others; ``None`` if it runs alone."""
        return self.source.transactions[self.index]

    @property
    def alone(self) -> bool:
        """Whether the file holds nothing else."""
        return len(self._parsed) == 1

    @property
    def _parsed(self) -> Sequence[Parsed]:
        return self.source.parsed


class Rule(Struct, frozen=True):
    """``problem`` is one line, ``help`` what to do instead.

    ``check`` is called for statements whose node is one of ``nodes``, ``check_file`` once a file.
    """

    name: str
    severity: Level
    problem: str
    help: str
    nodes: tuple[str, ...] = ()
    check: Callable[[Context], Iterator[Found]] | None = None
    check_file: Callable[[Source], Iterator[Found]] | None = None
