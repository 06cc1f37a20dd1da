"""The iteration analysis: statistics by another road, tables that are whole, files that return."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.metrics import f1_score

import aligned as al
from aligned import plotting
from aligned.datasets import Bundle
from aligned.experiments import (
    STAGES,
    IterationSettings,
    IterationTables,
    load_tables,
    report,
    run_iterations,
    save_tables,
)
from aligned.experiments.edits import _equal_degrees, edit_support, edit_table, net_edits
from aligned.experiments.statistics import Bootstrap
from aligned.knowledge import KnowledgeBase
from aligned.metrics import confusion
from aligned.scorecard import VERDICTS, change, published_stages, scorecard

mpl.use("Agg")

TINY = al.Config(n_networks=1, network_steps=2, align_steps=2, hidden=8)


def make_bundle(seed: int = 1) -> Bundle:
    sim = al.simulate(n_genes=70, n_regulators=14, seed=seed)
    yardstick = {"k": 2, "rule": "boolean"}
    return Bundle(
        sim.data, sim.kb, sim.truth, sim.go_counts, sim.gene_sets, sim.card, yardstick
    )  # fmt: skip


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return make_bundle()


@pytest.fixture(scope="module")
def settings() -> IterationSettings:
    return IterationSettings(config=TINY, seeds=(0, 1), n_folds=2, n_boot=50, n_jobs=1)


@pytest.fixture(scope="module")
def tables(bundle: Bundle, settings: IterationSettings) -> IterationTables:
    return run_iterations(bundle, settings, progress=False)


def test_the_score_table_has_every_stage_score_and_yardstick_with_ordered_intervals(tables) -> None:
    scores = tables.scores
    ours = scores[(scores["method"] == "ALIGNED") & (scores["subset"] == "all")]
    for split, yardsticks in (
        ("control_safe", {"original", "original, reached", "refined", "heldout"}),
        ("perturbation", {"original", "original, reached", "refined"}),
    ):
        here = ours[ours["split"] == split]
        assert set(here["stage"]) == set(STAGES)
        assert set(here["yardstick"]) == yardsticks
        assert set(here["score"]) == {"neural", "integrated"}
    for metric in ("f_d", "f_k", "balanced"):
        assert (scores[f"{metric}_low"] <= scores[f"{metric}_high"]).all()
    assert (scores.loc[scores["stage"].isin(["init", "network", "A", "A-A"]), "n_edits"] == 0).all()


def test_every_condition_is_tested_once_and_the_pooled_score_is_that_of_scikit_learn(
    tables, bundle
) -> None:
    from aligned.datasets.rows import Rows

    rows = Rows.of(bundle.data, bundle.kb)
    said = bundle.kb.deduce(rows.x, k=1)
    truth, guess = rows.y[rows.counted], said[rows.counted]
    expected = f1_score(truth, guess, labels=[-1, 0, 1], average="macro", zero_division=0)
    scores = tables.scores
    direct = scores[(scores["method"] == "direct edges only") & (scores["subset"] == "all")]
    direct = direct[direct["yardstick"] == "original"]
    assert len(direct) == 2
    np.testing.assert_allclose(direct["f_d"], expected)


def test_refinement_cannot_change_the_neural_prediction_of_its_own_stage(tables) -> None:
    for metric in ("f_d", "f_k"):
        step = change(tables, "A", "A-R", metric, "neural", "original")
        assert (step.mean, step.low, step.high) == (0, 0, 0)


def test_same_settings_same_tables(bundle, settings, tables) -> None:
    small = IterationSettings(**{**vars(settings), "splits": ("perturbation",), "seeds": (0,)})
    one, two = (run_iterations(bundle, small, progress=False) for _ in range(2))
    for name in ("scores", "per_seed", "changes", "edits"):
        assert_frame_equal(getattr(one, name), getattr(two, name))


def test_settings_refuse_nothing_to_do() -> None:
    with pytest.raises(ValueError, match="at least one split and one seed"):
        IterationSettings(seeds=())


def test_bootstrap_means_are_plain_scores_and_paired_changes_cancel() -> None:
    rng = np.random.default_rng(0)
    truth, guess = rng.integers(-1, 2, (2, 6, 50))
    counts = confusion(truth, guess)[None]
    boot = Bootstrap(list("aabbcc"), n_seeds=1, n=200, seed=0, gamma=2.0)
    scored = boot.score(counts, counts)
    expected = f1_score(truth.ravel(), guess.ravel(), average="macro")
    np.testing.assert_allclose(scored.interval("f_d")[0], expected)
    low, high = scored.interval("f_d")[1:]
    assert low < expected < high
    assert scored.change_to(scored, "balanced") == (0, 0, 0)


def test_bootstrap_by_hand_draws_whole_groups() -> None:
    counts = np.zeros((1, 4, 3, 3), dtype=np.int64)
    counts[0, :2, 0, 0] = 1  # group a: right about a fall
    counts[0, 2:, 2, 0] = 1  # group b: calls a rise a fall
    boot = Bootstrap(["a", "a", "b", "b"], n_seeds=1, n=500, seed=1, gamma=2.0)
    drawn = boot.score(counts, counts).samples["f_d"]
    only_a, mixed, only_b = 1 / 3, (2 / 3) / 3, 0.0
    assert {round(v, 6) for v in drawn} == {round(v, 6) for v in (only_a, mixed, only_b)}


def test_net_edits_forget_what_was_undone(bundle) -> None:
    kb = bundle.kb
    log = pd.DataFrame({"source": ["x"], "target": ["y"], "gain": [1.0]})
    assert net_edits(kb, kb, log).empty
    visible, hidden = kb.hold_out(0.1, seed=0)
    back = net_edits(visible, kb, log)
    assert set(zip(back["source"], back["target"], strict=True)) == set(
        zip(hidden["source"], hidden["target"], strict=True)
    )


def test_edit_table_and_support_by_hand(bundle) -> None:
    """Edits that the second network has are found there, and chance is a share of empty pairs."""
    from aligned.datasets.rows import Rows

    rows = Rows.of(bundle.data, bundle.kb)
    other = bundle.kb.changes_to(bundle.other_kb)
    perturbed = {bundle.kb.genes[i] for i in rows.x.indices}
    added = other[(other["before"] == "0") & other["source"].isin(perturbed)].head(3)
    fits = [
        ({"split": "s"}, added.assign(gain=1.0)),
        ({"split": "s"}, added.head(1).assign(gain=3.0)),
    ]
    table = edit_table(fits, bundle, "s")
    assert table["fits"].tolist() == [2, 1, 1]
    assert table["gain"].iloc[0] == 2.0
    assert (table["other"] == table["after"]).all()
    support = edit_support(table, bundle, rows).set_index("kind")
    assert support.loc["added", ["pairs", "in_other", "same_sign"]].tolist() == [3, 3, 3]
    assert 0 < support.loc["added", "expected"] < 3
    assert 0 < support.loc["added", "p_value"] < 0.05
    assert 0 <= support.loc["added", "expected_degrees"] <= 3
    assert support.loc["dropped", "p_degrees"] != support.loc["dropped", "p_degrees"]  # nan
    assert edit_table([({"split": "t"}, added.assign(gain=1.0))], bundle, "s").empty


def test_the_degree_keeping_null_knows_what_a_well_known_target_explains() -> None:
    """Hits that only come of a popular target are no surprise to it; hits of the pairing are."""
    genes = [f"r{i}" for i in range(6)] + [f"t{i}" for i in range(6)]
    regulators = genes[:6]
    empty = pd.DataFrame({"source": ["r0"], "target": ["r1"], "sign": [1]})
    kb = KnowledgeBase.from_edges(empty, genes=genes, regulators=regulators)
    popular = pd.DataFrame({"source": regulators, "target": "t0", "sign": 1})
    other = KnowledgeBase.from_edges(popular, genes=genes, regulators=regulators)
    added = pd.DataFrame({"source": regulators, "target": ["t0"] * 3 + ["t1"] * 3})
    null = _equal_degrees(added, 3, kb, other, seed=0)
    assert null["expected_degrees"] == null["degrees_low"] == null["degrees_high"] == 3
    assert null["p_degrees"] == 1
    paired = pd.DataFrame({"source": regulators, "target": [f"t{i}" for i in range(6)], "sign": 1})
    other = KnowledgeBase.from_edges(paired, genes=genes, regulators=regulators)
    null = _equal_degrees(paired[["source", "target"]], 6, kb, other, seed=0)
    assert 0.8 < null["expected_degrees"] < 1.2  # fixed points of a random permutation
    assert null["p_degrees"] < 0.01


def test_tables_return_from_disk_as_they_went(tables, tmp_path: Path) -> None:
    folder = save_tables(tables, tmp_path / "demo", {"seconds": 1.0})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["demo"]
    again, record = load_tables(IterationTables, folder)
    names = [field.name for field in dataclasses.fields(IterationTables)]
    assert record.items() >= {"seconds": 1.0}.items()
    assert sorted(record["files"]) == sorted(f"{name}.csv" for name in names)
    for name in ("scores", "changes", "support", "edits"):
        got, want = getattr(again, name), getattr(tables, name).reset_index(drop=True)
        assert_frame_equal(got, want, check_dtype=False, atol=1e-6)
    (folder / "scores.csv").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"scores\.csv is missing; make the tables with `aligned"
    ):
        load_tables(IterationTables, folder)


def test_scorecard_is_computed_and_complete(tables) -> None:
    card = scorecard({"ecoli": tables, "demo": tables})
    assert set(card["verdict"]) <= set(VERDICTS)
    assert card["claim"].str[:2].unique().tolist() == ["C5", "C6", "C7", "C8"]
    assert (card["low"] <= card["high"]).all()
    c5 = card[card["claim"] == "C5"].set_index("edition")["verdict"]
    assert c5["demo"] == "not testable here"
    both = "+0.060 (Table 1); +0.073 (the authors' repository)"
    assert card.loc[card["claim"] == "C5", "published"].tolist() == [both, both]


def doctored(tables: IterationTables, **low_and_high: tuple[float, float]) -> IterationTables:
    """Tables in which a metric changes by these intervals at every step."""
    changes = tables.changes.copy()
    for metric, (low, high) in low_and_high.items():
        rows = changes["metric"] == metric
        changes.loc[rows, ["difference", "low", "high"]] = [(low + high) / 2, low, high]
    return IterationTables(**{**vars(tables), "changes": changes})


@pytest.mark.parametrize(
    ("f_k", "f_d", "verdict"),
    [
        ((0.1, 0.2), (-0.01, 0.01), "reproduced"),
        ((-0.1, 0.2), (-0.01, 0.01), "not reproduced"),
        ((0.1, 0.2), (-0.2, -0.1), "partly"),
        ((0.1, 0.2), (-0.011, -0.001), "reproduced"),
    ],
)
def test_a_verdict_needs_the_whole_interval(tables, f_k, f_d, verdict) -> None:
    made = doctored(tables, f_k=f_k, f_d=f_d, balanced=f_k)
    card = scorecard({"ecoli": made}).set_index("claim")["verdict"]
    assert card["C7 neural"] == verdict


def test_a_claim_that_nothing_could_move_is_not_testable(tables) -> None:
    """Refinement changes no neural prediction, nor here any deduction: that is no refutation."""
    still = doctored(tables, f_k=(0.0, 0.0), f_d=(0.0, 0.0))
    card = scorecard({"ecoli": still}).set_index("claim")
    assert card.loc["C8 neural", "verdict"] == "not testable here"
    assert "nothing can move" in card.loc["C8 neural", "reason"]


def test_published_figures_are_there_and_named_as_ours() -> None:
    table = published_stages("ecoli", "GNN")
    assert {"network", "A", "A-R", "A-R-A-R"} <= set(table["stage"])
    row = table[(table["stage"] == "A-R-A-R") & (table["score"] == "neural")].iloc[0]
    assert row["balanced"] == pytest.approx(0.4427)
    assert published_stages("demo").empty


def test_sentences_and_tables_for_readers(tables) -> None:
    text = report.answer(tables, "control_safe")
    assert "**Alignment** changes" in text
    assert "nan" not in text
    wide = report.stage_table(tables, "control_safe", published_stages())
    assert (wide["F_k held-out"] != "").any()
    assert any("leakage, not a rival" in m for m in wide["prediction"])
    assert "**added**" in report.edit_sentence(tables) or "no edit" in report.edit_sentence(tables)
    block = report.summary_markdown(tables, scorecard({"ecoli": tables}), "control_safe")
    assert block.count("\n| ") >= 5


def test_every_plot_draws_on_the_axes_it_is_given(tables) -> None:
    scores = tables.scores.query("split == 'control_safe' and subset == 'all'")
    with plotting.theme():
        fig, axes = plt.subplots(2, 3)
        drawn = [
            plotting.plot_stages(
                scores.query("yardstick == 'original'"),
                "f_d",
                STAGES,
                axes[0, 0],
                baselines=["class frequencies"],
                published=published_stages(),
            ),
            plotting.plot_yardsticks(scores, "neural", STAGES[1:-1], axes[0, 1]),
            plotting.plot_map(report.map_rows(tables, "control_safe"), axes[0, 2]),
            plotting.plot_changes(
                report.change_rows(tables, "control_safe", "f_k", "original"), axes[1, 0]
            ),
            plotting.plot_closures(tables.closures, axes[1, 1]),
        ]
        for ax, given in zip(drawn, axes.ravel()[:5], strict=True):
            assert ax is given
            assert ax.get_xlabel()
        plt.close(fig)
