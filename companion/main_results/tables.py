"""Tables of the main comparison, from confusion counts of held-out conditions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from companion.arms import ALIGNED, CLEANED, ELSE_NETWORK, PERFECT
from companion.engine import Results
from companion.rivals import BASELINES, RIVALS
from companion.statistics import MEASURES, Key, Scored, Scores, with_columns

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
    "comparison",
    "method_table",
]

Where = tuple[str, str, str, str]  # split, objective, method, subset

#: Our variants, the method's own output last.
NETWORK = "network alone"
NEURAL, INTEGRATED = "ALIGNED, neural", "ALIGNED, integrated"
OURS = {
    NETWORK: "our network, supervised only, no symbol anywhere",
    ELSE_NETWORK: "direct edges where they speak, our supervised network elsewhere",
    NEURAL: "our network after alignment",
    INTEGRATED: "network and symbols fused by the adapter: the method's output",
}

#: Lines that see the answers: what knowledge, and choosing, could bring at most.
BOUNDS = {
    CLEANED: "the yardstick's deductions where the measurement says the same, else unchanged",
    PERFECT: "where symbols speak, whichever side is right; elsewhere our network after alignment",
}

#: A method whose predictions are the yardstick's deductions in this share of fits copies it.
COPIES = 0.5

#: Subsets for which differences are reported.
COMPARED = ("all", "measured only")


def comparison(results: Results, n_boot: int, gamma: float) -> dict[str, pd.DataFrame]:
    """Tables ``scores``, ``per_seed`` and ``differences`` of a run's counts."""
    scores = Scores(results, n_boot, gamma, field=True)
    scored = {
        (key.split, key.objective, name, subset): scores.of(key, subset)
        for key in scores.keys
        if (name := _method(key)) and key.yardstick == "original"
        for subset in scores.subsets(key.split)
    }
    fits = results.fits.dropna(subset=["copies"])
    copies = fits.groupby(["split", "objective", "arm"])["copies"].mean().to_dict()
    return {
        "scores": _score_table(scored, scores, copies),
        "per_seed": _per_seed_table(scored, sorted(results.counts["seed"].unique())),
        "differences": _difference_table(scored, copies),
    }


def _method(key: Key) -> str:
    """What a prediction is called in the tables; nothing where it is not shown."""
    ours = {("network", "neural"): NETWORK, ("A", "neural"): NEURAL}
    ours["A", "integrated"] = INTEGRATED
    return ours.get((key.stage, key.score), "") if key.arm == ALIGNED else key.arm


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


def _score_table(
    scored: Mapping[Where, Scored], scores: Scores, copies: Mapping[tuple[str, str, str], float]
) -> pd.DataFrame:
    """All scores with intervals, one row per split, objective, method and subset."""
    rows: list[dict[str, object]] = [
        {
            "split": split,
            "objective": objective,
            "method": method,
            "kind": _kind(method),
            "subset": subset,
            **result.row(MEASURES),
            "copies_yardstick": copies.get((split, objective, method), 0.0),
            "n_conditions": scores.subsets(split)[subset],
            "n_seeds": scores.n_seeds(split),
        }
        for (split, objective, method, subset), result in scored.items()
    ]
    return with_columns(rows, ["split", "objective", "method", "kind", "subset"])


def _per_seed_table(scored: Mapping[Where, Scored], seeds: Iterable[int]) -> pd.DataFrame:
    """All metrics per seed, on all conditions."""
    rows: list[dict[str, object]] = [
        {
            "split": split,
            "objective": objective,
            "method": method,
            "seed": seed,
            **{metric: float(result.per_seed[metric][i]) for metric in MEASURES},
        }
        for (split, objective, method, subset), result in scored.items()
        if subset == "all"
        for i, seed in enumerate(seeds)
    ]
    return with_columns(rows, ["split", "objective", "method", "seed"])


def _difference_table(
    scored: Mapping[Where, Scored], copies: Mapping[tuple[str, str, str], float]
) -> pd.DataFrame:
    """Our variants minus every honest rival, paired, with the best rival of each metric marked.

    The best rival is picked by its score in the same table, which flatters it: the highest of a
    dozen noisy scores is, on average, higher than it deserves.
    """
    rows: list[dict[str, object]] = []
    for split, objective, subset in dict.fromkeys((k[0], k[1], k[3]) for k in scored):
        if subset not in COMPARED:
            continue
        here = {
            k[2]: v for k, v in scored.items() if (k[0], k[1], k[3]) == (split, objective, subset)
        }
        rivals = [m for m in here if _kind(m) in ("rival", "trivial")]
        plain = [m for m in rivals if copies.get((split, objective, m), 0.0) < COPIES]
        for metric in MEASURES:
            best, best_open = _best(here, rivals, metric), _best(here, plain, metric)
            for ours in (m for m in here if m in OURS):
                for rival in rivals:
                    difference, low, high = here[rival].change_to(here[ours], metric)
                    row: dict[str, object] = {"split": split, "objective": objective}
                    row |= {"subset": subset, "metric": metric, "method": ours, "rival": rival}
                    row |= {"difference": difference, "low": low, "high": high}
                    rows.append(row | {"best": rival == best, "best_open": rival == best_open})
    columns = ["split", "objective", "subset", "metric", "method", "rival"]
    return with_columns(rows, columns)


def _best(scored: Mapping[str, Scored], among: list[str], metric: str) -> str | None:
    """Method with the highest mean over seeds, the first of equals; None: none has a score."""
    means = {m: float(scored[m].per_seed[metric].mean()) for m in among}
    means = {m: value for m, value in means.items() if np.isfinite(value)}
    return max(means, key=lambda m: means[m]) if means else None
