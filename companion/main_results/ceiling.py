"""The noise ceiling: what a second run of the very same experiments would score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from aligned.data import Bundle, Rows
from aligned.knowledge import Rule
from aligned.scores import confusion
from companion.main_results.tables import Pool, score_all
from companion.statistics import METRICS, sampled_interval, with_columns

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
    bundle: Bundle,
    pools: Iterable[Pool],
    perturbed: npt.NDArray[np.str_],
    apart: Mapping[str, npt.NDArray[np.bool_]],
    repeats: Repeats | None,
    n_boot: int,
    gamma: float,
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
    rows = Rows.of(bundle.data, bundle.kb)
    measured = bundle.kb.columns(tuple(map(str, bundle.data.var_names)))
    delta = bundle.kb.deduce(rows.x, Rule(**bundle.yardstick))[:, measured]
    data = np.stack([confusion(rows.y, calls, rows.counted) for calls in repeats.calls])
    knowledge = np.stack([confusion(delta, calls, rows.counted) for calls in repeats.calls])
    table: list[dict[str, object]] = []
    for pool in pools:
        there = repeats.rows & np.isin(np.arange(len(rows)), pool.tested)
        if not there.any():
            continue
        key = ("", "repeat")
        keep = there[None, :, None, None]
        nothing = {key: np.full(data.shape[:2], np.nan)}
        again = Pool(pool.split, {key: data * keep}, {key: knowledge * keep}, nothing, {key: 0.0})
        for (split, _, _, subset), (result, n) in score_all(
            [again], perturbed, apart, n_boot, gamma
        ).items():
            for metric in (*METRICS, "overlap", "precision", "direction"):
                low, high = sampled_interval(result.samples[metric])
                table.append(
                    {
                        "split": split,
                        "subset": subset,
                        "metric": metric,
                        "value": float(result.per_seed[metric].mean()),
                        "low": low,
                        "high": high,
                        "n_conditions": n,
                        "n_repeats": len(repeats.calls),
                    }
                )
    return with_columns(table, COLUMNS)
