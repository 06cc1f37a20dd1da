"""Loading by name, from a folder, from one file; saving; and what a bad one gets."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import yaml

from aligned import data as datasets
from aligned.data import Bundle, load, save
from aligned.data.folder import read_gmt, write_gmt
from aligned.knowledge import KnowledgeBase


@pytest.fixture
def folder(toy: anndata.AnnData, edges: pd.DataFrame, tmp_path: Path) -> Path:
    path = tmp_path / "mine"
    path.mkdir()
    toy.write_h5ad(path / "data.h5ad")
    edges.to_csv(path / "edges.csv", index=False)
    return path


def test_demo_keeps_the_promises() -> None:
    bundle = load("demo", seed=3)
    assert list(bundle.kb.genes) == list(bundle.data.uns["genes"])
    assert bundle.yardstick == {"k": 2, "rule": "boolean"}
    assert bundle.card["title"]
    again = load("demo", seed=3)
    assert (again.data.X == bundle.data.X).all()
    assert not np.array_equal(load("demo", seed=4).data.X, bundle.data.X)


def test_folder_with_the_two_needed_files(folder: Path) -> None:
    bundle = load(folder)
    assert list(bundle.kb.genes) == list(bundle.data.uns["genes"]) == ["g1", "g2", "g3", "g4", "tf"]
    assert bundle.yardstick == {"k": 1, "rule": "boolean"}
    assert bundle.kb.names["g1"] == "A"
    assert bundle.go_counts.to_dict() == {"g1": 3, "g2": 0, "g3": 1, "g4": 2, "tf": 0}
    assert bundle.other_kb is None
    assert bundle.card["title"] == "mine"


def test_genes_of_the_network_are_added(folder: Path, edges: pd.DataFrame) -> None:
    edges.loc[3] = ["new", "g4", -1, "toy"]
    edges.to_csv(folder / "edges.csv", index=False)
    edges.assign(target="other").iloc[:1].to_csv(folder / "other_edges.csv", index=False)
    bundle = load(str(folder))
    assert list(bundle.kb.genes) == ["g1", "g2", "g3", "g4", "tf", "new", "other"]
    assert bundle.kb.genes == bundle.other_kb.genes
    assert bundle.data.obsm["perturbation"].shape == (3, 7)
    assert bundle.data.obsm["perturbation"][:, :5].toarray()[0].tolist() == [0, 0, 0, 0, -1]


def test_ids_stay_text(toy: anndata.AnnData, edges: pd.DataFrame, folder: Path) -> None:
    ids = {"g1": "0001", "g2": "NA", "g3": "3", "g4": "4", "tf": "1e5"}
    toy.var_names = [ids[g] for g in toy.var_names]
    toy.uns["genes"] = np.array([ids[g] for g in toy.uns["genes"]])
    toy.write_h5ad(folder / "data.h5ad")
    edges.replace(ids).to_csv(folder / "edges.csv", index=False)
    assert set(load(folder).kb.regulators) == {"0001", "1e5"}


def test_one_file_with_its_network(
    toy: anndata.AnnData, edges: pd.DataFrame, tmp_path: Path
) -> None:
    toy.uns["network"] = edges
    toy.write_h5ad(tmp_path / "mine.h5ad")
    bundle = load(tmp_path / "mine.h5ad")
    assert bundle.kb.n_edges == 3
    assert bundle.card["title"] == "mine"


def test_saved_and_loaded_is_the_same(tmp_path: Path) -> None:
    before = load("demo")
    after = load(save(before, tmp_path / "deep" / "copy"))
    assert after.kb == before.kb
    assert after.kb.names == before.kb.names
    assert (after.data.X == before.data.X).all()
    assert after.data.obs.equals(before.data.obs)
    assert after.go_counts.to_dict() == before.go_counts.to_dict()
    assert after.gene_sets == before.gene_sets
    assert after.card.items() >= before.card.items()
    assert after.yardstick == before.yardstick
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["copy"]


def test_a_row_without_edges_survives_saving(
    toy: anndata.AnnData, edges: pd.DataFrame, tmp_path: Path
) -> None:
    kb = KnowledgeBase.from_edges(edges, genes=toy.uns["genes"], regulators=["g4"])
    bundle = Bundle(toy, kb, None, pd.Series(1, index=list(kb.genes)), {}, {"title": "toy"})
    assert load(save(bundle, tmp_path / "toy")).kb.regulators == ("g1", "g4", "tf")


def test_save_overwrites_nothing(folder: Path) -> None:
    bundle = load(folder)
    with pytest.raises(FileExistsError, match="exists already; name another folder"):
        save(bundle, folder)


def test_failed_save_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    bundle = load(folder)
    bundle.card["broken"] = object()
    with pytest.raises(yaml.YAMLError):
        save(bundle, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "ecolli",
            r"'ecolli'; did you mean 'ecoli'\? Names: demo, ecoli, human_tf, human_unseen, y",
        ),
        ("mouse", r"no data set 'mouse'; .*Names: demo, ecoli, human_tf"),
        ("./nowhere", r"no file or folder './nowhere'; correct the path"),
        ("mine.h5ad", r"no file or folder 'mine.h5ad'"),
    ],
)
def test_unknown_name(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(name)


@pytest.mark.parametrize("name", ["data.h5ad", "edges.csv"])
def test_folder_without_a_needed_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"holds no {name}; a data set needs"):
        load(folder)


def test_file_that_is_no_h5ad(tmp_path: Path) -> None:
    (tmp_path / "x.h5ad").write_text("<html>")
    with pytest.raises(ValueError, match=r"x\.h5ad cannot be read as \.h5ad"):
        load(tmp_path / "x.h5ad")


def test_h5ad_without_network(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"carries no network.*beside edges\.csv"):
        load(folder / "data.h5ad")


def test_faults_name_the_file(toy: anndata.AnnData, folder: Path) -> None:
    toy.X = toy.X.astype(np.float32)
    toy.write_h5ad(folder / "data.h5ad")
    with pytest.raises(ValueError, match=r"data\.h5ad: the data break the contract.*float32"):
        load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sign": [1, 2, 1]}, r"mine: row 1 of the network .* has sign .*2"),
        ({"sign": None}, r"edges\.csv lacks the column sign .*rename"),
        ({"source": ["x", "x", "y"]}, r"none of the 2 perturbed genes"),
        ({"source": ["x", "x", "y"], "target": ["u", "v", "w"]}, r"share no gene"),
    ],
)
def test_bad_edges(folder: Path, edges: pd.DataFrame, change: dict, message: str) -> None:
    for column, value in change.items():
        edges = edges.drop(columns=column) if value is None else edges.assign(**{column: value})
    edges.to_csv(folder / "edges.csv", index=False)
    with pytest.raises(ValueError, match=message):
        load(folder)


@pytest.mark.parametrize("yardstick", [{"k": 0, "rule": "boolean"}, {"k": 1, "rule": "odd"}, {}])
def test_bad_yardstick(folder: Path, yardstick: dict) -> None:
    (folder / "card.yaml").write_text(yaml.safe_dump({"yardstick": yardstick}))
    with pytest.raises(ValueError, match=r"card\.yaml: .*yardstick of this file is .*give k"):
        load(folder)


def test_bundle_refuses_a_network_over_other_genes(
    toy: anndata.AnnData, edges: pd.DataFrame
) -> None:
    with pytest.raises(ValueError, match=r"kb has 4 genes, not exactly the 5"):
        Bundle(toy, KnowledgeBase.from_edges(edges), None, pd.Series(dtype=int), {}, {})


def test_gmt_round_trip(tmp_path: Path) -> None:
    sets = {"one": ["a", "b"], "two words": ["c"]}
    write_gmt(sets, tmp_path / "sets.gmt")
    assert read_gmt(tmp_path / "sets.gmt") == sets


@pytest.mark.parametrize("text", ["empty\t\n", "a\t\tx\na\t\ty\n", "name only\n"])
def test_bad_gmt(tmp_path: Path, text: str) -> None:
    (tmp_path / "sets.gmt").write_text(text)
    with pytest.raises(ValueError, match=r"line \d of"):
        read_gmt(tmp_path / "sets.gmt")


def test_names_are_the_editions_with_a_loader() -> None:
    assert datasets.names() == ("demo", "ecoli", "human_tf", "human_unseen", "yeast_tf")
