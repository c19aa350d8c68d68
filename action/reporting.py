"""The commands that only tell: ``report``, as a page to keep, and ``rehearse``."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from action import run_summary
from action.job import Job, Outcome, answered
from action.redaction import redacted
from operations.agreement import LEDGER
from operations.context import Context
from operations.errors import UsageError
from operations.ledger import Ledger
from operations.secret import Secret
from operations.settings_secrets import secrets_of_url

REPORT = "locktender-report.html"


def report(job: Job, context: Context) -> Outcome:
    """The page lies in the project's directory, for a later step to keep; the summary has the same without charts."""
    from operations.report import report as tell
    from operations.reporting.rendering import html, markdown

    with ExitStack() as opened:
        told = redacted(tell(context, partial(_ledger, job, opened)), job.log.secrets)
    _write(job.directory / REPORT, html(told))
    path = str(Path(job.inputs.working_directory) / REPORT)
    job.log.say(f"The report is in {path}.")
    return answered(job, context, told, True, "written", markdown(told), {"report-path": path})


def _ledger(job: Job, opened: ExitStack) -> Ledger | None:
    """``None`` where nothing says where it is."""
    url = job.environ.get(LEDGER)
    if not url:
        return None
    job.log.hide(secrets_of_url(Secret(url)))
    return opened.enter_context(job.means.ledger(Secret(url)))


def _write(path: Path, text: str) -> None:
    """Through no link that may be there."""
    try:
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.", hint="Is there a checkout?") from error


def rehearse(job: Job, context: Context) -> Outcome:
    """The pending migrations on a restored copy: exit 1 where one fails there."""
    from operations.rehearse import rehearse as perform

    found = redacted(perform(context, job.inputs.backup_id or "latest"), job.log.secrets)
    if found.failed:
        job.log.say(f"{found.failed.file}:{found.failed.line}:{found.failed.column} {found.failed.message}")
    count = len(found.pending)
    said = "went well" if found.ok else "failed"
    top = f"{'✅' if found.ok else '❌'} Rehearsal of {count} pending migration{'s' * (count != 1)} {said}"
    outputs = {"pending": json.dumps(list(found.pending), ensure_ascii=False), "backup-id": found.backup}
    summary = run_summary.of_rehearsal(f"{top} ({context.environment.name})", found)
    return answered(job, context, found, found.ok, "passed" if found.ok else "failed", summary, outputs)
