"""An ``.h5ad`` file of cells, read a slice at a time: the matrix never stands in memory whole."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata.io import read_elem, sparse_dataset

from aligned.data.probe import probe
from aligned.reading import listed, reason

__all__ = ["CellFile", "open_cells"]

#: A slice holds about this many places of the matrix.
PLACES = 20_000_000


@dataclass(frozen=True)
class CellFile:
    """An open file of cells.

    Attributes
    ----------
    path : Path
    obs, var : DataFrame
        One row per cell, and per gene.
    by_rows : bool
        Whether the matrix is stored cell by cell (CSR or dense), or gene by gene (CSC).
    base : float
        Base of the logarithm, where ``uns["log1p"]`` says so; else e.
    layers : tuple of str
        Names of the other matrices in the file.
    """

    path: Path
    obs: pd.DataFrame
    var: pd.DataFrame
    by_rows: bool
    base: float
    layers: tuple[str, ...]
    _matrix: Any

    @property
    def shape(self) -> tuple[int, int]:
        """Cells and genes."""
        return len(self.obs), len(self.var)

    def slices(self) -> Iterator[tuple[int, int, sp.csr_matrix | sp.csc_matrix]]:
        """Go through the matrix once: first and last + 1 row (or column), and what lies there.

        Raises
        ------
        ValueError
            The file ends too early or is damaged.
        """
        along, across = self.shape if self.by_rows else self.shape[::-1]
        step = max(1, PLACES // max(1, across))
        for start in range(0, along, step):
            stop = min(start + step, along)
            try:
                part = self._matrix[start:stop] if self.by_rows else self._matrix[:, start:stop]
                part = sp.csr_matrix(part) if self.by_rows else sp.csc_matrix(part)
                part.check_format(full_check=True)  # C code follows, which trusts the indices
            except Exception as error:
                raise ValueError(_cut_short(self.path, error)) from error
            yield start, stop, part


@contextmanager
def open_cells(path: str | Path, layer: str = "") -> Iterator[CellFile]:
    """Open a file of cells.

    Parameters
    ----------
    path : str or Path
        An ``.h5ad`` file.
    layer : str
        Read this layer instead of ``X``.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is empty, cut short, packed, no ``.h5ad``, or has no such layer.
    """
    path = Path(path)
    _refuse(path)
    probe(path)
    with h5py.File(path, "r") as file:
        layers = file.get("layers", ())
        if layer and layer not in layers:
            raise ValueError(
                f"{path} has no layer {layer!r} (it has {listed(layers) or 'none'}); name one of "
                "those, or leave --layer out to read X."
            )
        try:
            found = _describe(path, file, f"layers/{layer}" if layer else "X")
        except Exception as error:
            raise ValueError(_cut_short(path, error)) from error
        if found.shape != _shape(found._matrix):
            raise ValueError(
                f"{path} lists {found.shape[0]} cells and {found.shape[1]} genes, but its matrix "
                f"is {_shape(found._matrix)[0]} × {_shape(found._matrix)[1]}; write it again."
            )
        if not all(found.shape):
            raise ValueError(f"{path} holds {found.shape[0]} cells and {found.shape[1]} genes.")
        yield found


def _describe(path: Path, file: h5py.File, where: str) -> CellFile:
    stored = file[where]
    matrix = stored if isinstance(stored, h5py.Dataset) else sparse_dataset(stored)
    by_rows = isinstance(stored, h5py.Dataset) or matrix.format == "csr"
    obs, var = read_elem(file["obs"]), read_elem(file["var"])
    if not isinstance(obs, pd.DataFrame) or not isinstance(var, pd.DataFrame):
        raise TypeError("obs and var are no tables")
    noted = read_elem(file["uns/log1p"]) if "uns/log1p" in file else {}
    base = float(noted.get("base") or np.e)  # scanpy notes None for e
    return CellFile(path, obs, var, by_rows, base, tuple(file.get("layers", ())), matrix)


def _shape(matrix: Any) -> tuple[int, int]:
    return int(matrix.shape[0]), int(matrix.shape[1])


def _refuse(path: Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; give the path of a .h5ad file.")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes); download or write it again.")
    if zipfile.is_zipfile(path):
        inside = [name for name in zipfile.ZipFile(path).namelist() if name.endswith(".h5ad")]
        raise ValueError(
            f"{path} is a zip archive; unpack it and give the .h5ad inside "
            f"({listed(inside) if inside else 'there seems to be none'})."
        )


def _cut_short(path: Path, error: Exception) -> str:
    return (
        f"{path} cannot be read as .h5ad ({reason(error)}); it seems cut short, "
        "damaged or of another kind: download it again, or write it with adata.write_h5ad(path)."
    )
