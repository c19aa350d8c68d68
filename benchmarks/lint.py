"""Lint rules beside squawk's, over the last migrations of real histories, each as a pull request of its own."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from operations.catalog import read
from operations.errors import LocktenderError
from operations.migrations.script import read_script
from operations.ports import Session
from operations.rules.linting import Source, lint, read_source
from operations.rules.model import Finding
from operations.rules.schema import Schema, schema_of

from .measure import NotMeasured
from .report import Goal, Section
from .servers import ROOT, Server, available, running
from .settings import Scope
from .squawk import Theirs, findings, install
from .unshared import OF_TASTE, why_not

CORPUS = Path(os.environ.get("LOCKTENDER_CORPUS", ROOT.parent / "shared" / "corpus"))
LAST = 50
MOST = 1.0
"""Findings a migration by default, on average."""
DANGEROUS = frozenset(
    {
        "adding-field-with-default", "adding-foreign-key-constraint", "adding-not-nullable-field",
        "adding-required-field", "adding-serial-primary-key-field", "ban-alter-domain-with-add-constraint",
        "ban-concurrent-index-creation-in-transaction", "ban-drop-column", "ban-drop-constraint", "ban-drop-database",
        "ban-drop-default", "ban-drop-not-null", "ban-drop-table", "ban-drop-type", "ban-truncate-cascade",
        "ban-uncommitted-transaction", "changing-column-type", "constraint-missing-not-valid",
        "disallowed-unique-constraint", "renaming-column", "renaming-object", "renaming-table",
        "require-concurrent-index-creation", "require-concurrent-index-deletion", "transaction-nesting",
    }
)  # fmt: skip

SAME = {
    "adding-serial-primary-key-field": ("disallowed-unique-constraint", "adding-field-with-default"),
    "ban-drop-default": ("recreating-enum",),
    "ban-drop-table": ("redefining-table",),
    "ban-drop-type": ("recreating-enum",),
    "ban-truncate-cascade": ("ban-truncate",),
    "changing-column-type": ("recreating-enum",),
    "constraint-missing-not-valid": ("adding-foreign-key-constraint", "disallowed-unique-constraint"),
    "renaming-object": ("renaming-type", "renaming-table", "recreating-enum"),
    "renaming-table": ("redefining-table",),
}
"""What of ours finds the same under another name."""


@dataclass(frozen=True)
class Migration:
    """One pull request: what stood before it, what we find in it and what squawk does. ``seconds`` are ours."""

    history: str
    source: Source
    schema: Schema | None
    ours: tuple[Finding, ...]
    theirs: Sequence[Theirs]
    seconds: float


def sections(scope: Scope) -> list[Section]:
    del scope
    histories = sorted(path.parent for path in CORPUS.glob("*/migrations"))
    if not histories:
        raise NotMeasured(f"there is no migration history in {CORPUS} (LOCKTENDER_CORPUS)")
    install()
    columns = ("history", "migrations", "squawk", "of which …", "ours", "squawk, a migration", "ours")
    table = Section("Findings of the lint rules", _WORDS, columns)
    migrations: list[Migration] = []
    label, binaries = next(iter(available().items()))
    with running(label, binaries) as server:
        for history in histories:
            replayed, seconds = _replayed(server, history)
            migrations += replayed
            ours = statistics.median(one.seconds for one in replayed)
            times = (f"{seconds / len(replayed) * 1000:.1f} ms", f"{ours * 1000:.1f} ms")
            table.rows.append((*_row(history.name, replayed), *times))
    table.rows.append((*_row("all", migrations), "", ""))
    _goals(table, migrations)
    return [table, _by_rule(migrations), _unshared(migrations), _others(migrations)]


def _replayed(server: Server, history: Path) -> tuple[list[Migration], float]:
    files = sorted((history / "migrations").glob("*/migration.sql"), key=lambda path: path.parent.name.encode())
    theirs, seconds = findings(files[-LAST:])
    found = []
    with server.create("lint").session() as session:
        for file in files:
            text = file.read_text(encoding="utf-8")
            if file in theirs:
                found.append(_linted(history.name, file, text, _schema(session), theirs[file]))
            _apply(session, file, text)
    return found, seconds


def _schema(session: Session) -> Schema | None:
    try:
        return schema_of(read(session))
    except LocktenderError as error:
        print(f"lint: no schema: {error}", file=sys.stderr)
        return None


def _linted(history: str, file: Path, text: str, schema: Schema | None, theirs: Sequence[Theirs]) -> Migration:
    began = time.perf_counter()
    source = read_source(f"{file.parent.name}/migration.sql", text)
    ours = lint([source], schema)
    return Migration(history, source, schema, ours, theirs, time.perf_counter() - began)


def _apply(session: Session, file: Path, text: str) -> None:
    script = read_script(file.parent.name, text)
    try:
        if script.verdict.atomic or script.statements is None:
            session.script(text)
        else:
            for statement in script.statements:
                session.script(statement.text)
    except LocktenderError as error:
        print(f"lint: {file.parent.name} does not apply: {error}", file=sys.stderr)


def _row(name: str, migrations: Sequence[Migration]) -> Sequence[str]:
    count = len(migrations)
    theirs = [one.rule for migration in migrations for one in migration.theirs]
    usual = Counter(theirs).most_common(1)[0]
    ours = sum(len(migration.ours) for migration in migrations)
    return (
        *(name, str(count), f"{len(theirs)}, {len(theirs) / count:.1f} a migration", f"{usual[1]} {usual[0]}"),
        f"{ours}, {ours / count:.2f} a migration",
    )


def _goals(table: Section, migrations: Sequence[Migration]) -> None:
    mean = sum(len(one.ours) for one in migrations) / len(migrations)
    unexplained = [one for one in _lacking(migrations) if one[2] is None]
    unnamed = _of_taste(migrations).keys() - OF_TASTE.keys()
    unread = sum(one.source.top is None for one in migrations)
    table.goals = [
        Goal("findings of the lint rules, by default", f"≤{MOST:g} a migration", f"{mean:.2f}", mean <= MOST),
        Goal(
            "dangerous findings of squawk's that ours lack without a reason",
            "0",
            str(len(unexplained)),
            not unexplained,
        ),
        Goal(
            "other kinds of squawk's findings that ours lack without a reason",
            "0",
            str(len(unnamed)),
            not unnamed,
        ),
        Goal("migrations that the parser does not understand", "0", str(unread), not unread),
    ]


def _by_rule(migrations: Sequence[Migration]) -> Section:
    theirs = Counter(one.rule for migration in migrations for one in migration.theirs)
    ours = Counter(one.rule for migration in migrations for one in migration.ours)
    section = Section("Findings by rule", _BY_RULE, ("rule", "squawk", "ours"))
    for rule in sorted({*theirs, *ours}, key=lambda rule: (-max(theirs[rule], ours[rule]), rule)):
        section.rows.append((f"`{rule}`", str(theirs[rule] or "–"), str(ours[rule] or "–")))
    return section


Lack = tuple[Migration, Theirs, str | None]


def _lacking(migrations: Sequence[Migration]) -> Iterator[Lack]:
    """Dangerous findings of squawk's at lines where we have none, with the reason."""
    for migration, one in _uncovered(migrations):
        if one.rule in DANGEROUS:
            yield migration, one, why_not(migration.source, migration.schema, one)


def _uncovered(migrations: Sequence[Migration]) -> Iterator[tuple[Migration, Theirs]]:
    for migration in migrations:
        for one in migration.theirs:
            if not any(_covers(ours, one) for ours in migration.ours):
                yield migration, one


def _of_taste(migrations: Sequence[Migration]) -> Counter[str]:
    """Rules of squawk's other findings that ours lack, and how many each has."""
    return Counter(one.rule for _, one in _uncovered(migrations) if one.rule not in DANGEROUS)


def _covers(ours: Finding, theirs: Theirs) -> bool:
    same = ours.rule == theirs.rule or ours.rule in SAME.get(theirs.rule, ())
    return same and ours.line <= theirs.end_line and theirs.line <= (ours.end_line or ours.line)


def _unshared(migrations: Sequence[Migration]) -> Section:
    section = Section("Dangerous findings of squawk's that ours lack", _UNSHARED, ("rule", "why", "how many", "where"))
    groups: dict[tuple[str, str], dict[str, list[int]]] = {}
    for migration, one, reason in _lacking(migrations):
        file = f"{migration.history}/{migration.source.file.removesuffix('/migration.sql')}"
        groups.setdefault((one.rule, reason or "**no reason**"), {}).setdefault(file, []).append(one.line)
    for (rule, reason), files in sorted(groups.items()):
        places = ", ".join(f"{file}:{','.join(map(str, lines))}" for file, lines in files.items())
        section.rows.append((f"`{rule}`", reason, str(sum(map(len, files.values()))), places))
    return section


def _others(migrations: Sequence[Migration]) -> Section:
    section = Section(
        "Other findings of squawk's that ours lack", _OTHERS, ("rule", "how many", "why ours does not say it")
    )
    for rule, count in _of_taste(migrations).most_common():
        section.rows.append((f"`{rule}`", str(count), OF_TASTE.get(rule, "**no reason**")))
    return section


_WORDS = f"""The last {LAST} migrations of each history, one after the other, each as a pull request that adds it: ours
with the schema that it meets on a real server, squawk 2.70.0 as it comes. How many rows there are is taken to be
unknown. Times are those of one process for all files with squawk, and the median without starting Python with ours."""
_BY_RULE = """The same findings. A rule of the same name looks for the same thing. Of statements that follow each other
and that a rule says the same of, ours makes one finding, which names them all; squawk makes one of each."""
_UNSHARED = """Where squawk finds something of a dangerous kind, and we do not find the same on these lines. Each has
its reason, found by looking at the statement and the schema."""
_OTHERS = """All others that squawk has and we have not, kind by kind: they are about style, or about what is set
elsewhere. Rules of ours that are off by default can be switched on under `[rules]`."""
