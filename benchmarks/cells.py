"""Time and peak memory of `aligned data import` on simulated cells: ``python -m benchmarks.cells``.

The file is drawn in chunks, so that neither side ever holds the matrix. Perturbation i doubles or
halves the same number of genes, each its own, so what must be found is known.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp
import typer
from anndata.io import sparse_dataset, write_elem

from aligned.cells import Reading, import_cells
from aligned.records import run_record, write_record

OUT = Path(__file__).resolve().parents[1] / "results" / "benchmarks"
COLUMNS = [
    *("cells", "genes", "conditions", "entries", "file_mb", "seconds", "peak_mb", "base_mb"),
    *("found", "false"),
]
#: Mean count of a gene is log-normal with these; about one place in ten is not zero.
MU, SIGMA = -4.0, 2.0
#: Share of control cells, genes changed by a perturbation, and how many times up or down.
CONTROLS, CHANGED, FOLD = 0.1, 50, 4.0
CHUNK = 500


def main(
    cells: Annotated[int, typer.Option(help="Cells.")] = 50_000,
    genes: Annotated[int, typer.Option(help="Genes.")] = 20_000,
    conditions: Annotated[int, typer.Option(help="Perturbations.")] = 200,
    seed: Annotated[int, typer.Option(help="Seed of the cells.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder of cells.csv and its record.")] = OUT,
) -> None:
    """Draw a file of cells, import it in a process of its own, and write one row."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".cells-") as folder:
        path = Path(folder) / "cells.h5ad"
        # each step in a process of its own: a child starts with the peak memory of its parent
        base = _alone("here", "", folder, genes)
        entries = int(_alone("draw", path, cells, genes, conditions, seed)["entries"])
        found = _alone("here", path, folder, genes)
        row = {
            "cells": cells, "genes": genes, "conditions": conditions, "entries": entries,
            "file_mb": path.stat().st_size / 2**20, "seconds": found["seconds"],
            "peak_mb": found["peak_mb"], "base_mb": base["peak_mb"],
            "found": found["found"], "false": found["false"],
        }  # fmt: skip
    table = into_table(row, out / "cells.csv")
    table.to_csv(out / "cells.csv", index=False, float_format="%.4g")
    records = out / "cells.json"
    written = json.loads(records.read_text()) if records.exists() else {}
    written[f"{cells} cells, {genes} genes"] = run_record(
        {"cells": cells, "genes": genes, "conditions": conditions, "seed": seed},
        seconds=found["seconds"],
    )
    write_record(written, records, [out / "cells.csv"])
    typer.echo(" ".join(f"{key}={value:.6g}" for key, value in row.items()))


def into_table(row: dict[str, Any], path: Path) -> pd.DataFrame:
    """The table at ``path`` with this row; it replaces an older one of the same size."""
    parts = [pd.DataFrame([row], columns=COLUMNS)]
    if path.exists():
        parts.insert(0, pd.read_csv(path))
    table = pd.concat(parts, ignore_index=True)
    table = table.drop_duplicates(COLUMNS[:3], keep="last")
    return table.sort_values(COLUMNS[:3], ignore_index=True)


def changed(condition: int, genes: int) -> np.ndarray:
    """Genes that a perturbation (from 1) changes; the first half goes up, the second down."""
    start = (condition - 1) * CHANGED
    return np.arange(start, start + CHANGED) % genes


def draw(path: Path, cells: int, genes: int, conditions: int, seed: int) -> int:
    """Write a file of cells in chunks; returns the number of its non-zero entries."""
    rng = np.random.default_rng(seed)
    rate = rng.lognormal(MU, SIGMA, genes).clip(max=200)
    groups = np.arange(cells) % conditions + 1
    groups[rng.random(cells) < CONTROLS] = 0
    names = np.array(["ctrl", *(f"G{i}+ctrl" for i in range(conditions))])
    obs = pd.DataFrame({"condition": names[groups]}, index=[f"c{i}" for i in range(cells)])
    with h5py.File(path, "w") as file:
        file.attrs["encoding-type"], file.attrs["encoding-version"] = "anndata", "0.1.0"
        write_elem(file, "obs", obs)
        write_elem(file, "var", pd.DataFrame(index=[f"G{i}" for i in range(genes)]))
        write_elem(file, "X", sp.csr_matrix((0, genes), dtype=np.float32))
        matrix = sparse_dataset(file["X"])
        for start in range(0, cells, CHUNK):
            group = groups[start : start + CHUNK]
            mean = np.repeat(rate[None], len(group), axis=0)
            for row, condition in zip(mean, group, strict=True):
                if condition:
                    own = changed(condition, genes)
                    row[own[: CHANGED // 2]] *= FOLD
                    row[own[CHANGED // 2 :]] /= FOLD
            mean *= rng.lognormal(0, 0.25, (len(group), 1))
            matrix.append(sp.csr_matrix(rng.poisson(mean).astype(np.float32)))
        return int(file["X/indptr"][-1])


def _alone(step: str, *given: object) -> dict[str, float]:
    """What ``draw`` or `here` returns, from a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.cells", step, *map(str, given)],
        cwd=Path(__file__).resolve().parents[1],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout))


def here(path: str, scratch: str, genes: int) -> dict[str, float]:
    """Import in this process: seconds, peak memory, and what was found of what was changed.

    Without a path: the memory of the libraries alone. ``found``: share of the changed, observed
    places called in the right direction; ``false``: share of the unchanged ones called.
    """
    found = seconds = wrong = float("nan")
    if path:
        begin = time.perf_counter()
        data = import_cells(path, Reading(kind="ko"), scratch=scratch).data
        seconds = time.perf_counter() - begin
        truth = np.zeros(data.shape, dtype=np.int8)
        place = {name: j for j, name in enumerate(data.var_names)}
        for i, name in enumerate(data.obs_names):
            own = [place.get(f"G{g}", -1) for g in changed(int(name[1:]) + 1, genes)]
            for sign, half in ((1, own[: CHANGED // 2]), (-1, own[CHANGED // 2 :])):
                truth[i, [j for j in half if j >= 0]] = sign
        seen = data.layers["observed"]
        found = float((truth == data.X)[seen & (truth != 0)].mean())
        wrong = float((data.X != 0)[seen & (truth == 0)].mean())
    peak = run_record({})["peak_memory_mb"] or float("nan")
    return {"seconds": seconds, "peak_mb": peak, "found": found, "false": wrong}


if __name__ == "__main__":
    if sys.argv[1:2] == ["here"]:
        print(json.dumps(here(sys.argv[2], sys.argv[3], int(sys.argv[4]))))
    elif sys.argv[1:2] == ["draw"]:
        print(json.dumps({"entries": draw(Path(sys.argv[2]), *map(int, sys.argv[3:]))}))
    else:
        typer.run(main)
