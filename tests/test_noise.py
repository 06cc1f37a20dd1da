"""The noise experiment: jobs, tables, sentences; and what refinement must do at the edges."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from matplotlib.figure import Figure
from pandas.testing import assert_frame_equal

from aligned.knowledge import KnowledgeBase
from aligned.refine import refine
from aligned.refine.reference import single_overexpressions
from companion import plot
from companion.noise import jobs as noise_jobs
from companion.noise import report as noise_report
from companion.noise.jobs import METHODS, random_network, run_job, with_errors
from companion.noise.run import (
    METRICS,
    UNBOUNDED,
    NoiseSettings,
    NoiseTables,
    connected,
    run_noise,
    summarise,
)
from companion.recovery import edge_scores, repair_scores
from companion.statistics import over_seeds
from companion.tables import load_tables, save_tables

TINY = NoiseSettings(
    n_genes=50,
    n_regulators=10,
    n_edges=90,
    levels=(0.0, 0.4),
    ks=(2,),
    seeds=(0, 1),
    orders=2,
    n_rewired=3,
    perturbed=(0.5, 1.0),
    errors=(0.0, 0.2),
    published_iterations=20,
    n_jobs=1,
)
PAIR = ["source", "target"]


@pytest.fixture(scope="module")
def tables() -> NoiseTables:
    return run_noise(TINY, progress=False)


def built(rows: list[tuple[str, str, int]], **about: str) -> KnowledgeBase:
    return KnowledgeBase.from_edges(pd.DataFrame(rows, columns=[*PAIR, "sign"]), **about)


def same(one: NoiseTables, other: NoiseTables) -> None:
    for field in dataclasses.fields(NoiseTables):
        both = (
            getattr(t, field.name).drop(columns="seconds", errors="ignore") for t in (one, other)
        )
        assert_frame_equal(*both)


# -------------------------------------------------------------------------------- refinement


@pytest.mark.parametrize("k", [2, 4])
def test_permuting_genes_permutes_the_result(k: int) -> None:
    truth = random_network(60, 10, 120, seed=5)
    noisy = truth.corrupt(0.3, 0)
    order = np.random.default_rng(1).permutation(60)
    genes = [noisy.genes[i] for i in order]
    turned = KnowledgeBase.from_edges(noisy.to_edges(), genes=genes, regulators=noisy.regulators)
    x = single_overexpressions(truth)
    y = truth.deduce(x, k)
    one, two = refine(noisy, x, y, k=k), refine(turned, x[:, order], y[:, order], k=k)
    assert one.objective_after == pytest.approx(two.objective_after)
    key = [*PAIR, "before", "after"]
    shared = one.edits[key].merge(two.edits[key])
    assert len(shared) >= 0.95 * max(len(one.edits), len(two.edits))  # ties may fall differently
    about = {"genes": truth.genes, "regulators": truth.regulators}
    back = KnowledgeBase.from_edges(two.kb.to_edges(), **about)
    f1 = [edge_scores(kb, truth, k)["closure_f1"] for kb in (one.kb, back)]
    assert f1[0] == pytest.approx(f1[1])


SIGNS = np.random.default_rng(0).choice([-1, 1], 30)
COMPLETE = [(a, b) for a in "abcdef" for b in "abcdef" if a != b]


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize(
    ("truth", "noise"),
    [
        pytest.param(built([], genes="a", regulators="a"), 0.0, id="one gene"),
        pytest.param(built([], genes="abc", regulators="ab"), 0.5, id="no edge"),
        pytest.param(
            built([("a", "b", 1), ("b", "c", 1), ("a", "d", 1), ("c", "e", 1)]), 0.5,
            id="no negatives",
        ),
        pytest.param(
            built([(a, b, s) for (a, b), s in zip(COMPLETE, SIGNS, strict=True)]), 0.0,
            id="complete graph",
        ),
    ],
)  # fmt: skip
def test_degenerate_networks_end_well_in_every_method(truth, noise: float, k: int) -> None:
    job = {"kind": "recovery", "table": "scores", "topology": True, "seed": 0, "orders": 1}
    job |= {"methods": list(METHODS), "published_iterations": 5, "k": k, "noise": noise}
    rows = run_job(job | {"perturbed": 1.0, "error": 0.0, "replicates": 1}, truth, None)
    by = {row["method"]: row for row in rows["scores"]}
    assert set(by) == set(METHODS)
    if noise == 0:
        assert by["aligned"]["n_edits"] == by["aligned"]["shd"] == 0


def test_without_regulators_there_is_nothing_to_refine() -> None:
    with pytest.raises(ValueError, match="no row of the evidence perturbs a regulator"):
        refine(built([], genes="abc"), [[1, 0, 0]], [[0, 1, 0]])


# ------------------------------------------------------------------------------------- pieces


def test_a_random_network_is_as_ordered() -> None:
    kb = random_network(400, 60, 1000, seed=2)
    assert (len(kb.genes), len(kb.regulators), kb.n_pairs, kb.r_neg.nnz) == (400, 60, 1000, 500)
    assert (kb.to_edges()["source"] != kb.to_edges()["target"]).all()
    out = kb.to_edges()["source"].value_counts().reindex(kb.regulators, fill_value=0)
    assert scipy.stats.chisquare(out).pvalue > 1e-4
    hubs = random_network(400, 60, 1000, seed=2, spread=1.75).to_edges()["source"].value_counts()
    assert hubs.iloc[0] > 3 * out.max()
    assert edge_scores(kb.corrupt(0.4, 0), kb)["network_f1"] == pytest.approx(0.86, abs=0.01)


def test_wrong_responses_are_as_many_as_ordered_and_spread_evenly() -> None:
    y = np.random.default_rng(0).integers(-1, 2, size=(300, 300)).astype(np.int8)
    wrong = with_errors(y, 0.2, np.random.default_rng(1))
    assert (wrong != y).mean() == pytest.approx(0.2, abs=0.01)
    for value in (-1, 0, 1):
        shown = wrong[(y == value) & (wrong != y)]
        assert set(shown) == {-1, 0, 1} - {value}
        assert np.bincount(shown + 1).max() / len(shown) == pytest.approx(0.5, abs=0.03)
    assert np.array_equal(with_errors(y, 0.0, np.random.default_rng(1)), y)


def test_genes_without_edges_are_dropped_and_self_loops_do_not_save_them() -> None:
    rows = [("a", "b", 1), ("c", "c", 1), ("a", "a", -1)]
    kb = connected(built(rows, genes="abcde", regulators="abd"))
    assert (kb.genes, kb.regulators, kb.n_edges) == (("a", "b"), ("a", "b"), 2)


def test_intervals_are_scipys_and_differences_are_paired_by_seed(tables: NoiseTables) -> None:
    values = pd.Series([0.9, 0.95, 0.97, 0.91])
    expected = scipy.stats.ttest_1samp(values, 0).confidence_interval()
    assert over_seeds(values) == pytest.approx((values.mean(), expected.low, expected.high))
    assert np.isnan(over_seeds(values[:1])[1])
    assert np.isnan(over_seeds(values[:0])).all()
    here = tables.scores[tables.scores["noise"] == 0.4].set_index(["method", "seed"])["closure_f1"]
    which = "noise == 0.4 and method == 'aligned' and metric == 'closure_f1'"
    row = tables.summary.query(which).iloc[0]
    difference = here["aligned"] - here["noisy"]
    expected = scipy.stats.ttest_1samp(difference, 0).confidence_interval()
    found = row[["vs_noisy", "vs_noisy_low", "vs_noisy_high"]].tolist()
    assert found == pytest.approx([difference.mean(), expected.low, expected.high])
    assert row["n_seeds"] == 2
    one = summarise(tables.scores[tables.scores["seed"] == 0], ["network", "k", "noise"])
    assert one["low"].isna().all()
    assert one["mean"].notna().any()


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (random_network, {"n_genes": 4, "n_regulators": 2, "n_edges": 7}, "at most 6 edges"),
        (random_network, {"spread": -1}, "spread is -1"),
        (NoiseSettings, {"levels": ()}, "levels is empty"),
        (NoiseSettings, {"levels": (1.5,)}, "levels holds 1.5"),
        (NoiseSettings, {"methods": ("magic",)}, "'magic' is unknown"),
        (NoiseSettings, {"ks": (0,)}, "ks holds 0"),
        (NoiseSettings, {"perturbed": (0.0,)}, "perturbed holds 0"),
        (NoiseSettings, {"n_rewired": 1}, "no spread"),
        (NoiseSettings, {"replicates": 0}, "replicates holds 0"),
    ],
)
def test_settings_are_checked_in_words_that_mend(make, options, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_full_settings_take_changes() -> None:
    full = NoiseSettings.full("ecoli", seeds=[3])
    assert (full.seeds, full.orders, full.to_dict()["network"]) == ((3,), 3, "ecoli")


# ------------------------------------------------------------------------------------- tables


def test_the_tables_are_whole_and_without_noise_nothing_changes(tables: NoiseTables) -> None:
    assert len(tables.scores) == 2 * 2 * len(METHODS)  # levels, seeds
    assert set(METRICS) < set(tables.scores.columns)
    assert set(tables.summary["metric"]) == set(METRICS)
    assert len(tables.thin) == (2 + 2) * 2 * len(METHODS)
    assert len(tables.harmless) == 3 * 2
    assert set(tables.topology["state"]) == {"original", "noisy", "refined"}
    shares = [m for m in METRICS if m not in UNBOUNDED]
    assert tables.scores[shares].stack().between(0, 1).all()
    ours = tables.scores.query("noise == 0 and method == 'aligned'")
    assert (ours[["n_edits", "shd"]] == 0).all(axis=None)
    assert (ours[["network_f1", "closure_f1"]] == 1).all(axis=None)
    assert (tables.harmless.query("responses == 'exact'")["n_edits"] == 0).all()


def test_scores_are_those_of_a_run_by_hand(tables: NoiseTables) -> None:
    truth = random_network(50, 10, 90, seed=1)
    noisy = truth.corrupt(0.4, 1)
    x = single_overexpressions(truth)
    found = refine(noisy, x, truth.deduce(x, 2), k=2, seed=1)
    by = tables.scores.query("noise == 0.4 and seed == 1").set_index("method")
    for method, kb in (("aligned", found.kb), ("l1, no polish", found.thresholded)):
        expected = {**edge_scores(kb, truth, 2), **repair_scores(kb, noisy, truth)}
        assert by.loc[method, list(expected)].to_dict() == pytest.approx(expected)
    assert by.loc["aligned", "n_edits"] == len(found.edits)


def test_results_do_not_depend_on_the_number_of_processes(tables: NoiseTables) -> None:
    same(tables, run_noise(dataclasses.replace(TINY, n_jobs=2), progress=False))


def test_a_kept_run_is_read_again_and_a_change_of_code_is_noticed(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = dataclasses.replace(TINY, perturbed=(), errors=(), n_rewired=0)
    first = run_noise(small, cache=tmp_path, progress=False)
    assert len(list(tmp_path.glob("*.json"))) == 2 * (2 + 3)  # seeds × (levels, harmless)
    monkeypatch.setattr(noise_jobs, "_compare", None)  # would fail if anything ran
    again = run_noise(small, cache=tmp_path, progress=False)
    same(first, again)
    assert_frame_equal(first.scores, again.scores)
    monkeypatch.setattr("companion.noise.run.fingerprint", lambda modules: "another")
    with pytest.raises(TypeError):
        run_noise(small, cache=tmp_path, progress=False)


def test_a_given_truth_is_used_for_all_seeds() -> None:
    truth = random_network(30, 6, 40, seed=9)
    few = {"network": "mine", "perturbed": (), "errors": (), "methods": ("noisy",), "n_rewired": 2}
    found = run_noise(dataclasses.replace(TINY, **few), truth=truth, progress=False)
    assert found.scores["network"].unique().tolist() == ["mine"]
    noisy = found.scores.query("noise == 0.4").set_index("seed")["closure_f1"].to_dict()
    by_hand = {s: edge_scores(truth.corrupt(0.4, s), truth, 2)["closure_f1"] for s in (0, 1)}
    assert noisy == pytest.approx(by_hand)
    assert found.topology["null_mean"].notna().all()


def test_tables_return_from_disk(tables: NoiseTables, tmp_path) -> None:
    folder = save_tables(tables, tmp_path / "noise", {"seed": 0})
    back, record = load_tables(NoiseTables, folder)
    assert record["seed"] == 0
    assert back.scores["method"].tolist() == tables.scores["method"].tolist()
    for said in (noise_report.answer, noise_report.example_sentence):
        assert said(back) == said(tables)


def test_the_example_is_a_repaired_pair_and_its_cells_are_explained_by_it(
    tables: NoiseTables,
) -> None:
    truth = random_network(50, 10, 90, seed=0)
    noisy = truth.corrupt(0.4, 0)
    row = tables.example.iloc[0]
    corrupted = noisy.changes_to(truth).set_index(PAIR)
    assert corrupted.loc[tuple(row[PAIR])].tolist() == [row["before"], row["after"]]
    x = single_overexpressions(truth)
    y = truth.deduce(x, 2)
    refined = refine(noisy, x, y, k=2).kb.deduce(x, 2)
    for cell in tables.example.itertuples():
        at = truth.regulators.index(cell.perturbed), truth.genes.index(cell.gene)
        assert y[at] == refined[at] == cell.response == cell.after_edit != cell.before_edit
    assert len(tables.example) >= row["n_cells"]


# ------------------------------------------------------------------------------------- report


def test_the_report_shows_the_tables_numbers(tables: NoiseTables) -> None:
    table = noise_report.noise_table(tables, 2)
    assert table["method"].tolist() == [method.label for method in METHODS.values()]
    ours = tables.summary.query("method == 'aligned' and metric == 'network_f1' and noise == 0.4")
    assert table.loc[1, "40%"].startswith(f"{ours['mean'].iloc[0]:.3f} [")
    assert len(noise_report.score_table(tables, 2, 0.4)) == len(METHODS)
    text = noise_report.answer(tables)
    assert f"{ours['vs_noisy'].iloc[0]:+.3f}" in text
    assert "0 of 2 where the network is true already" in text
    assert "nan" not in text
    with pytest.raises(ValueError, match="no row has k = 7; there are: 2"):
        noise_report.noise_table(tables, 7)


@pytest.mark.parametrize(
    ("lows", "curve", "levels", "said"),
    [
        ([-0.1, 0.1, 0.1], "perturbed", [0.1, 0.5, 1.0], "down to 50%.*no longer at 10%"),
        ([0.1, 0.1, -0.1], "errors", [0.0, 0.1, 0.2], "up to 10%.*no longer at 20%"),
        ([0.1, 0.1], "errors", [0.0, 0.1], "throughout, even at 10%"),
        ([-0.1, -0.1], "perturbed", [0.1, 1.0], "does not pay, even at 100%"),
    ],
)
def test_the_sentence_on_thin_evidence_stops_where_the_interval_touches_zero(
    tables: NoiseTables, lows: list[float], curve: str, levels: list[float], said: str
) -> None:
    about = {"curve": curve, "metric": "network_f1", "method": "aligned"}
    rows = pd.DataFrame({"level": levels, "vs_noisy_low": lows})
    rows = rows.assign(**about, vs_noisy=0.1, vs_noisy_high=0.2)
    made_up = dataclasses.replace(tables, thin_summary=rows)
    assert re.search(said, noise_report.thin_sentence(made_up, curve))


def test_every_figure_draws_its_rows_on_the_axes_it_is_given(tables: NoiseTables) -> None:
    axes = Figure().subplots(1, 4)
    drawn = [
        (plot.plot_recovery, noise_report.curve_rows(tables, 2)),
        (plot.plot_thin, noise_report.thin_rows(tables, "perturbed")),
        (plot.plot_thin, noise_report.thin_rows(tables, "errors", "closure_f1")),
    ]
    for ax, (draw, rows) in zip(axes, drawn, strict=False):
        assert {"label", "mean", "low", "high"} <= set(rows.columns)
        assert draw(rows, ax) is ax
        assert len(ax.get_lines()) == rows["method"].nunique()
    rows = noise_report.topology_rows(tables, "modularity", 2)
    intact = rows[rows["noise"] == 0]
    assert (intact["mean"] == intact["original"]).all()
    plot.plot_topology(rows, axes[3])
    assert {"original", *rows["state"]} <= {line.get_label() for line in axes[3].get_lines()}
    assert set(rows["state"]) == {"noisy", "refined"}
    assert "degree assortativity" in noise_report.topology_sentence(tables, 2, 0.4)
