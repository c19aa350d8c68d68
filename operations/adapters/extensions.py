"""Extensions of the trial server: those that a plain role may create, and stand-ins for two that it lacks.

By PostgreSQL 18's ``extension_control_path``: there, control files of our own come before the server's.
"""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

SINCE = 18
HARMLESS = ("vector", "earthdistance")
"""Types and functions only; their makers may not have marked them as trusted."""
STAND_INS = {"uuid-ossp": "1.1", "pgcrypto": "1.3"}
STANDS_IN = "a stand-in with the same names"


def prepare(share: Path, target: Path) -> str:
    """Write control files and scripts below ``target``; returns the setting's value. ``share``: the server's own."""
    folder = target / "extension"
    folder.mkdir(parents=True)
    there = share / "extension"
    for name in HARMLESS:
        control = there / f"{name}.control"
        if control.exists():
            for file in there.glob(f"{name}--*.sql"):
                shutil.copy(file, folder)
            (folder / control.name).write_text(f"{control.read_text()}\ntrusted = true\n")
    ours = resources.files("operations.adapters") / "extension_scripts"
    for name, version in STAND_INS.items():
        if not (there / f"{name}.control").exists():
            script = f"{name}--{version}.sql"
            (folder / script).write_text((ours / script).read_text(encoding="utf-8"))
            (folder / f"{name}.control").write_text(
                f"comment = '{STANDS_IN}'\ndefault_version = '{version}'\nrelocatable = true\ntrusted = true\n"
            )
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return f"{target}:$system"
