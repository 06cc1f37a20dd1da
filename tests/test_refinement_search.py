"""Refinement as a search: it settles, it never accepts a worse step, and it is fair to relabelling.

Recomputed by another road: the objective from the knowledge base's own deduction.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from aligned.knowledge import KnowledgeBase, Rule
from aligned.refine import RefineConfig, refine
from aligned.refine.evidence import check_responses, gather
from aligned.refine.exact import Objective
from aligned.refine.relaxation import Schedule, lam_bound, relax
from aligned.refine.search import GAIN, Network, polish, search, unexplained_share

UNCHECKED = RefineConfig(null_check=False)


def network(n: int, r: int, edges: int, seed: int, negatives: bool = True) -> KnowledgeBase:
    rng = np.random.default_rng(seed)
    places = rng.choice(r * (n - 1), size=edges, replace=False)
    source, target = places // (n - 1), places % (n - 1)
    target += target >= source
    genes = np.array([f"g{i}" for i in range(n)])
    sign = rng.choice([-1, 1], size=edges) if negatives else np.ones(edges, dtype=int)
    frame = pd.DataFrame({"source": genes[source], "target": genes[target], "sign": sign})
    return KnowledgeBase.from_edges(frame, genes=genes, regulators=genes[:r])


def all_on(kb: KnowledgeBase) -> np.ndarray:
    return np.eye(len(kb.genes), dtype=np.int8)[kb.regulator_index]


def states(kb: KnowledgeBase) -> np.ndarray:
    return kb.state.toarray()


def problem_of(kb: KnowledgeBase, y: np.ndarray, k: int) -> Objective:
    evidence = gather(
        check_responses(kb, all_on(kb), y, None, None, "evidence"), kb.regulator_index
    )
    return Objective.build(evidence, kb.regulator_index, Rule(k))


def schedule(k: int, **changed: float) -> Schedule:
    return Schedule(
        k=k, t=0.8, lam=0.5 * lam_bound(0.8), alpha=0.5, penalty="l1", max_iter=60 * k - 20,
        **changed,
    )  # fmt: skip


def wrong_pairs(kb: KnowledgeBase, truth: KnowledgeBase) -> int:
    return int((states(kb) != states(truth)).sum())


@pytest.mark.parametrize("seed", [1, 3])
def test_deep_and_badly_damaged_networks_are_mended(seed):
    truth = network(300, 45, 750, seed)
    noisy = truth.corrupt(0.9, seed=seed)
    y = truth.deduce(all_on(truth), k=5)
    found = refine(noisy, all_on(truth), y, k=5, config=UNCHECKED)
    assert wrong_pairs(found.kb, truth) < 0.4 * wrong_pairs(noisy, truth)


def test_without_a_warm_up_the_relaxation_stands_still():
    truth = network(600, 100, 2600, 0)
    noisy = truth.corrupt(0.4, seed=0)
    problem = problem_of(truth, truth.deduce(all_on(truth), k=5), 5)

    def start_of(warm: float) -> pd.Series:
        relaxed = relax(states(noisy), problem.reg, problem.evidence, schedule(5, warm=warm))
        return relaxed.history.set_index("iteration")["fit"]

    cold, warm = start_of(0.0), start_of(0.3)
    plateau = cold.iloc[5:15]
    assert plateau.max() - plateau.min() < 0.01 * plateau.max()  # saturated: nothing has a gradient
    assert warm.iloc[15] < 0.5 * plateau.min()


def test_every_step_the_polish_takes_lowers_the_exact_objective(monkeypatch):
    truth = network(80, 16, 190, 2)
    noisy = truth.corrupt(0.5, seed=2)
    y = truth.deduce(all_on(truth), k=4)
    problem = problem_of(truth, y, 4)
    seen: list[float] = []
    settle, take = Network._settle, Network.set_state

    def recorded(self: Network) -> float:
        cost = 0.5 * (self.state != self.original).sum()
        delta = noisy.with_state(self.state).deduce(all_on(truth), k=4)
        off_own = all_on(truth) == 0
        return float(((delta != y) & off_own).sum() + cost)

    def watch_settle(self, move, change, below, new):
        result = settle(self, move, change, below, new)
        if change < below:
            seen.append(recorded(self))
        return result

    def watch_state(self, state):
        take(self, state)
        seen.append(recorded(self))

    monkeypatch.setattr(Network, "_settle", watch_settle)
    monkeypatch.setattr(Network, "set_state", watch_state)
    net = polish(problem, [states(noisy)], states(noisy), 0.5)
    assert len(seen) > 20
    assert np.all(np.diff(seen) <= 1e-9)
    assert seen[-1] == net.criterion + problem.silent


def test_a_second_round_never_ends_higher():
    truth = network(200, 30, 520, 5)
    noisy = truth.corrupt(0.9, seed=5)
    problem = problem_of(truth, truth.deduce(all_on(truth), k=5), 5)
    once, twice = (search(problem, states(noisy), 0.5, schedule(5), rounds) for rounds in (1, 2))
    assert twice.net.criterion <= once.net.criterion + GAIN


def test_thresholded_is_the_relaxation_cut_at_one_half():
    truth = network(120, 20, 260, 4)
    noisy = truth.corrupt(0.4, seed=4)
    x = all_on(truth)
    y = truth.deduce(x, k=3)
    polished = refine(noisy, x, y, k=3, config=UNCHECKED)
    plain = refine(noisy, x, y, k=3, config=RefineConfig(null_check=False, polish=False))
    assert polished.thresholded == plain.kb
    weights = plain.weights.set_index(["source", "target"])
    cut = {(s, t, 1) for s, t in weights.index[weights["positive"] > 0.5]}
    cut |= {(s, t, -1) for s, t in weights.index[weights["negative"] > 0.5]}
    edges = plain.kb.to_edges()
    assert set(edges[["source", "target", "sign"]].itertuples(index=False, name=None)) == cut


def test_what_cannot_be_explained_raises_the_price_of_an_edit():
    truth = network(200, 20, 420, 6)
    noisy = truth.corrupt(0.3, seed=6)
    x = np.vstack([all_on(truth), all_on(truth)])
    rng = np.random.default_rng(6)
    y = truth.deduce(x, k=2)
    y = np.where(rng.random(y.shape) < 0.2, rng.integers(-1, 2, size=y.shape), y)
    doubles = x + np.roll(x, 1, axis=0)  # no input twice, and no network can explain the noise
    doubles = np.unique(np.clip(doubles, 0, 1), axis=0)
    noise = rng.integers(-1, 2, size=doubles.shape)
    found = refine(noisy, doubles, noise, k=2, config=UNCHECKED)
    told = refine(noisy, doubles, noise, k=2, config=RefineConfig(null_check=False, error_rate=0.0))
    assert told.edit_cost == 0.5
    assert found.edit_cost > 1
    assert len(found.edits) < len(told.edits)


def test_unexplained_share_by_hand():
    edges = pd.DataFrame({"source": ["a", "a"], "target": ["b", "c"], "sign": [1, 1]})
    kb = KnowledgeBase.from_edges(edges, genes=["a", "b", "c", "d", "e"])
    y = np.array([[0, 1, 0, -1, 0]])  # b right; c said, not seen; d seen, not said; e neither
    problem = problem_of(kb, y, 1)
    assert unexplained_share(Network(problem, states(kb), states(kb), 0.5)) == pytest.approx(2 / 3)


@pytest.mark.parametrize(("k", "noise", "apart"), [(2, 0.1, 0.0), (5, 0.1, 0.0), (5, 0.4, 0.05)])
def test_permuting_genes_permutes_the_result(k, noise, apart):
    truth = network(90, 15, 200, 7)
    noisy = truth.corrupt(noise, seed=7)
    y = truth.deduce(all_on(truth), k=k)
    order = np.random.default_rng(7).permutation(len(truth.genes))
    genes = [truth.genes[i] for i in order]
    shuffled = KnowledgeBase.from_edges(noisy.to_edges(), genes, regulators=noisy.regulators)
    first = refine(noisy, all_on(truth), y, k=k, config=UNCHECKED)
    second = refine(shuffled, all_on(truth)[:, order], y[:, order], k=k, config=UNCHECKED)
    # equally good edits may be told apart by their order; where noise is low there are none
    assert second.objective_after == pytest.approx(first.objective_after, rel=0.05)
    mine = set(first.kb.to_edges()[["source", "target", "sign"]].itertuples(index=False, name=None))
    theirs = set(
        second.kb.to_edges()[["source", "target", "sign"]].itertuples(index=False, name=None)
    )
    assert len(mine ^ theirs) <= apart * len(mine)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_a_network_without_inhibition(k):
    truth = network(60, 10, 120, 8, negatives=False)
    noisy = truth.corrupt(0.2, seed=8)
    x = all_on(truth)
    found = refine(noisy, x, truth.deduce(x, k=k), k=k, config=UNCHECKED)
    assert wrong_pairs(found.kb, truth) <= wrong_pairs(noisy, truth)


@pytest.mark.parametrize("k", [1, 3])
def test_a_complete_graph_ends_well(k):
    genes = [f"g{i}" for i in range(6)]
    rows = [(a, b, s) for a in genes for b in genes if a != b for s in (1, -1)]
    kb = KnowledgeBase.from_edges(pd.DataFrame(rows, columns=["source", "target", "sign"]), genes)
    x = np.eye(6, dtype=np.int8)
    found = refine(kb, x, np.roll(x, 1, axis=1), k=k, config=UNCHECKED)
    assert found.objective_after <= found.objective_before


def test_one_gene_and_no_evidence():
    edges = pd.DataFrame({"source": ["a"], "target": ["a"], "sign": [1]})
    kb = KnowledgeBase.from_edges(edges, genes=["a"])
    assert refine(kb, [[1]], [[1]], k=2).kb is kb  # its own response is no evidence
    two = KnowledgeBase.from_edges(edges.assign(target="b"), genes=["a", "b"])
    nothing = np.zeros((1, 2), dtype=bool)
    unseen = refine(two, [[1, 0]], [[1, 1]], k=2, observed=nothing)
    assert unseen.kb is two
    with pytest.raises(ValueError, match="no row of the evidence perturbs a regulator"):
        refine(two, np.zeros((0, 2), dtype=int), np.zeros((0, 2), dtype=int), k=2)


def test_no_regulators_says_what_is_missing():
    none = pd.DataFrame({"source": [], "target": [], "sign": []})
    kb = KnowledgeBase.from_edges(none, genes=["a", "b"])
    with pytest.raises(ValueError, match="no row of the evidence perturbs a regulator"):
        refine(kb, [[1, 0]], [[0, 1]], k=2)
