"""What each part of the method brings (C9-C12): switch one off, keep all else, compare pairwise.

Every variant is fitted on the same folds and seeds, and scored against the *true* network of the
edition, also where the variant itself was given another one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData
from joblib import Parallel, delayed
from tqdm import tqdm

from aligned.config import Config
from aligned.data import Bundle, Rows, folds
from aligned.knowledge import KnowledgeBase, Rule
from aligned.loop import Aligned, Yardsticks
from aligned.scores import bootstrap_weights, confusion
from companion.fits import first_perturbed, fold_data, joined_folds, memory_used, one_thread_each
from companion.statistics import METRICS, Bootstrap, Scored, interval, ratio, with_columns
from companion.topology import rewired

__all__ = [
    "FULL",
    "PAPER_FORM",
    "VARIANTS",
    "AblationSettings",
    "AblationTables",
    "Variant",
    "fit_variant",
    "run_ablations",
]

Counts = npt.NDArray[np.int64]
Float = npt.NDArray[np.float64]

#: The method as it is, and the paper's form of the adapter: symbols also where they are silent.
FULL, PAPER_FORM = "full", "symbols anywhere"


@dataclass(frozen=True)
class Variant:
    """One ablation: its group in the figure, what is different, and the settings that change.

    ``against`` names the variant it is compared with; ``network`` makes another knowledge base.
    """

    group: str
    description: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    against: str = FULL
    network: Callable[[KnowledgeBase, int], KnowledgeBase] | None = None


#: Every variant by name, in the order of the tables.
VARIANTS: dict[str, Variant] = {
    FULL: Variant("reference", "the defaults"),
    "no Inc": Variant("loss", "no term for inconsistency", {"c_inc": 0.0}),
    "no length": Variant("loss", "no price beyond the budget θ", {"c_len": 0.0}),
    "no weight term": Variant("loss", "no term for the genes' weights", {"c_weight": 0.0}),
    PAPER_FORM: Variant("loss", "symbols also where δ = 0", {"speak_only": False}),
    "symbols anywhere, no Inc": Variant(
        "loss", "both at once", {"speak_only": False, "c_inc": 0.0}, PAPER_FORM
    ),
    "symbols anywhere, no length": Variant(
        "loss", "both at once", {"speak_only": False, "c_len": 0.0}, PAPER_FORM
    ),
    "θ = 0": Variant("budget θ", "every symbol costs", {"theta": 0.0}),
    "θ = 0.01": Variant("budget θ", "1% of a condition's genes are free", {"theta": 0.01}),
    "θ = 1": Variant("budget θ", "all genes are free", {"theta": 1.0}),
    "w constant": Variant("weights w", "½ for every gene", {"weights": "constant"}),
    "w random": Variant("weights w", "uniform at random", {"weights": "random"}),
    "w without GO": Variant("weights w", "no annotation counts", {"use_go": False}),
    "w without GRN": Variant("weights w", "no in-degrees", {"use_grn": False}),
    "w without conflicts": Variant("weights w", "no conflict counts", {"use_conflicts": False}),
    "random network": Variant(
        "knowledge", "edges rewired, degrees kept", network=lambda kb, seed: rewired(kb, seed)
    ),
    "k = 1": Variant("closure", "direct edges", {"k": 1, "rule": "boolean"}),
    "k = 2": Variant("closure", "paths of up to 2 steps", {"k": 2, "rule": "boolean"}),
    "k = 3": Variant("closure", "paths of up to 3 steps", {"k": 3, "rule": "boolean"}),
    "k = 5": Variant("closure", "paths of up to 5 steps", {"k": 5, "rule": "boolean"}),
    "majority, k = 2": Variant("closure", "damped majority", {"k": 2, "rule": "majority"}),
    "estimator reinforce": Variant("estimator", "the paper's", {"estimator": "reinforce"}),
    "estimator exact": Variant("estimator", "closed form, no learning", {"estimator": "exact"}),
}


@dataclass(frozen=True)
class AblationSettings:
    """What to run; ``variants`` empty: all of `VARIANTS`."""

    config: Config = field(default_factory=Config)
    variants: tuple[str, ...] = ()
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
        if not self.seeds:
            raise ValueError("give at least one seed.")

    @property
    def chosen(self) -> tuple[str, ...]:
        """The variants to run, with those they are compared with, in the order of `VARIANTS`."""
        asked = set(self.variants or VARIANTS)
        needed = asked | {FULL} | {VARIANTS[v].against for v in asked}
        return tuple(v for v in VARIANTS if v in needed)

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain values, for a run record."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class AblationTables:
    """Tidy tables of the analysis; intervals are 95% bootstrap over seeds and perturbations.

    Attributes
    ----------
    scores : DataFrame
        ``variant, group, description, stage, score`` and the scores against the true network.
    changes : DataFrame
        ``variant, against, score, metric, difference, low, high``: paired, after alignment. The
        rows of ``random network`` stand against the network stage, too (``against`` = "network").
    trust : DataFrame
        ``variant, quantity, value, low, high``: share of cells that use symbols, and, where network
        and symbols disagree, how often each of these agrees with the data: the chosen side, always
        the network, always the symbols, a fair coin, an oracle.
    """

    scores: pd.DataFrame
    changes: pd.DataFrame
    trust: pd.DataFrame


@dataclass(frozen=True)
class _Fold:
    variant: str
    seed: int
    rows: list[str]
    counts: dict[tuple[str, str, str], Counts]
    trust: dict[str, Counts]
    memory_mb: tuple[int, float]


def run_ablations(
    bundle: Bundle,
    settings: AblationSettings,
    progress: bool = True,
    memory: dict[int, float] | None = None,
) -> AblationTables:
    """Fit every variant on every fold and seed, and compare; see `AblationTables`.

    ``memory`` receives the peak memory (MB) of every process that ran fits, by process id.
    """
    jobs = [
        (variant, seed, table[fold])
        for seed in settings.seeds
        for table in [folds(bundle.data, settings.split, settings.n_folds, seed)]
        for variant in settings.chosen
        for fold in table.columns
    ]
    work = Parallel(n_jobs=settings.n_jobs, return_as="generator")(
        delayed(_fit)(bundle.data, bundle.kb, dict(bundle.yardstick), settings, *job)
        for job in jobs
    )
    done = list(tqdm(work, total=len(jobs), desc="fits", disable=None if progress else True))
    if memory is not None:
        memory.update(d.memory_mb for d in done)
    rows = Rows.of(bundle.data, bundle.kb)
    first = first_perturbed(rows, bundle.kb)
    pooled = {v: _pool([d for d in done if d.variant == v], rows) for v in settings.chosen}
    tested = next(iter(pooled.values()))[0]
    gamma, n_seeds = settings.config.gamma, len(settings.seeds)
    bootstrap = Bootstrap(first[tested], n_seeds, settings.n_boot, 0, gamma)
    scored = {
        (v, stage, score): bootstrap.score(counts[stage, score, "data"], counts[stage, score, "kb"])
        for v, (_, counts, _) in pooled.items()
        for stage, score, against in counts
        if against == "kb"
    }
    weights = bootstrap_weights(list(first[tested]), settings.n_boot, 0)
    return AblationTables(
        _score_table(scored),
        _change_table(scored),
        _trust_table({v: trust for v, (_, _, trust) in pooled.items()}, weights),
    )


def fit_variant(
    data: AnnData,
    kb: KnowledgeBase,
    yardstick: Mapping[str, Any],
    config: Config,
    variant: str,
    seed: int,
) -> Aligned:
    """Fit one of `VARIANTS` on the training conditions of one fold: schedule A."""
    how = VARIANTS[variant]
    given = how.network(kb, seed) if how.network else kb
    changed = config.replace(**how.changes, seed=seed)
    return Aligned(changed).fit(data, given, "A", yardstick=yardstick)


def _fit(
    data: AnnData,
    kb: KnowledgeBase,
    yardstick: dict[str, Any],
    settings: AblationSettings,
    variant: str,
    seed: int,
    labels: pd.Series,
) -> _Fold:
    with one_thread_each(settings.n_jobs):
        here = fold_data(data, labels, settings.split)
        model = fit_variant(here, kb, yardstick, settings.config, variant, seed)
    test = model.problem.test
    truth = Yardsticks(Rule(**yardstick), kb).deductions(test, kb, model.problem.measured)
    delta = truth["original"][0]
    counts: dict[tuple[str, str, str], Counts] = {}
    for phase in model.phases[1:]:
        for score, called in phase.predictions.items():
            counts[phase.stage, score, "data"] = confusion(test.y, called, test.counted)
            counts[phase.stage, score, "kb"] = confusion(delta, called, test.counted)
    names = list(map(str, test.names))
    return _Fold(variant, seed, names, counts, _trust(model, test), memory_used())


def _trust(model: Aligned, test: Rows) -> dict[str, Counts]:
    """Per test row: cells, cells that use symbols, and who was right where the two disagree."""
    p = model.predict(test.x)
    clash = (p.neural != p.symbolic) & test.counted
    if model.config.speak_only:  # where the symbols are silent there is nothing to choose
        clash &= p.symbolic != 0
    right = {"network": p.neural == test.y, "symbols": p.symbolic == test.y}
    chosen = np.where(p.adapter == 1, right["symbols"], right["network"])
    cells = {
        "cells": test.counted,
        "used": (p.adapter == 1) & test.counted,
        "clash": clash,
        "chosen": chosen & clash,
        "network": right["network"] & clash,
        "symbols": right["symbols"] & clash,
        "oracle": (right["network"] | right["symbols"]) & clash,
    }
    return {name: mask.sum(axis=1).astype(np.int64) for name, mask in cells.items()}


def _pool(
    done: list[_Fold], rows: Rows
) -> tuple[npt.NDArray[np.intp], dict[tuple[str, str, str], Counts], dict[str, Counts]]:
    """Rows tested (in data order), counts (seeds, rows, 3, 3) per key, trust (seeds, rows)."""
    per_seed = []
    for seed in dict.fromkeys(d.seed for d in done):
        mine = [d for d in done if d.seed == seed]
        names = [d.rows for d in mine]
        tested, counts = joined_folds(names, [d.counts for d in mine], rows)
        _, trust = joined_folds(names, [d.trust for d in mine], rows)
        per_seed.append((tested, counts, trust))
    tested, counts, trust = per_seed[0]
    return (
        tested,
        {k: np.stack([c[k] for _, c, _ in per_seed]) for k in counts},
        {k: np.stack([t[k] for _, _, t in per_seed]) for k in trust},
    )


Key = tuple[str, str, str]  # variant, stage, score


def _score_table(scored: Mapping[Key, Scored]) -> pd.DataFrame:
    rows = [
        {
            "variant": variant,
            "group": VARIANTS[variant].group,
            "description": VARIANTS[variant].description,
            "stage": stage,
            "score": score,
            **result.row(),
            "n_seeds": len(result.per_seed["f_d"]),
        }
        for (variant, stage, score), result in scored.items()
    ]
    return with_columns(rows, ["variant", "group", "description", "stage", "score"])


def _change_table(scored: Mapping[Key, Scored]) -> pd.DataFrame:
    """Paired changes after alignment, and of the random network against the network stage."""
    rows: list[dict[str, object]] = []
    for (variant, stage, score), after in scored.items():
        if stage != "A" or variant == FULL:
            continue
        pairs = [(VARIANTS[variant].against, scored[VARIANTS[variant].against, "A", score])]
        if VARIANTS[variant].network is not None:
            pairs.append(("network", scored[FULL, "network", "neural"]))
        for against, before in pairs:
            for metric in METRICS:
                mean, low, high = before.change_to(after, metric)
                rows.append(
                    {
                        "variant": variant,
                        "group": VARIANTS[variant].group,
                        "against": against,
                        "score": score,
                        "metric": metric,
                        "difference": mean,
                        "low": low,
                        "high": high,
                    }
                )
    return with_columns(rows, ["variant", "group", "against", "score", "metric"])


#: Quantities of the trust table: numerator, denominator.
_SHARES = {
    "cells that use symbols": ("used", "cells"),
    "cells that disagree": ("clash", "cells"),
    "right: chosen side": ("chosen", "clash"),
    "right: always the network": ("network", "clash"),
    "right: always the symbols": ("symbols", "clash"),
    "right: an oracle": ("oracle", "clash"),
}


def _trust_table(trust: Mapping[str, dict[str, Counts]], weights: Counts) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    for variant, counts in trust.items():
        for quantity, (part, whole) in _SHARES.items():
            rows.append(
                {
                    "variant": variant,
                    "quantity": quantity,
                    **_ratio(counts[part].mean(axis=0), counts[whole].mean(axis=0), weights),
                }
            )
        either = (counts["network"] + counts["symbols"]).mean(axis=0) / 2
        coin = _ratio(either, counts["clash"].mean(axis=0), weights)
        rows.append({"variant": variant, "quantity": "right: a fair coin", **coin})
        gain = (counts["chosen"] - (counts["network"] + counts["symbols"]) / 2).mean(axis=0)
        better = _ratio(gain, counts["clash"].mean(axis=0), weights)
        rows.append({"variant": variant, "quantity": "chosen side - coin", **better})
    return with_columns(rows, ["variant", "quantity"])


def _ratio(part: Float, whole: Float, weights: Counts) -> dict[str, float]:
    """A pooled share with its 95% interval over resampled perturbations; nan without any cell."""
    low, high = interval(part, whole, weights)
    return {"value": ratio(part.sum(), whole.sum()), "low": low, "high": high}
