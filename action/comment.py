"""A validation as markdown: short for the pull request, whole for the run's summary. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from msgspec import Struct

from action.escaping import code, fenced, inline, link
from action.sections import Section, page, row, table
from action.verdict import MARKS, PROOFS, WAYS, headline, lines
from operations.rules.model import Finding
from operations.rules.registry import RULES
from operations.validation import losing
from operations.validation.model import RollbackProof, StatementRun, Validation

LIMIT = 65_000
"""Characters of a comment; GitHub refuses more than 65 536."""
SUMMARY_LIMIT = 900_000
"""Characters of the summary of a run; GitHub drops one of more than 1 MiB."""
RULES_PAGE = "https://github.com/locktender/locktender/blob/main/docs/rules"
LONGEST_PROPOSAL = 20_000
MOST_IN_A_CELL = 20
LONGEST_CELL = 600
"""Characters of foreign text in a cell of the comment, before they are escaped."""
HELD = "A lock stands where its transaction takes it first; it is held until the transaction ends."
SEVERITIES = ("error", "warning", "note")
DIAGRAM_TROUBLE = re.compile(r"%%|^\s*(?:click|link|links|callback|href|style|classDef|accTitle|accDescr)\b", re.M)
"""What could do more in a diagram than draw."""


class Place(Struct, frozen=True):
    """Where the pages lie that are linked to, and for whom this is."""

    repository: str
    head_sha: str
    folder: str
    """The migrations folder, relative to the repository's root."""
    server_url: str = "https://github.com"
    run_url: str = ""
    environment: str = ""
    directory: str = "."
    name: str = ""
    """What tells it from the others of the same pull request."""

    def path(self, file: str) -> str:
        """A finding's file, from the repository's root."""
        return f"{self.folder}/{file}" if self.folder not in ("", ".") else file


def marker(place: Place) -> str:
    """What our comment is known by: one for each environment and project of a repository, and each name."""
    where = f"{place.environment or 'default'} {place.directory}"
    words = re.sub(r"[^\w./ -]", "", where, flags=re.ASCII).replace("--", "-")
    told = "".join(f" {_digest(text)}" for text in (where if words != where else "", place.name) if text)
    return f"<!-- locktender:validate {words}{told} -->"


def _digest(text: str) -> str:
    """Of what cannot be told in a marker as it is."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]


def title(place: Place) -> str:
    """Who speaks."""
    return f"Locktender ({inline(place.name)})" if place.name else "Locktender"


def comment(validation: Validation, place: Place, limit: int = LIMIT) -> str:
    """The sticky comment, of at most ``limit`` characters."""
    top = f"{marker(place)}\n### {title(place)}: {headline(validation)}"
    sections = _sections(validation, place, 40, LONGEST_CELL)
    return page(top, sections, _bottom(validation, place), limit, "in the summary of the run")


def summary(validation: Validation, place: Place) -> str:
    """All of it, for the run's own page."""
    top = f"## {title(place)}: {headline(validation)}"
    return page(top, _sections(validation, place, 2000), _bottom(validation, place), SUMMARY_LIMIT)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]} …"


def _sections(validation: Validation, place: Place, most: int, longest: int = 10_000) -> list[Section]:
    """Of each table at most so many rows are made: a hostile file may well have a hundred thousand."""
    every = [
        _migrations(validation, most),
        _findings(validation, place, most, longest),
        _changes(validation, most, longest),
        _diagram(validation),
        _statements(validation, most),
        _proofs(validation, most),
        *_proposals(validation, place),
        _notes(validation, most),
    ]
    return [section for section in every if section.rows]


def _migrations(validation: Validation, most: int) -> Section:
    every = lines(validation)
    rows = tuple(
        row(code(one.name), inline(one.change), one.atomic, inline(one.reason), one.way_back, one.findings)
        for one in every[:most]
    )
    head = table(("migration", "", "atomic", "because", "way back", "findings"))
    return Section("", rows, head, total=len(every))


def _findings(validation: Validation, place: Place, most: int, longest: int) -> Section:
    ordered = sorted(validation.findings, key=lambda one: SEVERITIES.index(one.severity))
    rows = tuple(_finding(one, place, longest) for one in ordered[:most])
    folded = not any(one.severity != "note" for one in ordered)
    head = table(("", "where", "what", "how to fix"))
    return Section(f"Findings ({len(ordered)})", rows, head, folded=folded, total=len(ordered))


def _finding(one: Finding, place: Place, longest: int) -> str:
    where = link(
        f"{code(one.file)}:{one.line}",
        place.server_url,
        place.repository,
        "blob",
        place.head_sha,
        place.path(one.file),
        anchor=f"L{one.line}",
    )
    message, help = (inline(_cut(text, longest)) for text in (one.message, one.help))
    return row(MARKS[one.severity], where, f"{message} {_rule(one.rule)}", help)


def _rule(name: str) -> str:
    """With its page, where it is a lint rule."""
    return f"[{code(name)}]({RULES_PAGE}/{name}.md)" if name in RULES else code(name)


def _changes(validation: Validation, most: int, longest: int) -> Section:
    every = validation.schema_changes
    rows = tuple(
        row(
            one.change,
            inline(one.kind),
            *(code(_cut(text or "", longest)) for text in (one.object, one.before, one.after)),
        )
        for one in every[:most]
    )
    head = table(("", "", "object", "before", "after"))
    return Section(f"What changes ({len(every)})", rows, head, total=len(every))


def _diagram(validation: Validation) -> Section:
    drawing = validation.diagram or ""
    usable = drawing and not DIAGRAM_TROUBLE.search(drawing)
    return Section("The touched tables", (fenced(drawing, "mermaid"),) if usable else ())


def _statements(validation: Validation, most: int) -> Section:
    every = validation.statements
    head = table(("where", "statement", "time", "locks", "rewrites", "reads in full"))
    rows = tuple(_statement(one) for one in every[:most])
    return Section("Locks and times, on a throwaway database", rows, head, ("", HELD), total=len(every))


def _statement(one: StatementRun) -> str:
    return row(
        f"{code(one.file)}:{one.line}",
        inline(one.kind),
        f"{1000 * one.seconds:.0f} ms",
        "<br>".join(f"{code(lock.relation)} {inline(lock.mode)}" for lock in one.locks[:MOST_IN_A_CELL]),
        " ".join(code(name) for name in one.rewrites[:MOST_IN_A_CELL]),
        " ".join(code(name) for name in one.scans[:MOST_IN_A_CELL]),
    )


def _proofs(validation: Validation, most: int) -> Section:
    every = validation.rollback_proof
    rows = tuple(
        row(
            code(one.migration),
            WAYS[one.method],
            PROOFS[one.state],
            "<br>".join(inline(text) for text in (*one.differences, *_loss(one), *one.lost)[:MOST_IN_A_CELL]),
        )
        for one in every[:most]
    )
    return Section("Proof of rollback", rows, table(("migration", "by", "result", "")), total=len(every))


def _loss(one: RollbackProof) -> tuple[str, ...]:
    return (f"{losing.objects(one.loss)} would be lost", *losing.rows(one.loss)) if one.loss else ()


def _proposals(validation: Validation, place: Place) -> Iterator[Section]:
    for proof in validation.rollback_proof:
        if proof.proposal and len(proof.proposal) <= LONGEST_PROPOSAL:
            path = place.path(f"{proof.migration}/down.sql")
            said = f"Applied and undone here: schema and rows were as before. Commit it as {code(path)}:"
            title = f"A way back for {code(proof.migration)}"
            yield Section(title, ("\n".join((said, "", fenced(proof.proposal, "sql"))),))


def _notes(validation: Validation, most: int) -> Section:
    every = validation.notes
    return Section("What was not looked at", tuple(f"- {inline(note)}" for note in every[:most]), total=len(every))


def _bottom(validation: Validation, place: Place) -> str:
    seconds = max((validation.seconds or {}).values(), default=0.0)
    told = [f"Commit {place.head_sha[:12]}"]
    if validation.server_version:
        told.append(f"PostgreSQL {inline(validation.server_version)}")
    if seconds:
        told.append(f"{seconds:.1f} s")
    if place.run_url:
        told.append(f"[log and full summary]({place.run_url})")
    return f"<sub>{' · '.join(told)}</sub>"
