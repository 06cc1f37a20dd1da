"""Sphinx extension: numbers of the data cards and the scorecard, so that no page types a number.

The role ``{card}`` writes one figure as text: ``demo.n_conditions`` comes from the demo data as
built here, ``ecoli.network.pairs`` from ``results/ecoli/card.json``, which ``aligned data card
ecoli --out …`` writes (``human_tf`` likewise). Counts get thousands separators, shares become
percentages. The directive ``{scorecard}`` is every verdict on the tables under ``results/``. An
unknown key fails the build.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

from aligned import data as datasets
from aligned._assets import asset
from companion.claims import committed_card, page_markdown


@cache
def _card(name: str) -> dict[str, Any]:
    if name == "demo":
        return dict(datasets.load("demo").card)
    found: dict[str, Any] = json.loads(
        asset(f"results/{name}/card.json").read_text(encoding="utf-8")
    )
    return found


def _readable(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.1%}"


def figure(key: str) -> str:
    """A figure of a data card by its dotted key, e.g. ``ecoli.network.pairs``, as it is read."""
    name, *inner = key.split(".")
    try:
        value: Any = _card(name)
        for step in inner:
            value = value[step]
    except (KeyError, TypeError, FileNotFoundError) as error:
        raise KeyError(f"no data card has {key!r}") from error
    return _readable(value)


class CardRole(SphinxRole):
    """``{card}`ecoli.network.pairs```: one figure of a data card."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """The figure as a text node, or an error that names the key."""
        try:
            return [nodes.Text(figure(self.text))], []
        except KeyError as error:
            return [], [self.inliner.reporter.error(error.args[0], line=self.lineno)]


class ScorecardDirective(SphinxDirective):
    """``{scorecard}``: the verdicts at a glance, then every claim with figures and reasons."""

    def run(self) -> list[nodes.Node]:
        """The page's Markdown, read as if it stood here."""
        lines = page_markdown(committed_card()).splitlines()
        page = self.state_machine.node  # sections go here, so what stands before them must too
        self.state.nested_parse(StringList(lines, "scorecard"), 0, page, match_titles=True)
        return []


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the role and the directive."""
    app.add_role("card", CardRole())
    app.add_directive("scorecard", ScorecardDirective)
    return {"version": "2", "parallel_read_safe": True, "parallel_write_safe": True}
