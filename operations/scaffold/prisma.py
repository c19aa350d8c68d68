"""Where a project keeps its Prisma schema and migrations, and which Prisma it uses.

Places: https://www.prisma.io/docs/orm/reference/prisma-config-reference and .../prisma-schema/overview/location.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from operations.errors import HostError, UsageError
from operations.ports import Files
from operations.scaffold.model import Prisma

DEPTH = 4
"""Directories below the project in which a schema is looked for, as monorepos have them."""
PASSED_OVER = frozenset({"node_modules", "dist", "build", "vendor", "coverage", "test", "tests"})
CONFIGS = ("prisma.config.ts", "prisma.config.mts", "prisma.config.js", "prisma.config.mjs")
LOCK_FILES = {
    "package-lock.json": "npm",
    "pnpm-lock.yaml": "pnpm",
    "yarn.lock": "yarn",
    "bun.lock": "bun",
    "bun.lockb": "bun",
}
VERSION = r"(\d+\.\d+\.\d+[0-9A-Za-z.+-]*)"
IN_LOCK = {
    "package-lock.json": rf'"node_modules/prisma":\s*\{{\s*"version":\s*"{VERSION}"',
    "pnpm-lock.yaml": rf"^  /?'?prisma[@/]{VERSION}",
    "yarn.lock": rf'^"?prisma@[^\n]*:\n\s+version:? "?{VERSION}',
    "bun.lock": rf'"prisma":\s*\["prisma@{VERSION}"',
}
POSTGRES = ("postgresql", "postgres")


def found(files: Files, directory: str, migrations: str | None) -> Prisma:
    """What there is; ``migrations`` is the folder where the person has named it.

    Raises ``UsageError`` for another database than PostgreSQL, for a Prisma whose format is another one, and where
    there are several schemas.
    """
    schema = _schema(files, directory, migrations)
    folder = migrations or _configured(files, directory, "migrations") or _beside(schema)
    provider = _provider(files, directory, folder, schema)
    if provider and provider not in POSTGRES:
        raise UsageError(
            f"{schema or folder} is for {provider}, and Locktender for PostgreSQL.",
            hint="Name the right folder with --migrations.",
        )
    version = _version(files, directory, schema or folder)
    if version and int(version.partition(".")[0]) >= 8:
        raise UsageError(
            f"This project uses Prisma {version}, which keeps migrations in another format.",
            hint="Locktender works with Prisma 2 to 7.",
        )
    return Prisma(folder, schema, provider, version)


def text_of(files: Files, path: str) -> str | None:
    """A file's text; ``None`` where there is none that can be read."""
    try:
        return files.read(path).decode("utf-8-sig")
    except (HostError, UnicodeDecodeError):
        return None


def package_of(files: Files, directory: str) -> dict[str, Any]:
    """``package.json``; empty where there is none."""
    try:
        package = json.loads(text_of(files, f"{directory}/package.json") or "{}")
    except ValueError:
        return {}
    return package if isinstance(package, dict) else {}


def package_manager(files: Files, directory: str, top: str | None) -> str | None:
    """As ``package.json`` says, or the lock file of the project or of the repository around it."""
    named = package_of(files, directory).get("packageManager")
    if isinstance(named, str) and named.partition("@")[0] in LOCK_FILES.values():
        return named.partition("@")[0]
    for place in filter(None, (directory, top)):
        for name in files.list(place):
            if name in LOCK_FILES:
                return LOCK_FILES[name]
    return None


def _schema(files: Files, directory: str, migrations: str | None) -> str | None:
    """A file, or a directory of several."""
    package = package_of(files, directory).get("prisma")
    named = _configured(files, directory, "schema") or (package.get("schema") if isinstance(package, dict) else None)
    usual = [f"{PurePosixPath(migrations).parent}/schema.prisma"] if migrations else []
    for path in (named, *usual, "prisma/schema.prisma", "schema.prisma", "prisma/schema"):
        if path and files.exists(f"{directory}/{path}"):
            return str(PurePosixPath(path))
    below = sorted(_below(files, directory, PurePosixPath(), DEPTH))
    if len(below) > 1 and not migrations:
        raise UsageError(
            f"There are {len(below)} Prisma schemas: {', '.join(below[:5])}.",
            hint="Name the folder of one with --migrations, or call it in the directory of one.",
        )
    return below[0] if len(below) == 1 else None


def _below(files: Files, directory: str, at: PurePosixPath, depth: int) -> Iterator[str]:
    for name in files.list(str(PurePosixPath(directory) / at)):
        if name == "schema.prisma":
            yield str(at / name)
        elif name.endswith("/") and depth and not name.startswith(".") and name[:-1] not in PASSED_OVER:
            yield from _below(files, directory, at / name[:-1], depth - 1)


def _configured(files: Files, directory: str, what: str) -> str | None:
    """From ``prisma.config``, as far as it can be told without running it."""
    key = r"schema" if what == "schema" else r"migrations\s*:\s*\{[^}]*?\bpath"
    text = next(filter(None, (text_of(files, f"{directory}/{name}") for name in CONFIGS)), "")
    told = re.search(rf"\b{key}\s*:\s*(path\.join\([^)\n]*\)|[\"'][^\"'\n]+[\"'])", text)
    if told is None:
        return None
    return str(PurePosixPath(*re.findall(r"[\"']([^\"']+)[\"']", told[1])))


def _beside(schema: str | None) -> str:
    """Beside the schema file; with several files, in the directory around them or beside it."""
    return str((PurePosixPath(schema).parent if schema else PurePosixPath("prisma")) / "migrations")


def _provider(files: Files, directory: str, migrations: str, schema: str | None) -> str | None:
    texts = [text_of(files, f"{directory}/{migrations}/migration_lock.toml")]
    if schema and schema.endswith(".prisma"):
        texts.append(re.sub(r"//[^\n]*", "", text_of(files, f"{directory}/{schema}") or ""))
    elif schema:
        names = [name for name in files.list(f"{directory}/{schema}") if name.endswith(".prisma")]
        texts += [text_of(files, f"{directory}/{schema}/{name}") for name in names]
    for text in filter(None, texts):
        block = re.search(r"datasource\s+\w+\s*\{(.*?)\}", text, re.DOTALL)
        told = re.search(r"^\s*provider\s*=\s*\"(\w+)\"", block[1] if block else text, re.MULTILINE)
        if told and (block or "generator" not in text):
            return told[1]
    return None


def _version(files: Files, directory: str, near: str) -> str | None:
    """What is installed, else what is locked, else what is wanted; of the schema's own package first."""
    parents = [str(parent) for parent in PurePosixPath(near).parents]
    places = [str(PurePosixPath(directory) / parent) for parent in parents]
    installed = [package_of(files, f"{place}/node_modules/prisma").get("version") for place in places]
    locked = [_locked(files, place) for place in places]
    wanted = [_wanted(package_of(files, place)) for place in places]
    version = next((one for one in (*installed, *locked, *wanted) if one), None)
    return version if isinstance(version, str) and version[:1].isdigit() else None


def _locked(files: Files, place: str) -> str | None:
    for name, pattern in IN_LOCK.items():
        if told := re.search(pattern, text_of(files, f"{place}/{name}") or "", re.MULTILINE):
            return told[1]
    return None


def _wanted(package: dict[str, Any]) -> str | None:
    for group in ("devDependencies", "dependencies"):
        wanted = package.get(group)
        if isinstance(wanted, dict) and (told := re.search(r"\d+(?:\.\d+)*", str(wanted.get("prisma", "")))):
            return told[0]
    return None
