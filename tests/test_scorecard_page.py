"""The scorecard's page shows every committed verdict, with its figure, in the paper's order."""

from __future__ import annotations

import pandas as pd
import pytest

import companion.claims as claims
from companion.claims import ANALYSES, COLUMNS, committed_card, page_markdown, scorecard


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
        ("C2", "s two", "p", 0.5, 0.4, 0.6, "ecoli", "undecided", "because of this"),
        ("C2", "s two", "p", float("nan"), float("nan"), float("nan"), "random", "not run", "else"),
        ("C10", "s ten", "q", 1.0, 0.9, 1.1, "ecoli", "supported", "so it is"),
    ]
    text = page_markdown(pd.DataFrame(rows, columns=COLUMNS))
    assert "*E. coli*: 1 supported, 1 undecided; random networks: 1 not run." in text
    assert "| C10 | s ten | **supported** |  |" in text
    assert (
        "***E. coli*: undecided.** Published: p. Here: 0.500 [0.400, 0.600]. Because of this."
        in text
    )
    assert "Here: no figure. Else." in text
    assert "3 verdicts are given at once, 1 of them *supported* or *contradicted*" in text
    assert "so about 0.0 of these 1 may be wrong" in text
    assert "The paper's own figures, which have no interval, get" in text


def test_a_row_that_is_no_claim_is_named() -> None:
    with pytest.raises(ValueError, match="'X1' is no claim"):
        claims._number("X1")
