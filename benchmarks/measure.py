"""Time and peak memory of one job, each in a process of its own."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from aligned.records import run_record
from benchmarks.tasks import JOBS, Task, differences

__all__ = ["here", "in_own_process", "median_seconds"]

#: A quick job is repeated for this many seconds, or this often; a slow one runs once.
SECONDS, REPEATS = 3.0, 30


def in_own_process(job: str, task: Task, device: str, threads: int) -> dict[str, Any]:
    """What `here` returns, from a fresh process, so that no job sees the memory of another."""
    asked = {"job": job, "task": asdict(task), "device": device, "threads": threads}
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.measure", json.dumps(asked)],
        env=os.environ | dict.fromkeys(names, str(threads)),
        cwd=Path(__file__).resolve().parents[1],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout))


def here(job: str, task: Task, device: str, threads: int) -> dict[str, Any]:
    """Run a job in this process.

    Returns
    -------
    dict
        ``seconds`` (median) and ``peak_mb``: of the process, or on a GPU of its tensors. The job
        ``"nothing"`` is the baseline: the same process without a job. ``"differences"`` returns
        `benchmarks.tasks.differences`.
    """
    torch.set_num_threads(threads)
    if job == "differences":
        return differences(task, device)
    seconds = 0.0
    if job != "nothing":
        run = JOBS[job](task, device)
        seconds = median_seconds(run, torch.cuda.synchronize if device == "cuda" else None)
    if device == "cuda":
        return {"seconds": seconds, "peak_mb": torch.cuda.max_memory_allocated() / 2**20}
    return {"seconds": seconds, "peak_mb": run_record({})["peak_memory_mb"] or float("nan")}


def median_seconds(run: Callable[[], object], finish: Callable[[], object] | None = None) -> float:
    """Median wall time; the first run warms up and counts only if it is the only one."""
    times: list[float] = []
    while True:
        begin = time.perf_counter()
        run()
        if finish is not None:
            finish()
        times.append(time.perf_counter() - begin)
        if sum(times) > SECONDS or len(times) > REPEATS:
            return statistics.median(times[1:] or times)


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    found = here(asked["job"], Task(**asked["task"]), asked["device"], asked["threads"])
    print(json.dumps(found))
