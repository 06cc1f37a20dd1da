"""Which genes a perturbation changes: Wilcoxon's rank-sum test against the control cells.

The test is the one of ``scanpy.tl.rank_genes_groups(method="wilcoxon", tie_correct=True)`` with
the controls as reference, and gives its numbers. scanpy ranks all cells of every comparison anew,
which for hundreds of conditions takes hours. Here the controls of a gene are sorted once, the cells
of all conditions are looked up in them, and zeros, which are most of the values, are only counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from scipy import stats

__all__ = ["Groups", "Rules", "Tested", "call", "compare", "share_called"]

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.intp]
#: A batch is a replicate of a condition where it has as many cells of it, and of the controls.
PER_REPLICATE = 3
#: scanpy's, so that no logarithm of zero is taken.
TINY = 1e-9
#: Thresholds whose effect is shown.
FDRS, LOG2FCS = (0.01, 0.05, 0.1), (0.0, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Rules:
    """When a gene counts as changed.

    Attributes
    ----------
    fdr : float
        Largest false discovery rate (Benjamini-Hochberg over the genes of a condition).
    log2fc : float
        Smallest absolute log2 fold change.
    min_cells : int
        Fewest cells of a condition.
    min_seen : int
        A gene is observed in a condition where it is seen in as many cells of the condition and
        the controls together; rarer ones could hardly be called, and "unchanged" would say nothing.
    agree : float
        Smallest share of the replicates (batches) that show the direction; without batches unused.
    """

    fdr: float = 0.05
    log2fc: float = 0.25
    min_cells: int = 10
    min_seen: int = 10
    agree: float = 0.5

    def __post_init__(self) -> None:
        for name, value in (("fdr", self.fdr), ("agree", self.agree)):
            if not 0 <= value <= 1:
                raise ValueError(f"--{name} is {value}; give a share from 0 to 1.")
        if not 0 <= self.log2fc < np.inf:
            raise ValueError(f"--log2fc is {self.log2fc}; give a number of at least 0.")
        if self.min_cells < 2:
            raise ValueError(
                f"--min-cells is {self.min_cells}; one cell has no spread to test: give 2 or more."
            )
        if self.min_seen < 1:
            raise ValueError(f"--min-seen is {self.min_seen}; give a number of cells from 1.")


@dataclass(frozen=True)
class Groups:
    """Which cell belongs where.

    Attributes
    ----------
    of_cell : ndarray of int, shape (cells,)
        0 for controls, i + 1 for condition i.
    batch : ndarray of int, shape (cells,)
        Number of the batch; all 0 where there is none.
    """

    of_cell: Int
    batch: Int

    @cached_property
    def sizes(self) -> Int:
        """Cells of the controls and of every condition."""
        return np.bincount(self.of_cell)

    @cached_property
    def by_batch(self) -> Int:
        """Cells by group and batch."""
        sizes = np.zeros((self.of_cell.max() + 1, self.batch.max() + 1), dtype=np.intp)
        np.add.at(sizes, (self.of_cell, self.batch), 1)
        return sizes

    @cached_property
    def replicates(self) -> npt.NDArray[np.bool_]:
        """Which batches are replicates of which condition, shape (conditions, batches)."""
        enough = self.by_batch >= PER_REPLICATE
        return enough[1:] & enough[:1]


@dataclass(frozen=True)
class Tested:
    """Every condition against the controls; arrays of shape (conditions, genes).

    Attributes
    ----------
    p : ndarray of float
        Two-sided p value.
    logfc : ndarray of float
        log2 fold change, as scanpy computes it from the mean log values.
    seen : ndarray of int
        Cells of the condition and the controls in which the gene was seen.
    agreement : ndarray of float
        Share of the replicates whose pseudobulk shows the direction of ``logfc``.
    """

    p: npt.NDArray
    logfc: npt.NDArray
    seen: npt.NDArray
    agreement: npt.NDArray


def compare(values: sp.csc_matrix, groups: Groups, base: float = float(np.e)) -> Tested:
    """Test some genes in every condition.

    Parameters
    ----------
    values : csc_matrix, shape (cells, genes)
        Log-normalised expression, not negative.
    groups : Groups
    base : float
        Base of the logarithm.

    Returns
    -------
    Tested
        Without any difference between cells p is 1.

    Raises
    ------
    ValueError
        There are no control cells, or a condition has none.
    """
    sizes = groups.sizes
    if (sizes == 0).any() or len(sizes) < 2:
        raise ValueError("every condition, and the controls, need at least one cell.")
    b, m = len(sizes) - 1, values.shape[1]
    u, ties = np.empty((b, m)), np.empty((b, m))
    means, seen = np.empty((b + 1, m)), np.empty((b + 1, m), dtype=np.int32)
    several = groups.batch.max() > 0
    agreement = np.ones((b, m), dtype=np.float32)
    for j in range(m):
        here = slice(values.indptr[j], values.indptr[j + 1])
        value, cell = values.data[here], values.indices[here]
        code = groups.of_cell[cell]
        u[:, j], ties[:, j] = _rank_sums(value, code, sizes)
        means[:, j] = np.bincount(code, weights=value, minlength=b + 1) / sizes
        seen[:, j] = np.bincount(code, minlength=b + 1)
        if several:
            agreement[:, j] = _agreement(value, code, groups.batch[cell], groups, means[:, j])
    n1, n0 = sizes[1:, None].astype(float), float(sizes[0])
    n = n1 + n0
    spread = np.sqrt(n1 * n0 / 12 * (n + 1 - ties / (n * (n - 1))).clip(min=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(spread > 0, (u - n1 * n0 / 2) / spread, 0.0)
    expression = np.expm1(means * np.log(base)) + TINY
    return Tested(
        p=2 * stats.norm.sf(np.abs(z)),
        logfc=np.log2(expression[1:] / expression[0]),
        seen=seen[1:] + seen[0],
        agreement=agreement,
    )


def _rank_sums(value: npt.NDArray, code: Int, sizes: Int) -> tuple[Float, Float]:
    """Mann-Whitney's U of every condition, and the sum of t³ - t over its ties; zeros left out."""
    b = len(sizes) - 1
    control = np.sort(value[code == 0])
    perturbed = code > 0
    own, group = value[perturbed], code[perturbed] - 1
    order = np.lexsort((own, group))
    own, group = own[order], group[order]
    below = np.searchsorted(control, own, "left")
    equal = np.searchsorted(control, own, "right") - below
    zeros = float(sizes[0] - len(control))
    own_zeros = sizes[1:] - np.bincount(group, minlength=b)
    u = 0.5 * zeros * own_zeros
    u += np.bincount(group, weights=zeros + below + 0.5 * equal, minlength=b)
    ties = _cubed(zeros + own_zeros) + _cubed(np.unique(control, return_counts=True)[1]).sum()
    if len(own):
        first = np.flatnonzero(np.r_[True, (own[1:] != own[:-1]) | (group[1:] != group[:-1])])
        runs = np.diff(np.r_[first, len(own)])
        more = _cubed(runs + equal[first]) - _cubed(equal[first])
        ties += np.bincount(group[first], weights=more, minlength=b)
    return np.asarray(u, dtype=np.float64), np.asarray(ties, dtype=np.float64)


def _cubed(count: npt.NDArray) -> Float:
    count = np.asarray(count, dtype=float)
    return count**3 - count


def _agreement(
    value: npt.NDArray, code: Int, batch: Int, groups: Groups, means: Float
) -> npt.NDArray:
    sizes, counted = groups.by_batch, groups.replicates
    place = code * sizes.shape[1] + batch
    sums = np.bincount(place, weights=value, minlength=sizes.size).reshape(sizes.shape)
    bulk = sums / np.maximum(sizes, 1)
    same = np.sign(bulk[1:] - bulk[:1]) == np.sign(means[1:] - means[0])[:, None]
    return (same & counted).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)


def call(tested: Tested, rules: Rules) -> tuple[npt.NDArray, npt.NDArray, npt.NDArray]:
    """Ternary response, false discovery rate and observed cells, shape (conditions, genes).

    The rate is Benjamini and Hochberg's, over the observed genes of each condition; where a gene is
    not observed it is nan.
    """
    observed = tested.seen >= rules.min_seen
    fdr = np.full(tested.p.shape, np.nan)
    for row, p, here in zip(fdr, tested.p, observed, strict=True):
        if here.any():
            row[here] = stats.false_discovery_control(p[here])
    return _ternary(tested, fdr, rules.fdr, rules.log2fc, rules.agree), fdr, observed


def _ternary(
    tested: Tested, fdr: npt.NDArray, most: float, least: float, agree: float
) -> npt.NDArray[np.int8]:
    with np.errstate(invalid="ignore"):
        changed = (fdr <= most) & (np.abs(tested.logfc) >= least) & (tested.agreement >= agree)
    return np.where(changed, np.sign(tested.logfc), 0).astype(np.int8)


def share_called(
    tested: Tested, fdr: npt.NDArray, rules: Rules, counted: npt.NDArray[np.bool_]
) -> pd.DataFrame:
    """Share of the counted places that would be called at other thresholds.

    Returns
    -------
    DataFrame
        Columns ``fdr``, ``log2fc``, ``called`` (share), ``up`` (share of the called that go up).
    """
    rows = []
    for most in sorted({*FDRS, rules.fdr}):
        for least in sorted({*LOG2FCS, rules.log2fc}):
            ternary = _ternary(tested, fdr, most, least, rules.agree)[counted]
            n = np.count_nonzero(ternary)
            share = float((ternary > 0).sum() / n) if n else float("nan")
            rows.append((most, least, n / max(1, ternary.size), share))
    return pd.DataFrame(rows, columns=["fdr", "log2fc", "called", "up"])
