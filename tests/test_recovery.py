"""Recovery scores against scikit-learn and against counting by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, f1_score, hamming_loss

from aligned.knowledge import KnowledgeBase, state_of
from companion.recovery import as_weights, edge_scores, ranking_scores, repair_scores


def network(seed: int = 0, n: int = 30, r: int = 8, m: int = 60, dual: bool = False):
    rng = np.random.default_rng(seed)
    signs = 2 if dual else 1
    code = rng.choice(r * n * signs, size=m, replace=False)
    pair = code // signs
    sign = np.where(code % 2, 1, -1) if dual else rng.choice([-1, 1], size=m)
    names = [f"g{i}" for i in range(n)]
    edges = pd.DataFrame(
        {"source": [names[p // n] for p in pair], "target": [names[p % n] for p in pair]}
    ).assign(sign=sign)
    return KnowledgeBase.from_edges(edges, genes=names, regulators=names[:r])


def off_diagonal(kb: KnowledgeBase) -> np.ndarray:
    places = np.ones((len(kb.regulators), len(kb.genes)), dtype=bool)
    places[np.arange(len(kb.regulators)), kb.regulator_index] = False
    return places


def dense(kb: KnowledgeBase) -> tuple[np.ndarray, np.ndarray]:
    """Built from the edge table, not from the matrices."""
    pos, neg = np.zeros((2, len(kb.regulators), len(kb.genes)), dtype=int)
    for source, target, sign in kb.to_edges()[["source", "target", "sign"]].itertuples(index=False):
        if source != target:
            (pos if sign > 0 else neg)[kb.regulators.index(source), kb.genes.index(target)] = 1
    return pos, neg


def sklearn_f1(truth: np.ndarray, found: np.ndarray) -> float:
    return f1_score(truth, found, labels=[-1, 0, 1], average="macro", zero_division=0)


@pytest.mark.parametrize("seed", range(4))
def test_network_and_closure_f1_are_scikit_learns(seed: int) -> None:
    truth = network(seed)
    kb = truth.corrupt(0.5, seed)
    places = off_diagonal(truth)
    edges = [(p - q)[places] for p, q in (dense(truth), dense(kb))]
    effects = [net.closure(3).signed[places] for net in (truth, kb)]
    scores = edge_scores(kb, truth, k=3)
    assert scores["network_f1"] == pytest.approx(sklearn_f1(*edges))
    assert scores["closure_f1"] == pytest.approx(sklearn_f1(*effects))
    assert scores["shd"] == round(hamming_loss(*edges) * places.sum())


def test_with_dual_edges_the_f1_is_the_mean_over_the_two_boolean_matrices() -> None:
    truth = network(3, dual=True, m=120)
    kb = truth.corrupt(0.5, 1)
    places = off_diagonal(truth)
    expected = np.mean(
        [
            f1_score(a[places], b[places], average="macro", zero_division=0)
            for a, b in zip(dense(truth), dense(kb), strict=True)
        ]
    )
    assert ((dense(truth)[0] & dense(truth)[1]).sum()) > 0
    assert edge_scores(kb, truth)["network_f1"] == pytest.approx(expected)


def test_precision_recall_sign_accuracy_and_distance_by_hand() -> None:
    names = ["source", "target", "sign"]
    truth = pd.DataFrame(
        [("a", "b", 1), ("a", "c", -1), ("a", "d", 1), ("b", "a", 1)], columns=names
    )
    found = pd.DataFrame(
        [("a", "b", 1), ("a", "c", 1), ("b", "c", -1), ("a", "d", 1), ("a", "d", -1)], columns=names
    )
    nets = [KnowledgeBase.from_edges(f, genes="abcd", regulators="ab") for f in (found, truth)]
    scores = edge_scores(nets[0], nets[1], k=1)
    assert scores["precision"] == 3 / 4
    assert scores["recall"] == 3 / 4
    assert scores["sign_accuracy"] == 1 / 3  # b right, c flipped, d dual where it is +
    assert scores["shd"] == 4


def test_a_network_scores_full_against_itself_and_self_loops_do_not_count() -> None:
    truth = network(2, dual=True)
    without = truth.with_state(truth.state)
    edges = without.to_edges()
    bare = KnowledgeBase.from_edges(
        edges[edges["source"] != edges["target"]], genes=truth.genes, regulators=truth.regulators
    )
    for kb in (truth, bare):
        scores = edge_scores(kb, truth)
        assert scores["shd"] == 0
        assert all(scores[m] == 1 for m in ("network_f1", "closure_f1", "precision", "recall"))


def test_a_regulator_that_only_the_refined_network_has_counts_as_wrong_edges() -> None:
    net = pd.DataFrame({"source": ["a"], "target": ["b"], "sign": [1]})
    more = pd.concat([net, pd.DataFrame({"source": ["c"], "target": ["b"], "sign": [1]})])
    truth, kb = (KnowledgeBase.from_edges(f, genes="abc") for f in (net, more))
    scores = edge_scores(kb, truth, k=1)
    assert (scores["precision"], scores["recall"], scores["shd"]) == (0.5, 1.0, 1)


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
    frame = pd.DataFrame(
        {
            "source": np.array(truth.regulators)[row],
            "target": np.array(truth.genes)[col],
            "positive": weight[0, row, col],
            "negative": weight[1, row, col],
        }
    )
    label = np.stack(dense(truth))
    flat = average_precision_score(label[:, places].ravel(), weight[:, places].ravel())
    scores = ranking_scores(frame, truth)
    assert scores["auprc"] == pytest.approx(flat)
    pairs = average_precision_score(label.max(axis=0)[places], weight.max(axis=0)[places])
    assert scores["auprc_pairs"] == pytest.approx(pairs)
    assert scores["n_true"] == label.max(axis=0).sum()


def test_hidden_edges_are_ranked_among_pairs_that_are_not_visible() -> None:
    truth = network(4)
    visible, hidden = truth.hold_out(0.3, seed=1)
    chosen = list(truth.regulators[:4])
    scores = ranking_scores(as_weights(truth), truth, visible, chosen)
    mine = hidden[hidden["source"].isin(chosen)]
    shown = visible.to_edges()
    shown = shown[(shown["source"] != shown["target"]) & shown["source"].isin(chosen)]
    assert scores["n_true"] == len(mine)
    assert scores["n_candidates"] == 4 * (len(truth.genes) - 1) - len(shown)
    assert scores["auprc"] == 1
    blind = ranking_scores(as_weights(visible), truth, visible, chosen)
    assert blind["auprc"] == pytest.approx(blind["prevalence"])


def test_no_regulator_and_no_edge_end_in_nan() -> None:
    nothing = pd.DataFrame({"source": [], "target": [], "sign": []})
    for regulators in ([], ["a"]):
        kb = KnowledgeBase.from_edges(nothing, genes="a", regulators=regulators)
        scores = edge_scores(kb, kb)
        assert math.isnan(scores["precision"])
        assert scores["shd"] == 0
        assert math.isnan(repair_scores(kb, kb, kb)["repaired"])
        assert math.isnan(ranking_scores(as_weights(kb), kb)["auprc"])


def test_what_cannot_be_compared_is_refused_in_words_that_mend() -> None:
    kb, other = network(n=30), network(n=31)
    with pytest.raises(ValueError, match="30 and 31 genes"):
        edge_scores(kb, other)
    with pytest.raises(ValueError, match="is no regulator of the truth"):
        ranking_scores(as_weights(kb), kb, regulators=["g29"])
    with pytest.raises(ValueError, match="'zzz', which is no gene"):
        ranking_scores(as_weights(kb).assign(target="zzz"), kb)
