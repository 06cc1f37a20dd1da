"""Log2 fold changes of deletions and inductions from tables that were published in pieces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["call", "joined", "labelled", "names_in", "shared_response", "undivided"]


def names_in(path: Path) -> list[str]:
    """Names from a file that holds one on each line, perhaps in quotation marks."""
    return [str(name) for name in pd.read_csv(path, header=None, dtype=str)[0].str.strip()]


def labelled(path: Path, genes: Sequence[str], samples: Sequence[str], pool: str) -> pd.DataFrame:
    """Read numbers without labels: factors × genes, the column of the wild type left out.

    Parameters
    ----------
    path : Path
        CSV of numbers, genes × samples.
    genes, samples : sequence of str
        What its rows and columns are.
    pool : str
        The sample to leave out.

    Raises
    ------
    ValueError
        The numbers do not fit the names.
    """
    numbers = pd.read_csv(path, header=None)
    if numbers.shape != (len(genes), len(samples)):
        raise ValueError(
            f"{path.name} has {numbers.shape[0]} rows and {numbers.shape[1]} columns, its lists of "
            f"names {len(genes)} and {len(samples)}; take all of them from the same version."
        )
    return numbers.set_axis(list(genes)).set_axis(list(samples), axis=1).drop(columns=pool).T


def undivided(divided: pd.DataFrame, plain: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    """Undo a division of every row by a constant of its own.

    Parameters
    ----------
    divided : DataFrame
        Genes × samples, each row divided by one positive number.
    plain : DataFrame
        The same before the division, some of the samples.
    tolerance : float
        Largest difference that rounding may leave.

    Returns
    -------
    DataFrame
        ``divided``, each row times the least-squares ratio to ``plain`` over the shared samples.

    Raises
    ------
    ValueError
        One positive number per row does not turn one table into the other.

    Examples
    --------
    >>> rows = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 1.0]}, index=["g", "h"])
    >>> undivided(rows, pd.DataFrame({"a": [2.0, 1.0]}, index=["g", "h"]), 1e-9)["b"].tolist()
    [6.0, 0.5]
    """
    shared = divided.columns.intersection(plain.columns)
    one, other = divided[shared].to_numpy(), plain.loc[divided.index, shared].to_numpy()
    factor = (one * other).sum(axis=1) / (one * one).sum(axis=1)
    off = np.abs(one * factor[:, None] - other).max(axis=1)
    wrong = ~((factor > 0) & (off <= tolerance))  # nan is wrong, too
    if wrong.any():
        raise ValueError(
            f"no single positive factor turns the divided row of {divided.index[wrong][0]} into "
            f"the plain one ({int(wrong.sum())} such); take both tables from the same version."
        )
    return divided.mul(factor, axis=0)


def joined(tables: Sequence[pd.DataFrame], tolerance: float) -> pd.DataFrame:
    """Put tables of the same factors side by side, genes sorted; the first that has a gene wins.

    Raises
    ------
    ValueError
        Tables list different factors, or disagree about a gene by more than ``tolerance``.
    """
    factors = sorted(tables[0].index)
    if odd := sorted({f for table in tables for f in set(factors) ^ set(table.index)}):
        raise ValueError(f"factor {odd[0]} is not in every table; take them from one version.")
    every = pd.concat([table.loc[factors] for table in tables], axis=1)
    first = every.loc[:, ~every.columns.duplicated()]
    again = every.loc[:, every.columns.duplicated()]
    off = (again - first[again.columns]).abs().max()
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


def shared_response(logfc: pd.DataFrame) -> float:
    """Share of variance that one pattern over genes, present in every condition, accounts for.

    The first principal component of conditions × genes, each gene centred.

    Examples
    --------
    >>> shared_response(pd.DataFrame([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]))
    1.0
    """
    strength = np.linalg.svd(logfc.to_numpy() - logfc.to_numpy().mean(axis=0), compute_uv=False)
    return round(float(strength[0] ** 2 / (strength**2).sum()), 4)
