"""The inconsistency analysis: counts by brute force, fair nulls, verdicts from the tables."""

from __future__ import annotations

import dataclasses

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData
from pandas.testing import assert_frame_equal

import aligned as al
from aligned.data import Bundle
from aligned.data.rows import Rows
from companion.claims import scorecard
from companion.inconsistency import report
from companion.inconsistency.nulls import shuffled_labels, shuffled_signs
from companion.inconsistency.run import (
    SCOPES,
    InconsistencySettings,
    InconsistencyTables,
    run_inconsistency,
)
from companion.inconsistency.tables import edge_table, thirds
from companion.plot import inconsistency as draw
from companion.recovery import states
from companion.statistics import ratio
from companion.tables import load_tables, save_tables

mpl.use("Agg")

SMALL = InconsistencySettings(ks=(1, 3), n_null=5, n_boot=40)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    sim = al.simulate(n_genes=120, n_regulators=20, seed=2)
    return Bundle(
        sim.data, sim.kb, sim.truth, sim.go_counts, sim.gene_sets, sim.card,
        {"k": 2, "rule": "boolean"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def tables(bundle) -> InconsistencyTables:
    return run_inconsistency(bundle, SMALL, progress=False)


# -------------------------------------------------------------------------------------- counts


def walks(kb: al.KnowledgeBase, gene: str, sign: int, k: int) -> dict[str, set[int]]:
    """Signs with which each gene is reached from a perturbed gene: by walking edge by edge."""
    edges = kb.to_edges()
    out: dict[str, list[tuple[str, int]]] = {}
    for s, t, e in edges[["source", "target", "sign"]].itertuples(index=False):
        if s != t:
            out.setdefault(s, []).append((t, int(e)))
    found: dict[str, set[int]] = {}
    front = {(gene, sign)}
    for _ in range(k):
        front = {(t, s * e) for g, s in front for t, e in out.get(g, [])}
        for g, s in front:
            found.setdefault(g, set()).add(s)
    return found


@pytest.mark.parametrize("k", [1, 2, 3])
def test_counts_are_those_of_walking_the_edges(bundle, tables, k) -> None:
    data, kb = bundle.data, bundle.kb
    x, y = sp.csr_array(data.obsm["perturbation"]), np.asarray(data.X)
    genes, counts = list(kb.genes), dict.fromkeys(
        ("consistent", "conflicting", "ambiguous", "not reached", "unsupported"), 0
    )  # fmt: skip
    for i in range(data.n_obs):
        touched = {genes[j]: int(x[i, j]) for j in x[[i]].indices}
        ways = [walks(kb, g, s, k) for g, s in touched.items()]
        for j, gene in enumerate(data.var_names):
            if gene in touched or not data.layers["observed"][i, j]:
                continue
            signs = [w.get(gene, set()) for w in ways]
            total = sum(next(iter(s)) for s in signs if len(s) == 1)
            said, seen = int(np.sign(total)), int(y[i, j])
            if seen == 0:
                counts["unsupported"] += said != 0
            elif said:
                counts["consistent" if said == seen else "conflicting"] += 1
            else:
                counts["ambiguous" if any(signs) else "not reached"] += 1
    rows = tables.shares
    rows = rows[(rows["network"] == "the network") & (rows["scope"] == SCOPES[0])]
    rows = rows[(rows["k"] == k) & (rows["rule"] == "boolean")].set_index("quantity")
    assert {q: rows.loc[q, "count"] for q in counts} == counts
    assert rows.loc["absent", "count"] == counts["ambiguous"] + counts["not reached"]


def test_shares_add_up_and_intervals_hold_them(tables) -> None:
    key = ["network", "scope", "k", "rule"]
    four = tables.shares[
        tables.shares["quantity"].isin(["consistent", "conflicting", "ambiguous", "not reached"])
    ]
    np.testing.assert_allclose(four.groupby(key)["share"].sum(), 1)
    assert set(zip(tables.shares["k"], tables.shares["rule"], strict=True)) == {
        (1, "boolean"), (3, "boolean"), (1, "majority"), (3, "majority"), (2, "boolean"),
    }  # fmt: skip
    assert tables.shares.loc[tables.shares["yardstick"], "k"].eq(2).all()
    known = tables.shares.dropna(subset=["share"])
    inside = (known["low"] <= known["share"] + 0.05) & (known["share"] - 0.05 <= known["high"])
    assert inside.mean() > 0.95
    spoken = tables.shares[tables.shares["quantity"] == "conflicting where it speaks"]
    both = spoken.pivot_table(index=["network", "k", "rule"], columns="scope", values="count")
    assert (both[SCOPES[0]] == both[SCOPES[1]]).all()  # elsewhere the network is silent


def test_the_interval_is_that_of_resampled_ratios() -> None:
    weights = np.array([[2, 0], [0, 2], [1, 1]])
    _, low, high = ratio([1, 3], [2, 4], weights)
    assert (low, high) == tuple(np.quantile([0.5, 0.75, 4 / 6], [0.025, 0.975]))
    assert np.isnan(ratio([0, 0], [0, 0], weights)).all()


# --------------------------------------------------------------------------------------- nulls


@pytest.mark.parametrize("by_regulator", [False, True])
def test_shuffled_signs_keep_topology(bundle, by_regulator) -> None:
    kb = bundle.kb
    new = shuffled_signs(kb, 1, by_regulator)
    before, after = states(kb), states(new)
    assert ((before > 0) == (after > 0)).all()
    assert (np.bincount(before.ravel()) == np.bincount(after.ravel())).all()
    assert (before != after).any()
    same = all((np.bincount(a, minlength=4) == np.bincount(b, minlength=4)).all()
               for a, b in zip(before, after, strict=True))  # fmt: skip
    assert same == by_regulator
    assert shuffled_signs(kb, 1, by_regulator) == new
    assert (new.genes, new.regulators) == (kb.genes, kb.regulators)


def test_labels_are_shuffled_by_whole_perturbations() -> None:
    groups = np.array(["a", "a", "b", "b", "b", "c"])
    for seed in range(20):
        given = groups[shuffled_labels(groups, np.random.default_rng(seed))]
        to = {g: set(given[groups == g]) for g in "abc"}
        assert all(len(v) == 1 for v in to.values())
        assert set.union(*to.values()) == set("abc")


def test_a_true_network_beats_chance_and_a_false_one_does_not(bundle, tables) -> None:
    def p(found: InconsistencyTables, network: str) -> pd.Series:
        rows = found.nulls[(found.nulls["network"] == network) & (found.nulls["k"] == 2)]
        return rows[rows["statistic"] == "agreement"].set_index("null")["p"]

    assert (p(tables, "the other network") == 1 / 6).all()  # the truth; as low as 5 draws allow
    false = dataclasses.replace(bundle, kb=shuffled_signs(bundle.kb, 99))
    settings = dataclasses.replace(SMALL, ks=(1,), rules=("boolean",), n_null=19)
    wrong = run_inconsistency(false, settings, progress=False)
    assert p(wrong, "the network")["signs"] > 0.05


# ---------------------------------------------------------------------- edges, annotation, sides


def by_hand(other: bool = True) -> Bundle:
    """Two regulators; a turns b up (but data say down) and c down (data agree)."""
    genes = ["a", "b", "c", "d", "e"]
    edges = pd.DataFrame(
        {"source": ["a", "a", "a", "d"], "target": ["b", "c", "e", "b"], "sign": [1, -1, 1, 1]}
    )
    there = edges.assign(sign=[-1, -1, 1, 1])[:2]
    x = sp.csr_matrix(np.array([[1, 0, 0, 0, 0], [-1, 0, 0, 0, 0], [0, 0, 0, 1, 0]], np.int8))
    y = np.array([[1, -1, -1, 0, 0], [-1, 1, 1, 1, 0], [0, 1, 0, 1, 0]], np.int8)
    data = AnnData(y, obs=pd.DataFrame(index=["a+", "a-", "d+"]), var=pd.DataFrame(index=genes))
    data.obs["perturbation"] = data.obs_names
    data.obs["n_replicates"], data.obs["split"] = 2, "train"
    data.layers["observed"] = np.ones(y.shape, bool)
    data.obsm["perturbation"], data.uns["genes"] = x, np.array(genes)
    kb = al.KnowledgeBase.from_edges(edges, genes)
    second = al.KnowledgeBase.from_edges(there, genes, regulators=["d"])
    go = pd.Series([3, 1, 2, 0, 0], index=genes)
    return Bundle(data, kb, second if other else None, go, {}, {}, {"k": 1, "rule": "boolean"})


HAND = InconsistencySettings(ks=(1,), rules=("boolean",), n_null=3, n_boot=20)


def test_a_small_network_by_hand() -> None:
    bundle = by_hand()
    rows = Rows.of(bundle.data, bundle.kb)
    edges = edge_table(bundle.kb, rows, np.arange(5)).set_index(["source", "target"])
    assert edges.loc[("a", "b"), ["conflicting", "consistent"]].tolist() == [2, 0]
    assert edges.loc[("a", "c"), ["conflicting", "consistent"]].tolist() == [0, 2]
    assert edges.loc[("a", "e"), ["changed", "unchanged"]].tolist() == [0, 2]
    tables = run_inconsistency(bundle, HAND, progress=False)
    sides = tables.sides[tables.sides["network"] == "the network"].set_index(["edges", "says"])
    assert sides.loc[("conflicting", "opposite sign"), "share"] == 1  # it sides with the data
    assert sides.loc[("consistent", "same sign"), "count"] == 1
    assert tables.edges.loc[tables.edges["network"] == "the network", "target"].tolist() == ["b"]
    found = tables.retrieval[tables.retrieval["network"] == "the network"]
    pairs = found[found["unit"] == "pair"].set_index("outcome")["count"]
    assert pairs[["expected sign", "opposite sign", "unchanged"]].tolist() == [2, 1, 1]
    cells = found[found["unit"] != "pair"].set_index("outcome")
    assert cells["count"].to_dict() == {
        "expected sign": 3, "opposite sign": 2, "changed, edge of both signs": 0, "unchanged": 2,
    }  # fmt: skip
    # condition a-: the one gene that is neither a nor a target, d, went up
    assert cells.loc["expected sign", "expected"] == pytest.approx((0 + 1 + 0) / 7)
    assert tables.regulators["perturbation"].iloc[0] == "a"
    annotated = tables.annotation.set_index(["network", "by", "group", "quantity"])
    row = annotated.loc[("the network", "GO annotations", "low", "conflicting")]
    assert (row["genes"], row["count"], row["total"]) == (1, 2, 3)


def test_one_network_is_enough_and_no_draw_gives_no_p_value() -> None:
    settings = dataclasses.replace(HAND, n_null=0)
    tables = run_inconsistency(by_hand(other=False), settings, progress=False)
    assert tables.nulls["p"].isna().all()
    assert len(tables.draws) == 0
    assert len(tables.sides) == 0
    assert "does not decide" not in report.answer(tables)
    assert set(tables.shares["network"]) == {"the network"}


def test_thirds_keep_equal_values_together() -> None:
    values = np.array([0, 0, 1, 1, 1, 1, 5, 9, 7])
    groups = thirds(values)
    assert (groups[values == 0] == "none").all()
    assert len(set(groups[values == 1])) == 1
    assert groups[values == 9].tolist() == ["high"]


# ------------------------------------------------------------------------- report, figures, card


def test_tables_survive_the_disk_and_are_repeatable(bundle, tables, tmp_path) -> None:
    save_tables(tables, tmp_path / "01_inconsistency", {"seconds": 1})
    again, _ = load_tables(InconsistencyTables, tmp_path / "01_inconsistency")
    for field in dataclasses.fields(tables):
        assert_frame_equal(
            getattr(again, field.name), getattr(tables, field.name), check_dtype=False, rtol=1e-5
        )
    assert report.answer(again) == report.answer(tables)
    fewer = dataclasses.replace(SMALL, ks=(1,), rules=("boolean",))
    same = run_inconsistency(bundle, fewer, progress=False)
    assert_frame_equal(same.nulls, tables.nulls)


def test_figures_draw_every_table(tables) -> None:
    bars = report.bar_rows(tables, SCOPES[0])
    ax = draw.plot_bars(bars, plt.figure().gca())
    assert ax.get_yticklabels()[0].get_text() == "the network, k = 2, boolean *"
    absent = tables.shares[(tables.shares["quantity"] == "absent")]
    ax = draw.plot_by_k(absent[absent["scope"] == SCOPES[1]], plt.figure().gca(),
                        published=report.PUBLISHED_ABSENT)  # fmt: skip
    assert len(ax.containers) == 4
    part = tables.nulls[(tables.nulls["k"] == 2) & (tables.nulls["statistic"] == "agreement")]
    first = part["network"] == "the network"
    ax = draw.plot_null(
        tables.draws[(tables.draws["k"] == 2) & (tables.draws["network"] == "the network")],
        part[first], plt.figure().gca(),
    )  # fmt: skip
    assert len(ax.get_legend_handles_labels()[1]) == 4
    ranked = report.regulator_rows(tables)
    assert ranked["agreement"].is_monotonic_increasing
    draw.plot_regulators(ranked, plt.figure().gca())
    unit = tables.retrieval[tables.retrieval["unit"] != "pair"]
    draw.plot_retrieval(unit, ["expected sign", "unchanged"], plt.figure().gca())
    for _, rows in tables.annotation.groupby(["by", "quantity"]):
        draw.plot_annotation(rows, plt.figure().gca())
    plt.close("all")
    for table in (report.share_rows, report.null_rows, report.retrieval_rows, report.sides_rows):
        assert len(table(tables)) > 3
        assert not table(tables).map(lambda cell: "nan" in str(cell)).any(axis=None)


def with_shares(tables: InconsistencyTables, **shares: float) -> InconsistencyTables:
    """These shares set everywhere, as ``absent, conflicting, speaks``; others under no path."""
    table = tables.shares.copy()
    names = {"speaks": "conflicting where it speaks"}
    for name, value in shares.items():
        rows = table["quantity"] == names.get(name, name)
        table.loc[rows, ["share", "low", "high"]] = [value, value - 0.01, value + 0.01]
    return dataclasses.replace(tables, shares=table)


@pytest.mark.parametrize(
    ("absent", "conflicting", "expected"),
    [
        (0.5, 0.2, "supported"),
        (0.5, 0.145, "undecided"),  # the interval holds 14%
        (0.5, 0.1, "contradicted"),  # too few conflicts
        (0.8, 0.15, "contradicted"),  # more than 71% absent is not within the range
        (0.425, 0.2, "undecided"),
        (0.3, 0.1, "contradicted"),
    ],
)
def test_the_verdict_follows_both_shares(tables, absent, conflicting, expected) -> None:
    changed = with_shares(tables, absent=absent, conflicting=conflicting, speaks=0.4)
    card = scorecard({"x": changed})
    assert card["claim"].tolist() == [f"C1 {scope}" for scope in SCOPES]
    assert set(card["verdict"]) == {expected}
    assert card["reason"].str.startswith(f"absent {absent:.1%} [").all()
    assert card["reason"].str.contains("where the network speaks 40.0% ").all()
    assert set(scorecard({"demo": changed})["verdict"]) == {"not testable"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ks": ()}, "give path lengths of at least 1"),
        ({"ks": (0, 1)}, "give path lengths of at least 1"),
        ({"rules": ("booleen",)}, "choose from boolean, majority"),
        ({"n_null": -1}, "give n_null of at least 0"),
        ({"n_boot": 1}, "n_boot of at least 20"),
        ({"network": "A", "other_network": "A"}, "both networks are called 'A'; give two names"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong, message) -> None:
    with pytest.raises(ValueError, match=message):
        InconsistencySettings(**wrong)
