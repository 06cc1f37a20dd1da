"""The benchmark of training compares equals; its table has one row a case."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.training")


@pytest.mark.parametrize("model", ["mlp", "gnn"])
def test_reference_and_ours_are_the_same_network(bench, model, monkeypatch):
    monkeypatch.setattr(bench, "median_seconds", lambda run, finish: run() or 2.0)
    sim = bench.study(80, 40)
    assert sim[0].shape == (40, 80)
    assert (sim[0].obs["split"] == "train").all()
    assert bench.epoch(sim, model, "cpu")["ratio"] == 1.0  # both timed as two seconds
    monkeypatch.setattr(bench.Plain, "forward", lambda self, x: torch.zeros(len(x), 3, 80))
    with pytest.raises(SystemExit, match="differs from our network"):
        bench.epoch(sim, model, "cpu")


def test_a_row_measured_again_replaces_the_old_one(bench, tmp_path):
    row = dict.fromkeys(bench.COLUMNS, 1.0)
    path = tmp_path / "training.csv"
    bench.into_table([row], path).to_csv(path, index=False)
    again = bench.into_table([{**row, "seconds": 2.0}, {**row, "rows": 2.0}], path)
    assert again["seconds"].tolist() == [2.0, 1.0]
