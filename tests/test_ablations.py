"""Ablations: what is switched off changes what it should, and pairs compare like with like."""

import dataclasses

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import aligned as al
from aligned.experiments import AblationSettings, run_ablations
from aligned.experiments import ablations_report as report
from aligned.experiments.ablations import FULL, PAPER_FORM, VARIANTS
from aligned.experiments.estimators import EstimatorTables
from aligned.plotting import plot_ablations, plot_regret, plot_regret_by_size, plot_trust

mpl.use("Agg")


@pytest.fixture(scope="module")
def tables():
    simulated = al.simulate(n_genes=80, n_regulators=15, seed=2)
    bundle = al.datasets.Bundle(
        simulated.data, simulated.kb, None, simulated.go_counts, {}, {}, {"k": 1, "rule": "boolean"}
    )
    config = al.Config(n_networks=1, network_steps=5, align_steps=10)
    settings = AblationSettings(
        config, ("θ = 0", "random network"), "perturbation", (0,), 2, n_boot=50, n_jobs=1
    )
    return run_ablations(bundle, settings, progress=False)


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
    assert AblationSettings(variants=("symbols anywhere, no Inc",)).chosen == (
        FULL, PAPER_FORM, "symbols anywhere, no Inc",
    )  # fmt: skip
    assert {v.against for v in VARIANTS.values()} <= set(VARIANTS)


def test_unknown_variants_are_named():
    with pytest.raises(ValueError, match="there is no variant 'no Ink'; use some of 'full'"):
        AblationSettings(variants=("no Ink",))


# ---------------------------------------------------------------------------- the page's tables


def test_the_sentence_on_trust_says_what_the_table_says(tables):
    text = report.trust_sentence(tables)
    table = tables.trust[tables.trust["variant"] == FULL].set_index("quantity")["value"]
    for quantity in ("right: chosen side", "right: always the network", "right: an oracle"):
        assert f"{table[quantity]:.1%}" in text


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.01, 0.2, "better than a coin"),
        (-0.2, -0.01, "worse than a coin"),
        (-0.1, 0.1, "no better and no worse"),
    ],
)
def test_the_verdict_on_the_choice_follows_its_interval(tables, low, high, said):
    trust = tables.trust.copy()
    here = (trust["variant"] == FULL) & (trust["quantity"] == "chosen side - coin")
    trust.loc[here, ["value", "low", "high"]] = (low + high) / 2, low, high
    assert f"**{said}" in report.trust_sentence(dataclasses.replace(tables, trust=trust))


def test_changes_are_listed_per_variant_with_what_they_stand_against(tables):
    shown = report.change_table(tables)
    assert shown[["variant", "against"]].to_numpy().tolist() == [
        ["θ = 0", "full"], ["random network", "full"], ["random network", "the network alone"],
    ]  # fmt: skip
    assert shown["cells that use symbols"].iloc[0] == "0.0%"
    rows = report.change_rows(tables, "f_d")
    assert rows["label"].tolist() == ["θ = 0", "random network"]
    assert report.score_table(tables, ["budget θ"])["variant"].unique().tolist() == [
        "full",
        "θ = 0",
    ]


def test_the_answer_counts_variants_by_their_interval(tables):
    changes = tables.changes.copy()
    here = (changes["metric"] == "balanced") & (changes["score"] == "integrated")
    for variant, ends in {"θ = 0": (-0.3, -0.1), "random network": (-0.1, 0.1)}.items():
        changes.loc[here & (changes["variant"] == variant), ["low", "high"]] = ends
    text = report.answer(dataclasses.replace(tables, changes=changes), None)
    assert "Of 2 variants, 1 certainly have less balanced consistency" in text
    assert "*θ = 0*" in text
    assert "for 1 the interval decides nothing" in text


def learned(end):
    """Two sizes; ``reinforce`` starts at 0.2 and ends where it is told to."""
    finals = pd.DataFrame(
        [
            {
                "estimator": e, "speak_only": True, "n_genes": n, "seed": 0, "start": 0.2,
                "regret": r, "steps": float("nan") if r > 0.05 else 10.0,
                "seconds": float("nan") if r > 0.05 else 0.5, "noise": float("nan"),
            }
            for n in (100, 1000)
            for e, r in (("local", 0.01), ("reinforce", 0.1 if n == 100 else end))
        ]
    )  # fmt: skip
    points = [{"step": 0, "regret": 0.2}, {"step": 5, "regret": 0.1}]
    keys = finals[["estimator", "speak_only", "n_genes", "seed"]].to_dict("records")
    return EstimatorTables(pd.DataFrame([{**k, **p} for k in keys for p in points]), finals)


def test_the_sentence_on_estimators_names_the_size_where_reinforce_breaks():
    assert "From 1,000 genes on, `reinforce` ends further" in report.estimator_sentence(
        learned(0.4)
    )
    assert "At no size tried" in report.estimator_sentence(learned(0.1))
    shown = report.estimator_table(learned(0.4))
    assert shown["runs within 5%"].tolist() == ["1 of 1", "0 of 1", "1 of 1", "0 of 1"]
    assert shown["steps to it"].tolist() == ["10", "", "10", ""]


def test_figures_draw_every_row(tables):
    made = learned(0.4)
    fig, axes = plt.subplots(1, 4)
    plot_trust(report.trust_rows(tables, [FULL, "θ = 0"]), axes[0])
    assert [t.get_text() for t in axes[0].get_yticklabels()] == [FULL, "θ = 0"]
    plot_ablations(report.change_rows(tables, "f_k"), axes[1])
    assert [t.get_text() for t in axes[1].get_yticklabels()] == ["θ = 0", "random network"]
    plot_regret(made.curves[made.curves["n_genes"] == 100], axes[2])
    assert len(axes[2].lines) == 2
    plot_regret_by_size(made.finals, axes[3])
    assert [t.get_text() for t in axes[3].get_xticklabels()] == ["100", "1,000"]
    plt.close(fig)
