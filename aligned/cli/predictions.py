"""Predictions from anywhere, laid on the conditions and genes of a data set."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from aligned.data.folder import read_h5ad
from aligned.knowledge import KnowledgeBase
from aligned.reading import clean_names, listed, reason

__all__ = ["Placed", "call", "place", "read_predictions"]

Places = npt.NDArray[np.intp]

#: Columns taken for the prediction where none is named: anyone's, and that of `aligned predict`.
_COLUMNS = ("prediction", "fused")


@dataclass(frozen=True)
class Placed:
    """Predictions in the shape of the data.

    Attributes
    ----------
    calls : ndarray of int8, shape (b, m)
        0 where nothing was predicted.
    predicted : ndarray of bool, shape (b, m)
    not_measured : list of str
        Genes of the network that were predicted, but not measured.
    """

    calls: npt.NDArray[np.int8]
    predicted: npt.NDArray[np.bool_]
    not_measured: list[str]


def read_predictions(path: Path, column: str = "") -> pd.DataFrame:
    """Read predictions: rows are conditions, columns genes, nan where nothing is predicted.

    Parameters
    ----------
    path : Path
        A long table ``condition, gene, prediction`` (``.csv``, ``.tsv``, ``.parquet``), or a
        ``.h5ad`` file whose ``obs_names`` are conditions and ``var_names`` genes.
    column : str
        Column of the table, or layer of the ``.h5ad``; default ``prediction`` or ``fused``, or
        ``X``.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It cannot be read, a column is missing, a value is no number, or a cell comes twice.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; give the path of your predictions.")
    if path.suffix == ".h5ad":
        return _from_h5ad(path, column)
    frame = _read_long(path)
    missing = [name for name in ("condition", "gene") if name not in frame]
    chosen = next((c for c in ([column] if column else _COLUMNS) if c in frame), None)
    if missing or chosen is None:
        lost = missing[0] if missing else column or _COLUMNS[0]
        raise ValueError(
            f"{path} has no column {lost!r} (it has {listed(frame.columns)}); a table "
            "of predictions needs condition, gene and prediction, or name yours with --column."
        )
    return _wide(frame, chosen, path)


def call(wide: pd.DataFrame, threshold: float | None) -> pd.DataFrame:
    """Ternary calls: the sign of a value beyond the threshold; nan stays.

    Raises
    ------
    ValueError
        A value is not -1, 0 or 1, and no threshold was given; or the threshold is below 0.
    """
    values = wide.to_numpy()
    if threshold is not None:
        if not threshold >= 0:
            raise ValueError(f"--threshold {threshold}; give a number from 0.")
        called = np.where(np.isnan(values), np.nan, np.sign(values) * (np.abs(values) > threshold))
        return pd.DataFrame(called, index=wide.index, columns=wide.columns)
    wrong = ~np.isnan(values) & ~np.isin(values, (-1, 0, 1))
    if wrong.any():
        i, j = np.argwhere(wrong)[0]
        raise ValueError(
            f"the prediction for condition {wide.index[i]!r}, gene {wide.columns[j]!r} is "
            f"{values[i, j]:g}, not -1, 0 or 1 ({int(wrong.sum())} such); add --threshold T to "
            "call what lies beyond ±T."
        )
    return wide


def place(wide: pd.DataFrame, data: AnnData, kb: KnowledgeBase) -> Placed:
    """Lay predictions on the conditions and measured genes of a data set.

    A row may name a condition, or a perturbation such as ``crp-,fnr+`` in any order; then it
    stands for every condition with that perturbation. Genes go by id or name.

    Raises
    ------
    ValueError
        A condition or gene is unknown, or two rows or columns mean the same one.
    """
    columns, not_measured = _columns(wide, data, kb)
    source, rows = _rows(wide, data)
    calls = np.full(data.shape, np.nan)
    inside = columns >= 0
    values = wide.to_numpy()[:, inside]
    calls[np.ix_(rows, columns[inside])] = values[source]
    predicted = ~np.isnan(calls)
    return Placed(np.where(predicted, calls, 0).astype(np.int8), predicted, not_measured)


# ------------------------------------------------------------------------------------ reading


def _read_long(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(
            path,
            sep="\t" if path.suffix == ".tsv" else ",",
            dtype={"condition": str, "gene": str},
            keep_default_na=False,
        )
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read as a table ({reason(error)}); write it as .csv, .tsv or "
            ".parquet."
        ) from error


def _from_h5ad(path: Path, layer: str) -> pd.DataFrame:
    data = read_h5ad(path)
    if layer and layer not in data.layers:
        listed = ", ".join(data.layers) or "none"
        raise ValueError(f"{path} has no layer {layer!r}; its layers: {listed}.")
    values = data.layers[layer] if layer else data.X
    if values is None:
        raise ValueError(f"{path} holds nothing in X; name a layer with --column.")
    dense = values.toarray() if sp.issparse(values) else np.asarray(values)
    for what, index in (("condition", data.obs_names), ("gene", data.var_names)):
        if not index.is_unique:
            raise ValueError(
                f"{path} holds the {what} {index[index.duplicated()][0]!r} twice; keep one."
            )
    if dense.dtype.kind not in "iufb" or np.isinf(dense).any():
        raise ValueError(f"{path} holds predictions that are no numbers or infinite; mend them.")
    rows = clean_names(data.obs_names, f"obs_names of {path}")
    columns = clean_names(data.var_names, f"var_names of {path}")
    return pd.DataFrame(dense.astype(float), index=rows, columns=columns)


def _wide(frame: pd.DataFrame, column: str, path: Path) -> pd.DataFrame:
    for what in ("condition", "gene", column):
        if list(frame.columns).count(what) > 1 or f"{what}.1" in frame:
            raise ValueError(f"{path} has the column {what} twice; keep one of them.")
    names = {c: clean_names(frame[c], f"the column {c} of {path}") for c in ("condition", "gene")}
    frame = frame.assign(**names)
    value = pd.to_numeric(frame[column], errors="coerce").astype(float)
    named = frame[column].astype(str).str.strip().str.lower()
    wrong = value.isna() & ~named.isin(("", "nan", "na", "none", "<na>")) | np.isinf(value)
    if wrong.any() or not len(frame):
        at = wrong.idxmax() if len(frame) else None
        value = "" if at is None else str(frame.at[at, column])[:60]
        what = "holds no row" if at is None else f"holds {value!r} in row {at}"
        raise ValueError(f"the column {column!r} of {path} {what}; give numbers.")
    twice = frame.duplicated(["condition", "gene"])
    if twice.any():
        first = frame[twice].iloc[0]
        raise ValueError(
            f"{path} predicts condition {first['condition']!r}, gene {first['gene']!r} twice "
            f"({int(twice.sum())} such rows); keep one row each."
        )
    row, conditions = pd.factorize(frame["condition"])
    col, genes = pd.factorize(frame["gene"])
    wide = np.full((len(conditions), len(genes)), np.nan)
    wide[row, col] = value
    return pd.DataFrame(wide, index=list(conditions), columns=list(genes))


# -------------------------------------------------------------------------------------- names


def _columns(wide: pd.DataFrame, data: AnnData, kb: KnowledgeBase) -> tuple[Places, list[str]]:
    """Measured column of each predicted gene, -1 where it was not measured; and those genes."""
    by_name: dict[str, list[str]] = {}
    for gene, name in kb.names.items():
        by_name.setdefault(str(name).lower(), []).append(gene)
    ids = [[g] if g in kb.index else by_name.get(str(g).lower(), []) for g in wide.columns]
    unknown = [str(g) for g, found in zip(wide.columns, ids, strict=True) if not found]
    if unknown:
        known = (*kb.genes, *kb.names.values())
        raise ValueError(_unknown("gene", unknown, known, "use the ids or names of the data"))
    for gene, found in zip(wide.columns, ids, strict=True):
        if len(found) > 1:
            raise ValueError(
                f"gene name {gene!r} belongs to {', '.join(found)}; use the id you mean."
            )
    chosen = pd.Index([found[0] for found in ids])
    _refuse_twice("gene", chosen, wide.columns)
    columns = pd.Index(data.var_names.astype(str)).get_indexer(chosen).astype(np.intp)
    return columns, [str(g) for g in chosen[columns < 0]]


def _rows(wide: pd.DataFrame, data: AnnData) -> tuple[Places, Places]:
    """Pairs of row of the predictions and row of the data."""
    places: dict[str, list[int]] = {}
    for i, text in enumerate(data.obs["perturbation"].astype(str)):
        places.setdefault(_sorted(text), []).append(i)
    places |= {str(name): [i] for i, name in enumerate(data.obs_names)}
    named = [str(name) if name in places else _sorted(str(name)) for name in wide.index]
    unknown = [str(n) for n, key in zip(wide.index, named, strict=True) if key not in places]
    if unknown:
        mend = "use the names of the conditions (obs_names), or perturbations such as 'crp-,fnr+'"
        raise ValueError(_unknown("condition", unknown, places, mend))
    pairs = [(s, i) for s, key in enumerate(named) for i in places[key]]
    rows = [i for _, i in pairs]
    _refuse_twice("condition", data.obs_names[rows], wide.index[[s for s, _ in pairs]])
    return np.array([s for s, _ in pairs], np.intp), np.array(rows, np.intp)


def _sorted(perturbation: str) -> str:
    return ",".join(sorted(part.strip() for part in perturbation.split(",")))


def _unknown(what: str, unknown: list[str], known: Iterable[str], mend: str) -> str:
    close = difflib.get_close_matches(unknown[0], map(str, known), n=2)
    hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else f"; {mend}."
    some = ", ".join(map(repr, unknown[:3])) + (", …" if len(unknown) > 3 else "")
    plural = what if len(unknown) == 1 else f"{what}s"
    return f"{len(unknown)} predicted {plural} not in the data: {some}{hint}"


def _refuse_twice(what: str, meant: pd.Index, written: pd.Index) -> None:
    twice = meant.duplicated(keep=False)
    if twice.any():
        first = meant[twice][0]
        both = " and ".join(dict.fromkeys(repr(str(w)) for w in written[meant == first]))
        raise ValueError(f"{both} mean the same {what} ({first}); keep one of them.")
