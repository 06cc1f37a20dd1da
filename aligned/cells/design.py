"""Which cells take part, what was perturbed in them and how, and what the genes are called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from aligned.cells.calling import Rules
from aligned.cells.labels import KINDS, column, kind_sign, read_labels
from aligned.cells.source import CellFile
from aligned.reading import clean_names

__all__ = ["Design", "Reading", "batches", "gene_names", "read_design"]

Bool = npt.NDArray[np.bool_]
#: Columns of ``var`` that hold symbols where the index holds other ids.
_NAMES = ("gene_name", "gene_names", "gene_symbol", "gene_symbols", "symbol", "feature_name")
_TYPE = "perturbation_type"


@dataclass(frozen=True)
class Reading:
    """How a file is to be read; "" leaves the choice to what the file shows.

    Attributes
    ----------
    condition_key, control : str
        Column of ``obs`` that names the perturbation, and its label of unperturbed cells.
    where : sequence of str
        ``column=value``: only cells that fulfil all of them.
    kind, kind_key : str
        Kind of all perturbations (`aligned.cells.labels.KINDS`), or the column that says.
    batch_key : str
        Column of ``obs`` with batches, the replicates; "" for none.
    gene_key, layer : str
        Column of ``var`` with the genes' names; layer to read instead of ``X``.
    strip : str
        Regular expression of what is cut off every label.
    keep_first : bool
        Of several genes of one name keep the first, instead of refusing.
    """

    condition_key: str = ""
    control: str = ""
    where: Sequence[str] = ()
    kind: str = ""
    kind_key: str = ""
    batch_key: str = ""
    gene_key: str = ""
    layer: str = ""
    strip: str = ""
    keep_first: bool = False


@dataclass(frozen=True)
class Design:
    """Who was perturbed how: conditions in order, and the group of every cell (-1: left out)."""

    genes: list[tuple[str, ...]]
    signs: list[int]
    of_cell: npt.NDArray[np.intp]
    notes: list[str]


def gene_names(
    file: CellFile, reading: Reading, labels: pd.Series
) -> tuple[npt.NDArray, Bool, list[str]]:
    """Names of the genes, which to keep, and what was decided."""
    index = file.var.index.astype(str).to_numpy()
    said: list[str] = []
    if reading.gene_key:
        names = column(file.var, reading.gene_key, "--gene-key").to_numpy(dtype=str)
    else:
        words = {w for label in pd.unique(labels) for w in re.split(r"[+|;,&_\s]+", label)}
        best, names = int(np.isin(index, list(words)).sum()), index
        for name in (str(c) for c in file.var.columns if str(c).lower() in _NAMES):
            values = column(file.var, name, "").to_numpy(dtype=str)
            hits = int(np.isin(values, list(words)).sum())
            if hits > best:
                best, names = hits, values
                said = [f"genes are named by var[{name!r}], which fits the labels of the cells."]
    names = np.where(names == "", index, names)
    names = np.array(clean_names(map(str, names), f"var of {file.path}"), dtype=object)
    twice = pd.Index(names).duplicated()
    if twice.any() and not reading.keep_first:
        raise ValueError(
            f"{file.path} names {len(set(names[twice]))} genes more than once, e.g. "
            f"{names[twice][0]!r}; add --keep-first to keep the first of each, or name them by "
            "another column of var with --gene-key."
        )
    if twice.any():
        said.append(f"{int(twice.sum())} genes of a name that came before are left out.")
    return names, ~twice, said


def read_design(
    obs: pd.DataFrame,
    labels: pd.Series,
    control: str,
    genes: npt.NDArray,
    reading: Reading,
    rules: Rules,
) -> Design:
    """Conditions in order (singles first, by name), and the group of every cell.

    Raises
    ------
    ValueError
        Too few controls, no perturbation with enough cells, or kinds that are mixed or unknown.
    """
    meaning = read_labels(labels, control, genes, reading.strip)
    known = [row for row in meaning.values() if row]
    every = sorted(set(known), key=lambda row: (len(row), row))
    number = {row: i + 1 for i, row in enumerate(every)}
    of_label = {label: -1 if row is None else number.get(row, 0) for label, row in meaning.items()}
    of_cell = labels.map(of_label).to_numpy(dtype=np.intp)
    notes = []
    if (of_cell < 0).any():
        notes.append(f"{int((of_cell < 0).sum())} cells without a known perturbation are left out.")
    sizes = np.bincount(of_cell[of_cell >= 0], minlength=len(every) + 1)
    if sizes[0] < rules.min_cells:
        raise ValueError(
            f"there are {sizes[0]} control cells ({control!r}), fewer than {rules.min_cells}; a "
            "test needs more of them, or lower --min-cells."
        )
    large = [i for i in range(len(every)) if sizes[i + 1] >= rules.min_cells]
    small = [(sizes[i + 1], every[i]) for i in range(len(every)) if i not in set(large)]
    if not large:
        most = max(sizes[1:], default=0)
        raise ValueError(
            f"no perturbation has {rules.min_cells} cells (the largest of {len(every)} has "
            f"{most}); lower --min-cells, or is --condition-key the right column?"
        )
    if small:
        count, row = min(small)
        cells = "cell" if count == 1 else "cells"
        notes.append(
            f"{len(small)} perturbations with fewer than {rules.min_cells} cells are left out, "
            f"e.g. {'+'.join(row)} ({count} {cells})."
        )
    renumber = np.full(len(every) + 2, -1, dtype=np.intp)  # the last place is for -1
    renumber[[0, *(i + 1 for i in large)]] = np.arange(len(large) + 1)
    of_cell = renumber[of_cell]
    kept = [every[i] for i in large]
    return Design(kept, _signs(obs, of_cell, kept, reading), of_cell, notes)


def _signs(
    obs: pd.DataFrame, of_cell: npt.NDArray, genes: list[tuple[str, ...]], reading: Reading
) -> list[int]:
    """Direction of every condition; a condition (or the controls) of several kinds is refused."""
    key = reading.kind_key or (_TYPE if _TYPE in obs else "")
    if not key:
        if not reading.kind:
            raise ValueError(
                "the file does not say what kind of perturbation this is, and so not whether a "
                "gene went up or down; add --kind crispri, ko or kd (down), crispra or oe (up)."
            )
        return [kind_sign(reading.kind, "--kind")] * len(genes)
    kinds = column(obs, key, "--kind-key")
    signs = []
    for i in range(len(genes) + 1):
        here = [str(kind) for kind in pd.unique(kinds[of_cell == i])]
        if i == 0:
            here = [kind for kind in here if kind.lower() in KINDS]
        if len(here) > 1:
            what = f"the condition {'+'.join(genes[i - 1])!r}" if i else "the group of controls"
            raise ValueError(
                f"{what} mixes kinds of perturbation ({', '.join(here)} in {key!r}), which are "
                f"different experiments; choose one with --where{_separating(obs, kinds)}."
            )
        if i:
            where = "--kind" if reading.kind else f"the column {key!r}"
            signs.append(kind_sign(reading.kind or here[0], where))
    return signs


def _separating(obs: pd.DataFrame, kinds: pd.Series) -> str:
    """A column and value that picks one kind, as a hint."""
    for name in obs.columns:
        values = obs[name].astype(str)
        if 1 < values.nunique() <= 20 and kinds.groupby(values).nunique().max() == 1:
            return f", e.g. --where {name}={values.iloc[0]}"
    return ""


def batches(obs: pd.DataFrame, key: str) -> npt.NDArray[np.intp]:
    if not key:
        return np.zeros(len(obs), dtype=np.intp)
    return np.asarray(pd.factorize(column(obs, key, "--batch-key"))[0], dtype=np.intp)
