"""A backup brought back under another name, beside the live database, and compared with what it should be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from msgspec import Struct

from operations.backup_archive import archive_into
from operations.backup_restorable import quiet_logins, restored_differences
from operations.backups.manifest import CATALOG, Manifest
from operations.catalog import Catalog
from operations.catalog.properties import (
    DatabaseProperties,
    changed,
    create_statement,
    read_properties,
    restore_statements,
)
from operations.context import Context
from operations.dropping import drop_database
from operations.errors import ConnectionLost, DatabaseUnreachable, LocktenderError, RestoreFailed, StatementFailed
from operations.layout import backup_path
from operations.ports import Progress
from operations.quoting import identifier
from operations.swap import maintenance

PRESENT_SCHEMAS = ("public", "pg_catalog")
ANALYZE_FOR = 300.0
"""Seconds that the application may wait for better plans: then autovacuum is left to go on."""


class Validation(Struct, frozen=True):
    """Whether a restored database is what its manifest says, and each way in which it is not."""

    ok: bool
    differences: tuple[str, ...] = ()


def beside(context: Context, manifest: Manifest, name: str) -> Validation:
    """Restore a backup into a new database and compare it.

    It is complete but for the name: owner, privileges, settings and comment are those of the backup. Raises
    ``RestoreFailed`` where the backup cannot be restored; the new database is gone then, and nothing else touched.
    Whether there is room is for those to ask whom a person has told to restore: a way back tries.
    """
    with _gone_on_failure(context, name):
        _create(context, name, manifest)
        with quiet_logins(context, manifest, name):
            archive_into(context, manifest, name)
            _analyze(context, name)
            context.report(Progress("comparing the restored database"))
            differences = list(restored_differences(context, manifest, name))
        differences += _finish(context, name, manifest.properties)
    return Validation(not differences, tuple(differences))


def drop(context: Context, name: str) -> None:
    """Drop a database of ours with all its sessions; what fails here, a later run cleans up."""
    try:
        with maintenance(context, "clean up") as session:
            for (template,) in session.rows("SELECT datistemplate FROM pg_database WHERE datname = %s", (name,)):
                if template:
                    session.execute(f"ALTER DATABASE {identifier(name)} IS_TEMPLATE false")
            drop_database(session, name)
    except LocktenderError:
        return


def recorded_catalog(context: Context, manifest: Manifest) -> Catalog:
    """The schema as it was when the backup was taken; raises ``Tampered``."""
    return Catalog.from_json(
        json.loads(context.host.read(f"{backup_path(context.environment, manifest.id)}/{CATALOG}"))
    )


@contextmanager
def _gone_on_failure(context: Context, name: str) -> Iterator[None]:
    try:
        yield
    except StatementFailed as error:
        drop(context, name)
        raise RestoreFailed(f"The backup could not be restored: {error.message}. Nothing was changed.") from error
    except BaseException:
        drop(context, name)
        raise


def _create(context: Context, name: str, manifest: Manifest) -> None:
    with maintenance(context, "restore") as session:
        session.execute(create_statement(name, manifest.properties))
    schemas = {
        identity: json.loads(text)["schema"]
        for identity, text in recorded_catalog(context, manifest).objects.items()
        if identity.startswith("extension ")
    }
    with context.database.session(name, purpose="restore") as session:
        defaults: dict[str, str] = dict(
            session.rows("SELECT name, default_version FROM pg_catalog.pg_available_extensions")
        )
        for extension, version in manifest.extensions.items():
            schema = schemas.get(f"extension {extension}", schemas.get(f"extension {identifier(extension)}"))
            # The dump would create the default version, whichever that is by now.
            if defaults.get(extension, version) != version and schema in PRESENT_SCHEMAS:
                session.execute(
                    f"CREATE EXTENSION IF NOT EXISTS {identifier(extension)} SCHEMA {identifier(schema)}"
                    f" VERSION {identifier(version)}"
                )


def _analyze(context: Context, name: str) -> None:
    """A dump lacks the planner's statistics: the first queries after the swap would run by bad plans, for minutes."""
    context.report(Progress("gathering statistics for the planner"))
    lacking = suppress(StatementFailed, ConnectionLost, DatabaseUnreachable)
    with lacking, context.database.session(name, purpose="restore") as session:  # nobody else uses it afterwards
        session.execute(f"SET statement_timeout TO '{ANALYZE_FOR:.0f}s'")
        session.execute("ANALYZE")


def _finish(context: Context, name: str, properties: DatabaseProperties) -> Iterator[str]:
    """Put back what the dump leaves out; yields how the outcome differs from the original."""
    with maintenance(context, "restore") as session:
        for statement in restore_statements(name, properties):
            session.execute(statement)
        found = read_properties(session, name)
    for property in changed(properties, found):
        was, now = getattr(properties, property), getattr(found, property)
        yield f"database {property}: {was} in the backup, {now} after the restore"
