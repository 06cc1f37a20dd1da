"""Does it pay to train on responses without what their controls share? Measured responses judge.

A control sample that is off by chance moves a gene in every condition it serves. Such moves can be
learned, and help to predict conditions with the same controls; with new controls they are noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData

from aligned.config import Config
from aligned.data import Bundle, Rows, control_adjusted, log_fold_changes
from aligned.loop import Aligned, Yardsticks
from companion.engine import Fold, Outcome, Plan, run
from companion.main_results.tables import INTEGRATED, NEURAL
from companion.rivals import RIVALS
from companion.statistics import Scores

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


@dataclass(frozen=True)
class _Trained:
    """The method and `FITTED`, trained on one kind of responses, judged by the measured ones."""

    trained_on: str
    config: Config

    def __call__(self, fold: Fold) -> Outcome:
        """Calls of every method; ``stage`` says what it was trained on."""
        changed = fold.data.copy()
        changed.X = calls_to_train_on(fold.data, self.trained_on)
        config = self.config.replace(seed=fold.seed)
        train = Rows.of(changed, fold.kb)
        train = train.take(np.flatnonzero(fold.data.obs["split"].astype(str) == "train"))
        model = Aligned(config).fit(changed, fold.kb, "A", yardstick=fold.yardstick)
        said = model.predict(fold.test.x)
        called = {NEURAL: said.neural, INTEGRATED: said.fused}
        for name in FITTED:
            rival = RIVALS[name](fold.kb, fold.measured, fold.yardstick, config)
            called[name] = rival.fit(train).predict(fold.test)
        found = Outcome(fold, Yardsticks(fold.closing, fold.kb))
        for name in (*FITTED, NEURAL, INTEGRATED):
            found.add(name, called[name], stage=self.trained_on)
        return found


def run_adjusted(bundle: Bundle, config: Config, plan: Plan, n_boot: int = 1000) -> AdjustedTables:
    """Fit `FITTED` and the method on each kind of `TRAINED_ON`; see `AdjustedTables`.

    Parameters
    ----------
    bundle : Bundle
        A data set with ``obs["controls"]``.
    config : Config
        Its objective is set to data consistency.
    plan : Plan
        Splits, seeds and folds.
    n_boot : int
        Bootstrap draws.
    """
    judged = config.replace(objective="f_d")
    results = run(bundle, [_Trained(kind, judged) for kind in TRAINED_ON], plan)
    scores = Scores(results, n_boot, config.gamma)
    found = []
    for key in scores.keys:
        if key.yardstick != "original":
            continue
        score, plain = scores.of(key), scores.of(key._replace(stage="as measured"))
        value, low, high = score.interval("f_d")
        gain = plain.change_to(score, "f_d")
        found.append(
            {"split": key.split, "method": key.arm, "trained_on": key.stage}
            | {"f_d": value, "low": low, "high": high}
            | dict(zip(("gain", "gain_low", "gain_high"), gain, strict=True))
        )
    return AdjustedTables(pd.DataFrame(found))
