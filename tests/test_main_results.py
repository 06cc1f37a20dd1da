"""The main comparison: same rows for all, paired differences, honest marks, verdicts by rule."""

from __future__ import annotations

import dataclasses

import anndata
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

import aligned as al
from aligned.data import Bundle, folds
from aligned.data.rows import Rows
from aligned.data.splits import with_split
from companion.claims import scorecard
from companion.engine import seen_in_training
from companion.main_results import report as main_report
from companion.main_results.ceiling import Repeats
from companion.main_results.repeats import repeats_of, resampled, simulated_repeats
from companion.main_results.run import MainSettings, MainTables, run_main
from companion.main_results.tables import BOUNDS, CLEANED, INTEGRATED, MEASURES, OURS, PERFECT
from companion.plot import plot_differences, plot_map, plot_radar
from companion.rivals import RIVALS
from companion.tables import load_tables, save_tables

mpl.use("Agg")

RIVALS_HERE = ("no change", "class frequencies", "direct edges only", "bilinear ridge")
TINY = al.Config(n_networks=1, network_steps=3, align_steps=3, hidden=8)


def bundle_of(sim: al.simulate, twice: bool) -> Bundle:
    """The study, with some perturbations measured in a second condition where asked for."""
    data = sim.data
    if twice:
        again = data[:12].copy()
        again.obs_names = [f"{name}_again" for name in again.obs_names]
        joined = anndata.concat([data, again], merge="same")
        joined.uns.update(data.uns)
        data = joined
    card = {"n_genes": 80, "n_regulators": 15, "seed": 2, "n_replicates": 3}
    return Bundle(data, sim.kb, None, sim.go_counts, {}, card, {"k": 1, "rule": "boolean"})


@pytest.fixture(scope="module")
def sim() -> al.simulate:
    return al.simulate(n_genes=80, n_regulators=15, seed=2)


SETTINGS = MainSettings(
    TINY, ("perturbation", "condition"), (0, 1), 2, rivals=RIVALS_HERE, n_boot=50, n_jobs=1
)


@pytest.fixture(scope="module")
def bundle(sim) -> Bundle:
    return bundle_of(sim, twice=True)


@pytest.fixture(scope="module")
def tables(bundle) -> MainTables:
    calls = np.stack([np.asarray(bundle.data.X)] * 2)
    rows = np.arange(bundle.data.n_obs) < 20
    return MainTables.of(run_main(bundle, SETTINGS, Repeats(calls, rows), progress=False), 50)


# ------------------------------------------------------------------------------------- scores


def test_a_rivals_score_is_that_of_its_predictions(bundle, tables) -> None:
    """Class frequencies, fitted and scored here by hand with scikit-learn."""
    data, measured = bundle.data, tuple(map(str, bundle.data.var_names))
    config = dataclasses.replace(TINY, objective="f_d", seed=1)
    truth, called = [], []
    for _, labels in folds(data, "perturbation", 2, 1).items():
        here = with_split(data, labels)
        rows = Rows.of(here, bundle.kb)
        split = here.obs["split"].astype(str).to_numpy()
        train, test = (rows.take(np.flatnonzero(split == s)) for s in ("train", "test"))
        rival = RIVALS["class frequencies"](bundle.kb, measured, bundle.yardstick, config)
        truth.append(test.y[test.counted])
        called.append(rival.fit(train).predict(test)[test.counted])
    expected = f1_score(
        np.concatenate(truth), np.concatenate(called), labels=[-1, 0, 1], average="macro",
        zero_division=0,
    )  # fmt: skip
    here = tables.per_seed.query("split == 'perturbation' and objective == 'f_d' and seed == 1")
    row = here[here["method"] == "class frequencies"]
    assert row["f_d"].item() == pytest.approx(expected)


def test_bounds_see_the_answers_and_are_no_rivals(bundle, tables) -> None:
    here = tables.scores.query("split == 'perturbation' and subset == 'all'")
    for objective in ("f_d", "balance"):
        f_d = here[here["objective"] == objective].set_index("method")["f_d"]
        assert f_d[PERFECT] >= max(f_d[INTEGRATED], f_d["ALIGNED, neural"])
    rows = Rows.of(bundle.data, bundle.kb)
    measured = bundle.kb.columns(tuple(map(str, bundle.data.var_names)))
    delta = bundle.kb.deduce(rows.x, k=1)[:, measured]
    right = np.where(delta == rows.y, delta, 0)
    expected = f1_score(
        rows.y[rows.counted], right[rows.counted], labels=[-1, 0, 1], average="macro"
    )
    assert f_d[CLEANED] == pytest.approx(expected)
    assert not set(tables.differences["rival"]) & set(BOUNDS)
    shown = main_report.result_rows(tables, "perturbation", "f_d")["method"]
    assert f"{PERFECT} (sees the answers, not a rival)" in set(shown)
    assert not set(main_report.map_rows(tables, "perturbation", "f_d")["method"]) & set(BOUNDS)


def test_tools_stand_beside_ours_with_paired_gains() -> None:
    row = {f"{m}{e}": 0.5 for m in ("f_d", "balanced") for e in ("", "_low", "_high")}
    gain = {f"gain_{m}{e}": 0.1 for m in ("f_d", "balanced") for e in ("", "_low", "_high")}
    scores = pd.DataFrame(
        {"method": m, "objective": o, **row, **gain}
        for m in ("GEARS", INTEGRATED) for o in ("f_d", "balance")
    )  # fmt: skip
    shown = main_report.tool_rows(scores)
    assert shown["ours minus it, F_d"].tolist() == ["+0.100 [+0.100, +0.100]", ""]
    assert main_report.tool_sentences(scores).splitlines() == [
        "- F_d, tuned for it: ours is clearly above *GEARS*",
        "- balanced consistency, tuned for it: ours is clearly above *GEARS*",
        "- F_d of what is tuned for balance: ours is clearly above *GEARS*",
    ]
    scores.loc[scores["objective"] == "balance", "gain_f_d_low"] = -0.1
    scores.loc[scores["objective"] == "balance", ["gain_balanced_low", "gain_balanced_high"]] = -0.2
    _, balanced, tuned = main_report.tool_sentences(scores).splitlines()
    assert balanced.endswith("ours is clearly below *GEARS*")
    assert tuned.endswith("ours is not clearly apart from *GEARS*")


def test_the_settings_of_a_tool_come_from_its_record() -> None:
    tool = {"tool": "cell-gears", "version": "0.1.2", "seconds": 600.0,
            "settings": {"epochs": 10, "set_size": 32}}  # fmt: skip
    text = main_report.tool_settings({"parameters": {"tools": {"GEARS": tool}}})
    assert text == "- *GEARS*, cell-gears 0.1.2: epochs 10, set size 32; 10 minutes for all folds"


def test_the_first_screen_names_the_best_rival_per_split_and_score(tables) -> None:
    lines = main_report.summary_markdown(tables).splitlines()[2:]
    assert len(lines) == 4  # two splits, two scores
    found = tables.differences.query(
        "split == 'perturbation' and objective == 'f_d' and metric == 'f_d' and subset == 'all' "
        "and best and method == @INTEGRATED"
    )
    line = next(x for x in lines if x.startswith("| new knock-outs | data"))
    assert found["rival"].item() in line
    assert f"{found['difference'].item():+.3f}" in line


def test_the_sentences_on_room_and_ideas_come_from_the_tables(tables) -> None:
    text = main_report.bound_sentence(tables)
    row = main_report.rows_of(tables, "perturbation", "f_d").set_index("method").loc[CLEANED]
    assert f"{row['f_d']:.3f}" in text
    ideas = main_report.idea_rows(tables)
    assert set(ideas["method"]) == {"network alone", *list(OURS)[1:], "bilinear ridge"}
    goals = main_report.goal_rows(tables)
    assert goals["goal"].tolist() == ["0.45", "0.54"]
    assert set(goals["reached"]) <= {"yes", "no", "no; the interval does not exclude it"}


def test_every_method_is_scored_for_both_objectives_on_the_same_conditions(tables) -> None:
    here = tables.scores.query("split == 'perturbation' and subset == 'all'")
    assert set(here["method"]) == {*OURS, *RIVALS_HERE, *BOUNDS}
    assert (here.groupby("method")["objective"].nunique() == 2).all()
    assert here["n_conditions"].nunique() == 1


def test_known_perturbations_are_scored_only_where_training_has_them(bundle, tables) -> None:
    here = tables.scores.query("split == 'condition' and subset == 'all'")
    assert 0 < here["n_conditions"].max() <= 24  # twelve perturbations, two conditions each
    rows = Rows.of(bundle.data, bundle.kb)
    first, again = np.arange(12), np.arange(12) + bundle.data.n_obs - 12
    assert seen_in_training(rows.take(first), rows.take(again)).all()
    assert not seen_in_training(rows.take(first), rows.take(np.arange(12, 20))).any()


def test_without_repeated_perturbations_the_split_is_left_out(sim) -> None:
    settings = dataclasses.replace(SETTINGS, seeds=(0,), objectives=("f_d",), rivals=("no change",))
    found = MainTables.of(run_main(bundle_of(sim, twice=False), settings, progress=False), 50)
    assert set(found.scores["split"]) == {"perturbation"}
    assert found.ceiling.empty
    assert "no noise ceiling" in main_report.ceiling_sentence(found)


def test_the_copy_of_the_yardstick_is_marked_and_passes_all_in_knowledge(tables) -> None:
    here = tables.scores.query("split == 'perturbation' and objective == 'balance'")
    here = here[here["subset"] == "all"].set_index("method")
    assert here.loc["direct edges only", "f_k"] == here.loc["direct edges only", "copies_yardstick"]
    assert (here.drop("direct edges only")["copies_yardstick"] == 0).all()
    table = main_report.result_rows(tables, "perturbation", "balance")
    assert "direct edges only (copies the yardstick)" in set(table["method"])


def test_who_calls_nothing_cannot_tell_perturbations_apart(tables) -> None:
    here = tables.scores[tables.scores["method"] == "no change"]
    assert (here["discrimination"] == 0.5).all()
    assert (here["overlap"] == 0).all()
    assert here["direction"].isna().all()


def test_differences_are_differences_and_the_best_rival_is_the_best(tables) -> None:
    scores = tables.scores.set_index(["split", "objective", "subset", "method"]).sort_index()
    for row in tables.differences.itertuples():
        key = (row.split, row.objective, row.subset)
        ours, rival = (scores.loc[(*key, m), row.metric] for m in (row.method, row.rival))
        assert row.difference == pytest.approx(ours - rival, nan_ok=True)
    marked = tables.differences[tables.differences["best"]]
    for row in marked.itertuples():
        rivals = scores.loc[(row.split, row.objective, row.subset)][row.metric]
        assert rivals.loc[list(RIVALS_HERE)].max() == rivals.loc[row.rival]
    counts = marked.groupby(["split", "objective", "subset", "metric", "method"]).size()
    assert (counts == 1).all()
    knowledge = tables.differences.query("metric == 'f_k' and best_open")
    assert "direct edges only" not in set(knowledge["rival"])


def test_the_same_settings_give_the_same_tables(bundle, tables) -> None:
    short = dataclasses.replace(SETTINGS, seeds=(0,), splits=("perturbation",))
    once, twice = (MainTables.of(run_main(bundle, short, progress=False), 50) for _ in range(2))
    pd.testing.assert_frame_equal(once.scores, twice.scores)


# ------------------------------------------------------------------------------------ ceiling


def test_a_repeat_that_agrees_everywhere_is_a_ceiling_of_one(tables) -> None:
    here = tables.ceiling.query("subset == 'all' and metric == 'f_d'")
    assert (here["value"] == 1).all()
    assert (here["n_conditions"] <= 20).all()


def test_a_simulated_study_is_measured_again_with_new_noise() -> None:
    bundle = al.load("demo")
    found = repeats_of("demo", bundle, count=2)
    assert found is not None
    assert found.rows.all()
    assert not np.array_equal(found.calls[0], found.calls[1])
    changed = np.asarray(bundle.data.X) != 0
    assert (found.calls[0][changed] != 0).mean() > 0.5 > (found.calls[0][~changed] != 0).mean()
    other = dataclasses.replace(bundle, card={**bundle.card, "seed": 1})
    assert simulated_repeats(other, 1, 0) is None


def test_resampled_replicates_keep_the_variance_of_a_mean() -> None:
    rng = np.random.default_rng(0)
    replicates = rng.normal(size=(50, 2))
    drawn = np.stack([resampled(replicates, rng).mean(axis=1) for _ in range(3000)])
    # var of a mean of two drawn from two residuals ±d/√2: E = d²/4 = s²/2, the usual estimate
    assert drawn.var(axis=0).mean() == pytest.approx(
        replicates.var(axis=1, ddof=1).mean() / 2, rel=0.1
    )


def test_repeats_of_another_shape_are_refused(bundle) -> None:
    wrong = Repeats(np.zeros((1, 2, 3), np.int8), np.ones(2, bool))
    short = dataclasses.replace(
        SETTINGS, seeds=(0,), splits=("perturbation",), rivals=("no change",)
    )
    with pytest.raises(ValueError, match=r"the repeats have shape \(1, 2, 3\), the data"):
        run_main(bundle, short, wrong, progress=False)


# ------------------------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"splits": ("random",)}, "there is no split 'random'; use some of 'perturbation'"),
        ({"objectives": ("f1",)}, "there is no objective 'f1'"),
        ({"rivals": ("GEARS",)}, "there is no rival 'GEARS'; use some of 'no change'"),
        ({"seeds": ()}, "give at least one split, one seed"),
    ],
)
def test_settings_that_cannot_be_run_are_refused(given, message) -> None:
    with pytest.raises(ValueError, match=message):
        MainSettings(**given)


# ------------------------------------------------------------------------- verdicts and reader


def with_difference(tables: MainTables, metric: str, low: float, high: float) -> MainTables:
    changed = tables.differences.copy()
    rows = (changed["metric"] == metric) & (changed["method"] == INTEGRATED)
    changed.loc[rows, ["low", "high"]] = low, high
    changed.loc[rows, "difference"] = (low + high) / 2
    return dataclasses.replace(tables, differences=changed)


def verdict(tables: MainTables, claim: str) -> pd.Series:
    return scorecard({"x": tables}).set_index("claim").loc[claim]


@pytest.mark.parametrize("claim", ["C2 all rivals", "C2 without copies", "C3 without copies"])
@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.021, 0.05, "supported"), (-0.01, 0.05, "undecided"), (-0.05, 0.01, "contradicted")],
)
def test_highest_means_an_interval_clear_of_the_band(tables, claim, low, high, expected) -> None:
    metric = "f_k" if claim.startswith("C3") else "balanced"
    found = verdict(with_difference(tables, metric, low, high), claim)
    assert found["verdict"] == expected
    rows = tables.differences.query("metric == @metric and objective == 'balance'")
    rows = rows[(rows["method"] == INTEGRATED) & (rows["subset"] == "all")]
    rows = rows[rows["best" if "all" in claim else "best_open"].astype(bool)]
    assert f"minus that of {rows['rival'].iloc[0]} " in found["reason"]


def test_named_rivals_that_were_not_run_are_listed(tables) -> None:
    found = verdict(with_difference(tables, "balanced", 0.03, 0.05), "C2 named rivals")
    assert "; not run: GEARS, scGPT, scFoundation, State" in found["reason"]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(-0.01, 0.05, "supported"), (-0.05, 0.03, "undecided"), (-0.06, -0.03, "contradicted"),
     (-0.019, -0.001, "supported"), (-0.03, -0.001, "undecided")],
)  # fmt: skip
def test_lower_means_certain_and_beyond_the_band(tables, low, high, expected) -> None:
    found = verdict(with_difference(tables, "f_d", low, high), "C4 all rivals")
    assert found["verdict"] == expected


def test_tables_travel_and_the_reader_gets_every_number(tables, tmp_path) -> None:
    save_tables(tables, tmp_path / "02_main_results", {"seconds": 1})
    loaded, _ = load_tables(MainTables, tmp_path / "02_main_results")
    assert main_report.answer(loaded) == main_report.answer(tables)
    best = main_report.best_rows(loaded, "perturbation")
    assert set(OURS) <= set(best.columns)
    assert main_report.normalised(loaded, "perturbation", "f_d") is None  # 20 of all conditions
    figure, axes = plt.subplots(1, 2)
    plot_map(main_report.map_rows(loaded, "perturbation", "balance"), axes[0])
    forest = main_report.forest_rows(loaded, "perturbation", "balance", "balanced")
    plot_differences(forest, axes[1])
    assert [t.get_text() for t in axes[1].get_yticklabels()] == list(forest["label"])
    plt.close(figure)
    figure, polar = plt.subplots(subplot_kw={"projection": "polar"})
    radar = main_report.radar_rows(loaded, "perturbation", "balance")
    plot_radar(radar, {m: m for m in MEASURES}, polar)
    assert len(polar.lines) == len(radar)
    plt.close(figure)
