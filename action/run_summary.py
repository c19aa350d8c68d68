"""What a deploy, a rollback and the other commands came to, as markdown for the run's page. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from action.escaping import code, fenced, inline
from action.sections import Section, page, row, table
from operations.errors import ExitCode, LocktenderError
from operations.measures import size_text

if TYPE_CHECKING:
    from operations.backup import BackupResult
    from operations.health import CheckResult
    from operations.outcome import DeployResult
    from operations.rehearse import Rehearsal
    from operations.restore import RestoreResult
    from operations.status import StatusResult

LIMIT = 900_000
MOST = 2000
MOST_FAILING = 50
MOST_IN_A_CELL = 20
METHODS = {
    "transaction": "the transaction undid everything",
    "down": "undone by its own way down, and proved equal to before",
    "swap": "the backup from before was restored beside it and swapped in",
}
ENDINGS = {
    ExitCode.NO: "❌ The answer is no",
    ExitCode.USAGE: "❌ Not begun: wrong usage or configuration",
    ExitCode.FAILED_OLD_STATE: "❌ Failed, and the old state stands",
    ExitCode.NEEDS_ATTENTION: "🚨 Failed, and a person is needed",
    ExitCode.REFUSED: "⛔ Refused; nothing was touched",
}
STATUS = (
    ("failed", "❌ started, and neither finished nor rolled back"),
    ("edited", "❌ applied, but the file is another one now"),
    ("missing", "⚠️ applied, but no longer in the folder"),
    ("out_of_order", "⚠️ pending, though later ones are applied"),
    ("pending", "⏳ in the folder, and not applied"),
)
MARKS = {"ok": "✅", "warn": "⚠️", "fail": "❌"}


def ending(command: str, environment: str, exit_code: ExitCode, result: DeployResult | None) -> str:
    """How it ended, in one line: of a deploy that was rolled back, that it was."""
    where = f" ({environment})" if environment else ""
    if exit_code == ExitCode.DONE:
        return f"✅ {_done(result) if result else f'{command} is done'}{where}"
    if result and result.outcome == "rolled_back" and exit_code == ExitCode.FAILED_OLD_STATE:
        return f"❌ The {command} failed and was rolled back; the old state stands{where}"
    return f"{ENDINGS[exit_code]}: {command}{where}"


def _done(result: DeployResult) -> str:
    count = len(result.applied)
    return {
        "deployed": f"Deployed: {count} migration{'s' * (count != 1)}",
        "nothing_to_do": "Nothing to do: every migration is applied",
        "rolled_back": "Rolled back",
    }.get(result.outcome, result.outcome)


def trouble(error: LocktenderError | None) -> Iterator[str]:
    """What went wrong, and what to type next."""
    if error is None:
        return
    yield fenced(error.message, "text")
    for told in error.details.get("logs", ()):
        yield Section("What the application said", (fenced(str(told), "text"),)).rendered(1)
    if error.hint:
        yield "**Next:**\n\n" + fenced(error.hint, "text")


def of_run(top: str, result: DeployResult | None, error: LocktenderError | None, command: str) -> str:
    """A deploy or a rollback: how it ended, its steps and times, and how to go back."""
    sections: list[Section] = []
    if result:
        sections.append(Section("", tuple(_facts(result)), table(("", ""))))
        if result.steps:
            rows = tuple(row(code(s.name), s.status, f"{s.seconds:.2f}") for s in result.steps)
            sections.append(Section("Steps", rows, table(("step", "", "seconds")), folded=False))
        in_the_way = tuple(row(inline(str(one)), code(one.query)) for one in result.preflight.failing[:MOST_FAILING])
        head = table(("what they make fail", "look at them"))
        sections.append(Section("Existing rows in the way", in_the_way, head, folded=False))
        notes = [f"- blocks: {inline(str(blocker))}" for blocker in result.blockers]
        notes += [f"- {inline(note)}" for note in result.notes]
        sections.append(Section("Notes", tuple(notes), folded=False))
    back = _way_back(result, command) if result else ""
    return page("\n\n".join((f"## {top}", *trouble(error))), [s for s in sections if s.rows], back, LIMIT)


def _facts(result: DeployResult) -> Iterator[str]:
    yield row("run", code(result.run_id))
    if result.applied:
        yield row("applied", "<br>".join(code(name) for name in result.applied))
        yield row("in one transaction", "yes" if result.atomic else "no")
    if result.backup_id:
        yield row("backup from before", code(result.backup_id))
    if result.rollback:
        lost = "" if result.rollback.lossless else " (with data loss)"
        yield row("way back", METHODS[result.rollback.method] + lost)
        if result.rollback.kept_database:
            yield row("kept beside it", code(result.rollback.kept_database))
        for stays in result.rollback.stays:
            yield row("stays", inline(stays))
    if result.plan and result.plan.release and result.plan.release.commit:
        yield row("version", code(result.plan.release.commit[:12]))
    yield row("downtime of the application", f"{result.downtime_seconds:.1f} s")


def _way_back(result: DeployResult, command: str) -> str:
    if result.outcome != "deployed":
        return ""
    return "**To take it back**, by this Action's `command: rollback`, or:\n\n" + fenced(
        f"{command} rollback --run {result.run_id}", "text"
    )


def of_status(top: str, found: StatusResult) -> str:
    """What is applied, and what is not as it should be."""
    rows = [row(meaning, code(name)) for key, meaning in STATUS for name in getattr(found, key)]
    rows += [row("❌ a run that died, and is not settled", code(run)) for run in found.interrupted]
    sections = [
        Section("", tuple(rows), table(("", "migration"))),
        Section("Notes", tuple(f"- {inline(warning)}" for warning in found.warnings), folded=False),
    ]
    return page(f"## {top}\n\n{len(found.applied)} applied.", [s for s in sections if s.rows], "", LIMIT)


def of_check(top: str, found: CheckResult) -> str:
    """All findings; what is not well first."""
    order = {"fail": 0, "warn": 1, "ok": 2}
    rows = tuple(
        row(MARKS[one.status], inline(one.name), inline(one.detail), inline(one.why), inline(one.fix))
        for one in sorted(found.checks, key=lambda one: order[one.status])
    )
    return page(f"## {top}", [Section("", rows, table(("", "check", "finding", "why", "fix")))], "", LIMIT)


def of_backup(top: str, made: BackupResult) -> str:
    """What was backed up, and how far it was proved."""
    rows = [
        row("backup", code(made.id)),
        row("proved by a test restore", "yes" if made.verified else "no"),
        row("tables", f"{made.tables:,}"),
        row("rows", f"{made.rows:,}"),
        row("size", size_text(made.bytes)),
        row("seconds", f"{made.seconds:.1f}"),
        *(row("removed, as no rule keeps it", code(name)) for name in made.pruned),
    ]
    return _facts_and_notes(top, rows, (*made.notes, *made.warnings))


def of_restore(top: str, result: RestoreResult) -> str:
    """What is live now, and where the former database is."""
    rows = [
        row("restored", code(result.restored)),
        row("into", code(result.database)),
        row("outage", f"{result.outage_seconds:.2f} s"),
        row("seconds", f"{result.seconds:.1f}"),
        row("emergency backup", code(result.emergency_backup or "")),
        row("the database from before", code(result.previous_database or "")),
        *(row("❌ differs", inline(difference)) for difference in result.validation.differences),
    ]
    return _facts_and_notes(top, rows, result.notes)


def of_rehearsal(top: str, found: Rehearsal) -> str:
    """What each statement did to the copy."""
    facts = [
        row("backup", code(found.backup)),
        row("restored in", f"{found.restore_seconds:.1f} s"),
        row("applied in", f"{found.seconds:.2f} s"),
        row("WAL", size_text(found.wal_bytes)),
    ]
    if found.failed:
        one = found.failed
        facts += [row("❌ failed", f"{code(one.file)}:{one.line} {inline(one.message)}"), row("fix", inline(one.help))]
    rows = tuple(
        row(
            f"{code(one.file)}:{one.line}",
            inline(one.kind),
            f"{one.seconds:.2f}",
            "<br>".join(f"{code(lock.relation)} {inline(lock.mode)}" for lock in one.locks[:MOST_IN_A_CELL]),
            " ".join(code(name) for name in one.rewrites[:MOST_IN_A_CELL]),
            " ".join(code(name) for name in one.scans[:MOST_IN_A_CELL]),
            size_text(one.wal_bytes or 0),
        )
        for one in found.statements[:MOST]
    )
    head = table(("where", "statement", "seconds", "locks", "rewrites", "reads in full", "WAL"))
    sections = [
        Section("", tuple(facts), table(("", ""))),
        Section("Statements", rows, head, folded=False, total=len(found.statements)),
        Section("Notes", tuple(f"- {inline(note)}" for note in found.notes), folded=False),
    ]
    return page(f"## {top}", [s for s in sections if s.rows], "", LIMIT)


def _facts_and_notes(top: str, rows: Sequence[str], notes: Sequence[str]) -> str:
    sections = [
        Section("", tuple(rows), table(("", ""))),
        Section("Notes", tuple(f"- {inline(note)}" for note in notes), folded=False),
    ]
    return page(f"## {top}", [s for s in sections if s.rows], "", LIMIT)


def of_failure(top: str, error: LocktenderError | None) -> str:
    """Where there is nothing but an error."""
    return "\n\n".join((f"## {top}", *trouble(error)))
