"""Calls, thresholds and inner folds, each recomputed by another road."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.testing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from aligned.config import Config
from aligned.decisions import (
    CALLED_SHARES,
    best_threshold,
    class_frequencies,
    decide,
    inner_folds,
    objective,
)

SOME = settings(max_examples=60, deadline=None)


def probabilities(b: int, m: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.moveaxis(rng.dirichlet((1, 4, 1), (b, m)), 2, 1).astype(np.float32)


def responses(b: int, m: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice([-1, 0, 1], (b, m), p=[0.2, 0.6, 0.2])


def score(prediction: np.ndarray, y: np.ndarray, cells: np.ndarray) -> float:
    flat = (v[cells] for v in (y, prediction))
    return f1_score(*flat, labels=[-1, 0, 1], average="macro", zero_division=0)


# -------------------------------------------------------------------------------------- calls


@SOME
@given(st.integers(0, 10_000), st.floats(0.05, 0.95))
def test_a_call_is_the_likelier_direction_above_the_threshold(seed: int, tau: float) -> None:
    p = probabilities(3, 5, seed)
    called = decide(p, tau)
    assert called.dtype == np.int8
    for i, j in np.ndindex(called.shape):
        down, up = p[i, 0, j], p[i, 2, j]
        expected = 0 if max(down, up) <= tau else (1 if up > down else -1)
        assert called[i, j] == expected


@SOME
@given(st.integers(0, 10_000))
def test_without_a_threshold_the_most_probable_class_is_called(seed: int) -> None:
    p = probabilities(4, 6, seed)
    npt.assert_array_equal(decide(p, None), p.argmax(axis=1) - 1)


def test_a_lower_threshold_calls_more_and_never_otherwise() -> None:
    p = probabilities(5, 40, 0)
    calls = [decide(p, tau) for tau in (0.1, 0.2, 0.4, 0.8)]
    for loose, strict in pairwise(calls):
        kept = strict != 0
        npt.assert_array_equal(loose[kept], strict[kept])
        assert (loose != 0).sum() > kept.sum()


@pytest.mark.parametrize("gamma", [1.0, 2.0])
def test_the_objective_is_data_or_balanced_consistency(gamma: float) -> None:
    prediction, y, yardstick = (responses(4, 30, seed) for seed in (0, 1, 2))
    counted = np.random.default_rng(3).random((4, 30)) < 0.7
    f_d, f_k = score(prediction, y, counted), score(prediction, yardstick, counted)
    args = (prediction.astype(np.int8), y, counted, yardstick)
    assert objective(*args, Config(objective="f_d")) == pytest.approx(f_d)
    balanced = (0.5 * f_d**-gamma + 0.5 * f_k**-gamma) ** (-1 / gamma)
    assert objective(*args, Config(gamma=gamma)) == pytest.approx(balanced)


# --------------------------------------------------------------------------------- thresholds


@pytest.mark.parametrize("goal", ["f_d", "balance"])
@pytest.mark.parametrize("seed", range(4))
def test_the_threshold_is_the_best_of_its_grid(seed: int, goal: str) -> None:
    b, m = 6, 50
    p, y, yardstick = probabilities(b, m, seed), responses(b, m, seed), responses(b, m, seed + 9)
    y = np.where(p[:, 2] > 0.3, 1, y)  # so that there is something to find
    counted = np.random.default_rng(seed).random((b, m)) < 0.8
    config = Config(objective=goal)
    tau = best_threshold(p, y, counted, yardstick, config)
    strength = np.maximum(p[:, 0], p[:, 2])[counted]
    results = {}
    for share in CALLED_SHARES:
        candidate = float(np.quantile(strength, 1 - share))
        called = np.where(np.maximum(p[:, 0], p[:, 2]) > candidate, 1, 0)
        called = called * np.where(p[:, 2] > p[:, 0], 1, -1)
        f_d, f_k = score(called, y, counted), score(called, yardstick, counted)
        both = 0.0 if min(f_d, f_k) == 0 else ((f_d**-2 + f_k**-2) / 2) ** -0.5
        results[candidate] = f_d if goal == "f_d" else both
    assert tau in results
    assert results[tau] == pytest.approx(max(results.values()))


def test_what_finishes_a_call_takes_part_in_the_choice() -> None:
    p, y, nowhere = probabilities(5, 60, 1), responses(5, 60, 1), np.zeros((5, 60), np.int8)
    counted, config = np.ones((5, 60), bool), Config(objective="f_d")
    symbols = np.random.default_rng(0).random((5, 60)) < 0.5
    seen = []

    def finish(called: np.ndarray) -> np.ndarray:
        seen.append(called)
        return np.where(symbols, y, called).astype(np.int8)

    tau = best_threshold(p, y, counted, nowhere, config, finish)
    assert len(seen) == len(np.unique(np.quantile(np.maximum(p[:, 0], p[:, 2]), 1 - CALLED_SHARES)))
    finished = [score(finish(called), y, counted) for called in list(seen)]
    assert score(finish(decide(p, tau)), y, counted) == pytest.approx(max(finished))
    assert best_threshold(p, y, counted, nowhere, config, lambda _: y.astype(np.int8)) == min(
        np.quantile(np.maximum(p[:, 0], p[:, 2]), 1 - CALLED_SHARES)
    )  # if calls do not matter, the first threshold of the grid is as good as any


def test_cells_that_do_not_count_do_not_sway_the_threshold() -> None:
    p, y, yardstick = probabilities(6, 40, 4), responses(6, 40, 4), responses(6, 40, 5)
    counted = np.random.default_rng(6).random((6, 40)) < 0.6
    tau = best_threshold(p, y, counted, yardstick, Config())
    wild_y, wild_k = np.where(counted, y, -1), np.where(counted, yardstick, 1)
    wild_p = np.where(counted[:, None], p, np.float32(0.33))
    assert best_threshold(wild_p, wild_y, counted, wild_k, Config()) == tau


# -------------------------------------------------------------------------------- inner folds


@SOME
@given(
    st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=30).filter(
        lambda g: len(set(g)) > 1
    ),
    st.integers(2, 6),
    st.integers(0, 5),
)
def test_inner_folds_keep_groups_whole_and_even(names: list[str], count: int, seed: int) -> None:
    groups = np.array(names, dtype=object)
    fold = inner_folds(groups, count, seed)
    assert fold.shape == groups.shape
    n_groups = len(set(names))
    assert set(fold) == set(range(min(count, n_groups)))  # no fold is empty
    sizes = {g: names.count(g) for g in names}
    for g in sizes:
        assert len(set(fold[groups == g])) == 1
    load = np.bincount(fold)
    # largest first to the smallest fold: the fullest exceeds the emptiest by one group at most
    assert load.max() - load.min() <= max(sizes.values())
    npt.assert_array_equal(fold, inner_folds(groups, count, seed))


def test_equal_groups_are_dealt_evenly_and_by_seed() -> None:
    groups = np.array([f"g{i}" for i in range(12)], dtype=object)
    dealt = [inner_folds(groups, 3, seed) for seed in range(4)]
    assert all(np.bincount(fold).tolist() == [4, 4, 4] for fold in dealt)
    assert any((fold != dealt[0]).any() for fold in dealt[1:])


def test_the_order_of_conditions_does_not_matter() -> None:
    groups = np.array(list("aabbbcdde"), dtype=object)
    shuffled = np.random.default_rng(0).permutation(len(groups))
    fold = inner_folds(groups, 3, 1)
    npt.assert_array_equal(inner_folds(groups[shuffled], 3, 1), fold[shuffled])


def test_one_group_cannot_be_split() -> None:
    with pytest.raises(ValueError, match=r"one group.*add conditions, or set decision='argmax'"):
        inner_folds(np.array(["a", "a"], dtype=object), 3, 0)


# -------------------------------------------------------------------------------- frequencies


@SOME
@given(st.integers(0, 10_000), st.sampled_from((0.0, 2.0, 10.0)))
def test_frequencies_are_smoothed_counts(seed: int, prior: float) -> None:
    rng = np.random.default_rng(seed)
    b, m = int(rng.integers(1, 6)), int(rng.integers(1, 6))
    y, observed = responses(b, m, seed), rng.random((b, m)) < 0.7
    observed[0] = True
    overall = [
        (sum(y[i, j] == c for i, j in np.argwhere(observed)) + 1) / (observed.sum() + 3)
        for c in (-1, 0, 1)
    ]
    f = class_frequencies(y, observed, prior)
    assert f.shape == (3, m)
    for j in range(m):
        n = observed[:, j].sum()
        for k, c in enumerate((-1, 0, 1)):
            count = sum(int(y[i, j] == c) for i in range(b) if observed[i, j])
            assert f[k, j] == pytest.approx((count + prior * overall[k]) / (n + prior))


def test_frequencies_sum_to_one_and_stay_positive_without_data() -> None:
    f = class_frequencies(np.zeros((0, 4)), np.zeros((0, 4), bool))
    npt.assert_allclose(f, np.full((3, 4), 1 / 3))
    f = class_frequencies(responses(9, 20, 0), np.ones((9, 20), bool))
    npt.assert_allclose(f.sum(axis=0), 1)
    assert (f > 0).all()
