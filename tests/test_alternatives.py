"""Direct evidence, the published rule, and the identifiability reference."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest

from aligned.knowledge import KnowledgeBase, state_of
from aligned.refine.alternatives import direct_evidence, published_closure, published_rule
from aligned.refine.reference import identifiable, single_overexpressions
from companion.noise.jobs import random_network
from companion.recovery import edge_scores


def states(kb: KnowledgeBase) -> np.ndarray:
    return kb.r_pos.toarray().astype(int) - kb.r_neg.toarray().astype(int)


# --------------------------------------------------------------------------- direct evidence


def test_direct_evidence_at_k_1_is_the_true_network() -> None:
    truth = random_network(40, 8, 60, seed=3)
    noisy = truth.corrupt(0.6, 1)
    x = single_overexpressions(truth)
    assert direct_evidence(noisy, x, truth.deduce(x, k=1)) == truth
    assert direct_evidence(noisy, -x, truth.deduce(-x, k=1)) == truth


def test_direct_evidence_is_an_edge_to_whatever_responds() -> None:
    truth = random_network(40, 8, 60, seed=3)
    x = single_overexpressions(truth)[:5]
    noisy = truth.corrupt(0.6, 1)
    found = states(direct_evidence(noisy, x, truth.deduce(x, k=3)))
    for row in range(8):
        for column in range(40):
            if column == row:
                continue
            seen = truth.closure(3).signed[row, column]
            assert found[row, column] == (seen if row < 5 else states(noisy)[row, column])


def test_replicates_vote_and_unmeasured_genes_keep_their_edge() -> None:
    net = pd.DataFrame({"source": ["a", "a"], "target": ["b", "c"], "sign": [1, 1]})
    kb = KnowledgeBase.from_edges(net, genes="abcde")
    x = [[1, 0, 0, 0, 0], [-1, 0, 0, 0, 0], [1, 0, 0, 0, 0], [1, 0, 0, 1, 0]]
    y = [[0, -1, 0, 1, 1], [0, 1, 0, -1, 0], [0, 1, 0, 1, -1], [0, 0, 0, 0, -1]]
    observed = np.ones((4, 5), dtype=bool)
    observed[:, 2] = False
    found = direct_evidence(kb, x, y, observed)
    # b: votes -1, -1, +1 of 3: no majority; c: not measured; d: +1, +1, +1; e: +1, 0, -1
    assert states(found).tolist() == [[0, 0, 1, 1, 0]]


# ------------------------------------------------------------------------------ published rule


@pytest.mark.parametrize("k", [1, 2, 5])
def test_the_published_rule_loses_every_inhibition(k: int) -> None:
    truth = random_network(40, 8, 80, seed=1)
    noisy = truth.corrupt(0.2, 0)
    x = single_overexpressions(truth)
    y = truth.deduce(x, k)
    assert noisy.r_neg.nnz > 30
    one_step = published_rule(noisy, x, y, k=k, iterations=1, rate=0.01)
    assert one_step.kb.r_neg.nnz == 0
    assert (one_step.kb.r_pos != noisy.r_pos).nnz == 0  # and what activates is still there
    fit = published_rule(noisy, x, y, k=k)
    assert fit.kb.r_neg.nnz == 0
    assert (fit.weights["negative"] == 0).all()
    assert (fit.weights["positive"] > 0).all()
    assert edge_scores(fit.kb, truth, k)["network_f1"] < edge_scores(noisy, truth, k)["network_f1"]


def test_the_published_rule_restores_removed_activations_of_one_step() -> None:
    truth = random_network(30, 5, 60, seed=2)
    truth = truth.with_state(truth.r_pos.astype(np.int8))
    visible, hidden = truth.hold_out(0.3, seed=0)
    x = single_overexpressions(truth)
    assert len(hidden) > 5
    assert published_rule(visible, x, truth.deduce(x, k=1), k=1).kb == truth


def test_the_published_rule_says_what_is_wrong_with_its_numbers() -> None:
    kb = random_network(10, 3, 8)
    x = single_overexpressions(kb)
    y = kb.deduce(x)
    with pytest.raises(ValueError, match="iterations is 0"):
        published_rule(kb, x, y, iterations=0)
    with pytest.raises(ValueError, match="give t, rate > 0"):
        published_rule(kb, x, y, t=0.0)


def walks(kb: KnowledgeBase, lengths: tuple[int, ...]) -> dict[tuple[int, int, int], int]:
    """Signed walks by enumeration: (source, target, sign) -> how many."""
    step = {}
    for s, t, sign in kb.to_edges()[["source", "target", "sign"]].itertuples(index=False):
        if s != t:
            step.setdefault(kb.genes.index(s), []).append((kb.genes.index(t), sign))
    found: dict[tuple[int, int, int], int] = {}
    for length in lengths:
        for start in range(len(kb.regulators)):
            ends = [(start, 1)]
            for _ in range(length):
                ends = [(t, sign * by) for at, sign in ends for t, by in step.get(at, [])]
            for at, sign in ends:
                found[start, at, sign] = found.get((start, at, sign), 0) + 1
    return found


@pytest.mark.parametrize("k", [2, 3, 5])
def test_the_published_closure_holds_walks_of_exactly_k_or_one_less(k: int) -> None:
    kb = random_network(12, 5, 25, seed=2)
    count = walks(kb, (k - 1, k))
    closure = published_closure(kb, k)
    for i, j in product(range(5), range(12)):
        assert closure.positive[i, j] == ((i, j, 1) in count)
        assert closure.negative[i, j] == ((i, j, -1) in count)
    weighted = published_closure(kb, k, "weighted")
    least = {sign: min(v for (_, _, s), v in count.items() if s == sign) for sign in (-1, 1)}
    for i, j in product(range(5), range(12)):
        net = count.get((i, j, 1), 0) / least[1] - count.get((i, j, -1), 0) / least[-1]
        assert weighted.signed[i, j] == (net >= 6) - (net <= -6)


def test_the_published_closure_of_one_step_is_the_network() -> None:
    kb = random_network(12, 5, 25, seed=2)
    assert np.array_equal(published_closure(kb, 1).signed, states(kb))
    with pytest.raises(ValueError, match="'mean' is unknown"):
        published_closure(kb, 2, "mean")
    with pytest.raises(ValueError, match="k is 0"):
        published_closure(kb, 0)


# ------------------------------------------------------------------------------ identifiability


def seen(kb: KnowledgeBase, k: int) -> np.ndarray:
    """Responses that count, from the deduction: a perturbed gene's own cell does not."""
    delta = kb.deduce(single_overexpressions(kb), k)
    delta[np.arange(len(kb.regulators)), kb.regulator_index] = 0
    return delta


def with_states(kb: KnowledgeBase, entries: list[tuple[str, str, str]]) -> KnowledgeBase:
    pos, neg = kb.r_pos.toarray(), kb.r_neg.toarray()
    for source, target, state in entries:
        i, j = kb.regulators.index(source), kb.genes.index(target)
        pos[i, j], neg[i, j] = "+" in state, "-" in state
    return kb.with_state(state_of(pos, neg))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [1, 2, 4])
def test_the_reference_is_what_some_order_of_putting_back_leads_to(seed: int, k: int) -> None:
    truth = random_network(6, 4, 10, seed)
    noisy = truth.corrupt(0.6, seed)
    changes = truth.changes_to(noisy)[["source", "target", "after"]]
    entries = [tuple(row) for row in changes.itertuples(index=False)]
    allowed = {  # every subset of the corruption that no response shows, by deduction
        subset: np.array_equal(
            seen(with_states(truth, [entries[i] for i in subset]), k), seen(truth, k)
        )
        for size in range(len(entries) + 1)
        for subset in combinations(range(len(entries)), size)
    }
    ends, todo = set(), {((), ())}  # (put back, tried): all greedy orders at once
    while todo:
        back, tried = todo.pop()
        if len(tried) == len(entries):
            ends.add(back)
        for i in set(range(len(entries))) - set(tried):
            more = tuple(sorted((*back, i)))
            todo.add((more if allowed[more] else back, tuple(sorted((*tried, i)))))
    networks = [with_states(truth, [entries[i] for i in end]) for end in ends]
    for order in range(4):
        assert identifiable(noisy, truth, k, seed=order) in networks


@pytest.mark.parametrize("rule", ["boolean", "majority"])
def test_the_reference_explains_all_and_nothing_more_can_be_put_back(rule: str) -> None:
    truth = random_network(60, 12, 120, seed=4, spread=1.0)
    noisy = truth.corrupt(0.5, 0)
    x = single_overexpressions(truth)
    found = identifiable(noisy, truth, 3, rule)
    own = np.zeros((12, 60), dtype=bool)
    own[np.arange(12), truth.regulator_index] = True
    wanted = truth.deduce(x, 3, rule)
    assert np.array_equal(found.deduce(x, 3, rule)[~own], wanted[~own])
    for source, target, after in found.changes_to(noisy)[["source", "target", "after"]].to_numpy():
        pos, neg = found.r_pos.toarray(), found.r_neg.toarray()
        i, j = found.regulators.index(source), found.index.get_loc(target)
        pos[i, j], neg[i, j] = "+" in after, "-" in after
        trial = found.with_state(state_of(pos, neg))
        assert not np.array_equal(trial.deduce(x, 3, rule)[~own], wanted[~own])


def test_with_fewer_perturbations_more_stays_corrupted() -> None:
    truth = random_network(60, 12, 120, seed=4)
    noisy = truth.corrupt(0.5, 0)
    x = single_overexpressions(truth)
    shd = [edge_scores(identifiable(noisy, truth, 2, x=x[:n]), truth, 2)["shd"] for n in (12, 6, 1)]
    assert shd == sorted(shd)
    assert shd[0] < shd[-1] <= edge_scores(noisy, truth, 2)["shd"]


def test_the_reference_of_an_intact_network_is_itself_and_strangers_are_refused() -> None:
    truth = random_network(20, 4, 20)
    assert identifiable(truth, truth, 3) == truth
    with pytest.raises(ValueError, match="differ in genes or regulators"):
        identifiable(random_network(20, 5, 20), truth)
