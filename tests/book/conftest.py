"""The built demo book, and a browser to read it with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from companion.book import workspace
from companion.book.pages import missing_pages

_QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


@pytest.fixture(scope="session")
def site() -> Path:
    """Folder of the demo book; `make test` builds it first."""
    html = workspace("demo") / "html"
    missing = missing_pages(html)
    if missing:
        pytest.fail(f"the demo book lacks {missing[0]}; run `aligned book` before these tests")
    return html


def _chromium() -> str | None:
    named = os.environ.get("ALIGNED_CHROMIUM")
    places = [named] if named else ["chromium", "chromium-browser", "google-chrome"]
    return next((found for found in map(shutil.which, places) if found), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium; absent on a machine without one, and then its tests skip."""
    path = _chromium()
    if path is None:
        pytest.skip("no Chromium here: apt-get install chromium, or set ALIGNED_CHROMIUM")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=_QUIET)
        yield chromium
        chromium.close()
