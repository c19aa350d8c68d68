"""``python -m tests.slack.golden``: write the golden files anew; look at the difference before you commit it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.slack import samples

GOLDEN = Path(__file__).parents[1] / "golden" / "slack"

if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    made = {name: {"text": m.text, "blocks": list(m.blocks)} for name, m in samples.MESSAGES.items()}
    made |= {name: modal.view() for name, modal in samples.MODALS.items()}
    made |= {name: board.view() for name, board in samples.BOARDS.items()}
    for name, part in made.items():
        (GOLDEN / f"{name}.json").write_text(json.dumps(part, ensure_ascii=False, indent=1) + "\n")
