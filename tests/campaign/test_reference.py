"""The examples of every verb in docs/reference.md, which is generated from the verbs: typed, one after the other."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from operations.adapters.ledger import PostgresLedger
from operations.approvals.model import Freeze
from operations.secret import Secret

from ..conftest import Server, missing
from ..documents.beginning import SHOP, beginning
from ..documents.shell import Shell, warmed
from ..documents.snippets import PAGES, ROOT, snippets
from ..ledgers import ADA

pytestmark = [pytest.mark.campaign, pytest.mark.timeout(1800)]

REFERENCE = ROOT / "docs" / "reference.md"
CONFIGURATION = """\
[environments.production]
database_url = "env:DATABASE_URL"
migrations = "prisma/migrations"
backup_dir = "/srv/backups/app"
"""
ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")
"""Of whatever was prepared for a verb: ``$ID`` in the shell."""
FOLDERS = f"{SHOP}/prisma/migrations"
BEFORE = {
    "status": "export DATABASE_URL=postgresql://app:secret@localhost:5432/app",
    "validate": "git worktree add -q --detach ../main",
    "rehearse": "locktender apply -q --to 20240122141500_categories && "
    "ID=$(locktender backup create --json | jq -r .result.id)",
    "monitor check": "mkdir -p /var/lib/node_exporter",
    "apply": f"cp -r {FOLDERS}/20240514* prisma/migrations",
    "rollback": f"""
        cp -r {FOLDERS}/20240603* prisma/migrations && ID=$(locktender deploy --json | jq -r .result.run_id) &&
        mkdir prisma/migrations/2025 && echo 'SELECT 1;' > prisma/migrations/2025/migration.sql && locktender deploy -q
        """,
    "resolve": """
        psql -q $DATABASE_URL -c "DELETE FROM _prisma_migrations WHERE migration_name = '20240108093000_init'" -c "
            INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES (1, 2, '20240603081500_newsletter')"
        """,
    "restore": "ID=$(locktender backup list --json | jq -r '.result.backups[0].id')",
    "audit verify": "locktender audit verify --json | jq -r .result.head > head.txt",
    "start": r"mkdir bin && printf '#!/bin/sh\n' | tee bin/node > bin/npm && chmod +x bin/* && PATH=$PWD/bin:$PATH",
    "completion": "mkdir -p ~/.local/share/bash-completion/completions ~/.zfunc ~/.config/fish/completions",
}
NOT_ZERO = {"status": (1,), "check": (0, 1), "monitor check": (0, 1)}


@pytest.fixture
def typed(server18: Server, ledger: PostgresLedger, ledger_url: Secret, tmp_path: Path) -> Iterator[Shell]:
    if shutil.which("jq") is None:
        missing("jq")
    ledger.freeze(Freeze("staging", ADA, "so that the audit log has an entry", 0.0))
    with warmed(tmp_path / "warm") as programs, beginning(tmp_path, server18, programs) as made:
        made.put("locktender.toml", CONFIGURATION)
        made.run(f"set -o pipefail; export LOCKTENDER_LEDGER_URL={ledger_url.reveal()}")
        yield made


def examples() -> Iterator[tuple[str, str]]:
    """Verb and command."""
    text = REFERENCE.read_text().splitlines()
    for snippet in snippets(REFERENCE):
        heading = next(line for line in reversed(text[: snippet.line]) if line.startswith("### "))
        yield from ((heading.strip("# "), one.typed) for one in snippet.commands)


def test_every_example_of_the_reference_can_be_typed(typed: Shell) -> None:
    elsewhere = {one.typed for page in PAGES for block in snippets(page) if block.run_by for one in block.commands}
    before = dict(BEFORE)
    for verb, command in examples():
        code, said = typed.run(before.pop(verb, ":"))
        assert code == 0, f"before {verb}: exit {code}\n" + "\n".join(said)
        if command in elsewhere:  # of an application in Docker
            continue
        run = typed.run_until_it_speaks if verb == "monitor continuous" else typed.run
        code, said = run(ID.sub("$ID", command))
        assert code in NOT_ZERO.get(verb, (0,)), f"{verb}: $ {command}: exit {code}\n" + "\n".join(said)
    assert before == {}
