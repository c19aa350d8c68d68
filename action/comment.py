"""A validation as markdown: short for the pull request, whole for the run's summary. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from action.escaping import code, fenced, inline, link
from action.sections import Section, page, row, table
from action.verdict import MARKS, PROOFS, WAYS, headline, lines
from operations.rules.model import Finding
from operations.validation.model import Validation

LIMIT = 65_000
"""Characters of a comment; GitHub refuses more than 65 536."""
SUMMARY_LIMIT = 900_000
"""Characters of the summary of a run; GitHub drops one of more than 1 MiB."""
LONGEST_PROPOSAL = 20_000
SEVERITIES = ("error", "warning", "note")
DIAGRAM_TROUBLE = re.compile(r"%%|^\s*(?:click|link|links|callback|href|style|classDef|accTitle|accDescr)\b", re.M)
"""What could do more in a diagram than draw."""


@dataclass(frozen=True)
class Place:
    """Where the pages lie that are linked to, and for whom this is."""

    repository: str
    head_sha: str
    folder: str
    """The migrations folder, relative to the repository's root."""
    server_url: str = "https://github.com"
    run_url: str = ""
    environment: str = ""
    directory: str = "."

    def path(self, file: str) -> str:
        """A finding's file, from the repository's root."""
        return f"{self.folder}/{file}" if self.folder not in ("", ".") else file


def marker(place: Place) -> str:
    """What our comment is known by: one for each environment and project of a repository."""
    words = re.sub(r"[^\w./ -]", "", f"{place.environment or 'default'} {place.directory}", flags=re.ASCII)
    return f"<!-- locktender:validate {words.replace('--', '-')} -->"


def comment(validation: Validation, place: Place) -> str:
    """The sticky comment, of at most ``LIMIT`` characters."""
    top = f"{marker(place)}\n### Locktender: {headline(validation)}"
    sections = [_migrations(validation), _findings(validation, place, most=20), *_details(validation, place, most=40)]
    return page(top, [s for s in sections if s.rows], _bottom(validation, place), LIMIT)


def summary(validation: Validation, place: Place) -> str:
    """All of it, for the run's own page."""
    top = f"## Locktender: {headline(validation)}"
    sections = [_migrations(validation), _findings(validation, place, most=2000)]
    sections += _details(validation, place, most=2000)
    return page(top, [s for s in sections if s.rows], _bottom(validation, place), SUMMARY_LIMIT)


def _migrations(validation: Validation) -> Section:
    rows = tuple(
        row(code(one.name), inline(one.change), one.atomic, inline(one.reason), one.way_back, one.findings)
        for one in lines(validation)
    )
    return Section("", rows, table(("migration", "", "atomic", "because", "way back", "findings")), most=50)


def _findings(validation: Validation, place: Place, most: int) -> Section:
    ordered = sorted(validation.findings, key=lambda one: SEVERITIES.index(one.severity))
    rows = tuple(_finding(one, place) for one in ordered)
    serious = any(one.severity != "note" for one in ordered)
    return Section(f"Findings ({len(rows)})", rows, table(("", "where", "what", "how to fix")), (), not serious, most)


def _finding(one: Finding, place: Place) -> str:
    where = link(
        f"{code(one.file)}:{one.line}",
        place.server_url,
        place.repository,
        "blob",
        place.head_sha,
        place.path(one.file),
        anchor=f"L{one.line}",
    )
    return row(MARKS[one.severity], where, f"{inline(one.message)} {code(one.rule)}", inline(one.help))


def _details(validation: Validation, place: Place, most: int) -> Iterator[Section]:
    yield _changes(validation, most)
    yield _diagram(validation)
    yield _statements(validation, most)
    yield _proofs(validation, most)
    yield from _proposals(validation, place)
    yield Section("What was not looked at", tuple(f"- {inline(note)}" for note in validation.notes), most=most)


def _changes(validation: Validation, most: int) -> Section:
    rows = tuple(
        row(one.change, inline(one.kind), code(one.object), code(one.before or ""), code(one.after or ""))
        for one in validation.schema_changes
    )
    return Section(f"What changes ({len(rows)})", rows, table(("", "", "object", "before", "after")), most=most)


def _diagram(validation: Validation) -> Section:
    drawing = validation.diagram or ""
    usable = drawing and not DIAGRAM_TROUBLE.search(drawing)
    return Section("The touched tables", (fenced(drawing, "mermaid"),) if usable else ())


def _statements(validation: Validation, most: int) -> Section:
    rows = tuple(
        row(
            f"{code(one.file)}:{one.line}",
            inline(one.kind),
            f"{1000 * one.seconds:.0f} ms",
            "<br>".join(f"{code(lock.relation)} {inline(lock.mode)}" for lock in one.locks),
            " ".join(code(name) for name in one.rewrites),
            " ".join(code(name) for name in one.scans),
        )
        for one in validation.statements
    )
    columns = ("where", "statement", "time", "locks", "rewrites", "reads in full")
    return Section("Locks and times, on a throwaway database", rows, table(columns), most=most)


def _proofs(validation: Validation, most: int) -> Section:
    rows = tuple(
        row(
            code(one.migration),
            WAYS[one.method],
            PROOFS[one.state],
            "<br>".join(inline(text) for text in (*one.differences, *one.lost)[:20]),
        )
        for one in validation.rollback_proof
    )
    return Section("Proof of rollback", rows, table(("migration", "by", "result", "")), most=most)


def _proposals(validation: Validation, place: Place) -> Iterator[Section]:
    for proof in validation.rollback_proof:
        if proof.proposal and len(proof.proposal) <= LONGEST_PROPOSAL:
            path = place.path(f"{proof.migration}/down.sql")
            said = f"Applied and undone here: schema and rows were as before. Commit it as {code(path)}:"
            title = f"A way back for {code(proof.migration)}"
            yield Section(title, ("\n".join((said, "", fenced(proof.proposal, "sql"))),))


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
