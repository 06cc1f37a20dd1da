"""The built pages as files: all there, all links lead somewhere, every notebook has outputs."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

from companion.book import workspace
from companion.book.pages import missing_pages, toc_pages

_ELSEWHERE = ("http:", "https:", "mailto:", "javascript:", "data:")


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attrs}
        self.ids.update(found[key] for key in ("id", "name") if key in found)
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag in ("script", "img", "iframe", "source") and "src" in found:
            self.loads.append(found["src"])
        if tag == "link" and found.get("rel") in ("stylesheet", "preload", "icon"):
            self.loads.append(found.get("href", ""))


@cache
def _parsed(path: Path) -> _Anchors:
    parser = _Anchors()
    parser.feed(path.read_text(encoding="utf-8"))
    return parser


def test_all_pages_of_the_contents_are_there(site: Path) -> None:
    assert missing_pages(site) == []
    assert (site / "index.html").exists()


@pytest.mark.parametrize("page", toc_pages())
def test_links_and_anchors_lead_somewhere(site: Path, page: str) -> None:
    path = site / f"{page}.html"
    dead = []
    for link in _parsed(path).links:
        if link.startswith(_ELSEWHERE) or link in ("", "#"):
            continue
        parts = urlsplit(link)
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        inside = target.suffix == ".html" and unquote(parts.fragment)
        if not target.exists() or (inside and inside not in _parsed(target).ids):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("page", toc_pages())
def test_nothing_is_loaded_from_elsewhere(site: Path, page: str) -> None:
    path = site / f"{page}.html"
    assert [url for url in _parsed(path).loads if url.startswith(("http:", "https:", "//"))] == []


@pytest.mark.parametrize("page", [p for p in toc_pages() if p.startswith("notebooks/")])
def test_notebook_pages_were_executed(page: str) -> None:
    out = workspace("demo") / f"{page}.ipynb"
    cells = [c for c in nbformat.read(out, as_version=4).cells if c.cell_type == "code"]
    assert cells
    assert all(cell.execution_count for cell in cells if cell.source.strip())


def test_no_page_names_a_folder_of_the_machine_that_built_it(site: Path) -> None:
    home = re.compile(re.escape(str(Path.home())) + r"/|" + re.escape(str(workspace("demo"))))
    texts = {page: (site / f"{page}.html").read_text(encoding="utf-8") for page in toc_pages()}
    assert [page for page, text in texts.items() if home.search(text)] == []
