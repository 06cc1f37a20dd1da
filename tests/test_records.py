"""Run records: hashes see what matters and nothing else; files appear whole or not at all."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

import aligned as al
from aligned.records import data_sha256, network_sha256, run_record, write_json


@pytest.fixture(scope="module")
def sim() -> al.Simulation:
    return al.simulate(n_genes=40, n_regulators=10, seed=0)


def test_a_record_can_be_written_and_read(sim: al.Simulation, tmp_path: Path) -> None:
    asked = {"seeds": np.arange(2), "theta": np.float64(0.3), "out": tmp_path}
    record = run_record(asked, sim.data, sim.kb, 1.234, device="cpu")
    read = json.loads(write_json(record, tmp_path / "run.json").read_text())
    assert read["parameters"] == {"seeds": [0, 1], "theta": 0.3, "out": str(tmp_path)}
    assert set(read["versions"]) == {
        "python", "aligned", "numpy", "scipy", "pandas", "torch", "anndata",
    }  # fmt: skip
    assert read["versions"]["aligned"] == al.__version__
    assert datetime.fromisoformat(read["created"]).utcoffset() is not None
    assert (read["seconds"], read["machine"]["device"]) == (1.23, "cpu")
    assert read["data_sha256"] == data_sha256(sim.data)
    assert read["network_sha256"] == network_sha256(sim.kb)
    assert read["peak_memory_mb"] > 50


def test_the_commit_is_that_of_the_checkout() -> None:
    root = Path(al.__file__).resolve().parents[1]
    if not (root / ".git").exists():
        pytest.skip("not a git checkout")
    line = ["git", "-C", str(root), "rev-parse", "HEAD"]
    head = subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()
    assert run_record({})["commit"].removesuffix("-dirty") == head


def test_the_data_hash_sees_every_part_and_no_dtype(sim: al.Simulation) -> None:
    whole = data_sha256(sim.data)
    same = sim.data.copy()
    same.obsm["perturbation"] = same.obsm["perturbation"].astype(np.int64).tocsc()
    same.layers.pop("logfc")
    assert data_sha256(same) == whole
    for change in ("response", "mask", "input", "split", "name"):
        other = sim.data.copy()
        if change == "response":
            other.X[0, 0] = 1 - other.X[0, 0]
        elif change == "mask":
            other.layers["observed"][0, 0] ^= True
        elif change == "input":
            other.obsm["perturbation"].data[0] *= -1
        elif change == "split":
            other.obs["split"] = "train"
        else:
            other.obs_names = ["renamed", *other.obs_names[1:]]
        assert data_sha256(other) != whole, change


def test_the_network_hash_sees_edges_and_rows(sim: al.Simulation) -> None:
    kb = sim.kb
    shuffled = kb.to_edges().sample(frac=1, random_state=0).assign(evidence="other")
    build = {"genes": kb.genes, "regulators": kb.regulators}
    assert network_sha256(al.KnowledgeBase.from_edges(shuffled, **build)) == network_sha256(kb)
    fewer = al.KnowledgeBase.from_edges(shuffled.iloc[1:], **build)
    assert network_sha256(fewer) != network_sha256(kb)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = write_json({"a": 1}, tmp_path / "run.json")
    with pytest.raises(TypeError, match="a set cannot go into JSON"):
        write_json({"a": {1}}, path)
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]
