"""Files from anywhere: what is odd is refused in one sentence, or cleaned; nothing is swallowed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import yaml

import aligned as al
from aligned import data as datasets
from aligned.cells import Reading, import_cells
from aligned.cli.predictions import read_predictions
from aligned.data import DataError, files, load_data, load_edges, probe, registry, save
from aligned.data.folder import read_gmt
from aligned.data.responses import read_responses
from aligned.knowledge import KnowledgeBase
from aligned.reading import read_text, read_yaml
from companion.book.editions import editions, load_edition
from companion.book.study import read_study, write_study
from companion.cli import parameters
from companion.editions import ecoli
from companion.loop.run import IterationTables
from companion.tables import load_tables

BOM = b"\xef\xbb\xbf"
ENTRY = {
    "name": "a.csv",
    "url": "https://example.org/a.csv",
    "sha256": 64 * "0",
    "bytes": 9,
    "licence": "MIT",
    "citation": "me",
    "content": "numbers",
}
EDITION = {"edition": "e", "title": "T", "data": "demo", "yardstick": {"k": 1, "rule": "boolean"}}


def edition(path: Path) -> object:
    path.rename(path.with_name("edition.yaml"))
    return load_edition(str(path.parent))


def study(path: Path) -> object:
    path.rename(path.with_name("study.yaml"))
    return read_study(path.parent)


def registered(path: Path) -> object:
    return files(registry=path)


def predictions(path: Path) -> object:
    return read_predictions(path)


def responses(path: Path) -> object:
    return read_responses(path, 1.0)


def dumped(given: object, **changes: object) -> str:
    return yaml.safe_dump({**given, **changes} if isinstance(given, dict) else given)


def entry(**changes: object) -> str:
    return yaml.safe_dump({"files": [{**ENTRY, **changes}]})


# ------------------------------------------------------------- what is refused, and in which words


@pytest.mark.parametrize(
    ("read", "name", "content", "words"),
    [
        # text
        (read_gmt, "a.gmt", "é\t\tx\n".encode("latin-1"), "is no UTF-8 text (invalid continuat"),
        (read_gmt, "a.gmt", "a\t\tx\n".encode("utf-16"), "is no UTF-8 text (invalid start byte"),
        (read_gmt, "a.gmt", "a\t\tx\0\n", "holds a byte 0, so it is no text"),
        (read_gmt, "a.gmt", " \t\tx\ty\n", "has the name ' ' (number 1), which is empty"),
        (read_gmt, "a.gmt", "a\t\tx\ty\x07\n", r"has the name 'y\x07' (number 2), which holds an"),
        (load_edges, "a.sif", "a -> b\xa0\u200bc", "which holds an invisible character"),
        (load_edges, "a.sif", "a -> b\n".encode("utf-16"), "is no UTF-8 text"),
        # networks
        (load_edges, "a.csv", "source,target,sign,sign\na,b,1,-1\n", "has the column sign twice"),
        (load_edges, "a.csv", "source,target,weight,weight\na,b,1,1\n", "column weight twice"),
        (load_edges, "a.csv", "source,target,sign\na,b\x1b[31m,1\n", r"the name 'b\x1b[31m'"),
        (load_edges, "a.csv", "source,target,sign\n  ,b,1\n", "has the name '  ' (number 1), whic"),
        # numbers
        (responses, "r.csv", "perturbation,a\na-,1e308\n", "has '1e+308' at condition 'a-'"),
        (responses, "r.csv", "perturbation,a\na-,-inf\n", "has '-inf' at condition 'a-', gene 'a'"),
        (responses, "r.csv", "perturbation,a\x07\na-,1\n", r"has the name 'a\x07' (number 2)"),
        (responses, "r.csv", "perturbation,a, a\na-,1,1\n", "the gene 'a' twice"),
        (predictions, "p.csv", "condition,gene,prediction\nc,g,inf\n", "holds 'inf' in row 0"),
        (predictions, "p.csv", "condition,gene,prediction\n,g,1\n", "has the name '' (number 1)"),
        (predictions, "p.csv", "condition,gene,fused,fused\nc,g,1,0\n", "column fused twice"),
        # yaml
        (study, "s.yaml", "data: " + 2000 * "[", "no YAML (more than 30 brackets or levels in"),
        (study, "s.yaml", "data: r.csv\ntitle: 5\n", "title is 5; it should be a valid string."),
        (study, "s.yaml", "data: r.csv\nthreshold: '1'", "threshold is '1'; it should be a valid"),
        (study, "s.yaml", "data: r.csv\nthreshold: .inf", "threshold is inf; it should be a finit"),
        (study, "s.yaml", "data: r.csv\nthreshold: yes", "threshold is True; it should be a valid"),
        (
            study,
            "s.yaml",
            "data: r.csv\ntreshold: 1",
            "'treshold', which nobody reads; did you ",
        ),
        (study, "s.yaml", "title: x\n", "it lacks the key 'data'; add it."),
        (study, "s.yaml", "data: ~no_such_one/x\n", "names '~no_such_one/x', which can be no pa"),
        (study, "s.yaml", f"data: {300 * 'x'}\n", "can be no path (OSError"),
        (study, "s.yaml", "data: r.csv\ntitle: é".encode("latin-1"), "is no UTF-8 text"),
        (study, "s.yaml", "a: &a [1]\nb: &b [*a, *a]\n", "is no YAML (too many aliases, or one in"),
        (study, "s.yaml", "data: 2024-13-45\n", "is no YAML (month must be in 1..12)"),
        (study, "s.yaml", "- 1\n", "is no mapping; write lines such as 'title: My screen'."),
        (study, "s.yaml", f"data: {6000 * '9'}\n", "is no YAML ("),
        (study, "s.yaml", "data: r\n? {a: b}\n: c\n", "is no YAML ("),
        (study, "s.yaml", "data: r\n? 2024-01-01\n: c\n", "a key or value that is neither text no"),
        (edition, "e.yaml", dumped(EDITION, title=5), "title is 5; it should be a valid string."),
        (edition, "e.yaml", dumped(EDITION, notebooks=[1]), "notebooks is [1]; it should be"),
        (edition, "e.yaml", dumped(EDITION, pages=[{"page": "a"}]), "pages.0 lacks the key 'noteb"),
        (edition, "e.yaml", dumped(EDITION, yardstick={"k": 0}), "the yardstick of this file is {"),
        # the registry
        (registered, "r.yaml", entry(name="../x"), "the name '../x' is no plain file name"),
        (registered, "r.yaml", entry(name="/etc/x"), "the name '/etc/x' is no plain file name"),
        (registered, "r.yaml", entry(name="a\\x"), r"the name 'a\\x' is no plain file name"),
        (registered, "r.yaml", entry(name=".."), "the name '..' is no plain file name"),
        (registered, "r.yaml", entry(url="http://a.org/x"), "is 'http://a.org/x'; give one of ht"),
        (registered, "r.yaml", entry(url="http://127.0.0.1.a.org/x"), "give one of https"),
        (registered, "r.yaml", entry(url="ftp://a.org/x"), "give one of https"),
        (registered, "r.yaml", entry(sha256="abc"), "the sha256 of a.csv is not 64 hexadecimal"),
        (registered, "r.yaml", entry(bytes=0), "a.csv is registered with 0 bytes; give its size"),
        (registered, "r.yaml", entry(bytes=10**12), "from 1 byte to 20 GB"),
        (registered, "r.yaml", entry(editions="toy"), "files.0.editions is 'toy'; it should be"),
        (registered, "r.yaml", dumped({"files": [ENTRY, ENTRY]}), "registers a.csv twice"),
        (registered, "r.yaml", "x: 1", "it lacks the key 'files'; add it"),
    ],
)
def test_a_file_from_a_stranger_is_refused_in_one_sentence(
    read: Callable[[Path], object], name: str, content: str | bytes, words: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ValueError) as caught:
        read(path)
    message = str(caught.value)
    assert words in message
    assert str(tmp_path) in message
    assert message.endswith((".", "?"))
    assert "\n" not in message
    assert len(message) < 500


@pytest.mark.parametrize("names", [[["a"], ["b"]], [b"a", b"b"], [1.5, 2.5]])
def test_a_name_is_text(names: list, tmp_path: Path) -> None:
    frame = pd.DataFrame({"source": names, "target": ["c", "d"], "sign": [1, 1]})
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"the column source of .*a\.parquet has the name"):
        load_edges(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="the column source of the network has the name"):
        KnowledgeBase.from_edges(frame)


def test_a_frame_with_two_columns_of_a_name() -> None:
    frame = pd.DataFrame([["a", "b", 1, -1]], columns=["source", "target", "sign", "sign"])
    with pytest.raises(ValueError, match=r"the network table has the column sign twice; keep one"):
        KnowledgeBase.from_edges(frame)


# ------------------------------------------------------------------------- what is only cleaned


def test_blanks_and_marks_are_no_part_of_a_name(tmp_path: Path) -> None:
    def write(name: str, text: str) -> Path:
        (tmp_path / name).write_bytes(BOM + text.encode())
        return tmp_path / name

    assert read_gmt(write("a.gmt", "one \td\t x\ty\t\r\n")) == {"one": ["x", "y"]}
    table = load_edges(write("a.csv", "source,target,sign\n a,b ,1\n"))
    assert table[["source", "target"]].iloc[0].tolist() == ["a", "b"]
    data = read_responses(write("r.csv", "condition,perturbation, a,b \nc ,a-,1,0\n"))
    assert list(data.var_names) == ["a", "b"]
    assert list(data.obs_names) == ["c"]
    wide = read_predictions(write("p.csv", "condition,gene,prediction\n c,g ,1\n"))
    assert (list(wide.index), list(wide.columns)) == (["c"], ["g"])
    frame = pd.DataFrame({"source": ["a "], "target": [" b"], "sign": [1]})
    assert KnowledgeBase.from_edges(frame, genes=["a", "b"]).regulators == ("a",)
    mine = write("study.yaml", "data: r.csv\ntitle: 2024-01-01\nwhat:\nlicence: ''\n").parent
    assert (read_study(mine).title, read_study(mine).what) == ("2024-01-01", "")
    assert read_study(mine).licence == "not stated"


def test_what_we_write_is_read(tmp_path: Path) -> None:
    assert read_study(write_study(tmp_path / "study")).threshold == 1.0
    assert all(load_edition(name).name == name for name in editions())
    assert len(files()) > 10
    shared = ["control_safe"]  # the same list twice: YAML writes an alias
    text = yaml.safe_dump({**EDITION, "notebooks": {"a": {"x": shared}, "b": {"x": shared}}})
    assert "*id001" in text
    (tmp_path / "edition.yaml").write_text(text)
    assert load_edition(str(tmp_path)).notebooks["b"] == {"x": shared}


def test_a_file_beyond_its_size(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(ValueError, match=r"a\.yaml has 1 MB, more than the 1 MB of any such file"):
        read_yaml(path, dict)
    with pytest.raises(FileNotFoundError, match=r"there is no file .*none\.txt; correct the path"):
        read_text(tmp_path / "none.txt")


# ---------------------------------------------------------------------------------- responses


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.layers["logfc"].__setitem__((0, 1), np.inf), "layers['logfc'] holds inf at"),
        (lambda d: d.layers["logfc"].__setitem__((0, 1), -1e30), "no gene changes so much"),
        (lambda d: setattr(d, "var_names", ["a", "b "]), "the gene 'b ' has blanks at its ends"),
        (lambda d: setattr(d, "var_names", ["a", ""]), "the gene '' is empty"),
        (lambda d: setattr(d, "obs_names", ["x\ty", "z"]), r"the condition 'x\ty' holds an invis"),
        (lambda d: d.uns.update(genes=np.array(["a", "b", "c\x00d"])), r"the gene 'c\x00d' holds"),
    ],
)
def test_the_contract_knows_odd_names_and_numbers(
    change: Callable[[anndata.AnnData], None], words: str
) -> None:
    obs = pd.DataFrame(
        {"perturbation": ["a-", "b-"], "n_replicates": 1, "split": "train"}, index=["x", "y"]
    )
    data = anndata.AnnData(np.zeros((2, 2), np.int8), obs, pd.DataFrame(index=["a", "b"]))
    data.layers["observed"] = np.ones((2, 2), bool)
    data.layers["logfc"] = np.zeros((2, 2), np.float32)
    data.uns["genes"] = np.array(["a", "b", "c"])
    data.obsm["perturbation"] = sp.csr_matrix(np.array([[-1, 0, 0], [0, -1, 0]], np.int8))
    al.validate(data)
    change(data)
    with pytest.raises(ValueError) as caught:
        al.validate(data)
    assert words in str(caught.value)


# -------------------------------------------------------------------------------------- h5ad


def put(place: str, at: int, value: int) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file[place][at] = value

    return change


def shape_of(place: str, *shape: int) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file[place].attrs["shape"] = shape

    return change


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cells, and responses, as ``.h5ad``."""
    folder = tmp_path_factory.mktemp("sound")
    rng = np.random.default_rng(0)
    groups = np.repeat(["control", "G0", "G1"], 12)
    counts = sp.csr_matrix(rng.poisson(2.0, (36, 20)).astype(np.float32))
    obs = pd.DataFrame({"condition": groups}, index=[f"c{i}" for i in range(36)])
    cells = anndata.AnnData(counts, obs, pd.DataFrame(index=[f"G{i}" for i in range(20)]))
    cells.write_h5ad(folder / "cells.h5ad")
    al.simulate(n_genes=40, n_regulators=10, seed=1).data.write_h5ad(folder / "data.h5ad")
    return folder


@pytest.mark.parametrize(
    ("name", "place", "do"),
    [
        (name, place, do)
        for name, place in (("cells.h5ad", "X"), ("data.h5ad", "obsm/perturbation"))
        for do in (
            put(f"{place}/indices", 3, 10**6),
            put(f"{place}/indices", 3, -7),
            put(f"{place}/indptr", 2, 10**6),
            put(f"{place}/indptr", 2, -1),
            put(f"{place}/indptr", 0, 1),
            put(f"{place}/indptr", -1, 2),
            shape_of(place, 36, 5),
            shape_of(place, 10**9, 20),
            shape_of(place, 3),
        )
    ],
)
def test_sparse_parts_are_checked_before_c_code_reads_them(
    name: str, place: str, do: Callable[[h5py.File], None], sound: Path, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes((sound / name).read_bytes())
    with h5py.File(path, "r+") as file:
        do(file)
    with pytest.raises(ValueError, match=rf"{name}.*\.$"):
        import_cells(path, Reading(kind="ko")) if name == "cells.h5ad" else load_data(path)


@pytest.mark.parametrize(
    ("script", "seconds", "words"),
    [
        ("import os\nos.abort()\n", 20, r"\(HDF5 breaks down with -6\); it seems cut short"),
        ("import time\ntime.sleep(60)\n", 1, r"HDF5 does not come to an end within 1 s"),
    ],
    ids=["dies", "hangs"],
)
def test_a_file_that_kills_or_hangs_its_reader_is_refused(
    script: str, seconds: int, words: str, sound: Path, tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / "child.py").write_text(script)
    monkeypatch.setattr(probe, "__file__", str(tmp_path / "child.py"))
    monkeypatch.setattr(probe, "SECONDS", seconds)
    path = tmp_path / "cells.h5ad"
    path.write_bytes((sound / "cells.h5ad").read_bytes())
    for read in (import_cells, load_data):
        probe._fault.cache_clear()
        with pytest.raises(ValueError, match=words):
            read(path)


# ------------------------------------------------------------------------------ tables, recipes


def test_damaged_tables_are_told(tmp_path: Path) -> None:
    for name in ("scores", "changes", "support", "edits"):
        (tmp_path / f"{name}.csv").write_text("a\n1\n")
    for name in IterationTables.__dataclass_fields__:
        (tmp_path / f"{name}.csv").write_text("a\n1\n")
    for name, content in (("run.json", b"[" * 90_000), ("run.json", b"[1]"), ("scores.csv", b"")):
        (tmp_path / "run.json").write_text(json.dumps({"seconds": 1}))
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=rf"{name} (cannot be read|is damaged).*make the tabl"):
            load_tables(IterationTables, tmp_path)


@pytest.mark.parametrize("value", ["2024-13-45", 2000 * "[", 6000 * "9", "[1"])
def test_a_parameter_that_is_no_yaml(value: str) -> None:
    with pytest.raises(ValueError, match=r"the value in -p .* is not YAML; quote it"):
        parameters([f"a={value}"])


def test_names_of_genes_are_plain_text(tmp_path: Path) -> None:
    made = al.simulate(n_genes=40, n_regulators=10, seed=1)
    folder = save(al.Bundle(made.data, made.kb, None, made.go_counts, {}, {}), tmp_path / "a")
    genes = pd.read_csv(folder / "genes.csv")
    for column, value, words in (
        ("name", "x\x1b[2J", r"as name of a gene, has the name 'x\\x1b\[2J' \(number 1\), which"),
        ("gene", "x\ty", r"column gene of .*genes\.csv has the name 'x\\ty' \(number 1\)"),
        ("go_count", "inf", r"genes\.csv has go_count 'inf' for the gene"),
        ("go_count", "many", r"genes\.csv has go_count 'many' for the gene"),
    ):
        changed = genes.astype({column: object})
        changed.loc[0, column] = value
        changed.to_csv(folder / "genes.csv", index=False)
        with pytest.raises(ValueError, match=words):
            al.load(folder)
    genes.drop(columns="gene").to_csv(folder / "genes.csv", index=False)
    with pytest.raises(
        ValueError, match=r"genes\.csv lacks the column gene \(it has name, go_coun"
    ):
        al.load(folder)


def test_a_recipe_that_stumbles_says_so(monkeypatch) -> None:
    def stumble(*given: object) -> None:
        raise KeyError("locus_tag")

    monkeypatch.setattr(datasets, "fetch", lambda edition: {})
    monkeypatch.setattr(ecoli, "build", stumble)
    expected = r"the originals of ecoli cannot be made into data \(KeyError: 'locus_tag'\); compare"
    with pytest.raises(DataError, match=expected):
        al.load("ecoli")


def test_a_name_of_the_registry_stays_in_its_folder() -> None:
    for name in ("../x", "/x", "a/b", "", "a\n", ".hidden", "x" * 300):
        with pytest.raises(ValueError, match="is no plain file name"):
            registry.DataFile(**{**ENTRY, "name": name})
    assert registry.DataFile(**ENTRY).name == "a.csv"
