"""The recipe against what it must produce, and its steps on small examples."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aligned.data import Bundle
from aligned.data.controls import control_adjusted, genomic_order
from companion.editions.ecoli import Originals
from companion.editions.ecoli.expression import Contrast, Thresholds, sample_key, strict_call
from companion.editions.ecoli.names import gene_names
from companion.editions.ecoli.network import ecocyc_network, trn_network
from companion.editions.ecoli.noise import replicate_disagreement, wild_type_calls
from companion.hidden.ranking import Candidates, Seen, line_rankings, questions
from companion.hidden.run import Ranked

MISSING = -9


# ------------------------------------------------------------------------- against the reference


def test_fold_changes_equal_the_reference(ecoli_bundle: Bundle, reference: Path) -> None:
    expected = pd.read_parquet(reference / "logfc.parquet")
    data = ecoli_bundle.data
    assert data.obs_names.tolist() == expected.index.tolist()
    assert data.var_names.tolist() == expected.columns.tolist()
    ours = data.layers["logfc"]
    assert (np.isnan(ours) == expected.isna().to_numpy()).all()
    assert np.nanmax(np.abs(ours - expected.to_numpy())) < 0.001


def test_strict_calls_equal_the_reference(ecoli_bundle: Bundle, reference: Path) -> None:
    expected = pd.read_parquet(reference / "ternary_strict.parquet").to_numpy()
    data = ecoli_bundle.data
    observed = data.layers["observed"]
    assert (observed == (expected != MISSING)).all()
    assert int(observed.sum()) == 362_071
    assert (data.X[observed] == expected[observed]).all()
    assert not data.X[~observed].any()


def test_network_equals_the_reference(ecoli_bundle: Bundle, reference: Path) -> None:
    expected = pd.read_csv(reference / "grn_ecocyc.csv.gz")
    signs = {0: (1, -1), 1: (1,), -1: (-1,)}
    wanted = {
        (row.regulator_id, row.target_id, sign)
        for row in expected.itertuples()
        for sign in signs[row.sign]
    }
    kb = ecoli_bundle.kb
    edges = kb.to_edges()
    assert set(edges[["source", "target", "sign"]].itertuples(index=False, name=None)) == wanted
    assert (len(kb.regulators), edges["target"].nunique()) == (315, 3003)
    assert (kb.n_pairs, kb.n_edges) == (9754, 10149)
    assert kb.report["dual pairs"] == 395
    assert kb.report["self-loops"] == 173
    assert edges["evidence"].unique().tolist() == ["EcoCyc 28.5"]


def test_unknown_names_are_listed(ecoli_bundle: Bundle) -> None:
    unknown = ecoli_bundle.card["unknown_names"]
    assert len(unknown) == 22
    assert {"allW", "spfP", "yrdG"} <= set(unknown)
    assert len(ecoli_bundle.card["edges_without_sign"]) == 14
    assert ecoli_bundle.card["other_unknown_names"] == ["ipeX", "ppGpp"]


def test_other_network(ecoli_bundle: Bundle) -> None:
    other = ecoli_bundle.other_kb
    edges = other.to_edges()
    assert len(other.regulators) == 266
    assert edges["target"].nunique() == 2416
    assert other.n_pairs == 7335


def test_other_network_agrees_in_sign(ecoli_bundle: Bundle) -> None:
    def signs(kb) -> pd.Series:
        edges = kb.to_edges()
        return edges.groupby(["source", "target"])["sign"].agg(lambda s: tuple(sorted(s)))

    both = pd.concat([signs(ecoli_bundle.kb), signs(ecoli_bundle.other_kb)], axis=1, join="inner")
    agree = (both.iloc[:, 0] == both.iloc[:, 1]).mean()
    assert len(both) == 7102
    assert round(100 * agree, 1) == 98.6


def test_go_counts_equal_the_reference(ecoli_originals: Originals, reference: Path) -> None:
    expected = pd.read_csv(reference / "go_annotation_counts.csv.gz", index_col="locus_tag")
    ours = ecoli_originals.go
    assert ours.index.tolist() == expected.index.tolist()
    assert (ours.to_numpy() == expected[["n_annotations", "n_unique_terms"]].to_numpy()).all()


def test_kegg_equals_the_reference(ecoli_bundle: Bundle, reference: Path) -> None:
    lines = (reference / "kegg.gmt").read_text(encoding="utf-8").splitlines()
    expected = {cells[0]: cells[2:] for cells in (line.split("\t") for line in lines)}
    assert len(expected) == 96
    assert ecoli_bundle.gene_sets == expected


# -------------------------------------------------------------------------- the bundle as a whole


def test_bundle_lists_genes_alike(ecoli_bundle: Bundle) -> None:
    data, kb = ecoli_bundle.data, ecoli_bundle.kb
    genes = data.uns["genes"].tolist()
    assert list(kb.genes) == list(ecoli_bundle.other_kb.genes) == genes
    assert genes[: data.n_vars] == data.var_names.tolist()
    assert ecoli_bundle.go_counts.index.tolist() == genes
    assert (data.var["go_count"] == ecoli_bundle.go_counts[data.var_names]).all()


def test_conditions_carry_what_was_perturbed(ecoli_bundle: Bundle) -> None:
    data = ecoli_bundle.data
    double = "Pseudogene_Repair|delmenFentC"
    assert data.obs.loc[double, "perturbation"] == "entC-,menF-"
    row = data.obsm["perturbation"][data.obs_names.get_loc(double)]
    assert sorted(data.uns["genes"][row.indices]) == ["b0593", "b2265"]
    assert row.data.tolist() == [-1, -1]
    assert (data.obs["expression_kind"] == "log_tpm").sum() == 46
    assert data.obs["controls"].str.len().gt(0).all()


def test_masked_where_the_backgrounds_differ(ecoli_bundle: Bundle) -> None:
    data = ecoli_bundle.data
    differ = data.obs["background_mismatch"].to_numpy(dtype=bool)
    lacz = data.var_names.get_loc("b0344")
    assert not data.layers["observed"][differ, lacz].any()
    assert data.layers["observed"][~differ, lacz].all()


def test_positions_are_those_of_the_genome_annotation(
    ecoli_bundle: Bundle, ecoli_paths: dict[str, Path]
) -> None:
    begins = {}
    for line in ecoli_paths["ecoli_k12_mg1655_genome.gff3"].read_text("utf-8").splitlines():
        cells = line.split("\t")
        if len(cells) == 9 and cells[2] in ("gene", "pseudogene"):
            tag = re.search(r"locus_tag=(b\d{4})", cells[8])
            begins[tag.group(1)] = int(cells[3])
    start = ecoli_bundle.data.var["start"]
    known = start.index.isin(list(begins))
    assert known.mean() > 0.98
    same = start[known] == [begins[gene] for gene in start.index[known]]
    assert same.mean() > 0.99
    order = genomic_order(ecoli_bundle.data)
    lac = [order.index(gene) for gene in ("b0342", "b0343", "b0344")]  # lacA, lacY, lacZ
    assert lac == [lac[0], lac[0] + 1, lac[0] + 2]


def test_adjusting_for_controls_takes_out_what_neighbours_share(ecoli_bundle: Bundle) -> None:
    """The median over company of every adjusted row is smaller than that of the raw one."""
    data = ecoli_bundle.data
    everything = np.ones(data.n_obs, dtype=bool)
    adjusted, raw = control_adjusted(data, everything), data.layers["logfc"]
    assert (np.isnan(adjusted) == np.isnan(raw)).all()
    listed = [set(text.split(";")) for text in data.obs["controls"]]
    label = data.obs["perturbation"].to_numpy()
    similar = [
        (i, k)
        for i in range(data.n_obs)
        for k in range(i)
        if listed[i] & listed[k] and not set(label[i].split(",")) & set(label[k].split(","))
    ]

    def correlation(values) -> float:
        filled = np.nan_to_num(values)
        return float(np.mean([np.corrcoef(filled[i], filled[k])[0, 1] for i, k in similar]))

    assert correlation(adjusted) < correlation(raw) - 0.2


def test_simple_lines_of_the_hidden_edge_test(ecoli_bundle: Bundle) -> None:
    """27 regulators; average precision of the lines when a fifth is hidden in whole runs."""
    candidates = Candidates.of(ecoli_bundle)
    assert len(candidates.rows) == 27
    found: dict[str, list[float]] = {}
    for seed in range(5):
        visible_kb, _ = ecoli_bundle.kb.hold_out(0.2, seed, candidates.order)
        visible = Seen.of(visible_kb, candidates)
        asked = questions(candidates, Seen.of(ecoli_bundle.kb, candidates), visible)["edge"]
        found.setdefault("prevalence", []).append(asked[0].sum() / asked[1].sum())
        for name, (score, _) in line_rankings(candidates, visible).items():
            found.setdefault(name, []).append(float(Ranked.of(score, *asked).ap()))
    mean = {name: np.mean(values) for name, values in found.items()}
    assert mean["prevalence"] == pytest.approx(0.0044, abs=0.0005)
    assert mean["log2fc"] == pytest.approx(0.014, abs=0.003)
    assert mean["adjusted"] == pytest.approx(0.020, abs=0.004)
    assert mean["out-degree"] == pytest.approx(0.025, abs=0.005)
    assert mean["adjusted + out-degree"] == pytest.approx(0.041, abs=0.008)


def test_yardstick_is_the_editions(ecoli_bundle: Bundle) -> None:
    assert ecoli_bundle.yardstick == {"k": 1, "rule": "boolean"}


def test_card_is_plain_and_counts(ecoli_bundle: Bundle) -> None:
    card = json.loads(json.dumps(ecoli_bundle.card))
    assert (card["n_conditions"], card["n_measured_rows"], card["n_reconstructed"]) == (89, 46, 43)
    assert sum(card["matched"].values()) == 89
    assert card["n_knockout_genes"] == 40
    assert len(card["sources"]) == 13
    assert {"title", "what", "licence", "citation", "limits"} <= set(card)


def test_noise_on_the_card(ecoli_bundle: Bundle, ecoli_originals: Originals) -> None:
    noise = ecoli_bundle.card["noise"]
    measured, rebuilt = noise["replicates_measured"], noise["replicates_reconstructed"]
    assert measured["plain"]["median"] > rebuilt["plain"]["median"]
    assert measured["floor"]["median"] < measured["plain"]["median"]
    pairs = wild_type_calls(
        ecoli_originals.table, ecoli_originals.measured, ecoli_originals.thresholds
    )
    assert len(pairs) == noise["wild_type_pairs"]["n"] == 8
    assert pairs["plain"].between(0.02, 0.125).all()
    assert pairs["floor"].between(0.002, 0.06).all()


# ------------------------------------------------------------------------ the steps, small


@pytest.fixture
def names():
    info = pd.DataFrame(
        {
            "locus_tag": ["b1", "b2", "b3"],
            "gene_name": ["fur", "acrA", "hupA"],
            "synonyms": ["fur;old", "acrA;hupB", None],
        }
    )
    gff = pd.DataFrame(
        {"gene": ["hupB", "rna"], "gene_synonym": ["", "small,old"], "locus_tag": ["b4", "b5"]}
    )
    return gene_names(info, gff, pd.DataFrame({"name": ["new"], "locus_tag": ["b6"]}))


@pytest.mark.parametrize(
    ("name", "gene"),
    [("FUR", "b1"), ("old", "b1"), ("hupB", "b2"), ("small", "b5"), ("b5", "b5"), ("NEW", "b6")],
)
def test_first_table_wins(names, name: str, gene: str) -> None:
    assert names.resolve(name) == gene


def test_unknown_name(names) -> None:
    assert names.resolve("unheard") is None


def test_ecocyc_export(names, tmp_path: Path) -> None:
    path = tmp_path / "net.txt"
    path.write_text(
        "# head\n#\nfur*\n  -acrA  +/-hupA*  rna  +fur*  +allW\nacrA*\n  +hupA\n  -hupA\n"
    )
    read = ecocyc_network(path, names, "toy")
    assert read.edges[["source", "target", "sign"]].to_numpy().tolist() == [
        ["b1", "b2", -1],
        ["b1", "b3", 1],
        ["b1", "b3", -1],
        ["b1", "b1", 1],
        ["b2", "b3", 1],
        ["b2", "b3", -1],
    ]
    assert read.unknown == ("allW",)
    assert read.unsigned == ("fur → rna",)
    assert read.edges["evidence"].unique().tolist() == ["toy"]


def test_trn_splits_complexes_and_joins_evidence(names, tmp_path: Path) -> None:
    path = tmp_path / "trn.csv"
    pd.DataFrame(
        [
            ("HU", "b1", "+", "A"),
            ("hupA", "b1", "+", "B"),
            ("Fur", "b2", "?", "A"),
            ("Fur", "b3", "-", "A"),
            ("ppGpp", "b3", "-", "A"),
        ],
        columns=["regulator", "gene_id", "effect", "source"],
    ).to_csv(path, index=False)
    read = trn_network(path, names, {"HU": ["hupA", "fur"]}, "T")
    assert read.edges.to_numpy().tolist() == [
        ["b3", "b1", 1, "T: A; T: B"],
        ["b1", "b1", 1, "T: A"],
        ["b1", "b3", -1, "T: A"],
    ]
    assert read.unknown == ("ppGpp",)
    assert read.unsigned == ("Fur → b2",)


@pytest.mark.parametrize(
    ("fastq", "key"),
    [
        ("s3://x/a-b_S1_L001_R1_001.fastq.gz", "a_b_S1"),
        ("a.b_R1.fastq", "a_b"),
        ("plain", "plain"),
    ],
)
def test_sample_key(fastq: str, key: str) -> None:
    assert sample_key(fastq) == key


LIMITS = Thresholds(mean_log2fc=1.0, replicate_log2fc=0.5, floor_tpm=10)


def _one_gene(samples: list[float], controls: list[float], baseline: float = 0.0) -> Contrast:
    return Contrast(
        name="c",
        measured=True,
        samples=np.array([samples]),
        controls=np.array([controls]),
        baseline=np.array([baseline]),
        masked=np.array([False]),
    )


@pytest.mark.parametrize(
    ("samples", "controls", "baseline", "call"),
    [
        ([7.0, 7.2], [5.0, 5.2], 0.0, 1),
        ([3.0, 3.0], [5.0, 5.0], 0.0, -1),
        ([5.5, 9.0], [5.0, 5.2], 0.0, 0),  # one replicate too weak
        ([4.0, 10.0], [5.0, 5.0], 0.0, 0),  # replicates disagree
        ([3.0, 3.0], [1.0, 1.0], 0.0, 0),  # below the floor of 10 TPM
        ([3.0, 3.0], [1.0, 1.0], 0.5, 1),  # the same on a higher baseline
        ([6.0, 6.0], [5.0, 5.0], 0.0, 0),  # exactly 1 is not above 1
    ],
)
def test_strict_call(samples, controls, baseline, call) -> None:
    assert strict_call(_one_gene(samples, controls, baseline), LIMITS).tolist() == [call]


def test_replicates_that_disagree() -> None:
    contrast = Contrast(
        name="c",
        measured=True,
        samples=np.array([[7.0, 7.0], [7.0, 5.0], [7.0, 3.0], [3.0, 1.0]]),
        controls=np.array([[5.0], [5.0], [5.0], [1.0]]),
        baseline=np.zeros(4),
        masked=np.zeros(4, dtype=bool),
    )
    row = replicate_disagreement([contrast, _one_gene([5.0], [5.0])], LIMITS)
    assert row[["plain", "floor", "opposite"]].to_numpy().tolist() == [[0.75, 0.5, 0.25]]
