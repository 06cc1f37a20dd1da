"""The A-R-A-R analysis (the paper's Table 1): every stage, every yardstick, with intervals.

Each held-out fold of each split and seed is one fit. Fits with *all* edges visible give the scores
against the original and the refined network; on the headline split a second set of fits hides a
share of the edges and is scored where the complete network says something the visible one does not.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData

from aligned.abduction import Aligned
from aligned.abduction.problem import Closing, choose_closure
from aligned.abduction.records import Yardsticks
from aligned.baselines import BASELINES
from aligned.config import Config
from aligned.datasets import Bundle, folds
from aligned.datasets.rows import Rows
from aligned.experiments.edits import edit_support, edit_table, net_edits
from aligned.experiments.fits import (
    first_perturbed,
    fold_data,
    joined_folds,
    side_by_side,
)
from aligned.experiments.statistics import METRICS, Bootstrap, Scored, with_columns
from aligned.knowledge import KnowledgeBase
from aligned.metrics import confusion, f1_from_confusion

__all__ = ["CONTROL", "STAGES", "IterationSettings", "IterationTables", "run_iterations", "subsets"]

#: Stages in the order of the tables; the last is the control without refinement.
STAGES = ("init", "network", "A", "A-R", "A-R-A", "A-R-A-R", "A-A")
CONTROL = "A-A"

#: Paired changes that are reported: from stage, to stage.
STEPS = (
    ("network", "A"),
    ("A", "A-R"),
    ("A-R", "A-R-A"),
    ("A-R-A", "A-R-A-R"),
    ("network", "A-R"),
    ("A-R", "A-R-A-R"),
    ("network", "A-R-A-R"),
    ("A", "A-A"),
    ("A-A", "A-R-A"),
)

Key = tuple[str, str, str]  # method or stage, score, yardstick or "data"


@dataclass(frozen=True)
class IterationSettings:
    """What to run: splits, seeds, folds, and how many edges to hide in the second set of fits.

    The first split is the headline; the held-out edges are hidden there.
    """

    config: Config = field(default_factory=Config)
    splits: tuple[str, ...] = ("control_safe", "perturbation")
    seeds: tuple[int, ...] = (0, 1, 2)
    n_folds: int = 5
    schedule: str = "A-R-A-R"
    heldout_share: float = 0.2
    n_boot: int = 1000
    n_jobs: int = 2

    def __post_init__(self) -> None:
        if not self.splits or not self.seeds:
            raise ValueError("give at least one split and one seed.")

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain values, for a run record."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class IterationTables:
    """Tidy tables of the analysis; `save_tables` and `load_tables` move them as CSV files.

    Attributes
    ----------
    card : DataFrame
        The data set in the fewest rows: ``item, value``.
    scores : DataFrame
        split × method × stage × score × yardstick × subset: three scores with 95% intervals.
    per_seed : DataFrame
        The same per seed, without intervals.
    changes : DataFrame
        Paired differences between stages, and from every trivial baseline to the last stages.
        ``refined`` holds each stage against the network it has itself, as the paper does, so it
        stands between stages only: a baseline has no refined network.
    closures : DataFrame
        What each closure scores on training and on test conditions, and how often it was chosen.
    edits : DataFrame
        Every edit, with its evidence and whether the other network has it.
    support : DataFrame
        How many added edges the other network has, against chance.
    """

    card: pd.DataFrame
    scores: pd.DataFrame
    per_seed: pd.DataFrame
    changes: pd.DataFrame
    closures: pd.DataFrame
    edits: pd.DataFrame
    support: pd.DataFrame


@dataclass
class _Fold:
    """What one fit leaves behind."""

    job: dict[str, Any]
    rows: list[str]
    counts: dict[Key, npt.NDArray[np.int64]]
    n_edits: dict[str, int]
    edits: pd.DataFrame
    closures: pd.DataFrame


def run_iterations(
    bundle: Bundle,
    settings: IterationSettings,
    progress: bool = True,
) -> IterationTables:
    """Run the analysis on a data set; see `IterationTables` for what comes back.

    Parameters
    ----------
    bundle : Bundle
        Data, network, second network and yardstick.
    settings : IterationSettings
    progress : bool
        Show a bar on stderr.
    """
    shared = (bundle.data, bundle.kb, dict(bundle.yardstick), settings)
    jobs = [(*shared, job) for job in _jobs(bundle, settings)]
    results = side_by_side(_fit_fold, jobs, settings.n_jobs, "fits", progress)
    rows = Rows.of(bundle.data, bundle.kb)
    pooled = _pool(results, rows, settings)
    scored = _score_all(pooled, bundle, rows, settings)
    visible = [r for r in results if not r.job["hidden"]]
    edits = edit_table([(r.job, r.edits) for r in visible], bundle, settings.splits[0])
    return IterationTables(
        card=card_table(bundle),
        scores=_score_table(scored, pooled),
        per_seed=_per_seed_table(scored, settings),
        changes=_change_table(scored),
        closures=_closure_table(visible, bundle, rows, settings),
        edits=edits,
        support=edit_support(edits, bundle, rows),
    )


# ------------------------------------------------------------------------------------- fitting


def _jobs(bundle: Bundle, settings: IterationSettings) -> Iterator[dict[str, Any]]:
    for split in settings.splits:
        for seed in settings.seeds:
            table = folds(bundle.data, split, settings.n_folds, seed)
            for hidden in (False, True):
                if hidden and (split != settings.splits[0] or settings.heldout_share == 0):
                    continue
                for fold in table.columns:
                    yield {
                        "split": split,
                        "seed": seed,
                        "fold": fold,
                        "hidden": hidden,
                        "labels": table[fold],
                    }


def _fit_fold(
    data: AnnData,
    kb: KnowledgeBase,
    yardstick: dict[str, Any],
    settings: IterationSettings,
    job: dict[str, Any],
) -> _Fold:
    """Fit the schedule and its control on one fold, and the baselines beside them."""
    here = fold_data(data, job["labels"], job["split"])
    config = settings.config.replace(seed=job["seed"])
    visible, complete = kb, None
    if job["hidden"]:
        visible, _ = kb.hold_out(settings.heldout_share, seed=job["seed"])
        complete = kb
    options: dict[str, Any] = {"yardstick": yardstick, "complete_kb": complete}
    with tempfile.TemporaryDirectory() as folder:
        model = Aligned(config).fit(here, visible, settings.schedule, checkpoint=folder, **options)
        phases = list(model.phases)
        if not job["hidden"]:
            control = Aligned(config).fit(
                here, visible, CONTROL, checkpoint=folder, resume=True, **options
            )
            phases.append(control.phases[-1])
    counts: dict[Key, npt.NDArray[np.int64]] = {
        (p.stage, score, against): c for p in phases for (score, against), c in p.confusions.items()
    }
    counts.update(_baseline_counts(model, config, yardstick))
    return _Fold(
        {k: v for k, v in job.items() if k != "labels"},
        list(map(str, model.problem.test.names)),
        counts,
        {p.stage: p.n_edits for p in phases},
        net_edits(visible, model.kb, model.edits),
        model.problem.tried,
    )


def _baseline_counts(
    model: Aligned, config: Config, yardstick: dict[str, Any]
) -> dict[Key, npt.NDArray[np.int64]]:
    problem, test = model.problem, model.problem.test
    original = model.yardsticks.original
    against = model.yardsticks.deductions(test, original, problem.measured)
    counts: dict[Key, npt.NDArray[np.int64]] = {}
    for name, kind in BASELINES.items():
        baseline = kind(original, problem.measured, yardstick, config).fit(problem.train)
        prediction = baseline.predict(test)
        counts[name, "prediction", "data"] = confusion(test.y, prediction, test.counted)
        for label, (delta, cells) in against.items():
            if label != "refined":  # a baseline refines nothing
                counts[name, "prediction", label] = confusion(delta, prediction, cells)
    return counts


# ------------------------------------------------------------------------------------- scoring


@dataclass
class _Pool:
    """Counts of all held-out rows of one split: (seeds, rows, 3, 3) per key, rows in data order."""

    split: str
    hidden: bool
    counts: dict[Key, npt.NDArray[np.int64]]
    tested: npt.NDArray[np.intp]
    n_edits: dict[str, float]


def _pool(results: list[_Fold], rows: Rows, settings: IterationSettings) -> list[_Pool]:
    pools = []
    for split, hidden in dict.fromkeys((r.job["split"], r.job["hidden"]) for r in results):
        per_seed = []
        for seed in settings.seeds:
            mine = [
                r
                for r in results
                if (r.job["split"], r.job["hidden"], r.job["seed"]) == (split, hidden, seed)
            ]
            per_seed.append(joined_folds([r.rows for r in mine], [r.counts for r in mine], rows))
        tested = per_seed[0][0]
        counts = {key: np.stack([joined[key] for _, joined in per_seed]) for key in per_seed[0][1]}
        stages = next(
            r.n_edits for r in results if (r.job["split"], r.job["hidden"]) == (split, hidden)
        )
        edits = {
            stage: float(
                np.mean(
                    [
                        r.n_edits[stage]
                        for r in results
                        if (r.job["split"], r.job["hidden"]) == (split, hidden)
                    ]
                )
            )
            for stage in stages
        }
        pools.append(_Pool(split, hidden, counts, tested, edits))
    return pools


def subsets(bundle: Bundle, rows: Rows) -> dict[str, npt.NDArray[np.bool_]]:
    """Subsets of conditions that are scored apart: name -> rows of the data, bool (b,)."""
    known = np.asarray(abs(rows.x)[:, bundle.kb.regulator_index].sum(axis=1)).ravel() > 0
    masks = {
        "all": np.ones(len(rows), bool),
        "with a regulator of the network": known,
        "without one": ~known,
    }
    if "expression_kind" in bundle.data.obs:
        masks["measured only"] = (bundle.data.obs["expression_kind"] == "log_tpm").to_numpy()
    return {name: mask for name, mask in masks.items() if mask.any()}


def _score_all(
    pools: list[_Pool], bundle: Bundle, rows: Rows, settings: IterationSettings
) -> dict[tuple[str, str, str, str, str], Scored]:
    """(split, stage or method, score, yardstick, subset) -> scores."""
    first = first_perturbed(rows, bundle.kb)
    apart = subsets(bundle, rows)
    scored: dict[tuple[str, str, str, str, str], Scored] = {}
    for pool in pools:
        bootstrap = Bootstrap(
            first[pool.tested], len(settings.seeds), settings.n_boot, 0, settings.config.gamma
        )
        for (name, score, against), counts in pool.counts.items():
            if against == "data" or (against == "heldout") != pool.hidden:
                continue
            data = pool.counts[name, score, "data"]
            for subset, mask in apart.items():
                if subset != "all" and (against != "original" or not mask[pool.tested].any()):
                    continue
                chosen = None if subset == "all" else mask[pool.tested]
                key = (pool.split, name, score, against, subset)
                scored[key] = bootstrap.score(data, counts, chosen)
    return scored


def _score_table(
    scored: dict[tuple[str, str, str, str, str], Scored], pools: list[_Pool]
) -> pd.DataFrame:
    edits = {(p.split, p.hidden): p.n_edits for p in pools}
    rows: list[dict[str, object]] = []
    for (split, name, score, yardstick, subset), result in scored.items():
        made = edits[split, yardstick == "heldout"].get(name, 0.0)
        label = _labels(name)
        rows.append(
            {
                "split": split,
                **label,
                "score": score,
                "yardstick": yardstick,
                "subset": subset,
                **result.row(),
                "n_edits": made,
                "n_seeds": len(result.per_seed["f_d"]),
            }
        )
    return with_columns(rows, ["split", "method", "stage", "score", "yardstick", "subset"])


def _labels(name: str) -> dict[str, object]:
    if name in BASELINES:
        return {"method": name, "stage": ""}
    return {"method": "ALIGNED", "stage": name}


def _per_seed_table(
    scored: dict[tuple[str, str, str, str, str], Scored], settings: IterationSettings
) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    for (split, name, score, yardstick, subset), result in scored.items():
        if subset != "all":
            continue
        for i, seed in enumerate(settings.seeds):
            values = {m: float(result.per_seed[m][i]) for m in METRICS}
            rows.append(
                {
                    "split": split,
                    **_labels(name),
                    "score": score,
                    "yardstick": yardstick,
                    "seed": seed,
                    **values,
                }
            )
    return with_columns(rows, ["split", "method", "stage", "score", "yardstick", "seed"])


def _change_table(scored: dict[tuple[str, str, str, str, str], Scored]) -> pd.DataFrame:
    """Paired changes between stages, and from the honest baselines to the last stages."""
    rows: list[dict[str, object]] = []
    splits = dict.fromkeys(key[0] for key in scored)
    for split in splits:
        for score in ("neural", "integrated"):
            for yardstick in ("original", "refined", "heldout"):
                pairs = [((a, score), (b, score)) for a, b in STEPS]
                pairs += [
                    ((name, "prediction"), (stage, score))
                    for name, kind in BASELINES.items()
                    if not kind.leakage
                    for stage in ("network", "A", "A-R-A-R")
                ]
                for (a, score_a), (b, score_b) in pairs:
                    before = scored.get((split, a, score_a, yardstick, "all"))
                    after = scored.get((split, b, score_b, yardstick, "all"))
                    if before is None or after is None:
                        continue
                    for metric in METRICS:
                        mean, low, high = before.change_to(after, metric)
                        rows.append(
                            {
                                "split": split,
                                "score": score,
                                "yardstick": yardstick,
                                "from": a,
                                "to": b,
                                "metric": metric,
                                "difference": mean,
                                "low": low,
                                "high": high,
                            }
                        )
    return with_columns(rows, ["split", "score", "yardstick", "from", "to", "metric"])


def _closure_table(
    results: list[_Fold], bundle: Bundle, rows: Rows, settings: IterationSettings
) -> pd.DataFrame:
    """Each closure's score on training folds (which chose) and on all conditions (for show)."""
    per_fit = pd.concat([r.closures for r in results], ignore_index=True)
    chosen = pd.DataFrame(
        [r.closures.iloc[int(r.closures["objective"].to_numpy().argmax())] for r in results]
    )
    table = per_fit.groupby(["k", "rule"], as_index=False, sort=False)[["f_d", "objective"]].mean()
    table = table.rename(columns={"f_d": "f_d_train", "objective": "objective_train"})
    picks = chosen.groupby(["k", "rule"]).size().rename("times_chosen").reset_index()
    table = table.merge(picks, how="left").fillna({"times_chosen": 0})
    table["times_chosen"] = table["times_chosen"].astype(int)
    measured = tuple(map(str, bundle.data.var_names))
    yardstick = Closing(**bundle.yardstick)
    everything = choose_closure(rows, bundle.kb, measured, settings.config, yardstick)
    against = Yardsticks(yardstick, bundle.kb).deductions(rows, bundle.kb, measured)["original"]
    knowledge = []
    for k, rule in everything[["k", "rule"]].itertuples(index=False, name=None):
        closing = Closing(int(k), str(rule), settings.config.alpha, settings.config.margin)
        delta = bundle.kb.deduce(rows.x, **closing.kwargs)[:, bundle.kb.columns(measured)]  # type: ignore[arg-type]
        counts = confusion(against[0], delta, against[1])
        knowledge.append(float(f1_from_confusion(counts.sum(axis=0))))
    everything = everything.assign(f_k=knowledge).drop(columns="objective")
    return table.merge(everything.rename(columns={"f_d": "f_d_all", "f_k": "f_k_all"}))


def card_table(bundle: Bundle) -> pd.DataFrame:
    """What is in the data set, in the fewest rows: ``item, value``."""
    data, kb = bundle.data, bundle.kb
    observed = data.layers["observed"]
    changed = float((data.X != 0).sum() / observed.sum())
    rows = {
        "conditions": f"{data.n_obs}",
        "different perturbations": f"{data.obs['perturbation'].nunique()}",
        "genes measured": f"{data.n_vars:,}",
        "cells measured": f"{int(observed.sum()):,}",
        "of these changed": f"{changed:.1%}",
        "regulators in the network": f"{len(kb.regulators)}",
        "signed edges": f"{kb.n_edges:,} on {kb.n_pairs:,} pairs",
        "yardstick": f"k = {bundle.yardstick['k']}, {bundle.yardstick['rule']}",
    }
    return pd.DataFrame({"item": list(rows), "value": list(rows.values())})
