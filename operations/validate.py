"""``validate``: what new migrations will do, tried on a server where nothing can be lost. Changes nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from msgspec import Struct
from msgspec.structs import replace

from operations.errors import ConnectionLost, LocktenderError, OperationFailed
from operations.migrations.partitioned import doubtful, outside_where_partitioned
from operations.ports import Clock, Report, silent
from operations.rules import linting
from operations.rules.model import Finding
from operations.rules.schema import PUBLIC, Name, schema_of
from operations.settings import Level
from operations.validation import changes as changing
from operations.validation.beyond import unknown, without_downs_beyond
from operations.validation.building import TOLD, Base, build
from operations.validation.diagram import diagram
from operations.validation.excuses import perhaps_damage
from operations.validation.findings import FailOn, cut, in_order, of_file, passes
from operations.validation.folders import Entry, Folder
from operations.validation.model import Changes, Validation
from operations.validation.proving import Proven, prove
from operations.validation.reading import Source, beside, read_source
from operations.validation.schema_changes import schema_changes
from operations.validation.trial import BASE, Trial, Trials, chain
from operations.validation.trying import Tried, try_out
from operations.validation.verdicts import verdict, whole

WORK, PROOF = "work", "proof"
BASE_RENEWED = "What was kept of the base may be damaged: it was thrown away, and built anew."


class Question(Struct, frozen=True):
    """What is to be validated. ``base`` is what has landed; ``ancestor`` where head left it, if that is known.

    ``base_seconds`` and ``seconds`` limit what building the base and trying the rest may take.
    """

    head: Folder
    base: Folder
    trials: Trials
    clock: Clock
    ancestor: Folder | None = None
    fail_on: FailOn = "error"
    report: Report = silent
    notes: tuple[str, ...] = ()
    rows: Mapping[Name, int] = {}
    """Of production's tables; empty where it was not asked."""
    levels: Mapping[str, Level] = {}
    """Severities of lint rules that the configuration sets."""
    schema: str | None = None
    """Where the tables live, if not where a new database has them: ``?schema=`` of the database URL."""
    base_seconds: float = 600.0
    seconds: float = 120.0


def validate(question: Question) -> Validation:
    """The whole answer. Raises what the trial server's start and connections raise, and nothing for what it finds."""
    return _Validating(question).answer()


@dataclass
class _Validating:
    question: Question
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    version: str = ""
    proven: Proven = field(default_factory=Proven)
    errors: list[LocktenderError] = field(default_factory=list)
    """What the server said while everything was tried."""

    def answer(self) -> Validation:
        with self._timed("total"):
            return self._answer()

    def _answer(self) -> Validation:
        question = self.question
        found = changing.changes(question.base, question.head, question.ancestor)
        self.notes += question.notes
        self.notes += sorted(changing.untried(question.base, question.head, question.ancestor))
        self.findings += changing.findings(question.base, question.head, found)
        with ThreadPoolExecutor(1) as threads:  # the server has work enough with what has landed
            reading = beside(threads, lambda: self._read(found))
            tried = self._tried(found, reading)
        return self._told(found, reading.result(), tried)

    def _read(self, found: Changes) -> list[Source]:
        with self._timed("read"):
            read = [read_source(self.question.head.migrations[name]) for name in found.new]
        self.findings += [finding for _, findings in read for finding in findings]
        return [source for source, _ in read if source]

    def _tried(self, found: Changes, reading: Future[list[Source]]) -> Tried | None:
        """``None`` where there is nothing to try, or it could not be."""
        if not any(self.question.head.migrations[name].script is not None for name in found.new):
            return None
        landed = list(self.question.base.migrations.values())
        digests = chain([(entry.name, entry.checksum) for entry in landed], self.question.schema or "")
        with self._opened(digests) as trial:
            if not trial.throwaway and not self._harmless(reading):
                return None
            try:
                return self._on_a_sound_base(trial, landed, reading)
            except ConnectionLost as error:
                self._ended(trial, reading.result(), error)
                return None

    def _harmless(self, reading: Future[list[Source]]) -> bool:
        """Whether it is known what all of it may do on a server that is not ours."""
        hidden = ", ".join(unknown(reading.result()))
        if hidden:
            self.notes.append(f"Nothing was tried on the server that was named, as it cannot be told: {hidden}.")
        return not hidden

    @contextmanager
    def _opened(self, digests: Sequence[str]) -> Iterator[Trial]:
        began = self.question.clock.now()
        with self.question.trials.open(digests, self.question.schema) as trial:
            self.seconds["start"] = self.question.clock.now() - began
            yield trial

    def _on_a_sound_base(self, trial: Trial, landed: Sequence[Entry], reading: Future[list[Source]]) -> Tried | None:
        """Once more on one that is built anew, where a base that was kept may be why something failed."""

        def doubtful(errors: Iterable[LocktenderError]) -> bool:
            return trial.ready is not None and not trial.stopped and any(map(perhaps_damage, errors))

        notes = list(self.notes)
        try:
            tried = self._on(trial, landed, reading)
            if not doubtful(self.errors):
                return tried
        except LocktenderError as error:
            if not doubtful([error]):
                raise
        self.notes, self.proven = [*notes, BASE_RENEWED], Proven()
        trial.renew()
        return self._on(trial, landed, reading)

    def _on(self, trial: Trial, landed: Sequence[Entry], reading: Future[list[Source]]) -> Tried | None:
        question = self.question
        with self._timed("base"):
            trial.limit(question.base_seconds)
            try:
                base = build(trial, landed, question.report)
            except ConnectionLost as error:
                raise OperationFailed(
                    f"What has landed could not be built on the throwaway server: {trial.stopped or error.message}.",
                    hint="Nothing is said of the new migrations. Does one that has landed run, or write, without end?",
                ) from error
        self.notes += base.troubles[:TOLD]
        self._judged_there(trial, reading.result())
        sources = self._allowed(trial, reading.result())
        if not sources:
            return None
        self.version = trial.server_version
        trial.limit(question.seconds)
        return self._tried_and_undone(trial, sources, base)

    def _judged_there(self, trial: Trial, sources: list[Source]) -> None:
        """In place, by what the base tells of them."""
        if not any(doubtful(source.script) for source in sources):
            return
        with trial.session(BASE) as session:
            scripts = outside_where_partitioned(session, {one.script.name: one.script for one in sources})
        sources[:] = [replace(one, script=scripts[one.script.name]) for one in sources]

    def _tried_and_undone(self, trial: Trial, sources: Sequence[Source], base: Base) -> Tried:
        """On one database, where all of it can be taken back; a copy takes half as long as the base took."""
        report, alone = self.question.report, len(sources) == 1 and sources[0].script.verdict.atomic
        work = BASE if trial.spare else WORK
        with self._timed("apply"):
            if not alone:
                trial.create(PROOF, BASE)  # before anything new has run
            if not trial.spare:
                trial.create(WORK, BASE)
            with trial.session(work) as session:
                tried = try_out(session, sources, trial.throwaway, base, report, commit=not alone)
        with self._timed("proof"):
            try:
                where = work if alone else PROOF
                self.proven = prove(trial, where, tried, report, self.question.rows)
            except LocktenderError as error:
                self.proven = Proven(broken=error)
            if self.proven.broken:
                self.errors.append(self.proven.broken)
                why = trial.stopped or self.proven.broken.message
                self.notes.append(f"Undoing them could not be tried to the end: {why}")
        self.errors += (*base.errors, *tried.errors, *self.proven.errors)
        return tried

    def _allowed(self, trial: Trial, sources: Sequence[Source]) -> Sequence[Source]:
        """On a server that is not ours, without scripts that reach beyond their database."""
        if trial.throwaway:
            return sources
        allowed, left_out = without_downs_beyond(sources)
        self.notes += (f"{file} was not tried: it reaches beyond its database." for file in left_out)
        return allowed

    def _ended(self, trial: Trial, sources: Sequence[Source], error: ConnectionLost) -> None:
        file = sources[0].migration.file
        why = trial.stopped or error.message
        self.findings.append(
            of_file(
                "trial-ended", "error", file, f"Trying the new migrations was ended: {why}.",
                "Does a statement run without end, or write without end? Data is better loaded by another way.",
            )
        )  # fmt: skip

    def _told(self, found: Changes, sources: Sequence[Source], tried: Tried | None) -> Validation:
        if tried:
            self.findings += tried.findings
            self.notes += tried.notes
        self.findings += self.proven.findings
        self.notes += self.proven.notes
        proofs = [*(tried.proofs if tried else ()), *self.proven.proofs]
        with self._timed("lint"):
            self._lint(sources, tried)
        before, after = (tried.catalogs[0], tried.catalogs[-1]) if tried else (None, None)
        scripts = [source.script for source in sources]
        findings = in_order(self.findings)
        return Validation(
            ok=passes(findings, self.question.fail_on),
            changes=found,
            findings=findings,
            verdicts={
                script.name: verdict(script, [p for p in proofs if p.migration == script.name]) for script in scripts
            },
            whole=whole(scripts, proofs),
            statements=tuple(tried.runs) if tried else (),
            schema_changes=schema_changes(before, after) if before and after else (),
            rollback_proof=tuple(proofs),
            diagram=diagram(before, after) if before and after else None,
            server_version=self.version,
            seconds=self.seconds,
            notes=tuple(dict.fromkeys(map(cut, self.notes))),
        )

    def _lint(self, sources: Sequence[Source], tried: Tried | None) -> None:
        """What the rules say, in the light of the base; the trial knows better what applies and what was left out."""
        schema = schema_of(tried.catalogs[0], self.question.rows, self.question.schema or PUBLIC) if tried else None
        found = linting.lint([source.lint for source in sources], schema, self.question.levels)
        told = {finding.file for finding in self.findings if finding.rule == "does-not-apply"}
        banned = {(finding.file, finding.line) for finding in found if finding.severity == "error"}
        self.findings = [f for f in self.findings if f.rule != "not-tried" or (f.file, f.line) not in banned]
        self.findings += (f for f in found if f.rule != "not-understood" or f.file not in told)

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        began = self.question.clock.now()
        try:
            yield
        finally:
            self.seconds[part] = self.seconds.get(part, 0.0) + self.question.clock.now() - began
