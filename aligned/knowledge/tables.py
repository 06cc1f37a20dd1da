"""Edges as tables and as states: every fault is named, nothing is dropped in silence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from aligned.reading import clean_names, listed

__all__ = ["STATES", "merge_edges", "read_edges", "state_of"]

#: What a pair of regulator and gene can be, by its number in `KnowledgeBase.state`: bit 1 is an
#: activating edge, bit 2 an inhibiting one.
STATES = ("0", "+", "-", "+-")


def state_of(activates: Any, inhibits: Any) -> npt.NDArray[np.int8]:
    """State of each pair from two truth tables: 0 none, 1 activating, 2 inhibiting, 3 both.

    Examples
    --------
    >>> state_of([False, True, False, True], [False, False, True, True]).tolist()
    [0, 1, 2, 3]
    """
    return np.asarray(activates, np.int8) + 2 * np.asarray(inhibits, np.int8)


def read_edges(
    frame: pd.DataFrame, genes: Iterable[str] | None, unknown: str
) -> tuple[pd.DataFrame, list[str], dict[str, int]]:
    """Check a table of edges; see `KnowledgeBase.from_edges` for its columns.

    Returns the clean table (``source, target, sign, evidence``), the list of genes, and counts of
    what was noticed.
    """
    if unknown not in ("error", "drop"):
        raise ValueError(f"unknown={unknown!r} is not a choice; use 'error' or 'drop'.")
    frame = frame.reset_index(drop=True) if isinstance(frame, pd.DataFrame) else frame
    edges = _with_columns(frame)
    edges["sign"] = _signs(frame, edges)
    edges = edges[["source", "target", "sign", "evidence"]]
    repeated = edges.duplicated()
    edges = edges[~repeated]
    _refuse_clashing_evidence(edges, frame)
    known = _gene_list(edges, genes)
    edges, dropped = _known_only(edges, set(known), unknown, frame)
    pairs = edges[["source", "target"]].drop_duplicates()
    report = {
        "repeated rows": int(repeated.sum()),
        "rows with unknown genes dropped": dropped,
        "self-loops": int((pairs["source"] == pairs["target"]).sum()),
        "dual pairs": int(edges.duplicated(["source", "target"]).sum()),
    }
    return edges.reset_index(drop=True), known, report


def _with_columns(frame: pd.DataFrame) -> pd.DataFrame:
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(
            f"the network is a {type(frame).__name__}; give a pandas DataFrame of edges."
        )
    for name in ("source", "target", "sign", "weight", "evidence"):
        if list(frame.columns).count(name) > 1:
            raise ValueError(f"the network table has the column {name} twice; keep one of them.")
    missing = [c for c in ("source", "target") if c not in frame.columns]
    if "sign" not in frame.columns and "weight" not in frame.columns:
        missing.append("sign")
    if missing:
        raise ValueError(
            f"the network table lacks the column{'s' if len(missing) > 1 else ''} "
            f"{', '.join(missing)} (it has {listed(frame.columns)}); rename yours, "
            f"e.g. frame.rename(columns={{'your_column': {missing[0]!r}}})."
        )
    empty = frame[["source", "target"]].isna().any(axis=1)
    if empty.any():
        raise ValueError(
            f"row {empty[empty].index[0]} of the network names no gene; fill or drop it."
        )
    edges = pd.DataFrame(index=frame.index)
    for column in ("source", "target"):
        names = clean_names(frame[column], f"the column {column} of the network")
        edges[column] = pd.Series(names, index=frame.index, dtype=object)
    has_evidence = "evidence" in frame.columns
    edges["evidence"] = frame["evidence"].fillna("").astype(str) if has_evidence else ""
    return edges


def _signs(frame: pd.DataFrame, edges: pd.DataFrame) -> pd.Series:
    column = "sign" if "sign" in frame.columns else "weight"
    value = pd.to_numeric(frame[column].astype(object), errors="coerce").astype(float)
    sign = np.sign(value) if column == "weight" else value
    bad = ~(sign.isin([-1, 1]) & np.isfinite(value))
    if bad.any():
        row = bad[bad].index[0]
        raise ValueError(
            f"row {row} of the network ({edges.at[row, 'source']} → {edges.at[row, 'target']}) has "
            f"{column} {str(frame.at[row, column])[:60]}; use +1 (activates) or -1 (inhibits), and "
            "two rows for dual regulation."
        )
    return sign.astype(np.int8)


def _refuse_clashing_evidence(edges: pd.DataFrame, frame: pd.DataFrame) -> None:
    twice = edges[edges.duplicated(["source", "target", "sign"], keep=False)]
    if len(twice):
        source, target, sign, _ = twice.iloc[0][["source", "target", "sign", "evidence"]]
        same = twice[
            (twice["source"] == source) & (twice["target"] == target) & (twice["sign"] == sign)
        ]
        raise ValueError(
            f"the edge {source} → {target} ({sign:+d}) is listed twice, in rows "
            f"{' and '.join(map(str, same.index))}, with different evidence "
            f"({' / '.join(map(repr, same['evidence']))}); keep one row and join its evidence."
        )


def _gene_list(edges: pd.DataFrame, genes: Iterable[str] | None) -> list[str]:
    if genes is None:
        return list(pd.unique(pd.concat([edges["source"], edges["target"]])))
    known = [str(g) for g in genes]
    repeated = pd.Index(known)[pd.Index(known).duplicated()]
    if len(repeated):
        raise ValueError(f"`genes` lists {repeated[0]!r} twice; every gene has one column.")
    return known


def _known_only(
    edges: pd.DataFrame, known: set[str], unknown: str, frame: pd.DataFrame
) -> tuple[pd.DataFrame, int]:
    lost = ~(edges["source"].isin(known) & edges["target"].isin(known))
    if lost.any() and unknown == "error":
        row = edges[lost].index[0]
        pair = edges.loc[row]
        gene = pair["source"] if pair["source"] not in known else pair["target"]
        raise ValueError(
            f"row {row} of the network ({pair['source']} → {pair['target']}) names the gene "
            f"{gene!r}, which is not among the {len(known)} genes given ({int(lost.sum())} such "
            "rows); add the genes, or pass unknown='drop' to leave these edges out."
        )
    return edges[~lost], int(lost.sum())


def merge_edges(
    old: pd.DataFrame,
    places: list[tuple[npt.NDArray[np.object_], npt.NDArray[np.object_], int]],
    evidence: str,
) -> pd.DataFrame:
    """Edge table with exactly these edges, plus the self-loops of the old table.

    Parameters
    ----------
    old : DataFrame
        Edges whose order and evidence are kept where they stay.
    places : list of (sources, targets, sign)
        The edges wanted; self-loops among them are ignored.
    evidence : str
        Evidence of edges that are new.
    """
    key = ["source", "target", "sign"]
    wanted = pd.concat(
        [pd.DataFrame({"source": s, "target": t, "sign": np.int8(sign)}) for s, t, sign in places],
        ignore_index=True,
    )
    wanted = wanted[wanted["source"] != wanted["target"]]
    kept = old.merge(wanted, on=key)
    loops = old[old["source"] == old["target"]]
    marked = wanted.merge(kept[key], how="left", indicator=True)
    fresh = marked[marked["_merge"] == "left_only"].drop(columns="_merge")
    edges = pd.concat([kept, loops, fresh.assign(evidence=evidence)], ignore_index=True)
    edges["sign"] = edges["sign"].astype(np.int8)
    return edges
