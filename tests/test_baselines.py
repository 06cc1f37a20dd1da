"""The trivial rivals: what each one may know, and that it is tuned on inner folds only."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import aligned as al
from aligned.data.rows import Rows
from aligned.decisions import class_frequencies, decide
from companion.rivals import BASELINES, SharedControl

YARDSTICK = {"k": 2, "rule": "boolean"}


@pytest.fixture(scope="module")
def study() -> tuple[al.Simulation, Rows, Rows]:
    sim = al.simulate(n_genes=80, n_regulators=16, seed=3)
    rows = Rows.of(sim.data, sim.kb)
    split = sim.data.obs["split"].to_numpy()
    return (
        sim,
        rows.take(np.flatnonzero(split == "train")),
        rows.take(np.flatnonzero(split == "test")),
    )


def fitted(name: str, study: tuple[al.Simulation, Rows, Rows], **changes: object):  # type: ignore[no-untyped-def]
    sim, train, _ = study
    measured = tuple(sim.data.var_names)
    return BASELINES[name](sim.kb, measured, YARDSTICK, al.Config(**changes)).fit(train)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_predicts_ternary_and_never_looks_at_test_labels(name, study) -> None:
    _, _, test = study
    baseline = fitted(name, study)
    prediction = baseline.predict(test)
    assert prediction.dtype == np.int8
    assert prediction.shape == test.y.shape
    blind = Rows(
        test.names, test.x, np.zeros_like(test.y), test.observed, test.counted, test.groups,
        test.controls,
    )  # fmt: skip
    assert_array_equal(baseline.predict(blind), prediction)


def test_no_change_and_direct_edges_are_what_they_say(study) -> None:
    sim, _, test = study
    assert not fitted("no change", study).predict(test).any()
    said = sim.kb.deduce(test.x, k=1)
    assert_array_equal(fitted("direct edges only", study).predict(test), said)


def test_frequencies_are_the_training_frequencies_at_the_tuned_threshold(study) -> None:
    _, train, test = study
    baseline = fitted("class frequencies", study)
    p = class_frequencies(train.y, train.observed).astype(np.float32)
    expected = decide(np.broadcast_to(p, (len(test), *p.shape)), baseline.tau)
    assert_array_equal(baseline.predict(test), expected)


def test_direct_edges_win_over_frequencies(study) -> None:
    sim, _, test = study
    baseline = fitted("direct edges, else frequencies", study)
    said, prediction = sim.kb.deduce(test.x, k=1), baseline.predict(test)
    assert_array_equal(prediction[said != 0], said[said != 0])


def test_the_objective_decides_the_threshold(study) -> None:
    by_data = fitted("class frequencies", study, objective="f_d")
    by_balance = fitted("class frequencies", study, objective="balance")
    assert by_data.tau is not None
    assert by_balance.tau is not None


def test_the_leakage_line_is_marked_and_uses_shared_controls_only(study) -> None:
    _, train, test = study
    assert [n for n, kind in BASELINES.items() if kind.leakage] == [SharedControl.name]
    baseline = fitted(SharedControl.name, study)
    apart = Rows(
        test.names, test.x, test.y, test.observed, test.counted, test.groups,
        tuple(frozenset() for _ in test.controls),
    )  # fmt: skip
    p = class_frequencies(train.y, train.observed).astype(np.float32)
    expected = decide(np.broadcast_to(p, (len(test), *p.shape)), baseline.tau)
    assert_array_equal(baseline.predict(apart), expected)
