"""Conditions as plain arrays: the form in which methods take a data set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from aligned.knowledge import KnowledgeBase

__all__ = ["Rows"]

Int8 = npt.NDArray[np.int8]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """Some conditions of a data set.

    Attributes
    ----------
    names : Index, length b
    x : csr_array of int8, shape (b, n)
        Perturbations over ``data.uns["genes"]``.
    y : ndarray of int8, shape (b, m)
        Measured responses.
    observed, counted : ndarray of bool, shape (b, m)
        Measured cells; and those that scores count (the perturbed genes' own cells left out).
    groups : ndarray of str, shape (b,)
        Conditions that belong together: ``obs["group"]`` where given, else the first perturbed
        gene.
    controls : tuple of frozenset of str
        Control samples of each condition; empty sets where unknown.
    """

    names: pd.Index
    x: sp.csr_array
    y: Int8
    observed: Bool
    counted: Bool
    groups: npt.NDArray[np.object_]
    controls: tuple[frozenset[str], ...]

    @classmethod
    def of(cls, data: AnnData, kb: KnowledgeBase) -> Rows:
        """All conditions of a valid data set, for a network over the same genes."""
        measured = list(map(str, data.var_names))
        x = sp.csr_array(data.obsm["perturbation"]).astype(np.int8)
        y = np.asarray(data.X.toarray() if sp.issparse(data.X) else data.X).astype(np.int8)
        observed = np.asarray(data.layers["observed"], dtype=bool)
        if "group" in data.obs:
            groups = data.obs["group"].astype(str).to_numpy()
        else:
            groups = np.array([kb.genes[x[[i]].indices.min()] for i in range(x.shape[0])])
        listed = data.obs["controls"].astype(str) if "controls" in data.obs else [""] * len(y)
        controls = tuple(frozenset(c for c in text.split(";") if c) for text in listed)
        counted = kb.scored_cells(x, measured, observed)
        return cls(data.obs_names, x, y, observed, counted, groups.astype(object), controls)

    @classmethod
    def empty(cls, n: int, m: int) -> Rows:
        """No condition at all, over n genes of which m are measured."""
        cells = np.zeros((0, m), bool)
        nothing = sp.csr_array((0, n), dtype=np.int8)
        return cls(
            pd.Index([]), nothing, cells.astype(np.int8), cells, cells, np.zeros(0, object), ()
        )

    def take(self, chosen: npt.NDArray[np.intp]) -> Rows:
        """These rows, in this order."""
        return Rows(
            self.names[chosen],
            self.x[chosen],
            self.y[chosen],
            self.observed[chosen],
            self.counted[chosen],
            self.groups[chosen],
            tuple(self.controls[i] for i in chosen),
        )

    def __len__(self) -> int:
        return len(self.names)
