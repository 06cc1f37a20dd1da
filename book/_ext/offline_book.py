"""Sphinx extension: leave out what Jupyter Book adds for running code on servers.

Jupyter Book always loads ``sphinx_thebe``, even where it is switched off; its script names a CDN
and, with recent Sphinx, is written into each page twice, which browsers report as an error.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx


def _without_thebe(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    for kind in ("script_files", "css_files"):
        kept = [asset for asset in context.get(kind, []) if "thebe" not in _text(asset)]
        context[kind] = kept


def _text(asset: Any) -> str:
    attributes = getattr(asset, "attributes", None) or {}
    return f"{getattr(asset, 'filename', None) or asset} {attributes.get('body', '')}".lower()


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the hook; after every other extension has added its files."""
    app.connect("html-page-context", _without_thebe, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
