"""Does a network know its pathways? Over-representation, preranked enrichment, recovery.

Three questions, each a function of the network and of gene sets that the network never saw:

* `over_representation`: does a regulator's regulon hold more of a pathway than chance gives?
* `preranked`: do the genes of a pathway stand high (or low) in a ranking, here by the regulation
  that reaches them (`influence`)?
* `recovery`: started from one half of a pathway, does a random walk on the network find the other
  half? The half it is scored on is never the half it started from.

The universe is always the genes that are in some set: were it all genes, being annotated at all
would already look like an enrichment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import gseapy
import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.linalg
import scipy.sparse as sp
from scipy.stats import false_discovery_control, hypergeom
from sklearn.metrics import average_precision_score

from aligned.knowledge import KnowledgeBase

__all__ = [
    "GeneSets",
    "Halves",
    "degree",
    "degree_matched",
    "influence",
    "over_representation",
    "preranked",
    "random_walk",
    "recovery",
]

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class GeneSets:
    """Gene sets over a network's genes, as columns: what the tests work on.

    Attributes
    ----------
    names : tuple of str
        Names of the P sets, in the order given.
    members : tuple of ndarray of int
        Columns (in ``kb.genes``) of each set's genes, ascending.
    universe : ndarray of int
        Columns of all genes that are in some set, also in one that was too small or too large.
    """

    names: tuple[str, ...]
    members: tuple[Int, ...]
    universe: Int

    @classmethod
    def of(
        cls,
        sets: Mapping[str, Sequence[str]],
        genes: Sequence[str],
        min_size: int = 10,
        max_size: int = 500,
    ) -> GeneSets:
        """Place gene sets on the genes of a network.

        Parameters
        ----------
        sets : mapping of str to sequence of str
            Name -> gene ids, e.g. from `aligned.data.folder.read_gmt`.
        genes : sequence of str
            The network's genes. Ids that are not among them are left out.
        min_size, max_size : int
            Sets with fewer or more genes *in the network* are not tested.

        Raises
        ------
        ValueError
            No id is a gene, or no set has a size in the range.

        Examples
        --------
        >>> GeneSets.of({"odd": ["a", "c", "z"]}, ["a", "b", "c"], min_size=2).members
        (array([0, 2]),)
        """
        if min_size < 2:
            raise ValueError(f"min_size is {min_size}; give at least 2, so that a set has halves.")
        index = pd.Index(genes)
        placed = {name: np.unique(index.get_indexer(list(ids))) for name, ids in sets.items()}
        placed = {name: where[where >= 0].astype(np.intp) for name, where in placed.items()}
        universe = np.unique(np.concatenate([*placed.values(), np.zeros(0, np.intp)]))
        if not len(universe):
            given = next((g for ids in sets.values() for g in ids), None)
            example = f" such as {given!r}" if given is not None else ""
            raise ValueError(
                f"none of the ids{example} in the {len(sets)} gene sets is a gene of the network "
                f"(ids there look like {index[0]!r}); give sets that use the network's ids."
            )
        kept = {n: m for n, m in placed.items() if min_size <= len(m) <= max_size}
        if not kept:
            raise ValueError(
                f"no gene set has {min_size} to {max_size} genes in the network (the largest has "
                f"{max(map(len, placed.values()))}); change min_size or max_size."
            )
        return cls(tuple(kept), tuple(kept.values()), universe)

    @property
    def sizes(self) -> Int:
        """Genes per set, shape (P,)."""
        return np.array([len(m) for m in self.members], dtype=np.intp)

    def matrix(self, n_genes: int) -> sp.csr_array:
        """Membership as a sparse array of int, shape (P, n)."""
        rows = np.repeat(np.arange(len(self.members)), self.sizes)
        columns = np.concatenate(self.members)
        shape = (len(self.members), n_genes)
        return sp.csr_array((np.ones(len(rows), dtype=np.int64), (rows, columns)), shape=shape)


# ------------------------------------------------------------------------ over-representation


def over_representation(kb: KnowledgeBase, sets: GeneSets, min_regulon: int = 5) -> pd.DataFrame:
    """Test every regulator's regulon against every gene set (hypergeometric, one-sided).

    A regulon is all targets of a regulator, whatever the sign. With M genes in the universe, K of
    them in the set and N in the regulon, ``p = P(X ≥ overlap)``, X ~ Hypergeometric(M, K, N).

    Parameters
    ----------
    kb : KnowledgeBase
    sets : GeneSets
    min_regulon : int
        Regulons with fewer genes in the universe are not tested.

    Returns
    -------
    DataFrame
        One row per regulator × set: ``regulator, pathway, overlap, regulon, size, expected, p, q``;
        q by Benjamini and Hochberg over all rows.

    Examples
    --------
    >>> import pandas as pd
    >>> net = pd.DataFrame({"source": "r", "target": list("abcde"), "sign": 1})
    >>> kb = KnowledgeBase.from_edges(net, genes=list("abcdefghijr"))
    >>> sets = GeneSets.of({"first": "abcd", "rest": "efghij"}, kb.genes, min_size=4)
    >>> over_representation(kb, sets).round(4)[["pathway", "overlap", "p"]].values.tolist()
    [['first', 4, 0.0238], ['rest', 1, 1.0]]
    """
    pairs = _pairs(kb).astype(np.int64)
    inside = np.zeros(len(kb.genes), dtype=np.int64)
    inside[sets.universe] = 1
    regulon = pairs @ inside
    tested = np.flatnonzero(regulon >= min_regulon)
    overlap = (pairs[tested] @ sets.matrix(len(kb.genes)).T).toarray()
    index = pd.MultiIndex.from_product(
        [np.array(kb.regulators, dtype=object)[tested], sets.names], names=["regulator", "pathway"]
    )
    table = pd.DataFrame({"overlap": overlap.ravel()}, index).reset_index()
    table["regulon"] = np.repeat(regulon[tested], len(sets.names))
    table["size"] = np.tile(sets.sizes, len(tested))
    total = len(sets.universe)
    table["expected"] = table["regulon"] * table["size"] / total
    some = table["overlap"] > 0  # many pairs ask the same
    cases = table.loc[some, ["overlap", "size", "regulon"]]
    once, which = np.unique(cases, axis=0, return_inverse=True)
    table["p"] = 1.0
    p = hypergeom.sf(once[:, 0] - 1, total, once[:, 1], once[:, 2])
    table.loc[some, "p"] = p[which.ravel()]
    return table.assign(q=false_discovery_control(table["p"]) if len(table) else [])


# ------------------------------------------------------------------------ preranked enrichment


def influence(kb: KnowledgeBase, damping: float = 0.85, steps: int = 100) -> Float:
    """How much regulation reaches each gene, from the network alone, shape (n,).

    ``I_j = log2(n·π_j)``, where π is the PageRank of the network read from regulator to target:
    the solution of ``π = damping·P^T π + (1 - damping)/n``, a regulator handing its own influence
    on in equal parts to its targets, a gene without targets to all genes. 0 is the average gene,
    +1 one that receives twice as much. Signs do not matter; adding, dropping or moving an edge
    does.

    Raises
    ------
    ValueError
        ``damping`` is not between 0 and 1.

    Examples
    --------
    >>> import pandas as pd
    >>> net = pd.DataFrame({"source": ["r", "s"], "target": ["a", "a"], "sign": [1, -1]})
    >>> influence(KnowledgeBase.from_edges(net, genes=["r", "s", "a", "b"])).argmax()
    np.int64(2)
    """
    if not 0 < damping < 1:
        raise ValueError(
            f"damping is {damping}; it is a probability: give a number between 0 and 1."
        )
    n, pairs = len(kb.genes), _pairs(kb).astype(float)
    out = pairs.sum(axis=1)
    step = sp.csr_array((sp.diags_array(1 / np.maximum(out, 1)) @ pairs).T)
    loose = np.ones(n, dtype=bool)
    loose[kb.regulator_index[out > 0]] = False
    score = np.full(n, 1 / n)
    for _ in range(steps):
        handed = step @ score[kb.regulator_index] + score[loose].sum() / n
        score = damping * handed + (1 - damping) / n
    return np.log2(n * score)


def preranked(
    scores: npt.ArrayLike,
    universe: npt.ArrayLike,
    members: Sequence[Int],
    permutations: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Preranked gene set enrichment (GSEA) of sets given by column, by `gseapy.prerank`.

    Down the ranking a running sum goes up at genes of the set, by the size of their score, and down
    at others. Its largest excursion is the enrichment score ES; divided by the mean excursion of
    random sets of the same size it is the *normalised* score NES: +2 means twice as far up the list
    as chance goes. Ties are broken by one random order, the same in every network.

    Parameters
    ----------
    scores : array of float, shape (n,)
    universe : array of int
        Columns of the genes that are ranked.
    members : sequence of arrays of int
        Columns of each set's genes.
    permutations, seed : int
        Random sets per size; seed of these and of the order of ties.

    Returns
    -------
    DataFrame
        One row per set, in the order given: ``size, es, nes, p`` (two-sided among random sets
        with the same sign; never 0: ``(1 + hits) / (1 + trials)``, trials the permutations).
    """
    ranked = np.asarray(universe, dtype=np.intp)
    value = np.asarray(scores, dtype=float)[ranked].round(9)
    order = np.lexsort([np.random.default_rng(seed).permutation(len(ranked)), -value])
    below = np.arange(len(ranked)) * 1e-12  # so that no two values are equal
    ranking = pd.Series(value[order] - below, index=[f"{i}" for i in ranked[order]])
    found = gseapy.prerank(
        ranking,
        {str(i): list(map(str, m)) for i, m in enumerate(members)},
        min_size=1,
        max_size=len(ranked),
        permutation_num=permutations,
        ascending=None,
        seed=seed,
        threads=1,
        no_plot=True,
        outdir=None,
    ).res2d
    found = found.set_index(found["Term"].astype(int)).loc[list(range(len(members)))]
    nominal = found["NOM p-val"].to_numpy(dtype=float)
    return pd.DataFrame(
        {
            "size": [len(m) for m in members],
            "es": found["ES"].to_numpy(dtype=float),
            "nes": found["NES"].to_numpy(dtype=float),
            "p": (1 + nominal * permutations) / (1 + permutations),
        }
    )


# ------------------------------------------------------------------------------------ recovery


def degree(kb: KnowledgeBase) -> Int:
    """Neighbours of each gene, regulators and targets together, shape (n,)."""
    return np.diff(_neighbours(kb).indptr).astype(np.intp)


def random_walk(
    kb: KnowledgeBase, starts: npt.ArrayLike, restart: float = 0.5, genes: Int | None = None
) -> Float:
    """Random walk with restart: where a walker that keeps returning to its starts is found.

    Edges are walked in both directions: two targets of one regulator are two steps apart. The
    walker steps to a random neighbour, or with probability ``restart`` back to a start:
    ``p = (1 - restart)·W·p + restart·e``, W column-stochastic. Solved exactly: every edge touches a
    regulator, so the other genes are eliminated and an r × r system remains; no n × n array.

    Parameters
    ----------
    kb : KnowledgeBase
    starts : array of float, shape (m, b)
        One distribution over ``genes`` per column.
    restart : float
        Probability of going back, above 0 and at most 1.
    genes : array of int, shape (m,), optional
        Columns (in ``kb.genes``) of the genes where walks may start and are looked for; default
        all. They walk over all genes in any case.

    Returns
    -------
    ndarray of float64, shape (m, b)
        Probabilities; over all genes, columns sum to 1 where ``starts`` do. A gene without
        neighbours keeps its own.

    Raises
    ------
    ValueError
        A shape or the probability of restart is wrong.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> net = pd.DataFrame({"source": "r", "target": ["a", "b"], "sign": 1})
    >>> kb = KnowledgeBase.from_edges(net)  # genes: r, a, b
    >>> random_walk(kb, np.eye(3)[:, [1]]).ravel().round(3)
    array([0.333, 0.583, 0.083])
    """
    e = np.asarray(starts, dtype=float)
    places = np.arange(len(kb.genes)) if genes is None else np.asarray(genes, dtype=np.intp)
    if e.ndim != 2 or len(e) != len(places):
        raise ValueError(
            f"starts have shape {e.shape}; give ({len(places)}, b), a column per walk."
        )
    if not 0 < restart <= 1:
        raise ValueError(f"restart is {restart}; give a probability above 0 and at most 1.")
    graph = _neighbours(kb).astype(float)
    count = graph.sum(axis=0)
    walk = ((1 - restart) * (graph @ sp.diags_array(1 / np.maximum(count, 1)))).tocsr()
    hubs = kb.regulator_index
    is_other = ~np.isin(np.arange(len(count)), hubs)
    up, down = walk[hubs][:, is_other], walk[is_other][:, hubs]
    system = np.eye(len(hubs)) - (walk[hubs][:, hubs] + up @ down).toarray()
    # right-hand side: walks that start on a regulator, and those that come up from another gene
    into = sp.csr_array(walk[hubs][:, places] * is_other[places])
    at_hubs = into @ e
    row_of = np.full(len(count), -1)
    row_of[hubs] = np.arange(len(hubs))
    own = row_of[places]
    at_hubs[own[own >= 0]] += e[own >= 0]
    at_hubs = scipy.linalg.solve(system, restart * at_hubs)
    found = walk[places][:, hubs] @ at_hubs + restart * e
    found[own >= 0] = at_hubs[own[own >= 0]]
    alone = count[places] == 0
    found[alone] = e[alone]
    return found


@dataclass(frozen=True, eq=False)
class Halves:
    """Random halves of gene sets: one to start from, one to be found.

    Attributes
    ----------
    seeds, tests : tuple of ndarray of int, shape (n_splits, ⌈m/2⌉) and (n_splits, ⌊m/2⌋)
        Columns of the genes, one array per set; ``universe``: the genes that are ranked.
    """

    seeds: tuple[Int, ...]
    tests: tuple[Int, ...]
    universe: Int

    @classmethod
    def draw(cls, sets: GeneSets, n_splits: int = 20, seed: int = 0) -> Halves:
        """Split each set ``n_splits`` times into halves, uniformly."""
        return cls._deal([np.tile(m, (n_splits, 1)) for m in sets.members], sets.universe, seed)

    def matched(self, kb: KnowledgeBase, seed: int = 0) -> Halves:
        """Random sets instead: per set and split a fresh one whose genes have equal degrees."""
        rng, degrees = np.random.default_rng([seed, 1]), degree(kb)
        drawn = [
            np.stack([degree_matched(m, degrees, self.universe, rng) for m in np.hstack(both)])
            for both in zip(self.seeds, self.tests, strict=True)
        ]
        return self._deal(drawn, self.universe, seed)

    @classmethod
    def _deal(cls, drawn: list[Int], universe: Int, seed: int) -> Halves:
        rng = np.random.default_rng([seed, 2])
        halves = [np.array_split(rng.permuted(rows, axis=1), 2, axis=1) for rows in drawn]
        seeds, tests = zip(*halves, strict=True)
        return cls(seeds, tests, universe)


def degree_matched(genes: Int, degrees: Int, universe: Int, rng: np.random.Generator) -> Int:
    """Draw as many different genes of the universe, with as many of every class of degree.

    Classes are half-octaves: degrees d and d' match where ``floor(2·log2(1 + d))`` is the same.
    Genes of the set may come again, as in any random draw.

    Examples
    --------
    >>> import numpy as np
    >>> degrees, rng = np.array([0, 0, 0, 9, 9, 50]), np.random.default_rng(0)
    >>> degree_matched(np.array([0, 3, 5]), degrees, np.arange(6), rng)[1:] > 2
    array([ True,  True])
    """
    octave = np.floor(2 * np.log2(1 + degrees)).astype(np.intp)
    classes, wanted = np.unique(octave[genes], return_counts=True)
    return np.concatenate(
        [
            rng.choice(universe[octave[universe] == c], size=n, replace=False)
            for c, n in zip(classes, wanted, strict=True)
        ]
    )


def recovery(
    kb: KnowledgeBase, halves: Halves, restart: float = 0.5, precision: bool = False
) -> Float:
    """Score how well one half of each gene set finds the other half on the network.

    A random walk starts from the seeds; all genes of the universe but the seeds are ranked by it.

    Parameters
    ----------
    kb, halves, restart
        See `Halves` and `random_walk`.
    precision : bool
        Give the area under the precision-recall curve (average precision) instead of AUROC, the
        chance that a gene of the other half stands before a gene outside (ties count half).

    Returns
    -------
    ndarray of float64, shape (P, n_splits)

    Examples
    --------
    >>> import pandas as pd
    >>> net = pd.DataFrame({"source": list("rrrrssss"), "target": list("abcdefgh"), "sign": 1})
    >>> kb = KnowledgeBase.from_edges(net)
    >>> sets = GeneSets.of({"one": "abcd", "two": "efgh"}, kb.genes, min_size=4)
    >>> recovery(kb, Halves.draw(sets, n_splits=2))
    array([[1., 1.],
           [1., 1.]])
    """
    n_splits = [len(seeds) for seeds in halves.seeds]
    last = np.cumsum(n_splits)
    starts = np.zeros((len(halves.universe), last[-1]))
    for seeds, end in zip(halves.seeds, last, strict=True):
        columns = np.arange(end - len(seeds), end)
        starts[np.searchsorted(halves.universe, seeds), columns[:, None]] = 1 / seeds.shape[1]
    # float32: genes with the same neighbours tie, whatever the order of their sums
    visits = random_walk(kb, starts, restart, halves.universe).astype(np.float32)
    visits[starts > 0] = -1
    score = _area_under_precision if precision else _area_under_curve
    parts = zip(np.split(visits, last[:-1], axis=1), halves.tests, strict=True)
    return np.array([score(part, np.searchsorted(halves.universe, t)) for part, t in parts])


def _area_under_curve(visits: npt.NDArray[np.float32], tests: Int) -> Float:
    """AUROC per column; rows below 0 (the seeds) are not ranked."""
    n_tests, seeds = tests.shape[1], (visits < 0).sum(axis=0)
    hit = np.take_along_axis(visits, tests.T, axis=0)  # (tests, splits)
    columns = list(zip(np.sort(visits, axis=0).T, hit.T, strict=True))
    below, up_to = (
        np.array([np.searchsorted(column, own, side).sum() for column, own in columns])
        for side in ("left", "right")
    )
    # ties count half; less the seeds, less the tests among themselves
    wins = (below + up_to) / 2 - n_tests * seeds - n_tests**2 / 2
    return wins / (n_tests * (len(visits) - seeds - n_tests))


def _area_under_precision(visits: npt.NDArray[np.float32], tests: Int) -> Float:
    """Average precision per column; rows below 0 (the seeds) are not ranked."""
    truth = np.zeros(visits.shape, dtype=bool)
    np.put_along_axis(truth, tests.T, True, axis=0)
    columns = zip(truth.T, visits.T, strict=True)
    return np.array([average_precision_score(t[v >= 0], v[v >= 0]) for t, v in columns])


def _pairs(kb: KnowledgeBase) -> sp.csr_array:
    """Regulatory pairs of either sign, without self-loops: bool (r, n)."""
    return sp.csr_array(kb.r_pos + kb.r_neg)


def _neighbours(kb: KnowledgeBase) -> sp.csr_array:
    """Who touches whom: symmetric bool (n, n), sparse."""
    pairs = _pairs(kb).tocoo()
    shape = (len(kb.genes), len(kb.genes))
    one_way = sp.csr_array((pairs.data, (kb.regulator_index[pairs.row], pairs.col)), shape=shape)
    return sp.csr_array(one_way + one_way.T)
