"""The recipe of the human signatures against counts made another way, and its steps on toys."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import hypergeom

from aligned.data import Bundle, files, folds
from aligned.data.rows import Rows
from aligned.knowledge import KnowledgeBase
from companion.editions import human_tf
from companion.editions.human_tf.networks import collectri, trrust
from companion.editions.human_tf.signatures import (
    Signature,
    listed_often,
    own_gene_counts,
    read_signatures,
    responses,
)
from companion.edits import edit_support, edit_table

KINDS = {"ko": ["KO"], "kd": ["KD", "SIRNA"], "oe": ["OE"]}
SIGNS = {"ko": -1, "kd": -1, "oe": 1}


@pytest.fixture(scope="module")
def raw(mirror: Path) -> dict[str, dict[str, set[str]]]:
    """Name without direction -> its lists, straight from the lines of the two files."""
    lists: dict[str, dict[str, set[str]]] = defaultdict(dict)
    for way in ("up", "down"):
        for line in (mirror / f"tfpert_geo_{way}.gmt").read_text("utf-8").splitlines():
            name, *genes = line.split("\t")
            lists[name.rsplit("_", 1)[0]][way] = set(genes)
    return lists


# ------------------------------------------------------------------------- against the originals


def test_human_signatures_before_filters(human_originals: human_tf.Originals, raw) -> None:
    assert len(human_originals.human) == 443
    assert len({s.factor for s in human_originals.human}) == 204
    names = {name for name in raw if "_HUMAN_" in name}
    assert {s.name for s in human_originals.human} == names
    assert Counter(s.species for s in human_originals.everything) == {"MOUSE": 503, "HUMAN": 443}


def test_directions_over_both_species(human_originals: human_tf.Originals) -> None:
    counts = Counter(s.kind for s in human_originals.everything)
    assert counts == {"ko": 343, "kd": 335, "oe": 193, "": 75}


def test_own_transcript_over_both_species(human_originals: human_tf.Originals) -> None:
    """88% of ko/kd and 78% of oe go the expected way, counted over both species."""
    counts = own_gene_counts(s for s in human_originals.everything if s.kind)
    share = {w: c["expected"] / (c["expected"] + c["unexpected"]) for w, c in counts.items()}
    assert share["down"] == pytest.approx(0.88, abs=0.01)
    assert share["up"] == pytest.approx(0.78, abs=0.015)


def test_genes_listed_both_ways_are_dropped(human_originals: human_tf.Originals, raw) -> None:
    both = {name: lists["up"] & lists["down"] for name, lists in raw.items()}
    assert sum(map(bool, both.values())) == 17
    assert sum(bool(s.both) for s in human_originals.everything) == 17
    for signature in human_originals.human:
        assert not signature.both & signature.listed


def test_responses_equal_the_lists(human_bundle: Bundle, raw) -> None:
    """Every cell, from the lines of the files: sign, zero, mask."""
    data = human_bundle.data
    newer = human_tf.read_recipe()["aliases"]
    place = {gene: j for j, gene in enumerate(data.var_names)}
    for i, name in enumerate(data.obs_names):
        up, down = np.zeros(data.n_vars, int), np.zeros(data.n_vars, int)
        for way, row in (("up", up), ("down", down)):
            written = (newer.get(gene, gene) for gene in raw[name][way])
            row[[place[gene] for gene in written if gene in place]] = 1
        assert (data.X[i] == up - down).all()
        assert (data.layers["observed"][i] == (up * down == 0)).all()


def test_inputs_keep_the_sign_of_the_perturbation(human_bundle: Bundle) -> None:
    data = human_bundle.data
    x = data.obsm["perturbation"].tocoo()
    assert (np.bincount(x.row, minlength=data.n_obs) == 1).all()
    factor = pd.Series(data.uns["genes"][x.col], index=data.obs_names[x.row])
    sign = pd.Series(x.data, index=data.obs_names[x.row])
    assert (sign == data.obs["kind"].map(SIGNS)).all()
    label = factor + sign.map({-1: "-", 1: "+"})
    assert (label == data.obs["perturbation"]).all()
    word = data.obs_names.str.extract(r"^[^_]+_([A-Z]+)", expand=False)
    assert (sign[word.isin(["SIRNA", "SHRNA", "KD", "KO", "DEPLETION"])] == -1).all()
    assert (sign[word == "OE"] == 1).all()
    assert not word.isin(["MUT", "INHIBITION", "INACTIVATION", "UNK", "SILENCING"]).any()


def test_own_gene_filter_is_an_option(human_bundle: Bundle, human_paths: dict[str, Path]) -> None:
    everything = human_tf.build(
        human_paths, files("human_tf"), human_bundle.yardstick, own_gene="keep_all"
    )
    left_out = set(everything.data.obs_names) - set(human_bundle.data.obs_names)
    assert (everything.data.n_obs, human_bundle.data.n_obs, len(left_out)) == (417, 399, 18)
    assert set(everything.data.obs.loc[sorted(left_out), "own_gene"]) == {"unexpected"}
    assert "unexpected" not in set(human_bundle.data.obs["own_gene"])
    assert everything.card["n_own_gene_dropped"] == 0


@pytest.mark.parametrize("option", ["own_gene", "network"])
def test_unknown_option(human_paths: dict[str, Path], option: str) -> None:
    with pytest.raises(ValueError, match=rf"{option}='maybe' is not a choice; use one of"):
        human_tf.build(human_paths, (), {"k": 1, "rule": "boolean"}, **{option: "maybe"})


def test_columns_are_genes_listed_often_enough(human_bundle: Bundle, raw) -> None:
    data = human_bundle.data
    times = Counter(g for name in data.obs_names for g in raw[name]["up"] ^ raw[name]["down"])
    newer = human_tf.read_recipe()["aliases"]
    often = {newer.get(gene, gene) for gene, count in times.items() if count >= 10}
    assert set(data.var_names) == often
    assert 5000 <= data.n_vars <= 8000
    assert np.count_nonzero(data.X, axis=0).min() >= 10


def test_collectri_is_whole(human_bundle: Bundle, mirror: Path) -> None:
    with (mirror / "collectri_human.csv").open(encoding="utf-8") as stream:
        wanted = {(r["source"], r["target"], int(r["weight"])) for r in csv.DictReader(stream)}
    kb = human_bundle.kb
    edges = kb.to_edges()[["source", "target", "sign"]]
    assert set(edges.itertuples(index=False, name=None)) == wanted
    assert (kb.n_edges, len(kb.regulators)) == (43_178, 1186)
    assert {"AP1", "NFKB"} <= set(kb.regulators)


def test_trrust_is_signed_only(human_bundle: Bundle, mirror: Path) -> None:
    signs = defaultdict(set)
    unsigned = set()
    sign_of = {"Activation": 1, "Repression": -1}
    newer = human_tf.read_recipe()["aliases"]
    rows = [line.split("\t") for line in (mirror / "trrust_human.tsv").read_text().splitlines()]
    for *pair, mode, _ in rows:
        source, target = (newer.get(gene, gene) for gene in pair)
        if mode in sign_of:
            signs[source, target].add(sign_of[mode])
        else:
            unsigned.add((source, target))
    other, card = human_bundle.other_kb, human_bundle.card
    assert Counter(row[2] for row in rows) == {
        "Activation": 3149,
        "Repression": 1922,
        "Unknown": card["other_rows_without_sign"],
    }
    ours = defaultdict(set)
    for row in other.to_edges().itertuples():
        ours[row.source, row.target].add(row.sign)
    assert ours == signs
    assert other.report["dual pairs"] == sum(len(s) == 2 for s in signs.values()) > 0
    assert card["other_pairs_without_sign"] == len(unsigned - set(signs))


def test_genes_of_data_and_networks(human_bundle: Bundle, raw) -> None:
    data, kb = human_bundle.data, human_bundle.kb
    genes = data.uns["genes"].tolist()
    assert list(kb.genes) == list(human_bundle.other_kb.genes) == genes
    assert genes[: data.n_vars] == data.var_names.tolist() == sorted(data.var_names)
    assert genes[data.n_vars :] == sorted(genes[data.n_vars :])
    named = {g for n, lists in raw.items() if "_HUMAN_" in n for s in lists.values() for g in s}
    newer = human_tf.read_recipe()["aliases"]
    assert {newer.get(gene, gene) for gene in named} <= set(genes)
    assert 18_000 < len(genes) < 20_000


def test_complexes_have_members_and_no_copied_edges(human_bundle: Bundle) -> None:
    table = human_bundle.data.uns["complexes"]
    assert set(table["complex"]) == {"AP1", "NFKB"}
    assert {"JUN", "FOS"} <= set(table.loc[table["complex"] == "AP1", "member"])
    assert set(table["member"]) <= set(human_bundle.kb.genes)
    assert human_bundle.kb.n_edges == 43_178


def test_go_counts_and_gene_sets(human_bundle: Bundle, mirror: Path) -> None:
    lines = (mirror / "go_biological_process_2021.gmt").read_text("utf-8").splitlines()
    for gene in ("TP53", "MYC", "BRCA1"):
        wanted = sum(gene in line.split("\t")[2:] for line in lines)
        assert human_bundle.go_counts[gene] == wanted > 0
    assert human_bundle.data.var.loc["TP53", "go_count"] == human_bundle.go_counts["TP53"]
    assert human_bundle.go_counts.index.tolist() == list(human_bundle.kb.genes)
    assert len(human_bundle.gene_sets) == 293
    assert all(name.endswith(re.search(r"hsa\d+", name)[0]) for name in human_bundle.gene_sets)


def test_one_series_is_never_split(human_bundle: Bundle) -> None:
    table = folds(human_bundle.data, "control_safe", 3)
    series = human_bundle.data.obs["series"]
    factor = human_bundle.data.obs["perturbation"].str[:-1]
    for fold in table:
        assert table[fold].groupby(series).nunique().max() == 1
        assert table[fold].groupby(factor).nunique().max() == 1
    assert (table == "test").sum().tolist() == [133, 133, 133]


def test_card_is_plain_and_counts(human_bundle: Bundle) -> None:
    card = json.loads(json.dumps(human_bundle.card))
    assert yaml.safe_load(yaml.safe_dump(human_bundle.card)) == card
    assert (card["n_signatures"], card["n_signature_factors"]) == (443, 204)
    assert card["n_usable"] + sum(card["left_out_words"].values()) == 443
    assert card["n_usable"] - card["n_own_gene_dropped"] == card["n_conditions"] == 399
    assert sum(card["kinds"].values()) == 399
    assert "cannot be told apart" in card["unlisted"]
    assert {file["name"] for file in card["sources"]} == set(
        human_tf.read_recipe()["files"].values()
    )
    assert {"title", "what", "licence", "citation", "limits"} <= set(card)
    assert human_bundle.yardstick == {"k": 1, "rule": "boolean"}


# --------------------------------------------------------------- the question to the other network


@pytest.fixture(scope="module")
def unseen(human_bundle: Bundle, human_paths: dict[str, Path]) -> Bundle:
    """CollecTRI without the pairs of TRRUST."""
    return human_tf.build(human_paths, (), human_bundle.yardstick, network="without_other")


def _pairs(kb: KnowledgeBase) -> set[tuple[str, str]]:
    return set(kb.to_edges()[["source", "target"]].itertuples(index=False, name=None))


def _can_be_found(bundle: Bundle) -> set[tuple[str, str]]:
    """Pairs that only the other network has, of a perturbed regulator and a measured gene."""
    factors = set(bundle.data.obs["perturbation"].str[:-1]) & set(bundle.kb.regulators)
    measured = set(bundle.data.var_names)
    only = _pairs(bundle.other_kb) - _pairs(bundle.kb)
    return {(s, t) for s, t in only if s in factors and t in measured and s != t}


def test_trrust_is_nearly_all_in_collectri(human_bundle: Bundle, unseen: Bundle) -> None:
    first, other = _pairs(human_bundle.kb), _pairs(human_bundle.other_kb)
    overlap = human_bundle.card["overlap"]
    assert overlap["pairs"] == len(first & other)
    assert overlap["share_of_other"] == pytest.approx(0.94, abs=0.01)
    assert overlap["testable"] == len(_can_be_found(human_bundle)) < 20
    assert _pairs(unseen.kb) == first - other
    assert unseen.kb.regulators == human_bundle.kb.regulators
    assert unseen.kb.genes == human_bundle.kb.genes
    assert unseen.card["overlap"]["testable"] == len(_can_be_found(unseen)) > 1000


def test_added_edges_that_the_other_network_has(unseen: Bundle) -> None:
    """Of 20 new edges 10 were taken from TRRUST: half are found there, chance expects none."""
    state = {(r.source, r.target): r.sign for r in unseen.other_kb.to_edges().itertuples()}
    taken = sorted(_can_be_found(unseen))[:10]
    known = _pairs(unseen.kb) | _pairs(unseen.other_kb) | {("MYC", "MYC")}
    absent = [("MYC", g) for g in unseen.data.var_names if ("MYC", g) not in known][:10]
    made = pd.DataFrame([*taken, *absent], columns=["source", "target"]).assign(
        before="0",
        after=["+" if state.get(pair, 1) > 0 else "-" for pair in [*taken, *absent]],
        gain=1.0,
    )
    table = edit_table(made.assign(split="control_safe"), unseen, "control_safe")
    rows = Rows.of(unseen.data, unseen.kb)
    support = edit_support(table, unseen, rows).set_index("kind")
    factors = set(unseen.data.obs["perturbation"].str[:-1]) & set(unseen.kb.regulators)
    measured = set(unseen.data.var_names)
    have = sum(s in factors and t in measured and s != t for s, t in _pairs(unseen.kb))
    urn = len(factors) * len(measured) - len(factors & measured) - have
    assert support.loc["added", "pairs"] == 20
    assert support.loc["added", "in_other"] == 10
    hits = len(_can_be_found(unseen))
    assert support.loc["added", "expected"] == pytest.approx(20 * hits / urn)
    assert support.loc["added", "p_value"] == pytest.approx(
        float(hypergeom.sf(9, urn, hits, 20)), rel=1e-6
    )


# ------------------------------------------------------------------------------------ small steps


def _write(folder: Path, up: str, down: str) -> tuple[Path, Path]:
    paths = folder / "up.gmt", folder / "down.gmt"
    for path, text in zip(paths, (up, down), strict=True):
        path.write_text(text, encoding="utf-8")
    return paths


def _toy(tmp_path: Path) -> list[Signature]:
    paths = _write(
        tmp_path,
        "TF1_KD_HUMAN_GSE1_CREEDSID_GENE_1_UP\tA\tB\tOLD\n"
        "TF2_OE_HELA_HUMAN_GSE2_DAY3_RNASEQ_UP\tA\tTF2\n"
        "TF2_MUT_MOUSE_GSE2_CREEDSID_GENE_2_UP\tC\n",
        "TF1_KD_HUMAN_GSE1_CREEDSID_GENE_1_DOWN\tB\tTF1\n"
        "TF2_OE_HELA_HUMAN_GSE2_DAY3_RNASEQ_DOWN\tC\n"
        "TF2_MUT_MOUSE_GSE2_CREEDSID_GENE_2_DOWN\tA\n",
    )
    return read_signatures(*paths, KINDS, SIGNS, {"OLD": "NEW"})


def test_names_are_taken_apart(tmp_path: Path) -> None:
    first, second, third = _toy(tmp_path)
    assert (first.factor, first.kind, first.sign, first.series) == ("TF1", "kd", -1, "GSE1")
    assert (first.up, first.down, first.both) == ({"A", "NEW"}, {"TF1"}, {"B"})
    assert (first.platform, first.own) == ("CREEDS", "expected")
    assert (second.detail, second.platform, second.own) == ("HELA", "RNA-seq", "expected")
    assert (third.kind, third.sign, third.species) == ("", 0, "MOUSE")


def test_masked_where_listed_both_ways(tmp_path: Path) -> None:
    y, observed = responses(_toy(tmp_path)[:2], ["A", "B", "C"])
    assert y.tolist() == [[1, 0, 0], [1, 0, -1]]
    assert observed.tolist() == [[True, False, True], [True, True, True]]
    assert listed_often(_toy(tmp_path), 3) == ["A"]
    assert listed_often(_toy(tmp_path), 2) == ["A", "C"]


@pytest.mark.parametrize(
    ("up", "down", "message"),
    [
        ("A_KD_HUMAN_GSE1_X\tg\n", "", r"line 1 of .*up\.gmt: the name 'A_KD_HUMAN_GSE1_X' does"),
        ("A_UP\tg\nA_UP\tg\n", "", r"line 2 of .*'A_UP' comes twice"),
        ("A_UP\tg\n", "B_DOWN\tg\n", r"signature 'A' is in only one of up\.gmt and down\.gmt"),
        ("A_UP\tg\n", "A_DOWN\tg\n", r"'A' of up\.gmt does not read FACTOR_KIND_SPECIES_GSE"),
    ],
)
def test_bad_signatures(tmp_path: Path, up: str, down: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_signatures(*_write(tmp_path, up, down), KINDS, SIGNS, {})


def test_small_trrust(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text(
        "A\tb\tActivation\t1\nA\tb\tRepression\t2\nA\tb\tActivation\t3\nA\tc\tUnknown\t4\n"
        "A\tb\tUnknown\t5\n"
    )
    read = trrust(path, {"Activation": 1, "Repression": -1}, "T", {})
    assert read.edges.to_numpy().tolist() == [
        ["A", "b", 1, "T: PMID 1; T: PMID 3"],
        ["A", "b", -1, "T: PMID 2"],
    ]
    assert (read.n_unsigned_rows, read.n_unsigned_pairs) == (2, 1)


def test_small_collectri(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text('"source","target","weight"\n"OLD","NA",-1\n')
    read = collectri(path, "C", {"OLD": "NEW"})
    assert read.edges.to_numpy().tolist() == [["NEW", "NA", -1, "C"]]
    path.write_text('"source","target","weight"\n"A","B",2\n')
    with pytest.raises(ValueError, match=r"row 0 of .*c\.csv has weight .*2.*; give 1 or -1"):
        collectri(path, "C", {})
