"""C9-C12: the verdict follows the interval, and is the same for the same tables."""

from __future__ import annotations

import pandas as pd
import pytest

from aligned.experiments.ablations import FULL, PAPER_FORM, AblationTables
from aligned.scorecard import scorecard
from aligned.scorecard.ablations import published_ablation

CLEAR, NOTHING, SMALL = (-0.2, -0.1), (-0.1, 0.1), (-0.01, 0.01)

LOSS = [(CLEAR, "reproduced"), (NOTHING, "not reproduced")]


def tables(changes, used=None) -> AblationTables:
    """Tables with these intervals: (variant, against, metric, score) -> (low, high)."""
    keys = ["variant", "against", "metric", "score"]
    rows = [
        {**dict(zip(keys, key, strict=True)), "group": "g", "difference": sum(ends) / 2,
         "low": ends[0], "high": ends[1]}
        for key, ends in changes.items()
    ]  # fmt: skip
    shares = {FULL: (0.2, 0.3), **(used or {})}
    trust = [
        {"variant": v, "quantity": "cells that use symbols", "value": sum(e) / 2,
         "low": e[0], "high": e[1]}
        for v, e in shares.items()
    ]  # fmt: skip
    columns = [*keys, "group", "difference", "low", "high"]
    return AblationTables(pd.DataFrame(), pd.DataFrame(rows, columns=columns), pd.DataFrame(trust))


def verdict(claim: str, made: AblationTables, edition: str = "ecoli") -> pd.Series:
    return scorecard({edition: made}).set_index("claim").loc[claim]


RANDOM = ("random network", "network", "f_d", "integrated")


@pytest.mark.parametrize(
    ("change", "used", "expected"),
    [
        (SMALL, (0.0, 0.1), "reproduced"),
        (SMALL, (0.2, 0.3), "partly"),
        (NOTHING, (0.2, 0.3), "partly"),
        (CLEAR, (0.0, 0.1), "not reproduced"),
        ((0.1, 0.2), (0.2, 0.3), "not reproduced"),
    ],
)
def test_c9_asks_for_equal_accuracy_and_for_symbols_let_go(change, used, expected) -> None:
    row = verdict("C9", tables({RANDOM: change}, {"random network": used}))
    assert row["verdict"] == expected
    assert "with the true network in 25.0% [20.0%, 30.0%]" in row["reason"]


@pytest.mark.parametrize("score", ["neural", "integrated"])
@pytest.mark.parametrize(
    ("change", "expected"), [(CLEAR, "reproduced"), (NOTHING, "not reproduced")]
)
def test_c10_needs_a_certain_loss_of_knowledge(score, change, expected) -> None:
    made = tables({("no Inc", FULL, "f_k", score): change})
    assert verdict(f"C10 {score}", made)["verdict"] == expected


@pytest.mark.parametrize(
    ("change", "used", "expected"),
    [
        (CLEAR, (0.4, 0.5), "reproduced"),
        (NOTHING, (0.4, 0.5), "partly"),
        (CLEAR, (0.25, 0.35), "not reproduced"),
    ],
)
def test_c11_needs_more_symbols_and_a_loss(change, used, expected) -> None:
    made = tables({("no length", FULL, "f_d", "integrated"): change}, {"no length": used})
    assert verdict("C11", made)["verdict"] == expected
    form = "symbols anywhere, no length"
    made = tables(
        {(form, PAPER_FORM, "f_d", "integrated"): change}, {PAPER_FORM: (0.2, 0.3), form: used}
    )
    assert verdict("C11 paper's form", made)["verdict"] == expected


@pytest.mark.parametrize(
    ("change", "expected"), [(CLEAR, "reproduced"), (NOTHING, "not reproduced")]
)
def test_c12_needs_a_certain_loss_of_balance(change, expected) -> None:
    made = tables({("w random", FULL, "balanced", "integrated"): change})
    assert verdict("C12", made)["verdict"] == expected
    assert "simulated" in verdict("C12", made, "demo")["reason"]


def test_a_variant_that_was_not_run_is_named() -> None:
    card = scorecard({"ecoli": tables({})})
    assert (card["verdict"] == "not testable here").all()
    assert "the variant 'random network' was not run" in card.set_index("claim").loc["C9", "reason"]


def test_published_figures_are_the_papers() -> None:
    assert published_ablation("loss", "no_inc", "A", "knowledge_f1") == 0.3469
    assert published_ablation("kb", "random", "baseline", "data_f1") == 0.5724
