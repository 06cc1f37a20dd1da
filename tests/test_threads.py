"""Processes and threads: none beyond the cores at hand, none that spins, and all memory counted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from threadpoolctl import threadpool_info

from aligned import records
from aligned._threads import PASSIVE, cores_at_hand, settle
from aligned.records import note_worker, own_peak, run_record
from companion.noise.run import NoiseSettings, run_noise
from companion.parallel import side_by_side


def what_is_here(job: int) -> tuple[int, int, set[int], dict[str, str | None]]:
    pools = {pool["num_threads"] for pool in threadpool_info()}
    return job, torch.get_num_threads(), pools, {name: os.environ.get(name) for name in PASSIVE}


def test_a_worker_has_one_thread_and_waits_passively(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_WORKERS", {})
    found = list(side_by_side(what_is_here, [(i,) for i in range(4)], n_jobs=2))
    assert [job for job, *_ in found] == [0, 1, 2, 3]
    for _, threads, pools, variables in found:
        assert (threads, pools, variables) == (1, {1}, PASSIVE)


def test_a_record_counts_the_workers_of_every_analysis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_WORKERS", {})
    process, peak = own_peak()
    assert process == os.getpid()
    assert peak is not None
    note_worker(process, peak)  # one process, no worker
    alone = run_record({})["peak_memory_mb"]
    assert alone == pytest.approx(peak, rel=0.05)
    tiny = {"n_genes": 30, "n_regulators": 6, "n_edges": 40, "ks": (2,), "levels": (0.4,)}
    settings = NoiseSettings(**tiny, seeds=(0, 1), n_rewired=0, perturbed=(), errors=(), n_jobs=2)
    run_noise(settings, progress=False)
    assert 1 <= len(records._WORKERS) <= 2
    assert run_record({})["peak_memory_mb"] > alone + 50


@pytest.mark.parametrize(
    ("quota", "most"),
    [(None, None), ("max 100000", None), ("100000 100000", 1), ("50000 100000", 1)],
)
def test_cores_at_hand_are_those_of_the_container(
    tmp_path: Path, quota: str | None, most: int | None
) -> None:
    file = tmp_path / "cpu.max"
    if quota is not None:
        file.write_text(f"{quota}\n")
    everything = len(os.sched_getaffinity(0))
    assert cores_at_hand(file) == (most or everything)


def test_what_is_set_stays() -> None:
    own = {"OMP_WAIT_POLICY": "ACTIVE"}
    settle(own)
    assert own == {"OMP_NUM_THREADS": str(cores_at_hand()), **PASSIVE, "OMP_WAIT_POLICY": "ACTIVE"}


def test_importing_aligned_settles_it_before_the_libraries_load() -> None:
    code = (
        "import sys, os, aligned, numpy; "
        "print(os.environ['OMP_WAIT_POLICY'], list(sys.modules).index('aligned._threads') < "
        "list(sys.modules).index('numpy'))"
    )
    clean = {k: v for k, v in os.environ.items() if k not in PASSIVE}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=clean
    )
    assert done.stdout.split() == ["PASSIVE", "True"]
