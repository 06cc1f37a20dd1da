"""The optional workflow: every job is one CLI call, shown by a dry run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("profile", ["local", "slurm"])
def test_a_dry_run_lists_one_call_of_aligned_per_job(profile: str) -> None:
    pytest.importorskip("snakemake", reason="needs the extra `workflow`")
    if profile == "slurm":
        pytest.importorskip("snakemake_executor_plugin_slurm", reason="needs the extra `workflow`")
    words = ["-s", "workflow/Snakefile", "--dry-run", "-p", "--config", "editions=[ecoli]"]
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *words, "--profile", f"workflow/profiles/{profile}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    text = done.stdout + done.stderr
    assert text.count("aligned run 03_ecoli_iterations --edition ecoli") == 6
    assert "-p model=mlp -p seed=2 -p n_seeds=1" in text
