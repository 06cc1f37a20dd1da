"""What a person types: genes by id or name, perturbations as sparse ternary rows; checked."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

__all__ = ["as_input", "encoded_row", "gene_id"]


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


def gene_id(gene: str, index: pd.Index, names: Mapping[str, str]) -> str:
    """The id of a gene given by id or by name; see `KnowledgeBase.gene_id`."""
    if gene in index:
        return gene
    wanted = str(gene).lower()
    found = [g for g, name in names.items() if str(name).lower() == wanted and g in index]
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"gene name {gene!r} belongs to {', '.join(found)}; use the id you mean.")
    raise ValueError(
        f"gene {gene!r} is neither an id nor a name of the network's {len(index)} genes "
        f"(ids look like {index[0]!r}); check the spelling."
    )
