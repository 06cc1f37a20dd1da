"""The four questions, each a list of tasks, and the table that answers them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.tasks import Task

__all__ = ["CASES", "COLUMNS", "check_same", "exponents", "into_table", "rows_of", "tasks_of"]

CASES: dict[str, str] = {
    "ratio": "closure and one iteration, ours beside the dense reference",
    "growth in n": "closure and one iteration with the number of regulators held fixed",
    "growth in r": "closure and one iteration with the number of genes held fixed",
    "human": "closure and one iteration at the size of the human genome",
    "whole": "a whole refinement with default settings",
}
#: What makes a row of the table one of a kind, and what was measured.
KEY = ["case", "n", "r", "k", "edges", "device", "threads", "what"]
COLUMNS = [*KEY, "seconds", "reference_seconds", "ratio", "peak_mb", "reference_peak_mb"]

#: Regulators and edges per gene, as in E. coli.
REGULATORS, EDGES = 315 / 4000, 3.2
SIZES = (500, 1000, 2000, 4000)

Measure = Callable[[str, Task, str, int], dict[str, Any]]


def ecoli_like(n: int) -> Task:
    """A network as dense as E. coli's, with n genes."""
    return Task(n, round(REGULATORS * n), round(EDGES * n))


def tasks_of(case: str, sizes: Sequence[int] = SIZES, small: bool = False) -> list[Task]:
    """Tasks of a case; ``small`` ones finish in seconds and measure nothing worth knowing."""
    if case == "ratio":
        return [ecoli_like(n) for n in ([200] if small else sizes)]
    if case == "growth in n":
        r = 10 if small else 160
        return [Task(n, r, round(EDGES * n)) for n in _doubling(50 if small else 1000)]
    if case == "growth in r":
        n = 200 if small else 4000
        return [Task(n, r, round(EDGES * n)) for r in _doubling(10 if small else 50)]
    if case == "human":
        human = Task(20_000, 1_500, 43_000, shape="collectri")
        return [replace(human, n=200, r=15, edges=430) if small else human]
    return [ecoli_like(200 if small else 4000)]


def _doubling(first: int) -> list[int]:
    return [first * 2**i for i in range(5)]


def rows_of(
    case: str,
    tasks: Sequence[Task],
    device: str,
    threads: int,
    measure: Measure,
    name: str,
) -> Iterator[dict[str, Any]]:
    """Measure the tasks of a case, one row per task and job; ``name`` is the device's name.

    The closure is no matter for a GPU and is measured on the processor only.
    """
    whats = ["refinement"] if case == "whole" else ["closure", "iteration"]
    if device != "cpu":
        whats = [what for what in whats if what != "closure"]
    base = measure("nothing", tasks[0], device, threads)["peak_mb"]
    for task in tasks:
        for what in whats:
            ours = measure(what, task, device, threads)
            theirs = {"seconds": np.nan, "peak_mb": np.nan}
            if case == "ratio":
                theirs = measure(f"dense {what}", task, device, threads)
            size = {"n": task.n, "r": task.r, "k": task.k, "edges": task.edges}
            yield {"case": case, **size, "device": name, "threads": threads, "what": what} | {
                "seconds": ours["seconds"],
                "reference_seconds": theirs["seconds"],
                "ratio": theirs["seconds"] / ours["seconds"],
                "peak_mb": ours["peak_mb"] - base,
                "reference_peak_mb": theirs["peak_mb"] - base,
            }


def check_same(found: dict[str, float], tolerance: float = 1e-5) -> dict[str, float]:
    """The differences, or ``ValueError``: what is not the same needs no race."""
    wrong = {what: by for what, by in found.items() if not by <= tolerance}
    if wrong:
        raise ValueError(f"ours and the dense reference differ by more than {tolerance}: {wrong}.")
    return found


def into_table(rows: Sequence[dict[str, Any]], path: Path) -> pd.DataFrame:
    """The table at ``path`` with these rows added; they replace older rows of the same key."""
    parts = [pd.DataFrame(rows, columns=COLUMNS)]
    if path.exists():
        parts.insert(0, pd.read_csv(path))
    table = pd.concat(parts, ignore_index=True).drop_duplicates(KEY, keep="last")
    table["case"] = pd.Categorical(table["case"], list(CASES))
    by = ["case", "device", "threads", "what", "n", "r", "k", "edges"]
    return table.sort_values(by, ignore_index=True).astype({"case": str})


def exponents(table: pd.DataFrame) -> pd.DataFrame:
    """Slopes of log seconds along log n and log r, with 95% intervals, one row per curve.

    Columns ``what, device, threads, along, exponent, low, high, points``.
    """
    rows = []
    for along in ("n", "r"):
        curves = table[table["case"] == f"growth in {along}"]
        for (what, device, threads), curve in curves.groupby(["what", "device", "threads"]):
            fit = stats.linregress(np.log(curve[along]), np.log(curve["seconds"]))
            width = stats.t.ppf(0.975, len(curve) - 2) * fit.stderr
            rows.append(
                {"what": what, "device": device, "threads": threads, "along": along}
                | {"exponent": fit.slope, "low": fit.slope - width, "high": fit.slope + width}
                | {"points": len(curve)}
            )
    columns = ["what", "device", "threads", "along", "exponent", "low", "high", "points"]
    return pd.DataFrame(rows, columns=columns)
