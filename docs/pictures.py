"""Takes pictures/ anew, with Chromium: ``.venv/bin/python docs/pictures.py``. Look at them afterwards."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from operations.reporting.rendering import html  # noqa: E402
from tests.report_sample import sample  # noqa: E402

PICTURES = Path(__file__).with_name("pictures")
PHONE = (
    "<body style='margin:0;background:#888'><iframe src='report.html' width=390 height=4200 style='border:0'></iframe>"
)
DARK = ["--blink-settings=preferredColorScheme=0"]
VIEWS: dict[str, tuple[str, str, list[str]]] = {
    "report-desktop": ("report.html", "1280,3600", []),
    "report-dark": ("report.html", "1280,3600", DARK),
    "report-phone": ("phone.html", "500,4200", []),
}
"""The page, width and height of the window, and what else Chromium is told. It makes no window as narrow as a phone."""


def main() -> None:
    """Each view of the sample report."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("Chromium is not installed.")
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "report.html").write_text(html(sample()), encoding="utf-8")
        Path(directory, "phone.html").write_text(PHONE, encoding="utf-8")
        for name, (page, window, more) in VIEWS.items():
            to = f"--screenshot={PICTURES / name}.png"
            argv = [browser, "--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={window}", *more, to]
            subprocess.run([*argv, Path(directory, page).as_uri()], check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    main()
