"""What the campaign found, a JSON file per kind of trial; ``python -m tests.campaign.report`` makes a page of it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .scale import scale

ROOT = Path(__file__).resolve().parents[2]
DIRECTORY = Path(os.environ.get("LOCKTENDER_CAMPAIGN_RESULTS", ROOT / ".cache" / "campaign"))


@dataclass
class Finding:
    """One kind of trial: how many were made and how each came out."""

    group: str
    name: str
    server: str
    trials: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)

    def add(self, outcome: str) -> None:
        self.trials += 1
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1


def save(finding: Finding, directory: Path = DIRECTORY) -> None:
    """Replace the record of this kind of trial."""
    directory.mkdir(parents=True, exist_ok=True)
    name = f"{finding.group}-{finding.name}-{finding.server}".replace(" ", "_").replace("/", "_")
    record = {**asdict(finding), "when": time.time(), "scale": scale(), "commit": _commit(), "machine": _machine()}
    (directory / f"{name}.json").write_text(json.dumps(record, indent=1, sort_keys=True))


def _commit() -> str:
    completed = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, timeout=10, check=False
    )
    return completed.stdout.strip() or "unknown"


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
