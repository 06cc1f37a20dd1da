"""Sphinx extension: data cards and scorecard as substitutions, so that no page types a number.

``{{ demo.n_conditions }}`` comes from the demo data as built here, ``{{ ecoli.network.pairs }}``
from ``results/ecoli/card.json``, which ``aligned data card ecoli --out …`` writes (``human_tf``
likewise). Counts get thousands separators, shares become percentages. ``{{ scorecard }}`` is every
verdict on the tables under ``results/``. An unknown key fails the build.
"""

from __future__ import annotations

import json
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

from aligned import data as datasets
from aligned._assets import asset
from companion.claims import committed_card, page_markdown


def _readable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _readable(inner) for key, inner in value.items()}
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:.1%}"


def _add_cards(app: Sphinx, config: Config) -> None:
    cards = {"demo": datasets.load("demo").card}
    for name in ("ecoli", "human_tf"):
        cards[name] = json.loads(asset(f"results/{name}/card.json").read_text(encoding="utf-8"))
    config.myst_substitutions = {
        **config.myst_substitutions,
        **_readable(cards),
        "scorecard": page_markdown(committed_card()),
    }


def setup(app: Sphinx) -> dict[str, Any]:
    """Register before MyST reads its settings."""
    app.connect("config-inited", _add_cards)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
