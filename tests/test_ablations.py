"""Ablations: what is switched off changes what it should, and pairs compare like with like."""

import dataclasses

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.metrics import roc_auc_score

import aligned as al
from companion.ablations import report as ablations_report
from companion.ablations.estimators import EstimatorTables
from companion.ablations.reliability import (
    REASONS,
    RULES,
    ReliabilityTables,
    auroc,
)
from companion.ablations.run import (
    FULL,
    PAPER_FORM,
    VARIANTS,
    AblationSettings,
    AblationTables,
    run_ablations,
)
from companion.claims import published_ablations, scorecard
from companion.loop.run import IterationTables
from companion.plot import plot_parts, plot_reliability, plot_rules
from companion.tables import load_tables, save_tables

mpl.use("Agg")


CONFIG = al.Config(n_networks=1, network_steps=5, align_steps=10)


@pytest.fixture(scope="module")
def bundle():
    simulated = al.simulate(n_genes=80, n_regulators=15, seed=2)
    return al.Bundle(
        simulated.data, simulated.kb, None, simulated.go_counts, {}, {}, {"k": 1, "rule": "boolean"}
    )


@pytest.fixture(scope="module")
def counts(bundle):
    settings = AblationSettings(
        CONFIG, ("θ = 0", "random network"), (FULL,), "perturbation", (0,), 2, n_boot=50, n_jobs=1
    )
    return run_ablations(bundle, settings, progress=False)


@pytest.fixture(scope="module")
def tables(counts):
    return AblationTables.of(counts, n_boot=50)


def test_no_symbol_is_used_where_every_one_costs_more_than_it_brings(tables):
    used = tables.trust.query("quantity == 'cells that use symbols'").set_index("variant")["value"]
    assert used["θ = 0"] == 0 < used[FULL]


def test_every_variant_is_scored_on_the_same_stages(tables):
    counts = tables.scores.groupby(["variant", "stage", "score"]).size()
    assert (counts == 1).all()
    assert set(tables.scores["variant"]) == {FULL, "θ = 0", "random network"}


def test_changes_are_differences_of_the_scores(tables):
    scores = tables.scores.set_index(["variant", "stage", "score"])
    for row in tables.changes.itertuples():
        stage, score = ("network", "neural") if row.against == "network" else ("A", row.score)
        start = FULL if row.against == "network" else row.against
        expected = scores.loc[(row.variant, "A", row.score), row.metric]
        expected -= scores.loc[(start, stage, score), row.metric]
        assert row.difference == pytest.approx(expected)


def test_the_oracle_is_never_worse_than_any_choice(tables):
    wide = tables.trust.pivot(index="variant", columns="quantity", values="value")
    rest = wide[[c for c in wide if c.startswith("right:")]]
    assert np.allclose(rest.max(axis=1), wide["right: an oracle"])
    coin = (wide["right: always the network"] + wide["right: always the symbols"]) / 2
    assert np.allclose(coin, wide["right: a fair coin"])


def test_a_variant_brings_what_it_is_compared_with():
    assert AblationSettings(variants=("symbols anywhere, no Inc",), trusted=()).chosen == (
        FULL, PAPER_FORM, "symbols anywhere, no Inc",
    )  # fmt: skip
    assert {v.against for v in VARIANTS.values()} <= set(VARIANTS)


def test_unknown_variants_are_named():
    for wrong in ({"variants": ("no Ink",)}, {"trusted": ("no Ink",)}):
        with pytest.raises(ValueError, match="there is no variant 'no Ink'; use some of 'full'"):
            AblationSettings(**wrong)


# ------------------------------------------------------------------------------- who is right


@pytest.fixture(scope="module")
def reliability(counts):
    return ReliabilityTables.of(counts, n_boot=50)


def test_cell_by_cell_agrees_with_the_counts_of_the_ablations(tables, reliability):
    """Two roads to one number: cells listed one by one, and counts per condition."""
    counted = tables.trust[tables.trust["variant"] == FULL].set_index("quantity")
    listed = ablations_report.right_rows(reliability, "all").set_index("rule")
    for rule in RULES:
        for one, other in (("share", "value"), ("low", "low"), ("high", "high")):
            expected = counted.loc[f"right: {rule}", other]
            assert listed.loc[rule, one] == pytest.approx(expected, abs=1e-9)


def test_changed_and_unchanged_cells_make_up_all(reliability):
    by = reliability.right.pivot(index="rule", columns="cells", values="share")
    n = reliability.right.groupby("cells")["n"].first()
    assert n["changed"] + n["unchanged"] == n["all"]
    mixed = (by["changed"] * n["changed"] + by["unchanged"] * n["unchanged"]) / n["all"]
    assert np.allclose(mixed, by["all"])
    assert by.loc["always the symbols", "unchanged"] == 0  # they speak, so they are wrong there


def test_the_bins_of_every_reason_hold_every_cell(reliability):
    symbols = reliability.right.set_index(["cells", "rule"]).loc[("all", "always the symbols")]
    for reason in REASONS:
        bins = reliability.bins[reliability.bins["reason"] == reason]
        assert bins["n"].sum() == symbols["n"]
        pooled = (bins["share"] * bins["n"]).sum() / bins["n"].sum()
        assert pooled == pytest.approx(symbols["share"])


def test_the_area_is_that_of_scikit_learn_under_any_weights():
    rng = np.random.default_rng(0)
    value, positive = rng.integers(0, 6, 80) / 5, rng.random(80) < 0.4
    row, weights = rng.integers(0, 10, 80), rng.integers(0, 3, (5, 10))
    found = auroc(value, positive, row, weights)
    for area, weight in zip(found, weights, strict=True):
        expected = roc_auc_score(positive, value, sample_weight=weight[row])
        assert area == pytest.approx(expected)
    assert np.isnan(auroc(value, positive | True, row, weights)).all()


# ------------------------------------------------------------------------------------- verdicts


def made(changes=(), used=()):
    """Tables with these changes (variant, against, metric, low, high) and shares of use."""
    rows = [
        {"variant": v, "group": "loss", "against": a, "score": s, "metric": m,
         "difference": (low + high) / 2, "low": low, "high": high}
        for v, a, m, low, high in changes
        for s in ("neural", "integrated")
    ]  # fmt: skip
    columns = ["variant", "group", "against", "score", "metric", "difference", "low", "high"]
    trust = [
        {"variant": v, "quantity": "cells that use symbols", "value": x, "low": x - 0.01,
         "high": x + 0.01}
        for v, x in used
    ]  # fmt: skip
    return AblationTables(
        pd.DataFrame(),
        pd.DataFrame(rows, columns=columns),
        pd.DataFrame(trust, columns=["variant", "quantity", "value", "low", "high"]),
    )


def found(tables, claim, edition="x"):
    return scorecard({edition: tables}).set_index("claim").loc[claim]


@pytest.mark.parametrize("score", ["neural", "integrated"])
@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-0.01, 0.01, "supported"),
        (-0.04, 0.03, "undecided"),
        (-0.06, -0.03, "contradicted"),
        (0.03, 0.05, "contradicted"),  # no fall back: it rises
    ],
)
def test_falling_back_is_equal_accuracy(score, low, high, expected):
    changes = [("random network", "network", "f_d", low, high)]
    row = found(made(changes, [(FULL, 0.4), ("random network", 0.3)]), f"C9 {score}")
    assert row["verdict"] == expected
    assert "cells that use random symbols 30.0%" in row["reason"]
    assert (row["low"], row["high"]) == (low, high)


@pytest.mark.parametrize(
    ("claim", "variant", "metric"),
    [("C10 neural", "no Inc", "f_k"), ("C12 integrated", "w random", "balanced")],
)
@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(-0.05, -0.021, "supported"), (-0.05, -0.001, "undecided"), (-0.02, 0.01, "contradicted"),
     (0.01, 0.05, "contradicted")],
)  # fmt: skip
def test_a_part_counts_where_its_loss_is_certain(claim, variant, metric, low, high, expected):
    """The tables hold the change without it; the claim looks at what it brings."""
    row = found(made([(variant, FULL, metric, low, high)]), claim)
    assert row["verdict"] == expected
    assert (row["low"], row["high"]) == (-high, -low)


@pytest.mark.parametrize(
    ("without", "priced", "high", "expected"),
    [
        (0.5, 0.3, -0.03, "supported"),
        (0.5, 0.3, 0.01, "undecided"),  # more symbols, and no certain harm
        (0.5, 0.49, -0.03, "undecided"),  # hardly more symbols
        (0.3, 0.5, -0.03, "contradicted"),
    ],
)
def test_relying_too_much_is_more_symbols_and_worse_data(without, priced, high, expected):
    variant = "symbols anywhere, no length"
    tables = made(
        [(variant, PAPER_FORM, "f_d", -0.05, high)], [(variant, without), (PAPER_FORM, priced)]
    )
    assert found(tables, "C11 paper's form")["verdict"] == expected
    assert found(tables, "C11 default")["verdict"] == "not run"
    assert found(tables, "C11 default", "ecoli")["verdict"] == "not testable"


def test_what_was_not_run_is_not_judged():
    card = scorecard({"x": made()})
    assert card["claim"].str.split().str[0].unique().tolist() == ["C9", "C10", "C11", "C12"]
    assert set(card["verdict"]) == {"not run"}
    assert card["reason"].str.contains("not run: ").all()
    tables = made([("no Inc", FULL, "f_k", -0.05, -0.03)])
    assert "responses are simulated" in found(tables, "C10 neural", "demo")["reason"]


def test_published_figures_are_the_papers():
    table = published_ablations().set_index(["ablation", "value", "stage"])
    change = table.loc[("loss", "no_inc", "A")] - table.loc[("kb", "original", "A")]
    assert change["knowledge_f1"] == pytest.approx(-0.0703)
    row = found(made([("no Inc", FULL, "f_k", -0.05, -0.01)]), "C10 neural")
    brought = "F_k with it minus without it +0.070 (Norman; supported by this rule)"
    assert row["published"] == brought


# --------------------------------------------------------------------------- tables and figures


def test_tables_travel_and_keep_their_verdicts(tables, reliability, tmp_path):
    save_tables(tables, tmp_path / "x" / "06_ablations", {"seconds": 1})
    save_tables(reliability, tmp_path / "r", {"seconds": 1})
    again, _ = load_tables(AblationTables, tmp_path / "x" / "06_ablations")
    back, _ = load_tables(ReliabilityTables, tmp_path / "r")
    for field in dataclasses.fields(ReliabilityTables):
        ours = getattr(reliability, field.name)
        assert_frame_equal(getattr(back, field.name), ours, check_dtype=False, rtol=1e-5)
    assert ablations_report.trust_sentence(back) == ablations_report.trust_sentence(reliability)
    card = scorecard({"x": tables})
    assert scorecard(tmp_path / "x" / "06_ablations")["verdict"].equals(card["verdict"])
    assert_frame_equal(ablations_report.variant_rows(again), ablations_report.variant_rows(tables))


def test_the_reader_gets_every_number_of_the_committed_run():
    folder = "results/ecoli/06_ablations"
    tables, _ = load_tables(AblationTables, folder)
    trust, _ = load_tables(ReliabilityTables, folder)
    estimators, _ = load_tables(EstimatorTables, f"{folder}/estimators")
    text = ablations_report.answer(tables, trust, estimators)
    right = trust.right.set_index(["variant", "cells", "rule"])["share"]
    assert f"{right[FULL, 'all', 'chosen side']:.2f} [" in text
    certain = tables.changes.query("metric == 'balanced' and against == 'full' and high < 0")
    for score, rows in certain.groupby("score"):
        assert f"{len(rows)} certainly lower its balance" in text.split(f"{score} prediction")[1]
    worst = certain.loc[certain["difference"].idxmin()]
    assert f"*{worst['variant']}* {worst['difference']:+.3f}" in text
    assert len(ablations_report.choice_rows(tables)) == tables.trust["variant"].nunique()
    assert len(ablations_report.random_rows(tables)) == 4
    assert ablations_report.variant_rows(tables, ["closure"])["variant"].str.contains("k = ").all()


def test_every_yardstick_stands_beside_the_edits():
    loop, _ = load_tables(IterationTables, "results/ecoli/03_ecoli_iterations")
    rows = ablations_report.yardstick_rows(loop, "control_safe")
    here = loop.scores.query(
        "split == 'control_safe' and subset == 'all' and stage == 'A-R-A' and score == 'neural'"
    ).set_index("yardstick")["f_k"]
    shown = rows.query("stage == 'A-R-A' and prediction == 'neural'").iloc[0]
    for yardstick, column in ablations_report.YARDSTICKS.items():
        assert shown[column].startswith(f"{here[yardstick]:.3f} [")


def test_figures_draw_what_the_tables_hold(tables, reliability):
    rows = ablations_report.change_rows(tables, "f_k")
    assert "network" not in set(rows["against"])
    forest = plot_parts(rows, plt.subplots()[1])
    assert [t.get_text() for t in forest.get_yticklabels()] == ["θ = 0", "random network"]
    drawn = np.concatenate([c.lines[0].get_xdata() for c in forest.containers])
    assert sorted(drawn) == pytest.approx(sorted(rows["difference"]))
    rules = plot_rules(ablations_report.right_rows(reliability, "all"), plt.subplots()[1])
    assert tuple(t.get_text() for t in rules.get_yticklabels()) == RULES
    bins = plot_reliability(reliability.bins, plt.subplots()[1])
    assert bins.get_legend_handles_labels()[1] == ["trust is deserved", *REASONS]
    plt.close("all")
