"""The A-R-A-R analysis (the paper's Table 1): every stage, every yardstick, with intervals.

Each held-out fold of each split and seed is one fit. Fits with *all* edges visible give the scores
against the original and the refined network; on the headline split a second set of fits hides a
share of the edges and is scored where the complete network says something the visible one does not.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import pandas as pd

from aligned.config import Config
from aligned.data import Bundle, Rows
from aligned.knowledge import Rule
from aligned.loop import Yardsticks, choose_closure
from aligned.scores import confusion, f1_from_confusion
from companion.arms import ALIGNED, CONTROL, Method, Rivals
from companion.edits import edit_support, edit_table
from companion.engine import Arm, Plan, Results, Settings, run
from companion.rivals import BASELINES
from companion.statistics import METRICS, Key, Scores, with_columns

__all__ = ["CONTROL", "STAGES", "IterationSettings", "IterationTables", "run_iterations"]

#: Stages in the order of the tables; the last is the control without refinement.
STAGES = ("init", "network", "A", "A-R", "A-R-A", "A-R-A-R", "A-A")

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

#: What fits with hidden edges add to the name of their arm.
HIDDEN = ", edges hidden"


@dataclass(frozen=True)
class IterationSettings(Settings):
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
        Plan(self.splits, self.seeds)


@dataclass(frozen=True)
class IterationTables:
    """Tidy tables of the analysis, computed from the counts that a run keeps.

    Attributes
    ----------
    card : DataFrame
        The data set in the fewest rows: ``item, value``.
    scores : DataFrame
        split × method × stage × score × yardstick × subset: three scores with 95% intervals, by
        drawing seeds and groups of conditions again; how many groups, and the largest's size.
    per_seed : DataFrame
        The same per seed, without intervals.
    changes : DataFrame
        Paired differences between stages, and to the best trivial baseline.
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

    @classmethod
    def of(cls, results: Results, n_boot: int = 1000, gamma: float = 2.0) -> IterationTables:
        """Score what `run_iterations` counted."""
        scores = Scores(results, n_boot, gamma)
        shown = [
            key
            for key in scores.keys
            if (key.yardstick == "heldout") == key.arm.endswith(HIDDEN) and _labels(key)
        ]
        edits = results.fits.groupby(["split", "arm", "stage"])["n_edits"].mean()
        return cls(
            scores=_score_table(scores, shown, edits),
            per_seed=_per_seed_table(scores, shown, sorted(results.counts["seed"].unique())),
            changes=_change_table(scores, shown),
            **{name: results.more[name] for name in ("card", "closures", "edits", "support")},
        )


def run_iterations(
    bundle: Bundle,
    settings: IterationSettings,
    progress: bool = True,
    cache: str | Path | None = None,
) -> Results:
    """Run the analysis on a data set; `IterationTables.of` scores what comes back.

    Parameters
    ----------
    bundle : Bundle
        Data, network, second network and yardstick.
    settings : IterationSettings
    progress : bool
        Show a bar on stderr.
    cache : path, optional
        Folder of finished fits (`companion.engine.run`).
    """
    config, names = settings.config, tuple(BASELINES)
    plan = Plan(settings.splits, settings.seeds, settings.n_folds, settings.n_jobs)
    arms: list[Arm] = [Method(config, settings.schedule), Rivals(names, config)]
    results = run(bundle, arms, plan, cache, progress)
    raw, hide = results.more, settings.heldout_share
    if hide:
        hidden: list[Arm] = [
            Method(config, settings.schedule, hide=hide, name=ALIGNED + HIDDEN),
            Rivals(names, config, hide=hide, suffix=HIDDEN),
        ]
        headline = dataclasses.replace(plan, splits=plan.splits[:1])
        more = run(bundle, hidden, headline, cache, progress)
        results.counts = pd.concat([results.counts, more.counts], ignore_index=True)
        results.fits = pd.concat([results.fits, more.fits], ignore_index=True)
    rows = Rows.of(bundle.data, bundle.kb)
    edits = edit_table(raw["edits"], bundle, settings.splits[0])
    results.more = {
        "card": card_table(bundle),
        "closures": _closure_table(raw["closures"], bundle, rows, config),
        "edits": edits,
        "support": edit_support(edits, bundle, rows),
    }
    return results


# ------------------------------------------------------------------------------------- scoring


def _labels(key: Key) -> dict[str, object] | None:
    """Columns ``method, stage`` of what is shown: our stages and the trivial baselines."""
    arm = key.arm.removesuffix(HIDDEN)
    if arm in (ALIGNED, *BASELINES):
        return {"method": arm, "stage": key.stage}
    return None


def _about(key: Key) -> dict[str, object]:
    return {
        "split": key.split,
        **(_labels(key) or {}),
        "score": key.score,
        "yardstick": key.yardstick,
    }


def _score_table(scores: Scores, shown: list[Key], edits: pd.Series) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    for key in shown:
        groups = scores.groups(key.split)
        apart = scores.subsets(key.split) if key.yardstick == "original" else ["all"]
        for subset in apart:
            made = edits.get((key.split, key.arm, key.stage), 0.0)
            rows.append(
                {
                    **_about(key),
                    "subset": subset,
                    **scores.of(key, subset).row(),
                    "n_edits": 0.0 if pd.isna(made) else float(made),
                    "n_seeds": scores.n_seeds(key.split),
                    "n_groups": len(groups),
                    "largest_group": int(groups.iloc[0]),
                }
            )
    return with_columns(rows, ["split", "method", "stage", "score", "yardstick", "subset"])


def _per_seed_table(scores: Scores, shown: list[Key], seeds: list[int]) -> pd.DataFrame:
    rows: list[dict[str, object]] = [
        {
            **_about(key),
            "seed": seed,
            **{metric: float(scores.of(key).per_seed[metric][i]) for metric in METRICS},
        }
        for key in shown
        for i, seed in enumerate(seeds)
    ]
    return with_columns(rows, ["split", "method", "stage", "score", "yardstick", "seed"])


def _change_table(scores: Scores, shown: list[Key]) -> pd.DataFrame:
    """Paired changes between stages, and from the honest baselines to the last stages."""
    known = {(k.split, k.arm.removesuffix(HIDDEN), k.stage, k.score, k.yardstick): k for k in shown}
    rows: list[dict[str, object]] = []
    for split, score, yardstick in product(
        scores.splits, ("neural", "integrated"), ("original", "refined", "heldout")
    ):
        pairs = [((ALIGNED, a, score), (ALIGNED, b, score)) for a, b in STEPS]
        pairs += [
            ((name, "", "prediction"), (ALIGNED, stage, score))
            for name, kind in BASELINES.items()
            if not kind.leakage
            for stage in ("network", "A", "A-R-A-R")
        ]
        for a, b in pairs:
            before, after = (known.get((split, *side, yardstick)) for side in (a, b))
            if before is None or after is None:
                continue
            for metric in METRICS:
                mean, low, high = scores.of(before).change_to(scores.of(after), metric)
                rows.append(
                    {"split": split, "score": score, "yardstick": yardstick}
                    | {"from": a[1] or a[0], "to": b[1], "metric": metric}
                    | {"difference": mean, "low": low, "high": high}
                )
    return with_columns(rows, ["split", "score", "yardstick", "from", "to", "metric"])


def _closure_table(tried: pd.DataFrame, bundle: Bundle, rows: Rows, config: Config) -> pd.DataFrame:
    """Each closure's score on training folds (which chose) and on all conditions (for show)."""
    table = tried.groupby(["k", "rule"], as_index=False, sort=False).agg(
        f_d_train=("f_d", "mean"),
        objective_train=("objective", "mean"),
        times_chosen=("chosen", "sum"),
    )
    measured = tuple(map(str, bundle.data.var_names))
    yardstick = Rule(**bundle.yardstick)
    everything = choose_closure(rows, bundle.kb, measured, config, yardstick)
    against = Yardsticks(yardstick, bundle.kb).deductions(rows, bundle.kb, measured)["original"]
    knowledge = []
    for k, rule in everything[["k", "rule"]].itertuples(index=False, name=None):
        closing = Rule(int(k), str(rule), config.alpha, config.margin)
        delta = bundle.kb.deduce(rows.x, closing)[:, bundle.kb.columns(measured)]
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
