"""What the documents type of Prisma, typed: from a database without a history to one that both tools share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from operations.adapters.postgres import PostgresDatabase
from operations.database_url import parse_database_url

from ..conftest import DEBIAN_BINARIES, Server
from ..locktender_process import Project
from ..terminal import at_a_terminal
from .command_line import Prisma
from .compare import write

pytestmark = [pytest.mark.prisma, pytest.mark.timeout(600)]

SCHEMA = 'datasource db {\n  provider = "postgresql"\n  url      = "postgresql://unused"\n}\n'
USERS = "model User {\n  id Int @id\n}\n"
NOTES = "model Note {\n  id   Int    @id\n  text String?\n}\n"
AS_TYPED = ("-c", "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])")


@dataclass
class Typist:
    """Types at a terminal in a project; ``left`` is what of the documents has not been typed yet."""

    project: Project
    prisma: Prisma
    database: PostgresDatabase
    left: list[str]

    def __call__(self, words: str, into: Path | None = None, **answers: str) -> str:
        """What is said to a command of the documents, which must end well; what it writes may go ``into`` a file."""
        self.left.remove(words)
        # Before Prisma 7 the option has another name, as the page says.
        typed = words.replace("--to-schema ", "--to-schema-datamodel ") + (f" > {into}" if into else "")
        command = ("env", "-i", *self.variables, "sh", "-c", typed)
        code, screen = at_a_terminal(*command, cwd=self.project.directory, answers=answers, python=AS_TYPED)
        print(screen)
        assert code == 0, f"{words}: exit {code}\n{screen}"
        return screen

    @property
    def variables(self) -> Sequence[str]:
        """Nothing else: Prisma looks at the environment for what may be a program that types."""
        place = self.project.directory
        told = self.prisma.variables(self.database, self.project.migrations)
        ours = {name: value for name, value in told.items() if os.environ.get(name) != value}
        ours |= {
            "PATH": f"{place}/node_modules/.bin:{os.environ['PATH']}",
            "HOME": str(place.parent),
            "TERM": "xterm",
            "NPM_CONFIG_UPDATE_NOTIFIER": "false",
            "PRISMA_MIGRATE_SKIP_GENERATE": "1",  # nothing is generated, and it would look for what does in the network
            "LOCKTENDER_PRISMA_DATAMODEL": str(place / "prisma" / "schema.prisma"),
        }
        return [f"{name}={value}" for name, value in ours.items()]


@pytest.fixture
def types(server15: Server, prisma: Prisma, tmp_path: Path, inline: list[str]) -> Typist:
    directory = tmp_path / "app"
    (directory / "prisma" / "migrations").mkdir(parents=True)
    (directory / "node_modules").symlink_to(prisma.directory / "node_modules")
    shutil.copy(prisma.directory / "prisma.config.mjs", directory)
    url = server15.url(server15.create())  # the engine in WebAssembly takes the NOT NULL of version 18 for impossible
    settings = {"client_bin": f'"{DEBIAN_BINARIES}"'}
    project = Project(directory, url, directory / "prisma" / "migrations", settings)
    return Typist(project, prisma, PostgresDatabase(parse_database_url(url)), list(inline))


def test_what_the_documents_type_of_prisma_does_what_they_say(types: Typist, inline: list[str]) -> None:
    project, schema = types.project, types.project.directory / "prisma" / "schema.prisma"
    schema.write_text(SCHEMA + USERS)
    types("prisma db push")
    (project.migrations / "0_init").mkdir()
    into = project.migrations / "0_init" / "migration.sql"
    types("npx prisma migrate diff --from-empty --to-schema prisma/schema.prisma --script", into=into)
    (project.migrations / "migration_lock.toml").write_text('provider = "postgresql"\n')
    assert project.run("deploy").exit_code == 5
    assert project.run("apply", "--baseline", "0_init").exit_code == 0
    assert "Database schema is up to date" in types("prisma migrate status")

    write(project.migrations, **{"1_notes": 'CREATE TABLE "Note" (id int PRIMARY KEY);\n'})
    assert "notes" in types("prisma migrate deploy")
    assert project.run("status").exit_code == 0

    with types.database.session() as session:
        session.execute('INSERT INTO "Note" VALUES (1)')
    types("prisma migrate reset", **{"Are you sure": "y"})
    with types.database.session() as session:
        assert session.rows('SELECT * FROM "Note"') == [], "as the guide says of it"

    schema.write_text(SCHEMA + USERS + NOTES)
    types("npx prisma migrate dev --create-only", **{"Enter a name": "text"})
    (made,) = project.migrations.glob("*_text")
    assert 'ADD COLUMN     "text"' in (made / "migration.sql").read_text()
    assert project.run("status").result["pending"] == [made.name]
    assert project.run("deploy").result["applied"] == [made.name]

    schema.write_text(SCHEMA + USERS + NOTES.replace("text", "more String?\n  text"))
    assert "Your database is now in sync" in types("prisma migrate dev", **{"Enter a name": "more"})
    status = project.run("status")
    assert (status.exit_code, status.result["applied"][-1].partition("_")[2]) == (0, "more")
    assert types.left == []
