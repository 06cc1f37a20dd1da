"""Counting where data and network agree: the categories of the paper's Fig. 1."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["agreement_counts"]


def agreement_counts(
    delta: npt.NDArray[np.int8],
    reached: npt.NDArray[np.bool_],
    y: npt.ArrayLike,
    counted: npt.NDArray[np.bool_],
) -> pd.DataFrame:
    """Count the cells of each category per condition; see `KnowledgeBase.inconsistency`.

    All arrays have the shape (b, m); only cells where ``counted`` holds are looked at.
    """
    y = np.asarray(y)
    if y.shape != delta.shape:
        raise ValueError(
            f"the responses have shape {y.shape}, the deductions {delta.shape}; give one response "
            "per condition and gene, and name the measured genes where they are not all genes."
        )
    if not np.isin(y[counted], (-1, 0, 1)).all():
        bad = y[counted][~np.isin(y[counted], (-1, 0, 1))][0]
        raise ValueError(
            f"the response holds {bad}; use -1 (down), 0 (unchanged) or 1 (up), and mark "
            "unmeasured cells in `observed`."
        )
    changed = counted & (y != 0)
    cells = {
        "consistent": changed & (delta == y),
        "conflicting": changed & (delta == -y),
        "not_reached": changed & ~reached,
        "ambiguous": changed & reached & (delta == 0),
        "unsupported": counted & (y == 0) & (delta != 0),
        "inc": counted & (delta != y),
    }
    return pd.DataFrame({name: mask.sum(axis=1) for name, mask in cells.items()})
