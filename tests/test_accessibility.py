"""axe-core finds nothing grave: report, pages of the site, App Home as it is drawn; wide, on a phone, in dark."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from operations.reporting.rendering import html

from .axe import GRAVE, PHONE, WIDE, grave, seen
from .report_sample import sample
from .slack import samples
from .slack.drawing import page

ROOT = Path(__file__).resolve().parents[1]
POLICY = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
PAGES = ("README.md", "monitoring.md", "how-to/restore-drill.md", "rules/ban-drop-table.md")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report (it lets no script run, not even axe: that line is left out) and App Home."""
    into = tmp_path_factory.mktemp("pages")
    report = html(sample())
    assert POLICY in report
    (into / "report.html").write_text(report.replace(POLICY, ""))
    for name, width in (("home", WIDE), ("home-phone", PHONE)):
        (into / f"{name}.html").write_text(page({"home": samples.BOARDS["home"].view()}, width))
    return into


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of a few pages."""
    into = tmp_path_factory.mktemp("site")
    docs = into / "docs"
    for one in PAGES:
        (docs / one).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "docs" / one, docs / one)
    shutil.copytree(ROOT / "docs" / "pictures", docs / "pictures")
    for one in ("site.css", "site.js"):
        shutil.copy(ROOT / "docs" / one, docs)
    text = (ROOT / "mkdocs.yml").read_text().replace("docs/outward.py", str(ROOT / "docs" / "outward.py"))
    (into / "mkdocs.yml").write_text(text[: text.index("\nnav:")] + f"\nnav: {list(PAGES)}\n".replace("'", '"'))
    argv = [sys.executable, "-m", "mkdocs", "build", "-q", "-f", str(into / "mkdocs.yml"), "-d", str(into / "site")]
    subprocess.run(argv, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, timeout=240, check=True, capture_output=True)
    return into / "site"


@pytest.mark.parametrize("dark", [False, pytest.param(True, marks=pytest.mark.campaign)], ids=["light", "dark"])
def test_everybody_can_read_the_report_and_app_home(folder: Path, dark: bool) -> None:
    views = [("report.html", width) for width in (WIDE, PHONE)]
    if not dark:  # Slack's own colours
        views += [("home.html", WIDE), ("home-phone.html", PHONE)]
    found = seen(folder, views, dark=dark)
    assert grave(found) == []
    report = [one for one in found if one["page"] == "report.html"]  # App Home is no page of ours
    assert grave(report, (*GRAVE, "moderate")) == []


@pytest.mark.campaign
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_everybody_can_read_the_site(site: Path, dark: bool) -> None:
    names = ["index" if one == "README.md" else one.removesuffix(".md") for one in PAGES]
    found = seen(site, [(f"{name}.html", width) for name in names for width in (WIDE, PHONE)], dark=dark)
    assert grave(found, (*GRAVE, "moderate")) == []


def test_what_nobody_can_read_is_found(tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text(
        "<!doctype html><title>x</title><p style='color:#ddd;background:#fff'>pale<img src=x>"
    )
    rules = {rule for _, _, rule, _ in grave(seen(tmp_path, [("bad.html", WIDE)], dark=False))}
    assert {"color-contrast", "image-alt"} <= rules
