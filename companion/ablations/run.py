"""What each part of the method brings (C9-C12): switch one off, keep all else, compare pairwise.

Every variant is fitted on the same folds and seeds, and scored against the *true* network of the
edition, also where the variant itself was given another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from aligned.config import Config
from aligned.data import Bundle
from aligned.scores import bootstrap_weights
from companion.arms import ALIGNED, Method
from companion.engine import DATA, Arm, Plan, Results, Settings, run
from companion.statistics import METRICS, Scored, Scores, ratio, with_columns

__all__ = [
    "FULL",
    "PAPER_FORM",
    "VARIANTS",
    "AblationSettings",
    "AblationTables",
    "Variant",
    "run_ablations",
]

#: The method as it is, and the paper's form of the adapter: symbols also where they are silent.
FULL, PAPER_FORM = "full", "symbols anywhere"


@dataclass(frozen=True)
class Variant:
    """One ablation: its group in the figure, what is different, and the settings that change.

    ``against`` names the variant it is compared with; ``network`` is what the method is given, one
    of `companion.arms.NETWORKS`.
    """

    group: str
    description: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    against: str = FULL
    network: str = "given"


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
    "w, old count": Variant(
        "weights w", "unchanged where a change was deduced is no conflict", {"weights": "full"}
    ),
    "w constant": Variant("weights w", "½ for every gene", {"weights": "constant"}),
    "w random": Variant("weights w", "uniform at random", {"weights": "random"}),
    "w without GO": Variant("weights w", "no annotation counts", {"use_go": False}),
    "w without GRN": Variant("weights w", "no in-degrees", {"use_grn": False}),
    "w without conflicts": Variant("weights w", "no conflict counts", {"use_conflicts": False}),
    "random network": Variant("knowledge", "edges rewired, degrees kept", network="rewired"),
    "k = 1": Variant("closure", "direct edges", {"k": 1, "rule": "boolean"}),
    "k = 2": Variant("closure", "paths of up to 2 steps", {"k": 2, "rule": "boolean"}),
    "k = 3": Variant("closure", "paths of up to 3 steps", {"k": 3, "rule": "boolean"}),
    "k = 5": Variant("closure", "paths of up to 5 steps", {"k": 5, "rule": "boolean"}),
    "majority, k = 2": Variant("closure", "damped majority", {"k": 2, "rule": "majority"}),
    "estimator reinforce": Variant("estimator", "the paper's", {"estimator": "reinforce"}),
    "estimator exact": Variant("estimator", "closed form, no learning", {"estimator": "exact"}),
}


@dataclass(frozen=True)
class AblationSettings(Settings):
    """What to run: ``variants`` (empty: all of `VARIANTS`), and which of them cell by cell."""

    config: Config = field(default_factory=Config)
    variants: tuple[str, ...] = ()
    trusted: tuple[str, ...] = (FULL, "no Inc")
    split: str = "control_safe"
    seeds: tuple[int, ...] = (0, 1, 2)
    n_folds: int = 5
    n_boot: int = 1000
    n_jobs: int = 2

    def __post_init__(self) -> None:
        unknown = [v for v in (*self.variants, *self.trusted) if v not in VARIANTS]
        if unknown:
            listed = ", ".join(map(repr, VARIANTS))
            raise ValueError(f"there is no variant {unknown[0]!r}; use some of {listed}.")
        if not self.seeds:
            raise ValueError("give at least one seed.")

    @property
    def chosen(self) -> tuple[str, ...]:
        """The variants to run, with those they are compared with, in the order of `VARIANTS`."""
        asked = {*(self.variants or VARIANTS), *self.trusted}
        needed = asked | {FULL} | {VARIANTS[v].against for v in asked}
        return tuple(v for v in VARIANTS if v in needed)


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

    @classmethod
    def of(cls, results: Results, n_boot: int = 1000, gamma: float = 2.0) -> AblationTables:
        """Score what `run_ablations` counted."""
        scores = Scores(results, n_boot, gamma)
        scored = {
            (key.arm, key.stage, key.score): scores.of(key)
            for key in scores.keys
            if key.yardstick == "original"
        }
        return cls(_score_table(scored), _change_table(scored), _trust_table(results, n_boot))


def run_ablations(
    bundle: Bundle,
    settings: AblationSettings,
    progress: bool = True,
    cache: str | Path | None = None,
) -> Results:
    """Fit every variant on every fold and seed; `AblationTables.of` scores what comes back.

    `companion.ablations.reliability.ReliabilityTables.of` looks at the cells of ``trusted``.
    """
    arms: list[Arm] = []
    for name in settings.chosen:
        how = VARIANTS[name]
        changed = settings.config.replace(**how.changes)
        if name == FULL:  # the very fits of notebook 03
            arms.append(Method(changed))
        else:
            arms.append(Method(changed, "A", control=False, network=how.network, name=name))
    plan = Plan((settings.split,), settings.seeds, settings.n_folds, settings.n_jobs)
    results = run(bundle, arms, plan, cache, progress)
    counts, more = results.counts, results.more
    keep = counts["stage"].isin(["network", "A"]) & counts["yardstick"].isin([DATA, "original"])
    results.counts = _named(counts[keep])
    cells = _named(more["cells"])
    results.more = {
        "trust": _named(more["trust"]),
        "cells": cells[cells["arm"].isin(settings.trusted)].reset_index(drop=True),
    }
    return results


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """The method as it is goes by the name of its variant."""
    return table.assign(arm=table["arm"].replace(ALIGNED, FULL)).reset_index(drop=True)


Place = tuple[str, str, str]  # variant, stage, score


def _score_table(scored: Mapping[Place, Scored]) -> pd.DataFrame:
    rows: list[dict[str, object]] = [
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


def _change_table(scored: Mapping[Place, Scored]) -> pd.DataFrame:
    """Paired changes after alignment, and of the random network against the network stage."""
    rows: list[dict[str, object]] = []
    for (variant, stage, score), after in scored.items():
        if stage != "A" or variant == FULL:
            continue
        how = VARIANTS[variant]
        pairs = [(how.against, scored[how.against, "A", score])]
        if how.network != "given":
            pairs.append(("network", scored[FULL, "network", "neural"]))
        for against, before in pairs:
            for metric in METRICS:
                mean, low, high = before.change_to(after, metric)
                row: dict[str, object] = {"variant": variant, "group": how.group}
                row |= {"against": against, "score": score, "metric": metric}
                rows.append(row | {"difference": mean, "low": low, "high": high})
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


def _trust_table(results: Results, n_boot: int) -> pd.DataFrame:
    """Shares of cells pooled over seeds, with intervals over the groups of conditions."""
    group = results.counts.drop_duplicates("condition").set_index("condition")["group"]
    group = group.loc[[c for c in results.conditions["condition"] if c in group.index]]
    weights = bootstrap_weights(list(group), n_boot, 0)
    rows: list[dict[str, object]] = []
    for variant, table in results.more["trust"].groupby("arm", sort=False):
        counts = table.groupby("condition").mean(numeric_only=True).loc[group.index]
        either = (counts["network"] + counts["symbols"]) / 2
        parts = {name: (counts[part], counts[whole]) for name, (part, whole) in _SHARES.items()}
        parts["right: a fair coin"] = either, counts["clash"]
        parts["chosen side - coin"] = counts["chosen"] - either, counts["clash"]
        for quantity, (part, whole) in parts.items():
            value, low, high = ratio(part, whole, weights)
            rows.append({"variant": variant, "quantity": quantity, "value": value})
            rows[-1] |= {"low": low, "high": high}
    return with_columns(rows, ["variant", "quantity"])
