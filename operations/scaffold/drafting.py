"""The files that a project gets, rendered from ``templates/``. Pure, but for reading those."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from operations.scaffold.model import Answers, Draft, Project
from operations.scaffold.package_scripts import with_scripts

TEMPLATES = Path(__file__).with_name("templates")
CONFIGURATION = "locktender.toml"
COMPOSE = "compose.locktender.yaml"
MANIFEST = "slack-manifest.yaml"
WORKFLOWS = ".github/workflows/locktender-{}.yml"
ON_A_SERVER = ("deploy", "backup", "monitor", "report")
"""Workflows that want a server: a runner of GitHub's is gone after the job, with its disk."""
SCRIPTS = {
    "prisma:migrate:prod": "locktender apply",
    "prisma:status": "locktender status",
    "prisma:rollback": "locktender rollback",
    "migration:check": "locktender check",
    "migration:deploy": "locktender deploy",
    "migration:backup": "locktender backup create",
    "migration:monitor": """sh -c 'exec locktender monitor "${@:-check}"' --""",
    "migration:restore": "locktender restore",
}
"""What is typed after the name is added by npm: ``npm run migration:monitor -- continuous``."""


def drafts(project: Project, answers: Answers, package: bytes | None) -> Iterator[Draft]:
    """All that was asked for; ``package`` is the project's ``package.json``."""
    facts = _facts(project, answers)
    yield Draft(CONFIGURATION, _rendered("locktender.toml.j2", facts))
    if answers.workflows:
        yield from workflows(facts)
    if project.compose and (project.compose.services or project.compose.database_service):
        yield Draft(COMPOSE, _rendered("compose.yaml.j2", facts))
    if answers.slack:
        yield Draft(MANIFEST, _rendered("slack-manifest.yaml.j2", facts))
    if answers.scripts:
        yield Draft("deploy.sh", _rendered("deploy.sh.j2", facts), executable=True)
        if package is not None:
            text = with_scripts(package.decode("utf-8"), SCRIPTS)
            yield Draft("package.json", text, extends=package)


def other_scripts(package: bytes) -> Mapping[str, str]:
    """Scripts of the same names that do something else, and are left as they are."""
    had = json.loads(package.decode("utf-8")).get("scripts", {})
    return {name: had[name] for name in SCRIPTS if name in had and had[name] != SCRIPTS[name]}


def workflows(facts: Mapping[str, Any]) -> Iterator[Draft]:
    """From the repository's top they are found where GitHub looks for them."""
    up = "../" * len([part for part in facts["subdirectory"].split("/") if part])
    for name in ("pull-request", *(ON_A_SERVER if facts["host"] else ())):
        yield Draft(up + WORKFLOWS.format(name), _rendered(f"workflows/{name}.yml.j2", facts))


def _facts(project: Project, answers: Answers) -> dict[str, Any]:
    compose = project.compose
    return {
        "environment": answers.environment,
        "host": answers.host,
        "user": answers.user,
        "migrations": project.prisma.migrations,
        "backup_dir": answers.backup_dir,
        "app_directory": answers.app_directory,
        "health_url": answers.health_url,
        "compose": compose if compose and compose.services else None,
        "compose_file": compose,
        "name": project.name,
        "branch": project.git.branch,
        "subdirectory": project.git.subdirectory,
        "start": answers.start,
        "example": False,
    }


@cache
def _templates() -> Environment:
    """GitHub writes its expressions as ``${{ … }}``, so ours are written otherwise. What is written is no HTML."""
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701
    )
    templates.filters.update(quoted=quoted, plain=plain)
    return templates


def _rendered(template: str, facts: Mapping[str, Any]) -> str:
    return _templates().get_template(template).render(facts)


def quoted(value: object) -> str:
    """A text, or a list of texts, as TOML and YAML both read it."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(quoted(one) for one in value)}]"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def plain(value: str) -> str:
    """A text for YAML, without quotes where it is read as the same text."""
    simple = re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_./-]*", value) is not None
    return value if simple and yaml.safe_load(value) == value else quoted(value)
