"""Predictions of other tools: matched by name, called at a threshold that no test row chose."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import aligned as al
from aligned.config import Config
from aligned.data import Bundle
from aligned.data.rows import Rows

ROOT = Path(__file__).resolve().parents[1]


sys.path.append(str(ROOT / "workflow" / "rivals"))  # the scripts share a module


prepare, compare, shared, train_state = map(
    import_module, ("prepare", "compare", "shared", "train_state")
)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    sim = al.simulate(n_genes=60, n_regulators=12, seed=3)
    return Bundle(
        sim.data, sim.kb, None, sim.go_counts, sim.gene_sets, {}, {"k": 1, "rule": "boolean"}
    )


@pytest.fixture(scope="module")
def roles(bundle) -> pd.DataFrame:
    return prepare.labels_of(bundle, 2, 0)


def written(bundle, roles, path: Path, wrong: bool = False) -> Path:
    """A tool that knows the answers of what is held out (or says the opposite)."""
    y = pd.DataFrame(
        np.asarray(bundle.data.X), bundle.data.obs_names, list(map(str, bundle.data.var_names))
    )
    held = roles[roles["role"] != "train"]
    sign = -1.0 if wrong else 1.0
    parts = [
        pd.DataFrame(
            {"fold": r.fold, "condition": r.condition, "gene": y.columns,
             "effect": sign * y.loc[r.condition].to_numpy()}
        )
        for r in held.itertuples()
    ]  # fmt: skip
    pd.concat(parts).to_csv(path, index=False)
    return path


def test_every_condition_is_tested_once_and_val_shares_no_perturbation_with_train(roles, bundle):
    assert (roles[roles["role"] == "test"]["condition"].value_counts() == 1).all()
    assert set(roles["condition"]) == set(bundle.data.obs_names)
    rows = Rows.of(bundle.data, bundle.kb)
    group = dict(zip(rows.names, rows.groups, strict=True))
    for _, mine in roles.groupby("fold"):
        of = {role: {group[c] for c in part["condition"]} for role, part in mine.groupby("role")}
        assert {"train", "val", "test"} <= set(of) <= {"train", "val", "test", "excluded"}
        assert not of["train"] & of["val"]
        assert not of["test"] & (of["train"] | of["val"])


def test_a_tool_that_knows_the_answers_scores_one(bundle, roles, tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "OBJECTIVES", ("f_d",))
    monkeypatch.setattr(compare, "Config", lambda **k: Config(**k, n_networks=1, align_steps=2,
                                                              network_steps=2))  # fmt: skip
    path = written(bundle, roles, tmp_path / "gears.csv.gz")
    table = compare.scores(bundle, roles, {"gears": path}, 20).set_index("method")
    assert table.loc["GEARS", "f_d"] > 0.99  # missing cells are not called
    assert table.loc["GEARS", "gain_f_d"] == pytest.approx(
        table.loc[compare.OURS, "f_d"] - table.loc["GEARS", "f_d"]
    )
    assert table.loc[compare.OURS, "gain_f_d"] == 0
    assert set(table.index) == {"GEARS", compare.OURS, *compare.BASELINES}


def test_the_threshold_looks_at_val_alone(bundle, roles, tmp_path):
    path = written(bundle, roles, tmp_path / "gears.csv.gz")
    effects = compare.effects_of(path, bundle, roles)["0"]
    rows = Rows.of(bundle.data, bundle.kb)
    role = roles[roles["fold"].astype(str) == "0"].set_index("condition")["role"]
    role = role.reindex(bundle.data.obs_names).to_numpy()
    val = np.flatnonzero(role == "val")
    first = compare.threshold(effects, val, rows, np.zeros_like(rows.y), Config(objective="f_d"))
    effects[role == "test"] = 99.0
    again = compare.threshold(effects, val, rows, np.zeros_like(rows.y), Config(objective="f_d"))
    assert first == again < 1


def test_wrong_conditions_and_genes_are_named(bundle, roles, tmp_path):
    path = written(bundle, roles, tmp_path / "gears.csv.gz")
    table = pd.read_csv(path)
    table.assign(condition="nobody").to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(ValueError, match="does not hold out the condition 'nobody'"):
        compare.effects_of(tmp_path / "a.csv", bundle, roles.astype(str))
    table.assign(gene="x").to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(ValueError, match="none of its genes is measured"):
        compare.effects_of(tmp_path / "b.csv", bundle, roles.astype(str))


@pytest.mark.parametrize(
    ("label", "spelt"),
    [("b+a", "a+b"), ("ctrl+a", "a+ctrl"), ("a", "a+ctrl"), ("control", "ctrl"), ("ctrl", "ctrl")],
)
def test_a_condition_has_one_spelling(label, spelt):
    assert shared.ordered(label) == spelt


def test_state_is_told_gene_sets_and_the_genes_that_training_perturbs():
    terms = pd.DataFrame({"gene": ["a", "a", "b", "c"], "term": ["s", "t", "s", "t"]})
    asked = ["a+ctrl", "b+ctrl", "c+ctrl", "a+c", "d+ctrl", "ctrl"]
    found = train_state.features(asked, ["a+ctrl", "b+ctrl"], terms)
    half = 0.5**0.5
    assert found["a+ctrl"].tolist() == pytest.approx([half, half, 1, 0])
    assert found["b+ctrl"].tolist() == [1, 0, 0, 1]
    assert found["c+ctrl"].tolist() == [0, 1, 0, 0]  # not trained on: its gene sets alone
    assert found["a+c"].tolist() == pytest.approx([half, half + 1, 1, 0])
    assert found["d+ctrl"].tolist() == found["ctrl"].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("data", ["demo", "norman"])
def test_the_committed_scores_hold_every_tool_trained_on_every_fold(data):
    folder = ROOT / "results" / data / "rivals"
    scores = pd.read_csv(folder / "scores.csv")
    record = json.loads((folder / "run.json").read_text())
    assert set(compare.TOOLS.values()) <= set(scores["method"])
    assert set(record["parameters"]["tools"]) == set(compare.TOOLS.values())
    assert not record["commit"].endswith("-dirty")
    for name in compare.TOOLS:
        table = pd.read_csv(folder / f"{name}.csv.gz")
        assert table["fold"].nunique() == record["parameters"]["folds"]
        assert np.isfinite(table["effect"]).all()


def test_our_measures_are_those_of_cell_eval_where_no_tie_is_broken_by_order():
    table = pd.read_csv(ROOT / "results" / "norman" / "rivals" / "cell_eval.csv")
    ranked = (table["measure"].str.startswith("discrimination") & (table["input"] == "calls")) | (
        table["measure"].str.startswith("precision")
    )
    assert (table.loc[~ranked, "max_difference"] < 1e-6).all()
    assert (table.loc[~ranked, "cell_eval"] == table.loc[~ranked, "cell_eval_reversed"]).all()
    assert (table.loc[ranked, "cell_eval"] != table.loc[ranked, "cell_eval_reversed"]).all()
    tied = table[ranked & table["measure"].str.startswith("disc")].iloc[0]
    low, high = sorted([tied["cell_eval"], tied["cell_eval_reversed"]])
    assert tied["ours"] == pytest.approx((low + high) / 2, abs=1e-4)  # a tie counts half
