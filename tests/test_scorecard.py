"""Verdicts: one rule a kind, every verdict of every claim from made tables, the paper's figures."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from companion.claims import ANALYSES, CLAIMS, VERDICTS, paper_verdicts, published_noise, scorecard
from companion.claims.rules import (
    BAND,
    DEEPEST,
    FIRST,
    KINDS,
    Claim,
    Part,
    Pick,
    judge,
    verdict_of,
)
from companion.noise.run import NoiseSettings, NoiseTables, run_noise
from companion.tables import save_tables

BY_ID = {claim.id: claim for claim in CLAIMS}
TESTED = "another edition"


def part(kind: str, within: tuple[float, float] = (0.7, np.inf)) -> Part:
    return Part("a figure", Pick("changes", {}), kind, within=within)


# ------------------------------------------------------------------------------------- the rule


@pytest.mark.parametrize(
    ("kind", "low", "high", "verdict"),
    [
        ("higher", 0.0201, 0.1, "supported"),
        ("higher", 0.02, 0.1, "undecided"),  # the band itself is no rise
        ("higher", -0.1, 0.0201, "undecided"),
        ("higher", -0.1, 0.02, "contradicted"),
        ("higher", 0.0, 0.0, "contradicted"),
        ("not lower", -0.0199, -0.001, "supported"),
        ("not lower", 0.0, 0.0, "supported"),
        ("not lower", -0.021, -0.000002, "undecided"),
        ("not lower", -0.1, -0.0201, "contradicted"),
        ("equal", 0.0, 0.0, "supported"),
        ("equal", -0.0199, 0.0199, "supported"),
        ("equal", -0.03, 0.01, "undecided"),
        ("equal", 0.01, 0.03, "undecided"),
        ("equal", -0.05, -0.0201, "contradicted"),
        ("equal", 0.0201, 0.05, "contradicted"),
        ("threshold", 0.701, 0.8, "supported"),
        ("threshold", 0.69, 0.71, "undecided"),
        ("threshold", 0.6, 0.699, "contradicted"),
        ("higher", np.nan, np.nan, "undecided"),
    ],
)
def test_an_interval_is_held_against_what_is_asked(kind, low, high, verdict) -> None:
    assert verdict_of(part(kind), low, high) == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.43, 0.7, "supported"), (0.4, 0.5, "undecided"), (0.7, 0.72, "undecided"),
     (0.1, 0.4, "contradicted"), (0.75, 0.9, "contradicted")],
)  # fmt: skip
def test_a_threshold_may_have_two_ends(low, high, verdict) -> None:
    assert verdict_of(part("threshold", (0.42, 0.71)), low, high) == verdict


@pytest.mark.parametrize("kind", KINDS)
def test_no_verdict_hangs_on_the_error_of_a_bootstrap(kind) -> None:
    """Bounds that move by 1e-3, one or both, never turn supported into contradicted."""
    draw = np.random.default_rng(0)
    edge = 0.7 if kind == "threshold" else 0.0
    for _ in range(2000):
        low = edge + draw.uniform(-0.05, 0.05)
        high = low + draw.uniform(0.0021, 0.05)
        moved = [(low + a, high + b) for a in (-1e-3, 0, 1e-3) for b in (-1e-3, 0, 1e-3)]
        found = {verdict_of(part(kind), *ends) for ends in moved}
        assert not {"supported", "contradicted"} <= found


def test_a_kind_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="there is no kind of claim 'highest'; use higher, not"):
        verdict_of(part("highest"), 0.1, 0.2)


# ---------------------------------------------------------------------- every claim, every verdict

#: Intervals that give a part each verdict, in units of its band; thresholds apart.
MADE = {
    "higher": {"supported": (1.5, 2), "undecided": (0.5, 2), "contradicted": (0, 0.5)},
    "not lower": {"supported": (-0.5, 2), "undecided": (-2, 0), "contradicted": (-3, -2)},
    "equal": {"supported": (0.2, 0.5), "undecided": (0.5, 2), "contradicted": (2, 3)},
}


def ends(part: Part, verdict: str) -> tuple[float, float]:
    if part.kind != "threshold":
        low, high = MADE[part.kind][verdict]
        return low * part.band, high * part.band
    least = part.within[0]
    shift = {"supported": (0.01, 0.02), "undecided": (-0.02, 0.02), "contradicted": (-0.1, -0.05)}
    return least + shift[verdict][0], least + shift[verdict][1]


def rows_of(pick: Pick, low: float, high: float) -> list[dict[str, Any]]:
    """Table rows from which this pick reads this interval."""
    stand_in = {FIRST: "the first", DEEPEST: 5}
    where: dict[str, Any] = {"rival": "the best"} | {
        column: 0.1 if isinstance(value, pd.Interval) else stand_in.get(value, value)
        for column, value in pick.where.items()
    }
    if pick.flip:
        low, high = -high, -low
    middle = (low + high) / 2
    if pick.per_seed:  # two values ± d have Student's interval ± t d
        apart = (high - low) / 2 / stats.t.ppf(0.975, 1)
        found = [
            where | {"seed": seed, pick.value: middle + sign * apart}
            for seed, sign in enumerate((-1, 1))
        ]
        return found + [
            where | pick.minus | {"seed": s, pick.value: 0.0} for s in (0, 1) if pick.minus
        ]
    figure = {"low": low, "high": high, **dict.fromkeys(pick.value.split("+"), middle)}
    rows = [where | figure]
    if pick.minus:
        rows.append(where | pick.minus | dict.fromkeys(figure, 0.0))
    return rows


def made(claim: Claim, *verdicts: str) -> SimpleNamespace:
    """Tables in which the parts have these verdicts, the last one going on; "" is no row."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for i, one in enumerate(claim.parts):
        verdict = verdicts[min(i, len(verdicts) - 1)]
        found[one.pick.table] += rows_of(one.pick, *ends(one, verdict)) if verdict else []
    for one in claim.needs:
        value = 1.0 if one.within[1] == np.inf else 0.0
        found[one.pick.table] += rows_of(one.pick, value, value)
    names = {field.name for field in dataclasses.fields(claim.tables)}
    assert set(found) <= names
    frames = {name: pd.DataFrame(found.get(name, [])) for name in names}
    for one in claim.beside:
        for column in (*one.pick.where, *one.pick.value.split("+")):
            if column not in frames[one.pick.table]:
                frames[one.pick.table][column] = np.nan
    return SimpleNamespace(**frames)


def edition_of(claim: Claim) -> str:
    return claim.only or TESTED


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_every_verdict_of_every_claim_is_reached(claim) -> None:
    for verdict in ("supported", "undecided", "contradicted"):
        row = judge(claim, made(claim, verdict), edition_of(claim))
        assert row["verdict"] == verdict, row["reason"]
        low, high = ends(claim.parts[0], verdict)
        assert (row["low"], row["high"]) == pytest.approx((low, high))
        assert row["ours"] == pytest.approx((low + high) / 2)
        assert verdict in row["reason"]
        assert row["published"]
    row = judge(claim, made(claim, ""), edition_of(claim))
    assert row["verdict"] == "not run"
    assert np.isnan(row["ours"])
    assert "not run: " in row["reason"]
    for edition in claim.not_testable:
        row = judge(claim, made(claim, "supported"), edition)
        assert (row["verdict"], row["reason"]) == ("not testable", claim.not_testable[edition])
    if claim.only:
        row = judge(claim, made(claim, "supported"), TESTED)
        assert (row["verdict"], row["reason"]) == (
            "not testable",
            f"the claim is about the edition {claim.only}",
        )


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (("supported", "supported", "supported", "undecided"), "undecided"),
        (("undecided", "supported", "contradicted", "supported"), "contradicted"),
        (("supported", "supported", "", "supported"), "not run"),
    ],
)
def test_the_worst_part_decides_and_is_ours(verdicts, expected) -> None:
    claim = BY_ID["C6 neural"]
    row = judge(claim, made(claim, *verdicts), TESTED)
    assert row["verdict"] == expected
    if expected in verdicts:
        one = claim.parts[verdicts.index(expected)]
        assert (row["low"], row["high"]) == pytest.approx(ends(one, expected))


def test_a_figure_that_is_undefined_was_not_run_and_one_without_interval_is_open() -> None:
    claim = BY_ID["C7 neural"]
    tables = made(claim, "supported")
    tables.changes[["low", "high"]] = np.nan
    row = judge(claim, tables, TESTED)
    assert row["verdict"] == "undecided"
    assert row["reason"].endswith("asked above 0.02: undecided, because there is no interval")
    tables.changes["difference"] = np.nan
    assert judge(claim, tables, TESTED)["verdict"] == "not run"


def test_rivals_that_were_not_run_are_named_and_do_not_count() -> None:
    claim = BY_ID["C2 named rivals"]
    row = judge(claim, made(claim, "", "", "", "", "supported"), TESTED)
    assert row["verdict"] == "supported"
    assert "; not run: GEARS, scGPT, scFoundation, State" in row["reason"]


@pytest.mark.parametrize(("wide", "said"), [(0.5, False), (3, True)])
def test_an_edition_whose_interval_is_wider_than_the_band_cannot_settle(wide, said) -> None:
    claim = BY_ID["C7 neural"]
    tables = made(claim, "undecided")
    tables.changes[["low", "high"]] = BAND - BAND * wide / 2, BAND + BAND * wide
    row = judge(claim, tables, TESTED)
    assert row["verdict"] == "undecided"
    settled = "this edition cannot settle it, its interval is wider than ±0.02"
    assert (settled in row["reason"]) == said


@pytest.mark.parametrize(
    ("table", "change", "reason"),
    [
        ("networks", {"added": 0, "dropped": 0, "flipped": 0}, "refinement made no edit"),
        ("power", {"flagged": 1}, "the controls do not tell networks apart"),
        ("power", {"flagged": 0}, "the controls do not tell networks apart"),
    ],
)
def test_without_edits_or_controls_nothing_is_decided(table, change, reason) -> None:
    claim = BY_ID["C16"]
    tables = made(claim, "supported")
    setattr(tables, table, getattr(tables, table).assign(**change))
    row = judge(claim, tables, TESTED)
    assert row["verdict"] == "undecided"
    assert row["reason"].startswith(f"{reason}; ")


# -------------------------------------------------------------------------- the paper's own figures


def test_the_papers_own_figures_pass_through_the_same_rules() -> None:
    """C5: every published step is a rise, but the first is smaller than the band of 0.02."""
    found = paper_verdicts()
    assert found.groupby("claim", sort=False)["verdict"].unique().map(list).to_dict() == {
        "C5": ["contradicted"],
        "C6 neural": ["supported"],
        "C6 integrated": ["supported"],
        "C7 neural": ["contradicted"],  # +0.011
        "C7 integrated": ["contradicted"],  # a fall
        "C8 neural": ["supported"],
        "C8 integrated": ["supported"],
        "C9 neural": ["supported"],
        "C9 integrated": ["supported"],
        "C10 neural": ["supported"],
        "C10 integrated": ["supported"],
        "C11 default": ["contradicted"],  # +0.005
        "C11 paper's form": ["contradicted"],
        "C12 neural": ["contradicted"],  # random weights have the better balance
        "C12 integrated": ["contradicted"],
        "C13 bar": ["supported"],
        "C14": ["contradicted"],  # assortativity moves by -0.118
        "C15": ["supported"],
    }
    c15 = found.set_index("claim").loc["C15", "figures"]
    assert c15 == f"edge F1 of l1 minus Frobenius {0.7461 - 0.6037:+.3f}"
    row = judge(BY_ID["C15"], made(BY_ID["C15"], "supported"), TESTED)
    assert row["published"] == f"{c15} (l1 - Frobenius; supported by this rule)"


def test_published_figures_of_the_noise_experiment() -> None:
    table = published_noise().set_index(["method", "noise"])["network_f1"]
    assert table["l1", 0.4] == pytest.approx(0.7461)
    assert table["frobenius", 0.4] == pytest.approx(0.6037)


# -------------------------------------------------------------------------------- tables of a run


@pytest.fixture(scope="module")
def tables() -> NoiseTables:
    settings = NoiseSettings(
        n_genes=60, n_regulators=10, n_edges=120, levels=(0.2, 0.4), ks=(5,), seeds=(0, 1, 2),
        methods=("noisy", "aligned", "l1, no polish", "frobenius"), n_rewired=5, perturbed=(),
        errors=(), n_jobs=1,
    )  # fmt: skip
    return run_noise(settings, progress=False)


def test_figures_are_those_of_the_tables(tables) -> None:
    """Recomputed with pandas and scipy: paired over seeds, Student's interval."""
    card = scorecard({"x": tables}).set_index("claim")
    wide = tables.scores.query("noise == 0.4").pivot(
        index="seed", columns="method", values="network_f1"
    )
    topology = tables.topology.query("0 < noise <= 0.2 and state == 'refined'")
    far = topology.assign(far=topology["change"].abs()).groupby(["measure", "seed"])["far"].mean()
    expected = {
        "C13 bar": wide["aligned"],
        "C13 gain": wide["aligned"] - wide["noisy"],
        "C15": wide["l1, no polish"] - wide["frobenius"],
        "C14": far["degree_assortativity"],
    }
    for claim, values in expected.items():
        ends = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
        found = card.loc[claim, ["ours", "low", "high"]].astype(float)
        np.testing.assert_allclose(found, [values.mean(), *ends], atol=1e-9)
    assert (
        f"edge F1 of the noisy network {wide['noisy'].mean():.3f}" in card.at["C13 bar", "reason"]
    )
    assert "k (5 in the paper) = 5" in card.at["C15", "reason"]


def test_one_seed_decides_nothing(tables) -> None:
    one = dataclasses.replace(
        tables,
        scores=tables.scores.query("seed == 0"),
        topology=tables.topology.query("seed == 0"),
    )
    card = scorecard({"x": one})
    assert set(card["verdict"]) == {"undecided"}
    assert card["reason"].str.contains("because one seed gives no interval").all()


def test_the_card_takes_a_list_of_tables_or_a_folder(tables, tmp_path) -> None:
    card = scorecard({"x": [tables, tables]})
    assert card["claim"].tolist() == ["C13 bar", "C13 gain", "C14", "C15"] * 2
    assert set(card["verdict"]) <= set(VERDICTS)
    folder = tmp_path / "random" / "04_refinement_noise"
    save_tables(tables, folder, {"seconds": 1})
    again = scorecard(folder)
    assert again["edition"].unique().tolist() == ["random"]
    assert again["verdict"].tolist() == card["verdict"].tolist()[:4]
    np.testing.assert_allclose(again["ours"], card["ours"][:4], atol=1e-5)
    with pytest.raises(ValueError, match="is not named after an analysis"):
        scorecard(tmp_path)


def test_every_claim_has_an_analysis() -> None:
    assert {claim.tables for claim in CLAIMS} == set(ANALYSES.values())
    assert len(BY_ID) == len(CLAIMS)
