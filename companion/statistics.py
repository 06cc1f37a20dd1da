"""Scores with intervals from confusion counts: seeds and perturbations as replicates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from aligned.scores import balanced_consistency, bootstrap_weights, f1_from_confusion, resampled

__all__ = [
    "METRICS",
    "Bootstrap",
    "Scored",
    "interval",
    "ratio",
    "sampled_interval",
    "signed_interval",
]

Float = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

#: The three scores, and what each one is.
METRICS = {
    "f_d": "data consistency",
    "f_k": "knowledge consistency",
    "balanced": "balanced consistency",
}


@dataclass(frozen=True)
class Scored:
    """Scores of one prediction: per seed, and for every bootstrap sample (mean over seeds).

    A sample that drew no cell to score is nan, and left out of intervals.
    """

    per_seed: dict[str, Float]
    samples: dict[str, Float]

    def interval(self, metric: str) -> tuple[float, float, float]:
        """Mean over seeds, and the 95% interval."""
        return float(self.per_seed[metric].mean()), *sampled_interval(self.samples[metric])

    def row(self) -> dict[str, float]:
        """``f_d, f_d_low, f_d_high, f_k, …, balanced, …`` for a table."""
        row: dict[str, float] = {}
        for metric in METRICS:
            row[metric], row[f"{metric}_low"], row[f"{metric}_high"] = self.interval(metric)
        return row

    def change_to(self, other: Scored, metric: str) -> tuple[float, float, float]:
        """Paired difference ``other - self``: mean over seeds, and the 95% interval."""
        difference = other.samples[metric] - self.samples[metric]
        mean = float((other.per_seed[metric] - self.per_seed[metric]).mean())
        return mean, *sampled_interval(difference)


class Bootstrap:
    """One set of resampled perturbations and seeds, shared by all predictions: comparisons pair.

    Parameters
    ----------
    groups : array of str, shape (rows,)
        Perturbation of each condition; its conditions are drawn together.
    n_seeds : int
    n : int
        Number of samples.
    seed : int
    gamma : float
        Exponent of balanced consistency.
    """

    def __init__(
        self, groups: npt.ArrayLike, n_seeds: int, n: int, seed: int, gamma: float
    ) -> None:
        self.rows = bootstrap_weights(list(np.asarray(groups)), n, seed)
        rng = np.random.default_rng([seed, 1])
        self.seeds = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=n) / n_seeds
        self.gamma = gamma

    def score(self, data: Counts, knowledge: Counts, subset: npt.ArrayLike | None = None) -> Scored:
        """Score from counts (seeds, rows, 3, 3) against data and against a yardstick."""
        keep = slice(None) if subset is None else np.asarray(subset, dtype=bool)
        weights = self.rows[:, keep]
        per_seed = self._scores(data[:, keep], knowledge[:, keep], None)
        drawn = self._scores(data[:, keep], knowledge[:, keep], weights)
        return Scored(per_seed, {m: np.einsum("sb,bs->b", v, self.seeds) for m, v in drawn.items()})

    def _scores(self, data: Counts, knowledge: Counts, weights: Counts | None) -> dict[str, Float]:
        """Scores per seed (first axis), and per bootstrap sample where there are weights."""
        f_d = np.stack([_pooled(d, weights) for d in data])
        f_k = np.stack([_pooled(k, weights) for k in knowledge])
        return {
            "f_d": f_d,
            "f_k": f_k,
            "balanced": np.asarray(balanced_consistency(f_d, f_k, self.gamma)),
        }


def _pooled(counts: Counts, weights: Counts | None) -> Float:
    """Macro-F1 pooled over rows, or over every weighted resampling of them."""
    if weights is None:
        return resampled(f1_from_confusion, counts, np.ones((1, len(counts)), np.int64))[0]
    return resampled(f1_from_confusion, counts, weights)


def sampled_interval(values: Float) -> tuple[float, float]:
    """The 95% interval of bootstrap samples; nan where most of them are undefined.

    Examples
    --------
    >>> sampled_interval(np.array([0.5, 0.5, np.nan]))
    (0.5, 0.5)
    """
    if np.isfinite(values).mean() < 0.5:
        return float("nan"), float("nan")
    low, high = np.nanquantile(values, [0.025, 0.975])
    return float(low), float(high)


def with_columns(rows: list[dict[str, object]], columns: list[str]) -> pd.DataFrame:
    """Rows as a table with these columns first, also when there are no rows."""
    table = pd.DataFrame(rows)
    rest = [c for c in table.columns if c not in columns]
    return table.reindex(columns=[*columns, *rest])


def signed_interval(mean: float, low: float, high: float) -> str:
    """A difference, with its interval where there is one, and without a minus before zero.

    Examples
    --------
    >>> signed_interval(0.1203, 0.1, 0.14)
    '+0.120 [+0.100, +0.140]'
    >>> signed_interval(-0.0001, float("nan"), float("nan"))
    '+0.000'
    """
    first, *ends = (f"{round(float(x), 3) + 0.0:+.3f}" for x in (mean, low, high))
    return first if pd.isna(low) else f"{first} [{', '.join(ends)}]"


def ratio(part: float, whole: float) -> float:
    """A share; nan of nothing."""
    return float(part / whole) if whole else float("nan")


def interval(part: npt.ArrayLike, whole: npt.ArrayLike, weights: Counts) -> tuple[float, float]:
    """95% bootstrap interval of ``sum(part) / sum(whole)``; ``weights`` has shape (n, conditions).

    Examples
    --------
    >>> interval([1, 1], [2, 2], bootstrap_weights(["a", "b"], 20, 0))
    (0.5, 0.5)
    """
    top, below = weights @ np.asarray(part, float), weights @ np.asarray(whole, float)
    drawn = top[below > 0] / below[below > 0]
    if not len(drawn):
        return float("nan"), float("nan")
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)
