"""The documents as a site: built strictly, every link leads somewhere, nothing is loaded from elsewhere."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[1]
LOADED = re.compile(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"?([^\"\s>]+)|<link\b[^>]*\bhref=\"?([^\"\s>]+)")
IN_STYLES = re.compile(r"url\((?!data:)[\"']?([^)\"']+)")


def built(configuration: Path, into: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(configuration), "-d", str(into)],
        capture_output=True,
        text=True,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("site")
    done = built(ROOT / "mkdocs.yml", into)
    assert done.returncode == 0, done.stdout + done.stderr
    return into


def test_every_page_is_in_the_site(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.md")}
    assert len(pages) > 60
    for page in pages:
        name = page.with_name("index") if page.name == "README" else page
        assert (site / name).with_suffix(".html").exists(), page


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    loaded = {url for page in pages for found in LOADED.findall(page.read_text()) for url in found if url}
    loaded |= {url for style in site.rglob("*.css") for url in IN_STYLES.findall(style.read_text())}
    assert any(url.endswith(".js") for url in loaded)
    assert [url for url in loaded if re.match(r"(\w+:)?//", url)] == []


def test_notes_to_the_tests_are_not_in_the_site(site: Path) -> None:
    assert "<!-- unseen" in (ROOT / "docs" / "guide.md").read_text()
    assert "unseen" not in (site / "guide.html").read_text()


def test_a_broken_link_fails_the_build(tmp_path: Path) -> None:
    (tmp_path / "docs" / "rules").mkdir(parents=True)
    (tmp_path / "docs" / "README.md").write_text("# Home\n\n[One](nowhere.md), [two](README.md#no-such-place).\n")
    text = (ROOT / "mkdocs.yml").read_text().replace("docs/outward.py", str(ROOT / "docs" / "outward.py"))
    (tmp_path / "mkdocs.yml").write_text(text[: text.index("\nnav:")] + "\nnav: [README.md]\n")
    done = built(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert done.returncode != 0
    assert "'nowhere.md'" in done.stdout + done.stderr
    assert "#no-such-place'" in done.stdout + done.stderr


def test_a_broken_link_that_leads_out_of_the_documents_fails_it_too() -> None:
    spec = importlib.util.spec_from_file_location("outward", ROOT / "docs" / "outward.py")
    assert spec
    assert spec.loader
    outward = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(outward)
    page = SimpleNamespace(file=SimpleNamespace(src_uri="how-to/page.md"))
    shop = outward.on_page_markdown("[shop](../../examples/shop#x) [here](../guide.md)", page)
    assert shop == "[shop](https://github.com/locktender/locktender/tree/main/examples/shop#x) [here](../guide.md)"
    with pytest.raises(FileNotFoundError, match="nowhere"):
        outward.on_page_markdown("[lost](../../nowhere.toml)", page)
