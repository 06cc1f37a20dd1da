"""The figures of the data card and the scorecard, which the book's own role and directive read."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

from aligned._assets import asset
from aligned.data import load


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The extension `book/_ext/cards.py`, which is no part of the package."""
    monkeypatch.syspath_prepend(str(asset("book/_ext")))
    import cards

    monkeypatch.delitem(sys.modules, "cards")
    return cards


def test_every_figure_that_the_page_asks_for_is_on_its_card(cards: ModuleType) -> None:
    asked = re.findall(r"\{card\}`([^`]+)`", asset("book/data_card.md").read_text())
    assert {key.split(".")[0] for key in asked} == {"demo", "ecoli", "human_tf"}
    assert all(re.search(r"\d", cards.figure(key)) for key in asked)
    ecoli = json.loads(asset("results/ecoli/card.json").read_text())
    assert cards.figure("ecoli.network.pairs") == format(ecoli["network"]["pairs"], ",")
    share = load("demo").card["changed_share"]
    assert cards.figure("demo.changed_share") == f"{100 * share:.1f}%"


@pytest.mark.parametrize("key", ["demo.none", "none.pairs", "ecoli.network.pairs.more", ""])
def test_a_figure_that_no_card_has_is_named(cards: ModuleType, key: str) -> None:
    with pytest.raises(KeyError, match=re.escape(f"no data card has {key!r}")):
        cards.figure(key)


def test_a_page_holds_figures_and_verdicts_in_order(cards: ModuleType, tmp_path: Path) -> None:
    page = "# Page\n\n{card}`ecoli.network.pairs` pairs, {card}`demo.none`\n\n```{scorecard}\n```\n"
    (tmp_path / "index.md").write_text(page)
    said = io.StringIO()
    with docutils_namespace():
        app = Sphinx(
            tmp_path,
            None,
            tmp_path / "out",
            tmp_path / "trees",
            "text",
            {"extensions": ["myst_parser", "cards"]},
            status=None,
            warning=said,
        )
        app.build()
    text = (tmp_path / "out" / "index.txt").read_text()
    places = [text.index(f"{cards.figure('ecoli.network.pairs')} pairs")]
    places += [text.index(words) for words in ("Verdicts so far", "C1 all conditions: 42", "C16: ")]
    assert places == sorted(places)
    assert "no data card has 'demo.none'" in said.getvalue()
    assert len(said.getvalue().splitlines()) == 1
