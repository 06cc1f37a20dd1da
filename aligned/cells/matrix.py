"""From cell by cell to gene by gene, through files: raw counts or log values in, log values out.

A test needs all cells of a gene, a file usually holds all genes of a cell. So the entries are dealt
into blocks of genes on disk; one block at a time stands in memory.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from aligned.cells.source import CellFile

__all__ = ["Scale", "blocks", "survey"]

Bool = npt.NDArray[np.bool_]
Int = npt.NDArray[np.intp]
#: Genes (or cells) of a block on disk.
GENES, CELLS = 256, 2000
#: No log-normalised value is larger: e^20 exceeds the counts of any cell.
LARGEST_LOG = 20.0
_ENTRY = np.dtype([("cell", "<i4"), ("gene", "<i4"), ("value", "<f4")])


@dataclass(frozen=True)
class Scale:
    """What the matrix holds.

    Attributes
    ----------
    kind : {"counts", "log"}
    target : float
        Total that counts are normalised to: the median of the chosen cells, as in scanpy.
    base : float
        Base of the logarithm.
    n_entries : int
        Non-zero entries of the chosen cells.
    """

    kind: str
    target: float
    base: float
    n_entries: int

    def __str__(self) -> str:
        if self.kind == "counts":
            return (
                f"raw counts, normalised to the median total of the cells ({self.target:g}) and "
                "log1p-transformed"
            )
        return "log-normalised values, used as they are"


class _Buckets:
    """Entries of a sparse matrix in files, one per block of genes or cells."""

    def __init__(self, folder: Path, name: str, along: str, length: int, size: int) -> None:
        self._folder, self._name, self._along, self._size = folder, name, along, size
        self._length = length

    def add(self, cell: npt.NDArray, gene: npt.NDArray, value: npt.NDArray) -> None:
        entries = np.empty(len(value), dtype=_ENTRY)
        entries["cell"], entries["gene"], entries["value"] = cell, gene, value
        block = entries[self._along] // self._size
        order = np.argsort(block, kind="stable")
        entries, block = entries[order], block[order]
        cuts = np.flatnonzero(np.diff(block)) + 1
        for start, end in zip([0, *cuts], [*cuts, len(block)], strict=True):
            if start == end:  # nothing at all
                continue
            with self._path(int(block[start])).open("ab") as stream:
                entries[start:end].tofile(stream)

    def read(self) -> Iterator[tuple[int, int, npt.NDArray]]:
        """First and last + 1 place of every block, and its entries; each is deleted once read."""
        for number, start in enumerate(range(0, self._length, self._size)):
            path = self._path(number)
            entries = np.fromfile(path, dtype=_ENTRY) if path.exists() else np.empty(0, _ENTRY)
            path.unlink(missing_ok=True)
            yield start, min(start + self._size, self._length), entries

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._name}{number}"


def survey(file: CellFile, chosen: Bool) -> Scale:
    """Find out what the matrix holds, in one pass.

    Parameters
    ----------
    file : CellFile
    chosen : ndarray of bool
        Cells that count.

    Raises
    ------
    ValueError
        Values are negative (scaled), not finite, or neither counts nor logarithms.
    """
    totals = np.zeros(file.shape[0])
    whole, largest, count = True, 0.0, 0
    for start, stop, part in file.slices():
        data = part[chosen[start:stop]] if file.by_rows else part[chosen]
        values = data.data.astype(np.float64)
        if not np.isfinite(values).all():
            raise ValueError(f"{file.path} holds values that are no numbers (nan or infinite).")
        if len(values) and values.min() < 0:
            raise ValueError(
                f"{file.path} holds negative values (down to {values.min():.3g}), so the matrix is "
                "scaled, and what was unchanged cannot be told any more; give raw counts or "
                f"log-normalised values{_layers(file)}."
            )
        count += int(np.count_nonzero(values))
        whole = whole and bool((values == np.rint(values)).all())
        largest = max(largest, float(values.max(initial=0.0)))
        if file.by_rows:
            totals[np.flatnonzero(chosen[start:stop]) + start] = _sums(data)
        else:
            totals[chosen] += _sums(data)
    if largest == 0:
        raise ValueError(f"{file.path} holds only zeros in the chosen cells.")
    if not whole and largest > LARGEST_LOG:
        raise ValueError(
            f"{file.path} holds fractions up to {largest:.6g}: neither raw counts nor logarithms; "
            f"give raw counts or log1p-normalised values{_layers(file)}."
        )
    filled = totals[chosen & (totals > 0)]
    return Scale("counts" if whole else "log", float(np.median(filled)), file.base, count)


def blocks(
    file: CellFile, chosen: Bool, scale: Scale, scratch: Path
) -> Iterator[tuple[int, int, sp.csc_matrix]]:
    """Log-normalised values of the chosen cells, a block of genes at a time.

    Parameters
    ----------
    file : CellFile
    chosen : ndarray of bool
        Cells that count.
    scale : Scale
        What `survey` found.
    scratch : Path
        An empty folder for the blocks: 12 bytes per non-zero entry, twice that while a file that is
        stored by genes is turned.

    Yields
    ------
    tuple
        First gene, last gene + 1, and a CSC matrix (chosen cells × those genes).
    """
    n_cells, n_genes = int(chosen.sum()), file.shape[1]
    dealt = _Buckets(scratch, "genes", "gene", n_genes, GENES)
    for first, rows in _rows(file, chosen, scratch):
        if not rows.shape[0]:
            continue
        values = _normalised(rows, scale).tocoo()
        dealt.add(values.row + first, values.col, values.data)
    for start, stop, entries in dealt.read():
        where = (entries["cell"], entries["gene"] - start)
        part = sp.coo_matrix((entries["value"], where), shape=(n_cells, stop - start)).tocsc()
        yield start, stop, part


def _rows(file: CellFile, chosen: Bool, scratch: Path) -> Iterator[tuple[int, sp.csr_matrix]]:
    """The chosen cells in chunks, each with the number of its first."""
    if file.by_rows:
        first = 0
        for start, stop, part in file.slices():
            rows = part[chosen[start:stop]]
            yield first, rows
            first += rows.shape[0]
        return
    n_cells = int(chosen.sum())
    dealt = _Buckets(scratch, "cells", "cell", n_cells, CELLS)
    for start, _, part in file.slices():
        entries = part[chosen].tocoo()
        dealt.add(entries.row, entries.col + start, entries.data)
    for start, stop, entries in dealt.read():
        where = (entries["cell"] - start, entries["gene"])
        shape = (stop - start, file.shape[1])
        yield start, sp.coo_matrix((entries["value"], where), shape=shape).tocsr()


def _normalised(rows: sp.csr_matrix, scale: Scale) -> sp.csr_matrix:
    rows = sp.csr_matrix(rows, dtype=np.float32)
    rows.eliminate_zeros()
    if scale.kind == "log":
        return rows
    import scanpy as sc  # takes seconds to import

    cells = ad.AnnData(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cells without any count stay without
        sc.pp.normalize_total(cells, target_sum=scale.target)
        sc.pp.log1p(cells)
    return sp.csr_matrix(cells.X)


def _sums(matrix: sp.spmatrix) -> npt.NDArray[np.float64]:
    return np.asarray(matrix.sum(axis=1, dtype=np.float64)).ravel()


def _layers(file: CellFile) -> str:
    return f", e.g. --layer {file.layers[0]}" if file.layers else ""
