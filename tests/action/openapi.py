"""GitHub's official OpenAPI description, by which the stand-in judges every request it gets.

It comes from the npm package ``@octokit/openapi`` into the project's cache, cut down to the paths that are used.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from jsonschema import Draft202012Validator

PACKAGE = "@octokit/openapi"
VERSION = "23.0.2"
GENERATION = 4
"""Changes with how it is cut down."""
CACHE = Path(__file__).resolve().parents[2] / ".cache" / "github-openapi"
MEMBER = "package/generated/api.github.com.json"
REPOSITORY = "/repos/{owner}/{repo}"
USED = (
    "/issues/{issue_number}/comments", "/issues/comments/{comment_id}", "/pulls/{pull_number}",
    "/pulls/{pull_number}/files", "/pulls/{pull_number}/comments", "/pulls/{pull_number}/reviews", "/check-runs",
    "/check-runs/{check_run_id}", "/commits/{ref}/check-runs", "/commits/{ref}", "/deployments",
    "/deployments/{deployment_id}", "/deployments/{deployment_id}/statuses", "/git/trees/{tree_sha}",
    "/git/blobs/{file_sha}", "/git/commits/{commit_sha}", "/compare/{basehead}", "/issues/{issue_number}", "",
    "/installation", "/actions/runs/{run_id}", "/actions/runs/{run_id}/deployment_protection_rule",
)  # fmt: skip
ELSEWHERE = (
    "/app/installations/{installation_id}/access_tokens", "/app/hook/deliveries",
    "/app/hook/deliveries/{delivery_id}/attempts",
)  # fmt: skip
NO_BODY = ("GET", "DELETE")
DROPPED = ("description", "example", "examples", "x-github", "externalDocs")


class DescriptionMissing(Exception):
    """The package cannot be had here."""


@dataclass(frozen=True)
class Operation:
    """A path and method as described. ``path`` is the template."""

    method: str
    path: str
    parameters: tuple[Mapping[str, Any], ...]
    body: Mapping[str, Any] | None
    names: Mapping[str, str]
    """The path's own values in this request."""


@cache
def description() -> dict[str, Any]:
    """The paths that are used, with all references resolved. Raises ``DescriptionMissing``."""
    cut = CACHE / f"{VERSION}-{GENERATION}.json"
    if not cut.exists():
        whole = _fetched()
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=CACHE, delete=False) as file:
            json.dump(_cut(whole), file)
        Path(file.name).replace(cut)
    found: dict[str, Any] = json.loads(cut.read_text())
    return found


def _fetched() -> dict[str, Any]:
    if not shutil.which("npm"):
        raise DescriptionMissing("npm")
    with tempfile.TemporaryDirectory() as directory:
        for attempt in range(3):
            done = subprocess.run(
                ["npm", "pack", "--silent", f"{PACKAGE}@{VERSION}"],
                cwd=directory, capture_output=True, text=True, timeout=240, check=False,
            )  # fmt: skip
            if done.returncode == 0:
                break
            if attempt == 2:
                raise DescriptionMissing(f"{PACKAGE} ({done.stderr.strip()[-300:]})")
        with tarfile.open(next(Path(directory).glob("*.tgz"))) as archive:
            member = archive.extractfile(MEMBER)
            assert member
            found: dict[str, Any] = json.load(member)
    return found


def _cut(whole: Mapping[str, Any]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for path in (*(REPOSITORY + tail for tail in USED), *ELSEWHERE):
        paths[path] = {
            method: {
                "parameters": [_resolved(whole, one) for one in operation.get("parameters", ())],
                "body": _resolved(whole, _body(operation)),
            }
            for method, operation in whole["paths"][path].items()
        }
    return {"paths": paths}


def _body(operation: Mapping[str, Any]) -> Any:
    return operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")


def _resolved(whole: Mapping[str, Any], part: Any) -> Any:
    if isinstance(part, list):
        return [_resolved(whole, one) for one in part]
    if not isinstance(part, Mapping):
        return part
    if "$ref" in part:
        target: Any = whole
        for step in part["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return _resolved(whole, target)
    found = {key: _resolved(whole, one) for key, one in part.items() if key not in (*DROPPED, "properties")}
    if isinstance(part.get("properties"), Mapping):  # their names may be any, also those of what is dropped
        found["properties"] = {name: _resolved(whole, one) for name, one in part["properties"].items()}
    if found.pop("nullable", False) is True and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    if isinstance(found.get("properties"), Mapping) and "additionalProperties" not in found:
        found["additionalProperties"] = False
    return found


def operation(method: str, path: str) -> Operation | None:
    """What the description calls this request."""
    found: list[tuple[int, str, re.Match[str]]] = []
    for template in description()["paths"]:
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template)
        if match := re.fullmatch(pattern, path):
            found.append((template.count("{"), template, match))
    if not found:
        return None
    _, template, match = min(found, key=lambda one: one[:2])
    described = description()["paths"][template].get(method.lower())
    if described is None:
        return None
    names = {key: unquote(value) for key, value in match.groupdict().items()}
    return Operation(method, template, tuple(described["parameters"]), described["body"], names)


def complaints(method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Iterator[str]:
    """All that GitHub's description has against a request."""
    parts = urlsplit(target)
    found = operation(method, parts.path)
    if found is None:
        yield f"{method} {parts.path} is no request that GitHub describes"
        return
    known = {one["name"]: one for one in found.parameters if one["in"] == "query"}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in known:
            yield f"{method} {parts.path} takes no parameter {name}"
        else:
            yield from _of_value(name, value, known[name]["schema"])
    for one in found.parameters:
        if one["in"] == "path" and one["name"] in found.names:
            yield from _of_value(one["name"], found.names[one["name"]], one["schema"])
    yield from _of_body(found, body, headers)


def _of_value(name: str, text: str, schema: Mapping[str, Any]) -> Iterator[str]:
    value: Any = text
    if schema.get("type") == "integer":
        value = int(text) if text.isdigit() else text
    elif schema.get("type") == "boolean":
        value = {"true": True, "false": False}.get(text, text)
    yield from (f"{name}: {error.message}" for error in Draft202012Validator(schema).iter_errors(value))


def _of_body(found: Operation, body: bytes, headers: Mapping[str, str]) -> Iterator[str]:
    if found.method in NO_BODY or not (found.body or body):
        return
    if "json" not in headers.get("Content-Type", ""):
        yield "the body is not sent as JSON"
    if found.body is None:
        return
    for error in Draft202012Validator(found.body).iter_errors(json.loads(body)):
        yield f"{found.method} {found.path}: {'.'.join(map(str, error.absolute_path))}: {error.message}"
