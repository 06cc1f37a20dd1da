"""The figures of the data card, which a role of the book's reads from the cards themselves."""

from __future__ import annotations

import importlib.util
import json
import re
from types import ModuleType

import pytest

from aligned._assets import asset
from aligned.data import load


@pytest.fixture(scope="module")
def cards() -> ModuleType:
    """The extension `book/_ext/cards.py`, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("cards", asset("book/_ext/cards.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_figure_that_the_page_asks_for_is_on_its_card(cards: ModuleType) -> None:
    asked = re.findall(r"\{card\}`([^`]+)`", asset("book/data_card.md").read_text())
    assert len(asked) == 65
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
