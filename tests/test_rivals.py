"""The rivals that learn: one interface, no look at a test label, worked examples by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

import aligned as al
from aligned.data.rows import Rows
from aligned.knowledge import KnowledgeBase
from companion.rivals import BASELINES, RIVALS, Additive, BilinearRidge, else_direct_edges
from companion.rivals.bilinear import bilinear_fit
from companion.rivals.context import beside, frequencies_elsewhere
from companion.rivals.similar import mean_calls, similarity

YARDSTICK = {"k": 1, "rule": "boolean"}
Study = tuple[al.Simulation, Rows, Rows]


@pytest.fixture(scope="module")
def study() -> Study:
    sim = al.simulate(n_genes=80, n_regulators=16, seed=3)
    rows = Rows.of(sim.data, sim.kb)
    split = sim.data.obs["split"].to_numpy()
    train, test = (rows.take(np.flatnonzero(split == s)) for s in ("train", "test"))
    return sim, train, test


def fitted(name: str, study: Study, objective: str = "balance"):  # type: ignore[no-untyped-def]
    sim, train, _ = study
    measured = tuple(sim.data.var_names)
    config = al.Config(objective=objective)
    return RIVALS[name](sim.kb, measured, YARDSTICK, config, genome=measured[::-1]).fit(train)


def toy(x: list[list[int]], y: list[list[int]]) -> Rows:
    """Conditions over genes that are all measured, each condition its own group."""
    inputs, labels = sp.csr_array(np.array(x, np.int8)), np.array(y, np.int8)
    seen = np.ones(labels.shape, bool)
    names = np.array([f"c{i}" for i in range(len(labels))], dtype=object)
    controls = tuple(frozenset[str]() for _ in names)
    return Rows(pd.Index(names), inputs, labels, seen, np.array(x) == 0, names, controls)


def small_kb() -> KnowledgeBase:
    edges = pd.DataFrame({"source": ["a", "b"], "target": ["c", "c"], "sign": [1, 1]})
    return KnowledgeBase.from_edges(edges, genes=list("abcd"))


def test_the_trivial_baselines_come_first_and_names_are_their_own() -> None:
    assert list(RIVALS)[: len(BASELINES)] == list(BASELINES)
    assert all(kind.name == name and kind.description for name, kind in RIVALS.items())
    assert len({kind.description for kind in RIVALS.values()}) == len(RIVALS)


@pytest.mark.parametrize("objective", ["f_d", "balance"])
@pytest.mark.parametrize("name", RIVALS)
def test_every_rival_is_ternary_repeatable_and_never_sees_a_test_label(
    name: str, objective: str, study: Study
) -> None:
    _, _, test = study
    rival = fitted(name, study, objective)
    prediction = rival.predict(test)
    assert prediction.dtype == np.int8
    assert prediction.shape == test.y.shape
    assert set(np.unique(prediction)) <= {-1, 0, 1}
    assert rival.setting in rival.settings
    rng = np.random.default_rng(0)
    shuffled = dataclasses.replace(
        test,
        y=rng.permutation(test.y.ravel()).reshape(test.y.shape),
        observed=rng.random(test.y.shape) < 0.5,
        counted=rng.random(test.y.shape) < 0.5,
    )
    assert_array_equal(rival.predict(shuffled), prediction)
    assert_array_equal(fitted(name, study, objective).predict(test), prediction)


LEARNERS = [
    n for n in RIVALS
    if n not in {"no change", "direct edges only", "KB only", "random calls at the training rates"}
]  # fmt: skip


@pytest.mark.parametrize("name", LEARNERS)
def test_a_rival_that_learns_depends_on_the_training_labels(name: str, study: Study) -> None:
    sim, train, test = study
    opposite = dataclasses.replace(train, y=(-train.y).astype(np.int8))
    here, there = (
        fitted(name, (sim, rows, test), "f_d").predict(test) for rows in (train, opposite)
    )
    assert (here != there).any()


def test_additive_adds_the_singles_of_a_double() -> None:
    singles = [[-1, 0, 0, 0], [-1, 0, 0, 0], [0, 1, 0, 0]]
    train = toy(singles, [[-1, 0, 1, 1], [-1, 0, 0, 1], [0, 1, 1, -1]])
    means = mean_calls(train)
    assert_allclose(means[((0, -1),)], [-1, 0, 0.5, 1])
    asked = toy([[-1, 1, 0, 0], [-1, 0, 0, 0], [1, 1, 0, 0]], np.zeros((3, 4), int).tolist())
    rival = Additive(small_kb(), tuple("abcd"), YARDSTICK, al.Config())
    settled, called = rival.settled(train, asked)
    # the sum of the means is [-1, 1, 1.5, 0]; the single is seen; of the last, one single is not
    assert_array_equal(called[:2], [[-1, 1, 1, 0], [-1, 0, 1, 1]])
    assert_array_equal(settled.all(axis=1), [True, True, False])
    assert not settled[2].any()


def test_bilinear_weights_solve_the_ridge_problem_by_another_road() -> None:
    rng = np.random.default_rng(0)
    y, g, p = rng.normal(size=(6, 5)), rng.normal(size=(6, 2)), rng.normal(size=(5, 2))
    tall = np.kron(p, g)  # vec(G W P') = (P ⊗ G) vec(W)
    exact = np.linalg.lstsq(tall, y.T.ravel(), rcond=None)[0].reshape(2, 2).T
    assert_allclose(bilinear_fit(y, g, p, ridge=1e-12), exact, atol=1e-8)
    assert_allclose(bilinear_fit(2 * np.ones((1, 1)), np.ones((1, 1)), np.ones((1, 1)), 1.0), 0.5)


def test_the_bilinear_model_by_hand() -> None:
    """a and b move each other and c, up or down with the perturbation; the mean response is 0.

    YᵀY has the eigenvector (1, 1, 2, 0) with value 6, so g is just that (own cells left out of Y).
    Perturbations embed as p = (1, -1, 1, -1); gᵀg = 6, pᵀp = 4, gᵀYp = 12, and with λ = 2
    W = 12 / (8 · 6) = ¼. Perturbing c, embedded as 2, then gives ½ g.
    """
    x = [[0, 1, 0, 0], [0, -1, 0, 0], [1, 0, 0, 0], [-1, 0, 0, 0]]
    y = [[1, 1, 1, 0], [-1, -1, -1, 0], [1, 1, 1, 0], [-1, -1, -1, 0]]
    rival = BilinearRidge(small_kb(), tuple("abcd"), YARDSTICK, al.Config())
    asked = toy([[0, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 1]], np.zeros((3, 4), int).tolist())
    found = rival.expected(toy(x, y), asked, components=1, ridge=2.0)
    assert_allclose(found, [[0.5, 0.5, 1, 0], [0.5, 0.5, 1, 0], [0, 0, 0, 0]], atol=1e-12)


def test_the_network_says_which_perturbations_are_alike() -> None:
    x = sp.csr_array(np.array([[1, 0, 0, 0], [0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1]], np.int8))
    alike = similarity(small_kb(), x, x)
    # a = (itself, target c), b = (itself, target c): one of two entries shared
    assert_allclose(alike[0], [1, 0.5, -1, 0], atol=1e-12)


def test_neighbours_on_the_genome_do_not_wrap_and_follow_its_order() -> None:
    place = np.array([2, 0, 1])  # gene 2 lies first, then 0, then 1
    assert_array_equal(beside([[0, 0, 1]], place, 1), [[1, 0, 0]])
    assert_array_equal(beside([[0, 0, 1]], place, 9), [[1, 1, 0]])


def test_a_training_condition_does_not_see_its_own_response(study: Study) -> None:
    _, train, _ = study
    own = train.groups == train.groups[0]
    other = dataclasses.replace(train, y=np.where(own[:, None], -train.y, train.y).astype(np.int8))
    for a, b in zip(
        frequencies_elsewhere(train, train), frequencies_elsewhere(other, train), strict=True
    ):
        assert_array_equal(a[own], b[own])
        assert (a[~own] != b[~own]).any()


def test_kb_only_copies_the_yardstick_exactly_where_it_says_so(study: Study) -> None:
    sim, _, test = study
    rival = fitted("KB only", study)
    said = sim.kb.deduce(test.x, **YARDSTICK)[:, rival.columns]
    assert rival.copies_yardstick
    assert_array_equal(rival.predict(test), said)
    assert not fitted("class frequencies", study).copies_yardstick


def test_direct_edges_speak_first(study: Study) -> None:
    sim, _, test = study
    columns = sim.kb.columns(list(sim.data.var_names))
    said = sim.kb.deduce(test.x, k=1)[:, columns]
    found = else_direct_edges(np.ones_like(said), test, sim.kb, columns)
    assert_array_equal(found, np.where(said != 0, said, 1))


def test_chance_calls_as_often_as_the_training_conditions(study: Study) -> None:
    _, train, test = study
    called = fitted("random calls at the training rates", study).predict(test)
    rate = (train.y[train.counted] != 0).mean()
    spread = 4 * np.sqrt(rate * (1 - rate) / called.size)
    assert abs((called != 0).mean() - rate) < spread
