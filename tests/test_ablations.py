"""Ablations: what is switched off changes what it should, and pairs compare like with like."""

import numpy as np
import pytest

import aligned as al
from aligned.experiments import AblationSettings, run_ablations
from aligned.experiments.ablations import FULL, PAPER_FORM, VARIANTS


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
