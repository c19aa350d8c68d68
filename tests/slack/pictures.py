"""``python -m tests.slack.pictures``: draw all messages and forms into docs/pictures/, in Chromium; look at them."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.slack import samples
from tests.slack.drawing import page

TARGET = Path(__file__).parents[2] / "docs" / "pictures"
SHEETS = {
    "status": ("status", "status_up_to_date", "status_unreachable", "check", "backups"),
    "approval": ("request_pending", "deploy_pending", "request_nasty", "reminder"),
    "states": ("request_planning", "request_running", "request_denied", "request_expired", "request_voided"),
    "results": ("progress", "result_done", "result_failed", "result_attention", "requester_told"),
    "lists": ("help", "history", "pending", "report", "notice", "which_environment"),
    "home": ("home",),
    "forms": ("form_restore", "form_deploy", "form_rollback", "form_freeze", "form_denial", "choose", "cannot"),
}  # fmt: skip
WIDTHS = {"": 700, "-phone": 390}


def draw(name: str, width: int, target: Path) -> None:
    made = {m: {"blocks": list(samples.MESSAGES[m].blocks)} for m in SHEETS[name] if m in samples.MESSAGES}
    made |= {m: samples.MODALS[m].view() for m in SHEETS[name] if m in samples.MODALS}
    made |= {m: samples.BOARDS[m].view() for m in SHEETS[name] if m in samples.BOARDS}
    with tempfile.TemporaryDirectory() as work:
        file = Path(work, "page.html")
        measure = "<script>document.title = 'high' + document.documentElement.scrollHeight</script>"
        file.write_text(page(made, width) + measure)
        found = re.search(r"<title>high(\d+)", chromium(work, width, 800, "--dump-dom", file.as_uri()))
        assert found
        chromium(work, width, int(found[1]), f"--screenshot={target}", file.as_uri())
    if shutil.which("pngquant"):  # a tenth of the size, and nothing that one would see
        subprocess.run(["pngquant", "--force", "--ext", ".png", "--quality", "60-90", str(target)], check=False)


def chromium(work: str, width: int, height: int, *arguments: str) -> str:
    program = shutil.which("chromium")
    assert program, "apt-get install chromium fonts-lato fonts-noto-color-emoji"
    return subprocess.run(
        [
            program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            f"--user-data-dir={work}/profile", f"--window-size={width},{height}", *arguments,
        ],
        capture_output=True, text=True, timeout=120, check=True,
    ).stdout  # fmt: skip


if __name__ == "__main__":
    TARGET.mkdir(exist_ok=True)
    for sheet in SHEETS:
        for suffix, pixels in WIDTHS.items():
            draw(sheet, pixels, TARGET / f"slack-{sheet}{suffix}.png")
            print(f"slack-{sheet}{suffix}.png")
