"""Responses without what conditions share through their control samples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from anndata import AnnData

from aligned.data.contract import perturbed_genes

__all__ = ["control_adjusted", "genomic_order", "joint_effects", "log_fold_changes"]

Float = npt.NDArray[np.float64]


def control_adjusted(data: AnnData, reference: npt.ArrayLike | None = None) -> Float:
    """Fold changes minus the median of other perturbations measured against the same controls.

    A control sample that is off by chance moves a gene in every condition it serves. Conditions
    with a control in common (``obs["controls"]``) but no perturbed gene show that part; their
    median is subtracted. A condition without such company keeps its fold changes.

    Parameters
    ----------
    data : AnnData
        Perturbation data; ``layers["logfc"]`` is adjusted, or ``X`` where there is none.
    reference : array of bool, shape (b,), optional
        Conditions whose responses may be subtracted; default those of ``obs["split"] == "train"``,
        so that no held-out response is looked at.

    Returns
    -------
    ndarray of float, shape (b, m)
        nan where not measured; ready for ``data.layers["adjusted"]``.

    Raises
    ------
    ValueError
        ``reference`` is no truth value per condition.

    Examples
    --------
    Two knock-outs against one control, which is low in the first gene:

    >>> import anndata, numpy as np, pandas as pd, scipy.sparse as sp
    >>> toy = anndata.AnnData(
    ...     np.array([[1, 1], [1, 0]], "int8"),
    ...     obs=pd.DataFrame({"controls": ["c1;c2", "c2"], "split": "train"}, index=["a", "b"]),
    ...     obsm={"perturbation": sp.csr_matrix(np.eye(2, dtype="int8"))},
    ...     layers={"observed": np.ones((2, 2), bool)},
    ... )
    >>> control_adjusted(toy)
    array([[ 0.,  1.],
           [ 0., -1.]])
    """
    usable = _reference(data, reference)
    change = log_fold_changes(data)
    adjusted = change.copy()
    for i, company in enumerate(_company(data)):
        others = change[company[usable[company]]]
        if len(others):
            seen = ~np.isnan(others).all(axis=0)
            adjusted[i, seen] -= np.nanmedian(others[:, seen], axis=0)
    return adjusted


def joint_effects(data: AnnData, ridge: float = 0.3) -> tuple[npt.NDArray[np.intp], Float]:
    """Effect of each perturbed gene, all conditions and their control samples fitted at once.

    ``Y ≈ X·B + Z·C``: ``X`` the perturbations, ``Z`` the share of each control sample in a
    condition's reference (nothing where controls are unknown), both shrunk alike,
    ``min ‖Y - XB - ZC‖² + ridge·(‖B‖² + ‖C‖²)``. Doubles count for both of their genes, and a
    control that is off is recognised by the conditions that share it. Cells that were not measured
    count as unchanged.

    Returns
    -------
    (ndarray of int, shape (g,); ndarray of float, shape (g, m))
        The perturbed genes (columns of ``obsm["perturbation"]``) and ``B``, log2 fold change per
        unit of the gene.

    Examples
    --------
    >>> from aligned.data import load
    >>> genes, effects = joint_effects(load("demo").data)
    >>> len(genes) == len(effects)
    True
    """
    x = sp.csr_array(data.obsm["perturbation"]).astype(np.float64)
    genes = np.unique(x.nonzero()[1])
    design = np.hstack([x[:, genes].toarray(), _control_shares(data)])
    y = np.nan_to_num(log_fold_changes(data))
    kernel = design @ design.T + ridge * np.eye(len(y))
    effects = design[:, : len(genes)].T @ np.linalg.solve(kernel, y)
    return genes, np.asarray(effects)


def log_fold_changes(data: AnnData) -> Float:
    """``layers["logfc"]``, or the ternary ``X`` where there is none; nan where not measured."""
    observed = np.asarray(data.layers["observed"], dtype=bool)
    raw = data.layers.get("logfc", data.X)
    dense = raw.toarray() if sp.issparse(raw) else raw
    return np.where(observed, np.asarray(dense, dtype=np.float64), np.nan)


def genomic_order(data: AnnData) -> list[str]:
    """Measured genes as they lie on the genome (``var["start"]``).

    Raises
    ------
    ValueError
        ``var`` lacks the column.
    """
    if "start" not in data.var:
        raise ValueError(
            "var lacks the column 'start', so genomic neighbours are unknown; give each gene's "
            "place on the genome there (for several chromosomes: one after the other)."
        )
    return [str(gene) for gene in data.var["start"].sort_values(kind="stable").index]


def _reference(data: AnnData, given: npt.ArrayLike | None) -> npt.NDArray[np.bool_]:
    if given is None:
        return np.asarray(data.obs["split"].astype(str) == "train")
    chosen = np.asarray(given)
    if chosen.shape != (data.n_obs,) or chosen.dtype != np.bool_:
        raise ValueError(
            f"`reference` is {chosen.dtype} of shape {chosen.shape}; give one truth value for each "
            f"of the {data.n_obs} conditions."
        )
    return chosen


def _controls(data: AnnData) -> list[frozenset[str]]:
    listed = data.obs["controls"].astype(str) if "controls" in data.obs else [""] * data.n_obs
    return [frozenset(part for part in text.split(";") if part) for text in listed]


def _control_shares(data: AnnData) -> Float:
    """Share of each control sample in each condition's reference, shape (b, samples)."""
    controls = _controls(data)
    samples = sorted(frozenset().union(*controls))
    shares = np.zeros((data.n_obs, len(samples)))
    for row, mine in zip(shares, controls, strict=True):
        row[[samples.index(sample) for sample in mine]] = 1 / max(len(mine), 1)
    return shares


def _company(data: AnnData) -> list[npt.NDArray[np.intp]]:
    """For each condition, those with a control in common and no perturbed gene."""
    controls = _controls(data)
    genes = [frozenset(row.tolist()) for row in perturbed_genes(data)]
    together = [
        [k for k in range(data.n_obs) if controls[i] & controls[k] and not genes[i] & genes[k]]
        for i in range(data.n_obs)
    ]
    return [np.array(rows, dtype=np.intp) for rows in together]
