"""The benchmark of single cells draws what it says; its table has one row a size."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.cells")


def test_the_file_is_drawn_in_chunks_and_known(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "CHUNK", 70)
    entries = bench.draw(tmp_path / "cells.h5ad", cells=300, genes=400, conditions=4, seed=0)
    cells = ad.read_h5ad(tmp_path / "cells.h5ad")
    assert cells.shape == (300, 400)
    assert cells.X.nnz == entries
    assert 0.05 < entries / cells.X.shape[0] / cells.X.shape[1] < 0.2
    hit = (cells.obs["condition"] == "G1+ctrl").to_numpy()
    own, control = bench.changed(2, 400), (cells.obs["condition"] == "ctrl").to_numpy()
    mean = [np.asarray(cells.X[rows][:, own].mean(axis=0)).ravel() for rows in (hit, control)]
    assert mean[0][:25].sum() > 2 * mean[1][:25].sum()
    assert mean[0][25:].sum() < mean[1][25:].sum() / 2


def test_the_table_keeps_one_row_a_size(bench, tmp_path):
    row = dict.fromkeys(bench.COLUMNS, 1.0)
    path = tmp_path / "cells.csv"
    bench.into_table(row, path).to_csv(path, index=False)
    table = bench.into_table({**row, "seconds": 2.0}, path)
    assert table["seconds"].tolist() == [2.0]
    assert len(bench.into_table({**row, "cells": 2}, path)) == 2


def test_a_small_run_measures_and_finds(bench, tmp_path):
    bench.main(cells=600, genes=400, conditions=4, seed=0, out=tmp_path)
    table = pd.read_csv(tmp_path / "cells.csv")
    assert list(table) == bench.COLUMNS
    assert (table["peak_mb"] >= table["base_mb"]).all()
    assert table["found"].item() > 0.4
    assert table["false"].item() < 0.05
    records = json.loads((tmp_path / "cells.json").read_text())
    assert list(records) == ["600 cells, 400 genes", "files", "sha256"]
    assert not list(tmp_path.glob(".cells-*"))
