"""Is trust in symbols deserved? Who is right where network and symbols disagree, cell by cell.

A *cell* is one gene under one held-out condition. Only cells count where the symbols speak and say
something else than the network: elsewhere there is nothing to choose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from aligned.scores import bootstrap_weights
from companion.engine import Results
from companion.statistics import interval, ratio, with_columns

__all__ = ["REASONS", "RULES", "ReliabilityTables"]

Bool = npt.NDArray[np.bool_]
Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

#: What could tell where symbols deserve trust; each a number in [0, 1], high: trust the symbols.
REASONS = {
    "adapter": "the probability that the adapter gives the symbols",
    "weight": "the gene's weight w, known before any alignment",
    "doubt": "1 - the network's largest probability: ask the symbols where the network is unsure",
}

#: Ways to choose, the trivial ones included.
RULES = ("always the network", "always the symbols", "a fair coin", "chosen side", "an oracle")

#: Bins of the reliability diagram.
N_BINS = 10


@dataclass(frozen=True)
class ReliabilityTables:
    """Tables of the analysis; intervals are 95% bootstrap over perturbations, seeds pooled.

    Attributes
    ----------
    right : DataFrame
        ``variant, cells, rule, share, low, high, n``: how often each of `RULES` names the measured
        response, over ``all`` cells of disagreement, over those that ``changed`` and those that
        did not (``unchanged``). ``n``: cells per seed.
    bins : DataFrame
        ``variant, reason, left, right, n, share, low, high``: how often the symbols are right in a
        bin of each of `REASONS`; empty bins are left out.
    ranking : DataFrame
        ``variant, reason, auroc, low, high``: the chance that a cell where the symbols are right
        ranks above one where the network is; ½ is a coin.
    """

    right: pd.DataFrame
    bins: pd.DataFrame
    ranking: pd.DataFrame

    @classmethod
    def of(cls, results: Results, n_boot: int = 1000) -> ReliabilityTables:
        """Look at every cell of disagreement that `run_ablations` kept."""
        group = results.counts.drop_duplicates("condition").set_index("condition")["group"]
        names = [name for name in results.conditions["condition"] if name in group.index]
        weights = bootstrap_weights(list(group.loc[names]), n_boot, 0)
        n_seeds = results.counts["seed"].nunique()
        right: list[dict[str, object]] = []
        bins: list[dict[str, object]] = []
        ranking: list[dict[str, object]] = []
        place = pd.Index(names)
        for variant, table in results.more["cells"].groupby("arm", sort=False):
            cells = table.assign(row=place.get_indexer(table["condition"]))
            right += [{"variant": variant, **r} for r in _right(cells, weights, n_seeds)]
            bins += [{"variant": variant, **r} for r in _bins(cells, weights, n_seeds)]
            ranking += [{"variant": variant, **r} for r in _ranking(cells, weights)]
        return cls(
            with_columns(right, ["variant", "cells", "rule", "share", "low", "high", "n"]),
            with_columns(bins, ["variant", "reason", "left", "right", "n", "share", "low", "high"]),
            with_columns(ranking, ["variant", "reason", "auroc", "low", "high"]),
        )


# ---------------------------------------------------------------------------------- summaries


def _share(cells: pd.DataFrame, part: Bool, within: Bool, weights: Int) -> dict[str, float]:
    """Share of the cells ``within`` that are in ``part``, with an interval over conditions."""
    row, n = cells["row"].to_numpy(), weights.shape[1]
    top = np.bincount(row[part & within], minlength=n)
    below = np.bincount(row[within], minlength=n)
    return dict(zip(("share", "low", "high"), ratio(top, below, weights), strict=True))


def _right(cells: pd.DataFrame, weights: Int, n_seeds: int) -> list[dict[str, object]]:
    changed, network, symbols, chosen = (
        cells[name].to_numpy(bool) for name in ("changed", "network", "symbols", "chosen")
    )
    sides = {
        "always the network": network,
        "always the symbols": symbols,
        "chosen side": chosen,
        "an oracle": network | symbols,
    }
    twice = pd.concat([cells, cells], ignore_index=True)  # a coin: half of either side
    places = {"all": np.ones_like(changed), "changed": changed, "unchanged": ~changed}
    rows: list[dict[str, object]] = []
    for name, within in places.items():
        for rule in RULES:
            if rule == "a fair coin":
                either, both = (np.concatenate(p) for p in ((network, symbols), (within, within)))
                found = _share(twice, either, both, weights)
            else:
                found = _share(cells, sides[rule], within, weights)
            rows.append({"cells": name, "rule": rule, **found, "n": within.sum() / n_seeds})
    return rows


def _bins(cells: pd.DataFrame, weights: Int, n_seeds: int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    edges = np.linspace(0, 1, N_BINS + 1)
    symbols = cells["symbols"].to_numpy(bool)
    for reason in REASONS:
        place = np.clip(np.digitize(cells[reason], edges) - 1, 0, N_BINS - 1)
        for b in np.unique(place):
            within = place == b
            row: dict[str, object] = {"reason": reason, "left": edges[b], "right": edges[b + 1]}
            row["n"] = within.sum() / n_seeds
            rows.append(row | _share(cells, symbols, within, weights))
    return rows


def _ranking(cells: pd.DataFrame, weights: Int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    decided = cells[cells["network"] != cells["symbols"]]  # one of them is right
    row, symbols = decided["row"].to_numpy(), decided["symbols"].to_numpy(bool)
    once = np.ones((1, weights.shape[1]), dtype=np.int64)
    for reason in REASONS:
        value = decided[reason].to_numpy(np.float64)
        low, high = interval(auroc(value, symbols, row, weights))
        found = {"auroc": float(auroc(value, symbols, row, once)[0]), "low": low, "high": high}
        rows.append({"reason": reason, **found})
    return rows


def auroc(value: Float, positive: Bool, row: Int, weights: Int) -> Float:
    """Area under the ROC curve for every weighting of the rows, ties at half; nan without a class.

    Parameters
    ----------
    value : array, shape (cells,)
        High: should be positive.
    positive : array of bool, shape (cells,)
    row : array of int, shape (cells,)
        Row of every cell.
    weights : array of int, shape (n, rows)

    Examples
    --------
    >>> value, positive = np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])
    >>> auroc(value, positive, np.arange(4), np.array([[1, 1, 1, 1], [1, 0, 1, 1]])).tolist()
    [0.75, 1.0]
    """
    levels, level = np.unique(value, return_inverse=True)
    found = np.empty(len(weights))
    for i, weight in enumerate(weights):
        cell = weight[row].astype(np.float64)
        yes = np.bincount(level, cell * positive, minlength=len(levels))
        no = np.bincount(level, cell * ~positive, minlength=len(levels))
        below = np.concatenate([[0.0], np.cumsum(no)[:-1]]) if len(no) else no
        pairs = yes.sum() * no.sum()
        found[i] = yes @ (below + no / 2) / pairs if pairs else np.nan
    return found
