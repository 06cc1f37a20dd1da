"""The claims about the method's parts (C9-C12), judged from the ablation tables.

A part *matters* when the whole 95% interval of the paired change lies on one side of zero. The
rules look at the prediction after alignment, against the network as given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from aligned._assets import asset
from aligned.experiments.ablations import FULL, PAPER_FORM, AblationTables
from aligned.experiments.statistics import signed_interval
from aligned.scorecard.claims import Claim, Finding
from aligned.scorecard.loop import MATTERS

__all__ = ["CLAIMS", "published_ablation"]

RANDOM = "random network"


def published_ablation(ablation: str, value: str, stage: str, metric: str) -> float:
    """A figure of the paper's ablations (Norman, GNN).

    Parameters
    ----------
    ablation, value : str
        As in ``data/published/ablations.csv``: e.g. ``"loss"``, ``"no_inc"``.
    stage : {"baseline", "A", "A-R", ...}
    metric : {"data_f1", "knowledge_f1"}
    """
    table = pd.read_csv(asset("data/published/ablations.csv"))
    row = table[
        (table["ablation"] == ablation) & (table["value"] == value) & (table["stage"] == stage)
    ]
    return float(row[metric].iloc[0])


@dataclass(frozen=True)
class _Change:
    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return signed_interval(self.mean, self.low, self.high)


def _change(
    tables: AblationTables, variant: str, metric: str, score: str, against: str = FULL
) -> _Change | None:
    table = tables.changes
    row = table[
        (table["variant"] == variant)
        & (table["against"] == against)
        & (table["metric"] == metric)
        & (table["score"] == score)
    ]
    if row.empty:
        return None
    first = row.iloc[0]
    return _Change(float(first["difference"]), float(first["low"]), float(first["high"]))


def _used(tables: AblationTables, variant: str) -> pd.Series:
    table = tables.trust
    rows = table[(table["variant"] == variant) & (table["quantity"] == "cells that use symbols")]
    return rows.iloc[0]


def _share(row: pd.Series) -> str:
    return f"{row['value']:.1%} [{row['low']:.1%}, {row['high']:.1%}]"


def _not_run(variant: str) -> Finding:
    nan = float("nan")
    reason = f"the variant '{variant}' was not run"
    return Finding("", nan, nan, nan, "not testable here", reason)


def _about(edition: str) -> str:
    """What limits every verdict on simulated data."""
    return "; responses are simulated from a network" if edition == "demo" else ""


def judge_random_network(tables: AblationTables, edition: str) -> Finding:
    """C9: with a random network of knowledge the method falls back to the network alone.

    Two things would show it: the integrated prediction has the data consistency of the network
    alone, and symbols are hardly used any more (the interval of their share lies below that with
    the true network).

    * *reproduced*: a loss and a gain of `MATTERS` are both excluded, and symbols are let go;
    * *not reproduced*: a certain loss of at least `MATTERS`; or neither sign;
    * *partly*: in between.
    """
    change = _change(tables, RANDOM, "f_d", "integrated", "network")
    if change is None:
        return _not_run(RANDOM)
    used, before = _used(tables, RANDOM), _used(tables, FULL)
    same = change.low > -MATTERS and change.high < MATTERS
    maybe = change.low <= 0 <= change.high
    lets_go = used["high"] < before["low"]
    verdict = "partly"
    if same and lets_go:
        verdict = "reproduced"
    elif (change.high < 0 and change.mean <= -MATTERS) or not (same or maybe or lets_go):
        verdict = "not reproduced"
    theirs = published_ablation("kb", "random", "A", "data_f1")
    theirs -= published_ablation("kb", "random", "baseline", "data_f1")
    return Finding(
        f"{theirs:+.3f} data consistency after A (Norman)",
        change.mean,
        change.low,
        change.high,
        verdict,
        f"data consistency against the network alone: {change}; symbols are used in "
        f"{_share(used)} of the cells, with the true network in {_share(before)}{_about(edition)}",
    )


def judge_inconsistency_term(score: str) -> Callable[[AblationTables, str], Finding]:
    """C10: without the term for inconsistency, knowledge consistency is lower.

    *reproduced*: the whole interval of the change lies below zero; else *not reproduced*.
    """

    def judge(tables: AblationTables, edition: str) -> Finding:
        change = _change(tables, "no Inc", "f_k", score)
        if change is None:
            return _not_run("no Inc")
        theirs = published_ablation("loss", "no_inc", "A", "knowledge_f1")
        theirs -= published_ablation("kb", "original", "A", "knowledge_f1")
        return Finding(
            f"{theirs:+.3f} after A (Norman)",
            change.mean,
            change.low,
            change.high,
            "reproduced" if change.high < 0 else "not reproduced",
            f"knowledge consistency without the term: {change}{_about(edition)}",
        )

    return judge


def judge_length(reference: str, variant: str) -> Callable[[AblationTables, str], Finding]:
    """C11: without the price for using many symbols, the method relies on them too much.

    * *reproduced*: symbols are used in more cells (the two intervals do not touch), and data
      consistency certainly falls;
    * *partly*: symbols are used in more cells, but nothing is certainly lost;
    * *not reproduced*: they are not used in more cells.
    """

    def judge(tables: AblationTables, edition: str) -> Finding:
        change = _change(tables, variant, "f_d", "integrated", reference)
        if change is None:
            return _not_run(variant)
        used, before = _used(tables, variant), _used(tables, reference)
        more = used["low"] > before["high"]
        verdict = "not reproduced"
        if more:
            verdict = "reproduced" if change.high < 0 else "partly"
        theirs = published_ablation("loss", "no_len", "A", "data_f1")
        theirs -= published_ablation("kb", "original", "A", "data_f1")
        return Finding(
            f"{theirs:+.3f} data consistency after A (Norman)",
            change.mean,
            change.low,
            change.high,
            verdict,
            f"symbols are used in {_share(used)} of the cells without the price, in "
            f"{_share(before)} with it; data consistency: {change}{_about(edition)}",
        )

    return judge


def judge_random_weights(tables: AblationTables, edition: str) -> Finding:
    """C12: with random weights w, balanced consistency is lower.

    *reproduced*: the whole interval of the change lies below zero; else *not reproduced*.
    """
    change = _change(tables, "w random", "balanced", "integrated")
    if change is None:
        return _not_run("w random")
    constant = _change(tables, "w constant", "balanced", "integrated")
    beside = f"; constant weights, for comparison: {constant}" if constant else ""
    return Finding(
        "lower",
        change.mean,
        change.low,
        change.high,
        "reproduced" if change.high < 0 else "not reproduced",
        f"balanced consistency with random weights: {change}{beside}{_about(edition)}",
    )


#: The claims that the ablation tables can judge, in the paper's order.
CLAIMS: tuple[Claim, ...] = (
    Claim(
        "C9",
        "With a random network of knowledge the method falls back to the network alone",
        AblationTables,
        judge_random_network,
    ),
    *(
        Claim(
            f"C10 {score}",
            "Without the term for inconsistency, alignment with knowledge is weaker "
            f"({score} prediction)",
            AblationTables,
            judge_inconsistency_term(score),
        )
        for score in ("neural", "integrated")
    ),
    Claim(
        "C11",
        "Without the price for length, the method relies on symbols too much",
        AblationTables,
        judge_length(FULL, "no length"),
    ),
    Claim(
        "C11 paper's form",
        "Without the price for length, the method relies on symbols too much (symbols may be used "
        "where they are silent, too)",
        AblationTables,
        judge_length(PAPER_FORM, "symbols anywhere, no length"),
    ),
    Claim(
        "C12",
        "With random weights, balanced consistency is worse",
        AblationTables,
        judge_random_weights,
    ),
)
