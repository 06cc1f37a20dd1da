"""Enrichment by another road: counting by hand, dense linear algebra, scikit-learn, plain loops."""

from __future__ import annotations

from itertools import combinations
from math import comb

import gseapy
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control
from sklearn.metrics import average_precision_score, roc_auc_score

import aligned as al
from aligned.data.folder import read_gmt
from aligned.knowledge import state_of
from companion.pathways.enrichment import (
    GeneSets,
    Halves,
    degree,
    degree_matched,
    influence,
    over_representation,
    preranked,
    random_walk,
    recovery,
)


@pytest.fixture(scope="module")
def sim() -> al.simulate:
    return al.simulate(n_genes=90, n_regulators=15, seed=2)


@pytest.fixture(scope="module")
def sets(sim) -> GeneSets:
    return GeneSets.of(sim.gene_sets, sim.kb.genes, min_size=6)


def dense(kb: al.KnowledgeBase) -> np.ndarray:
    """Adjacency regulator → target as a plain n × n array, from the edge table."""
    matrix = np.zeros((len(kb.genes), len(kb.genes)), dtype=bool)
    for source, target, _, _ in kb.to_edges().itertuples(index=False):
        if source != target:
            matrix[kb.genes.index(source), kb.genes.index(target)] = True
    return matrix


# ----------------------------------------------------------------------------------- gene sets


def test_sets_keep_the_networks_genes_and_every_annotated_gene_is_in_the_universe(sim) -> None:
    given = {"big": [*sim.kb.genes[:30], "nowhere"], "small": list(sim.kb.genes[40:43])}
    sets = GeneSets.of(given, sim.kb.genes, min_size=5)
    assert sets.names == ("big",)
    assert sets.members[0].tolist() == list(range(30))
    assert sets.universe.tolist() == [*range(30), 40, 41, 42]


@pytest.mark.parametrize(
    ("given", "options", "words"),
    [
        ({"p": ["thrA", "thrB"]}, {}, "none of the ids such as 'thrA' .* use the network's ids"),
        ({}, {}, "none of the ids in the 0 gene sets"),
        ({"p": ["tf01", "tf02"]}, {}, r"no gene set has 10 to 500 genes .* \(the largest has 2\)"),
        ({"p": ["tf01", "tf02"]}, {"min_size": 1}, "min_size is 1; give at least 2"),
    ],
)
def test_bad_gene_sets_are_told_in_one_sentence(sim, given, options, words) -> None:
    with pytest.raises(ValueError, match=words) as found:
        GeneSets.of(given, sim.kb.genes, **options)
    assert str(found.value).endswith(".")


def test_a_bad_gmt_file_names_its_line(tmp_path) -> None:
    path = tmp_path / "sets.gmt"
    path.write_text("glycolysis\tsource\tpgi\tpfkA\nempty\tsource\n")
    with pytest.raises(ValueError, match=r"line 2 .* \('empty'\) lists no gene"):
        read_gmt(path)


# ------------------------------------------------------------------------- over-representation


def test_over_representation_counts_by_hand(sim, sets) -> None:
    found = over_representation(sim.kb, sets, min_regulon=3)
    edges, inside = dense(sim.kb), set(sets.universe.tolist())
    total = len(inside)
    for row in found.sample(25, random_state=0).itertuples():
        regulon = set(np.flatnonzero(edges[sim.kb.genes.index(row.regulator)])) & inside
        members = set(sets.members[sets.names.index(row.pathway)].tolist())
        overlap, drawn, size = len(regulon & members), len(regulon), len(members)
        tail = sum(
            comb(size, i) * comb(total - size, drawn - i)
            for i in range(overlap, min(size, drawn) + 1)
        ) / comb(total, drawn)
        assert (row.overlap, row.regulon, row.size) == (overlap, drawn, size)
        assert row.expected == pytest.approx(drawn * size / total)
        assert row.p == pytest.approx(tail)
    assert found["q"].to_numpy() == pytest.approx(false_discovery_control(found["p"]))


def test_over_representation_agrees_with_gseapy(sim, sets) -> None:
    found = over_representation(sim.kb, sets, min_regulon=3)
    regulator = found.loc[found["p"].idxmin(), "regulator"]
    genes = np.array(sim.kb.genes)
    regulon = genes[dense(sim.kb)[sim.kb.genes.index(regulator)]]
    theirs = gseapy.enrich(
        gene_list=list(regulon),
        gene_sets={n: list(genes[m]) for n, m in zip(sets.names, sets.members, strict=True)},
        background=list(genes[sets.universe]),
        outdir=None,
        no_plot=True,
    ).results.set_index("Term")
    ours = found[(found["regulator"] == regulator) & (found["overlap"] > 0)].set_index("pathway")
    assert len(theirs) == len(ours) > 0
    assert ours["p"].to_dict() == pytest.approx(theirs["P-value"].loc[ours.index].to_dict())


# --------------------------------------------------------------------- influence and preranked


def test_influence_is_the_pagerank_of_networkx(sim) -> None:
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(sim.kb.genes)))
    graph.add_edges_from(zip(*np.nonzero(dense(sim.kb)), strict=True))
    rank = nx.pagerank(graph, alpha=0.85, tol=1e-12, max_iter=500)
    expected = np.log2([len(graph) * rank[i] for i in range(len(graph))])
    assert influence(sim.kb) == pytest.approx(expected, abs=1e-6)


def test_an_edit_moves_the_influence_and_a_flip_does_not(sim) -> None:
    kb = sim.kb
    pos, neg = kb.r_pos.toarray(), kb.r_neg.toarray()
    flipped = kb.with_state(state_of(neg, pos))
    assert influence(flipped) == pytest.approx(influence(kb))
    place = np.argwhere(~(pos | neg))[50]
    pos[tuple(place)] = place[1] != kb.regulator_index[place[0]]
    added = kb.with_state(state_of(pos, neg))
    assert influence(added)[place[1]] > influence(kb)[place[1]]


@pytest.mark.parametrize("damping", [0.0, 1.0])
def test_damping_is_a_probability(sim, damping) -> None:
    with pytest.raises(ValueError, match=r"damping is .*; it is a probability"):
        influence(sim.kb, damping)


def test_the_enrichment_score_is_the_largest_excursion_of_the_running_sum() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=60)
    members = [np.sort(rng.choice(60, size, replace=False)) for size in (5, 12, 20)]
    found = preranked(scores, np.arange(60), members, permutations=50)
    for member, es in zip(members, found["es"], strict=True):
        order = np.argsort(-scores)
        hit = np.isin(order, member)
        up = np.where(hit, np.abs(scores[order]), 0)
        running = np.cumsum(up / up.sum() - (~hit) / (~hit).sum())
        assert es == pytest.approx(running[np.abs(running).argmax()], abs=1e-6)
    assert found["size"].tolist() == [5, 12, 20]
    assert (np.sign(found["es"]) == np.sign(found["nes"])).all()
    assert (found["p"] > 0).all()


def test_a_planted_ranking_is_enriched_and_the_seed_decides() -> None:
    scores = np.linspace(1, -1, 100)
    sets = [np.arange(10), np.arange(90, 100), np.arange(3, 100, 10)]
    one, two = (preranked(scores, np.arange(100), sets, 200, seed=4) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
    assert one["nes"].iloc[0] > 1.5 > -1.5 > one["nes"].iloc[1]
    assert one["p"].iloc[:2].max() < 0.02 < one["p"].iloc[2]


def test_ties_are_broken_the_same_way_whatever_the_order_of_the_sets() -> None:
    scores = np.repeat([1.0, 0.0], [5, 45])
    sets = [np.arange(3, 12), np.arange(20, 40)]
    forth = preranked(scores, np.arange(50), sets, 50)
    back = preranked(scores, np.arange(50), sets[::-1], 50)
    assert forth["es"].tolist() == back["es"].tolist()[::-1]


# --------------------------------------------------------------------------------- random walk


@pytest.mark.parametrize("restart", [0.2, 0.5, 1.0])
def test_the_random_walk_solves_the_dense_system(sim, restart) -> None:
    n = len(sim.kb.genes)
    graph = dense(sim.kb) | dense(sim.kb).T
    count = graph.sum(axis=0)
    walk = np.divide(graph, count, out=np.zeros((n, n)), where=count > 0)
    walk[np.diag_indices(n)] += count == 0  # a gene without neighbours stays where it is
    starts = np.random.default_rng(0).dirichlet(np.ones(n), size=4).T
    exact = np.linalg.solve(np.eye(n) - (1 - restart) * walk, restart * starts)
    found = random_walk(sim.kb, starts, restart)
    assert found == pytest.approx(exact, abs=1e-12)
    assert found.sum(axis=0) == pytest.approx(np.ones(4))
    some = np.random.default_rng(1).choice(n, 30, replace=False)
    inside = np.zeros_like(starts)
    inside[some] = starts[some]
    part = random_walk(sim.kb, starts[some], restart, genes=some)
    assert part == pytest.approx(random_walk(sim.kb, inside, restart)[some], abs=1e-12)


@pytest.mark.parametrize(
    ("shape", "restart", "words"),
    [((3, 1), 0.5, "starts have shape"), ((90, 1), 0.0, "restart is 0.0"), ((90,), 0.5, "shape")],
)
def test_the_random_walk_says_what_is_wrong(sim, shape, restart, words) -> None:
    with pytest.raises(ValueError, match=words):
        random_walk(sim.kb, np.zeros(shape), restart)


def test_recovery_is_scored_on_genes_the_walk_did_not_start_from(sim, sets) -> None:
    halves = Halves.draw(sets, n_splits=3, seed=1)
    area, precision = recovery(sim.kb, halves), recovery(sim.kb, halves, precision=True)
    for i, member in enumerate(sets.members):
        for j in range(3):
            seeds, tests = halves.seeds[i][j], halves.tests[i][j]
            assert sorted([*seeds, *tests]) == member.tolist()
            start = np.zeros((len(sim.kb.genes), 1))
            start[seeds] = 1 / len(seeds)
            visits = random_walk(sim.kb, start)[:, 0].astype(np.float32)
            ranked = np.setdiff1d(sets.universe, seeds)
            truth = np.isin(ranked, tests)
            assert area[i, j] == pytest.approx(roc_auc_score(truth, visits[ranked]))
            expected = average_precision_score(truth, visits[ranked])
            assert precision[i, j] == pytest.approx(expected)


def test_planted_modules_are_recovered_and_degree_matched_sets_are_not(sim) -> None:
    sets = GeneSets.of(sim.gene_sets, sim.truth.genes, min_size=6)
    halves = Halves.draw(sets, n_splits=10)
    assert recovery(sim.truth, halves).mean() > 0.75
    assert abs(recovery(sim.truth, halves.matched(sim.truth)).mean() - 0.5) < 0.1


def test_degree_matched_sets_have_the_degree_classes_of_the_original(sim, sets) -> None:
    degrees = degree(sim.kb)
    assert degrees.tolist() == (dense(sim.kb) | dense(sim.kb).T).sum(axis=0).tolist()
    rng = np.random.default_rng(0)
    octave = np.floor(2 * np.log2(1 + degrees))
    drawn = [degree_matched(m, degrees, sets.universe, rng) for m in sets.members]
    for member, other in zip(sets.members, drawn, strict=True):
        assert sorted(octave[member]) == sorted(octave[other])
        assert len(set(other)) == len(member)
    assert any(set(a) != set(b) for a, b in combinations(drawn, 2))
