"""The hidden-edge test: its parts against brute force and other libraries, the whole on a toy."""

from __future__ import annotations

import dataclasses
import re

import anndata
import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
import scipy.sparse as sp
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import average_precision_score

from aligned import data as datasets
from aligned.config import Config
from aligned.data.controls import control_adjusted, genomic_order, joint_effects
from aligned.knowledge import Rule
from aligned.simulate import simulate
from companion import plot
from companion.hidden.methods import (
    METHODS,
    POSTERIOR,
    learned_rankings,
    line_rankings,
    relaxed_ranking,
)
from companion.hidden.precision import Draws, Ranked
from companion.hidden.ranking import (
    TERMS,
    Candidates,
    Seen,
    learn,
    network_terms,
    questions,
    terms_of,
)
from companion.hidden.report import (
    edit_table,
    hidden_answer,
    precision_rows,
    summary_table,
    support_table,
)
from companion.hidden.run import ABOVE, SAME, HiddenSettings, HiddenTables, run_hidden
from companion.tables import load_tables, save_tables

SETTINGS = HiddenSettings(
    config=Config(n_networks=1, network_steps=2, align_steps=2),
    seeds=(0, 1),
    n_inner=2,
    fit_seeds=1,
    n_boot=200,
    n_jobs=1,
)


@pytest.fixture(scope="module")
def bundle() -> datasets.Bundle:
    sim = simulate(150, 24, seed=3)
    other, _ = sim.truth.hold_out(0.3, seed=9)
    return datasets.Bundle(
        data=sim.data,
        kb=sim.kb,
        other_kb=other,
        go_counts=sim.go_counts,
        gene_sets=sim.gene_sets,
        card=sim.card,
        yardstick={"k": 1, "rule": "boolean"},
    )


@pytest.fixture(scope="module")
def candidates(bundle) -> Candidates:
    return Candidates.of(bundle)


@pytest.fixture(scope="module")
def tables(bundle) -> HiddenTables:
    return run_hidden(bundle, SETTINGS, progress=False)


# ------------------------------------------------------------------------------------- responses


def study() -> anndata.AnnData:
    """Four conditions, three genes: a and b share a control, c shares one with b, d is alone."""
    x = np.array([[-1, 0, 0], [0, -1, 0], [0, -1, -1], [0, 0, 1]], dtype=np.int8)
    change = np.array([[-4.0, 1, 2], [0.5, -3, 2.5], [0, -3, 7], [1, 1, 3]])
    return anndata.AnnData(
        np.sign(change).astype(np.int8),
        obs=pd.DataFrame(
            {
                "controls": ["p;q", "q;r", "r", ""],
                "split": ["train", "train", "test", "train"],
            },
            index=list("abcd"),
        ),
        obsm={"perturbation": sp.csr_matrix(x)},
        layers={"logfc": change, "observed": ~np.isnan(change)},
    )


def test_control_adjusted_by_hand() -> None:
    data = study()
    adjusted = control_adjusted(data)
    npt.assert_allclose(adjusted[0], [-4.5, 4, -0.5])  # minus b, its only company
    npt.assert_allclose(adjusted[1], [4.5, -4, 0.5])  # minus a; c perturbs the same gene
    npt.assert_allclose(adjusted[2:], data.layers["logfc"][2:])  # no company


def test_control_adjusted_never_looks_at_responses_that_are_held_out() -> None:
    data = study()
    data.obs["split"] = ["train", "test", "test", "train"]
    npt.assert_allclose(control_adjusted(data)[0], data.layers["logfc"][0])
    changed = study()
    changed.obs["split"] = ["train", "test", "test", "train"]
    changed.layers["logfc"][1:3] += 100
    npt.assert_allclose(control_adjusted(changed)[[0, 3]], control_adjusted(data)[[0, 3]])
    everything = np.ones(4, dtype=bool)
    assert control_adjusted(data, everything)[0, 0] == pytest.approx(-4.5)
    with pytest.raises(ValueError, match=re.escape("give one truth value for each of the 4")):
        control_adjusted(data, [True])


def test_missing_cells_stay_missing_and_do_not_count() -> None:
    data = study()
    data.layers["observed"][1, 2] = False
    adjusted = control_adjusted(data)
    assert np.isnan(adjusted[1, 2])
    assert adjusted[0, 2] == 2.0  # nothing to subtract there


def test_joint_effects_are_a_ridge_regression(bundle) -> None:
    data = bundle.data
    genes, effects = joint_effects(data, ridge=0.7)
    x = data.obsm["perturbation"].toarray()
    samples = sorted({s for text in data.obs["controls"] for s in text.split(";")})
    shares = np.array(
        [
            [(s in text.split(";")) / len(text.split(";")) for s in samples]
            for text in data.obs["controls"]
        ]
    )
    design = np.hstack([x[:, genes], shares])
    fit = Ridge(alpha=0.7, fit_intercept=False).fit(design, np.nan_to_num(data.layers["logfc"]))
    npt.assert_allclose(effects, fit.coef_.T[: len(genes)], atol=1e-6)
    assert set(genes) == set(x.nonzero()[1])


def test_genes_without_a_place_are_refused() -> None:
    with pytest.raises(ValueError, match="var lacks the column 'start'"):
        genomic_order(study())


def test_genomic_order_follows_the_positions(bundle) -> None:
    data = bundle.data[:, ::-1].copy()
    assert genomic_order(data) == list(bundle.data.var_names)


# ----------------------------------------------------------------------------- average precision


@pytest.mark.parametrize("decimals", [0, 1, 6])
def test_average_precision_is_scikit_learns_with_ties_and_weights(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    score = rng.normal(size=(5, 40)).round(decimals)
    answer, counted = rng.random((5, 40)) < 0.2, rng.random((5, 40)) < 0.8
    ranked = Ranked.of(score, answer, counted)
    times = np.vstack([np.ones(5, int), rng.integers(0, 4, (6, 5))])
    found = ranked.ap(times)
    for row, ap in zip(times, found, strict=True):
        weight = np.repeat(row[:, None], 40, axis=1)[counted]
        expected = average_precision_score(answer[counted], score[counted], sample_weight=weight)
        assert ap == pytest.approx(expected)
    assert ranked.ap() == pytest.approx(found[0])


def test_draws_pair_methods_and_average_over_seeds() -> None:
    rng = np.random.default_rng(0)
    answer = rng.random((6, 50)) < 0.2
    everywhere = np.ones_like(answer)
    good = {
        s: Ranked.of(answer + rng.normal(0, 0.5, answer.shape), answer, everywhere) for s in "ab"
    }
    bad = {s: Ranked.of(rng.normal(size=answer.shape), answer, everywhere) for s in "ab"}
    good, bad = ({i: d[s] for i, s in enumerate("ab")} for d in (good, bad))
    draws = Draws(6, (0, 1), 300)
    mean, low, high = draws.interval(good)
    assert mean == pytest.approx((good[0].ap() + good[1].ap()) / 2)
    assert low < mean < high
    assert draws.interval(good, good) == (0, 0, 0)
    step, low, _ = draws.interval(good, bad)
    assert step == pytest.approx(mean - (bad[0].ap() + bad[1].ap()) / 2)
    assert low > 0
    assert draws.interval({0: good[0]}, bad)[0] == pytest.approx(good[0].ap() - bad[0].ap())
    assert np.isnan(draws.interval({0: good[0]}, {1: bad[1]})).all()


# ---------------------------------------------------------------------------------- the log-odds


def test_terms_by_brute_force(bundle, candidates) -> None:
    c, net = candidates, Seen.of(bundle.kb, candidates)
    (terms,) = terms_of(c, [net])
    target_sets = [set(np.flatnonzero(row)) for row in net.edges]
    rho = np.corrcoef(np.nan_to_num(bundle.data.layers["logfc"]).T)
    for i, j in [(0, 30), (3, 77), (9, 149), (5, 6)]:
        s = c.rows[i]
        mine = target_sets[s]
        assert terms["out_degree"][i, j] == pytest.approx(np.log(1 + len(mine)))
        shared = sum(
            len(mine & theirs) / np.sqrt((len(mine) + 5) * (len(theirs) + 5))
            for other, theirs in enumerate(target_sets)
            if other != s and j in theirs
        )
        assert terms["co_regulation"][i, j] == pytest.approx(np.log(0.01 + shared))
        others = [t for t in range(rho.shape[1]) if t != j]
        votes = sum(rho[t, j] ** 4 for t in others if t in mine)
        share = votes / (0.1 + sum(rho[t, j] ** 4 for t in others))
        assert terms["co_response"][i, j] == pytest.approx(np.log(0.01 + share), abs=1e-4)
        effect = c.effect[i]
        spread = np.sqrt((effect**2).mean())
        assert terms["response"][i, j] == pytest.approx(np.log1p(abs(effect[j]) / spread))
        assert np.sign(terms["sign_response"][i, j]) == np.sign(effect[j])


def test_dealing_keeps_what_the_network_says(bundle, candidates) -> None:
    c, net = candidates, Seen.of(bundle.kb, candidates)
    rng = np.random.default_rng(1)
    rows, genes = rng.permutation(len(c.rows)), rng.permutation(len(c.columns))
    (plain,), (by_row,), (by_gene,) = (
        terms_of(c, [net], **how) for how in ({}, {"deal_rows": rows}, {"deal_genes": genes})
    )
    for name in ("out_degree", "co_regulation"):
        npt.assert_array_equal(plain[name], by_row[name])
        npt.assert_array_equal(plain[name], by_gene[name])
    npt.assert_allclose(by_row["response"], plain["response"][rows])
    npt.assert_allclose(by_row["co_response"], plain["co_response"])
    npt.assert_allclose(by_gene["response"], plain["response"][:, genes])
    assert not np.allclose(by_gene["co_response"], plain["co_response"])


def test_learned_weights_are_logistic_regression_on_the_terms_own_scale() -> None:
    rng = np.random.default_rng(0)
    terms = {"one": 5 * rng.normal(size=(30, 40)), "two": 1 + rng.normal(size=(30, 40))}
    odds = 0.4 * terms["one"] - 1.5 * terms["two"] - 0.5
    answer = rng.random(odds.shape) < 1 / (1 + np.exp(-odds))
    counted = rng.random(odds.shape) < 0.9
    model = learn(["one", "two"], [(terms, answer, counted)])
    x = np.stack([terms["one"][counted], terms["two"][counted]], axis=1)
    plain = LogisticRegression(C=np.inf, max_iter=500).fit(x, answer[counted])
    npt.assert_allclose(model.weights, plain.coef_[0], rtol=0.05)  # a little shrunk
    npt.assert_allclose(model.log_odds(terms)[counted], plain.decision_function(x), atol=0.5)


def test_what_is_hidden_and_what_counts(bundle, candidates) -> None:
    c = candidates
    visible_kb, hidden = bundle.kb.hold_out(0.2, 4, c.order)
    asked = questions(c, Seen.of(bundle.kb, c), Seen.of(visible_kb, c))
    regulators = np.array(bundle.kb.regulators)[c.rows]
    expected = {
        (s, t)
        for s, t in zip(hidden["source"], hidden["target"], strict=True)
        if s in regulators and t in bundle.data.var_names
    }
    edge, counted = asked["edge"]
    at = [(regulators[i], bundle.data.var_names[j]) for i, j in np.argwhere(edge)]
    assert set(at) == expected
    assert counted[edge].all()
    assert not counted[c.own].any()
    signs = bundle.kb.to_edges().groupby(["source", "target"])["sign"].sum()
    activates, single = asked["sign"]
    for i, j in np.argwhere(single):
        assert (signs[regulators[i], bundle.data.var_names[j]] > 0) == activates[i, j]


def test_the_ranking_knows_nothing_of_the_hidden_edges(bundle, candidates) -> None:
    """Only the visible network goes in; its learning hides some of its own edges again."""
    c = candidates
    visible_kb, _ = bundle.kb.hold_out(0.2, 0, c.order)
    one, models = learned_rankings(visible_kb, c, 0.2, 2, 0, c.order)
    again, _ = learned_rankings(visible_kb, c, 0.2, 2, 0, c.order)
    for name, method in METHODS.items():
        assert (name in one) == bool(method.terms)
        if name in one:
            npt.assert_array_equal(one[name][0], again[name][0])
            assert models[name].terms == method.terms
    assert METHODS[POSTERIOR].terms == tuple(TERMS)


def test_lines_are_what_they_say(bundle, candidates) -> None:
    c, net = candidates, Seen.of(bundle.kb, candidates)
    lines = line_rankings(c, net)
    degree = network_terms(c, net)["out_degree"]
    npt.assert_allclose(lines["adjusted + out-degree"][0], np.log(0.2 + abs(c.adjusted)) + degree)
    by_place = [bundle.data.var_names.get_loc(g) for g in c.order]
    edges = net.edges[c.rows]
    for i, place in [(0, 5), (2, 60), (7, 100)]:
        beside = edges[i, by_place[place - 1]] + 0 + edges[i, by_place[place + 1]]
        got = lines["neighbours"][0][i, by_place[place]] - 1e-3 * degree[i, 0]
        assert got == pytest.approx(int(beside))


def test_relaxed_weights_of_what_the_network_explains_stay(bundle, candidates) -> None:
    """Responses that the network deduces itself leave every candidate at weight 0."""
    c = candidates
    rows = datasets.rows.Rows.of(bundle.data, bundle.kb)
    said = bundle.kb.deduce(rows.x, k=1)[:, c.columns]
    score, _ = relaxed_ranking(bundle.kb, c, rows, said, Rule(1))
    _, counted = questions(c, Seen.of(bundle.kb, c), Seen.of(bundle.kb, c))["edge"]
    assert score[counted].max() < 0.5


def test_too_few_regulators(bundle) -> None:
    x = bundle.data.obsm["perturbation"].toarray()
    beyond = x[:, bundle.kb.regulator_index].any(axis=1)
    few = dataclasses.replace(bundle, data=bundle.data[~beyond].copy())
    with pytest.raises(ValueError, match="0 regulators of the network were perturbed alone"):
        Candidates.of(few)


# ---------------------------------------------------------------------------------------- whole


def test_tables_are_complete(tables, bundle) -> None:
    fitted = {"relaxed, A-R-A-R"}
    runs = tables.summary[tables.summary["hiding"] == "runs"]
    assert list(runs["method"]) == list(METHODS)
    random = tables.summary[tables.summary["hiding"] == "random"]
    assert set(random["method"]) == set(METHODS) - fitted
    assert (tables.summary["low"] <= tables.summary["high"]).all()
    means = tables.scores.groupby(["hiding", "method"])["ap"].mean()
    for row in tables.summary.itertuples():
        assert row.ap == pytest.approx(means[row.hiding, row.method])
    assert set(tables.edits["edits"]) == {ABOVE, SAME, "A-R-A-R"}
    loop = tables.edits[tables.edits["seed"] == 0].set_index("edits")
    assert loop.loc["A-R-A-R", "added"] == loop.loc[SAME, "added"]
    assert (tables.edits["hits"] <= tables.edits["added"]).all()
    assert set(tables.regulators["regulator"]) <= set(bundle.kb.regulators)


def test_differences_are_differences(tables) -> None:
    ap = tables.summary.set_index(["hiding", "method"])["ap"]
    for row in tables.differences.itertuples(index=False):
        hiding, start, to, *_ = row
        if "A-R-A-R" not in to:  # fewer seeds: compared on its own
            assert row.difference == pytest.approx(ap[hiding, to] - ap[hiding, start])
    lines = [name for name, m in METHODS.items() if m.kind == "line"]
    best = tables.differences[tables.differences["best_line"]].groupby("hiding")["from"].first()
    for hiding in ("runs", "random"):
        assert best[hiding] == ap[hiding][lines].idxmax()


def test_responses_carry_the_signal_in_a_world_where_they_must(tables) -> None:
    ap = tables.summary[tables.summary["hiding"] == "runs"].set_index("method")["ap"]
    assert ap[POSTERIOR] > 1.2 * ap["perturbations dealt"]
    assert ap[POSTERIOR] > 1.2 * ap["genes dealt"]
    neighbours = tables.summary[tables.summary["method"] == "neighbours"].set_index("hiding")["ap"]
    assert neighbours["random"] > 1.5 * neighbours["runs"]


def test_support_counts_pairs_of_the_other_network(tables, bundle) -> None:
    def pairs(kb):
        edges = kb.to_edges()
        edges = edges[edges["source"] != edges["target"]]
        return set(edges[["source", "target"]].itertuples(index=False, name=None))

    c = Candidates.of(bundle)
    mine = {bundle.kb.regulators[i] for i in c.rows}
    new = {(s, t) for s, t in pairs(bundle.other_kb) - pairs(bundle.kb) if s in mine}
    assert (tables.support["in_other"] == len(new)).all()
    row = tables.support.set_index("method").loc[POSTERIOR]
    assert row["expected"] == pytest.approx(row["top"] * len(new) / row["pairs"])
    assert 0 <= row["p_value"] <= 1


def test_two_workers_give_the_same_tables_and_files_keep_them(tables, bundle, tmp_path) -> None:
    again = run_hidden(bundle, dataclasses.replace(SETTINGS, n_jobs=2), progress=False)
    save_tables(again, tmp_path / "hidden", {"seeds": [0, 1]})
    loaded, record = load_tables(HiddenTables, tmp_path / "hidden")
    assert record["seeds"] == [0, 1]
    for field in dataclasses.fields(HiddenTables):
        one, two = getattr(tables, field.name), getattr(loaded, field.name)
        pd.testing.assert_frame_equal(one, two, check_dtype=False, atol=1e-5)


def test_reader_tables_add_up(tables) -> None:
    wide = summary_table(tables)
    runs = tables.summary[tables.summary["hiding"] == "runs"]
    assert wide["ranking"].tolist() == runs["method"].tolist()
    assert wide["average precision"].iloc[0].startswith(f"{runs['ap'].iloc[0]:.3f} [")
    edits = edit_table(tables).set_index("edits")
    mine = tables.edits[tables.edits["edits"] == ABOVE]
    assert edits.loc[ABOVE, "hidden edges among them"] == mine["hits"].sum()
    assert len(support_table(tables)) == len(tables.support)
    rows = precision_rows(tables, "runs")
    ax = plot.plot_average_precision(rows, Figure().subplots())
    assert [t.get_text() for t in ax.get_yticklabels()] == rows.sort_values("ap")["label"].tolist()
    assert rows["group"].notna().all()


def test_the_answer_quotes_the_tables(tables) -> None:
    text = hidden_answer(tables)
    ap = tables.summary[tables.summary["hiding"] == "runs"].set_index("method")["ap"]
    assert f"**{ap[POSTERIOR]:.3f} (" in text
    assert f"{ap['network']:.3f}" in text
    assert "by chance" in text
    bare = dataclasses.replace(
        tables, support=tables.support[:0], edits=tables.edits[tables.edits["edits"] == ABOVE]
    )
    assert "other network" not in hidden_answer(bare)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seeds": ()}, "give at least one seed and one inner hiding"),
        ({"kinds": ("rows",)}, "choose among 'runs' and 'random'"),
    ],
)
def test_settings_are_checked(wrong, message) -> None:
    with pytest.raises(ValueError, match=message):
        HiddenSettings(**wrong)
