"""Is trust in symbols deserved? Who is right where network and symbols disagree, cell by cell.

A *cell* is one gene under one held-out condition. Only cells count where the symbols speak and say
something else than the network: elsewhere there is nothing to choose.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData
from joblib import delayed
from tqdm import tqdm

from aligned.config import Config
from aligned.datasets import Bundle, folds
from aligned.datasets.rows import Rows
from aligned.experiments.ablations import FULL, VARIANTS, fit_variant
from aligned.experiments.fits import first_perturbed, fold_data, one_thread_each
from aligned.experiments.statistics import with_columns
from aligned.knowledge import KnowledgeBase
from aligned.metrics import bootstrap_weights
from aligned.processes import workers

__all__ = ["REASONS", "RULES", "ReliabilitySettings", "ReliabilityTables", "run_reliability"]

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
class ReliabilitySettings:
    """What to run; ``variants`` are some of `aligned.experiments.ablations.VARIANTS`."""

    config: Config = field(default_factory=Config)
    variants: tuple[str, ...] = (FULL, "no Inc")
    split: str = "control_safe"
    seeds: tuple[int, ...] = (0, 1, 2)
    n_folds: int = 5
    n_boot: int = 1000
    n_jobs: int = 2

    def __post_init__(self) -> None:
        unknown = [v for v in self.variants if v not in VARIANTS]
        if unknown:
            listed = ", ".join(map(repr, VARIANTS))
            raise ValueError(f"there is no variant {unknown[0]!r}; use some of {listed}.")
        if not self.seeds or not self.variants:
            raise ValueError("give at least one seed and one variant.")

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain values, for a run record."""
        return dataclasses.asdict(self)


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


@dataclass(frozen=True)
class _Cells:
    """Cells of disagreement: condition, who is right, whether it changed, and every reason."""

    row: Int
    network: Bool
    symbols: Bool
    chosen: Bool
    changed: Bool
    reasons: dict[str, Float]

    @classmethod
    def joined(cls, parts: Sequence[_Cells]) -> _Cells:
        """All folds and seeds in one."""
        return cls(
            np.concatenate([p.row for p in parts]),
            np.concatenate([p.network for p in parts]),
            np.concatenate([p.symbols for p in parts]),
            np.concatenate([p.chosen for p in parts]),
            np.concatenate([p.changed for p in parts]),
            {r: np.concatenate([p.reasons[r] for p in parts]) for r in REASONS},
        )


def run_reliability(
    bundle: Bundle, settings: ReliabilitySettings, progress: bool = True
) -> ReliabilityTables:
    """Fit the variants fold by fold and look at every cell of disagreement."""
    rows = Rows.of(bundle.data, bundle.kb)
    jobs = [
        (variant, seed, table[fold])
        for seed in settings.seeds
        for table in [folds(bundle.data, settings.split, settings.n_folds, seed)]
        for variant in settings.variants
        for fold in table.columns
    ]
    work = workers(settings.n_jobs, return_as="generator")(
        delayed(_cells)(bundle.data, bundle.kb, dict(bundle.yardstick), settings, *job)
        for job in jobs
    )
    done = list(tqdm(work, total=len(jobs), desc="fits", disable=None if progress else True))
    weights = bootstrap_weights(list(first_perturbed(rows, bundle.kb)), settings.n_boot, 0)
    right: list[dict[str, object]] = []
    bins: list[dict[str, object]] = []
    ranking: list[dict[str, object]] = []
    for variant in settings.variants:
        cells = _Cells.joined([d for job, d in zip(jobs, done, strict=True) if job[0] == variant])
        right += [{"variant": variant, **r} for r in _right(cells, weights, len(settings.seeds))]
        bins += [{"variant": variant, **r} for r in _bins(cells, weights, len(settings.seeds))]
        ranking += [{"variant": variant, **r} for r in _ranking(cells, weights)]
    return ReliabilityTables(
        with_columns(right, ["variant", "cells", "rule", "share", "low", "high", "n"]),
        with_columns(bins, ["variant", "reason", "left", "right", "n", "share", "low", "high"]),
        with_columns(ranking, ["variant", "reason", "auroc", "low", "high"]),
    )


def _cells(
    data: AnnData,
    kb: KnowledgeBase,
    yardstick: Mapping[str, Any],
    settings: ReliabilitySettings,
    variant: str,
    seed: int,
    labels: pd.Series,
) -> _Cells:
    """The cells of disagreement of one fold's test conditions."""
    with one_thread_each(settings.n_jobs):
        here = fold_data(data, labels, settings.split)
        model = fit_variant(here, kb, yardstick, settings.config, variant, seed)
        test = model.problem.test
        said = model.predict(test.x)
        trust = np.mean([out.adapter for out in model.ensemble.outputs(test.x)], axis=0)
    place = {name: i for i, name in enumerate(map(str, data.obs_names))}
    condition = np.array([place[str(name)] for name in test.names])
    clash = (said.neural != said.symbolic) & (said.symbolic != 0) & test.counted
    row, gene = clash.nonzero()
    network, symbols = (side[clash] == test.y[clash] for side in (said.neural, said.symbolic))
    return _Cells(
        condition[row],
        network,
        symbols,
        np.where(said.adapter[clash] == 1, symbols, network),
        test.y[clash] != 0,
        {
            "adapter": trust[clash].astype(np.float64),
            "weight": model.problem.w[gene],
            "doubt": 1 - said.probabilities.max(axis=2)[clash].astype(np.float64),
        },
    )


# ---------------------------------------------------------------------------------- summaries


def _share(part: Bool, within: Bool, row: Int, weights: Int) -> dict[str, float]:
    """Share of the cells ``within`` that are in ``part``, with an interval over perturbations."""
    n = weights.shape[1]
    top = np.bincount(row[part & within], minlength=n)
    below = np.bincount(row[within], minlength=n)
    return _with_interval(_divide(top.sum(), below.sum()), _divide(weights @ top, weights @ below))


def _divide(part: npt.ArrayLike, whole: npt.ArrayLike) -> Float:
    top, below = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    return np.divide(top, below, out=np.full_like(below, np.nan), where=below > 0)


def _with_interval(value: npt.ArrayLike, drawn: Float, name: str = "share") -> dict[str, float]:
    known = drawn[np.isfinite(drawn)]
    low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (np.nan, np.nan)
    return {name: float(np.asarray(value)), "low": float(low), "high": float(high)}


def _right(cells: _Cells, weights: Int, n_seeds: int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    everywhere = np.ones_like(cells.changed)
    places = {"all": everywhere, "changed": cells.changed, "unchanged": ~cells.changed}
    for name, within in places.items():
        sides = {
            "always the network": cells.network,
            "always the symbols": cells.symbols,
            "chosen side": cells.chosen,
            "an oracle": cells.network | cells.symbols,
        }
        for rule in RULES:
            if rule == "a fair coin":  # half of either side: both are lists of the same cells
                twice = np.concatenate([cells.network, cells.symbols])
                both = np.concatenate([within, within])
                found = _share(twice, both, np.concatenate([cells.row, cells.row]), weights)
            else:
                found = _share(sides[rule], within, cells.row, weights)
            rows.append({"cells": name, "rule": rule, **found, "n": within.sum() / n_seeds})
    return rows


def _bins(cells: _Cells, weights: Int, n_seeds: int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    edges = np.linspace(0, 1, N_BINS + 1)
    for reason, value in cells.reasons.items():
        place = np.clip(np.digitize(value, edges) - 1, 0, N_BINS - 1)
        for b in np.unique(place):
            within = place == b
            rows.append(
                {
                    "reason": reason,
                    "left": edges[b],
                    "right": edges[b + 1],
                    "n": within.sum() / n_seeds,
                    **_share(cells.symbols, within, cells.row, weights),
                }
            )
    return rows


def _ranking(cells: _Cells, weights: Int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    decided = cells.network != cells.symbols  # one of them is right
    once = np.ones((1, weights.shape[1]), dtype=np.int64)
    for reason, value in cells.reasons.items():
        args = (value[decided], cells.symbols[decided], cells.row[decided])
        found = _with_interval(auroc(*args, once)[0], auroc(*args, weights), "auroc")
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
        found[i] = _divide(yes @ (below + no / 2), yes.sum() * no.sum())
    return found
