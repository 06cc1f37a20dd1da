"""Topology of a network, and rewired networks to hold it against (claim C14).

Every measure looks at *pairs*: a dual pair counts once, self-loops do not count.
"""

from __future__ import annotations

import networkx as nx
import numpy as np
import numpy.typing as npt

from aligned.knowledge import KnowledgeBase
from companion.recovery import share, states

__all__ = ["MEASURES", "degree_assortativity", "modularity", "rewired", "topology"]

Index = npt.NDArray[np.intp]

#: What `topology` returns, and what each one is.
MEASURES: dict[str, str] = {
    "n_pairs": "pairs of regulator and target with an edge",
    "density": "share of all possible pairs that hold an edge",
    "degree_assortativity": "correlation of the degrees at the two ends of an edge",
    "modularity": "modularity of the greedy partition (Clauset, Newman, Moore)",
    "reciprocity": "share of pairs that also run the other way",
    "max_out_degree": "targets of the regulator that has most",
    "share_inhibiting": "share of signed edges that inhibit",
}


def degree_assortativity(kb: KnowledgeBase) -> float:
    """Degree assortativity of the undirected simple graph of pairs (Newman 2002).

    Returns
    -------
    float
        Correlation in [-1, 1]; nan where it is not defined (no edge, or all degrees equal).

    Examples
    --------
    >>> import pandas as pd
    >>> star = pd.DataFrame({"source": ["a"] * 3 + ["b"], "target": list("bcdc"), "sign": 1})
    >>> round(degree_assortativity(KnowledgeBase.from_edges(star)), 3)
    -0.714
    """
    graph = _graph(kb)
    if len({degree for _, degree in graph.degree}) < 2:  # every node has an edge
        return float("nan")
    return float(nx.degree_assortativity_coefficient(graph))


def modularity(kb: KnowledgeBase) -> float:
    """Greedy modularity of the undirected simple graph of pairs.

    Returns
    -------
    float
        Modularity of the partition that greedy merging finds; nan without an edge. Genes without
        an edge are left out.

    Examples
    --------
    >>> import pandas as pd
    >>> two = pd.DataFrame({"source": ["a", "c"], "target": ["b", "d"], "sign": 1})
    >>> modularity(KnowledgeBase.from_edges(two))
    0.5
    """
    graph = _graph(kb)
    if graph.number_of_edges() == 0:
        return float("nan")
    parts = nx.community.greedy_modularity_communities(graph)
    return float(nx.community.modularity(graph, parts))


def topology(kb: KnowledgeBase) -> dict[str, float]:
    """All of `MEASURES` for one network; nan where a measure is not defined.

    Examples
    --------
    >>> import pandas as pd
    >>> net = pd.DataFrame({"source": ["a", "a"], "target": ["b", "c"], "sign": [1, -1]})
    >>> found = topology(KnowledgeBase.from_edges(net))
    >>> found["n_pairs"], found["density"], found["share_inhibiting"]
    (2.0, 1.0, 0.5)
    """
    source, target = _pairs(kb)
    places = len(kb.regulators) * (len(kb.genes) - 1)
    code, back = source * len(kb.genes) + target, target * len(kb.genes) + source
    signed = kb.r_pos.nnz + kb.r_neg.nnz
    return {
        "n_pairs": float(len(source)),
        "density": share(len(source), places),
        "degree_assortativity": degree_assortativity(kb),
        "modularity": modularity(kb),
        "reciprocity": share(np.isin(code, back).sum(), len(code)),
        "max_out_degree": float(np.bincount(source, minlength=1).max()),
        "share_inhibiting": share(kb.r_neg.nnz, signed),
    }


def rewired(kb: KnowledgeBase, seed: int, swaps_per_edge: int = 10) -> KnowledgeBase:
    """Rewire a network at random, every in-degree and out-degree kept (Maslov and Sneppen 2002).

    Two pairs ``a → b, c → d`` become ``a → d, c → b``, many times over. The signs of a pair stay
    with its regulator, so each regulator keeps its numbers of activations and inhibitions. No
    self-loop and no second edge on a pair arises; self-loops of the table stay.

    Parameters
    ----------
    kb : KnowledgeBase
    seed : int
    swaps_per_edge : int
        Swaps tried per pair; one that would make a self-loop or a second edge is passed over.

    Raises
    ------
    ValueError
        ``swaps_per_edge`` is below 1.

    Examples
    --------
    >>> import pandas as pd
    >>> net = pd.DataFrame({"source": list("aabb"), "target": list("cdef"), "sign": 1})
    >>> new = rewired(KnowledgeBase.from_edges(net), seed=0)
    >>> sorted(new.to_edges()["source"]), sorted(new.to_edges()["target"])
    (['a', 'a', 'b', 'b'], ['c', 'd', 'e', 'f'])
    """
    if swaps_per_edge < 1:
        raise ValueError(f"swaps_per_edge is {swaps_per_edge}; give a whole number >= 1.")
    rng = np.random.default_rng(seed)
    state = states(kb)
    row, target = np.nonzero(state)
    signs = state[row, target]
    source = kb.regulator_index[row]
    for _ in range(4 * swaps_per_edge):  # a round tries a quarter as many swaps as there are pairs
        _swap(source, target, rng, len(kb.genes))
    new = np.zeros_like(state)
    new[row, target] = signs
    return kb.with_state(new, evidence="rewired")


def _swap(source: Index, target: Index, rng: np.random.Generator, n: int) -> None:
    """Swap the targets of edges paired at random, in place, where allowed and a coin says so.

    The coin makes the chain forget where it began: always swapping two edges just goes to and fro.
    """
    half = len(source) // 2
    order = rng.permutation(len(source))
    a, b = order[:half], order[half : 2 * half]
    first, second = source[a] * n + target[b], source[b] * n + target[a]
    proposed, count = np.unique(np.concatenate([first, second]), return_counts=True)
    taken = np.union1d(source * n + target, proposed[count > 1])
    good = (source[a] != target[b]) & (source[b] != target[a])
    good &= ~np.isin(first, taken) & ~np.isin(second, taken) & (rng.random(half) < 0.5)
    a, b = a[good], b[good]
    target[a], target[b] = target[b], target[a]


def _pairs(kb: KnowledgeBase) -> tuple[Index, Index]:
    """Columns of source and target of every pair."""
    row, target = np.nonzero(states(kb))
    return kb.regulator_index[row], target


def _graph(kb: KnowledgeBase) -> nx.Graph:
    source, target = _pairs(kb)
    return nx.Graph(list(zip(source.tolist(), target.tolist(), strict=True)))
