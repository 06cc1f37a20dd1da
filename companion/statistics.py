"""From counts to scores: pooled over conditions, with intervals, and paired differences.

Replicates are seeds and whole groups of conditions. One set of draws serves everything that is
scored on a split, so that every difference is paired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from aligned.scores import (
    balanced_consistency,
    bootstrap_weights,
    called_overlap,
    called_precision,
    direction_accuracy,
    f1_from_confusion,
)
from companion.engine import COUNTS, Results

__all__ = [
    "FIELD",
    "MEASURES",
    "METRICS",
    "Key",
    "Scored",
    "Scores",
    "interval",
    "ratio",
    "signed_interval",
    "with_columns",
    "with_interval",
]

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

#: The three scores, and what each one is.
METRICS = {
    "f_d": "data consistency",
    "f_k": "knowledge consistency",
    "balanced": "balanced consistency",
}
#: The perturbation field's scores, from counts against the data.
FIELD: dict[str, Callable[[npt.ArrayLike], Float]] = {
    "overlap": called_overlap,
    "precision": called_precision,
    "direction": direction_accuracy,
}
MEASURES = {
    **METRICS,
    "overlap": "overlap of called and changed genes (Jaccard)",
    "precision": "share of calls that are right",
    "direction": "right direction among changed genes that are called",
    "discrimination": "perturbation discrimination (½ is chance)",
}


class Key(NamedTuple):
    """Which prediction, against which yardstick, on which split."""

    split: str
    arm: str
    stage: str = ""
    score: str = "prediction"
    objective: str = ""
    yardstick: str = "original"


def interval(draws: npt.ArrayLike) -> tuple[float, float]:
    """The 95% interval of bootstrap draws; nan where most of them are undefined.

    Examples
    --------
    >>> interval([1.0, 1.0, np.nan])
    (1.0, 1.0)
    """
    values = np.asarray(draws, dtype=np.float64)
    if not len(values) or np.isfinite(values).mean() < 0.5:
        return float("nan"), float("nan")
    low, high = np.nanquantile(values, [0.025, 0.975])
    return float(low), float(high)


@dataclass(frozen=True)
class Scored:
    """Scores of one prediction: per seed, and for every bootstrap draw (mean over seeds)."""

    per_seed: dict[str, Float]
    draws: dict[str, Float]

    def mean(self, metric: str) -> float:
        """Mean over seeds."""
        return float(self.per_seed[metric].mean())

    def interval(self, metric: str) -> tuple[float, float, float]:
        """Mean over seeds, and the 95% interval."""
        return self.mean(metric), *interval(self.draws[metric])

    def row(self, metrics: Iterable[str] = tuple(METRICS)) -> dict[str, float]:
        """``f_d, f_d_low, f_d_high, f_k, …`` for a table."""
        row: dict[str, float] = {}
        for metric in metrics:
            row[metric], row[f"{metric}_low"], row[f"{metric}_high"] = self.interval(metric)
        return row

    def change_to(self, other: Scored, metric: str) -> tuple[float, float, float]:
        """Paired difference ``other - self``: mean over seeds, and the 95% interval."""
        mean = float((other.per_seed[metric] - self.per_seed[metric]).mean())
        return mean, *interval(other.draws[metric] - self.draws[metric])


class Scores:
    """All scores of a run; each is computed when it is asked for.

    Parameters
    ----------
    results : Results
        What `companion.engine.run` returned.
    n_boot : int
        Bootstrap draws of groups of conditions and of seeds.
    gamma : float
        Exponent of balanced consistency.
    field : bool
        The perturbation field's scores too.
    """

    def __init__(
        self, results: Results, n_boot: int = 1000, gamma: float = 2.0, field: bool = False
    ) -> None:
        self.gamma, self.n_boot, self.field = gamma, n_boot, field
        self.conditions = results.conditions.set_index("condition")
        self.splits = {
            str(split): _Split(counts, self.conditions, n_boot)
            for split, counts in results.counts.groupby("split", sort=False, observed=True)
        }
        self.of = cache(self._of)

    @property
    def keys(self) -> list[Key]:
        """Every prediction and yardstick there are counts of, in the order of the counts."""
        return [
            Key(name, *found)
            for name, split in self.splits.items()
            for found in split.place
            if found[-1] != "data"
        ]

    def subsets(self, split: str) -> dict[str, int]:
        """Subsets of conditions of a split, and how many conditions each has."""
        tested = self.conditions.loc[self.splits[split].conditions]
        sizes = {str(name): int(tested[name].sum()) for name in tested.columns}
        return {name: size for name, size in sizes.items() if size}

    def n_seeds(self, split: str) -> int:
        """Seeds of a split."""
        return len(self.splits[split].seeds)

    def groups(self, split: str) -> pd.Series:
        """Sizes of the groups of conditions that are drawn together, the largest first."""
        return pd.Series(self.splits[split].groups).value_counts()

    def _of(self, key: Key, subset: str = "all") -> Scored:
        split = self.splits[key.split]
        mask = self.conditions.loc[split.conditions, subset].to_numpy(bool)
        data = split.counts[split.place[(*key[1:-1], "data")]][:, mask]
        knowledge = split.counts[split.place[tuple(key[1:])]][:, mask]
        apart = split.told_apart[split.place[(*key[1:-1], "data")]][:, mask]
        weights = split.weights[:, mask]
        per_seed = self._metrics(data.sum(axis=1), knowledge.sum(axis=1))
        drawn = self._metrics(_drawn(weights, data), _drawn(weights, knowledge))
        if self.field:
            there = np.isfinite(apart)
            values = np.where(there, apart, 0.0)
            with np.errstate(invalid="ignore", divide="ignore"):
                per_seed["discrimination"] = values.sum(axis=1) / there.sum(axis=1)
                drawn["discrimination"] = (values @ weights.T) / (there @ weights.T)
        over_seeds = {m: np.einsum("sb,bs->b", v, split.seed_weights) for m, v in drawn.items()}
        return Scored(per_seed, over_seeds)

    def _metrics(self, data: npt.NDArray[Any], knowledge: npt.NDArray[Any]) -> dict[str, Float]:
        """Scores of pooled counts (..., 3, 3); nan where no cell was drawn."""
        f_d, f_k = _f1(data), _f1(knowledge)
        known = np.isfinite(f_d) & np.isfinite(f_k)
        both = balanced_consistency(np.where(known, f_d, 0), np.where(known, f_k, 0), self.gamma)
        found = {"f_d": f_d, "f_k": f_k, "balanced": np.where(known, both, np.nan)}
        more = FIELD if self.field else {}
        return found | {name: np.asarray(function(data)) for name, function in more.items()}


class _Split:
    """Counts of one split as arrays: prediction × seeds × conditions × 3 × 3, and the draws."""

    def __init__(self, counts: pd.DataFrame, conditions: pd.DataFrame, n_boot: int) -> None:
        about = ["arm", "stage", "score", "objective", "yardstick"]
        tested = set(counts["condition"])
        self.conditions = [name for name in conditions.index if name in tested]
        self.seeds = sorted(counts["seed"].unique())
        number = counts.groupby(about, sort=False, observed=True).ngroup().to_numpy()
        first = counts[about].iloc[np.unique(number, return_index=True)[1]]
        self.place = {
            tuple(map(str, row)): i for i, row in enumerate(first.itertuples(index=False))
        }
        seed = pd.Index(self.seeds).get_indexer(counts["seed"])
        where = pd.Index(self.conditions).get_indexer(counts["condition"])
        shape = (len(self.place), len(self.seeds), len(self.conditions))
        self.counts = np.zeros((*shape, 3, 3), np.int64)
        self.counts[number, seed, where] = counts[COUNTS].to_numpy().reshape(-1, 3, 3)
        self.told_apart = np.full(shape, np.nan)
        self.told_apart[number, seed, where] = counts["told_apart"]
        group = counts.drop_duplicates("condition").set_index("condition")["group"]
        self.groups = group.loc[self.conditions].astype(str).to_numpy()
        self.weights = bootstrap_weights(list(self.groups), n_boot, 0).astype(np.float64)
        n = len(self.seeds)
        rng = np.random.default_rng([0, 1])
        self.seed_weights = rng.multinomial(n, np.full(n, 1 / n), size=n_boot) / n


def _drawn(weights: Float, counts: Int) -> Float:
    """Pooled counts of every draw: (draws, rows) and (seeds, rows, 3, 3) → (seeds, draws, 3, 3)."""
    flat = counts.reshape(len(counts), -1, 9).astype(np.float64)
    return np.asarray(weights @ flat).reshape(len(counts), len(weights), 3, 3)


def _f1(counts: npt.NDArray[Any]) -> Float:
    return np.where(counts.sum(axis=(-2, -1)) > 0, f1_from_confusion(counts), np.nan)


def with_columns(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
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


def with_interval(row: pd.Series, digits: int = 0) -> str:
    """The ``share`` of a row with its interval ``low, high``, as text.

    Examples
    --------
    >>> with_interval(pd.Series({"share": 0.5, "low": 0.25, "high": 0.8}))
    '50% [25%, 80%]'
    """
    if pd.isna(row["share"]):
        return "–"
    return f"{row['share']:.{digits}%} [{row['low']:.{digits}%}, {row['high']:.{digits}%}]"


def ratio(part: npt.ArrayLike, whole: npt.ArrayLike, weights: Int) -> tuple[float, float, float]:
    """``sum(part) / sum(whole)`` with its 95% interval; ``weights`` has shape (draws, rows).

    Examples
    --------
    >>> ratio([1, 1], [2, 2], bootstrap_weights(["a", "b"], 20, 0))
    (0.5, 0.5, 0.5)
    """
    top, below = np.asarray(part, float), np.asarray(whole, float)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(np.divide(top.sum(), below.sum())) if below.sum() else float("nan")
        return value, *interval((weights @ top) / (weights @ below))
