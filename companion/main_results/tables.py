"""Tables of the main comparison, from confusion counts of held-out conditions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from aligned.scores import called_overlap, called_precision, direction_accuracy, resampled
from companion.rivals import BASELINES, RIVALS
from companion.statistics import METRICS, Bootstrap, Scored, sampled_interval, with_columns

__all__ = [
    "BOUNDS",
    "CLEANED",
    "COPIES",
    "ELSE_NETWORK",
    "INTEGRATED",
    "MEASURES",
    "NETWORK",
    "NEURAL",
    "OURS",
    "PERFECT",
    "Pool",
    "difference_table",
    "method_table",
    "per_seed_table",
    "score_all",
    "score_table",
]

Float = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Key = tuple[str, str]  # objective, method
Where = tuple[str, str, str, str]  # split, objective, method, subset

#: Our variants, the method's own output last.
NETWORK, ELSE_NETWORK = "network alone", "KB else network"
NEURAL, INTEGRATED = "ALIGNED, neural", "ALIGNED, integrated"
OURS = {
    NETWORK: "our network, supervised only, no symbol anywhere",
    ELSE_NETWORK: "direct edges where they speak, our supervised network elsewhere",
    NEURAL: "our network after alignment",
    INTEGRATED: "network and symbols fused by the adapter: the method's output",
}

#: Lines that see the answers: what knowledge, and choosing, could bring at most.
CLEANED, PERFECT = "deductions without their errors", "a perfect adapter"
BOUNDS = {
    CLEANED: "the yardstick's deductions where the measurement says the same, else unchanged",
    PERFECT: "where symbols speak, whichever side is right; elsewhere our network after alignment",
}

#: Every metric of the tables, and what it is. The last four are the perturbation field's.
MEASURES = {
    **METRICS,
    "overlap": "overlap of called and changed genes (Jaccard)",
    "precision": "share of calls that are right",
    "direction": "right direction among changed genes that are called",
    "discrimination": "perturbation discrimination (½ is chance)",
}
FROM_COUNTS = {
    "overlap": called_overlap,
    "precision": called_precision,
    "direction": direction_accuracy,
}

#: A method whose predictions are the yardstick's deductions in this share of fits copies it.
COPIES = 0.5


@dataclass(frozen=True)
class Pool:
    """One split: per (objective, method) counts (seeds, b, 3, 3) against data and yardstick.

    ``told_apart`` is perturbation discrimination (seeds, b), ``copies`` the share of fits that
    copy the yardstick. Rows that were not scored hold no counts and nan.
    """

    split: str
    data: dict[Key, Counts]
    knowledge: dict[Key, Counts]
    told_apart: dict[Key, Float]
    copies: dict[Key, float]

    @property
    def tested(self) -> npt.NDArray[np.intp]:
        """Rows of the data that any seed scored."""
        counts = next(iter(self.data.values()))
        return np.flatnonzero(counts.sum(axis=(0, 2, 3)))


def score_all(
    pools: Iterable[Pool],
    perturbed: npt.NDArray[np.str_],
    apart: Mapping[str, npt.NDArray[np.bool_]],
    n_boot: int,
    gamma: float,
) -> dict[Where, tuple[Scored, int]]:
    """(split, objective, method, subset) -> scores, and the number of conditions.

    One set of resampled perturbations and seeds serves all methods of a split, so that differences
    are paired.
    """
    scored: dict[Where, tuple[Scored, int]] = {}
    for pool in pools:
        rows = pool.tested
        n_seeds = len(next(iter(pool.data.values())))
        bootstrap = Bootstrap(perturbed[rows], n_seeds, n_boot, 0, gamma)
        for subset, mask in apart.items():
            chosen = mask[rows]
            if not chosen.any():
                continue
            for key, counts in pool.data.items():
                data, knowledge = counts[:, rows], pool.knowledge[key][:, rows]
                told_apart = pool.told_apart[key][:, rows][:, chosen]
                base = bootstrap.score(data, knowledge, None if chosen.all() else chosen)
                more = _field_scores(bootstrap, data[:, chosen], told_apart, chosen)
                both = Scored({**base.per_seed, **more.per_seed}, {**base.samples, **more.samples})
                scored[(pool.split, *key, subset)] = both, int(chosen.sum())
    return scored


def _field_scores(
    bootstrap: Bootstrap, data: Counts, told_apart: Float, chosen: npt.NDArray[np.bool_]
) -> Scored:
    """The field's metrics, pooled over rows; discrimination is a mean over rows."""
    weights = bootstrap.rows[:, chosen]
    per_seed: dict[str, Float] = {}
    samples: dict[str, Float] = {}
    for name, function in FROM_COUNTS.items():
        per_seed[name] = function(data.sum(axis=1))
        drawn = np.stack([resampled(function, d, weights) for d in data])
        samples[name] = np.einsum("sb,bs->b", drawn, bootstrap.seeds)
    there = np.isfinite(told_apart)
    values = np.where(there, told_apart, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        per_seed["discrimination"] = values.sum(axis=1) / there.sum(axis=1)
        means = (values @ weights.T) / (there @ weights.T)
    samples["discrimination"] = np.einsum("sb,bs->b", means, bootstrap.seeds)
    return Scored(per_seed, samples)


def method_table(rivals: Iterable[str]) -> pd.DataFrame:
    """``method, kind, description``: our variants, then the rivals, then the bounds."""
    rows: list[dict[str, object]] = [
        {"method": name, "kind": "ours", "description": text} for name, text in OURS.items()
    ]
    rows += [
        {"method": name, "kind": _kind(name), "description": RIVALS[name].description}
        for name in rivals
    ]
    rows += [
        {"method": name, "kind": "bound", "description": text} for name, text in BOUNDS.items()
    ]
    return with_columns(rows, ["method", "kind", "description"])


def _kind(method: str) -> str:
    if method in OURS:
        return "ours"
    if method in BOUNDS:
        return "bound"
    if RIVALS[method].leakage:
        return "leakage"
    return "trivial" if method in BASELINES else "rival"


def score_table(scored: Mapping[Where, tuple[Scored, int]], pools: Iterable[Pool]) -> pd.DataFrame:
    """All scores with intervals, one row per split, objective, method and subset."""
    copies = {(p.split, *key): share for p in pools for key, share in p.copies.items()}
    rows: list[dict[str, object]] = []
    for (split, objective, method, subset), (result, n_rows) in scored.items():
        row: dict[str, object] = {
            "split": split,
            "objective": objective,
            "method": method,
            "kind": _kind(method),
            "subset": subset,
        }
        for metric in MEASURES:
            row[metric] = float(result.per_seed[metric].mean())
            row[f"{metric}_low"], row[f"{metric}_high"] = sampled_interval(result.samples[metric])
        row["copies_yardstick"] = copies[split, objective, method]
        row["n_conditions"] = n_rows
        row["n_seeds"] = len(result.per_seed["f_d"])
        rows.append(row)
    return with_columns(rows, ["split", "objective", "method", "kind", "subset"])


def per_seed_table(
    scored: Mapping[Where, tuple[Scored, int]], seeds: Iterable[int]
) -> pd.DataFrame:
    """All metrics per seed, on all conditions."""
    rows: list[dict[str, object]] = [
        {
            "split": split,
            "objective": objective,
            "method": method,
            "seed": seed,
            **{metric: float(result.per_seed[metric][i]) for metric in MEASURES},
        }
        for (split, objective, method, subset), (result, _) in scored.items()
        if subset == "all"
        for i, seed in enumerate(seeds)
    ]
    return with_columns(rows, ["split", "objective", "method", "seed"])


#: Subsets for which differences are reported.
COMPARED = ("all", "measured only")


def difference_table(
    scored: Mapping[Where, tuple[Scored, int]], pools: Iterable[Pool]
) -> pd.DataFrame:
    """Our variants minus every honest rival, paired, with the best rival of each metric marked.

    The best rival is picked by its score in the same table, which flatters it: the highest of a
    dozen noisy scores is, on average, higher than it deserves.
    """
    copies = {(p.split, *key): share for p in pools for key, share in p.copies.items()}
    rows: list[dict[str, object]] = []
    for split, objective, subset in dict.fromkeys((k[0], k[1], k[3]) for k in scored):
        if subset not in COMPARED:
            continue
        here = {
            k[2]: v[0]
            for k, v in scored.items()
            if (k[0], k[1], k[3]) == (split, objective, subset)
        }
        rivals = [m for m in here if _kind(m) in ("rival", "trivial")]
        plain = [m for m in rivals if copies[split, objective, m] < COPIES]
        for metric in MEASURES:
            best, best_open = _best(here, rivals, metric), _best(here, plain, metric)
            for ours in (m for m in here if m in OURS):
                for rival in rivals:
                    a, b = here[ours], here[rival]
                    low, high = sampled_interval(a.samples[metric] - b.samples[metric])
                    rows.append(
                        {
                            "split": split,
                            "objective": objective,
                            "subset": subset,
                            "metric": metric,
                            "method": ours,
                            "rival": rival,
                            "difference": float((a.per_seed[metric] - b.per_seed[metric]).mean()),
                            "low": low,
                            "high": high,
                            "best": rival == best,
                            "best_open": rival == best_open,
                        }
                    )
    columns = ["split", "objective", "subset", "metric", "method", "rival"]
    return with_columns(rows, columns)


def _best(scored: Mapping[str, Scored], among: list[str], metric: str) -> str | None:
    """Method with the highest mean over seeds, the first of equals; None: none has a score."""
    means = {m: float(scored[m].per_seed[metric].mean()) for m in among}
    means = {m: value for m, value in means.items() if np.isfinite(value)}
    return max(means, key=lambda m: means[m]) if means else None
