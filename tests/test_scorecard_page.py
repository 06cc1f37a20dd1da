"""The scorecard's page shows every committed verdict, with its figure, in the paper's order."""

from __future__ import annotations

import pandas as pd
import pytest

from companion.claims import ANALYSES, committed_card, page_markdown, scorecard
from companion.claims.card import COLUMNS


def test_the_committed_card_holds_every_folder_of_tables_once() -> None:
    from aligned._assets import asset

    card = committed_card()
    folders = [
        path.parent
        for path in asset("results").glob("*/*/run.json")
        if path.parent.name in ANALYSES
    ]
    assert sum(len(scorecard(folder)) for folder in folders) == len(card)
    numbers = card["claim"].str.extract(r"(\d+)")[0].astype(int)
    assert numbers.is_monotonic_increasing
    assert list(card.columns) == COLUMNS


def test_the_page_counts_verdicts_and_gives_figures_and_reasons() -> None:
    rows = [
        ("C2", "s two", "p", 0.5, 0.4, 0.6, "ecoli", "partly", "because of this"),
        ("C2", "s two", "p", float("nan"), float("nan"), float("nan"), "random", "partly", "else"),
        ("C10", "s ten", "q", 1.0, 0.9, 1.1, "ecoli", "reproduced", "so it is"),
    ]
    text = page_markdown(pd.DataFrame(rows, columns=COLUMNS))
    assert "*E. coli*: 1 reproduced, 1 partly; random networks: 1 partly." in text
    assert "| C10 | s ten | **reproduced** |  |" in text
    assert (
        "***E. coli*: partly.** Published: p. Here: 0.500 [0.400, 0.600]. Because of this." in text
    )
    assert "Here: no figure. Else." in text


def test_a_row_that_is_no_claim_is_named() -> None:
    from companion.claims import page

    with pytest.raises(ValueError, match="'X1' is no claim"):
        page._number("X1")
