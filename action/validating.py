"""``validate``: compare, try out, and tell it where people look."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from action.annotations import gravest
from action.checkout import checked_out
from action.commands import Level
from action.comment import LIMIT, Place, comment, marker, summary, title
from action.configured import asked, opened, within
from action.ends import Ends, ends, file_at, tree_at
from action.escaping import inline, plain
from action.job import Compared, Job, Outcome, caught
from action.platform import Conclusion, Platform, Told
from action.redaction import redacted
from action.suggestions import suggested
from action.telling import Sticky, put_check_run, put_comment, put_suggestions
from action.verdict import headline, lines
from operations.answer import as_json
from operations.answer import redacted as without_secrets
from operations.errors import ExitCode, LocktenderError
from operations.settings import Environment
from operations.settings_secrets import secrets_of
from operations.validation.commits import blobs
from operations.validation.folders import Tree, folder_of
from operations.validation.from_database import Live, look
from operations.validation.model import Validation

CHECK = "Locktender"
LEVELS: dict[str, Level] = {"error": "error", "warning": "warning", "note": "notice"}
LONGEST_KEY = 150
"""Characters; a longer one is told by its digest."""
MOST_OF_CHECK = 65_000
"""Bytes of a check run's summary; GitHub takes 65 535."""


def validate(job: Job) -> Outcome:
    """A finding that reaches ``fail-on`` is exit 1; whatever can be told on GitHub is told in any case."""
    with job.log.group("What is compared with what"):
        compared, _, error = caught(lambda: _compared(job))
    validation = None
    if compared:
        with job.log.group("Trying the new migrations"):
            validation, _, error = caught(lambda: redacted(job.means.validate(job, compared), job.log.secrets))
    place = _place(job, compared.path if compared else "")
    if validation is None:
        assert error is not None  # noqa: S101 - the one or the other
        return _failed(job, place, error)
    _log(job, validation)
    _tell(job, validation, place)
    return _outcome(job, validation, place)


def _compared(job: Job) -> Compared:
    here = checked_out(job.workspace)
    found = ends(job.event, job.inputs.base_ref, here, job.objects)
    wanted = asked(job, found.base)
    path = wanted.folder
    head = _head(job, found, path, here)
    known = blobs(head)
    base = tree_at(job.objects, found.base, path, known)
    ancestor = tree_at(job.objects, found.ancestor, path, known | blobs(base)) if found.ancestor else None
    job.log.say(f"{path}: {len(head.files)} files, compared with {len(base.files)} at {found.base}")
    live = _looked_at(job, wanted.live, head) if wanted.live else Live()
    notes = (*found.notes, *_configuration_changed(job, found.base), *live.notes)
    return Compared(path, head, base, ancestor, wanted.levels, wanted.schema, live.rows, notes)


def _looked_at(job: Job, chosen: Environment, head: Tree) -> Live:
    """What of it may be told: not where it is, as everybody may read a comment."""
    job.log.hide(secrets_of(chosen))
    try:
        with opened(job, chosen) as context:
            live = look(context.database, folder_of(head))
    except LocktenderError as error:
        live = Live(trouble=error)
    if live.trouble and not live.rows:
        return Live(notes=(f"The database of {chosen.name} was not looked at ({live.trouble.code}).",))
    return live


def _head(job: Job, found: Ends, path: str, here: str) -> Tree:
    """The workspace, where that is what is asked about; else the files as data."""
    if found.head:
        return tree_at(job.objects, found.head, path, _known(job, path))
    if not here and not (job.workspace / path).exists():
        return tree_at(job.objects, job.event.sha, path, {})
    return job.means.folder(job.workspace / path, job.workspace)


def _known(job: Job, path: str) -> Mapping[str, bytes]:
    """What the workspace holds already need not be fetched."""
    try:
        return blobs(job.means.folder(job.workspace / path, job.workspace))
    except LocktenderError:
        return {}


def _configuration_changed(job: Job, base: str) -> tuple[str, ...]:
    """Said, because it has no effect before it is merged."""
    config = within(job.inputs.working_directory, job.inputs.config)
    path = job.workspace / config
    if path.is_symlink() or not path.is_file() or job.event.name != "pull_request":
        return ()
    if path.read_bytes() == file_at(job.objects, base, config):
        return ()
    return (f"{config} is changed here. What counts is the one of the base, until this is merged.",)


def _place(job: Job, folder: str) -> Place:
    event = job.event
    return Place(
        repository=event.repository,
        head_sha=event.head_sha,
        folder=folder,
        server_url=event.server_url,
        run_url=event.run_url,
        environment=job.inputs.environment,
        directory=f"{job.inputs.working_directory} {job.inputs.migrations}".rstrip(),
        name=job.inputs.name,
    )


def _log(job: Job, validation: Validation) -> None:
    log = job.log
    with log.group(f"Migrations ({len(lines(validation))})"):
        log.say(*(f"{one.name}: {one.change}; atomic: {one.atomic or '?'} {one.reason}" for one in lines(validation)))
    with log.group(f"Findings ({len(validation.findings)})"):
        for one in validation.findings:
            log.say(f"{one.severity} {one.rule} {one.file}:{one.line}:{one.column} {one.message}", f"  {one.help}")
    if validation.notes:
        with log.group(f"Not looked at ({len(validation.notes)})"):
            log.say(*validation.notes)
    log.say(headline(validation))


def _tell(job: Job, validation: Validation, place: Place) -> None:
    event, sleep = job.event, job.means.sleep
    if event.pull and job.inputs.comment:
        body = f"{marker(place)}\n{_said(job, comment(validation, place))}"
        _put_comment(job, Sticky(event.pull.number, event.head_sha, marker(place), body[:LIMIT]))
        if any(finding.suggestion is not None for finding in validation.findings):
            job.tell("suggested changes", lambda github: _suggest(job, github, validation, place))
    told = Told(plain(headline(validation)), _short(job, validation, place), _conclusion(validation), event.run_url)
    marks = gravest(validation.findings, place)
    written = job.inputs.check_run and job.tell(
        "check run",
        lambda github: put_check_run(github, event.head_sha, _check_name(job), _key(job), told, marks, sleep),
        "What it would say is below.",
    )
    if not written:
        for finding in validation.findings:
            text = f"{finding.message}\nHow to fix: {finding.help}" if finding.help else finding.message
            where = {"file": place.path(finding.file), "line": finding.line, "col": finding.column}
            job.log.annotate(LEVELS[finding.severity], text, title=finding.rule, **where)


def _put_comment(job: Job, sticky: Sticky) -> None:
    current = job.tell(
        "comment", lambda github: put_comment(github, sticky, job.means.sleep), "The summary of the run says it all."
    )
    if current is False:
        job.log.say("The pull request has a newer commit: its comment is left to the run for that.")


def _suggest(job: Job, github: Platform, validation: Validation, place: Place) -> int:
    pull = job.event.pull
    assert pull is not None  # noqa: S101 - asked by the caller
    suggestions = suggested(validation.findings, place, github.patches(pull.number))
    return put_suggestions(github, pull.number, pull.head_sha, suggestions, job.means.sleep)


def _check_name(job: Job) -> str:
    """Told apart where a repository has several projects or environments, since each can be required."""
    inputs = job.inputs
    named = (inputs.environment, inputs.working_directory, inputs.migrations, inputs.name)
    parts = [part for part in named if part not in ("", ".")]
    return f"{CHECK} ({', '.join(parts)})" if parts else CHECK


def _key(job: Job) -> str:
    inputs = job.inputs
    where = f"{inputs.environment or 'default'} {inputs.working_directory} {inputs.migrations} {inputs.name}".rstrip()
    digest = hashlib.sha256(where.encode(errors="replace")).hexdigest()[:16]
    return f"locktender {job.event.key} {where if len(where) <= LONGEST_KEY else digest}"


def _said(job: Job, text: str) -> str:
    """A comment without its marker, in which nothing may be redacted: by it the comment is found again."""
    return job.log.clean(text.partition("\n")[2])


def _short(job: Job, validation: Validation, place: Place) -> str:
    """The comment, in as many bytes as a check run takes; a character has four at most."""
    text = ""
    for width in (1, 2, 3, 4):
        text = _said(job, comment(validation, place, MOST_OF_CHECK // width))
        if len(text.encode()) <= MOST_OF_CHECK:
            break
    return text.encode()[:MOST_OF_CHECK].decode(errors="ignore")


def _conclusion(validation: Validation) -> Conclusion:
    if not validation.ok:
        return "failure"
    serious = any(finding.severity == "error" for finding in validation.findings)
    return "neutral" if serious else "success"


def _outcome(job: Job, validation: Validation, place: Place) -> Outcome:
    if not validation.ok:
        job.log.annotate("error", headline(validation), title=CHECK)
    return Outcome(
        outcome="passed" if validation.ok else "failed",
        exit_code=ExitCode.DONE if validation.ok else ExitCode.NO,
        result=validation,
        environment=job.inputs.environment,
        summary=summary(validation, place),
        outputs={
            "findings": json.dumps(as_json(validation.findings), ensure_ascii=False),
            "pending": json.dumps(list(validation.changes.new), ensure_ascii=False),
        },
    )


def _failed(job: Job, place: Place, error: LocktenderError) -> Outcome:
    """It could not be validated: said in the same places, so that no older verdict stays in sight."""
    error = without_secrets(error, job.log.secrets)
    top = "❌ The migrations could not be validated"
    job.log.annotate("error", error.message, title=CHECK)
    job.log.say(*([f"next: {error.hint}"] if error.hint else []), f"[{error.code}; exit {int(error.exit_code)}]")
    text = "\n\n".join((inline(error.message), f"**Next:** {inline(error.hint)}" if error.hint else ""))
    event = job.event
    if event.pull and job.inputs.comment:
        body = f"{marker(place)}\n### {title(place)}: {top}\n\n{text}"
        _put_comment(job, Sticky(event.pull.number, event.head_sha, marker(place), body))
    if job.inputs.check_run:
        told = Told(top, text or top, "failure", event.run_url)
        sleep = job.means.sleep
        job.tell(
            "check run",
            lambda github: put_check_run(github, event.head_sha, _check_name(job), _key(job), told, (), sleep),
        )
    return Outcome(
        "failed", error.exit_code, None, error, job.inputs.environment, f"## {title(place)}: {top}\n\n{text}"
    )
