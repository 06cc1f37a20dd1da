"""Responses from a table made by hand: one row per condition, one column per gene."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from aligned.data.contract import LARGEST_CHANGE, validate
from aligned.data.edges import read_table
from aligned.reading import clean_names, listed

__all__ = ["read_responses"]

#: Columns that are about the condition; every other column is a gene.
ABOUT = ("condition", "perturbation", "n_replicates", "group", "controls")
_SIGNS = {"-": -1, "+": 1, "\N{MINUS SIGN}": -1}
_MISSING = ("", "na", "n/a", "nan", "none", "#n/a")


def read_responses(path: str | Path, threshold: float | None = None) -> AnnData:
    """Read responses from a spreadsheet saved as CSV (or TSV, parquet).

    Parameters
    ----------
    path : str or Path
        Columns ``perturbation`` (``fnr-``: knocked out or down, ``fnr+``: over-expressed,
        ``crp-,fnr+``: both), optionally ``condition`` (a unique name), ``n_replicates``, ``group``,
        ``controls``; every other column is a gene. Cells hold -1, 0, 1, or log fold changes; an
        empty cell was not measured.
    threshold : float, optional
        For log fold changes: a gene is called up or down where the change is at least this large.

    Returns
    -------
    AnnData
        Valid perturbation data; ``layers["logfc"]`` where fold changes were given; every condition
        is a training condition until `aligned.data.folds` deals them.

    Raises
    ------
    FileNotFoundError, ValueError
        No such file; or what is wrong in it, where, and how to mend it.
    """
    path = Path(path)
    frame = read_table(path, ["condition", "perturbation", "group", "controls"])
    frame.columns = [str(column).strip() for column in frame.columns]
    _check_columns(frame, path)
    clean_names(frame.columns, f"{path}, among its columns,")
    labels = [_label(value, row, path) for row, value in enumerate(frame["perturbation"], start=2)]
    names = _names(frame, labels, path)
    genes = [str(c) for c in frame.columns if c not in ABOUT]
    values = _numbers(frame[[c for c in frame.columns if c not in ABOUT]], names, path)
    ternary, is_ternary = _called(values, threshold, path)
    every = list(dict.fromkeys([*genes, *(gene for label in labels for gene in label)]))
    column = {gene: i for i, gene in enumerate(every)}
    x = sp.lil_matrix((len(frame), len(every)), dtype=np.int8)
    for i, label in enumerate(labels):
        for gene, sign in label.items():
            x[i, column[gene]] = sign
    about = {c: frame[c].fillna("").to_numpy() for c in ("group", "controls") if c in frame}
    replicates = frame.get("n_replicates", pd.Series(1, index=frame.index)).to_numpy()
    text = [",".join(gene + "-+"[sign > 0] for gene, sign in label.items()) for label in labels]
    obs = pd.DataFrame(
        {"perturbation": text, "n_replicates": replicates, "split": "train", **about}, index=names
    )
    data = AnnData(ternary, obs=obs, var=pd.DataFrame(index=genes))
    data.layers["observed"] = ~np.isnan(values)
    if not is_ternary:
        data.layers["logfc"] = values.astype(np.float32)
    data.uns["genes"] = np.array(every, dtype=str)
    data.obsm["perturbation"] = sp.csr_matrix(x)
    try:
        validate(data)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return data


def _check_columns(frame: pd.DataFrame, path: Path) -> None:
    columns = [str(c) for c in frame.columns]
    if "perturbation" not in columns:
        turned = " If genes are your rows, turn the table (Paste Special, Transpose)."
        raise ValueError(
            f"{path} lacks the column perturbation (it has {listed(columns[:5])}, …); name "
            "there what was perturbed, e.g. 'fnr-' (knock-out) or 'fnr+' (over-expression), one "
            "row per condition."
            + (turned if {"gene", "genes"} & {c.lower() for c in columns} else "")
        )
    nameless = [c for c in columns if not c.strip() or c.startswith("Unnamed:")]
    once = [re.sub(r"\.\d+$", "", c) for c in columns]  # pandas numbers what comes again
    twice = [c for c in columns if columns.count(c) > 1]
    twice += [o for o, c in zip(once, columns, strict=True) if o in set(columns) - {c}]
    if nameless or twice:
        what = f"the gene {twice[0]!r} twice" if twice else "a column without name"
        raise ValueError(f"{path} has {what}; keep one column per gene, each with its name.")
    if len(frame) == 0 or set(columns) <= set(ABOUT):
        raise ValueError(
            f"{path} has {len(frame)} conditions and {len(set(columns) - set(ABOUT))} genes; give "
            "one row per condition and one column per gene."
        )


def _label(value: object, row: int, path: Path) -> dict[str, int]:
    """``"crp-, fnr+"`` as gene -> sign."""
    parts = [part for part in re.split(r"[,;\s]+", str(value).strip()) if part]
    label = {part[:-1]: _SIGNS.get(part[-1], 0) for part in parts}
    if pd.isna(value) or not label or not all(label.values()) or "" in label:
        raise ValueError(
            f"row {row} of {path} has the perturbation {str(value)!r}; write each gene with its "
            "direction, 'fnr-' (knock-out or -down) or 'fnr+' (over-expression), joined by commas, "
            "and leave controls out: they are what the others are compared with."
        )
    return label


def _names(frame: pd.DataFrame, labels: list[dict[str, int]], path: Path) -> list[str]:
    if "condition" in frame:
        names = [str(name).strip() for name in frame["condition"].fillna("")]
        again = [name for name, count in Counter(names).items() if count > 1 or not name.strip()]
        if again:
            raise ValueError(
                f"{path} has no name or the same name for several conditions ({again[0]!r}); give "
                "every row of the column condition a name of its own."
            )
        return names
    plain = ["_".join(gene + "-+"[s > 0] for gene, s in label.items()) for label in labels]
    seen: Counter[str] = Counter()
    names = []
    for name in plain:
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names


def _numbers(cells: pd.DataFrame, names: list[str], path: Path) -> np.ndarray:
    text = cells.apply(lambda c: c.where(~c.astype(str).str.strip().str.lower().isin(_MISSING)))
    numbers = text.apply(pd.to_numeric, errors="coerce")
    values = numbers.to_numpy(dtype=float)
    wrong = np.argwhere((np.isnan(values) & text.notna()) | (np.abs(values) > LARGEST_CHANGE))
    if len(wrong):
        i, j = wrong[0]
        raise ValueError(
            f"{path} has {str(cells.iat[i, j])[:60]!r} at condition {names[i]!r}, gene "
            f"{cells.columns[j]!r} ({len(wrong)} such cells); write -1, 0, 1 or a log fold change, "
            "and leave the cell empty where nothing was measured."
        )
    return values


def _called(values: np.ndarray, threshold: float | None, path: Path) -> tuple[np.ndarray, bool]:
    filled = np.nan_to_num(values)
    is_ternary = bool(np.isin(filled, (-1, 0, 1)).all())
    if is_ternary:
        return filled.astype(np.int8), True
    if threshold is None or not threshold > 0:
        raise ValueError(
            f"{path} holds numbers other than -1, 0 and 1; if they are log fold changes, say "
            "from which size on a gene counts as changed: threshold: 1.0 in study.yaml, or "
            "--threshold 1."
        )
    return (np.sign(filled) * (np.abs(filled) >= threshold)).astype(np.int8), False
