"""Every page in a real browser: it opens, it shows its formulas, and nothing leaves the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from companion.book.pages import toc_pages

PAGES = [*toc_pages(), "genindex", "search"]


@pytest.mark.parametrize("page", PAGES)
def test_page_opens_offline_and_without_errors(browser: Any, site: Path, page: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    asked: list[str] = []
    faults: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("requestfailed", lambda request: faults.append(f"failed: {request.url}"))
    tab.on("pageerror", lambda error: faults.append(f"error: {error}"))
    tab.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)

    tab.goto((site / f"{page}.html").as_uri())
    if tab.query_selector(".math"):
        tab.wait_for_selector("mjx-container", timeout=20_000)
    tab.evaluate("document.fonts.ready.then(() => true)")
    headings = tab.locator("h1").all_text_contents()
    formulas_broken = tab.locator("mjx-merror").count()
    blind = "[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
    images_broken = tab.evaluate(blind)
    spill = tab.evaluate("document.scrollingElement.scrollWidth - window.innerWidth")
    context.close()

    outside = [url for url in asked if not url.startswith(("file://", "data:", "blob:"))]
    assert outside == []
    assert faults == []
    assert any(heading.strip() for heading in headings)
    assert formulas_broken == 0
    assert images_broken == []
    assert spill <= 0, f"{page} is {spill} pixels wider than the window"


def test_search_finds_a_word_of_the_glossary(browser: Any, site: Path) -> None:
    tab = browser.new_page()
    tab.goto((site / "search.html").as_uri() + "?q=regulon")
    tab.wait_for_selector("#search-results li a", timeout=20_000)
    assert "lossary" in tab.inner_text("#search-results")
    tab.close()
