"""Log2 fold changes of deletions and inductions from tables that were published in pieces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["call", "joined", "labelled", "undivided"]


def labelled(paths: Sequence[Path], pool: str) -> pd.DataFrame:
    """Read numbers, genes × samples, and the names of both; return factors × genes, no pool.

    Raises
    ------
    ValueError
        The numbers do not fit the two lists of names.
    """
    table = pd.read_csv(paths[0], header=None)
    rows, columns = (pd.read_csv(path, header=None, dtype=str)[0] for path in paths[1:])
    if table.shape != (len(rows), len(columns)):
        raise ValueError(
            f"{paths[0].name} has {table.shape[0]} rows and {table.shape[1]} columns, its lists of "
            f"names {len(rows)} and {len(columns)}; take all of them from the same version."
        )
    return pd.DataFrame(table.to_numpy().T, list(columns), list(rows)).drop(index=pool)


def undivided(divided: pd.DataFrame, plain: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    """Undo a division of every row by a positive constant of its own.

    Each row is multiplied by its least-squares ratio to ``plain``, the table before the division,
    over the samples that both have.

    Raises
    ------
    ValueError
        One positive number per row does not turn one table into the other, up to ``tolerance``.

    Examples
    --------
    >>> rows = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 1.0]}, index=["g", "h"])
    >>> undivided(rows, pd.DataFrame({"a": [2.0, 1.0]}, index=["g", "h"]), 1e-9)["b"].tolist()
    [6.0, 0.5]
    """
    shared = divided.columns.intersection(plain.columns)
    one, other = divided[shared].to_numpy(), plain.loc[divided.index, shared].to_numpy()
    with np.errstate(invalid="ignore"):  # a row of zeros
        ratio = (one * other).sum(axis=1) / (one * one).sum(axis=1)
    off = np.abs(one * ratio[:, None] - other).max(axis=1)
    wrong = ~((ratio > 0) & (off <= tolerance))  # nan is wrong, too
    if wrong.any():
        raise ValueError(
            f"no single positive number turns the divided row of {divided.index[wrong][0]} into "
            f"the plain one ({int(wrong.sum())} such); take both tables from the same version."
        )
    return divided.mul(ratio, axis=0)


def joined(tables: Sequence[pd.DataFrame], tolerance: float) -> pd.DataFrame:
    """Put tables of the same factors side by side, genes sorted; the first that has a gene wins.

    Raises
    ------
    ValueError
        They disagree about a gene by more than ``tolerance``.
    """
    factors = sorted(tables[0].index)
    every = pd.concat([table.loc[factors] for table in tables], axis=1)
    again = every.columns.duplicated()
    first = every.loc[:, ~again]
    off = (every.loc[:, again] - first[every.columns[again]]).abs().max()
    if (off > tolerance).any():
        raise ValueError(
            f"two tables differ by up to {off.max():.3g} in gene {off.idxmax()}; "
            "take them from the same version."
        )
    return first[sorted(first.columns)]


def call(logfc: npt.ArrayLike, threshold: float) -> npt.NDArray[np.int8]:
    """Ternary calls: the sign of a change larger than the threshold, else 0.

    Examples
    --------
    >>> call([-0.9, 0.5, float("nan")], 0.75).tolist()
    [-1, 0, 0]
    """
    change = np.nan_to_num(np.asarray(logfc, dtype=float))
    return (np.sign(change) * (np.abs(change) > threshold)).astype(np.int8)
