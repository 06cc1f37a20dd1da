"""The pathway analysis: random edits are fair, controls behave, and the test can fail."""

from __future__ import annotations

import dataclasses
import gzip
import json
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from scipy.stats import norm

import aligned as al
from aligned.data import Bundle
from companion.book.editions import editions, load_edition
from companion.book.study import PARAMETERS
from companion.claims import scorecard
from companion.editions.ecoli.annotation import imodulon_table
from companion.pathways import report as pathways_report
from companion.pathways.changes import (
    STATISTICS,
    Ruler,
    Scores,
    compare,
    held,
    matched_edits,
    random_edits,
    scattered,
)
from companion.pathways.enrichment import GeneSets, Halves, influence, preranked, recovery
from companion.pathways.meaning import RELATIONS, meaning_table, relations
from companion.pathways.run import BOUNDS, NETWORKS, PathwaySettings, PathwayTables, run_pathways
from companion.pathways.tables import MEASURED_ONLY, distinct, enrichment_table, meaning, proportion
from companion.plot import pathways as draw
from companion.tables import load_tables, save_tables

mpl.use("Agg")

TINY = al.Config(n_networks=1, network_steps=2, align_steps=2, hidden=8)


@pytest.fixture(scope="module")
def sim() -> al.simulate:
    return al.simulate(n_genes=300, n_regulators=45, seed=1)


@pytest.fixture(scope="module")
def ruler(sim) -> Ruler:
    sets = GeneSets.of(sim.gene_sets, sim.kb.genes, min_size=8)
    return Ruler(sets, Halves.draw(sets, 10), 40, 0.5, 0.85, BOUNDS, 0)


@pytest.fixture(scope="module")
def start(sim, ruler) -> Scores:
    return ruler.scores(sim.kb)


@pytest.fixture(scope="module")
def tables(sim) -> PathwayTables:
    bundle = Bundle(
        sim.data, sim.kb, sim.truth, sim.go_counts, sim.gene_sets, sim.card,
        {"k": 2, "rule": "boolean"},
    )  # fmt: skip
    settings = PathwaySettings(
        config=TINY, min_size=8, n_splits=10, permutations=40, null_permutations=20, n_null=39,
        n_topology=2, n_jobs=1,
    )  # fmt: skip
    return run_pathways(bundle, settings, progress=False)


# --------------------------------------------------------------------------------- random edits


def degrees(kb: al.KnowledgeBase) -> pd.DataFrame:
    return kb.to_edges().groupby(["source", "sign"]).size()


@pytest.mark.parametrize("seed", [0, 1])
def test_random_edits_keep_every_regulators_activations_and_inhibitions(sim, seed) -> None:
    edits = sim.kb.changes_to(sim.truth)
    random = matched_edits(sim.kb, edits, seed)
    assert degrees(random).to_dict() == degrees(sim.truth).to_dict()
    made = sim.kb.changes_to(random)
    kind = ["source", "before", "after"]
    assert made.groupby(kind).size().to_dict() == edits.groupby(kind).size().to_dict()
    assert set(map(tuple, made[["source", "target"]].to_numpy())) != set(
        map(tuple, edits[["source", "target"]].to_numpy())
    )
    assert matched_edits(sim.kb, edits, seed) == random
    assert (random.genes, random.regulators) == (sim.kb.genes, sim.kb.regulators)


@pytest.mark.parametrize(
    ("source", "target", "measured", "words"),
    [
        ("g001", "g002", None, "1 edits change pairs of 'g001' from '0'"),
        ("tf01", "nowhere", None, "an edit's target 'nowhere' is no gene of this network"),
        ("tf01", "g002", [True] * 3, r"measured has shape \(3,\); give one value for each"),
    ],
)
def test_random_edits_say_what_is_wrong(sim, source, target, measured, words) -> None:
    edit = pd.DataFrame({"source": [source], "target": target, "before": "0", "after": "+"})
    with pytest.raises(ValueError, match=words):
        matched_edits(sim.kb, edit, 0, measured)


def test_random_edits_of_measured_genes_fall_on_measured_genes(sim) -> None:
    genes = np.array(sim.kb.genes)
    measured = np.random.default_rng(4).random(len(genes)) < 0.5
    seen = set(genes[measured])
    edits = sim.kb.changes_to(sim.truth)
    ours = edits[edits["target"].isin(seen)]
    for seed in range(5):
        made = sim.kb.changes_to(matched_edits(sim.kb, ours, seed, measured))
        assert len(made) == len(ours)
        assert set(made["target"]) <= seen
    stray = sim.kb.changes_to(matched_edits(sim.kb, ours, 0))
    assert not set(stray["target"]) <= seen
    mixed = sim.kb.changes_to(matched_edits(sim.kb, edits, 0, measured))
    assert mixed["target"].isin(seen).sum() == edits["target"].isin(seen).sum()


def test_destroyed_modules_are_held_by_nobody_and_signs_stay(sim, ruler) -> None:
    destroyed = scattered(sim.kb, ruler.sets, seed=0)
    before, after = held(sim.kb, ruler.sets), held(destroyed, ruler.sets)
    assert len(before) > 3
    assert not before & after
    regulator, name = sorted(before)[0]
    inside = set(np.array(sim.kb.genes)[ruler.sets.members[ruler.sets.names.index(name)]])
    edges = destroyed.to_edges()
    assert not set(edges[edges["source"] == regulator]["target"]) - {regulator} & inside
    assert (degrees(destroyed) <= degrees(sim.kb)).all()


# ------------------------------------------------------------------------------- the comparison


def test_a_network_does_not_differ_from_itself(sim, ruler, start) -> None:
    null = random_edits(sim.kb, sim.kb.changes_to(sim.kb), ruler, 39)
    found = compare(start, start, ruler, null)
    assert (found.changes["verdict"] == "unchanged").all()
    assert (found.changes[["change", "low", "high"]] == 0).all(axis=None)
    assert not found.overall["flagged"].any()


def test_destroyed_modules_are_flagged_and_random_edits_are_not(sim, ruler, start) -> None:
    destroyed = scattered(sim.kb, ruler.sets, seed=0)
    edits = sim.kb.changes_to(destroyed)
    null = random_edits(sim.kb, edits, ruler, 39)
    found = compare(start, ruler.scores(destroyed), ruler, null)
    recovered = found.changes[found.changes["statistic"] == "recovery"]
    assert (recovered["verdict"] == "lost").mean() >= 0.5
    assert found.overall["flagged"].any()
    random = compare(start, ruler.scores(matched_edits(sim.kb, edits, 10**6)), ruler, null)
    assert not random.overall["flagged"].any()


@pytest.fixture(scope="module")
def noise(sim, ruler) -> tuple[al.KnowledgeBase, pd.DataFrame, dict[str, np.ndarray]]:
    """A noisy network, the edits that lead there, and as many random ones."""
    noisy = sim.kb.corrupt(0.3, seed=5)
    edits = sim.kb.changes_to(noisy)
    return noisy, edits, random_edits(sim.kb, edits, ruler, 39)


def test_changes_intervals_and_tests_are_recomputed(sim, ruler, start, noise) -> None:
    noisy, _, null = noise
    found = compare(start, ruler.scores(noisy), ruler, null).changes
    ours = found[found["statistic"] == "recovery"].reset_index(drop=True)
    gap = recovery(noisy, ruler.halves) - recovery(sim.kb, ruler.halves)
    assert ours["change"].to_numpy() == pytest.approx(gap.mean(axis=1))
    error = gap.std(axis=1, ddof=1)
    assert (ours["high"] - ours["low"]).to_numpy() == pytest.approx(2 * 1.96 * error)
    random = null["recovery"]
    least = 0.1 * np.median(random.std(axis=0, ddof=1))

    def size(value: np.ndarray, others: np.ndarray) -> np.ndarray:
        spread = np.maximum(others.std(axis=0, ddof=1), least)
        return np.abs(value - others.mean(axis=0)) / spread

    pool = np.array([size(random[i], np.delete(random, i, axis=0)) for i in range(len(random))])
    z = size(gap.mean(axis=1), random)
    expected = [(1 + (pool >= value - 1e-9).sum()) / (1 + pool.size) for value in z]
    assert ours["p_random"].to_numpy() == pytest.approx(expected)
    single = 2 * norm.sf(np.abs(gap.mean(axis=1)) / error)
    assert (ours["q"].to_numpy() >= single - 1e-12).all()


def test_scores_are_those_of_the_network_and_of_its_halves(sim, ruler, start) -> None:
    found, whole = start, ruler.measure(sim.kb)
    for name in STATISTICS:
        assert (found.whole[name] == whole[name]).all()
    assert (found.halves["recovery"] == recovery(sim.kb, ruler.halves)).all()
    scores = influence(sim.kb, ruler.damping)
    halves = ruler.halves.seeds[2]
    es = preranked(scores, ruler.sets.universe, list(halves), permutations=1, seed=0)["es"]
    row = ruler.enrichment(sim.kb).iloc[2]
    expected = es.to_numpy() * row["nes"] / row["es"]
    assert found.halves["influence"][2] == pytest.approx(expected)


def test_equal_networks_are_measured_once(sim, ruler, monkeypatch) -> None:
    nets = {"one": sim.kb, "same": sim.kb.corrupt(0.0, seed=3), "other": sim.truth}
    assert distinct(nets) == {"one": "one", "same": "one", "other": "other"}
    asked = []
    true = Ruler.enrichment
    monkeypatch.setattr(Ruler, "enrichment", lambda self, kb: asked.append(kb) or true(self, kb))
    table = enrichment_table(nets, ruler, 40)
    assert asked == [sim.kb, sim.truth]
    one, same = (
        table[table["network"] == name].drop(columns="network") for name in ("one", "same")
    )
    assert_frame_equal(one.reset_index(drop=True), same.reset_index(drop=True))


def test_p_values_are_uniform_where_nothing_but_chance_edits(sim, ruler, start, noise) -> None:
    _, edits, null = noise
    others = [ruler.scores(matched_edits(sim.kb, edits, 5000 + i)) for i in range(8)]
    drawn = [compare(start, other, ruler, null) for other in others]
    p = np.concatenate([found.changes["p_random"] for found in drawn])
    assert 0.35 < p.mean() < 0.65
    assert (p <= 0.05).mean() < 0.15


def test_proportions_have_the_wilson_interval() -> None:
    share, low, high = proportion(8, 10)
    z, n = 1.959964, 10
    middle = (share + z**2 / 2 / n) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / 4 / n**2) / (1 + z**2 / n)
    assert (low, high) == pytest.approx((middle - half, middle + half), abs=1e-6)


# ----------------------------------------------------------------------------------- edits mean


def test_random_added_edges_have_evenly_spread_p_values(sim, ruler) -> None:
    """Edits drawn from the urns themselves: few p values fall below 0.05, as many as should."""
    kb = sim.kb
    related = relations(kb, ruler.sets, sim.truth)
    everyone = np.ones(len(kb.genes), bool)
    made = kb.changes_to(sim.truth)
    found = []
    for seed in range(60):
        drawn = matched_edits(kb, made, seed, everyone)
        added = kb.changes_to(drawn).query("before == '0'")
        table = meaning_table(kb, added, related, everyone, n_boot=2, seed=seed)
        found.append(table.set_index("relation").at["same pathway", "p"])
    assert 0.3 < np.mean(found) < 0.8
    assert np.mean(np.array(found) < 0.05) < 0.2


def test_the_meaning_of_added_edges_is_counted_by_hand(sim, ruler) -> None:
    kb = sim.kb
    added = kb.changes_to(sim.truth).query("before == '0'")
    modules = imodulons(sim)
    related = relations(kb, ruler.sets, sim.truth, genome(kb), modules)
    assert list(related) == list(RELATIONS)
    found = meaning_table(kb, added, related, np.ones(len(kb.genes), bool)).set_index("relation")
    assert found.at["in the other network", "share"] == 1
    assert found.at["in the other network", "p"] < 0.01
    targets = kb.to_edges().query("source != target").drop_duplicates(["source", "target"])
    degree = targets["target"].value_counts()
    octave = {g: int(np.floor(2 * np.log2(1 + degree.get(g, 0)))) for g in kb.genes}
    own = targets.groupby("source")["target"].agg(set)
    sets = [set(np.array(kb.genes)[m]) for m in ruler.sets.members]
    hits, chance = [], []
    for source, target in added[["source", "target"]].itertuples(index=False):
        mine = set().union(*(s for s in sets if source in s))
        hits.append(target in mine)
        free = [
            g for g in kb.genes
            if g != source and g not in own.get(source, ()) and octave[g] == octave[target]
        ]  # fmt: skip
        chance.append(np.mean([g in mine for g in free]))
    assert found.at["same pathway", "share"] == pytest.approx(np.mean(hits))
    assert found.at["same pathway", "expected"] == pytest.approx(np.mean(chance))
    row = found.loc["same pathway"]
    assert row["low"] <= row["difference"] <= row["high"]


def genome(kb: al.KnowledgeBase) -> pd.DataFrame:
    """Genes of 90 base pairs, one every 100, in threes on one strand."""
    start = 100 * np.arange(len(kb.genes))
    strand = np.where(np.arange(len(kb.genes)) // 3 % 2, "+", "-")
    return pd.DataFrame({"start": start, "end": start + 89, "strand": strand}, index=kb.genes)


def imodulons(sim: al.simulate) -> pd.DataFrame:
    """The planted gene sets as iModulons."""
    rows = [(name, gene) for name, genes in sim.gene_sets.items() for gene in genes]
    return pd.DataFrame(rows, columns=["imodulon", "gene"])


def test_imodulons_count_as_gene_sets_do(sim) -> None:
    every = GeneSets.of(sim.gene_sets, sim.kb.genes, 2, len(sim.kb.genes))
    related = relations(sim.kb, every, None, imodulons=imodulons(sim))
    assert related["same iModulon"].any()
    for one, other in (
        ("same iModulon", "same pathway"),
        ("iModulon of the regulon", "pathway of the regulon"),
    ):
        assert (related[one] == related[other]).all()


def test_edges_behind_rebuilt_responses_are_told_apart(sim, ruler) -> None:
    data = sim.data.copy()
    edits = sim.kb.changes_to(sim.truth)
    added = edits[edits["before"] == "0"]
    x = data.obsm["perturbation"].toarray()
    genes = list(map(str, data.uns["genes"]))
    touched = added["source"].map(lambda g: bool(x[:, genes.index(g)].any()))
    rebuilt = added.loc[touched, "source"].iloc[0]
    behind = x[:, genes.index(rebuilt)] != 0
    data.obs["expression_kind"] = np.where(behind, "ica_reconstruction", "log_tpm")
    data.uns["imodulons"] = imodulons(sim)
    bundle = Bundle(data, sim.kb, None, sim.go_counts, sim.gene_sets, sim.card)
    shown = dict.fromkeys(("refined", "data alone", "Frobenius", "random edits"), edits)
    found = meaning(bundle, shown, ruler.sets, 0)
    also = {genes[j] for j in np.flatnonzero(x[behind].any(axis=0))}
    mine = found[found["network"] == MEASURED_ONLY]
    assert rebuilt in also
    assert set(mine["added"]) == {int((~added["source"].isin(also)).sum())}
    assert set(found.loc[found["network"] == "refined", "added"]) == {len(added)}
    assert {"same iModulon", "iModulon of the regulon"} <= set(mine["relation"])


@pytest.mark.parametrize(
    ("columns", "more"),
    [(None, []), (["name"], []), (["start"], ["beside a known target"])],
)
def test_relations_nothing_is_known_about_are_left_out(sim, ruler, columns, more) -> None:
    known = genome(sim.kb).assign(name="x")[columns] if columns else None
    found = list(relations(sim.kb, ruler.sets, None, known))
    assert found == ["same pathway", "pathway of the regulon", *more]


PLACES = pd.DataFrame(
    {"start": [1, 150, 1200, 901, 1250], "end": [100, 800, 1240, 1099, 1400], "strand": "+"},
    index=list("abcdr"),
)  # in order: a, b, d, c, r; b and d exactly GAP apart


@pytest.mark.parametrize(
    ("places", "beside", "run"),
    [
        (PLACES, "ad", "abcdr"),
        (PLACES.replace({"start": {901: 902}}), "a", "cdr"),  # d a base too far from b
        (PLACES.assign(strand=list("-++++")), "d", None),
        (PLACES[["start"]].drop(index="d"), "ac", None),  # the order alone counts
    ],
)
def test_neighbours_share_a_strand_and_lie_close(places, beside, run) -> None:
    net = pd.DataFrame({"source": ["r"], "target": ["b"], "sign": [1]})
    kb = al.KnowledgeBase.from_edges(net, genes=list("abcdr"))
    sets = GeneSets.of({"all": ["a", "b"]}, kb.genes, min_size=2)
    found = relations(kb, sets, None, places)
    for name, expected in (("beside a known target", beside), ("same run of genes", run)):
        if expected is not None:
            assert found[name].tolist() == [[gene in expected for gene in kb.genes]]


def decomposition(path: Path, n_genes: int) -> Path:
    """Two components over three genes; how many the table says are in the second."""
    parts = {
        "M": json.dumps({"X": {"a": "0.5", "b": "-0.9", "c": "0.1"},
                         "Y": {"a": "0.2", "b": "0.2", "c": "-0.3"}}),
        "thresholds": {"Y": 0.2, "X": 0.4},
        "imodulon_table": json.dumps({"n_genes": {"X": 2, "Y": n_genes}}),
    }  # fmt: skip
    path.write_bytes(gzip.compress(json.dumps(parts).encode()))
    return path


def test_imodulons_hold_the_genes_beyond_their_threshold(tmp_path: Path) -> None:
    found = imodulon_table(decomposition(tmp_path / "p.json.gz", 1))
    assert found.to_numpy().tolist() == [["X", "a"], ["X", "b"], ["Y", "c"]]
    with pytest.raises(ValueError, match=r"iModulon 'Y' in p\.json\.gz has 1 genes above its"):
        imodulon_table(decomposition(tmp_path / "p.json.gz", 2))


def test_edits_between_unknown_genes_are_refused(sim, ruler) -> None:
    added = pd.DataFrame({"source": ["tf01"], "target": ["nowhere"]})
    related = relations(sim.kb, ruler.sets, None)
    with pytest.raises(ValueError, match="the added edge tf01 → nowhere"):
        meaning_table(sim.kb, added, related, np.ones(len(sim.kb.genes), bool))


# ------------------------------------------------------------------------------- whole analysis


def test_every_table_is_there_and_whole(tables) -> None:
    n_sets = tables.changes["pathway"].nunique()
    assert len(tables.changes) == len(NETWORKS) * len(STATISTICS) * n_sets
    assert tables.networks["network"].tolist() == list(NETWORKS)
    by = tables.shares.groupby(["network", "statistic"])
    assert by["share"].sum().to_numpy() == pytest.approx(1)
    assert (by["pathways"].sum() == n_sets).all()
    assert (tables.shares["low"] <= tables.shares["share"]).all()
    assert (tables.changes["low"] <= tables.changes["high"]).all()
    assert set(tables.meaning["relation"]) <= set(RELATIONS)
    power = tables.power.set_index("network")
    assert list(tables.power.columns) == ["network", "share_changed", "flagged"]
    assert power.loc["original, itself"].tolist() == [0.0, False]
    assert power.at["modules destroyed", "flagged"]
    share = power["share_changed"]
    assert share["modules destroyed"] > share["random edits"]
    made = tables.networks.set_index("network").loc["refined", ["added", "dropped", "flipped"]]
    assert len(tables.edits) == made.sum()
    assert (tables.edits["before"] != tables.edits["after"]).all()


def test_tables_come_back_from_their_folder(tables, tmp_path: Path) -> None:
    save_tables(tables, tmp_path / "t", {"seconds": 1})
    back, _ = load_tables(PathwayTables, tmp_path / "t")
    for field in dataclasses.fields(PathwayTables):
        ours = getattr(tables, field.name).reset_index(drop=True)
        assert_frame_equal(getattr(back, field.name), ours, check_dtype=False, rtol=1e-5)
    assert pathways_report.answer(back) == pathways_report.answer(tables)
    first, again = judge_pathways(tables, "x"), judge_pathways(back, "x")
    assert (again.verdict, again.reason) == (first.verdict, first.reason)
    assert again.ours == pytest.approx(first.ours, abs=1e-5)


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="n_null is 5; give at least 39"):
        PathwaySettings(n_null=5)
    with pytest.raises(ValueError, match="give one number above 0 for each of"):
        PathwaySettings(bounds={"recovery": 0.05})


# -------------------------------------------------------------------------------------- verdicts


def judge_pathways(tables: PathwayTables, edition: str) -> pd.Series:
    return scorecard({edition: tables}).iloc[0]


def judged(
    tables: PathwayTables, recovery: str, influence: str, flagged: bool = False, edition: str = "x"
) -> str:
    """The verdict on tables in which every pathway of the refined network has these verdicts."""
    shares = tables.shares.copy()
    mine = shares["network"] == "refined"
    n = shares.loc[mine, "pathways"].sum() // 2 * 10
    for statistic, verdict in (("recovery", recovery), ("influence", influence)):
        for at in shares.index[mine & (shares["statistic"] == statistic)]:
            count = n if shares.at[at, "verdict"] == verdict else 0
            shares.loc[at, ["pathways", "share", "low", "high"]] = [count, *proportion(count, n)]
    overall = tables.overall.copy()
    overall.loc[overall["network"] == "refined", "flagged"] = flagged
    changed = dataclasses.replace(tables, shares=shares, overall=overall)
    return judge_pathways(changed, edition).verdict


@pytest.mark.parametrize(
    ("recovered", "influenced", "more", "verdict"),
    [
        ("unchanged", "unchanged", {}, "supported"),
        ("unchanged", "unchanged", {"flagged": True}, "supported"),
        ("unchanged", "undecided", {}, "undecided"),
        ("lost", "unchanged", {}, "contradicted"),
        ("lost", "undecided", {}, "contradicted"),
        ("undecided", "undecided", {}, "undecided"),
        ("unchanged", "unchanged", {"edition": "demo"}, "not testable"),
    ],
)
def test_the_verdict_follows_the_tables(tables, recovered, influenced, more, verdict) -> None:
    assert judged(tables, recovered, influenced, **more) == verdict


def test_without_power_or_edits_nothing_is_judged(tables) -> None:
    blind = dataclasses.replace(tables, power=tables.power.assign(flagged=False))
    found = judge_pathways(blind, "x")
    assert found.verdict == "undecided"
    assert "controls" in found.reason
    still = tables.networks.assign(added=0, dropped=0, flipped=0)
    found = judge_pathways(dataclasses.replace(tables, networks=still), "x")
    assert found.verdict == "undecided"
    assert found.reason.startswith("refinement made no edit; ")


# ---------------------------------------------------------------------------------------- figures


def test_every_figure_draws_what_the_tables_hold(tables) -> None:
    shares = tables.shares[tables.shares["statistic"] == "recovery"]
    bars = draw.plot_verdicts(shares, ["refined", "noisy"], plt.subplots()[1])
    assert sum(patch.get_width() for patch in bars.patches) == pytest.approx(2)
    rows = pathways_report.change_rows(tables, "recovery", ends=2)
    ranked = draw.plot_pathways(rows, 0.05, plt.subplots()[1])
    assert [t.get_text() for t in ranked.get_yticklabels()] == rows["label"].tolist()
    assert rows["change"].is_monotonic_decreasing
    scatter = draw.plot_nes(pathways_report.nes_rows(tables), plt.subplots()[1])
    assert scatter.get_xlim() == scatter.get_ylim()
    mean = tables.recovery[tables.recovery["measure"] == "AUROC"]
    assert len(draw.plot_recovery(mean, list(NETWORKS), plt.subplots()[1]).containers) == 2
    moved = tables.moved[tables.moved["statistic"] == "recovery"]
    assert len(draw.plot_bounds(moved, 0.05, plt.subplots()[1]).lines) == 3
    draw.plot_meaning(tables.meaning, ["refined", "random edits"], plt.subplots()[1])
    plt.close("all")


def test_the_module_drawing_shows_every_gene_once_and_every_edit(tables) -> None:
    nodes, edges = pathways_report.module_drawing(tables, most=50)
    assert nodes["gene"].is_unique
    assert set(edges["source"]) | set(edges["target"]) == set(nodes["gene"])
    changed = tables.module["before"] != tables.module["after"]
    assert (edges["kind"] != "kept").sum() == changed.sum()
    for when in ("before", "after"):
        ax = draw.plot_module(nodes, edges, when, plt.subplots()[1])
        assert len(ax.patches) == (edges[when] != "0").sum()
    plt.close("all")


@pytest.mark.parametrize("edition", [*editions(), "a report"])
def test_what_an_edition_asks_for_is_enough(edition):
    name, known = (
        "05_kegg_enrichment",
        {field.name for field in dataclasses.fields(PathwaySettings)},
    )
    report = edition == "a report"
    asked = PARAMETERS[name] if report else load_edition(edition).notebooks.get(name, {})
    PathwaySettings(**{key: value for key, value in asked.items() if key in known})
