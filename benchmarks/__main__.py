"""Command line: ``python -m benchmarks``."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer

from aligned.records import run_record, write_record
from benchmarks.cases import (
    CASES,
    SIZES,
    check_same,
    ecoli_like,
    exponents,
    into_table,
    rows_of,
    tasks_of,
)
from benchmarks.measure import in_own_process

OUT = Path(__file__).resolve().parents[1] / "results" / "benchmarks"


def main(
    cases: Annotated[
        list[str] | None, typer.Argument(help="Which of: " + ", ".join(CASES) + ". Default: all.")
    ] = None,
    sizes: Annotated[str, typer.Option(help="Genes of the case `ratio`.")] = ",".join(
        map(str, SIZES)
    ),
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(help="Threads, for ours and the reference alike.")] = 2,
    small: Annotated[bool, typer.Option(help="Tiny networks: does it run at all?")] = False,
    out: Annotated[Path, typer.Option(help="Folder of refinement.csv and its records.")] = OUT,
) -> None:
    """Measure speed and memory of closure and refinement; write one tidy table."""
    chosen = cases or list(CASES)
    genes = _numbers(sizes)
    _check(chosen, device)
    out.mkdir(parents=True, exist_ok=True)
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    task = ecoli_like(200 if small else 500)
    same = check_same(in_own_process("differences", task, device, threads))
    records = out / "run.json"
    written = json.loads(records.read_text()) if records.exists() else {}
    for case in chosen:
        begin, load = time.perf_counter(), os.getloadavg()[0]
        rows = []
        for row in rows_of(
            case, tasks_of(case, genes, small), device, threads, in_own_process, name
        ):
            rows.append(row)
            typer.echo(" ".join(f"{key}={_short(value)}" for key, value in row.items()), err=True)
        table = into_table(rows, out / "refinement.csv")
        _save(table, out / "refinement.csv")
        _save(exponents(table), out / "growth.csv")
        asked = {"case": case, "sizes": genes, "threads": threads, "small": small}
        asked |= {"differences": same, "load_before": round(load, 2)}
        written[f"{case} on {name}"] = run_record(
            asked, seconds=time.perf_counter() - begin, device=name
        )
        write_record(written, records, [out / "refinement.csv", out / "growth.csv"])


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"sizes are {text!r}; give numbers like 500,1000.") from None


def _check(cases: list[str], device: str) -> None:
    for case in cases:
        if case not in CASES:
            raise typer.BadParameter(f"case {case!r} is unknown; choose of {sorted(CASES)}.")
    if device not in ("cpu", "cuda"):
        raise typer.BadParameter(f"device {device!r} is unknown; choose cpu or cuda.")
    if device == "cuda" and not torch.cuda.is_available():
        raise typer.BadParameter("this machine shows torch no GPU; leave out --device cuda.")


def _short(value: object) -> object:
    return f"{value:.4g}" if isinstance(value, float) else value


def _save(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, float_format="%.4g")


if __name__ == "__main__":
    typer.run(main)
