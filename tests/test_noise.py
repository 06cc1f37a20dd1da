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
    NoiseSettings,
    NoiseTables,
    connected,
    interval,
    run_noise,
    summarise,
)
from companion.recovery import edge_scores, repair_scores
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


@pytest.fixture(scope="module")
def tables() -> NoiseTables:
    return run_noise(TINY, progress=False)


def without_seconds(tables: NoiseTables) -> list[pd.DataFrame]:
    return [
        getattr(tables, field.name).drop(columns="seconds", errors="ignore")
        for field in dataclasses.fields(tables)
    ]


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
    one = refine(noisy, x, y, k=k)
    two = refine(turned, x[:, order], y[:, order], k=k)
    assert one.objective_after == pytest.approx(two.objective_after)
    key = ["source", "target", "before", "after"]
    same = one.edits[key].merge(two.edits[key])
    assert len(same) >= 0.95 * max(len(one.edits), len(two.edits))  # ties may fall differently
    assert edge_scores(one.kb, truth, k)["closure_f1"] == pytest.approx(
        edge_scores(
            KnowledgeBase.from_edges(
                two.kb.to_edges(), genes=truth.genes, regulators=truth.regulators
            ),
            truth,
            k,
        )["closure_f1"]
    )


def degenerate() -> dict[str, KnowledgeBase]:
    columns = ["source", "target", "sign"]
    rng = np.random.default_rng(0)
    everything = [(a, b, int(rng.choice([-1, 1]))) for a in "abcdef" for b in "abcdef" if a != b]
    positive = [("a", "b", 1), ("b", "c", 1), ("a", "d", 1), ("c", "e", 1)]
    return {
        "one gene": KnowledgeBase.from_edges(
            pd.DataFrame([], columns=columns), genes="a", regulators="a"
        ),
        "no edge": KnowledgeBase.from_edges(
            pd.DataFrame([], columns=columns), genes="abc", regulators="ab"
        ),
        "no negatives": KnowledgeBase.from_edges(pd.DataFrame(positive, columns=columns)),
        "complete graph": KnowledgeBase.from_edges(pd.DataFrame(everything, columns=columns)),
    }


@pytest.mark.parametrize("name", degenerate())
@pytest.mark.parametrize("k", [1, 3])
def test_degenerate_networks_end_well_in_every_method(name: str, k: int) -> None:
    truth = degenerate()[name]
    noise = 0.0 if name in ("one gene", "complete graph") else 0.5
    job = {
        "kind": "recovery",
        "table": "scores",
        "perturbed": 1.0,
        "error": 0.0,
        "replicates": 1,
        "k": k,
        "noise": noise,
        "seed": 0,
        "methods": list(METHODS),
        "orders": 1,
        "published_iterations": 5,
        "topology": True,
    }
    rows = run_job(job, truth, None)
    by = {row["method"]: row for row in rows["scores"]}
    assert set(by) == set(METHODS)
    if noise == 0:
        assert by["aligned"]["n_edits"] == by["aligned"]["shd"] == 0


def test_without_regulators_there_is_nothing_to_refine() -> None:
    empty = pd.DataFrame({"source": [], "target": [], "sign": []})
    kb = KnowledgeBase.from_edges(empty, genes="abc")
    with pytest.raises(ValueError, match="no row of the evidence perturbs a regulator"):
        refine(kb, [[1, 0, 0]], [[0, 1, 0]])


# ------------------------------------------------------------------------------------- pieces


def test_a_random_network_is_as_ordered() -> None:
    kb = random_network(400, 60, 1000, seed=2)
    assert (len(kb.genes), len(kb.regulators), kb.n_pairs, kb.r_neg.nnz) == (400, 60, 1000, 500)
    assert (kb.to_edges()["source"] != kb.to_edges()["target"]).all()
    out = kb.to_edges()["source"].value_counts().reindex(kb.regulators, fill_value=0)
    assert scipy.stats.chisquare(out).pvalue > 1e-4
    hubs = random_network(400, 60, 1000, seed=2, spread=1.75).to_edges()["source"].value_counts()
    assert hubs.iloc[0] > 3 * out.max()
    noisy = [kb.corrupt(0.4, seed) for seed in range(3)]
    assert edge_scores(noisy[0], kb)["network_f1"] == pytest.approx(0.86, abs=0.01)
    with pytest.raises(ValueError, match="at most 6 edges"):
        random_network(4, 2, 7)
    with pytest.raises(ValueError, match="spread is -1"):
        random_network(spread=-1)


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
    frame = pd.DataFrame(rows, columns=["source", "target", "sign"])
    kb = connected(KnowledgeBase.from_edges(frame, genes="abcde", regulators="abd"))
    assert (kb.genes, kb.regulators, kb.n_edges) == (("a", "b"), ("a", "b"), 2)


def test_intervals_are_scipys() -> None:
    values = pd.Series([0.9, 0.95, 0.97, 0.91])
    mean, low, high = interval(values)
    expected = scipy.stats.ttest_1samp(values, 0).confidence_interval()
    assert (mean, low, high) == pytest.approx((values.mean(), expected.low, expected.high))
    assert np.isnan(interval(values[:1])[1])
    assert np.isnan(interval(values[:0])).all()


def test_differences_are_paired_by_seed(tables: NoiseTables) -> None:
    here = tables.scores[tables.scores["noise"] == 0.4].set_index(["method", "seed"])
    row = tables.summary[
        (tables.summary["noise"] == 0.4)
        & (tables.summary["method"] == "aligned")
        & (tables.summary["metric"] == "closure_f1")
    ].iloc[0]
    difference = here.loc["aligned", "closure_f1"] - here.loc["noisy", "closure_f1"]
    expected = scipy.stats.ttest_1samp(difference, 0).confidence_interval()
    found = row[["vs_noisy", "vs_noisy_low", "vs_noisy_high"]].tolist()
    assert found == pytest.approx([difference.mean(), expected.low, expected.high])
    assert row["n_seeds"] == 2


def test_summaries_of_one_seed_have_no_interval(tables: NoiseTables) -> None:
    one = summarise(tables.scores[tables.scores["seed"] == 0], ["network", "k", "noise"])
    assert one["low"].isna().all()
    assert one["mean"].notna().any()


# ------------------------------------------------------------------------------------- tables


def test_the_tables_are_whole(tables: NoiseTables) -> None:
    assert len(tables.scores) == 2 * 2 * len(METHODS)  # levels, seeds
    assert set(METRICS) < set(tables.scores.columns)
    assert set(tables.summary["metric"]) == set(METRICS)
    assert len(tables.thin) == (2 + 2) * 2 * len(METHODS)
    assert len(tables.harmless) == 3 * 2
    assert set(tables.topology["state"]) == {"original", "noisy", "refined"}
    shares = [m for m in METRICS if m not in ("shd", "n_edits", "invented")]
    assert tables.scores[shares].stack().between(0, 1).all()


def test_without_noise_nothing_changes(tables: NoiseTables) -> None:
    ours = tables.scores[(tables.scores["noise"] == 0) & (tables.scores["method"] == "aligned")]
    assert (ours[["n_edits", "shd"]] == 0).all(axis=None)
    assert (ours[["network_f1", "closure_f1"]] == 1).all(axis=None)
    exact = tables.harmless[tables.harmless["responses"] == "exact"]
    assert (exact["n_edits"] == 0).all()


def test_scores_are_those_of_a_run_by_hand(tables: NoiseTables) -> None:
    truth = random_network(50, 10, 90, seed=1)
    noisy = truth.corrupt(0.4, 1)
    x = single_overexpressions(truth)
    found = refine(noisy, x, truth.deduce(x, 2), k=2, seed=1)
    where = (tables.scores["noise"] == 0.4) & (tables.scores["seed"] == 1)
    by = tables.scores[where].set_index("method")
    for method, kb in (("aligned", found.kb), ("l1, no polish", found.thresholded)):
        expected = {**edge_scores(kb, truth, 2), **repair_scores(kb, noisy, truth)}
        for metric, value in expected.items():
            assert by.loc[method, metric] == pytest.approx(value), (method, metric)
    assert by.loc["aligned", "n_edits"] == len(found.edits)


def test_results_do_not_depend_on_the_number_of_processes(tables: NoiseTables) -> None:
    two = run_noise(dataclasses.replace(TINY, n_jobs=2), progress=False)
    for one, other in zip(without_seconds(tables), without_seconds(two), strict=True):
        assert_frame_equal(one, other)


def test_a_kept_run_is_read_again_and_a_change_of_code_is_noticed(
    tables: NoiseTables, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = dataclasses.replace(TINY, perturbed=(), errors=(), n_rewired=0)
    first = run_noise(small, cache=tmp_path, progress=False)
    n_files = len(list(tmp_path.glob("*.json")))
    assert n_files == 2 * (2 + 3)  # seeds × (levels, harmless)
    monkeypatch.setattr(noise_jobs, "_compare", None)  # would fail if anything ran
    again = run_noise(small, cache=tmp_path, progress=False)
    for one, other in zip(without_seconds(first), without_seconds(again), strict=True):
        assert_frame_equal(one, other)
    assert_frame_equal(first.scores, again.scores)
    monkeypatch.setattr("companion.noise.run.fingerprint", lambda modules: "another")
    with pytest.raises(TypeError):
        run_noise(small, cache=tmp_path, progress=False)


def test_a_given_truth_is_used_for_all_seeds() -> None:
    truth = random_network(30, 6, 40, seed=9)
    few = dataclasses.replace(
        TINY, network="mine", perturbed=(), errors=(), methods=("noisy",), n_rewired=2
    )
    found = run_noise(few, truth=truth, progress=False)
    assert found.scores["network"].unique().tolist() == ["mine"]
    noisy = found.scores.query("noise == 0.4").set_index("seed")["closure_f1"]
    for seed in (0, 1):
        assert noisy[seed] == pytest.approx(
            edge_scores(truth.corrupt(0.4, seed), truth, 2)["closure_f1"]
        )
    assert found.topology["null_mean"].notna().all()


def test_tables_return_from_disk(tables: NoiseTables, tmp_path) -> None:
    folder = save_tables(tables, tmp_path / "noise", {"seed": 0})
    back, record = load_tables(NoiseTables, folder)
    assert record["seed"] == 0
    assert back.scores["method"].tolist() == tables.scores["method"].tolist()
    assert noise_report.answer(back) == noise_report.answer(tables)
    assert noise_report.example_sentence(back) == noise_report.example_sentence(tables)


def test_the_example_is_a_repaired_pair_and_its_cells_are_explained_by_it(
    tables: NoiseTables,
) -> None:
    truth = random_network(50, 10, 90, seed=0)
    noisy = truth.corrupt(0.4, 0)
    row = tables.example.iloc[0]
    pair = (row["source"], row["target"])
    corrupted = noisy.changes_to(truth).set_index(["source", "target"])
    assert corrupted.loc[pair].tolist() == [row["before"], row["after"]]
    x = single_overexpressions(truth)
    y = truth.deduce(x, 2)
    refined = refine(noisy, x, y, k=2).kb.deduce(x, 2)
    for _, cell in tables.example.iterrows():
        i = truth.regulators.index(cell["perturbed"])
        j = truth.genes.index(cell["gene"])
        assert y[i, j] == refined[i, j] == cell["response"] == cell["after_edit"]
        assert cell["before_edit"] != cell["response"]
    assert len(tables.example) >= row["n_cells"]


# ------------------------------------------------------------------------------------- report


def test_the_report_shows_the_tables_numbers(tables: NoiseTables) -> None:
    table = noise_report.noise_table(tables, 2)
    assert table["method"].tolist() == [method.label for method in METHODS.values()]
    ours = tables.summary.query("method == 'aligned' and metric == 'network_f1' and noise == 0.4")
    assert table.loc[1, "40%"].startswith(f"{ours['mean'].iloc[0]:.3f} [")
    scores = noise_report.score_table(tables, 2, 0.4)
    assert len(scores) == len(METHODS)
    text = noise_report.answer(tables)
    assert f"{ours['vs_noisy'].iloc[0]:+.3f}" in text
    assert "0 of 2 where the network is true already" in text
    assert "nan" not in text
    with pytest.raises(ValueError, match="no row has k = 7; there are: 2"):
        noise_report.noise_table(tables, 7)


def test_rows_to_draw_have_a_label_a_mean_and_an_interval(tables: NoiseTables) -> None:
    for rows in (
        noise_report.curve_rows(tables, 2),
        noise_report.thin_rows(tables, "perturbed"),
        noise_report.thin_rows(tables, "errors", "closure_f1"),
    ):
        assert {"label", "mean", "low", "high"} <= set(rows.columns)
    rows = noise_report.topology_rows(tables, "modularity", 2)
    assert set(rows["state"]) == {"noisy", "refined"}
    intact = rows[rows["noise"] == 0]
    assert (intact["mean"] == intact["original"]).all()
    assert "degree assortativity" in noise_report.topology_sentence(tables, 2, 0.4)


def made_up(lows: list[float], curve: str, levels: list[float]) -> NoiseTables:
    rows = pd.DataFrame({"level": levels, "vs_noisy_low": lows})
    rows = rows.assign(
        curve=curve, metric="network_f1", method="aligned", vs_noisy=0.1, vs_noisy_high=0.2
    )
    empty = pd.DataFrame()
    return NoiseTables(empty, empty, empty, empty, rows, empty, empty)


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
    lows: list[float], curve: str, levels: list[float], said: str
) -> None:
    assert re.search(said, noise_report.thin_sentence(made_up(lows, curve, levels), curve))


def test_settings_are_checked_in_words_that_mend() -> None:
    for options, message in (
        ({"levels": ()}, "levels is empty"),
        ({"levels": (1.5,)}, "levels holds 1.5"),
        ({"methods": ("magic",)}, "'magic' is unknown"),
        ({"ks": (0,)}, "ks holds 0"),
        ({"perturbed": (0.0,)}, "perturbed holds 0"),
        ({"n_rewired": 1}, "no spread"),
        ({"replicates": 0}, "replicates holds 0"),
    ):
        with pytest.raises(ValueError, match=message):
            NoiseSettings(**options)
    full = NoiseSettings.full("ecoli", seeds=[3])
    assert (full.seeds, full.orders, full.to_dict()["network"]) == ((3,), 3, "ecoli")


def test_every_figure_draws_on_the_axes_it_is_given(tables: NoiseTables) -> None:
    axes = Figure().subplots(1, 3)
    k = int(tables.scores["k"].iloc[0])
    rows = noise_report.curve_rows(tables, k)
    assert plot.plot_recovery(rows, axes[0]) is axes[0]
    assert len(axes[0].get_lines()) == rows["method"].nunique()
    plot.plot_topology(noise_report.topology_rows(tables, "modularity", k), axes[1])
    assert {"original", "noisy", "refined"} <= {line.get_label() for line in axes[1].get_lines()}
    thin = noise_report.thin_rows(tables, "errors")
    plot.plot_thin(thin, axes[2])
    assert len(axes[2].get_lines()) == thin["method"].nunique()
