"""Training on responses without what controls share: what changes, and what must not."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import aligned as al
from aligned.config import Config
from aligned.data import Bundle
from companion.engine import Plan
from companion.main_results import report as main_report
from companion.main_results.control_adjusted import (
    FITTED,
    TRAINED_ON,
    calls_to_train_on,
    run_adjusted,
)


@pytest.fixture
def toy() -> ad.AnnData:
    """Four knock-outs, three genes. a, b and c share a control that is low in the first gene."""
    change = np.array([[1.5, 0, -2.0], [1.5, 1.2, 0], [1.4, 0, 0], [1.6, 0.9, 0]])
    calls = np.where(np.abs(change) >= 1.2, np.sign(change), 0).astype(np.int8)
    return ad.AnnData(
        calls,
        obs=pd.DataFrame(
            {"controls": ["w", "w", "w", "v"], "split": ["train", "train", "train", "test"]},
            index=list("abcd"),
        ),
        obsm={"perturbation": sp.csr_matrix(np.eye(4, 5, dtype="int8"))},
        layers={"logfc": change, "observed": np.ones((4, 3), bool)},
    )


def test_what_a_control_moves_in_all_its_conditions_is_no_response(toy) -> None:
    found = calls_to_train_on(toy, "control-adjusted")
    assert found.tolist() == [[0, 0, -1], [0, 1, 0], [0, 0, 0], [1, 0, 0]]


def test_held_out_responses_are_neither_changed_nor_subtracted(toy) -> None:
    assert (calls_to_train_on(toy, "as measured") == toy.X).all()
    for kind in TRAINED_ON:
        assert (calls_to_train_on(toy, kind)[3] == toy.X[3]).all()
    before = calls_to_train_on(toy, "control-adjusted")
    toy.obs.loc["d", "controls"] = "w"  # the test condition now shares the control
    toy.layers["logfc"][3] = 0.0
    assert (calls_to_train_on(toy, "control-adjusted")[:3] == before[:3]).all()


def test_an_unknown_kind_is_named(toy) -> None:
    with pytest.raises(ValueError, match="there are no responses 'x'; use some of 'as measured'"):
        calls_to_train_on(toy, "x")


def test_every_method_is_compared_with_itself_trained_as_measured() -> None:
    sim = al.simulate(n_genes=60, n_regulators=12, seed=3)
    sim.data.obs["controls"] = [f"c{i % 6}" for i in range(sim.data.n_obs)]
    bundle = Bundle(
        sim.data, sim.kb, None, sim.go_counts, sim.gene_sets, {}, {"k": 1, "rule": "boolean"}
    )
    config = Config(n_networks=1, network_steps=2, align_steps=2)
    scores = run_adjusted(bundle, config, Plan(("perturbation",), (0,), 2, 1), 20).scores
    assert len(scores) == len(TRAINED_ON) * (len(FITTED) + 2)
    assert (scores.loc[scores["trained_on"] == "as measured", ["gain", "gain_low"]] == 0).all(None)
    by = scores.set_index(["method", "trained_on"])
    for method, kind in by.index:
        expected = by.loc[(method, kind), "f_d"] - by.loc[(method, "as measured"), "f_d"]
        assert by.loc[(method, kind), "gain"] == pytest.approx(expected)
    assert (scores["low"] <= scores["high"]).all()
    shown = main_report.adjusted_rows(scores)
    assert len(shown) == len(FITTED) + 2
    assert list(shown.columns[3:]) == [
        "fold changes, change", "control-adjusted, change", "best"
    ]  # fmt: skip
