"""Perturbations as sparse ternary rows, checked."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

__all__ = ["as_input", "encoded_row"]


def as_input(x: object, n_genes: int) -> sp.csr_array:
    """Perturbations as a sparse int8 array (b, n); the caller's array is left alone.

    Raises
    ------
    ValueError
        Another number of columns, or an entry outside {-1, 0, 1}.
    """
    matrix = sp.csr_array(x if sp.issparse(x) else np.atleast_2d(np.asarray(x)), copy=True)
    if matrix.shape[1] != n_genes:
        raise ValueError(
            f"the perturbations have {matrix.shape[1]} columns, the network {n_genes} genes; give "
            "one column per gene of `kb.genes`, in that order."
        )
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    wrong = ~np.isin(matrix.data, (-1, 1))
    if wrong.any():
        raise ValueError(
            f"a perturbation holds {matrix.data[wrong][0]}; use -1 (knock-out), 0 (untouched) or "
            "1 (over-expression)."
        )
    return matrix.astype(np.int8)


def encoded_row(
    perturbation: Mapping[str, int], columns: npt.NDArray[np.intp], n_genes: int
) -> sp.csr_array:
    """One perturbation, whose genes stand in these columns, as a sparse int8 row (1, n)."""
    seen: set[int] = set()
    for (gene, direction), column in zip(perturbation.items(), columns, strict=True):
        if int(column) in seen:
            raise ValueError(f"gene {gene!r} is perturbed twice; name each gene once.")
        if direction not in (-1, 1):
            raise ValueError(
                f"gene {gene!r} is perturbed by {direction}; use -1 (knock-out) or 1 "
                "(over-expression), or leave it out."
            )
        seen.add(int(column))
    values = np.array(list(perturbation.values()), dtype=np.int8)
    return sp.csr_array((values, (np.zeros(len(values), int), columns)), shape=(1, n_genes))
