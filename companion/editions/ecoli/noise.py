"""How far replicates disagree: the noise that no model of these data can get below."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from companion.editions.ecoli.expression import MEASURED, Contrast, Thresholds

__all__ = ["noise_summary", "replicate_disagreement", "wild_type_calls"]

Float = npt.NDArray[np.float64]
Int8 = npt.NDArray[np.int8]


def replicate_disagreement(contrasts: Iterable[Contrast], thresholds: Thresholds) -> pd.DataFrame:
    """Share of genes called differently by two replicates of one condition.

    Each replicate alone is called against the mean control, once by fold change (``plain``), once
    with the expression floor as well (``floor``); pairs of replicates are averaged.

    Returns
    -------
    DataFrame
        One row per condition with two replicates or more: ``condition``, ``measured``, ``plain``,
        ``floor`` (shares of genes), ``opposite`` (share called up by one and down by the other).
    """
    rows = []
    for contrast in contrasts:
        if contrast.samples.shape[1] < 2:
            continue
        known = ~np.isnan(contrast.log2fc)
        calls = _calls(contrast.replicate_log2fc[known], thresholds)
        control = contrast.controls.mean(axis=1)[:, None]
        level = (np.maximum(contrast.samples, control) + contrast.baseline[:, None])[known]
        floored = np.where(level >= thresholds.floor, calls, 0)
        rows.append(
            {
                "condition": contrast.name,
                "measured": contrast.measured,
                "plain": _mean_over_pairs(calls, lambda a, b: a != b),
                "floor": _mean_over_pairs(floored, lambda a, b: a != b),
                "opposite": _mean_over_pairs(calls, lambda a, b: a * b == -1),
            }
        )
    return pd.DataFrame(rows, columns=["condition", "measured", "plain", "floor", "opposite"])


def wild_type_calls(
    table: pd.DataFrame, measured: pd.DataFrame, thresholds: Thresholds
) -> pd.DataFrame:
    """Share of genes that would be called between two wild-type replicates.

    Parameters
    ----------
    table : DataFrame
        The curated contrasts.
    measured : DataFrame
        Measured expression, genes × samples.
    thresholds : Thresholds
        As for the responses.

    Returns
    -------
    DataFrame
        One row per pair of replicates of one wild-type condition (the same name up to the last
        ``__``): ``first``, ``second``, ``plain``, ``floor``.
    """
    used = table.loc[table["expression_kind"] == MEASURED, "control_ids"]
    samples = sorted({sample for joined in used for sample in joined.split(";")})
    by_condition = pd.Series(samples).groupby([s.rpartition("__")[0] for s in samples])
    rows = []
    for _, group in by_condition:
        for first, second in combinations(group, 2):
            a, b = measured[first].to_numpy(), measured[second].to_numpy()
            called = np.abs(a - b) > thresholds.mean_log2fc
            high = np.maximum(a, b) >= thresholds.floor
            rows.append((first, second, called.mean(), (called & high).mean()))
    return pd.DataFrame(rows, columns=["first", "second", "plain", "floor"])


def noise_summary(between_replicates: pd.DataFrame, wild_type: pd.DataFrame) -> dict[str, object]:
    """Both tables as a few plain numbers for the data card: shares of genes."""
    measured = between_replicates[between_replicates["measured"]]
    rebuilt = between_replicates[~between_replicates["measured"]]
    columns = ["plain", "floor", "opposite"]
    return {
        "replicates_measured": _spread(measured, columns),
        "replicates_reconstructed": _spread(rebuilt, columns),
        "wild_type_pairs": _spread(wild_type, ["plain", "floor"]),
    }


def _spread(frame: pd.DataFrame, columns: list[str]) -> Mapping[str, object]:
    shares = {
        column: {
            "lowest": round(float(frame[column].min()), 4),
            "median": round(float(frame[column].median()), 4),
            "highest": round(float(frame[column].max()), 4),
        }
        for column in columns
    }
    return {"n": len(frame), **shares}


def _calls(log2fc: Float, thresholds: Thresholds) -> Int8:
    return np.where(np.abs(log2fc) > thresholds.mean_log2fc, np.sign(log2fc), 0).astype(np.int8)


def _mean_over_pairs(calls: npt.NDArray[np.int8], differ: object) -> float:
    pairs = combinations(range(calls.shape[1]), 2)
    return float(np.mean([differ(calls[:, i], calls[:, j]).mean() for i, j in pairs]))  # type: ignore[operator]
