"""Do added edges make sense? What their ends share, against pairs of equal degree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from aligned.enrichment import GeneSets
from aligned.experiments.pathway_changes import held
from aligned.knowledge import KnowledgeBase

__all__ = ["RELATIONS", "meaning_table", "relations"]

Bool = npt.NDArray[np.bool_]

#: What a regulator s and a gene t may share.
RELATIONS = {
    "same pathway": "s and t are in one gene set",
    "pathway of the regulon": "t is in a gene set that the known regulon of s over-represents",
    "beside a known target": "a neighbour of t on the genome (its operon, often) is a known target",
    "in the other network": "a second network, which refinement has not seen, has the edge",
}


def relations(
    kb: KnowledgeBase,
    sets: GeneSets,
    other: KnowledgeBase | None,
    order: Sequence[str] | None = None,
) -> dict[str, Bool]:
    """For every relation, which regulator × gene pairs are in it: bool (r, n), by `RELATIONS`.

    "Known" is what ``kb`` has. ``order`` lists genes as they follow on the genome; a gene that it
    does not list has no neighbour. Default: the order of ``kb.genes``.
    """
    n = len(kb.genes)
    member = sets.matrix(n).astype(bool)
    of_regulator = member[:, kb.regulator_index].T
    pairs = (kb.r_pos + kb.r_neg).toarray()
    line = kb.columns(kb.genes if order is None else order)
    beside = np.zeros_like(pairs)
    beside[:, line[1:]] |= pairs[:, line[:-1]]
    beside[:, line[:-1]] |= pairs[:, line[1:]]
    holds = np.zeros((len(kb.regulators), len(sets.names)), dtype=bool)
    row_of = {gene: i for i, gene in enumerate(kb.regulators)}
    place = {name: j for j, name in enumerate(sets.names)}
    for source, name in held(kb, sets):
        holds[row_of[source], place[name]] = True
    found = {
        "same pathway": (of_regulator.astype(np.int64) @ member.astype(np.int64)).toarray() > 0,
        "pathway of the regulon": (holds.astype(np.int64) @ member.astype(np.int64)) > 0,
        "beside a known target": beside,
    }
    if other is not None:
        found["in the other network"] = _rows_in(other, kb)
    return found


def _rows_in(other: KnowledgeBase, kb: KnowledgeBase) -> Bool:
    """Pairs of another network over the same genes, in the rows of this one."""
    pairs = np.zeros((len(kb.regulators), len(kb.genes)), dtype=bool)
    theirs = pd.Index(other.regulators).get_indexer(pd.Index(kb.regulators))
    pairs[theirs >= 0] = (other.r_pos + other.r_neg).toarray()[theirs[theirs >= 0]]
    return pairs


def meaning_table(
    kb: KnowledgeBase,
    added: pd.DataFrame,
    related: Mapping[str, Bool],
    targets: npt.ArrayLike,
    n_boot: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Share of added edges in each relation, against what equal degrees give.

    Every added edge s → t is compared with all pairs s → t' without an edge, t' a possible target
    with the in-degree class of t (half-octaves). Their mean is what chance expects, exactly. Edits
    of one regulator go together: the interval resamples regulators.

    Parameters
    ----------
    kb : KnowledgeBase
        The network before.
    added : DataFrame
        ``source, target`` of the added pairs.
    related : mapping
        From `relations`.
    targets : array of bool, shape (n,)
        Genes that could have been given an edge.

    Returns
    -------
    DataFrame
        ``relation, added, regulators, share, expected, difference, low, high``.
    """
    columns = ["relation", "added", "regulators", "share", "expected", "difference", "low", "high"]
    if added.empty:
        return pd.DataFrame(columns=columns)
    row = pd.Index(kb.regulators).get_indexer(added["source"])
    column = kb.index.get_indexer(added["target"])
    if (row < 0).any() or (column < 0).any():
        lost = added.iloc[int(np.flatnonzero((row < 0) | (column < 0))[0])]
        raise ValueError(
            f"the added edge {lost['source']} → {lost['target']} is between genes that are no "
            "regulator and gene of this network; give edits made by kb.changes_to(other) on it."
        )
    pairs = (kb.r_pos + kb.r_neg).toarray()
    classes = np.floor(2 * np.log2(1 + pairs.sum(axis=0))).astype(int)
    possible = np.asarray(targets, dtype=bool)
    clusters, group = np.unique(row, return_inverse=True)
    draws = np.random.default_rng(seed).multinomial(
        len(clusters), np.full(len(clusters), 1 / len(clusters)), size=n_boot
    )
    table = []
    for name, relation in related.items():
        hit = relation[row, column].astype(float)
        expected = _expected(relation, row, column, pairs, classes, possible, kb.regulator_index)
        excess = np.bincount(group, hit - expected)
        resampled = (draws @ excess) / (draws @ np.bincount(group))
        low, high = np.quantile(resampled, [0.025, 0.975])
        values = (hit.mean(), expected.mean(), (hit - expected).mean(), low, high)
        head = (name, len(added), len(clusters))
        table.append(dict(zip(columns, [*head, *map(float, values)], strict=True)))
    return pd.DataFrame(table, columns=columns)


def _expected(
    relation: Bool,
    row: npt.NDArray[np.intp],
    column: npt.NDArray[np.intp],
    pairs: Bool,
    classes: npt.NDArray[np.int_],
    possible: Bool,
    own: npt.NDArray[np.intp],
) -> npt.NDArray[np.float64]:
    """Mean of the relation over the pairs each added edge is compared with."""
    expected = np.zeros(len(row))
    for i in np.unique(row):
        free = possible & ~pairs[i]
        free[own[i]] = False
        count = np.bincount(classes[free], minlength=classes.max() + 1)
        hits = np.bincount(classes[free], relation[i][free], minlength=classes.max() + 1)
        mine = row == i
        expected[mine] = (hits / np.maximum(count, 1))[classes[column[mine]]]
    return expected
