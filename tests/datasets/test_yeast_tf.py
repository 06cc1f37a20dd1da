"""The recipe of the yeast edition against the reference and by another road; its steps on toys."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from aligned.data import Bundle, Rows, files, folds, registry, validate
from companion import editions
from companion.editions import parts, yeast_tf
from companion.editions.yeast_tf import expression as ex
from companion.editions.yeast_tf import networks as nw
from companion.topology import rewired

#: Network -> (its edges, the second network, its file of the reference, (cells where it speaks on
#: the joint panel, share of them changed, share of the changed ones with the right sign)).
NETWORKS = {
    "yeastract": (9592, "gold", "edges_yeastract2020_dna_and_sign.csv", (3942, 0.10, 0.89)),
    "gold": (1403, "binding", "edges_tchourine2018_gs.csv", (724, 0.31, 0.91)),
    "binding": (41_481, "gold", "edges_yeastract2020_dna_x_tfmode.csv", (13_046, 0.054, 0.73)),
}
FILES = {"ko": "ko", "zev": "zev15"}


@pytest.fixture(scope="module")
def paths(mirror: Path) -> dict[str, Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(registry.MIRROR_VARIABLE, str(mirror))
        return registry.fetch("yeast_tf")


@pytest.fixture(scope="module")
def read(paths: dict[str, Path]) -> yeast_tf.Originals:
    return yeast_tf.originals(paths, parts.recipe_of("yeast_tf"))


@pytest.fixture(scope="module")
def bundles(mirror: Path) -> dict[str, Bundle]:
    """Every network on the joint data, and the two other parts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(registry.MIRROR_VARIABLE, str(mirror))
        made = {name: editions.load_yeast_tf(network=name) for name in ("gold", "binding")}
        made |= {part: editions.load_yeast_tf(part=part) for part in ("ko", "zev")}
        return made | {
            "yeastract": editions.load_yeast_tf(),
            "rewired": editions.load_yeast_tf(seed=3, network="rewired"),
        }


@pytest.fixture(scope="module")
def bundle(bundles: dict[str, Bundle]) -> Bundle:
    return bundles["yeastract"]


@pytest.fixture(scope="module")
def expected(mirror: Path) -> Path:
    """Folder with what a correct recipe produces, or skip."""
    folder = mirror.parent / "reference" / "yeast"
    if not folder.is_dir():
        pytest.skip("the reference tables of the edition yeast_tf are not beside the originals")
    return folder


def _signed(edges: pd.DataFrame) -> set[tuple[str, str, int]]:
    return set(edges.iloc[:, :3].itertuples(index=False, name=None))


# ------------------------------------------------------------------------- against the reference


@pytest.mark.parametrize("kind", FILES)
def test_every_cell_of_the_reference(
    read: yeast_tf.Originals, bundle: Bundle, expected: Path, kind: str
) -> None:
    """The reference is rounded to four digits; its calls come from numbers before rounding."""
    logfc = pd.read_parquet(expected / f"logfc_{FILES[kind]}.parquet")
    ternary = pd.read_parquet(expected / f"ternary_{FILES[kind]}.parquet")
    ours = read.logfc[kind]
    assert ours.index.equals(logfc.index)
    assert ours.columns.equals(logfc.columns)
    assert np.abs(ours.to_numpy() - logfc.to_numpy()).max() < 5.01e-5
    assert (ex.call(ours, np.log2(1.7)) == ternary.to_numpy()).all()
    data = bundle.data[bundle.data.obs["kind"] == kind]
    cells = pd.DataFrame(data.X, data.obs["factor"], data.var_names)
    seen = pd.DataFrame(data.layers["observed"], cells.index, cells.columns)
    table = pd.read_csv(expected / "genes.csv", index_col="orf")
    column = {"ko": "outcome_independent_for_ko", "zev": "in_zev"}[kind]
    counted = table.index[table[column] == 1]
    assert set(seen.columns[seen.any()]) == set(counted)
    own = pd.DataFrame({gene: seen.index == gene for gene in counted}, index=seen.index)
    assert (seen[counted] == ~own).all(axis=None)
    assert (cells[counted] == ternary[counted].mask(own, 0)).all(axis=None)


def test_genes_and_own_transcripts_of_the_reference(
    read: yeast_tf.Originals, bundle: Bundle, expected: Path
) -> None:
    table = pd.read_csv(expected / "genes.csv", index_col="orf")
    flags = table[["in_chip778", "in_de573", "in_tf50"]].astype(bool)
    assert (read.panel == flags.set_axis(read.panel.columns, axis=1)).all(axis=None)
    assert bundle.data.var["name"].to_dict() == table["name"].to_dict()
    slim = table[["n_slim_bp", "n_slim_mf", "n_slim_cc"]].sum(axis=1)
    assert bundle.data.var["go_count"].to_dict() == slim.to_dict()
    about = pd.read_csv(expected / "perturbations.csv")
    about["kind"] = about["edition"].replace({"zev15": "zev"})
    about = about.set_index(about["orf"] + "_" + about["kind"]).loc[bundle.data.obs_names]
    own = bundle.data.obs["own_log2fc"]
    np.testing.assert_allclose(own, about["self_log2fc"], atol=5.1e-4)
    ko = about["kind"] == "ko"
    silent = bundle.data.obs["silent"]
    assert (silent[ko] == (about.loc[ko, "n_changed_outcome_indep"] == 0)).all()
    assert (silent.sum(), silent[~ko].sum()) == (54, 0)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_edge_of_the_reference(
    read: yeast_tf.Originals, bundles: dict[str, Bundle], expected: Path, name: str
) -> None:
    edges = _signed(pd.read_csv(expected / NETWORKS[name][2]))
    assert _signed(read.networks[name]) == _signed(bundles[name].kb.to_edges()) == edges


def test_recovered_values_are_those_of_the_unlabelled_tables(
    read: yeast_tf.Originals, mirror: Path
) -> None:
    """Each of the 179 deletions is a column of one of two tables that the recipe does not read."""
    chip = read.logfc["ko"].loc[:, read.panel["chip"]].to_numpy()
    tables = [
        pd.read_csv(mirror / f"yeast_hkMatrixE_{name}.csv", header=None).to_numpy().T
        for name in ("optimize", "holdOut")
    ]
    columns = np.vstack(tables)
    nearest = [np.abs(columns - row).max(axis=1).min() for row in chip]
    assert max(nearest) < 1e-8


# ------------------------------------------------------------------------- by another road


def test_counts_of_the_joint_data(bundle: Bundle) -> None:
    data, card = bundle.data, bundle.card
    validate(data)
    rows = Rows.of(data, bundle.kb)
    assert data.shape == (358, 1236)
    assert rows.counted.sum() == data.layers["observed"].sum() == card["n_counted_cells"] == 259_619
    assert card["panel"] == {"chip": 778, "outcome": 573, "factor": 50}
    assert card["share_changed"] == pytest.approx(0.0205, abs=5e-5)
    logfc = data.layers["logfc"]
    strict = np.where(np.abs(np.nan_to_num(logfc)) > 1, np.sign(logfc), 0)
    assert (data.layers["strict"] == strict).all()
    assert (np.isnan(logfc) == ~data.layers["observed"]).all()
    calls = np.where(np.abs(np.nan_to_num(logfc)) > np.log2(1.7), np.sign(logfc), 0)
    assert (calls == data.X).mean() > 1 - 1e-6  # the layer is rounded to single precision
    kinds = card["kinds"]
    silent = pd.Series(~data.X.any(axis=1), data.obs_names)[data.obs["kind"] == "ko"]
    assert silent.sum() == kinds["ko"]["n_silent"] + kinds["ko"]["n_only_own"] == 54 + 14
    assert kinds["ko"]["own_transcript"] == {"measured": 60, "expected": 60}
    assert kinds["zev"]["own_transcript"] == {"measured": 50, "expected": 50}
    assert kinds["ko"]["shared_response"] == pytest.approx(0.21, abs=0.005)


def test_inputs_and_names(bundle: Bundle) -> None:
    data = bundle.data
    x = data.obsm["perturbation"].tocoo()
    assert (x.row == np.arange(358)).all()
    assert (data.uns["genes"][x.col] == data.obs["factor"]).all()
    assert (pd.Series(x.data, data.obs_names) == data.obs["kind"].map({"ko": -1, "zev": 1})).all()
    assert data.obs.loc["YBL021C_ko", "perturbation"] == "HAP3-"
    assert data.obs.loc["YBL021C_zev", "perturbation"] == "HAP3+"
    assert bundle.kb.gene_id("HAP3") == "YBL021C"
    table = folds(data, "control_safe", 5)
    assert table["0"].groupby(data.obs["factor"].to_numpy()).nunique().max() == 1
    assert data.obs["split"].groupby(data.obs["factor"].to_numpy()).nunique().max() == 1


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_speak_as_often_as_the_data_page_says(
    bundles: dict[str, Bundle], name: str
) -> None:
    """Counted edge by edge, without the closure."""
    bundle, (n_edges, other, _, (cells, changed, right)) = bundles[name], NETWORKS[name]
    data, speaks = bundle.data, bundle.card["speaks"]
    assert (bundle.kb.n_edges, bundle.card["other_network"]) == (n_edges, other)
    assert bundle.other_kb == bundles[other].kb
    targets = defaultdict(dict)
    for source, target, sign in _signed(bundle.kb.to_edges()):
        targets[source][target] = sign
    column = {gene: j for j, gene in enumerate(data.var_names)}
    found = Counter()
    for i, (factor, kind) in enumerate(zip(data.obs["factor"], data.obs["kind"], strict=True)):
        for target, sign in targets[factor].items():
            j = column.get(target)
            if j is not None and data.layers["observed"][i, j]:
                found["cells"] += 1
                found["changed"] += data.X[i, j] != 0
                found["right"] += data.X[i, j] == sign * (1 if kind == "zev" else -1)
    assert speaks["cells"] == found["cells"] == cells
    assert speaks["share_changed"] == round(found["changed"] / cells, 4)
    assert speaks["share_changed"] == pytest.approx(changed, abs=0.005)
    assert speaks["share_sign_right"] == round(found["right"] / found["changed"], 4)
    assert speaks["share_sign_right"] == pytest.approx(right, abs=0.005)


def test_rewired_keeps_degrees_and_follows_the_seed(bundles: dict[str, Bundle]) -> None:
    one, before = bundles["rewired"].kb, bundles["yeastract"].kb
    assert one.genes == before.genes
    assert one.regulators == before.regulators
    for column in ("source", "target"):
        degree = [kb.to_edges()[column].value_counts().sort_index() for kb in (one, before)]
        assert degree[0].equals(degree[1])
    same = len(_signed(one.to_edges()) & _signed(before.to_edges()))
    assert same < 0.15 * before.n_edges
    assert one == rewired(before, 3)
    assert one != rewired(before, 4)
    assert (bundles["rewired"].data.X == bundles["yeastract"].data.X).all()
    assert bundles["rewired"].card["speaks"]["share_changed"] < 0.05


def test_parts_are_those_conditions_of_the_joint_data(bundles: dict[str, Bundle]) -> None:
    joint = bundles["yeastract"].data
    for part, shape in (("ko", (179, 828)), ("zev", (179, 623))):
        data = bundles[part].data
        validate(data)
        assert data.shape == shape
        inside = joint[data.obs_names, data.var_names]
        assert (data.X == inside.X).all()
        assert (data.layers["observed"] == inside.layers["observed"]).all()
        assert bundles[part].card["part"] == part
        assert list(bundles[part].card["kinds"]) == [part]


def test_evidence_beside_edges(bundles: dict[str, Bundle], mirror: Path) -> None:
    """Nearly all of the gold standard is bound; one factor's edges from the lines of the file."""
    gold = bundles["gold"].kb.to_edges()["evidence"]
    assert gold.str.contains("YEASTRACT binding").mean() == pytest.approx(0.94, abs=0.005)
    assert gold.str.startswith("Tchourine 2018").all()
    edges = bundles["binding"].kb.to_edges()
    assert edges["evidence"].str.contains("YEASTRACT binding; .*GO mode").sum() > 0
    assert edges["evidence"].str.endswith("GO mode").all()
    with gzip.open(mirror / "yeastract_onlyDNABinding.csv.gz", "rt") as stream:
        header, *lines = csv.reader(stream, delimiter=";")
    bound = next(line for line in lines if line[0] == "Gal4p")
    names = {g for g, flag in zip(header[1:], bound[1:], strict=True) if flag == "1"}
    named = parts.GeneNames((), bundles["binding"].kb.names)
    gal4 = edges[edges["source"] == bundles["binding"].kb.gene_id("GAL4")]
    found = {named.display[gene] for gene in gal4["target"]}
    assert names - {"Uncharacterized"} >= found
    assert len(names) - len(found) < 0.05 * len(names)
    assert (gal4["sign"] == 1).all()


def test_go_counts_and_sets(bundle: Bundle, mirror: Path) -> None:
    lines = (mirror / "yeast_go_slim_mapping.tab").read_text("utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    roots = {"GO:0008150", "GO:0003674", "GO:0005575"}
    for gene in ("YBL021C", "YPL248C", "YAL005C"):
        wanted = {row[5] for row in rows if row[0] == gene} - roots
        assert bundle.go_counts[gene] == len(wanted) > 0
    assert bundle.go_counts.index.tolist() == list(bundle.kb.genes)
    sets = bundle.gene_sets
    assert sets["GO:0006810 transport"] == sorted(
        {r[0] for r in rows if r[5] == "GO:0006810" and not r[0].startswith("CPX-")}
    )
    assert not {name.split()[0] for name in sets} & roots
    assert len(sets) == 130


def test_card_is_plain_and_complete(bundle: Bundle) -> None:
    card = json.loads(json.dumps(bundle.card))
    assert yaml.safe_load(yaml.safe_dump(bundle.card)) == card
    assert {"title", "what", "licence", "citation", "limits"} <= set(card)
    recipe = parts.recipe_of("yeast_tf")
    named = {*recipe["files"].values(), *(n for three in recipe["tables"].values() for n in three)}
    assert {file["name"] for file in card["sources"]} == named
    assert named == {file.name for file in files("yeast_tf")}
    for word in ("Selection of genes", "Circularity", "Silent deletions", "Shared response"):
        assert any(limit.startswith(word) for limit in card["limits"])
    evidence = card["kinds"]["ko"]["expression_evidence"]
    assert evidence["strong"] > 2 * evidence["unchanged"]
    assert card["unknown_factors"] == ["Flo8", "Mal63"]
    assert bundle.yardstick == {"k": 1, "rule": "boolean"}


# ------------------------------------------------------------------------------------ small steps


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            {"network": "silver"},
            "network='silver' is not a choice; use one of yeastract, gold, binding, rewired.",
        ),
        ({"part": "both"}, "part='both' is not a choice; use one of joint, ko, zev."),
    ],
)
def test_unknown_choices_are_one_sentence_before_any_file(
    option: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(editions, "fetch", lambda names: pytest.fail("asked for files"))
    with pytest.raises(ValueError) as caught:
        editions.load_yeast_tf(**option)
    assert str(caught.value) == message


def _lists(folder: Path, numbers: str) -> list[Path]:
    made = {"numbers.csv": numbers, "genes.csv": '"g1"\n"g2"\n', "samples.csv": "A\r\nB\r\nWT\r\n"}
    for name, text in made.items():
        (folder / name).write_bytes(text.encode())
    return [folder / name for name in made]


def test_numbers_get_their_names(tmp_path: Path) -> None:
    table = ex.labelled(_lists(tmp_path, "1,2,0\n3,4,0\n"), "WT")
    assert table.to_dict("index") == {"A": {"g1": 1, "g2": 3}, "B": {"g1": 2, "g2": 4}}
    with pytest.raises(
        ValueError, match=r"numbers\.csv has 1 rows and 3 columns, its lists of names"
    ):
        ex.labelled(_lists(tmp_path, "1,2,0\n"), "WT")


def test_division_is_undone_or_refused() -> None:
    plain = pd.DataFrame({"A": [1.0, 2.0], "B": [-3.0, 0.5], "C": [2.0, 7.0]}, index=["g", "h"])
    divided = plain.div([4.0, 0.5], axis=0)
    again = ex.undivided(divided, plain[["B", "A"]].loc[["h", "g"]], 1e-12)
    pd.testing.assert_frame_equal(again, plain)
    for wrong in (-divided, divided + pd.DataFrame({"A": [0, 1]}, index=["g", "h"]), divided * 0):
        wrong = wrong.fillna(divided)
        with pytest.raises(ValueError, match="no single positive number turns the divided row of"):
            ex.undivided(wrong, plain[["A", "B"]], 1e-9)


def test_tables_are_joined_or_refused() -> None:
    one = pd.DataFrame({"z": [1.0, 2.0], "b": [3.0, 4.0]}, index=["F2", "F1"])
    two = pd.DataFrame({"b": [4.0, 3.0], "a": [5.0, 6.0]}, index=["F1", "F2"])
    both = ex.joined([one, two], 1e-9)
    assert both.to_dict("split") == {
        "index": ["F1", "F2"],
        "columns": ["a", "b", "z"],
        "data": [[5.0, 4.0, 2.0], [6.0, 3.0, 1.0]],
    }
    with pytest.raises(ValueError, match=r"two tables differ by up to 0\.5 in gene b; take"):
        ex.joined([one, two.assign(b=[4.0, 3.5])], 1e-9)


def test_names_of_genes_in_order(tmp_path: Path) -> None:
    path = tmp_path / "names.tsv"
    path.write_text('"Y1"\t"AAA1"\t"heat"\t"OLD"\n"Y2"\t""\t"OLD"\t"AAA1"\n"Y3"\t"OLD2"\t"Y1"\n')
    names = nw.gene_names(path)
    asked = ["y1", "aaa1", "old", "OLD2", "heat", "no"]
    assert [names.resolve(name) for name in asked] == ["Y1", "Y1", "Y1", "Y3", "Y1", None]
    assert names.display == {"Y1": "AAA1", "Y2": "Y2", "Y3": "OLD2"}


def test_small_networks(tmp_path: Path) -> None:
    (tmp_path / "gold.tsv").write_text('"T1"\t"T2"\n"a"\t0\t-1\n"b"\t1\t0\n')
    assert _signed(nw.gold_standard(tmp_path / "gold.tsv")) == {("T2", "a", -1), ("T1", "b", 1)}
    names = parts.GeneNames(({"t1": "T1", "g": "a", "imp2'": "T2"},), {})
    (tmp_path / "y.csv").write_text("3;G;Unheard;G2\nT1p;1;1;0\nImp2'p;1;0;1\nNonep;1;0;0\n")
    pairs, unknown = nw.documented_pairs(tmp_path / "y.csv", names)
    assert pairs.to_numpy().tolist() == [["T1", "a"], ["T2", "a"]]
    assert unknown == ["None"]


def test_small_slim(tmp_path: Path) -> None:
    path = tmp_path / "slim.tab"
    path.write_text(
        "b\tn\ts\tP\tt\tGO:1\tORF\na\tn\ts\tP\tt\tGO:1\tORF\na\tn\ts\tP\tr\tGO:0\tORF\n"
        "a\tn\ts\tF\tf\tGO:2\tORF\nC\tn\ts\tP\tt\tGO:1\tprotein complex\n"
    )
    assert nw.slim_sets(path, ["P"], ["GO:0"]) == {"GO:1 t": ["a", "b"]}
    assert nw.slim_sets(path, ["P", "F"], []) == {
        "GO:0 r": ["a"],
        "GO:1 t": ["a", "b"],
        "GO:2 f": ["a"],
    }
