"""The simulated world: its contract, its calibration, and that a seed decides everything."""

from __future__ import annotations

import json

import networkx as nx
import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
import scipy.sparse as sp

from aligned.scores import data_consistency
from aligned.simulate import Simulation, simulate

SIZES = [(200, 30), (400, 60), (800, 100)]


@pytest.fixture(scope="module")
def sim() -> Simulation:
    return simulate(seed=0)


def _dense(sim: Simulation) -> np.ndarray:
    return sim.data.obsm["perturbation"].toarray()


# ------------------------------------------------------------------------------- contract


def test_sizes_and_types_follow_the_contract(sim):
    data = sim.data
    assert data.n_vars == 400
    assert 110 <= data.n_obs <= 130
    assert len(sim.truth.regulators) == len(sim.kb.regulators) == 60
    assert list(data.uns["genes"]) == list(sim.kb.genes) == list(sim.truth.genes)
    assert list(data.var_names) == list(data.uns["genes"])
    assert data.obs_names.is_unique
    assert data.var_names.is_unique
    assert data.X.dtype == np.int8
    assert set(np.unique(data.X)) == {-1, 0, 1}
    assert data.layers["observed"].dtype == bool
    assert data.layers["logfc"].dtype == np.float32
    x = data.obsm["perturbation"]
    assert sp.issparse(x)
    assert x.format == "csr"
    assert x.dtype == np.int8
    assert x.shape == (data.n_obs, 400)
    assert set(x.data) == {-1, 1}
    assert set(data.obs["split"]) == {"train", "test", "excluded"}
    assert (data.obs["n_replicates"] == 3).all()


def test_missing_cells_are_masked_and_hold_no_value(sim):
    observed = sim.data.layers["observed"]
    assert 0.02 < 1 - observed.mean() < 0.04
    assert (sim.data.X[~observed] == 0).all()
    assert np.isnan(sim.data.layers["logfc"][~observed]).all()
    assert np.isfinite(sim.data.layers["logfc"][observed]).all()


def test_calls_follow_the_mean_change_and_the_perturbed_gene_its_perturbation(sim):
    x, y, mean = _dense(sim), sim.data.X, sim.data.layers["logfc"]
    called = y != 0
    assert (np.abs(mean[called]) > 1).all()
    npt.assert_array_equal(np.sign(mean[called]), y[called])
    own = (x != 0) & sim.data.layers["observed"]
    npt.assert_array_equal(y[own], x[own])


def test_perturbation_names_the_genes_in_order_with_their_sign(sim):
    names, x = sim.data.var["name"].to_numpy(), _dense(sim)
    for written, row in zip(sim.data.obs["perturbation"], x, strict=True):
        wanted = [f"{names[j]}{'+' if row[j] > 0 else '-'}" for j in np.flatnonzero(row)]
        assert written == ",".join(wanted)
    assert len({str(n).lower() for n in names}) == 400
    assert dict(zip(sim.data.var_names, names, strict=True)) == sim.kb.names
    assert not set(names) & set(sim.data.var_names)


def test_all_kinds_of_perturbation_are_there(sim):
    x = _dense(sim)
    single, total = (x != 0).sum(axis=1) == 1, x.sum(axis=1)
    knocked, over = x[single & (total == -1)], x[single & (total == 1)]
    assert (knocked[:, :60] != 0).any(axis=0).sum() == 54
    assert (over[:, :60] != 0).any(axis=0).sum() == 20
    assert (knocked[:, 60:] != 0).any(axis=0).sum() == 15  # genes that regulate nothing
    doubles = x[~single]
    assert len(doubles) == 24
    assert {int(s) for s in doubles.sum(axis=1)} == {-2, 0, 2}
    assert (~(x[:, :60] != 0).any(axis=0)).sum() == 6  # regulators nobody touched


def test_split_is_dealt_by_gene_and_by_the_first_gene_of_a_double(sim):
    x, split = _dense(sim), sim.data.obs["split"].to_numpy()
    first = [int(np.flatnonzero(row)[0]) for row in x]
    held_out = {g for g, part in zip(first, split, strict=True) if part == "test"}
    for row, gene, part in zip(x, first, split, strict=True):
        others = set(np.flatnonzero(row).tolist()) - {gene}
        assert (part == "test") == (gene in held_out)
        if part == "train":
            assert not others & held_out
    perturbed = (x != 0).any(axis=0).sum()
    assert len(held_out) <= -(-perturbed // 5)
    assert 0.1 < (split == "test").mean() < 0.3


def test_controls_are_shared_inside_a_batch_and_nowhere_else(sim):
    obs, x = sim.data.obs, _dense(sim)
    samples = obs["controls"].str.split(";").explode()
    batches = obs["batch"].loc[samples.index]
    assert pd.crosstab(samples.to_numpy(), batches.to_numpy()).gt(0).sum(axis=1).eq(1).all()
    assert obs["batch"].nunique() >= 5  # enough components for five folds
    for gene in np.flatnonzero(x.any(axis=0)):
        assert obs["batch"][x[:, gene] != 0].nunique() == 1


def test_shared_controls_leave_shared_noise(sim):
    noise = sim.data.layers["logfc"] - sim.effects.to_numpy()
    noise = np.where(np.isnan(noise), 0, noise)
    batch = sim.data.obs["batch"].to_numpy()
    alike = np.corrcoef(noise)
    same = (batch[:, None] == batch) & ~np.eye(len(batch), dtype=bool)
    assert alike[same].mean() > 0.3
    assert abs(alike[batch[:, None] != batch].mean()) < 0.05


def test_truth_is_a_heavy_tailed_signed_network_with_hierarchy_and_cycles(sim):
    edges = sim.truth.to_edges()
    assert 950 <= sim.truth.n_edges <= 1050
    assert 0.5 < (edges["sign"] == 1).mean() < 0.7
    out_degree = edges["source"].value_counts()
    assert out_degree.max() > 4 * out_degree.median()
    assert out_degree.size == 60
    assert sim.truth.report["dual pairs"] > 5
    assert 1 <= sim.truth.report["self-loops"] <= 10
    among = edges[edges["target"].isin(sim.truth.regulators) & (edges["source"] != edges["target"])]
    graph = nx.DiGraph(list(among[["source", "target"]].itertuples(index=False, name=None)))
    assert len(among) > 60
    assert not nx.is_directed_acyclic_graph(graph)


def test_the_truth_explains_the_data_better_than_the_observed_network(sim):
    x, y = sim.data.obsm["perturbation"], sim.data.X
    scored = sim.kb.scored_cells(x, None, sim.data.layers["observed"])
    by_truth = data_consistency(sim.truth.deduce(x, 2), y, scored)
    observed = data_consistency(sim.kb.deduce(x, 2), y, scored)
    assert by_truth > observed + 0.05


def test_observed_network_is_better_where_genes_are_well_known(sim):
    known = sim.go_counts.reindex(sim.kb.genes)
    wanted = {(s, t): sign for s, t, sign, _ in sim.truth.to_edges().itertuples(index=False)}
    seen = sim.kb.to_edges()
    right = np.array([wanted.get((s, t)) == sign for s, t, sign, _ in seen.itertuples(index=False)])
    famous = (seen["target"].map(known) > known.median()).to_numpy()
    assert right[famous].mean() > right[~famous].mean() + 0.15
    assert set(seen["evidence"]) == {"strong", "weak", "predicted"}
    share = pd.Series(right).groupby(seen["evidence"].to_numpy()).mean()
    assert share["strong"] > share["weak"] > share["predicted"]


def test_go_counts_gene_sets_and_card(sim):
    assert list(sim.go_counts.index) == list(sim.kb.genes)
    assert (sim.go_counts >= 0).all()
    assert sim.go_counts.dtype.kind == "i"
    npt.assert_array_equal(sim.data.var["go_count"], sim.go_counts)
    assert len(sim.gene_sets) >= 5
    members = [g for genes in sim.gene_sets.values() for g in genes]
    assert len(members) == len(set(members))
    assert set(members) <= set(sim.kb.genes)
    names = set(sim.kb.names.values())
    assert all(title.removesuffix(" module") in names for title in sim.gene_sets)
    assert json.loads(json.dumps(sim.card)) == sim.card
    assert {"title", "what", "licence", "citation", "n_conditions"} <= set(sim.card)


def test_data_can_be_written_and_read(sim, tmp_path):
    import anndata as ad

    sim.data.copy().write_h5ad(tmp_path / "demo.h5ad")
    again = ad.read_h5ad(tmp_path / "demo.h5ad")
    npt.assert_array_equal(again.X, sim.data.X)
    assert list(again.uns["genes"]) == list(sim.kb.genes)


# ---------------------------------------------------------------------------- calibration


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", SIZES)
def test_inconsistency_is_what_the_paper_found(size, seed):
    sim = simulate(*size, seed=seed)
    x, y, observed = sim.data.obsm["perturbation"], sim.data.X, sim.data.layers["observed"]
    counts = sim.kb.inconsistency(x, y, observed, k=2, rule="boolean").sum()
    changed = counts[["consistent", "conflicting", "not_reached", "ambiguous"]].sum()
    absent = (counts["not_reached"] + counts["ambiguous"]) / changed
    conflicting = counts["conflicting"] / changed
    assert 0.42 <= absent <= 0.71
    assert conflicting >= 0.14
    assert counts["consistent"] / changed > conflicting + 0.05
    assert sim.card["inconsistency"]["absent"] == pytest.approx(absent, abs=1e-4)
    assert sim.card["inconsistency"]["conflicting"] == pytest.approx(conflicting, abs=1e-4)

    scored = sim.kb.scored_cells(x, None, observed)
    assert 0.04 < (y[scored] != 0).mean() < 0.12
    assert 0.38 < data_consistency(sim.kb.deduce(x, 2), y, scored) < 0.55


def test_class_frequencies_are_a_baseline_not_a_solution(sim):
    train = (sim.data.obs["split"] == "train").to_numpy()
    test = (sim.data.obs["split"] == "test").to_numpy()
    y, observed = sim.data.X, sim.data.layers["observed"]
    scored = sim.kb.scored_cells(sim.data.obsm["perturbation"], None, observed)
    seen = observed[train].sum(axis=0)
    up, down = ((y[train] == s).sum(axis=0) / seen for s in (1, -1))

    def score(threshold: float) -> float:
        guess = np.where(up > threshold, 1, np.where(down > threshold, -1, 0))
        return data_consistency(np.tile(guess, (test.sum(), 1)), y[test], scored[test])

    assert 0.33 < max(score(t) for t in np.arange(0.04, 0.4, 0.04)) < 0.5


def test_aims_can_be_chosen():
    mild = simulate(200, 30, seed=3, absent=0.45, conflicting=0.1).card["inconsistency"]
    assert mild["absent"] == pytest.approx(0.45, abs=0.04)
    assert mild["conflicting"] == pytest.approx(0.1, abs=0.02)


# ----------------------------------------------------------------------------- the seed


def test_same_seed_same_world_and_no_global_state():
    np.random.seed(1)  # noqa: NPY002 (the global state must not matter)
    one = simulate(120, 20, seed=7)
    np.random.seed(2)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    two = simulate(120, 20, seed=7)
    npt.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    npt.assert_array_equal(one.data.X, two.data.X)
    npt.assert_array_equal(one.data.layers["logfc"], two.data.layers["logfc"])
    pd.testing.assert_frame_equal(one.data.obs, two.data.obs)
    pd.testing.assert_frame_equal(one.kb.to_edges(), two.kb.to_edges())
    assert one.truth == two.truth
    assert one.gene_sets == two.gene_sets
    assert one.card == two.card
    pd.testing.assert_series_equal(one.go_counts, two.go_counts)
    npt.assert_array_equal(one.cells(3).X.toarray(), two.cells(3).X.toarray())


def test_another_seed_another_world():
    one, two = simulate(120, 20, seed=0), simulate(120, 20, seed=1)
    assert one.truth != two.truth
    assert not np.array_equal(one.data.X, two.data.X)


def test_only_noise_changes_when_only_noise_is_changed():
    quiet, loud = simulate(120, 20, seed=0, replicate_sd=0.0), simulate(120, 20, seed=0)
    assert quiet.truth == loud.truth
    pd.testing.assert_frame_equal(quiet.effects, loud.effects)
    assert list(quiet.data.obs["split"]) == list(loud.data.obs["split"])


@pytest.mark.parametrize("size", [(30, 10), (60, 12), (90, 30)])
def test_small_worlds_work(size):
    sim = simulate(*size, seed=1)
    assert sim.data.shape[1] == size[0]
    assert {"train", "test"} <= set(sim.data.obs["split"])
    assert sim.kb.n_edges > 0


# ----------------------------------------------------------------------------- single cells


def test_cells_in_the_convention_of_gears(sim):
    cells = sim.cells(n_cells=5, n_control=30, seed=3)
    x = _dense(sim)
    knock_outs = ~(x == 1).any(axis=1)
    assert cells.n_obs == 5 * knock_outs.sum() + 30
    assert sp.issparse(cells.X)
    assert cells.X.dtype == np.float32
    assert (cells.X.data >= 0).all()
    assert (cells.X.data == np.round(cells.X.data)).all()
    labels = cells.obs["condition"]
    assert (labels == "ctrl").sum() == 30
    npt.assert_array_equal(labels == "ctrl", cells.obs["control"] == 1)
    genes = set(cells.var["gene_name"])
    assert all(set(label.split("+")) <= genes | {"ctrl"} for label in labels)
    assert all(label.count("+") == 1 for label in labels if label != "ctrl")
    doubles = labels[~labels.str.contains("ctrl")]
    assert doubles.nunique() == ((x != 0).sum(axis=1)[knock_outs] == 2).sum()
    assert set(cells.obs["perturbation"]) <= {*sim.data.obs_names, "control"}
    assert list(cells.var["name"]) == list(sim.data.var["name"])


def test_cells_of_over_expressions_and_their_effects(sim):
    cells = sim.cells(n_cells=150, sign=1, seed=0)
    assert (cells.obs["condition"] == "ctrl").sum() == 750
    counts = pd.DataFrame(cells.X.toarray(), columns=cells.var_names)
    mean = counts.groupby(cells.obs["perturbation"].to_numpy()).mean()
    measured = np.log2((mean.drop("control") + 0.01) / (mean.loc["control"] + 0.01))
    true = sim.effects.loc[measured.index]
    common = mean.loc["control"] > 1
    fit = np.corrcoef(
        measured.loc[:, common].to_numpy().ravel(), true.loc[:, common].to_numpy().ravel()
    )
    assert fit[0, 1] > 0.9
    for name in measured.index:
        own = name.removeprefix("oe_").split("_oe_")
        assert (measured.loc[name, own] > 1).all()


def test_cells_are_seeded(sim):
    one, two = sim.cells(2, seed=0), sim.cells(2, seed=1)
    assert list(one.obs["condition"]) == list(two.obs["condition"])
    assert (one.X != two.X).nnz > 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_cells": 0}, "n_cells is 0; give a whole number of at least 1"),
        ({"n_control": -1}, "n_control is -1; give a whole number"),
        ({"sign": 0}, "sign is 0; use -1 for knock-outs or 1 for over-expressions"),
        ({"seed": -1}, "seed is -1; give a whole number"),
    ],
)
def test_cells_refuses(sim, wrong, message):
    with pytest.raises(ValueError, match=message):
        sim.cells(**wrong)


# ------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_genes": 50, "n_regulators": 60}, "regulators are some of the genes"),
        ({"n_genes": 60, "n_regulators": 60}, "regulators are some of the genes"),
        ({"n_genes": 100, "n_regulators": 60}, "they need targets: give at least 180 genes"),
        (
            {"n_genes": 40, "n_regulators": 3},
            "n_regulators is 3; give a whole number of at least 10",
        ),
        ({"n_genes": 400.0}, "n_genes is 400.0; give a whole number"),
        ({"n_regulators": True}, "n_regulators is True"),
        ({"seed": -1}, "seed is -1; give a whole number of at least 0"),
        ({"seed": 0.5}, "seed is 0.5"),
        ({"n_replicates": 0}, "n_replicates is 0"),
        ({"n_edges": 10}, "n_edges is 10; give a whole number of at least 300"),
        ({"n_edges": 10_000}, "above a quarter of all places"),
        ({"missing": 1.0}, "missing is 1.0; it is a share of cells"),
        ({"replicate_sd": -0.1}, "replicate_sd is -0.1; a standard deviation"),
        ({"control_sd": float("nan")}, "control_sd is nan; a standard deviation"),
        ({"absent": 0.9, "conflicting": 0.2}, "shares of the same measured changes"),
        ({"absent": float("nan")}, "shares of the same measured changes"),
        ({"conflicting": -0.1}, "shares of the same measured changes"),
    ],
)
def test_bad_sizes_and_shares_are_refused_in_one_sentence(wrong, message):
    with pytest.raises(ValueError, match=message) as fault:
        simulate(**wrong)
    assert "\n" not in str(fault.value)
