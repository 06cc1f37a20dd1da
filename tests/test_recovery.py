"""Recovery scores and topology against other libraries and against counting by hand."""

from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from sklearn.metrics import average_precision_score, f1_score, hamming_loss

from aligned.knowledge import KnowledgeBase, state_of
from companion.recovery import as_weights, edge_scores, ranking_scores, repair_scores
from companion.topology import MEASURES, degree_assortativity, modularity, rewired, topology


def network(seed: int = 0, n: int = 30, r: int = 8, m: int = 60, dual: bool = False):
    """Random signed network with self-loops and, where asked for, dual pairs."""
    rng = np.random.default_rng(seed)
    signs = 2 if dual else 1
    code = rng.choice(r * n * signs, size=m, replace=False)
    pair = code // signs
    sign = np.where(code % 2, 1, -1) if dual else rng.choice([-1, 1], size=m)
    names = [f"g{i}" for i in range(n)]
    rows = [(names[p // n], names[p % n], s) for p, s in zip(pair, sign, strict=True)]
    return built(rows, genes=names, regulators=names[:r])


def built(rows, **about) -> KnowledgeBase:
    return KnowledgeBase.from_edges(
        pd.DataFrame(rows, columns=["source", "target", "sign"]), **about
    )


def off_diagonal(kb: KnowledgeBase) -> np.ndarray:
    places = np.ones((len(kb.regulators), len(kb.genes)), dtype=bool)
    places[np.arange(len(kb.regulators)), kb.regulator_index] = False
    return places


def edges_of(kb: KnowledgeBase) -> pd.DataFrame:
    """The edge table without self-loops."""
    edges = kb.to_edges()[["source", "target", "sign"]]
    return edges[edges["source"] != edges["target"]]


def pairs_of(kb: KnowledgeBase) -> set[tuple[str, str]]:
    return set(edges_of(kb)[["source", "target"]].itertuples(index=False, name=None))


def dense(kb: KnowledgeBase) -> tuple[np.ndarray, np.ndarray]:
    """Built from the edge table, not from the matrices."""
    pos, neg = np.zeros((2, len(kb.regulators), len(kb.genes)), dtype=int)
    for source, target, sign in edges_of(kb).itertuples(index=False):
        (pos if sign > 0 else neg)[kb.regulators.index(source), kb.genes.index(target)] = 1
    return pos, neg


# ---------------------------------------------------------------------------------- recovery


@pytest.mark.parametrize("seed", range(4))
def test_network_and_closure_f1_are_scikit_learns(seed: int) -> None:
    truth = network(seed)
    kb = truth.corrupt(0.5, seed)
    places = off_diagonal(truth)
    edges = [(p - q)[places] for p, q in (dense(truth), dense(kb))]
    effects = [net.closure(3).signed[places] for net in (truth, kb)]
    scores = edge_scores(kb, truth, k=3)
    how = {"labels": [-1, 0, 1], "average": "macro", "zero_division": 0}
    assert scores["network_f1"] == pytest.approx(f1_score(*edges, **how))
    assert scores["closure_f1"] == pytest.approx(f1_score(*effects, **how))
    assert scores["shd"] == round(hamming_loss(*edges) * places.sum())


def test_with_dual_edges_the_f1_is_the_mean_over_the_two_boolean_matrices() -> None:
    truth = network(3, dual=True, m=120)
    kb = truth.corrupt(0.5, 1)
    places = off_diagonal(truth)
    each = [
        f1_score(a[places], b[places], average="macro", zero_division=0)
        for a, b in zip(dense(truth), dense(kb), strict=True)
    ]
    assert (dense(truth)[0] & dense(truth)[1]).any()
    assert edge_scores(kb, truth)["network_f1"] == pytest.approx(np.mean(each))


@pytest.mark.parametrize(
    ("truth", "found", "about", "expected"),
    [
        pytest.param(
            [("a", "b", 1), ("a", "c", -1), ("a", "d", 1), ("b", "a", 1)],
            [("a", "b", 1), ("a", "c", 1), ("b", "c", -1), ("a", "d", 1), ("a", "d", -1)],
            {"genes": "abcd", "regulators": "ab"},
            {"precision": 3 / 4, "recall": 3 / 4, "sign_accuracy": 1 / 3, "shd": 4},
            id="b right, c flipped, d dual where it is +",
        ),
        pytest.param(
            [("a", "b", 1)],
            [("a", "b", 1), ("c", "b", 1)],
            {"genes": "abc"},
            {"precision": 0.5, "recall": 1.0, "shd": 1},
            id="a regulator that only the refined network has",
        ),
    ],
)
def test_edge_scores_by_hand(truth, found, about, expected) -> None:
    scores = edge_scores(built(found, **about), built(truth, **about), k=1)
    assert {name: scores[name] for name in expected} == expected


def test_a_network_scores_full_against_itself_and_self_loops_do_not_count() -> None:
    truth = network(2, dual=True)
    about = {"genes": truth.genes, "regulators": truth.regulators}
    for kb in (truth, KnowledgeBase.from_edges(edges_of(truth), **about)):
        scores = edge_scores(kb, truth)
        assert scores["shd"] == 0
        assert all(scores[m] == 1 for m in ("network_f1", "closure_f1", "precision", "recall"))


def test_repairs_by_counting_pairs() -> None:
    truth = network(5)
    noisy = truth.corrupt(0.5, 2)
    half = noisy.changes_to(truth).iloc[::2]  # repair every second corrupted pair
    p, q = dense(noisy)
    for source, target, after in half[["source", "target", "after"]].itertuples(index=False):
        i, j = truth.regulators.index(source), truth.genes.index(target)
        p[i, j], q[i, j] = after == "+", after == "-"
    intact = list(zip(*np.nonzero(dense(truth)[0] & dense(noisy)[0]), strict=True))
    p[intact[0]] = 0  # and harm one intact edge
    free = np.argwhere(((dense(truth)[0] | dense(truth)[1] | p | q) == 0) & off_diagonal(truth))
    q[tuple(free[0])] = 1  # and invent one
    scores = repair_scores(noisy.with_state(state_of(p > 0, q > 0)), noisy, truth)
    n_intact = sum(((a & b).sum()) for a, b in zip(dense(truth), dense(noisy), strict=True))
    assert scores["repaired"] == pytest.approx(len(half) / len(noisy.changes_to(truth)))
    assert scores["harmed"] == pytest.approx(1 / n_intact)
    assert scores["invented"] * sum(m.sum() for m in dense(truth)) == pytest.approx(1)
    assert repair_scores(noisy, noisy, truth) == {"repaired": 0.0, "harmed": 0.0, "invented": 0.0}


def test_ranking_is_scikit_learns_average_precision_over_all_signed_candidates() -> None:
    truth = network(1, dual=True)
    rng = np.random.default_rng(0)
    places = off_diagonal(truth)
    weight = rng.random((2, *places.shape)) * (rng.random((2, *places.shape)) < 0.5)
    row, col = np.nonzero(weight.sum(axis=0))
    frame = pd.DataFrame(weight[:, row, col].T, columns=["positive", "negative"]).assign(
        source=np.array(truth.regulators)[row], target=np.array(truth.genes)[col]
    )
    label = np.stack(dense(truth))
    scores = ranking_scores(frame, truth)
    flat = average_precision_score(label[:, places].ravel(), weight[:, places].ravel())
    pairs = average_precision_score(label.max(axis=0)[places], weight.max(axis=0)[places])
    assert (scores["auprc"], scores["auprc_pairs"]) == pytest.approx((flat, pairs))
    assert scores["n_true"] == label.max(axis=0).sum()


def test_hidden_edges_are_ranked_among_pairs_that_are_not_visible() -> None:
    truth = network(4)
    visible, hidden = truth.hold_out(0.3, seed=1)
    chosen = list(truth.regulators[:4])
    scores = ranking_scores(as_weights(truth), truth, visible, chosen)
    shown = edges_of(visible)["source"].isin(chosen).sum()
    assert scores["n_true"] == hidden["source"].isin(chosen).sum()
    assert scores["n_candidates"] == 4 * (len(truth.genes) - 1) - shown
    assert scores["auprc"] == 1
    blind = ranking_scores(as_weights(visible), truth, visible, chosen)
    assert blind["auprc"] == pytest.approx(blind["prevalence"])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (lambda kb: edge_scores(kb, network(n=31)), "30 and 31 genes"),
        (lambda kb: repair_scores(kb, network(n=31), kb), "30 and 31 genes"),
        (lambda kb: ranking_scores(as_weights(kb), kb, None, ["g29"]), "no regulator of the truth"),
        (lambda kb: ranking_scores(as_weights(kb).assign(target="z"), kb), "'z', which is no gene"),
        (lambda kb: rewired(kb, 0, swaps_per_edge=0), "swaps_per_edge is 0"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words_that_mend(asked, message) -> None:
    with pytest.raises(ValueError, match=message):
        asked(network(n=30))


# ---------------------------------------------------------------------------------- topology


def test_assortativity_is_the_correlation_of_degrees_over_both_directions_of_every_edge() -> None:
    kb = network(n=40, r=10, m=90, dual=True)
    undirected = {frozenset(pair) for pair in pairs_of(kb)}
    degree = {g: sum(g in edge for edge in undirected) for g in kb.genes}
    ends = np.array(
        [[degree[a], degree[b]] for e in undirected for a, b in (tuple(e), tuple(e)[::-1])]
    )
    assert degree_assortativity(kb) == pytest.approx(np.corrcoef(ends.T)[0, 1])


def test_modularity_is_newmans_sum_over_the_parts_that_greedy_merging_finds() -> None:
    kb = network(1, n=40, r=10, m=90, dual=True)
    graph = nx.Graph(list(pairs_of(kb)))
    m = graph.number_of_edges()
    by_hand = sum(
        graph.subgraph(part).number_of_edges() / m
        - (sum(d for _, d in graph.degree(part)) / (2 * m)) ** 2
        for part in nx.community.greedy_modularity_communities(graph)
    )
    # ties among merges depend on the order of nodes, so the value may differ a little
    assert modularity(kb) == pytest.approx(by_hand, abs=0.03)
    cliques = [(a, b, 1) for group in ("abcd", "efgh") for a in group for b in group if a < b]
    assert modularity(built([*cliques, ("a", "e", 1)])) == pytest.approx(
        2 * (6 / 13 - (13 / 26) ** 2)
    )


LOOP = [("a", "a", 1)]
COMPLETE = [(a, b, 1) for a in "abcd" for b in "abcd" if a != b]
SMALL = [*zip("aaabab", "bbcaac", [1, -1, 1, 1, -1, -1], strict=True)]


@pytest.mark.parametrize(
    ("rows", "about", "expected"),
    [
        pytest.param(
            SMALL,
            {"genes": "abcd"},
            {
                "n_pairs": 4,  # a-b (dual), a-c, b-a, b-c; the self-loop does not count
                "density": 4 / 6,
                "reciprocity": 2 / 4,
                "max_out_degree": 2,
                "share_inhibiting": 2 / 5,
            },
            id="by hand",
        ),
        pytest.param(
            COMPLETE, {}, {"degree_assortativity": np.nan, "density": 1, "reciprocity": 1},
            id="complete graph",
        ),
        pytest.param([], {"genes": "abc"}, {"n_pairs": 0, "modularity": np.nan}, id="no regulator"),
        pytest.param(
            [], {"genes": "abc", "regulators": "a"}, {"n_pairs": 0, "modularity": np.nan},
            id="no edge",
        ),
        pytest.param(LOOP, {"genes": "a"}, {"n_pairs": 0, "modularity": np.nan}, id="a loop"),
    ],
)  # fmt: skip
def test_topology_by_hand_and_never_an_error(rows, about, expected) -> None:
    kb = built(rows, **about)
    found = topology(kb)
    assert set(found) == set(MEASURES)
    assert {name: found[name] for name in expected} == pytest.approx(expected, nan_ok=True)
    if rows is not SMALL:  # nothing can be swapped
        assert rewired(kb, 0) == kb


@pytest.mark.parametrize("regulators", [[], ["a"]])
def test_scores_of_nothing_are_nan(regulators) -> None:
    kb = built([], genes="a", regulators=regulators)
    scores = edge_scores(kb, kb)
    assert math.isnan(scores["precision"])
    assert scores["shd"] == 0
    assert math.isnan(repair_scores(kb, kb, kb)["repaired"])
    assert math.isnan(ranking_scores(as_weights(kb), kb)["auprc"])


@given(seed=st.integers(0, 1000), m=st.integers(2, 250))
@settings(max_examples=25, deadline=None)
def test_rewiring_keeps_degrees_signs_genes_and_self_loops(seed: int, m: int) -> None:
    kb = network(seed, n=40, r=10, m=m, dual=True)
    new = rewired(kb, seed)

    def kept(net: KnowledgeBase) -> tuple[object, ...]:
        edges = net.to_edges()
        loops = edges[edges["source"] == edges["target"]]
        pairs = edges_of(net).groupby(["source", "target"])["sign"].sum().reset_index()
        return (
            net.genes,
            net.regulators,
            pairs["source"].value_counts().to_dict(),
            pairs["target"].value_counts().to_dict(),
            {s: sorted(g["sign"]) for s, g in pairs.groupby("source")},
            set(zip(loops["source"], loops["sign"], strict=True)),
        )

    assert kept(new) == kept(kb)


def test_rewiring_moves_most_pairs_and_is_fixed_by_its_seed() -> None:
    kb = network(n=200, r=20, m=300, dual=True)
    one, two, other = rewired(kb, 5), rewired(kb, 5), rewired(kb, 6)
    assert one == two
    assert one != other
    assert len(pairs_of(one) & pairs_of(kb)) < 0.3 * len(pairs_of(kb))


def test_every_allowed_rewiring_is_found_about_equally_often() -> None:
    triple = built([("a", "c", 1), ("b", "d", 1), ("e", "f", 1)])
    seen = [frozenset(pairs_of(rewired(triple, seed))) for seed in range(600)]
    counts = pd.Series(seen).value_counts()
    assert len(counts) == 6  # the orders of three targets
    assert chisquare(counts).pvalue > 1e-3
