"""What refinement changed, on what evidence, and whether another network knows it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import hypergeom

from aligned.data import Bundle, Rows
from aligned.knowledge import KnowledgeBase

__all__ = ["edit_support", "edit_table", "net_edits"]

KEYS = ["source", "target", "before", "after"]


def net_edits(original: KnowledgeBase, refined: KnowledgeBase, log: pd.DataFrame) -> pd.DataFrame:
    """What is left of all refinements: ``source, target, before, after, gain``.

    A later refinement may undo an edit of an earlier one; only the difference between the two
    networks counts. ``gain`` is that of the pair's last edit in the ``log``.
    """
    last = log.drop_duplicates(["source", "target"], keep="last")[["source", "target", "gain"]]
    return original.changes_to(refined).merge(last, on=["source", "target"], how="left")


def edit_table(made: pd.DataFrame, bundle: Bundle, split: str) -> pd.DataFrame:
    """Every net edit made on one split, once, with how often it was made and what speaks for it.

    Parameters
    ----------
    made : DataFrame
        The net edits of each fit (`net_edits`), with its ``split``.
    bundle : Bundle
    split : str
        The split whose fits are used.

    Returns
    -------
    DataFrame
        ``source, target, before, after`` with names; ``fits`` that made the edit; mean ``gain`` in
        the refinement's objective; ``log2fc``, the mean measured change of the target where the
        source alone was perturbed, counted in the direction of more source (sign as an edge's);
        ``conditions`` behind it; ``other``, the sign of that pair in the other network.
    """
    stacked = made[made["split"] == split]
    columns = [*KEYS, "source_name", "target_name", "fits", "gain", "log2fc", "conditions", "other"]
    if stacked.empty:
        return pd.DataFrame(columns=columns)
    table = (
        stacked.groupby(KEYS, as_index=False)
        .agg(fits=("gain", "size"), gain=("gain", "mean"))
        .sort_values(["fits", "gain", "source", "target"], ascending=[False, False, True, True])
    )
    names = bundle.kb.names
    table["source_name"] = [names.get(g, g) for g in table["source"]]
    table["target_name"] = [names.get(g, g) for g in table["target"]]
    table["log2fc"], table["conditions"] = _measured(table, bundle)
    table["other"] = _signs_in(table, bundle.other_kb)
    return table[columns].reset_index(drop=True)


def _measured(table: pd.DataFrame, bundle: Bundle) -> tuple[list[float], list[int]]:
    """Mean change of each target per unit of source, over single perturbations of the source."""
    data, kb = bundle.data, bundle.kb
    rows = Rows.of(data, kb)
    single = np.flatnonzero(np.asarray(abs(rows.x).sum(axis=1)).ravel() == 1)
    source_of = rows.x[single].indices
    direction = rows.x[single].data
    values = data.layers.get("logfc", rows.y)
    seen = rows.observed[single]
    column = {gene: j for j, gene in enumerate(map(str, data.var_names))}
    means: list[float] = []
    counts: list[int] = []
    for source, target in table[["source", "target"]].itertuples(index=False, name=None):
        where = source_of == kb.index.get_loc(source)
        j = column.get(target)
        usable = where & seen[:, j] if j is not None else np.zeros(len(single), bool)
        counts.append(int(usable.sum()))
        if not usable.any():
            means.append(float("nan"))
            continue
        change = np.asarray(values[single[usable], j], dtype=float) * direction[usable]
        means.append(float(np.nanmean(change)))
    return means, counts


def _signs_in(table: pd.DataFrame, other: KnowledgeBase | None) -> list[str]:
    if other is None:
        return [""] * len(table)
    state = other.pairs().to_dict()
    pairs = table[["source", "target"]].itertuples(index=False, name=None)
    return [state.get(pair, "0") for pair in pairs]


#: Deals of the degree-keeping null.
DEALS = 999


def edit_support(edits: pd.DataFrame, bundle: Bundle, rows: Rows, seed: int = 0) -> pd.DataFrame:
    """Are added edges in the other network more often than chance would have it?

    An added edge joins a pair that the network did not have. Two kinds of chance:

    * the *urn*: all such pairs between regulators that the evidence can speak of and measured
      genes, each as likely as the others (hypergeometric, one-sided);
    * *equal degrees*: the targets of the added edges are dealt among them anew, so that every
      regulator and every target keeps its number. Well-studied genes have many edges in any
      network, and this null knows it. Pairs that the network has already do not count; p is the
      share of `DEALS` deals with at least as large a share in the other network.

    Returns
    -------
    DataFrame
        One row per kind of edit (``added``, ``dropped``, ``flipped``): ``pairs``, ``in_other``,
        ``expected``, ``p_value`` (urn), ``expected_degrees, degrees_low, degrees_high, p_degrees``
        (these for added only), ``same_sign`` among those in the other network.
    """
    chance = ["expected", "p_value", "expected_degrees", "degrees_low", "degrees_high", "p_degrees"]
    columns = ["kind", "pairs", "in_other", *chance, "same_sign"]
    if edits.empty:
        return pd.DataFrame(columns=columns)
    kind = np.where(
        edits["before"] == "0", "added", np.where(edits["after"] == "0", "dropped", "flipped")
    )
    table: list[dict[str, object]] = []
    for name in ("added", "dropped", "flipped"):
        mine = edits[kind == name].drop_duplicates(["source", "target"])
        known = mine["other"].isin(["+", "-", "+-"])
        row: dict[str, object] = {
            "kind": name,
            "pairs": len(mine),
            "in_other": int(known.sum()),
            **dict.fromkeys(chance, np.nan),
            "same_sign": int((known & (mine["other"] == mine["after"])).sum()),
        }
        if name == "added" and len(mine) and bundle.other_kb is not None:
            total, hits = _urn(bundle, rows)
            row["expected"] = len(mine) * hits / total
            row["p_value"] = float(hypergeom.sf(int(known.sum()) - 1, total, hits, len(mine)))
            row |= _equal_degrees(mine, int(known.sum()), bundle.kb, bundle.other_kb, seed)
        table.append(row)
    return pd.DataFrame(table, columns=columns)


def _equal_degrees(
    added: pd.DataFrame, found: int, kb: KnowledgeBase, other: KnowledgeBase, seed: int
) -> dict[str, float]:
    """The null in which regulators and targets keep their numbers of added edges."""
    source = pd.Index(kb.regulators).get_indexer(added["source"])
    target = kb.index.get_indexer(added["target"])
    have = (kb.r_pos + kb.r_neg).tocsr()
    row = pd.Index(other.regulators).get_indexer(added["source"])  # -1: no regulator there
    theirs = (other.r_pos + other.r_neg).tocsr()
    column = other.index.get_indexer(pd.Index(kb.genes))
    rng = np.random.default_rng(seed)
    counts = np.empty(DEALS)
    for i in range(DEALS):
        dealt = rng.permutation(target)
        free = ~np.asarray(have[source, dealt], dtype=bool).ravel()
        free &= kb.regulator_index[source] != dealt
        there = (row >= 0) & (column[dealt] >= 0)
        hit = np.zeros(len(dealt), dtype=bool)
        hit[there] = np.asarray(theirs[row[there], column[dealt[there]]], dtype=bool).ravel()
        counts[i] = len(dealt) * (hit & free).sum() / max(int(free.sum()), 1)
    low, high = np.quantile(counts, [0.025, 0.975])
    return {
        "expected_degrees": float(counts.mean()),
        "degrees_low": float(low),
        "degrees_high": float(high),
        "p_degrees": float((1 + (counts >= found).sum()) / (1 + DEALS)),
    }


def _urn(bundle: Bundle, rows: Rows) -> tuple[int, int]:
    """Pairs without an edge that could have been added, and how many the other network has."""
    kb, other = bundle.kb, bundle.other_kb or bundle.kb
    perturbed = set(rows.x.indices)
    sources = [g for g, i in zip(kb.regulators, kb.regulator_index, strict=True) if i in perturbed]
    measured = set(map(str, bundle.data.var_names))

    def pairs(network: KnowledgeBase) -> set[tuple[str, str]]:
        table = network.to_edges()
        table = table[table["source"].isin(sources) & table["target"].isin(measured)]
        table = table[table["source"] != table["target"]]
        return set(table[["source", "target"]].itertuples(index=False, name=None))

    have, others = pairs(kb), pairs(other)
    own = sum(1 for s in sources if s in measured)
    total = len(sources) * len(measured) - own - len(have)
    return total, len(others - have)
