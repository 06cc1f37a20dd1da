"""The noise ceiling: what a second run of the very same experiments would score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from aligned.data import Bundle
from companion.engine import Results, counted
from companion.statistics import FIELD, METRICS, Key, Scores, with_columns

__all__ = ["Repeats", "ceiling_table"]

COLUMNS = ["split", "subset", "metric", "value", "low", "high", "n_conditions", "n_repeats"]


@dataclass(frozen=True)
class Repeats:
    """Second runs of a study, drawn from its replicates.

    Attributes
    ----------
    calls : ndarray of int8, shape (repeats, b, m)
        Ternary responses of every repeat, in the order of the data's conditions and genes.
    rows : ndarray of bool, shape (b,)
        Conditions that have replicates; the others are left out of the ceiling.
    """

    calls: npt.NDArray[np.int8]
    rows: npt.NDArray[np.bool_]


def ceiling_table(
    bundle: Bundle, results: Results, repeats: Repeats | None, n_boot: int, gamma: float
) -> pd.DataFrame:
    """Score the repeats as if they were predictions, on the conditions that each split scores.

    Raises
    ------
    ValueError
        The repeats do not have the shape of the data.
    """
    if repeats is None:
        return pd.DataFrame(columns=COLUMNS)
    shape = (bundle.data.n_obs, bundle.data.n_vars)
    if repeats.calls.shape[1:] != shape or repeats.rows.shape != shape[:1]:
        raise ValueError(
            f"the repeats have shape {repeats.calls.shape}, the data {shape}; give calls of shape "
            "(repeats, conditions, genes) and one entry of `rows` per condition."
        )
    table: list[dict[str, object]] = []
    for split, counts in results.counts.groupby("split", sort=False):
        tested = bundle.data.obs_names.astype(str).isin(counts["condition"])
        if not (repeats.rows & tested).any():
            continue
        again = counted(bundle, {("repeat", ""): repeats.calls}, str(split), repeats.rows & tested)
        groups = counts.drop_duplicates("condition").set_index("condition")["group"]
        again.counts["group"] = groups.loc[again.counts["condition"]].to_numpy()
        scores = Scores(again, n_boot, gamma, field=True)
        for subset, n in scores.subsets(str(split)).items():
            result = scores.of(Key(str(split), "repeat"), subset)
            for metric in (*METRICS, *FIELD):
                value, low, high = result.interval(metric)
                table.append(
                    {"split": split, "subset": subset, "metric": metric, "value": value}
                    | {"low": low, "high": high, "n_conditions": n}
                    | {"n_repeats": len(repeats.calls)}
                )
    return with_columns(table, COLUMNS)
