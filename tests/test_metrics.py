"""Scores against scikit-learn and against arithmetic done by hand."""

from __future__ import annotations

import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, f1_score, precision_score, recall_score

from aligned.knowledge import KnowledgeBase, Rule
from aligned.scores import (
    balanced_consistency,
    bootstrap_weights,
    called_overlap,
    called_precision,
    confusion,
    data_consistency,
    direction_accuracy,
    discrimination,
    f1_from_confusion,
    knowledge_consistency,
    precision_recall,
)

SOME = settings(max_examples=60, deadline=None)
CLASSES = [-1, 0, 1]


@st.composite
def answers(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, prediction and a mask; any class may be missing from either."""
    shape = (draw(st.integers(1, 4)), draw(st.integers(1, 7)))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    share = draw(st.sampled_from(([0, 1, 0], [0.1, 0.9, 0], [0.2, 0.6, 0.2], [0.5, 0, 0.5])))
    y, guess = rng.choice(CLASSES, shape, p=share), rng.choice(CLASSES, shape)
    if draw(st.booleans()):
        guess = np.where(rng.random(shape) < 0.5, y, 0)
    counted = rng.random(shape) < draw(st.sampled_from((0.3, 0.8, 1.0)))
    counted[0, 0] = True
    return y, guess, counted


# -------------------------------------------------------------------------- macro-F1


@SOME
@given(case=answers())
def test_data_consistency_is_scikit_learns_macro_f1(case):
    y, guess, counted = case
    options = {"labels": CLASSES, "average": "macro", "zero_division": 0}
    assert data_consistency(guess, y) == pytest.approx(
        f1_score(y.ravel(), guess.ravel(), **options)
    )
    masked = f1_score(y[counted], guess[counted], **options)
    assert data_consistency(guess, y, counted) == pytest.approx(masked)


@SOME
@given(case=answers())
def test_confusion_counts_each_condition_and_adds_up(case):
    y, guess, counted = case
    counts = confusion(y, guess, counted)
    assert counts.shape == (len(y), 3, 3)
    assert counts.dtype == np.int64
    for row in range(len(y)):
        keep = counted[row]
        wanted = np.zeros((3, 3))
        if keep.any():
            wanted = confusion_matrix(y[row][keep], guess[row][keep], labels=CLASSES)
        npt.assert_array_equal(counts[row], wanted)
    pooled = confusion_matrix(y[counted], guess[counted], labels=CLASSES)
    npt.assert_array_equal(counts.sum(axis=0), pooled)
    npt.assert_array_equal(confusion(y, guess).sum(axis=(1, 2)), y.shape[1])


@SOME
@given(case=answers())
def test_precision_and_recall_are_scikit_learns(case):
    y, guess, counted = case
    precision, recall = precision_recall(confusion(y, guess, counted).sum(axis=0))
    options = {"labels": CLASSES, "average": None, "zero_division": 0}
    npt.assert_allclose(precision, precision_score(y[counted], guess[counted], **options))
    npt.assert_allclose(recall, recall_score(y[counted], guess[counted], **options))


def test_scores_of_many_tables_at_once():
    tables = np.random.default_rng(0).integers(0, 5, (4, 2, 3, 3))
    together = f1_from_confusion(tables)
    assert together.shape == (4, 2)
    for place in np.ndindex(4, 2):
        assert together[place] == f1_from_confusion(tables[place])
    assert f1_from_confusion(np.zeros((3, 3))) == 0
    assert precision_recall(tables)[0].shape == (4, 2, 3)


def test_an_all_zero_prediction_scores_a_third_of_the_zero_class():
    y = np.array([[0] * 94 + [1] * 3 + [-1] * 3])
    assert data_consistency(np.zeros_like(y), y) == pytest.approx(2 * 94 / (94 + 100) / 3)


@pytest.mark.parametrize(
    ("guess", "y", "observed", "message"),
    [
        ([[1, 0]], [[1, 0, 0]], None, r"prediction has shape \(1, 2\), the response \(1, 3\)"),
        ([[1, 0]], [[1, 2]], None, "the truth holds .*2.*scores need -1"),
        ([[1, 0.5]], [[1, 0]], None, r"the prediction holds .*0\.5"),
        ([[1, 0]], [[1, np.nan]], None, "the truth holds .*nan.*marked in `observed`"),
        ([[1, 0]], [[1, 0]], [[True]], r"`observed` has shape \(1, 1\), the response \(1, 2\)"),
    ],
)
def test_scores_refuse_what_they_cannot_count(guess, y, observed, message):
    with pytest.raises(ValueError, match=message):
        data_consistency(guess, y, observed)


# ----------------------------------------------------------------- knowledge consistency


@pytest.fixture
def kb() -> KnowledgeBase:
    edges = pd.DataFrame(
        {"source": ["a", "a", "b", "b"], "target": ["b", "c", "d", "e"], "sign": [1, -1, 1, -1]}
    )
    return KnowledgeBase.from_edges(edges, list("abcde"))


def test_knowledge_consistency_scores_against_the_deduction(kb):
    x = np.array([[1, 0, 0, 0, 0], [0, -1, 0, 0, 0]])
    assert knowledge_consistency(kb.deduce(x, 2), kb, x, k=2) == 1
    rng = np.random.default_rng(0)
    guess = rng.integers(-1, 2, (2, 5))
    counted = x == 0
    wanted = f1_score(
        kb.deduce(x, 2)[counted], guess[counted], labels=CLASSES, average="macro", zero_division=0
    )
    assert knowledge_consistency(guess, kb, x, k=2) == pytest.approx(wanted)


def test_own_and_unobserved_cells_do_not_matter(kb):
    x = np.array([[1, 0, 0, 0, 0], [0, -1, 0, 0, 1]])
    observed = np.array([[1, 1, 0, 1, 1], [1, 1, 1, 0, 1]], dtype=bool)
    guess = np.random.default_rng(1).integers(-1, 2, (2, 5))
    score = knowledge_consistency(guess, kb, x, k=2, observed=observed)
    other = np.where((x != 0) | ~observed, (guess + 2) % 3 - 1, guess)
    assert not np.array_equal(other, guess)
    assert knowledge_consistency(other, kb, x, k=2, observed=observed) == score


def test_genes_name_the_columns_of_the_prediction(kb):
    x = np.array([[1, 0, 0, 0, 0]])
    guess = kb.deduce(x, 2)
    order = ["e", "c", "b"]
    assert knowledge_consistency(guess[:, [4, 2, 1]], kb, x, order, k=2) > 0.6
    swapped = knowledge_consistency(guess[:, [1, 2, 4]], kb, x, order, k=2)
    assert swapped < knowledge_consistency(guess[:, [4, 2, 1]], kb, x, order, k=2)
    with pytest.raises(ValueError, match="gene 'z' is measured but not in the network"):
        knowledge_consistency(guess[:, :1], kb, x, ["z"])
    with pytest.raises(ValueError, match="one row per condition and one column per measured gene"):
        knowledge_consistency(guess[:, :2], kb, x)


def test_the_yardstick_has_its_own_closure(kb):
    x = np.array([[1, 0, 0, 0, 0]])
    direct, two_steps = kb.deduce(x, 1), kb.deduce(x, 2)
    own, other = (knowledge_consistency(guess, kb, x, k=2) for guess in (two_steps, direct))
    assert knowledge_consistency(direct, kb, x, k=1) == 1
    assert own > other
    rule = Rule(2, "majority", margin=0.7)
    by_majority = kb.deduce(x, rule)
    score = knowledge_consistency(by_majority, kb, x, k=rule)
    assert score == knowledge_consistency(direct, kb, x, k=1)


# -------------------------------------------------------------------- balanced consistency


@pytest.mark.parametrize(
    ("fd", "fk", "balanced"),
    [
        (0.3773, 0.3605, 0.3686),  # the paper prints 0.3689 beside these two
        (0.3878, 0.5348, 0.4440),  # and 0.4288 beside these
        (0.5, 0.5, 0.5),
        (1.0, 1.0, 1.0),
    ],
)
def test_balanced_consistency_by_hand(fd, fk, balanced):
    assert balanced_consistency(fd, fk) == pytest.approx(balanced, abs=5e-5)
    assert balanced_consistency(fd, fk) == pytest.approx((fd**-2 / 2 + fk**-2 / 2) ** -0.5)


@SOME
@given(
    fd=st.floats(0.01, 1),
    fk=st.floats(0.01, 1),
    gamma=st.floats(0.1, 8),
    weight=st.floats(0.05, 0.95),
)
def test_balanced_consistency_lies_between_and_leans_to_the_smaller(fd, fk, gamma, weight):
    value = balanced_consistency(fd, fk, gamma, weight)
    assert min(fd, fk) - 1e-9 <= value <= max(fd, fk) + 1e-9
    assert value == pytest.approx(balanced_consistency(fk, fd, gamma, 1 - weight))
    assert value <= balanced_consistency(min(1, fd + 0.1), fk, gamma, weight) + 1e-9
    assert value >= balanced_consistency(fd, fk, gamma + 1, weight) - 1e-9
    assert value <= fd**weight * fk ** (1 - weight) + 1e-9  # the geometric mean is γ → 0


def test_balanced_consistency_at_its_ends():
    assert balanced_consistency(0.3, 0.8, gamma=1e-6) == pytest.approx((0.3 * 0.8) ** 0.5, abs=1e-5)
    assert balanced_consistency(0.3, 0.8, gamma=1) == pytest.approx(2 * 0.3 * 0.8 / 1.1)
    assert balanced_consistency(0.3, 0.8, gamma=200) == pytest.approx(0.3, abs=2e-3)
    assert balanced_consistency(0, 0.9) == balanced_consistency(0.9, 0) == 0
    assert balanced_consistency(0, 0) == 0
    assert isinstance(balanced_consistency(0.2, 0.4), float)
    npt.assert_allclose(
        balanced_consistency([0.2, 0.0, 0.5], 0.5), [balanced_consistency(0.2, 0.5), 0, 0.5]
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"gamma": 0}, "gamma is 0; give a number above 0"),
        ({"gamma": -2}, "gamma is -2"),
        ({"weight": 0}, "weight is 0; it is F_d's share"),
        ({"weight": 1}, "weight is 1"),
        ({"fd": 1.2}, "give numbers from 0 to 1"),
        ({"fk": -0.1}, "give numbers from 0 to 1"),
    ],
)
def test_balanced_consistency_refuses(wrong, message):
    with pytest.raises(ValueError, match=message):
        balanced_consistency(**{"fd": 0.4, "fk": 0.5, **wrong})


# ------------------------------------------------------------------------------ bootstrap


def test_bootstrap_draws_whole_groups_with_replacement():
    groups = np.array(["crp", "fnr", "crp", "arcA", "fnr", "crp"])
    weights = bootstrap_weights(groups, 500, seed=0)
    assert weights.shape == (500, 6)
    assert weights.dtype == np.int64
    for group in np.unique(groups):
        rows = weights[:, groups == group]
        npt.assert_array_equal(rows, rows[:, :1].repeat(rows.shape[1], axis=1))
    firsts = [int(np.flatnonzero(groups == g)[0]) for g in np.unique(groups)]
    npt.assert_array_equal(weights[:, firsts].sum(axis=1), 3)  # as many groups as there are
    npt.assert_allclose(weights.mean(axis=0), 1, atol=0.15)
    assert weights.max() > 1
    assert weights.min() == 0


def test_bootstrap_is_seeded_and_takes_any_labels():
    groups = [3, 1, 3, 2]
    one = bootstrap_weights(groups, 20, seed=4)
    npt.assert_array_equal(one, bootstrap_weights(groups, 20, seed=4))
    assert not np.array_equal(one, bootstrap_weights(groups, 20, seed=5))
    npt.assert_array_equal(bootstrap_weights(["x"], 3, seed=0), [[1], [1], [1]])
    with pytest.raises(ValueError, match="no row to resample; give at least one condition"):
        bootstrap_weights([], 3, seed=0)


def test_bootstrap_of_scores_needs_only_the_counts():
    rng = np.random.default_rng(3)
    y, guess = rng.integers(-1, 2, (6, 40)), rng.integers(-1, 2, (6, 40))
    counts = confusion(y, guess)
    for weights in bootstrap_weights(list("aabbcc"), 5, seed=1):
        by_counts = f1_from_confusion(np.tensordot(weights, counts, axes=1))
        rows = np.repeat(np.arange(6), weights)
        assert by_counts == pytest.approx(data_consistency(guess[rows], y[rows]))


@SOME
@given(st.integers(0, 1000))
def test_the_fields_metrics_by_sets_of_genes(seed):
    rng = np.random.default_rng(seed)
    y, guess = rng.integers(-1, 2, (2, 30))
    called, changed = set(np.flatnonzero(guess)), set(np.flatnonzero(y))
    right = {i for i in called & changed if guess[i] == y[i]}
    counts = confusion(y, guess)[0]
    assert called_overlap(counts) == pytest.approx(len(called & changed) / len(called | changed))
    assert called_precision(counts) == pytest.approx(len(right) / len(called))
    assert direction_accuracy(counts) == pytest.approx(len(right) / len(called & changed))


def test_the_fields_metrics_where_nothing_is_called():
    counts = confusion([[1, 0]], [[0, 0]])[0]
    assert called_overlap(counts) == 0
    assert np.isnan(called_precision(counts))
    assert np.isnan(direction_accuracy(counts))


def test_discrimination_ranks_by_cosine_and_halves_ties():
    rng = np.random.default_rng(5)
    y, guess = rng.integers(-1, 2, (7, 25)), rng.integers(-1, 2, (7, 25))
    seen = rng.random((7, 25)) < 0.9
    alike = np.eye(7, dtype=bool)
    alike[0, 1] = alike[1, 0] = True
    found = discrimination(guess, y, seen, alike)
    for i in range(7):
        cosines = []
        for j in range(7):
            both = seen[i] & seen[j]
            a, b = guess[i][both], y[j][both]
            cosines.append(round(a @ b / np.sqrt((a @ a) * (b @ b)), 9))
        others = [c for j, c in enumerate(cosines) if not alike[i, j]]
        score = np.mean(
            [1.0 if c < cosines[i] else 0.5 if c == cosines[i] else 0.0 for c in others]
        )
        assert found[i] == pytest.approx(score)
    nothing = discrimination(np.zeros_like(guess), y, seen, alike)
    npt.assert_array_equal(nothing, 0.5)
    assert np.isnan(discrimination(guess, y, seen, np.ones((7, 7)))).all()
    same = discrimination(np.tile(guess[:1], (7, 1)), y, np.ones((7, 25)), np.eye(7))
    assert same.mean() == pytest.approx(0.5)  # one answer for all is chance
