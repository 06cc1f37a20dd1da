"""Do added edges make sense? What their ends share, against pairs of equal degree."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from aligned.knowledge import KnowledgeBase
from companion.pathways.changes import held
from companion.pathways.enrichment import GeneSets
from companion.recovery import states
from companion.statistics import interval

__all__ = ["GAP", "RELATIONS", "meaning_table", "neighbours", "relations"]

Bool = npt.NDArray[np.bool_]
Index = npt.NDArray[np.intp]

#: Largest gap between two genes of a *run*, in base pairs.
GAP = 100

#: Draws of random edits behind a p value.
DRAWS = 9999

#: What a regulator s and a gene t may share.
RELATIONS = {
    "same pathway": "s and t are in one gene set",
    "pathway of the regulon": "t is in a gene set that the known regulon of s over-represents",
    "same iModulon": "s and t are in one iModulon (genes that vary together over many samples)",
    "iModulon of the regulon": "t is in an iModulon that the known regulon of s over-represents",
    "same run of genes": f"s and t lie in a row on one strand, no gap above {GAP} base pairs",
    "beside a known target": "the gene before or after t in its run is a known target",
    "in the other network": "a second network, which refinement has not seen, has the edge",
}


def relations(
    kb: KnowledgeBase,
    sets: GeneSets,
    other: KnowledgeBase | None,
    genome: pd.DataFrame | None = None,
    imodulons: pd.DataFrame | None = None,
) -> dict[str, Bool]:
    """For every relation, which regulator × gene pairs are in it: bool (r, n), by `RELATIONS`.

    "Known" is what ``kb`` has. A relation that nothing is known about is left out.

    Parameters
    ----------
    kb : KnowledgeBase
    sets : GeneSets
    other : KnowledgeBase, optional
        Second network over the same genes.
    genome : DataFrame, optional
        Where genes lie, by gene: ``start``, and ``end, strand`` for runs. With ``start`` alone, two
        genes that follow each other count as neighbours, whatever lies between them, and there are
        no runs. A gene that is not listed, or has no ``start``, has no neighbour.
    imodulons : DataFrame, optional
        ``imodulon, gene``, a row per membership.
    """
    pairs = states(kb) > 0
    found = _shared(kb, sets, "same pathway", "pathway of the regulon")
    if imodulons is not None:
        members = imodulons.groupby("imodulon", sort=False)["gene"].agg(list).to_dict()
        components = GeneSets.of(members, kb.genes, min_size=2, max_size=len(kb.genes))
        found |= _shared(kb, components, "same iModulon", "iModulon of the regulon")
    if genome is not None and "start" in genome:
        left, right = neighbours(kb, genome)
        if {"end", "strand"} <= set(genome):
            run = _runs(len(kb.genes), left, right)
            found["same run of genes"] = run[kb.regulator_index][:, None] == run
        beside = np.zeros_like(pairs)
        beside[:, right] |= pairs[:, left]
        beside[:, left] |= pairs[:, right]
        found["beside a known target"] = beside
    if other is not None:
        found["in the other network"] = states(other, kb.regulators) > 0
    return found


def neighbours(kb: KnowledgeBase, genome: pd.DataFrame) -> tuple[Index, Index]:
    """Columns of genes that follow each other in a run, the one in front and the one behind.

    No operon table stands behind this: two genes are neighbours where no listed gene begins
    between them, both are on one strand, and at most `GAP` base pairs lie between them (genes may
    overlap). Without ``end`` and ``strand``, the order alone counts.

    Examples
    --------
    >>> net = pd.DataFrame({"source": "r", "target": list("abc"), "sign": 1})
    >>> kb = KnowledgeBase.from_edges(net, genes=list("abcr"))
    >>> genome = pd.DataFrame(
    ...     {"start": [1, 95, 310], "end": [90, 200, 400], "strand": "+"}, index=list("abc")
    ... )
    >>> neighbours(kb, genome)  # c is too far from b
    (array([0]), array([1]))
    """
    line = genome.dropna(subset="start").sort_values("start", kind="stable")
    column = kb.columns(list(map(str, line.index)))
    near = np.ones(max(0, len(line) - 1), dtype=bool)
    if {"end", "strand"} <= set(line):
        strand, start, end = (line[name].to_numpy() for name in ("strand", "start", "end"))
        near = (strand[1:] == strand[:-1]) & (start[1:] - end[:-1] - 1 <= GAP)
    return column[:-1][near], column[1:][near]


def _runs(n: int, left: Index, right: Index) -> Index:
    """Number of the run each gene is in, (n,); a gene without neighbour is alone in its own."""
    links = sp.csr_array((np.ones(len(left), dtype=bool), (left, right)), shape=(n, n))
    return connected_components(links, directed=False)[1].astype(np.intp)


def _shared(kb: KnowledgeBase, sets: GeneSets, same: str, of_regulon: str) -> dict[str, Bool]:
    """Pairs in one set; and pairs whose gene is in a set that the regulon over-represents."""
    member = sets.matrix(len(kb.genes))
    holds = np.zeros((len(kb.regulators), len(sets.names)), dtype=np.int64)
    for source, name in held(kb, sets):
        holds[kb.regulators.index(source), sets.names.index(name)] = 1
    both = (member[:, kb.regulator_index].T, sp.csr_array(holds))
    return {
        name: (rows @ member).toarray() > 0
        for name, rows in zip((same, of_regulon), both, strict=True)
    }


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
    of one regulator go together: the interval resamples regulators. ``p`` compares with random
    edits instead: every regulator draws as many targets of each class as it was given, without
    putting back; the share of `DRAWS` draws with at least as many hits (one-sided).

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
        ``relation, added, regulators, share, expected, difference, low, high, p``.
    """
    values = ["share", "expected", "difference", "low", "high", "p"]
    columns = ["relation", "added", "regulators", *values]
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
    pairs = states(kb) > 0
    classes = np.floor(2 * np.log2(1 + pairs.sum(axis=0))).astype(int)
    clusters, group = np.unique(row, return_inverse=True)
    n = len(clusters)
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_boot)
    # an urn per regulator and class of in-degree: pairs that it could have been given
    free = np.asarray(targets, dtype=bool) & ~pairs[clusters]
    free[np.arange(n), kb.regulator_index[clusters]] = False
    of_class = np.eye(classes.max() + 1, dtype=np.int64)[classes]
    urn, drawn = free @ of_class, np.zeros((n, of_class.shape[1]), dtype=np.int64)
    np.add.at(drawn, (group, classes[column]), 1)
    table = []
    for name, relation in related.items():
        hit = relation[row, column].astype(float)
        fitting = (free & relation[clusters]) @ of_class
        expected = (fitting / np.maximum(urn, 1))[group, classes[column]]
        excess = np.bincount(group, hit - expected)
        low, high = interval((draws @ excess) / (draws @ np.bincount(group)))
        p = _urn_p(int(hit.sum()), fitting, urn, drawn, np.random.default_rng([seed, 1]))
        found = (hit.mean(), expected.mean(), (hit - expected).mean(), low, high, p)
        table.append((name, len(added), n, *map(float, found)))
    return pd.DataFrame(table, columns=columns)


def _urn_p(found: int, fitting: Index, urn: Index, drawn: Index, rng: np.random.Generator) -> float:
    """Share of draws from the urns with at least as many fitting pairs, this one counted."""
    hits = np.zeros(DRAWS, dtype=np.int64)
    for place in np.argwhere((drawn > 0) & (fitting > 0)):
        good, every, taken = (numbers[tuple(place)] for numbers in (fitting, urn, drawn))
        hits += rng.hypergeometric(good, every - good, min(taken, every), DRAWS)
    return float((1 + (hits >= found).sum()) / (1 + DRAWS))
