"""What a pull request changes in the migrations folder, and what of it must not be. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from operations.migrations.model import in_bytes
from operations.migrations.prisma_folder import DOWN, LOCK, PROVIDERS, SCRIPT, provider_of, usual_name
from operations.rules.model import Finding
from operations.validation.findings import of_file
from operations.validation.folders import Entry, Folder
from operations.validation.model import Changes


def changes(base: Folder, head: Folder, ancestor: Folder | None = None) -> Changes:
    """Head against base. ``ancestor``: where both came from, if known; what base has changed since is no change."""
    since = ancestor or base
    gone = [name for name in base.migrations if name not in head.migrations and name in since.migrations]
    added = [name for name in head.migrations if name not in base.migrations]
    renamed = dict(_renamed(base, head, gone, added))
    new = [name for name in added if name not in renamed.values()]
    last = max(map(in_bytes, base.migrations), default=b"")
    return Changes(
        new=tuple(new),
        edited=tuple(name for name in base.migrations if _edited(name, base, head, since)),
        deleted=tuple(name for name in gone if name not in renamed),
        renamed=renamed,
        late=tuple(name for name in new if in_bytes(name) < last),
    )


def untried(base: Folder, head: Folder, ancestor: Folder | None = None) -> Iterator[str]:
    """What is changed and not tried, as notes: ways back from what has landed begin where nobody is any more."""
    since = ancestor or base
    for name in head.migrations.keys() & base.migrations.keys():
        down, before = head.migrations[name].down, since.migrations.get(name)
        if down is not None and down not in (base.migrations[name].down, before and before.down):
            yield f"{name}/{DOWN} was not tried: {name} has landed. A rollback compares all before it commits."


def findings(base: Folder | None, head: Folder, found: Changes) -> Iterator[Finding]:
    """What is wrong with the changes; of what has not changed nothing is said."""
    for name in found.edited:
        yield of_file(
            "edited-after-landing", "error", f"{name}/{SCRIPT}",
            f"{name} has landed already, and its script is another one now. Databases that ran it will not run it "
            "again, and those that did not get another schema.",
            "Put the file back as it was, and write what is to change into a new migration.",
        )  # fmt: skip
    for name in found.deleted:
        yield of_file(
            "deleted-migration", "error", f"{name}/{SCRIPT}",
            f"{name} has landed already and is deleted here. Databases that ran it keep what it did.",
            "Put the directory back; undo what it did by a new migration.",
        )  # fmt: skip
    for old, new in (found.renamed or {}).items():
        yield of_file(
            "renamed-migration", "error", f"{new}/{SCRIPT}",
            f"{old} has landed already and is called {new} here. Databases that ran it would run it again.",
            f"Call the directory {old} again.",
        )  # fmt: skip
    for name in found.late:
        yield of_file(
            "late-migration", "warning", f"{name}/{SCRIPT}",
            f"{name} sorts before {_last(base)}, which has landed already: a new database runs it earlier than "
            "production does.",
            "Rename the directory so that its time is later than that of all that have landed.",
        )  # fmt: skip
    yield from _lock_file(base, head)
    for name in found.new:
        yield from _of_new(head.migrations[name], head)
    yield from _of_files(base, head)


def _renamed(base: Folder, head: Folder, gone: list[str], added: list[str]) -> Iterator[tuple[str, str]]:
    free = list(added)
    for old in gone:
        script = base.migrations[old].script
        if not script or not script.strip():
            continue
        new = next((name for name in free if head.migrations[name].same_as(base.migrations[old])), None)
        if new:
            free.remove(new)
            yield old, new


def _edited(name: str, base: Folder, head: Folder, since: Folder) -> bool:
    mine, landed = head.migrations.get(name), base.migrations[name]
    if mine is None or mine.same_as(landed):
        return False
    before = since.migrations.get(name)
    return before is None or not mine.same_as(before)


def _last(base: Folder | None) -> str:
    return max(base.migrations, key=in_bytes) if base and base.migrations else "others"


def _lock_file(base: Folder | None, head: Folder) -> Iterator[Finding]:
    provider = provider_of(head.lock) if head.lock is not None else None
    if provider is not None and provider not in PROVIDERS:
        yield of_file(
            "provider-changed", "error", LOCK,
            f"{LOCK} names the provider {provider!r}; these migrations are PostgreSQL's.",
            'Put provider = "postgresql" back. Migrations of another database need a folder of their own.',
        )  # fmt: skip
    elif head.lock is not None and provider is None and base and base.lock and provider_of(base.lock):
        yield of_file(
            "provider-changed", "error", LOCK, f"{LOCK} names no provider any more.",
            'Put provider = "postgresql" back: Prisma tells by it which database the migrations are for.',
        )  # fmt: skip
    elif base and base.lock is not None and head.lock is None:
        yield of_file(
            "lock-file-deleted", "warning", LOCK, f"{LOCK} is deleted here.",
            "Put it back: Prisma tells by it which database the migrations are for.",
        )  # fmt: skip


def _of_new(entry: Entry, head: Folder) -> Iterator[Finding]:
    file = f"{entry.name}/{SCRIPT}"
    if entry.script is None and file not in head.links and file not in head.too_large:
        yield of_file(
            "missing-script", "error", file, f"{entry.name} has no {SCRIPT} (P3015).",
            "Add the file, or remove the directory.",
        )  # fmt: skip
    if not usual_name(entry.name):
        yield of_file(
            "odd-name", "note", file,
            f"{entry.name!r} is named otherwise than Prisma does: 14 digits of date and time, _, a name.",
            "Prisma applies it, sorted by the bytes of its name. Rename it before it lands if that is not its place.",
        )  # fmt: skip


def _of_files(base: Folder | None, head: Folder) -> Iterator[Finding]:
    known = frozenset(base.links) if base else frozenset()
    for path in head.links:
        if path not in known:
            yield of_file(
                "symbolic-link", "error", path, f"{path!r} is a symbolic link, which was not followed.",
                "Commit the file itself.",
            )  # fmt: skip
    for path, size in head.too_large.items():
        if base is None or path not in base.too_large:
            yield of_file(
                "too-large", "error", path, f"{path!r} is {size / 1e6:.0f} MB large and was not read.",
                "Load data by another way than a migration, or divide the file.",
            )  # fmt: skip
    for path in head.loose:
        if base is None or path not in base.loose:
            yield of_file(
                "loose-file", "warning", path, f"{path!r} lies in no directory of its own, so it is never applied.",
                f"Move it to NAME/{SCRIPT}.",
            )  # fmt: skip
    if head.unread > (base.unread if base else 0):
        yield of_file(
            "too-many-files", "error", ".", f"{head.unread} files of the folder were not read.",
            "Keep in the migrations folder only migrations.",
        )  # fmt: skip
