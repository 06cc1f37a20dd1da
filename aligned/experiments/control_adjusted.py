"""Does it pay to train on responses without what their controls share? Measured responses judge.

A control sample that is off by chance moves a gene in every condition it serves. Such moves can be
learned, and help to predict conditions with the same controls; with new controls they are noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData
from joblib import delayed

import aligned.baselines as baselines
from aligned.abduction import Aligned
from aligned.config import Config
from aligned.datasets import Bundle, folds
from aligned.datasets.controls import control_adjusted, log_fold_changes
from aligned.datasets.rows import Rows
from aligned.experiments.fits import first_perturbed, fold_data, joined_folds, one_thread_each
from aligned.experiments.main_tables import INTEGRATED, NEURAL
from aligned.experiments.statistics import Bootstrap
from aligned.metrics import confusion
from aligned.processes import workers

__all__ = ["FITTED", "TRAINED_ON", "AdjustedTables", "calls_to_train_on", "run_adjusted"]

Int8 = npt.NDArray[np.int8]

#: What the training responses are: name -> description.
TRAINED_ON = {
    "as measured": "the calls of the data set",
    "fold changes": "every fold change of at least the smallest one called",
    "control-adjusted": "the same, after the median of other perturbations with the same controls "
    "is subtracted",
}

#: Rivals that are fitted beside our own outputs.
FITTED = ("class frequencies", "direct edges, else frequencies", "logistic on network features")


@dataclass(frozen=True)
class AdjustedTables:
    """Scores against the measured calls of held-out conditions.

    Attributes
    ----------
    scores : DataFrame
        ``split, method, trained_on, f_d, low, high, gain, gain_low, gain_high``: data consistency
        (threshold tuned for it on inner folds of the training conditions), and its paired change
        to the same method trained *as measured*; 95% bootstrap over perturbations, and seeds.
    """

    scores: pd.DataFrame


def calls_to_train_on(data: AnnData, trained_on: str) -> Int8:
    """Calls, shape (b, m), whose training rows are one of `TRAINED_ON`; all others as measured.

    Only training conditions are subtracted, and only from training conditions.

    Raises
    ------
    ValueError
        ``trained_on`` is none of them.
    """
    measured = np.asarray(data.X).astype(np.int8)
    if trained_on not in TRAINED_ON:
        listed = ", ".join(map(repr, TRAINED_ON))
        raise ValueError(f"there are no responses {trained_on!r}; use some of {listed}.")
    if trained_on == "as measured":
        return measured
    train = (data.obs["split"].astype(str) == "train").to_numpy()[:, None]
    change = log_fold_changes(data)
    tau = np.nanmin(np.abs(change[(measured != 0) & train]))
    if trained_on == "control-adjusted":
        change = control_adjusted(data)
    change = np.nan_to_num(change)
    called = np.where(np.abs(change) >= tau, np.sign(change), 0).astype(np.int8)
    return np.where(train, called, measured)


def run_adjusted(
    bundle: Bundle,
    config: Config,
    splits: Sequence[str] = ("control_safe", "perturbation"),
    seeds: Sequence[int] = (0, 1),
    n_folds: int = 5,
    n_boot: int = 1000,
    n_jobs: int = 2,
) -> AdjustedTables:
    """Fit `FITTED` and the method on each kind of `TRAINED_ON`; see `AdjustedTables`.

    Parameters
    ----------
    bundle : Bundle
        A data set with ``obs["controls"]``.
    config : Config
        Its objective is set to data consistency.
    splits, seeds, n_folds, n_boot, n_jobs
        As in `aligned.experiments.main_results.MainSettings`; a seed deals the folds too.
    """
    rows = Rows.of(bundle.data, bundle.kb)
    groups = first_perturbed(rows, bundle.kb)
    found = []
    for split in splits:
        counts = []
        for seed in seeds:
            table = folds(bundle.data, split, n_folds, seed)
            jobs = [
                delayed(_one_fold)(
                    bundle, table[fold], split, config.replace(seed=seed, objective="f_d")
                )
                for fold in table.columns
            ]
            with one_thread_each(n_jobs):
                parts = workers(n_jobs)(jobs)
            where, joined = joined_folds([p[0] for p in parts], [p[1] for p in parts], rows)
            counts.append(
                {k: confusion(rows.y[where], v, rows.counted[where]) for k, v in joined.items()}
            )
        bootstrap = Bootstrap(groups[where], len(seeds), n_boot, 0, config.gamma)
        stacked = {key: np.stack([c[key] for c in counts]) for key in counts[0]}
        scored = {key: bootstrap.score(c, c) for key, c in stacked.items()}
        for (method, kind), score in scored.items():
            row = score.row()
            gain = scored[method, "as measured"].change_to(score, "f_d")
            found.append(
                {"split": split, "method": method, "trained_on": kind}
                | {"f_d": row["f_d"], "low": row["f_d_low"], "high": row["f_d_high"]}
                | dict(zip(("gain", "gain_low", "gain_high"), gain, strict=True))
            )
    return AdjustedTables(pd.DataFrame(found))


def _one_fold(
    bundle: Bundle, labels: pd.Series, split: str, config: Config
) -> tuple[list[str], dict[tuple[str, str], Int8]]:
    """Names of the test conditions, and their predicted calls by method and kind of training."""
    here = fold_data(bundle.data, labels, split)
    measured = tuple(map(str, here.var_names))
    role = here.obs["split"].astype(str).to_numpy()
    test = Rows.of(here, bundle.kb).take(np.flatnonzero(role == "test"))
    found: dict[tuple[str, str], Int8] = {}
    for kind in TRAINED_ON:
        changed = here.copy()
        changed.X = calls_to_train_on(here, kind)
        train = Rows.of(changed, bundle.kb).take(np.flatnonzero(role == "train"))
        for name in FITTED:
            rival = baselines.RIVALS[name](bundle.kb, measured, dict(bundle.yardstick), config)
            found[name, kind] = rival.fit(train).predict(test)
        model = Aligned(config).fit(changed, bundle.kb, "A", yardstick=dict(bundle.yardstick))
        prediction = model.predict(test.x)
        found[NEURAL, kind] = prediction.neural
        found[INTEGRATED, kind] = prediction.fused
    return list(test.names), found
