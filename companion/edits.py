"""What refinement changed, on what evidence, and whether another network knows it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import hypergeom

from aligned.data import Bundle, Rows
from aligned.knowledge import KnowledgeBase

__all__ = ["edit_support", "edit_table", "kind_of", "net_edits", "with_names"]

KEYS = ["source", "target", "before", "after"]


def with_names(edges: pd.DataFrame, kb: KnowledgeBase) -> pd.DataFrame:
    """Edges or edits, and the names people use: ``source_name, target_name``."""
    ends = ("source", "target")
    return edges.assign(**{f"{e}_name": [kb.names.get(g, g) for g in edges[e]] for e in ends})


def kind_of(edits: pd.DataFrame) -> pd.Series:
    """Whether each pair was ``added, dropped, flipped`` or ``kept``, by ``before`` and ``after``.

    Examples
    --------
    >>> kind_of(pd.DataFrame({"before": ["0", "+", "+"], "after": ["-", "-", "+"]})).tolist()
    ['added', 'flipped', 'kept']
    """
    before, after = edits["before"], edits["after"]
    cases = [before == after, before == "0", after == "0"]
    return pd.Series(np.select(cases, ["kept", "added", "dropped"], "flipped"), edits.index)


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
    table = with_names(table, bundle.kb)
    pair = pd.MultiIndex.from_frame(table[["source", "target"]])
    means, counts = _measured(bundle)
    table["log2fc"] = means.reindex(pair).to_numpy()
    table["conditions"] = counts.reindex(pair, fill_value=0).to_numpy()
    known = bundle.other_kb.pairs() if bundle.other_kb is not None else None
    table["other"] = "" if known is None else known.reindex(pair, fill_value="0").to_numpy()
    return table[columns].reset_index(drop=True)


def _measured(bundle: Bundle) -> tuple[pd.Series, pd.Series]:
    """By source and target: mean change per unit of the source, and the conditions behind it.

    Conditions in which the source alone was perturbed and the target was measured.
    """
    rows = Rows.of(bundle.data, bundle.kb)
    single = np.flatnonzero(np.diff(rows.x.indptr) == 1)
    values = np.asarray(bundle.data.layers.get("logfc", rows.y)[single], dtype=float)
    seen = rows.observed[single]
    signed = np.where(seen, values * rows.x[single].data[:, None], np.nan)
    sources = pd.Index(bundle.kb.index[rows.x[single].indices], name="source")
    targets = pd.Index(bundle.data.var_names.astype(str), name="target")
    means, counts = (
        pd.DataFrame(cells, sources, targets).groupby(level="source").agg(how).stack()
        for cells, how in ((signed, "mean"), (seen, "sum"))
    )
    return means, counts


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
    kind = kind_of(edits)
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
    have = kb.state.toarray() > 0
    theirs = np.zeros(have.shape, dtype=bool)
    sources, targets = (other.pairs().index.get_level_values(end) for end in (0, 1))
    row, column = pd.Index(kb.regulators).get_indexer(sources), kb.index.get_indexer(targets)
    here = (row >= 0) & (column >= 0)
    theirs[row[here], column[here]] = True
    rng = np.random.default_rng(seed)
    counts = np.empty(DEALS)
    for i in range(DEALS):
        dealt = rng.permutation(target)
        free = ~have[source, dealt] & (kb.regulator_index[source] != dealt)
        counts[i] = len(dealt) * (theirs[source, dealt] & free).sum() / max(int(free.sum()), 1)
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
    perturbed = np.isin(kb.regulator_index, rows.x.indices)
    sources = pd.Index(kb.regulators)[perturbed]
    measured = pd.Index(bundle.data.var_names.astype(str))
    have, others = (
        pairs[pairs.get_level_values(0).isin(sources) & pairs.get_level_values(1).isin(measured)]
        for pairs in (kb.pairs().index, other.pairs().index)
    )
    total = len(sources) * len(measured) - int(sources.isin(measured).sum()) - len(have)
    return total, len(others.difference(have))
