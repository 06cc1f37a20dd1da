"""Sphinx extension: titles are text, in every template and in the search.

Sphinx's own pages escape a heading, but themes write the titles of site and page as they are, and
the search shows headings as HTML. A report carries a title that came from a reader's file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from markupsafe import escape
from sphinx.application import Sphinx

_TITLES = (
    "author",
    "copyright",
    "docstitle",
    "page_description",
    "pagetitle",
    "project",
    "root_title",
    "shorttitle",
)


def _escape_titles(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    for key in _TITLES:
        if context.get(key):
            context[key] = escape(context[key])


def _escape_search(app: Sphinx, error: Exception | None) -> None:
    index = Path(app.outdir) / "searchindex.js"
    if error is not None or not index.is_file():
        return
    start, end = "Search.setIndex(", ")"
    found = json.loads(index.read_text(encoding="utf-8").removeprefix(start).removesuffix(end))
    found["alltitles"] = {str(escape(title)): at for title, at in found["alltitles"].items()}
    index.write_text(f"{start}{json.dumps(found)}{end}", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the hooks; after themes have filled in their own titles."""
    app.connect("html-page-context", _escape_titles, priority=900)
    app.connect("build-finished", _escape_search)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
