"""The iteration analysis: statistics by another road, tables that are whole, files that return."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.metrics import f1_score

import aligned as al
from aligned.data import Bundle, perturbed_genes
from aligned.knowledge import KnowledgeBase
from aligned.scores import confusion
from companion import plot
from companion.arms import Rivals
from companion.claims import VERDICTS, change, published_stages, scorecard
from companion.edits import _equal_degrees, edit_support, edit_table, net_edits
from companion.engine import COUNTS, Plan, Results, run
from companion.loop import report
from companion.loop.run import STAGES, IterationSettings, IterationTables, run_iterations
from companion.statistics import METRICS, Key, Scores
from companion.tables import load_tables, save_tables

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
    return IterationTables.of(run_iterations(bundle, settings, progress=False), n_boot=50)


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


def test_a_difference_has_one_yardstick_on_both_sides(tables) -> None:
    for table in (tables.scores, tables.per_seed):
        refined = table[table["yardstick"] == "refined"]
        assert set(refined["method"]) == {"ALIGNED"}, "a baseline has no refined network"
    for row in tables.changes.to_dict("records"):
        if row["yardstick"] == "refined":
            assert {row["from"], row["to"]} <= set(STAGES)
    shown = report.stage_table(tables, "perturbation").set_index("prediction")
    assert shown.loc["class frequencies", "F_k refined"] == ""
    assert shown.loc["A, neural", "F_k refined"] != ""


def test_every_condition_is_tested_once_and_the_pooled_score_is_that_of_scikit_learn(
    tables, bundle
) -> None:
    from aligned.data.rows import Rows

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
    one, two = (
        IterationTables.of(run_iterations(bundle, small, progress=False), 50) for _ in range(2)
    )
    for name in ("scores", "per_seed", "changes", "edits"):
        assert_frame_equal(getattr(one, name), getattr(two, name))


def test_settings_refuse_nothing_to_do() -> None:
    with pytest.raises(ValueError, match="at least one split and one seed"):
        IterationSettings(seeds=())


def scores_of(truth: np.ndarray, called: np.ndarray, groups: str, n_boot: int = 200) -> Scores:
    """Scores of one prediction (conditions × genes) against data and, the same, a yardstick."""
    names = [f"c{i}" for i in range(len(truth))]
    counts = pd.DataFrame(confusion(truth, called).reshape(-1, 9), columns=COUNTS)
    about = {"split": "s", "arm": "ours", "stage": "", "score": "prediction", "objective": ""}
    counts = counts.assign(**about, seed=0, fold="0", condition=names, group=list(groups))
    counts["told_apart"] = np.nan
    both = [counts.assign(yardstick=yardstick) for yardstick in ("data", "original")]
    first = [name == names[0] for name in names]
    conditions = pd.DataFrame({"condition": names, "all": True, "first": first})
    results = Results(pd.concat(both), conditions, pd.DataFrame(), {})
    return Scores(results, n_boot)


def test_bootstrap_means_are_plain_scores_and_paired_changes_cancel() -> None:
    rng = np.random.default_rng(0)
    truth, guess = rng.integers(-1, 2, (2, 6, 50))
    scored = scores_of(truth, guess, "aabbcc").of(Key("s", "ours"))
    expected = f1_score(truth.ravel(), guess.ravel(), average="macro")
    np.testing.assert_allclose(scored.interval("f_d")[0], expected)
    low, high = scored.interval("f_d")[1:]
    assert low < expected < high
    assert scored.change_to(scored, "balanced") == (0, 0, 0)


def test_bootstrap_by_hand_draws_whole_groups() -> None:
    """Group a is right about a fall, group b calls a rise a fall."""
    truth, called = np.array([[-1], [-1], [1], [1]]), np.full((4, 1), -1)
    drawn = scores_of(truth, called, "aabb", 500).of(Key("s", "ours")).draws["f_d"]
    only_a, mixed, only_b = 1 / 3, (2 / 3) / 3, 0.0
    assert {round(v, 6) for v in drawn} == {round(v, 6) for v in (only_a, mixed, only_b)}


def test_a_draw_without_a_member_of_the_subset_is_undefined_and_left_out() -> None:
    truth = np.tile([-1, 0, 1], (4, 1))  # every call is right
    scores = scores_of(truth, truth, "abcd", 400)
    scored, drawn = scores.of(Key("s", "ours"), "first"), scores.splits["s"].weights[:, 0] > 0
    assert 0.2 < (~drawn).mean() < 0.45  # (3/4)^4 = 0.32
    for metric in METRICS:
        np.testing.assert_array_equal(scored.draws[metric], np.where(drawn, 1.0, np.nan))
        assert scored.interval(metric) == (1, 1, 1)
        assert scored.change_to(scored, metric) == (0, 0, 0)


def test_what_the_split_keeps_together_is_drawn_together(bundle, settings) -> None:
    """Four groups linked by their controls: a draw is one of 35 mixtures of them."""
    single = bundle.data[[len(row) == 1 for row in perturbed_genes(bundle.data)]].copy()
    single.obs["controls"] = [f"c{gene % 4}" for gene in single.obsm["perturbation"].indices]
    four = dataclasses.replace(bundle, data=single)
    results = run(four, [Rivals(("class frequencies",), TINY)], Plan(("control_safe",), (0,), 2, 1))
    assert results.counts["group"].nunique() == 4
    scores = Scores(results, 300)
    key = next(key for key in scores.keys if key.yardstick == "original")
    assert len(np.unique(scores.of(key).draws["f_d"].round(9))) <= 35
    assert scores.groups("control_safe").sum() == single.n_obs


def test_a_finished_fit_is_not_made_again(bundle, settings, tmp_path: Path) -> None:
    plan = Plan(("perturbation",), (0,), 2, 1)
    arms = [Rivals(("class frequencies", "direct edges only"), TINY)]
    first = run(bundle, arms, plan, tmp_path / "fits", progress=False)
    kept = sorted(path.name for path in (tmp_path / "fits").iterdir())
    assert len(kept) == 2
    again = run(bundle, [_Refuses(arms[0])], plan, tmp_path / "fits", progress=False)
    assert_frame_equal(first.counts, again.counts)
    shutil.rmtree(tmp_path / "fits" / kept[0])  # stopped after one of two
    with pytest.raises(RuntimeError, match="fitted again"):
        run(bundle, [_Refuses(arms[0])], plan, tmp_path / "fits", progress=False)
    whole = run(bundle, arms, plan, tmp_path / "fits", progress=False)
    assert_frame_equal(first.counts, whole.counts)
    other = [Rivals(("class frequencies", "direct edges only"), TINY.replace(objective="f_d"))]
    run(bundle, other, plan, tmp_path / "fits", progress=False)
    assert len(list((tmp_path / "fits").iterdir())) == 4  # other settings, other fits


class _Refuses:
    """An arm that claims to be another one, and cannot be fitted."""

    def __init__(self, arm: Rivals) -> None:
        self.arm = arm

    def __repr__(self) -> str:
        return repr(self.arm)

    def __call__(self, fold: object) -> object:
        raise RuntimeError("fitted again")


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
    from aligned.data.rows import Rows

    rows = Rows.of(bundle.data, bundle.kb)
    other = bundle.kb.changes_to(bundle.other_kb)
    perturbed = {bundle.kb.genes[i] for i in rows.x.indices}
    added = other[(other["before"] == "0") & other["source"].isin(perturbed)].head(3)
    made = pd.concat([added.assign(gain=1.0), added.head(1).assign(gain=3.0)]).assign(split="s")
    table = edit_table(made, bundle, "s")
    assert table["fits"].tolist() == [2, 1, 1]
    assert table["gain"].iloc[0] == 2.0
    assert (table["other"] == table["after"]).all()
    support = edit_support(table, bundle, rows).set_index("kind")
    assert support.loc["added", ["pairs", "in_other", "same_sign"]].tolist() == [3, 3, 3]
    assert 0 < support.loc["added", "expected"] < 3
    assert 0 < support.loc["added", "p_value"] < 0.05
    assert 0 <= support.loc["added", "expected_degrees"] <= 3
    assert support.loc["dropped", "p_degrees"] != support.loc["dropped", "p_degrees"]  # nan
    assert edit_table(made, bundle, "t").empty


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
    assert c5["demo"] == "not testable"
    published = card.loc[card["claim"] == "C5", "published"]
    assert published.str.contains(r"A-R-A-R \+0\.060, .* \(Table 1; ").all()
    assert published.str.contains(r"A-R-A-R \+0\.073, .* \(the authors' repository; ").all()


def doctored(tables: IterationTables, **low_and_high: tuple[float, float]) -> IterationTables:
    """Tables in which a metric changes by these intervals at every step."""
    changes = tables.changes.copy()
    for metric, (low, high) in low_and_high.items():
        rows = changes["metric"] == metric
        changes.loc[rows, ["difference", "low", "high"]] = [(low + high) / 2, low, high]
    return IterationTables(**{**vars(tables), "changes": changes})


@pytest.mark.parametrize(
    ("f_k", "f_d", "c6", "c8"),
    [
        ((0.1, 0.2), (-0.01, 0.01), "supported", "supported"),
        ((-0.1, 0.2), (-0.01, 0.01), "undecided", "undecided"),
        ((0.1, 0.2), (-0.2, -0.1), "contradicted", "contradicted"),
        ((0.1, 0.2), (0.03, 0.04), "supported", "contradicted"),  # not lower, but not stable
        ((0.0, 0.0), (0.0, 0.0), "contradicted", "contradicted"),  # nothing moves: no rise
    ],
)
def test_a_verdict_needs_the_whole_interval(tables, f_k, f_d, c6, c8) -> None:
    made = doctored(tables, f_k=f_k, f_d=f_d)
    card = scorecard({"demo": made}).set_index("claim")["verdict"]
    assert (card["C6 neural"], card["C8 integrated"]) == (c6, c8)
    assert change(made, "A", "A-R", "f_k", "neural", "original")[1:3] == f_k


def test_what_cannot_move_by_construction_is_not_testable(tables) -> None:
    """Held-out regulators at k = 1: declared for the edition, whatever its tables say."""
    for f_k in ((0.0, 0.0), (0.1, 0.2)):
        card = scorecard({"ecoli": doctored(tables, f_k=f_k)}).set_index("claim")
        assert card.loc["C8 neural", "verdict"] == "not testable"
        assert card.loc["C8 neural", "reason"].endswith("the change is zero by construction")


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
    with plot.theme():
        fig, axes = plt.subplots(2, 3)
        drawn = [
            plot.plot_stages(
                scores.query("yardstick == 'original'"),
                "f_d",
                STAGES,
                axes[0, 0],
                baselines=["class frequencies"],
                published=published_stages(),
            ),
            plot.plot_yardsticks(scores, "neural", STAGES[1:-1], axes[0, 1]),
            plot.plot_map(report.map_rows(tables, "control_safe"), axes[0, 2]),
            plot.plot_changes(
                report.change_rows(tables, "control_safe", "f_k", "original"), axes[1, 0]
            ),
            plot.plot_closures(tables.closures, axes[1, 1]),
        ]
        for ax, given in zip(drawn, axes.ravel()[:5], strict=True):
            assert ax is given
            assert ax.get_xlabel()
        plt.close(fig)
