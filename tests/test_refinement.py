"""Refinement: every part against another road to the same answer, then the whole."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from aligned.knowledge import STATES, KnowledgeBase, Rule
from aligned.refine import RefineConfig, auto_edit_cost, refine, replicate_error
from aligned.refine.evidence import check_responses, gather
from aligned.refine.exact import Objective, change_table, search_columns
from aligned.refine.nullcheck import agreement_p_value
from aligned.refine.relaxation import (
    lam_bound,
    loss_and_gradient,
    path_weights,
    proximal_step,
    relaxed_closure,
)
from aligned.refine.search import GAIN, Network
from aligned.scores import data_consistency

UNCHECKED = RefineConfig(null_check=False)


def random_network(
    n: int = 120, r: int = 20, edges: int = 260, seed: int = 0, dual: float = 0.0
) -> KnowledgeBase:
    """A network with uniformly placed edges of random sign; a share of pairs is dual."""
    rng = np.random.default_rng(seed)
    places = [(s, j) for s in range(r) for j in range(n) if s != j]
    chosen = rng.choice(len(places), size=edges, replace=False)
    rows = []
    for i in chosen:
        s, j = places[i]
        signs = [1, -1] if rng.random() < dual else [int(rng.choice([-1, 1]))]
        rows += [(f"g{s}", f"g{j}", sign) for sign in signs]
    genes = [f"g{i}" for i in range(n)]
    frame = pd.DataFrame(rows, columns=["source", "target", "sign"])
    return KnowledgeBase.from_edges(frame, genes=genes, regulators=genes[:r])


def over_expressions(kb: KnowledgeBase) -> np.ndarray:
    return np.eye(len(kb.genes), dtype=np.int8)[kb.regulator_index]


def signed(kb: KnowledgeBase) -> np.ndarray:
    return kb.r_pos.toarray().astype(np.int8) - kb.r_neg.toarray().astype(np.int8)


def pairs(kb: KnowledgeBase) -> np.ndarray:
    return kb.state.toarray()


def edge_f1(truth: KnowledgeBase, kb: KnowledgeBase) -> float:
    return data_consistency(signed(kb), signed(truth))


def mixed_inputs(kb: KnowledgeBase, rng: np.random.Generator, b: int = 14) -> np.ndarray:
    """Knock-outs, over-expressions, doubles, repeats, and genes that regulate nothing."""
    n, reg = len(kb.genes), kb.regulator_index
    x = np.zeros((b, n), dtype=np.int8)
    for row in x:
        for gene in rng.choice(reg, size=rng.integers(1, 4), replace=False):
            row[gene] = rng.choice([-1, 1])
        if rng.random() < 0.3:
            row[n - 1] = 1
    x[1] = x[0]
    x[2] = -x[0]
    return x


def build(kb, x, y, k, rule="boolean", observed=None):
    responses = check_responses(kb, x, y, observed, None, "evidence")
    evidence = gather(responses, kb.regulator_index)
    return Objective.build(evidence, kb.regulator_index, Rule.of(k, rule))


def objective(kb: KnowledgeBase, original: KnowledgeBase, x, y, cost: float, **rule) -> float:
    """The exact objective, from the public deduction only."""
    counted = np.asarray(x) == 0
    used = (np.asarray(x)[:, original.regulator_index] != 0).any(axis=1)
    wrong = (kb.deduce(x, **rule) != y) & counted & used[:, None]
    return wrong.sum() + cost * (pairs(kb) != pairs(original)).sum()


# ------------------------------------------------------------------------- relaxation


def four_products(p, n, reg, k, alpha):
    """The relaxed closure without the trick: four products per level."""
    pos, neg = p, n
    for _ in range(k - 1):
        pos, neg = (
            p + alpha * (p[:, reg] @ pos + n[:, reg] @ neg),
            n + alpha * (p[:, reg] @ neg + n[:, reg] @ pos),
        )
    return pos, neg


@pytest.fixture
def weights():
    rng = np.random.default_rng(3)
    p, n = (torch.tensor(rng.random((5, 9)) * (rng.random((5, 9)) < 0.4)) for _ in range(2))
    return p, n, torch.arange(5)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("start", [[0, 1, 2, 3, 4], [3, 0]])
def test_decoupled_recursion_equals_four_products(weights, start, k):
    p, n, reg = weights
    a, t = p - n, p + n
    ours = relaxed_closure(a, t, a[:, reg], t[:, reg], torch.tensor(start), k, 0.7)
    for one, plain in zip(ours, four_products(p, n, reg, k, 0.7), strict=True):
        torch.testing.assert_close(one, plain[start])


def test_path_weights_are_the_power_series(weights):
    block = (weights[0] - weights[1])[:, :5]
    series = sum(torch.linalg.matrix_power(0.5 * block, power) for power in range(4))
    torch.testing.assert_close(path_weights(block, torch.arange(5), 4, 0.5), series)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("doubles", [False, True])
def test_gradient_against_finite_differences(weights, k, doubles):
    p, n, reg = weights
    rng = np.random.default_rng(0)
    start = torch.tensor([0, 2, 4])
    x = torch.tensor([[1.0, 0, 0], [0, -1, 0], [1, 0, 1]], dtype=torch.float64) if doubles else None
    target = torch.tensor(rng.choice([-0.7, 0, 0.7], size=(3, 9)))
    mass = torch.tensor(rng.integers(0, 3, size=(3, 9)).astype(float))

    def value(p, n):
        return loss_and_gradient(p, n, reg, start, x, target, mass, k, 0.5, 1.5)[0]

    _, gradient = loss_and_gradient(p, n, reg, start, x, target, mass, k, 0.5, 1.5)
    h = 1e-6
    for which, i, j in itertools.product(range(2), range(5), range(9)):
        moved = [[p.clone(), n.clone()] for _ in range(2)]
        moved[0][which][i, j] += h
        moved[1][which][i, j] -= h
        slope = (value(*moved[0]) - value(*moved[1])) / (2 * h)
        assert float(gradient[which, i, j]) == pytest.approx(slope, abs=1e-5)


@pytest.mark.parametrize("penalty", ["l1", "frobenius"])
def test_proximal_step_is_the_minimiser(penalty):
    rng = np.random.default_rng(1)
    weight, direction, step = rng.random(40), rng.normal(size=40), 0.05 + rng.random(40)
    anchor = rng.integers(0, 2, size=40).astype(float)
    ours = proximal_step(
        *(torch.tensor(v) for v in (weight, direction, step, anchor)), 0.3, penalty
    ).numpy()
    grid = np.linspace(0, 4, 40_001)
    for w, g, s, a, found in zip(weight, direction, step, anchor, ours, strict=True):
        gap = np.abs(grid - a) if penalty == "l1" else 0.5 * (grid - a) ** 2
        cost = 0.5 * (grid - (w - s * g)) ** 2 / s + 0.3 * gap
        assert found == pytest.approx(grid[cost.argmin()], abs=2e-4)


def test_proximal_step_leaves_weak_pull_exactly():
    anchor = torch.tensor([0.0, 1.0, 1.0])
    pull = torch.tensor([-0.29, 0.29, -0.31])
    new = proximal_step(anchor.clone(), pull, torch.full((3,), 0.1), anchor, 0.3, "l1")
    assert new[:2].tolist() == [0.0, 1.0]
    assert new[2] > 1.0


def test_edges_without_evidence_do_not_move():
    truth = random_network(seed=1)
    noisy = truth.corrupt(0.4, seed=1)
    x = over_expressions(noisy)[:6]
    found = refine(noisy, x, truth.deduce(x, k=1), k=1)
    table = found.weights.set_index("source")
    silent = table.drop(index=list(noisy.regulators[:6]), errors="ignore")
    assert len(silent) > 50
    assert set(silent["positive"]) | set(silent["negative"]) == {0.0, 1.0}
    assert set(found.edits["source"]) <= set(noisy.regulators[:6])


def test_lam_bound_is_the_pull_at_one_half():
    t = 1.5
    p = torch.tensor([[0.5, 0.0]], dtype=torch.float64)
    target = torch.tensor([[1 - np.exp(-t), 0.0]])
    one = torch.ones(1, 2, dtype=torch.float64)
    where = torch.tensor([0])
    _, gradient = loss_and_gradient(
        p, torch.zeros_like(p), torch.tensor([1]), where, None, target, one, 1, 1.0, t
    )
    assert -float(gradient[0, 0, 0]) == pytest.approx(lam_bound(t))


# -------------------------------------------------------------------- exact semantics


@pytest.mark.parametrize("rule", ["boolean", "majority"])
@pytest.mark.parametrize("k", [1, 2, 4])
def test_exact_semantics_equal_deduction(rule, k):
    for seed in range(3):
        kb = random_network(40, 12, 70, seed, dual=0.2)
        rng = np.random.default_rng(seed)
        x = mixed_inputs(kb, rng)
        y = rng.integers(-1, 2, size=x.shape)
        asked = Rule(k, rule, alpha=0.3, margin=0.2)
        problem = build(kb, x, y, asked)
        net = Network(problem, pairs(kb), pairs(kb), 0.5)
        assert net.criterion + problem.silent == objective(kb, kb, x, y, 0.5, k=asked)


@pytest.mark.parametrize("rule", ["boolean", "majority"])
@pytest.mark.parametrize("singles", [False, True])
def test_change_table_and_judge_against_recomputation(rule, singles):
    kb = random_network(24, 8, 40, 4, dual=0.3)
    rng = np.random.default_rng(5)
    x = over_expressions(kb) if singles else mixed_inputs(kb, rng, 10)
    y = rng.integers(-1, 2, size=x.shape)
    k = 3
    problem = build(kb, x, y, k, rule)
    state = pairs(kb)
    net = Network(problem, state, state, 0.0)
    table = change_table(problem, net.walks, state)
    before = net.misfit
    for s, j, v in itertools.product(range(8), range(24), range(4)):
        if kb.regulator_index[s] == j:
            continue
        other = state.copy()
        other[s, j] = v
        fresh = Network(problem, other, state, 0.0)
        if j >= 8:
            assert table[v, s, j] == fresh.misfit - before
        else:
            assert net.judge((s, j, v)) == pytest.approx(fresh.misfit - before, abs=1e-3)
            taken = Network(problem, state, state, 0.0)
            if taken.judge((s, j, v), GAIN) < GAIN:
                assert taken.misfit == fresh.misfit
                np.testing.assert_array_equal(taken.effect, fresh.effect)
                np.testing.assert_array_equal(taken.walks.positive, fresh.walks.positive)
                np.testing.assert_array_equal(taken.cost, fresh.cost)
                np.testing.assert_array_equal(taken.counts[0], fresh.counts[0])


def test_column_search_does_not_depend_on_chunks():
    truth = random_network(seed=2)
    noisy = truth.corrupt(0.4, seed=2)
    x = over_expressions(noisy)
    problem = build(noisy, x, truth.deduce(x, k=2), 2)
    state, cols = pairs(noisy), np.arange(20, 120)
    net = Network(problem, state, state, 0.5)
    runs = [
        search_columns(problem, net.walks, state, state, cols, 0.5, table_size=size)
        for size in (1, 10**7)
    ]
    np.testing.assert_array_equal(*runs)


# -------------------------------------------------------------------------- the whole


@pytest.mark.parametrize(("k", "noise"), [(2, 0.2), (2, 0.4), (3, 0.2), (3, 0.4)])
def test_refined_beats_noisy(k, noise):
    for seed in range(2):
        truth = random_network(seed=seed)
        noisy = truth.corrupt(noise, seed=seed)
        x = over_expressions(truth)
        found = refine(noisy, x, truth.deduce(x, k=k), k=k)
        assert 1 - edge_f1(truth, found.kb) < 0.4 * (1 - edge_f1(truth, noisy))


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("dual", [0.0, 0.1])
def test_no_noise_no_edit(k, dual):
    truth = random_network(seed=7, dual=dual)
    x = over_expressions(truth)
    found = refine(truth, x, truth.deduce(x, k=k), k=k)
    assert not found.changed
    assert found.kb is truth
    assert "explains every response" in found.note
    assert found.objective_after == found.objective_before == 0


@pytest.mark.parametrize("k", [1, 2])
def test_tiny_corruption_is_undone_exactly(k):
    truth = random_network(seed=8)
    noisy = truth.corrupt(0.02, seed=8)
    x = over_expressions(truth)
    assert noisy != truth
    assert refine(noisy, x, truth.deduce(x, k=k), k=k).kb == truth


def test_every_edit_is_worth_its_cost_and_reported_truthfully():
    truth = random_network(60, 12, 120, 3)
    noisy = truth.corrupt(0.4, seed=3)
    rng = np.random.default_rng(3)
    x = np.vstack([over_expressions(truth), mixed_inputs(truth, rng, 6)])
    y = truth.deduce(x, k=3)
    flipped = rng.random(y.shape) < 0.03
    y[flipped] = rng.integers(-1, 2, size=int(flipped.sum()))
    for cost in (0.5, 1.7):
        found = refine(noisy, x, y, k=3, edit_cost=cost, config=UNCHECKED)
        assert found.objective_after == pytest.approx(objective(found.kb, noisy, x, y, cost, k=3))
        assert found.objective_before == objective(noisy, noisy, x, y, cost, k=3)
        assert found.objective_after < found.objective_before
        original, state = pairs(noisy), pairs(found.kb)
        assert len(found.edits) == (original != state).sum()
        rows = {g: i for i, g in enumerate(noisy.regulators)}
        cols = {g: i for i, g in enumerate(noisy.genes)}
        for edit in found.edits.itertuples():
            s, j = rows[edit.source], cols[edit.target]
            assert (STATES[original[s, j]], STATES[state[s, j]]) == (edit.before, edit.after)
            undone = state.copy()
            undone[s, j] = original[s, j]
            back = noisy.with_state(undone)
            rise = objective(back, noisy, x, y, cost, k=3) - found.objective_after
            assert rise > 0
            assert edit.gain == pytest.approx(rise)
            assert edit.n_cells == round(rise + cost)


def test_dual_edges_are_found_and_kept():
    truth = random_network(60, 10, 90, 5, dual=0.3)
    x = over_expressions(truth)
    y = truth.deduce(x, k=2)
    lost = truth.to_edges()
    dual = lost[lost.duplicated(["source", "target"], keep=False)]
    assert len(dual) > 10
    assert not refine(truth, x, y, k=2).changed
    noisy = truth.corrupt(0.3, seed=5)
    found = refine(noisy, x, y, k=2)
    assert edge_f1(truth, found.kb) > edge_f1(truth, noisy)


def test_unobserved_cells_have_no_influence():
    truth = random_network(seed=9)
    noisy = truth.corrupt(0.3, seed=9)
    rng = np.random.default_rng(9)
    x = over_expressions(truth)
    y = truth.deduce(x, k=2).astype(float)
    observed = rng.random(y.shape) < 0.7
    other = np.where(observed, y, rng.integers(-1, 2, size=y.shape))
    other[np.argwhere(~observed)[0][0], np.argwhere(~observed)[0][1]] = np.nan
    one = refine(noisy, x, y, k=2, observed=observed)
    two = refine(noisy, x, other, k=2, observed=observed)
    pd.testing.assert_frame_equal(one.edits, two.edits)
    pd.testing.assert_frame_equal(one.weights, two.weights)
    assert one.changed


def test_rows_marked_as_evidence_alone_count():
    truth = random_network(seed=10)
    noisy = truth.corrupt(0.3, seed=10)
    x = over_expressions(truth)
    y = truth.deduce(x, k=2)
    chosen = np.arange(len(x)) < 12
    nonsense = np.where(chosen[:, None], y, -y)
    part = refine(noisy, x[chosen], y[chosen], k=2)
    same = refine(noisy, x, nonsense, k=2, evidence=chosen)
    pd.testing.assert_frame_equal(part.edits, same.edits)
    everything = refine(noisy, x, y, k=2, evidence=chosen, rows="all")
    pd.testing.assert_frame_equal(everything.edits, refine(noisy, x, y, k=2).edits)


def test_inputs_are_not_touched():
    kb = random_network(seed=11)
    x = sp.csr_matrix(over_expressions(kb).astype(float))
    x.data[0] = 0.0  # an explicit zero: a row without a perturbation
    y = kb.corrupt(0.3, seed=1).deduce(x, k=2)
    before, edges = (x.copy(), y.copy()), kb.to_edges()
    refine(kb, x, y, k=2)
    assert x.nnz == before[0].nnz
    np.testing.assert_array_equal(x.data, before[0].data)
    np.testing.assert_array_equal(y, before[1])
    pd.testing.assert_frame_equal(kb.to_edges(), edges)


def test_knock_outs_doubles_and_sparse_inputs():
    truth = random_network(seed=11)
    noisy = truth.corrupt(0.3, seed=11)
    x = over_expressions(truth)
    up = refine(noisy, x, truth.deduce(x, k=2), k=2)
    down = refine(noisy, sp.csr_matrix(-x), truth.deduce(-x, k=2), k=2)
    pd.testing.assert_frame_equal(up.edits, down.edits)
    rng = np.random.default_rng(11)
    many = np.vstack([x, mixed_inputs(truth, rng, 10)])
    found = refine(noisy, many, truth.deduce(many, k=2), k=2)
    assert edge_f1(truth, found.kb) > 0.95


@pytest.mark.parametrize("k", [1, 2])
def test_majority_rule(k):
    truth = random_network(seed=12)
    noisy = truth.corrupt(0.3, seed=12)
    x = over_expressions(truth)
    y = truth.deduce(x, k=k, rule="majority")
    found = refine(noisy, x, y, Rule(k, "majority"))
    assert edge_f1(truth, found.kb) > 0.95
    assert not refine(truth, x, y, Rule(k, "majority")).changed


@pytest.mark.parametrize(
    "options", [{"penalty": "frobenius"}, {"config": RefineConfig(polish=False)}]
)
def test_other_penalty_and_no_polish(options):
    truth = random_network(seed=13)
    noisy = truth.corrupt(0.3, seed=13)
    x = over_expressions(truth)
    found = refine(noisy, x, truth.deduce(x, k=2), k=2, **options)
    assert edge_f1(truth, found.kb) > edge_f1(truth, noisy)


def test_frobenius_moves_what_l1_leaves():
    truth = random_network(seed=13)
    noisy = truth.corrupt(0.1, seed=13)
    x = over_expressions(truth)
    y = truth.deduce(x, k=2)
    sizes = [len(refine(noisy, x, y, k=2, penalty=p).weights) for p in ("l1", "frobenius")]
    assert sizes[1] > 1.5 * sizes[0]


def test_history_falls():
    truth = random_network(seed=14)
    noisy = truth.corrupt(0.4, seed=14)
    x = over_expressions(truth)
    history = refine(noisy, x, truth.deduce(x, k=3), k=3).history
    assert list(history) == ["iteration", "objective", "fit", "penalty", "moved"]
    assert history["objective"].iloc[-1] < 0.2 * history["objective"].iloc[0]
    assert history["moved"].iloc[0] == 0


def test_same_call_same_result():
    truth = random_network(seed=15)
    noisy = truth.corrupt(0.4, seed=15)
    x = over_expressions(truth)
    y = truth.deduce(x, k=3)
    one, two = (refine(noisy, x, y, k=3, seed=4) for _ in range(2))
    pd.testing.assert_frame_equal(one.edits, two.edits)
    pd.testing.assert_frame_equal(one.weights, two.weights)
    assert one.kb == two.kb


# ---------------------------------------------------------------------------- do no harm


def test_shuffled_responses_leave_the_network_alone():
    truth = random_network(seed=16)
    noisy = truth.corrupt(0.3, seed=16)
    x = over_expressions(truth)
    y = np.random.default_rng(0).permutation(truth.deduce(x, k=2))
    found = refine(noisy, x, y, k=2)
    assert found.kb is noisy
    assert len(found.edits) == 0
    assert "not above the null (p = " in found.note
    assert refine(noisy, x, y, k=2, config=UNCHECKED).changed


def test_null_is_about_the_perturbation_not_about_the_gene():
    """Genes that respond to everything alike are no evidence for any edge."""
    kb = random_network(seed=17)
    x = over_expressions(kb)
    y = np.tile(np.sign(signed(kb).sum(axis=0)), (len(x), 1))
    problem = build(kb, x, y, 1)
    net = Network(problem, pairs(kb), pairs(kb), 0.5)
    _, p = agreement_p_value(problem.evidence, net.deduced(), 200, 0)
    assert p > 0.05
    truth = build(kb, x, kb.deduce(x, k=1), 1)
    share, p = agreement_p_value(truth.evidence, net.deduced(), 200, 0)
    assert share == 1
    assert p == pytest.approx(1 / 201)


def test_a_network_that_says_nothing_is_left_alone():
    kb = KnowledgeBase.from_edges(
        pd.DataFrame({"source": ["a"], "target": ["b"], "sign": [1]}), regulators=["a", "b"]
    )
    found = refine(kb, [[0, 1]], [[1, 0]], k=1)
    assert found.kb is kb
    assert "deduces no response" in found.note


# ------------------------------------------------------------------- candidates and costs


def test_perturbed_genes_may_become_regulators():
    edges = pd.DataFrame({"source": ["a", "a"], "target": ["b", "c"], "sign": [1, -1]})
    kb = KnowledgeBase.from_edges(edges, genes=["a", "b", "c", "d", "e"])
    x = np.array([[1, 0, 0, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, -1]])
    y = np.array([[0, 1, -1, 0, 0], [0, -1, 0, 0, 0], [0, 0, 0, 0, 0]])
    known = refine(kb, x, y, k=1, config=UNCHECKED)
    assert not known.changed
    wide = refine(kb, x, y, k=1, candidates="perturbed", config=UNCHECKED)
    assert wide.edits[["source", "target", "after"]].to_numpy().tolist() == [["d", "b", "-"]]
    assert wide.kb.regulators == ("a", "d")


def test_self_loops_stay_out_of_it():
    edges = pd.DataFrame({"source": ["a", "a"], "target": ["a", "b"], "sign": [-1, 1]})
    kb = KnowledgeBase.from_edges(edges, genes=["a", "b", "c"])
    found = refine(kb, [[1, 0, 0]], [[1, 1, 1]], k=2, config=UNCHECKED)
    assert found.edits[["source", "target", "after"]].to_numpy().tolist() == [["a", "c", "+"]]
    assert (found.kb.to_edges()["source"] == found.kb.to_edges()["target"]).sum() == 1


def test_edit_cost_grows_with_the_error_rate():
    costs = [auto_edit_cost(e, 0.04) for e in (0.0, 0.01, 0.05, 0.1, 0.3)]
    assert costs[0] == 0.5
    assert costs == sorted(costs)


def test_replicates_give_the_error_rate():
    kb = random_network(400, 10, 40, 0)
    rng = np.random.default_rng(0)
    x = np.repeat(over_expressions(kb), 3, axis=0)
    y = kb.deduce(x, k=1)
    responses = check_responses(kb, x, y, None, None, "evidence")
    assert replicate_error(responses) == 0
    wrong = rng.random(y.shape) < 0.1
    y = np.where(wrong, (y + 1 + rng.integers(1, 3, size=y.shape)) % 3 - 1, y)
    responses = check_responses(kb, x, y, None, None, "evidence")
    assert replicate_error(responses) == pytest.approx(0.1, abs=0.01)
    found = refine(kb, x, y, k=1)
    assert found.edit_cost > 1
    assert found.error_rate == pytest.approx(0.1, abs=0.01)


def test_without_replicates_errors_are_not_assumed():
    kb = random_network(seed=18)
    x = over_expressions(kb)
    found = refine(kb, x, kb.deduce(x, k=1), k=1)
    assert (found.error_rate, found.edit_cost) == (0.0, 0.5)


# --------------------------------------------------------------------------- bad inputs


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"penalty": "l2"}, r"penalty 'l2' is unknown; choose one of \['frobenius', 'l1'\]"),
        ({"candidates": "all"}, r"candidates 'all' is unknown; .*'known', 'perturbed'"),
        ({"rows": "some"}, r"rows 'some' is unknown; .*'all', 'evidence'"),
        ({"k": 0}, "k is 0"),
        ({"config": {"lam": 0.2}}, r"lam is 0.2, .* lam < .* = 0.1185"),
        ({"config": {"lam": float("nan")}}, "lam is nan"),
        ({"config": {"t": 0.0}}, "t is 0.0"),
        ({"edit_cost": "cheap"}, "edit_cost 'cheap' is unknown"),
        ({"edit_cost": -1.0}, "edit_cost is -1.0"),
        ({"config": {"error_rate": 0.9}}, "error_rate is 0.9"),
        ({"config": {"max_iter": 0}}, "max_iter is 0"),
        ({"x": [[1, 0]]}, r"perturbations have shape \(1, 2\), the network has 3 genes"),
        ({"x": [[2, 0, 0]]}, "a perturbation holds 2"),
        ({"x": [[np.nan, 0, 0]]}, "a perturbation holds .*nan"),
        ({"x": [[0, 0, 1]]}, "no row of the evidence perturbs a regulator"),
        ({"y": [[0, 1]]}, r"responses have shape \(1, 2\), the perturbations \(1, 3\)"),
        ({"y": [[0, 2, 0]]}, "response of gene 'b' in row 0 is .*2"),
        ({"y": [[0, np.nan, 0]]}, "response of gene 'b' in row 0 is .*nan"),
        ({"observed": [[True]]}, "`observed` is bool of shape"),
        ({"observed": [[1, 1, 1]]}, "`observed` is int64 of shape"),
        ({"evidence": [True, False]}, "`evidence` is bool of shape"),
        ({"evidence": [False]}, "no row of the evidence perturbs a regulator"),
    ],
)
def test_bad_input_is_named(options, message):
    edges = pd.DataFrame({"source": ["a", "b"], "target": ["b", "c"], "sign": [1, 1]})
    kb = KnowledgeBase.from_edges(edges, genes=["a", "b", "c"])
    call = {"x": [[1, 0, 0]], "y": [[0, 1, 0]], "k": 2, **options}
    with pytest.raises(ValueError, match=message):
        refine(kb, **{**call, "config": RefineConfig(**options.get("config", {}))})
