"""The knowledge base against walks counted one by one, and against plain dense algebra."""

from __future__ import annotations

import re
import tracemalloc
import warnings
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aligned.knowledge import STATES, KnowledgeBase, Rule, state_of
from aligned.simulate import simulate

Edge = tuple[str, str, int]
SOME = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FEW = settings(SOME, max_examples=20)


def frame(*edges: Edge, **columns: object) -> pd.DataFrame:
    return pd.DataFrame(list(edges), columns=["source", "target", "sign"]).assign(**columns)


def network(*edges: Edge, genes: str | None = None) -> KnowledgeBase:
    return KnowledgeBase.from_edges(frame(*edges), genes=None if genes is None else list(genes))


def triples(kb: KnowledgeBase) -> set[Edge]:
    return set(kb.to_edges()[["source", "target", "sign"]].itertuples(index=False, name=None))


@st.composite
def networks(draw: st.DrawFn, max_genes: int = 6, max_edges: int = 12) -> KnowledgeBase:
    """Small networks: cycles, dual edges, self-loops, empty rows, regulators anywhere."""
    n = draw(st.integers(2, max_genes))
    genes = draw(st.permutations("abcdefgh"[:n]))
    regulators = draw(st.lists(st.sampled_from(genes), min_size=1, max_size=4, unique=True))
    edge = st.tuples(st.sampled_from(regulators), st.sampled_from(genes), st.sampled_from((1, -1)))
    edges = draw(st.lists(edge, min_size=1, max_size=max_edges, unique=True))
    labels = [f"paper {i}" for i in range(len(edges))]
    return KnowledgeBase.from_edges(frame(*edges, evidence=labels), genes, regulators=regulators)


@st.composite
def networks_with_inputs(draw: st.DrawFn) -> tuple[KnowledgeBase, np.ndarray]:
    kb = draw(networks())
    row = st.lists(st.sampled_from((-1, 0, 0, 1)), min_size=len(kb.genes), max_size=len(kb.genes))
    return kb, np.array(draw(st.lists(row, min_size=1, max_size=4)), dtype=np.int8)


def walks(kb: KnowledgeBase, source: str, k: int) -> Iterator[tuple[str, int, int]]:
    """Every walk of length 1..k from ``source``: where it ends, its sign, its length."""
    edges = [e for e in triples(kb) if e[0] != e[1]]

    def go(gene: str, sign: int, length: int) -> Iterator[tuple[str, int, int]]:
        for start, end, step in edges:
            if start == gene:
                yield end, sign * step, length + 1
                if length + 1 < k:
                    yield from go(end, sign * step, length + 1)

    yield from go(source, 1, 0)


def dense(kb: KnowledgeBase) -> tuple[np.ndarray, np.ndarray]:
    """The n × n matrices that the package never builds."""
    n = len(kb.genes)
    pos, neg = np.zeros((n, n), dtype=bool), np.zeros((n, n), dtype=bool)
    for source, target, sign in triples(kb):
        if source != target:
            (pos if sign > 0 else neg)[kb.genes.index(source), kb.genes.index(target)] = True
    return pos, neg


# -------------------------------------------------------------------------------- closure


@SOME
@given(kb=networks(), k=st.integers(1, 4))
def test_boolean_closure_is_what_walking_finds(kb, k):
    closure = kb.closure(k)
    shape = (len(kb.regulators), len(kb.genes))
    positive, negative = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for i, regulator in enumerate(kb.regulators):
        for end, sign, _ in walks(kb, regulator, k):
            (positive if sign > 0 else negative)[i, kb.genes.index(end)] = True
    npt.assert_array_equal(closure.positive, positive)
    npt.assert_array_equal(closure.negative, negative)
    npt.assert_array_equal(closure.reached, positive | negative)
    npt.assert_array_equal(closure.ambiguous, positive & negative)
    npt.assert_array_equal(closure.signed, positive.astype(int) - negative)
    assert closure.positive.dtype == bool
    assert closure.signed.dtype == np.int8


@SOME
@given(kb=networks(), k=st.integers(1, 7))
def test_factorised_closure_is_the_dense_four_product_one(kb, k):
    r_pos, r_neg = dense(kb)
    pos, neg = r_pos, r_neg
    for _ in range(k - 1):
        pos, neg = (
            r_pos | (r_pos @ pos) | (r_neg @ neg),
            r_neg | (r_pos @ neg) | (r_neg @ pos),
        )
    closure = kb.closure(k)
    npt.assert_array_equal(closure.positive, pos[kb.regulator_index])
    npt.assert_array_equal(closure.negative, neg[kb.regulator_index])


@SOME
@given(
    kb=networks(),
    k=st.integers(1, 4),
    alpha=st.sampled_from((0.25, 0.5, 1.0)),
    margin=st.sampled_from((0.0, 0.3, 1.0)),
)
def test_majority_is_the_damped_sum_of_signed_walks(kb, k, alpha, margin):
    closure = kb.closure(Rule(k, "majority", alpha, margin))
    total = np.zeros((len(kb.regulators), len(kb.genes)))  # powers of two: no rounding
    reached = np.zeros(total.shape, dtype=bool)
    for i, regulator in enumerate(kb.regulators):
        for end, sign, length in walks(kb, regulator, k):
            total[i, kb.genes.index(end)] += sign * alpha ** (length - 1)
            reached[i, kb.genes.index(end)] = True
    npt.assert_array_equal(closure.positive, total > margin)
    npt.assert_array_equal(closure.negative, total < -margin)
    npt.assert_array_equal(closure.reached, reached)
    npt.assert_array_equal(closure.ambiguous, reached & (np.abs(total) <= margin))


def test_a_bigger_network_agrees_with_the_dense_one_too():
    kb = simulate(60, 12, seed=2).truth
    r_pos, r_neg = dense(kb)
    pos, neg = r_pos, r_neg
    for k in range(1, 6):
        closure = kb.closure(k)
        npt.assert_array_equal(closure.positive, pos[kb.regulator_index])
        npt.assert_array_equal(closure.negative, neg[kb.regulator_index])
        pos, neg = r_pos | (r_pos @ pos) | (r_neg @ neg), r_neg | (r_pos @ neg) | (r_neg @ pos)


@FEW
@given(
    case=networks_with_inputs(), k=st.integers(1, 4), rule=st.sampled_from(("boolean", "majority"))
)
def test_self_loops_change_nothing(case, k, rule):
    kb, x = case
    edges = kb.to_edges()
    plain = edges[edges["source"] != edges["target"]]
    without = KnowledgeBase.from_edges(plain, kb.genes, regulators=kb.regulators)
    npt.assert_array_equal(kb.closure(k, rule).signed, without.closure(k, rule).signed)
    npt.assert_array_equal(kb.deduce(x, k, rule), without.deduce(x, k, rule))


@FEW
@given(kb=networks())
def test_closure_grows_up_to_a_fixed_point(kb):
    levels = [kb.closure(k) for k in (1, 2, 3, 4 * len(kb.genes))]
    for small, large in pairwise(levels):
        assert (large.positive >= small.positive).all()
        assert (large.negative >= small.negative).all()
    npt.assert_array_equal(levels[-1].signed, kb.closure(10**9).signed)  # ends early, or never


def test_a_network_remembers_the_last_closures_only():
    edges = pd.DataFrame({"source": list("abcdef"), "target": list("bcdefg"), "sign": [-1] * 6})
    kb = KnowledgeBase.from_edges(edges)
    first = kb.closure(1)
    for k in (2, 3, 1, 4, 5):
        kb.closure(k)
    assert kb.closure(1) is first, "used in between, so not the one to forget"
    for k in range(1, 30):
        kb.closure(k)
    assert len(kb._closures) == 4
    assert kb.closure(1) is not first
    assert (kb.closure(1).signed == first.signed).all()


def test_closure_needs_no_array_of_genes_by_genes():
    n, r = 20_000, 40
    rng = np.random.default_rng(0)
    edges = pd.DataFrame(
        {
            "source": [f"g{i}" for i in rng.integers(0, r, 4_000)],
            "target": [f"g{i}" for i in rng.integers(0, n, 4_000)],
            "sign": rng.choice([-1, 1], 4_000),
        }
    ).drop_duplicates()
    tracemalloc.start()
    kb = KnowledgeBase.from_edges(edges, [f"g{i}" for i in range(n)])
    kb.closure(5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < n * n / 4


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"k": 0}, "k is 0; it is the longest path counted: give a whole number >= 1"),
        ({"k": 1.5}, r"k is 1\.5"),
        ({"k": True}, "k is True"),
        (
            {"rule": "vote"},
            r"closure rule 'vote' is unknown; choose one of \['boolean', 'majority'\]",
        ),
        ({"alpha": 2}, "alpha is 2; it damps each further step: give 0 to 1"),
        ({"rule": "majority", "margin": -1}, "margin is -1; it is a number of paths"),
    ],
)
def test_closure_refuses(wrong, message):
    with pytest.raises(ValueError, match=message):
        Rule(**wrong)
    if {"k", "rule"} >= set(wrong):
        with pytest.raises(ValueError, match=message):
            network(("a", "b", 1)).closure(**wrong)


# ------------------------------------------------------------------------------ deduction


@SOME
@given(
    case=networks_with_inputs(), k=st.integers(1, 3), rule=st.sampled_from(("boolean", "majority"))
)
def test_deduction_sums_over_perturbed_genes_and_lets_each_keep_its_own_direction(case, k, rule):
    kb, x = case
    closure = kb.closure(k, rule)
    said = kb.deduction(x, k, rule)
    for b, row in enumerate(x):
        for j in range(len(kb.genes)):
            hits = [
                (row[g], closure.signed[i, j], closure.reached[i, j])
                for i, g in enumerate(kb.regulator_index)
                if row[g]
            ]
            total = sum(int(direction) * int(sign) for direction, sign, _ in hits)
            own = int(row[j])
            assert said.delta[b, j] == (own or np.sign(total))
            assert said.reached[b, j] == (bool(own) or any(reached for *_, reached in hits))
    npt.assert_array_equal(said.ambiguous, said.reached & (said.delta == 0))
    npt.assert_array_equal(kb.deduce(x, k, rule), said.delta)
    assert said.delta.dtype == np.int8


@FEW
@given(case=networks_with_inputs())
def test_sparse_and_dense_inputs_say_the_same_and_stay_as_they_were(case):
    kb, x = case
    wanted = kb.deduce(x, 3)
    for form in (sp.csr_array, sp.csr_matrix, sp.csc_array, sp.coo_array):
        given_x = form(x)
        npt.assert_array_equal(kb.deduce(given_x, 3), wanted)
        npt.assert_array_equal(given_x.toarray(), x)
    npt.assert_array_equal(kb.deduce(x.astype(float).tolist(), 3), wanted)
    npt.assert_array_equal(kb.deduce(x[0], 3), wanted[:1])  # one condition as a plain vector


def test_two_perturbed_genes_that_cancel_are_ambiguous_not_silent():
    kb = network(("a", "c", 1), ("b", "c", 1), ("a", "d", 1), genes="abcde")
    said = kb.deduction([[1, -1, 0, 0, 0]], k=1)
    npt.assert_array_equal(said.delta, [[1, -1, 0, 1, 0]])
    npt.assert_array_equal(said.ambiguous, [[False, False, True, False, False]])
    npt.assert_array_equal(said.reached, [[True, True, True, True, False]])


def test_dual_regulation_is_ambiguous():
    kb = network(("a", "b", 1), ("a", "b", -1), ("b", "c", 1))
    said = kb.deduction([[-1, 0, 0]], k=2)
    npt.assert_array_equal(said.delta, [[-1, 0, 0]])
    npt.assert_array_equal(said.ambiguous, [[False, True, True]])
    assert kb.report["dual pairs"] == 1
    assert (kb.n_edges, kb.n_pairs) == (3, 2)


def test_a_perturbed_gene_is_not_turned_by_the_other_or_by_itself():
    kb = network(("a", "b", 1), ("b", "a", -1), ("a", "a", -1))
    npt.assert_array_equal(kb.deduce([[1, -1]], 4), [[1, -1]])
    npt.assert_array_equal(kb.deduce([[-1, 0]], 2), [[-1, -1]])


def test_a_gene_that_regulates_nothing_changes_only_itself():
    kb = network(("a", "b", 1), genes="abc")
    npt.assert_array_equal(kb.deduce([[0, 0, -1], [0, 0, 0]], 5), [[0, 0, -1], [0, 0, 0]])


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([[1, 0]], "the perturbations have 2 columns, the network 3 genes"),
        ([[2, 0, 0]], "a perturbation holds .*2.*use -1"),
        ([[0.5, 0, 0]], r"a perturbation holds .*0\.5"),
        ([[np.nan, 0, 0]], "a perturbation holds .*nan"),
    ],
)
def test_deduce_refuses_other_inputs(x, message):
    with pytest.raises(ValueError, match=message):
        network(("a", "b", 1), ("b", "c", 1)).deduce(x)


# ------------------------------------------------------------------------------- explain


STEP = re.compile(r" (→|⊣) ")


@SOME
@given(case=networks_with_inputs(), k=st.integers(1, 3))
def test_explanations_are_exactly_the_walks_behind_the_closure(case, k):
    kb, x = case
    known = {(s, t, sign): e for s, t, sign, e in kb.to_edges().itertuples(index=False, name=None)}
    perturbation = {g: int(v) for g, v in zip(kb.genes, x[0], strict=True) if v}
    if not perturbation:
        return
    said = kb.deduction(x[:1], k)
    for j, gene in enumerate(kb.genes):
        table = kb.explain(perturbation, gene, k, limit=10**6)
        assert list(table.columns) == ["sign", "length", "path", "evidence"]
        assert (len(table) > 0) == said.reached[0, j]
        assert table["length"].is_monotonic_increasing
        if gene in perturbation:
            assert table["sign"].tolist() == [perturbation[gene]]
            assert table["length"].tolist() == [0]
            continue
        found = []
        for sign, length, path, evidence in table.itertuples(index=False, name=None):
            stops, arrows = STEP.split(path)[::2], STEP.split(path)[1::2]
            first, direction = stops[0][:-1], {"+": 1, "-": -1}[stops[0][-1]]
            stops[0] = first
            steps = [1 if arrow == "→" else -1 for arrow in arrows]
            assert perturbation[first] == direction
            assert stops[-1] == gene
            assert len(steps) == length <= k
            assert direction * np.prod(steps) == sign
            edges = list(zip(stops, stops[1:], steps, strict=False))
            assert evidence == "; ".join(known[edge] for edge in edges)
            assert all(a != b for a, b, _ in edges)
            found.append((first, *edges))
        assert len(found) == len(set(found))
        wanted = sum(end == gene for g in perturbation for end, *_ in walks(kb, g, k))
        assert len(found) == wanted


def test_explain_takes_names_and_writes_them():
    edges = frame(("b1", "b2", 1), ("b2", "b3", -1), evidence=["footprint", "array"])
    names = {"b1": "fnr", "b2": "narX", "b3": "narG"}
    kb = KnowledgeBase.from_edges(edges, names=names)
    table = kb.explain({"FNR": -1}, "narG", k=2)
    assert table.to_numpy().tolist() == [[1, 2, "fnr- → narX ⊣ narG", "footprint; array"]]
    assert kb.explain({"b1": -1}, "b3", k=2).equals(table)
    assert kb.explain({"fnr": -1}, "narG", k=1).empty
    own = kb.explain({"fnr": 1}, "fnr")
    assert own.to_numpy().tolist() == [[1, 0, "fnr+", "perturbed itself"]]


def test_explain_stops_at_the_limit_with_the_shortest():
    kb = network(("a", "b", 1), ("b", "a", 1), ("a", "c", 1), ("b", "c", -1))
    full = kb.explain({"a": 1}, "c", k=7, limit=100)
    cut = kb.explain({"a": 1}, "c", k=7, limit=3)
    assert full["length"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    pd.testing.assert_frame_equal(cut, full.head(3))


def test_explain_is_quick_where_walks_are_beyond_number():
    genes = [f"g{i}" for i in range(30)]
    edges = [(a, b, 1) for a in genes for b in genes if a != b]
    kb = network(*edges)
    assert len(kb.explain({"g0": -1}, "g9", k=20, limit=5)) == 5


def test_explain_refuses_unknown_genes_and_directions():
    kb = network(("a", "b", 1))
    with pytest.raises(ValueError, match="gene 'z' is neither an id nor a name"):
        kb.explain({"z": 1}, "b")
    with pytest.raises(ValueError, match="gene 'z' is neither an id nor a name"):
        kb.explain({"a": 1}, "z")
    with pytest.raises(ValueError, match="gene 'a' is perturbed by 3; use -1"):
        kb.explain({"a": 3}, "b")
    with pytest.raises(ValueError, match="k is 0"):
        kb.explain({"a": 1}, "b", k=0)


# -------------------------------------------------------------------------- noise and hiding


@pytest.fixture(scope="module")
def truth() -> KnowledgeBase:
    return simulate(90, 15, seed=4).truth


def pairs_of(kb: KnowledgeBase) -> set[tuple[str, str]]:
    return {(s, t) for s, t, _ in triples(kb) if s != t}


def loops_of(kb: KnowledgeBase) -> set[Edge]:
    return {e for e in triples(kb) if e[0] == e[1]}


@pytest.mark.parametrize("noise", [0.1, 0.4, 0.9, 1.0])
def test_corruption_follows_the_protocol_on_pairs(truth, noise):
    noisy = truth.corrupt(noise=noise, seed=3)
    before, after = pairs_of(truth), pairs_of(noisy)
    assert len(before - after) == round(noise / 2 * len(before))
    added = {e for e in triples(noisy) if e[:2] not in before and e[0] != e[1]}
    assert {e[:2] for e in added} == after - before
    for sign in (1, -1):
        assert sum(e[2] == sign for e in added) == round(noise / 4 * len(before))
    kept = {e for e in triples(truth) if e[:2] in after}  # a dual pair goes or stays as one
    assert kept | added | loops_of(truth) == triples(noisy)
    assert loops_of(noisy) == loops_of(truth) != set()
    assert noisy.genes == truth.genes
    assert noisy.regulators == truth.regulators


def test_no_noise_is_no_change_and_a_seed_is_a_seed(truth):
    assert truth.corrupt(noise=0) == truth
    assert truth.corrupt(0.4, seed=1) == truth.corrupt(0.4, seed=1)
    assert truth.corrupt(0.4, seed=1) != truth.corrupt(0.4, seed=2)


def test_rows_that_run_empty_stay():
    kb = network(("a", "b", 1), ("c", "d", 1), ("c", "e", 1), ("c", "f", -1))
    for seed in range(6):
        assert kb.corrupt(1.0, seed).regulators == ("a", "c")
        visible, _ = kb.hold_out(1.0, seed)
        assert visible.regulators == ("a", "c")
        assert visible.closure(3).positive.shape == (2, 6)
        assert visible.n_edges == 0


def test_false_edges_fall_on_every_empty_place_alike():
    kb = network(*(("a", t, 1) for t in "cd"), *(("b", t, -1) for t in "ef"), genes="abcdef")
    runs, added = 250, 2  # 4 pairs, noise 1: one activation and one inhibition a run
    hits = {(s, t): 0 for s in "ab" for t in "abcdef" if s != t}
    for edge in pairs_of(kb):
        del hits[edge]
    for seed in range(runs):
        for place in pairs_of(kb.corrupt(1.0, seed)) - pairs_of(kb):
            hits[place] += 1  # a KeyError here: a place that was not empty
    expected = runs * added / len(hits)
    assert sum(hits.values()) == runs * added
    assert all(abs(count - expected) < 5 * np.sqrt(expected) for count in hits.values())


def test_corrupt_refuses():
    full = network(("a", "b", 1), ("b", "a", 1), ("a", "c", 1), ("b", "c", 1))
    with pytest.raises(ValueError, match="2 edges would be added but only 0 places are empty"):
        full.corrupt(1.0)
    for noise in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"noise is .*give 0 to 1"):
            full.corrupt(noise)


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_hold_out_splits_the_pairs(truth, share):
    visible, hidden = truth.hold_out(share, seed=5)
    hidden_edges = set(hidden[["source", "target", "sign"]].itertuples(index=False, name=None))
    assert hidden_edges | triples(visible) == triples(truth)
    assert not hidden_edges & triples(visible)
    assert not {e[:2] for e in hidden_edges} & pairs_of(visible)
    assert len({e[:2] for e in hidden_edges}) == round(share * len(pairs_of(truth)))
    assert visible.genes == truth.genes
    assert visible.regulators == truth.regulators
    assert loops_of(visible) == loops_of(truth)
    assert list(hidden.columns) == list(truth.to_edges().columns)
    assert truth.hold_out(share, seed=5)[0] == visible
    with pytest.raises(ValueError, match="share is 2; it is a share of the network's pairs"):
        truth.hold_out(2)


def runs_by_walking(kb: KnowledgeBase, order: list[str]) -> list[set[tuple[str, str]]]:
    """Runs found by walking along the genome once per regulator."""
    found: list[set[tuple[str, str]]] = []
    for source in kb.regulators:
        targets = {t for s, t, _ in triples(kb) if s == source and t != source}
        going = False
        for gene in order:
            if gene == source:
                continue  # its own gene does not break a run
            if gene in targets:
                found += [] if going else [set()]
                found[-1].add((source, gene))
            going = gene in targets
        found += [{(source, t)} for t in targets if t not in order]
    return found


@SOME
@given(kb=networks(max_edges=20), data=st.data())
def test_hold_out_hides_whole_runs(kb, data):
    placed = data.draw(st.lists(st.sampled_from(kb.genes), unique=True))
    share, seed = data.draw(st.floats(0, 1)), data.draw(st.integers(0, 20))
    visible, hidden = kb.hold_out(share, seed, placed)
    gone = pairs_of(kb) - pairs_of(visible)
    assert gone == {(s, t) for s, t in zip(hidden["source"], hidden["target"], strict=True)}
    runs = runs_by_walking(kb, placed)
    assert all(run <= gone or not run & gone for run in runs)
    wanted = round(share * len(pairs_of(kb)))
    longest = max((len(run) for run in runs), default=0)
    assert wanted <= len(gone) < wanted + max(longest, 1)
    assert loops_of(visible) == loops_of(kb)
    assert visible.regulators == kb.regulators
    assert kb.hold_out(share, seed, placed)[0] == visible


def test_hold_out_draws_every_run_alike():
    kb = network(*(("a", t, 1) for t in "bcdfh"), genes="abcdefgh")  # runs bcd, f, h
    hits = dict.fromkeys(("bcd", "f", "h"), 0)
    for seed in range(300):
        gone = "".join(
            sorted(t for _, t in pairs_of(kb) - pairs_of(kb.hold_out(0.2, seed, "abcdefgh")[0]))
        )
        hits[gone] += 1  # one run is enough for a fifth of five pairs
    assert all(70 < count < 130 for count in hits.values())


def test_hold_out_refuses_an_order_that_is_none():
    kb = network(("a", "b", 1), ("a", "c", 1))
    with pytest.raises(ValueError, match="gene 'b' stands twice in `order`"):
        kb.hold_out(0.5, order=["b", "b", "c"])
    with pytest.raises(ValueError, match="gene 'z' of `order` is not among the network's genes"):
        kb.hold_out(0.5, order=["b", "z"])


# ------------------------------------------------------------------------------ with_state


@FEW
@given(kb=networks())
def test_states_there_and_back(kb):
    again = kb.with_state(kb.state)
    assert again == kb
    both = ["source", "target", "sign", "evidence"]
    wanted = kb.to_edges().sort_values(both).reset_index(drop=True)
    pd.testing.assert_frame_equal(again.to_edges().sort_values(both).reset_index(drop=True), wanted)
    state = state_of(kb.r_pos.toarray(), kb.r_neg.toarray())
    npt.assert_array_equal(kb.state.toarray(), state)
    assert kb.state.dtype == state.dtype == np.int8
    assert kb.with_state(state) == kb
    words = {
        (s, t): STATES[kb.state[kb.regulators.index(s), kb.genes.index(t)]]
        for s, t, _ in triples(kb)
        if s != t
    }
    assert kb.pairs().to_dict() == words
    assert triples(kb.with_state(0 * state)) == loops_of(kb)


def test_states_of_another_shape_are_refused():
    kb = KnowledgeBase.from_edges(frame(("a", "b", 1)), ["a", "b", "c"])
    with pytest.raises(ValueError, match=r"the states have shape \(3, 1\); give \(1, 3\)"):
        kb.with_state(np.zeros((3, 1), np.int8))


def test_edits_keep_evidence_of_what_stays_and_label_what_is_new():
    kb = KnowledgeBase.from_edges(
        frame(("a", "b", 1), ("a", "c", -1), ("a", "a", -1), evidence=["blot", "array", "blot"]),
        ["a", "b", "c", "d"],
    )
    edited = kb.with_state(np.array([[1, 1, 0, 3]]), "loop 1")
    assert sorted(edited.to_edges().itertuples(index=False, name=None)) == [
        ("a", "a", -1, "blot"),  # the +1 asked for on the diagonal is no regulation
        ("a", "b", 1, "blot"),
        ("a", "d", -1, "loop 1"),
        ("a", "d", 1, "loop 1"),
    ]
    assert len(kb.to_edges()) == 3
    assert edited.genes == kb.genes
    npt.assert_array_equal(edited.deduce([[1, 0, 0, 0]], 1), [[1, 1, 0, 0]])


# ------------------------------------------------------------------------------ inconsistency


@FEW
@given(case=networks_with_inputs(), k=st.integers(1, 3), seed=st.integers(0, 10**6))
def test_inconsistency_counts_cell_by_cell(case, k, seed):
    kb, x = case
    rng = np.random.default_rng(seed)
    genes = list(rng.permutation(kb.genes)[: rng.integers(1, len(kb.genes) + 1)])
    y = rng.integers(-1, 2, (len(x), len(genes)))
    observed = rng.random(y.shape) < 0.8
    table = kb.inconsistency(x, y, observed, genes=genes, k=k)
    said = kb.deduction(x, k)
    for b in range(len(x)):
        wanted = dict.fromkeys(table.columns, 0)
        for j, gene in enumerate(genes):
            g = kb.genes.index(gene)
            delta, reached = int(said.delta[b, g]), bool(said.reached[b, g])
            if x[b, g] or not observed[b, j]:
                continue
            wanted["inc"] += delta != y[b, j]
            if y[b, j] == 0:
                wanted["unsupported"] += delta != 0
            elif delta == y[b, j]:
                wanted["consistent"] += 1
            elif delta:
                wanted["conflicting"] += 1
            else:
                wanted["ambiguous" if reached else "not_reached"] += 1
        assert table.iloc[b].to_dict() == wanted


def test_inconsistency_refuses_other_shapes_and_genes():
    kb = network(("a", "b", 1), ("b", "c", 1))
    x = [[1, 0, 0]]
    with pytest.raises(ValueError, match="gene 'z' is measured but not in the network"):
        kb.inconsistency(x, [[0]], genes=["z"])
    with pytest.raises(ValueError, match=r"the responses have shape \(1, 2\)"):
        kb.inconsistency(x, [[0, 1]])
    with pytest.raises(ValueError, match=r"`observed` has shape \(1, 2\)"):
        kb.inconsistency(x, [[0, 1, 0]], [[True, True]])


# --------------------------------------------------------------------------- reading a table


def test_genes_default_to_regulators_then_targets_as_they_appear():
    kb = network(("c", "z", 1), ("a", "c", 1), ("c", "b", -1), ("a", "y", 1))
    assert kb.genes == ("c", "a", "z", "b", "y")
    assert kb.regulators == ("c", "a")


def test_genes_given_decide_the_order_of_everything():
    kb = network(("c", "z", 1), ("a", "c", 1), genes="zqac")
    assert kb.genes == tuple("zqac")
    assert kb.regulators == ("a", "c")
    npt.assert_array_equal(kb.regulator_index, [2, 3])
    npt.assert_array_equal(kb.r_pos.toarray(), [[0, 0, 0, 1], [1, 0, 0, 0]])
    assert kb.r_pos.dtype == bool
    assert kb.r_neg.nnz == 0


def test_edges_come_back_as_they_went_in():
    edges = frame(
        ("a", "b", 1), ("a", "b", -1), ("b", "b", 1), ("b", "c", -1), evidence=list("wxyz")
    )
    kb = KnowledgeBase.from_edges(edges)
    pd.testing.assert_frame_equal(kb.to_edges(), edges, check_dtype=False)
    assert (kb.n_edges, kb.n_pairs) == (4, 3)
    assert kb.report["self-loops"] == 1
    copy = kb.to_edges()
    copy.loc[0, "target"] = "changed"
    assert kb.to_edges().loc[0, "target"] == "b"
    assert repr(kb) == "KnowledgeBase(3 genes, 2 regulators, 4 signed edges on 3 pairs)"


def test_weight_is_accepted_for_sign():
    weights = frame(("a", "b", 1), ("a", "c", 1)).drop(columns="sign").assign(weight=[0.3, -2.5])
    assert triples(KnowledgeBase.from_edges(weights)) == {("a", "b", 1), ("a", "c", -1)}
    with pytest.raises(ValueError, match=r"row 1 of the network \(a → c\) has weight"):
        KnowledgeBase.from_edges(weights.assign(weight=[0.3, 0.0]))


def test_more_regulators_may_be_named_than_have_edges():
    kb = KnowledgeBase.from_edges(frame(("a", "b", 1)), list("dcba"), regulators=["c"])
    assert kb.regulators == ("c", "a")
    with pytest.raises(ValueError, match="regulator 'q' is not among the 4 genes"):
        KnowledgeBase.from_edges(frame(("a", "b", 1)), list("dcba"), regulators=["q"])


def test_unknown_genes_are_an_error_or_dropped_aloud():
    edges = frame(("a", "b", 1), ("a", "x", 1), ("y", "b", -1))
    with pytest.raises(
        ValueError, match=r"row 1 of the network \(a → x\) names the gene 'x'.*2 such"
    ):
        KnowledgeBase.from_edges(edges, ["a", "b"])
    with pytest.warns(UserWarning, match="2 rows with unknown genes dropped"):
        kb = KnowledgeBase.from_edges(edges, ["a", "b"], unknown="drop")
    assert triples(kb) == {("a", "b", 1)}
    assert kb.report["rows with unknown genes dropped"] == 2


def test_repeated_rows_are_kept_once_aloud():
    edges = frame(("a", "b", 1), ("a", "c", 1), ("a", "b", 1))
    with pytest.warns(UserWarning, match="1 repeated rows"):
        kb = KnowledgeBase.from_edges(edges)
    assert kb.n_edges == 2
    assert kb.report["repeated rows"] == 1


def test_a_clean_table_is_read_in_silence():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network(("a", "b", 1), ("a", "b", -1), ("a", "a", 1))


@pytest.mark.parametrize(
    ("table", "kind", "message"),
    [
        ([("a", "b", 1)], TypeError, "the network is a list; give a pandas DataFrame of edges"),
        (
            frame(("a", "b", 1)).rename(columns={"source": "tf"}),
            ValueError,
            r"lacks the column source \(it has tf, target, sign\); rename yours",
        ),
        (
            frame(("a", "b", 1)).drop(columns=["sign", "target"]),
            ValueError,
            "lacks the columns target, sign",
        ),
        (frame(("a", "b", 2)), ValueError, r"row 0 of the network \(a → b\) has sign .*2.*use \+1"),
        (frame(("a", "b", 0)), ValueError, "has sign .*0.*two rows for dual regulation"),
        (frame(("a", "b", float("nan"))), ValueError, "has sign .*nan"),
        (frame(("a", "b", "+")), ValueError, r"has sign .*\+.*; use \+1"),
        (frame(("a", None, 1)), ValueError, "row 0 of the network names no gene; fill or drop it"),
        (
            frame(("a", "b", 1), ("c", "b", 1), ("a", "b", 1), evidence=["blot", "x", "array"]),
            ValueError,
            r"a → b \(\+1\) is listed twice, in rows 0 and 2, .*'blot' / 'array'",
        ),
    ],
)
def test_a_bad_table_is_refused_in_one_sentence(table, kind, message):
    with pytest.raises(kind, match=message) as fault:
        KnowledgeBase.from_edges(table)
    assert "\n" not in str(fault.value)


def test_bad_gene_lists_and_options_are_refused():
    edges = frame(("a", "b", 1))
    with pytest.raises(ValueError, match="`genes` lists 'a' twice; every gene has one column"):
        KnowledgeBase.from_edges(edges, ["a", "b", "a"])
    with pytest.raises(ValueError, match="unknown='skip' is not a choice; use 'error' or 'drop'"):
        KnowledgeBase.from_edges(edges, unknown="skip")


# --------------------------------------------------------------------------- names and masks


def test_genes_are_found_by_id_first_then_by_name():
    names = {"b1": "fnr", "b2": "dup", "b3": "Dup", "b4": "b1", "gone": "lost"}
    kb = KnowledgeBase.from_edges(frame(("b1", "b2", 1)), ["b1", "b2", "b3", "b4"], names=names)
    assert kb.gene_id("b1") == "b1"
    assert kb.gene_id("FNR") == "b1"
    with pytest.raises(ValueError, match="gene name 'dup' belongs to b2, b3; use the id you mean"):
        kb.gene_id("dup")
    with pytest.raises(
        ValueError, match="gene 'lost' is neither an id nor a name of the network's 4"
    ):
        kb.gene_id("lost")
    row = kb.encode({"fnr": -1, "b3": 1})
    assert row.dtype == np.int8
    npt.assert_array_equal(row.toarray(), [[-1, 0, 1, 0]])
    with pytest.raises(ValueError, match="gene 'fnr' is perturbed by 5; use -1"):
        kb.encode({"fnr": 5})


def test_scored_cells_are_observed_and_not_a_perturbed_genes_own():
    kb = network(("a", "b", 1), ("b", "c", 1))
    x = [[1, 0, 0], [0, -1, 1]]
    npt.assert_array_equal(kb.scored_cells(x), [[False, True, True], [True, False, False]])
    npt.assert_array_equal(kb.scored_cells(x, ["c", "a"]), [[True, False], [False, True]])
    seen = [[False, True], [True, True]]
    npt.assert_array_equal(kb.scored_cells(x, ["c", "a"], seen), [[False, False], [False, True]])
    npt.assert_array_equal(kb.columns(["c", "a"]), [2, 0])


def test_equality_is_about_genes_regulators_and_signed_edges():
    kb = network(("a", "b", 1), ("a", "c", -1))
    assert kb == network(("a", "c", -1), ("a", "b", 1), genes="abc")
    assert kb != network(("a", "c", 1), ("a", "b", 1), genes="abc")
    assert kb != network(("a", "b", 1), ("a", "c", -1), genes="acb")
    assert kb != KnowledgeBase.from_edges(kb.to_edges(), regulators=["b"])
    assert kb == KnowledgeBase.from_edges(kb.to_edges().assign(evidence="else"))
    assert kb != "a network"
    with pytest.raises(TypeError, match="unhashable"):
        hash(kb)
