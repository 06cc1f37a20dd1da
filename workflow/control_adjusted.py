"""Is it better to train on responses without what controls share? One table for an edition.

    python workflow/control_adjusted.py ecoli results/ecoli/control_adjusted

About three minutes on two cores; chapter 02 of the edition shows the table.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

import aligned as al
from aligned.records import run_record
from companion.engine import Plan
from companion.main_results.control_adjusted import run_adjusted
from companion.tables import save_tables


def main(
    edition: Annotated[str, typer.Argument(help="An edition whose conditions name controls.")],
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    n_seeds: Annotated[int, typer.Option(help="Seeds; each deals the folds anew.")] = 2,
) -> None:
    """Write ``scores.csv`` and ``run.json``, all or nothing."""
    begin, bundle = time.monotonic(), al.load(edition)
    plan = Plan(seeds=tuple(range(n_seeds)))
    tables = run_adjusted(bundle, al.Config(), plan)
    record = run_record(
        {"edition": edition, "n_seeds": n_seeds}, bundle.data, bundle.kb, time.monotonic() - begin
    )
    save_tables(tables, out, record)
    print(tables.scores.to_string(index=False))


if __name__ == "__main__":
    typer.run(main)
