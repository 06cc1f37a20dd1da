"""Verdicts on refinement follow the tables, and the card takes any mixture of tables."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from companion.claims import ANALYSES, CLAIMS, VERDICTS, scorecard
from companion.claims.recovery import CLOSE, published_noise
from companion.noise.run import NoiseSettings, NoiseTables, run_noise
from companion.tables import save_tables


@pytest.fixture(scope="module")
def tables() -> NoiseTables:
    settings = NoiseSettings(
        n_genes=60, n_regulators=10, n_edges=120, levels=(0.2, 0.4), ks=(5,), seeds=(0, 1, 2),
        methods=("noisy", "aligned", "l1, no polish", "frobenius"), n_rewired=5, perturbed=(),
        errors=(), n_jobs=1,
    )  # fmt: skip
    return run_noise(settings, progress=False)


def with_scores(tables: NoiseTables, **f1: float) -> NoiseTables:
    """Every seed's F1 of these methods (underscores for spaces) set, with a little spread."""
    scores = tables.scores.copy()
    for name, value in f1.items():
        rows = scores["method"] == name
        spread = 0.001 * scores.loc[rows, "seed"]
        scores.loc[rows, "network_f1"] = scores.loc[rows, "closure_f1"] = value + spread
    return dataclasses.replace(tables, scores=scores)


def verdict(tables: NoiseTables, claim: str) -> pd.Series:
    return scorecard({"x": tables}).set_index("claim").loc[claim]


@pytest.mark.parametrize(
    ("aligned", "noisy", "expected"),
    [
        (0.95, 0.86, "reproduced"),
        (0.75, 0.86, "partly"),  # above the bar, but worse than doing nothing
        (0.60, 0.50, "not reproduced"),
    ],
)
def test_the_rebuilt_network_must_beat_doing_nothing(tables, aligned, noisy, expected) -> None:
    found = verdict(with_scores(tables, aligned=aligned, noisy=noisy), "C13")
    assert found["verdict"] == expected
    assert f"{noisy + 0.001:.3f}" in found["reason"]
    assert found["low"] <= found["ours"] <= found["high"]


def test_penalties_are_compared_like_with_like(tables) -> None:
    better = with_scores(tables, **{"l1, no polish": 0.9, "frobenius": 0.8, "aligned": 0.99})
    assert verdict(better, "C15")["verdict"] == "reproduced"
    assert verdict(better, "C15")["ours"] == pytest.approx(0.1)
    worse = with_scores(tables, **{"l1, no polish": 0.8, "frobenius": 0.9, "aligned": 0.99})
    assert verdict(worse, "C15")["verdict"] == "not reproduced"


@pytest.mark.parametrize(
    ("refined", "noisy", "expected"),
    [(0.1, 0.5, "reproduced"), (0.5, 0.1, "partly"), (2.0, 3.0, "not reproduced")],
)
def test_topology_must_be_close_and_no_further_than_noise(tables, refined, noisy, expected) -> None:
    topology = tables.topology.copy()
    for state, size in (("refined", refined), ("noisy", noisy)):
        rows = topology["state"] == state
        topology.loc[rows, "change"] = CLOSE * size * (1 + 0.01 * topology.loc[rows, "seed"])
    found = verdict(dataclasses.replace(tables, topology=topology), "C14")
    assert found["verdict"] == expected


def test_shorter_paths_than_the_papers_reproduce_in_part(tables) -> None:
    short = with_scores(tables, aligned=0.95, noisy=0.86)
    short = dataclasses.replace(short, scores=short.scores.assign(k=2))
    assert verdict(short, "C13")["verdict"] == "partly"
    assert "the paper's: 5" in verdict(short, "C13")["reason"]


def test_one_seed_is_no_interval(tables) -> None:
    one = dataclasses.replace(tables, scores=tables.scores[tables.scores["seed"] == 0])
    for claim in ("C13", "C14", "C15"):
        assert verdict(one, claim)["verdict"] == "not testable here"
        assert "one seed" in verdict(one, claim)["reason"]


def test_what_was_not_run_is_not_judged(tables) -> None:
    scores = tables.scores[tables.scores["noise"] != 0.4]
    found = verdict(dataclasses.replace(tables, scores=scores), "C13")
    assert found["verdict"] == "not testable here"
    assert "0.4 was not run" in found["reason"]
    alone = tables.scores[tables.scores["method"].isin(["noisy", "aligned"])]
    found = verdict(dataclasses.replace(tables, scores=alone), "C15")
    assert "'l1, no polish' was not run" in found["reason"]
    bare = dataclasses.replace(tables, topology=tables.topology.iloc[:0])
    assert verdict(bare, "C14")["verdict"] == "not testable here"


def test_the_card_takes_a_list_of_tables_or_a_folder(tables, tmp_path) -> None:
    card = scorecard({"x": [tables, tables]})
    assert card["claim"].tolist() == ["C13", "C14", "C15"] * 2
    assert set(card["verdict"]) <= set(VERDICTS)
    folder = tmp_path / "random" / "04_refinement_noise"
    save_tables(tables, folder, {"seconds": 1})
    again = scorecard(folder)
    assert again["edition"].unique().tolist() == ["random"]
    assert again["verdict"].tolist() == card["verdict"].tolist()[:3]
    np.testing.assert_allclose(again["ours"], card["ours"][:3], atol=1e-5)
    with pytest.raises(ValueError, match="is not named after an analysis"):
        scorecard(tmp_path)


def test_every_claim_has_an_analysis() -> None:
    assert {claim.tables for claim in CLAIMS} == set(ANALYSES.values())
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS)


def test_published_figures_of_the_noise_experiment() -> None:
    table = published_noise().set_index(["method", "noise"])["network_f1"]
    assert table["l1", 0.4] == pytest.approx(0.7461)
    assert table["frobenius", 0.4] == pytest.approx(0.6037)
