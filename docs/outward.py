"""Hooks of mkdocs: what the documents link to beside themselves is at the repository; notes to the tests are left out.

https://www.mkdocs.org/user-guide/configuration/#hooks
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
REPOSITORY = "https://github.com/locktender/locktender/{kind}/main/{path}"
LINK = re.compile(r"\]\((\.\./[^)#\s]*)(#[^)]*)?\)")
COMMENT = re.compile(r"^<!--.*?-->\n", re.MULTILINE | re.DOTALL)


def on_config(config: Any) -> Any:
    """List the rules' pages, of which there is one each."""
    pages = sorted(f"rules/{path.name}" for path in (ROOT / "docs" / "rules").glob("*.md") if path.stem != "README")
    config["nav"] = _listed(config["nav"], pages)
    return config


def _listed(nav: Any, pages: list[str]) -> Any:
    if isinstance(nav, dict):
        return {title: _listed(inner, pages) for title, inner in nav.items()}
    if isinstance(nav, list):
        return pages if nav == ["rules/*.md"] else [_listed(inner, pages) for inner in nav]
    return nav


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The text with links that lead out of ``docs/`` made whole; raises ``FileNotFoundError`` for a broken one."""
    here = posixpath.dirname(page.file.src_uri)

    def outward(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join("docs", here, found[1]))
        if path.startswith("docs/"):
            return found[0]
        target = ROOT / path
        if not target.exists():
            raise FileNotFoundError(f"{page.file.src_uri}: {found[1]}")
        kind = "tree" if target.is_dir() else "blob"
        return f"]({REPOSITORY.format(kind=kind, path=path)}{found[2] or ''})"

    return LINK.sub(outward, COMMENT.sub("", markdown))


def on_post_page(output: str, **_: Any) -> str:
    """The theme's search gets a name for who cannot see it."""
    search = 'data-md-component="search" role="dialog"'
    return output.replace(search, f'{search} aria-label="Search"')
