"""``aligned data import``: the folder it writes, what it says, nothing left half done."""

from __future__ import annotations

import re
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import yaml

import aligned as al
from aligned.cli import main


def _leave(*words: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(words)
    return int(caught.value.code or 0)


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """Six knock-outs of 15 cells, each silencing its own gene and the next; 40 controls."""
    rng = np.random.default_rng(0)
    labels = [f"g{i}+ctrl" for i in range(6) for _ in range(15)] + ["ctrl"] * 40
    mean = np.full((len(labels), 20), 6.0)
    for i in range(6):
        mean[15 * i : 15 * i + 15, [i, i + 6]] = 0.2
    made = ad.AnnData(
        sp.csr_matrix(rng.poisson(mean).astype(np.float32)),
        obs=pd.DataFrame({"condition": labels}, index=[f"c{i}" for i in range(len(labels))]),
        var=pd.DataFrame(index=[f"g{i}" for i in range(20)]),
    )
    made.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


@pytest.fixture
def edges(tmp_path: Path) -> Path:
    frame = pd.DataFrame(
        {"source": ["g0", "g1", "far"], "target": ["g6", "g7", "g2"], "sign": [1, 1, -1]}
    )
    frame.to_csv(tmp_path / "edges.csv", index=False)
    return tmp_path / "edges.csv"


def test_a_folder_that_the_other_commands_read(cells, edges, tmp_path, capsys):
    out = tmp_path / "screen"
    asked = ("--condition-key", "condition", "--control", "ctrl", "--kind", "ko")
    assert _leave("data", "import", str(cells), *asked, "--kb", str(edges), "--out", str(out)) == 0
    said = capsys.readouterr().out
    assert "raw counts, normalised to the median total" in said
    assert re.search(r"130 cells, 40 of them controls \(condition = ctrl\), 6 conditions", said)
    assert re.search(r"moved as expected in 6 of the 6", said)
    assert re.search(r"^0\.05 +[\d.]+% +[\d.]+%", said, re.MULTILINE)
    assert re.search(r"^g0 +15 +1 +0 +1 +1$", said, re.MULTILINE)
    bundle = al.load(out)
    al.validate(bundle.data)
    assert [(bundle.data[f"g{i}", f"g{i + 6}"].X[0, 0]) for i in range(6)] == [-1] * 6
    assert list(bundle.kb.genes) == list(bundle.data.uns["genes"])
    assert "far" in bundle.kb.genes
    assert set(bundle.data.obs["split"]) == {"train", "test"}
    assert bundle.card["control"] == "ctrl"
    assert bundle.card["fdr"] == 0.05
    conditions = pd.read_csv(out / "conditions.csv")
    assert conditions[["cells", "down"]].drop_duplicates().values.tolist() == [[15, 1]]
    assert len(pd.read_csv(out / "thresholds.csv")) == 12


def test_without_a_network_data_and_card_are_written(cells, edges, tmp_path, capsys):
    out = tmp_path / "screen"
    assert _leave("data", "import", str(cells), "--kind", "crispri", "--out", str(out)) == 0
    assert {path.name for path in out.iterdir()} == {
        "data.h5ad", "card.yaml", "conditions.csv", "thresholds.csv",
    }  # fmt: skip
    assert yaml.safe_load((out / "card.yaml").read_text())["condition_key"] == "condition"
    al.validate(ad.read_h5ad(out / "data.h5ad"))
    capsys.readouterr()
    refined = ("refine", "--data", str(out), "--kb", str(edges), "--out", str(tmp_path / "refined"))
    assert _leave(*refined) == 0


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--kind", "ko", "--control", "NT"], 2, "no cell is 'NT'|no column holds 'NT'"),
        (["--kind", "ko", "--condition-key", "conditoin"], 2, "did you mean 'condition'"),
        ([], 2, "add --kind crispri, ko or kd"),
        (["--kind", "ko", "--fdr", "7"], 2, "--fdr is 7"),
        (["--kind", "ko", "--min-cells", "1"], 2, "--min-cells is 1"),
        (["--kind", "ko", "--kb", "nowhere.csv"], 1, "there is no file nowhere.csv"),
        (["--kind", "ko", "--where", "condition"], 2, "write column=value"),
    ],
)
def test_a_no_is_one_sentence_and_leaves_nothing(more, code, message, cells, tmp_path, capsys):
    out = tmp_path / "screen"
    assert _leave("data", "import", str(cells), "--out", str(out), *more) == code
    error = capsys.readouterr().err
    assert re.search(message, error)
    assert error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.h5ad"]


def test_a_network_of_other_genes_leaves_nothing(cells, tmp_path, capsys):
    other = tmp_path / "other.csv"
    pd.DataFrame({"source": ["G0"], "target": ["G6"], "sign": [1]}).to_csv(other, index=False)
    out = tmp_path / "screen"
    words = ("data", "import", str(cells), "--kind", "ko", "--kb", str(other), "--out", str(out))
    assert _leave(*words) == 2
    assert "upper and lower case" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.h5ad", "other.csv"]


def test_broken_files_leave_nothing(cells, tmp_path, capsys):
    content = cells.read_bytes()
    for part in (b"", content[: len(content) // 2]):
        cells.write_bytes(part)
        words = ("data", "import", str(cells), "--kind", "ko", "--out", str(tmp_path / "screen"))
        assert _leave(*words) == 2
        assert re.search(r"0 bytes|cut short", capsys.readouterr().err)
        assert [path.name for path in tmp_path.iterdir()] == ["cells.h5ad"]


def test_nothing_is_overwritten(cells, tmp_path, capsys):
    out = tmp_path / "screen"
    out.mkdir()
    (out / "mine.txt").write_text("dear")
    assert _leave("data", "import", str(cells), "--kind", "ko", "--out", str(out)) == 2
    assert "exists already; name another folder" in capsys.readouterr().err
    assert (out / "mine.txt").read_text() == "dear"
