"""The contract of perturbation data: what an AnnData must hold, and how to mend one that does not.

Every check below yields sentences, one per fault; `validate` joins them, so that a reader who
brings her own file mends it in one go instead of one error at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from aligned.data.identifiers import mismatch
from aligned.reading import flaw

if TYPE_CHECKING:
    from aligned.knowledge import KnowledgeBase

__all__ = ["SPLITS", "check_overlap", "perturbed_genes", "validate"]

SPLITS = ("train", "test", "excluded")
#: No logarithm of a ratio is larger; what is, is no measurement (infinite, 1e308).
LARGEST_CHANGE = 1000.0
_SILENT = (
    "the network can say nothing about these data, so use another network or other perturbations"
)
_EXAMPLE = "'fnr-' or 'crp-,fnr+'"


def validate(adata: AnnData) -> None:
    """Check perturbation data against the contract; return nothing if all is well.

    The contract, for b conditions, m measured genes and n genes in all:

    - ``obs_names``: unique names of the conditions; ``var_names``: unique ids of the genes.
    - ``X``: dense int8 (b, m), the response in {-1, 0, 1}: down, unchanged, up.
    - ``layers["observed"]``: dense bool (b, m); where it is False, ``X`` is 0 and nobody reads it.
    - ``layers["logfc"]``: optional, floating point, nan where missing.
    - ``obs["perturbation"]``: names with their direction, such as ``crp-,fnr+``;
      ``obs["n_replicates"]``: whole numbers from 1; ``obs["split"]``: train, test or excluded.
    - ``uns["genes"]``: n unique gene ids, every one of ``var_names`` among them.
    - ``obsm["perturbation"]``: scipy sparse, integer (b, n), in {-1, 0, 1}, columns as
      ``uns["genes"]``, at least one perturbed gene in every row.

    Parameters
    ----------
    adata : AnnData
        The data.

    Raises
    ------
    TypeError
        It is not an AnnData.
    ValueError
        One message that numbers every fault and says how to mend each.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> validate(anndata.AnnData(np.array([[0, 2]], dtype="int8")))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: the data break the contract in 7 places: (1) X holds 2 at condition '0', gene '1'...
    """
    if not isinstance(adata, AnnData):
        raise TypeError(
            f"the data are a {type(adata).__name__}, not an AnnData; read a file with "
            "anndata.read_h5ad(path), or build one with anndata.AnnData(X, obs, var)."
        )
    faults = [fault for check in _CHECKS for fault in check(adata)]
    if faults:
        places = "place" if len(faults) == 1 else "places"
        numbered = "; ".join(f"({i}) {fault}" for i, fault in enumerate(faults, start=1))
        raise ValueError(f"the data break the contract in {len(faults)} {places}: {numbered}.")


def check_overlap(data: AnnData, kb: KnowledgeBase) -> None:
    """Make sure that data and network speak of the same genes.

    Parameters
    ----------
    data : AnnData
        Perturbation data that keep the contract.
    kb : KnowledgeBase
        The network; only genes with an edge count.

    Raises
    ------
    ValueError
        No measured gene has an edge, or no perturbed gene is a regulator with targets.
    """
    edges = kb.to_edges()
    with_edge = set(edges["source"]) | set(edges["target"])
    perturbed = _all_perturbed(data)
    if with_edge.isdisjoint(data.var_names):
        raise ValueError(
            f"the data and the network share no gene: the data name them {_some(data.var_names)}, "
            f"the network {_some(sorted(with_edge))}; "
            f"{_guess(sorted(with_edge), list(data.var_names))}."
        )
    if set(edges["source"]).isdisjoint(perturbed):
        guess = mismatch(sorted(set(edges["source"])), perturbed)
        raise ValueError(
            f"none of the {len(perturbed)} perturbed genes ({_some(perturbed)}) is a regulator of "
            f"the network ({_some(sorted(set(edges['source'])))}); {guess or _SILENT}."
        )


def perturbed_genes(data: AnnData) -> list[npt.NDArray[np.intp]]:
    """Perturbed genes of every condition, as ascending positions in ``uns["genes"]``."""
    rows = sp.csr_array(data.obsm["perturbation"])
    rows.eliminate_zeros()
    return [
        np.sort(rows.indices[rows.indptr[i] : rows.indptr[i + 1]]).astype(np.intp)
        for i in range(rows.shape[0])
    ]


# --------------------------------------------------------------------------------- the checks


def _names(adata: AnnData) -> Iterator[str]:
    if adata.n_obs == 0 or adata.n_vars == 0:
        yield f"there are {adata.n_obs} conditions and {adata.n_vars} genes; give at least one each"
    for what, names in (("condition", adata.obs_names), ("gene", adata.var_names)):
        attribute = "obs_names" if what == "condition" else "var_names"
        if not names.is_unique:
            first = names[names.duplicated()][0]
            yield (
                f"the {what} {first!r} is there {int((names == first).sum())} times; "
                f"make {attribute} unique, e.g. data.{attribute}_make_unique()"
            )
        yield from _flaws(names, what, f"data.{attribute}")


def _flaws(names: pd.Index, what: str, attribute: str) -> Iterator[str]:
    wrong = [name for name in names if flaw(name)]
    if wrong:
        yield (
            f"the {what} {str(wrong[0])[:60]!r} {flaw(wrong[0])} ({len(wrong)} such); write plain "
            f"text in {attribute}"
        )


def _response(adata: AnnData) -> Iterator[str]:
    if adata.X is None:
        yield "X is missing; put the ternary response (int8) there"
        return
    if sp.issparse(adata.X):
        yield "X is sparse; make it dense with data.X = data.X.toarray().astype('int8')"
    values = _dense(adata.X)
    if values.dtype.kind not in "iufb":
        yield f"X has dtype {values.dtype}; give numbers: -1, 0 and 1 as int8"
        return
    wrong = np.isin(values, (-1, 0, 1), invert=True)
    if wrong.any():
        i, j = np.argwhere(wrong)[0]
        value = values[i, j]
        mend = (
            "set it to 0 and mark it False in layers['observed']"
            if np.isnan(value)
            else "only -1, 0 and 1 are responses: threshold fold changes first"
        )
        yield f"X holds {value:g} at {_cell(adata, i, j)} ({int(wrong.sum())} such cells); {mend}"
    elif values.dtype != np.int8:
        yield f"X has dtype {values.dtype}; use data.X = data.X.astype('int8')"


def _observed(adata: AnnData) -> Iterator[str]:
    if "observed" not in adata.layers:
        yield (
            "layers['observed'] is missing; if every cell was measured: "
            "data.layers['observed'] = numpy.ones(data.shape, dtype=bool)"
        )
        return
    layer = adata.layers["observed"]
    if sp.issparse(layer):
        yield (
            "layers['observed'] is sparse; make it dense with "
            "data.layers['observed'] = data.layers['observed'].toarray()"
        )
    observed = _dense(layer)
    if observed.dtype != np.bool_:
        yield (
            f"layers['observed'] has dtype {observed.dtype}; use "
            "data.layers['observed'] = data.layers['observed'].astype(bool)"
        )
        if not np.isin(observed, (0, 1)).all():
            return
    known: npt.NDArray[np.bool_] = np.asarray(observed, dtype=np.bool_)
    empty = ~known.any(axis=1)
    if empty.any() and adata.n_vars:
        yield (
            f"condition {adata.obs_names[empty][0]!r} has no observed gene "
            f"({int(empty.sum())} such conditions); leave it out"
        )
    if adata.X is not None and _dense(adata.X).dtype.kind in "iufb":
        hidden = (_dense(adata.X) != 0) & ~known
        if hidden.any():
            i, j = np.argwhere(hidden)[0]
            yield (
                f"X is {_dense(adata.X)[i, j]:g} at {_cell(adata, i, j)}, where "
                f"layers['observed'] is False ({int(hidden.sum())} such cells); "
                "set X to 0 there: data.X[~data.layers['observed']] = 0"
            )


def _fold_changes(adata: AnnData) -> Iterator[str]:
    if "logfc" in adata.layers:
        values = _dense(adata.layers["logfc"])
        if values.dtype.kind != "f":
            yield f"layers['logfc'] has dtype {values.dtype}; use float32, with nan where missing"
            return
        wrong = np.argwhere(np.abs(values) > LARGEST_CHANGE)
        if len(wrong):
            i, j = wrong[0]
            yield (
                f"layers['logfc'] holds {values[i, j]:g} at {_cell(adata, i, j)} ({len(wrong)} "
                "such cells), and no gene changes so much; mark it nan where it was not measured"
            )


def _obs_columns(adata: AnnData) -> Iterator[str]:
    mend = {
        "perturbation": f"name what was perturbed and how, e.g. {_EXAMPLE}",
        "n_replicates": "say how many replicates stand behind each condition (1 if unknown)",
        "split": "e.g. data = with_split(data, folds(data)['0'])",
    }
    for column, how in mend.items():
        if column not in adata.obs:
            yield f"obs lacks the column {column!r}; {how}"
    if "n_replicates" in adata.obs:
        yield from _replicates(adata.obs["n_replicates"])
    if "split" in adata.obs:
        wrong = adata.obs["split"][~adata.obs["split"].isin(SPLITS)]
        if len(wrong):
            yield (
                f"obs['split'] is {wrong.iloc[0]!r} for condition {wrong.index[0]!r} "
                f"({len(wrong)} such); use one of {', '.join(SPLITS)}"
            )


def _replicates(counts: pd.Series) -> Iterator[str]:
    whole = pd.to_numeric(counts, errors="coerce")
    wrong = counts[~((whole >= 1) & (whole % 1 == 0))]
    if len(wrong):
        yield (
            f"obs['n_replicates'] is {wrong.iloc[0]} for condition {wrong.index[0]!r} "
            f"({len(wrong)} such); give whole numbers from 1"
        )


def _genes(adata: AnnData) -> Iterator[str]:
    genes = _gene_index(adata)
    if genes is None:
        yield (
            "uns['genes'] is missing; it lists every gene of data and network, one per column of "
            "obsm['perturbation'], e.g. data.uns['genes'] = data.var_names.to_numpy(dtype=str)"
        )
        return
    if not genes.is_unique:
        yield f"uns['genes'] lists {genes[genes.duplicated()][0]!r} twice; keep each gene once"
    yield from _flaws(genes, "gene", "data.uns['genes']")
    absent = adata.var_names.difference(genes, sort=False)
    if len(absent):
        yield (
            f"uns['genes'] lacks {len(absent)} of the measured genes, {_some(absent)}; "
            "append them, with a column of zeros each in obsm['perturbation']"
        )


def _perturbation(adata: AnnData) -> Iterator[str]:
    if "perturbation" not in adata.obsm:
        yield (
            "obsm['perturbation'] is missing; give a scipy.sparse.csr_matrix (int8), conditions × "
            "uns['genes'], with -1 for knock-out or knock-down and 1 for over-expression"
        )
        return
    matrix = adata.obsm["perturbation"]
    if not sp.issparse(matrix):
        yield (
            f"obsm['perturbation'] is a dense {type(matrix).__name__}; use "
            "scipy.sparse.csr_matrix(matrix.astype('int8'))"
        )
        matrix = sp.csr_array(np.asarray(matrix))
    elif matrix.dtype.kind != "i":
        yield f"obsm['perturbation'] has dtype {matrix.dtype}; use .astype('int8')"
    genes = _gene_index(adata)
    if genes is not None and matrix.shape[1] != len(genes):
        yield (
            f"obsm['perturbation'] has {matrix.shape[1]} columns but uns['genes'] lists "
            f"{len(genes)} genes; give one column per gene, in that order"
        )
        genes = None
    yield from _perturbation_rows(adata, sp.coo_array(matrix), genes)


def _perturbation_rows(
    adata: AnnData, matrix: sp.coo_array, genes: pd.Index | None
) -> Iterator[str]:
    wrong = ~np.isin(matrix.data, (-1, 0, 1))
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        gene = matrix.col[at] if genes is None else repr(genes[matrix.col[at]])
        yield (
            f"obsm['perturbation'] holds {matrix.data[at]:g} at condition "
            f"{adata.obs_names[matrix.row[at]]!r}, gene {gene}; use -1, 0 or 1"
        )
        return
    down = np.bincount(matrix.row[matrix.data == -1], minlength=adata.n_obs)
    up = np.bincount(matrix.row[matrix.data == 1], minlength=adata.n_obs)
    empty = np.flatnonzero(down + up == 0)
    if len(empty):
        yield (
            f"condition {adata.obs_names[empty[0]]!r} has no perturbed gene "
            f"({len(empty)} such); leave controls out, they are the reference of the response"
        )
    if "perturbation" in adata.obs:
        yield from _labels(adata.obs["perturbation"], down, up)


def _labels(
    labels: pd.Series, down: npt.NDArray[np.int_], up: npt.NDArray[np.int_]
) -> Iterator[str]:
    parts = [str(label).split(",") for label in labels]
    signs = [
        (sum(p.endswith("-") for p in row), sum(p.endswith("+") for p in row)) for row in parts
    ]
    fits = [
        count == (d, u) and sum(count) == len(row)
        for count, row, d, u in zip(signs, parts, down, up, strict=True)
    ]
    wrong = [i for i, ok in enumerate(fits) if not ok and down[i] + up[i]]
    if wrong:
        i = wrong[0]
        yield (
            f"obs['perturbation'] is {labels.iloc[i]!r} for condition {labels.index[i]!r}, but "
            f"obsm['perturbation'] has {down[i]} genes down and {up[i]} up there "
            f"({len(wrong)} such); write names with their sign, e.g. {_EXAMPLE}"
        )


_CHECKS: tuple[Callable[[AnnData], Iterator[str]], ...] = (
    _names,
    _response,
    _observed,
    _fold_changes,
    _obs_columns,
    _genes,
    _perturbation,
)


# ------------------------------------------------------------------------------ small helpers


def _dense(matrix: object) -> npt.NDArray[np.generic]:
    return np.asarray(matrix.toarray() if sp.issparse(matrix) else matrix)  # type: ignore[attr-defined]


def _cell(adata: AnnData, i: int, j: int) -> str:
    return f"condition {adata.obs_names[i]!r}, gene {adata.var_names[j]!r}"


def _gene_index(adata: AnnData) -> pd.Index | None:
    return pd.Index(np.asarray(adata.uns["genes"]).astype(str)) if "genes" in adata.uns else None


def _guess(network: list[str], data: list[str]) -> str:
    return mismatch(network, data) or "translate one of the two to the other's ids"


def _all_perturbed(data: AnnData) -> list[str]:
    genes = np.asarray(data.uns["genes"]).astype(str)
    used = np.unique(np.concatenate(perturbed_genes(data)))
    return [str(gene) for gene in genes[used]]


def _some(names: Iterable[str], count: int = 3) -> str:
    listed = [str(name) for name in names]
    return ", ".join(listed[:count]) + (", …" if len(listed) > count else "")
