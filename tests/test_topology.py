"""Topology by another road, and rewirings that keep what they promise."""

from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from aligned.knowledge import KnowledgeBase
from companion.topology import MEASURES, degree_assortativity, modularity, rewired, topology


def network(seed: int = 0, n: int = 40, r: int = 10, m: int = 90) -> KnowledgeBase:
    """Random signed network with self-loops and dual pairs."""
    rng = np.random.default_rng(seed)
    code = rng.choice(r * n * 2, size=m, replace=False)
    pair, sign = np.divmod(code, 2)
    names = [f"g{i}" for i in range(n)]
    edges = pd.DataFrame(
        {
            "source": [names[p // n] for p in pair],
            "target": [names[p % n] for p in pair],
            "sign": np.where(sign, 1, -1),
        }
    )
    return KnowledgeBase.from_edges(edges, genes=names, regulators=names[:r])


def pairs_of(kb: KnowledgeBase) -> set[tuple[str, str]]:
    edges = kb.to_edges()
    edges = edges[edges["source"] != edges["target"]]
    return set(zip(edges["source"], edges["target"], strict=True))


def test_assortativity_is_the_correlation_of_degrees_over_both_directions_of_every_edge() -> None:
    kb = network()
    undirected = {frozenset(pair) for pair in pairs_of(kb)}
    degree = {g: sum(g in edge for edge in undirected) for g in kb.genes}
    ends = np.array(
        [[degree[a], degree[b]] for e in undirected for a, b in (tuple(e), tuple(e)[::-1])]
    )
    assert degree_assortativity(kb) == pytest.approx(np.corrcoef(ends.T)[0, 1])


def test_modularity_is_newmans_sum_over_the_parts_that_greedy_merging_finds() -> None:
    kb = network(1)
    graph = nx.Graph(list(pairs_of(kb)))
    m = graph.number_of_edges()
    by_hand = 0.0
    for part in nx.community.greedy_modularity_communities(graph):
        inside = graph.subgraph(part).number_of_edges()
        degrees = sum(d for _, d in graph.degree(part))
        by_hand += inside / m - (degrees / (2 * m)) ** 2
    # ties among merges depend on the order of nodes, so the value may differ a little
    assert modularity(kb) == pytest.approx(by_hand, abs=0.03)


def test_two_cliques_are_two_parts() -> None:
    edges = [(a, b) for group in ("abcd", "efgh") for a in group for b in group if a < b]
    kb = KnowledgeBase.from_edges(
        pd.DataFrame([*edges, ("a", "e")], columns=["source", "target"]).assign(sign=1)
    )
    assert modularity(kb) == pytest.approx(2 * (6 / 13 - (13 / 26) ** 2))


def test_topology_counts_pairs_by_hand() -> None:
    net = pd.DataFrame(
        {
            "source": ["a", "a", "a", "b", "a", "b"],
            "target": ["b", "b", "c", "a", "a", "c"],
            "sign": [1, -1, 1, 1, -1, -1],
        }
    )
    kb = KnowledgeBase.from_edges(net, genes="abcd")
    found = topology(kb)
    assert set(found) == set(MEASURES)
    assert found["n_pairs"] == 4  # a-b (dual), a-c, b-a, b-c; the self-loop does not count
    assert found["density"] == 4 / 6
    assert found["reciprocity"] == 2 / 4
    assert found["max_out_degree"] == 2
    assert found["share_inhibiting"] == 2 / 5


def degrees(kb: KnowledgeBase) -> tuple[dict[str, int], dict[str, int], dict[str, list[int]]]:
    edges = kb.to_edges()
    edges = edges[edges["source"] != edges["target"]]
    pairs = edges.groupby(["source", "target"])["sign"].sum().reset_index()
    return (
        pairs["source"].value_counts().to_dict(),
        pairs["target"].value_counts().to_dict(),
        {s: sorted(g["sign"]) for s, g in pairs.groupby("source")},
    )


@given(seed=st.integers(0, 1000), m=st.integers(2, 250))
@settings(max_examples=25, deadline=None)
def test_rewiring_keeps_degrees_signs_genes_and_self_loops(seed: int, m: int) -> None:
    kb = network(seed, m=m)
    new = rewired(kb, seed)
    assert (new.genes, new.regulators) == (kb.genes, kb.regulators)
    assert degrees(new) == degrees(kb)

    def loops(net: KnowledgeBase) -> set[tuple[str, int]]:
        edges = net.to_edges()
        mine = edges[edges["source"] == edges["target"]]
        return set(zip(mine["source"], mine["sign"], strict=True))

    assert loops(new) == loops(kb)


def test_rewiring_moves_most_pairs_and_is_fixed_by_its_seed() -> None:
    kb = network(n=200, r=20, m=300)
    one, two, other = rewired(kb, 5), rewired(kb, 5), rewired(kb, 6)
    assert one == two
    assert one != other
    assert len(pairs_of(one) & pairs_of(kb)) < 0.3 * len(pairs_of(kb))


def test_every_allowed_rewiring_is_found_about_equally_often() -> None:
    triple = KnowledgeBase.from_edges(
        pd.DataFrame({"source": list("abe"), "target": list("cdf"), "sign": 1})
    )
    seen = [frozenset(pairs_of(rewired(triple, seed))) for seed in range(600)]
    counts = pd.Series(seen).value_counts()
    assert len(counts) == 6  # the orders of three targets
    assert chisquare(counts).pvalue > 1e-3


def test_a_complete_graph_cannot_be_rewired() -> None:
    genes = list("abcd")
    edges = [(a, b, 1) for a in genes for b in genes if a != b]
    kb = KnowledgeBase.from_edges(pd.DataFrame(edges, columns=["source", "target", "sign"]))
    assert rewired(kb, 0) == kb
    assert math.isnan(degree_assortativity(kb))
    assert topology(kb)["density"] == topology(kb)["reciprocity"] == 1.0


def test_nothing_to_measure_is_nan_and_never_an_error() -> None:
    empty = pd.DataFrame({"source": [], "target": [], "sign": []})
    for kb in (
        KnowledgeBase.from_edges(empty, genes="abc"),
        KnowledgeBase.from_edges(empty, genes="abc", regulators="a"),
        KnowledgeBase.from_edges(
            pd.DataFrame({"source": ["a"], "target": ["a"], "sign": [1]}), genes="a"
        ),
    ):
        found = topology(kb)
        assert found["n_pairs"] == 0
        assert math.isnan(found["modularity"])
        assert rewired(kb, 0) == kb


def test_rewiring_refuses_no_swaps() -> None:
    with pytest.raises(ValueError, match="swaps_per_edge is 0"):
        rewired(network(), 0, swaps_per_edge=0)
