"""``aligned refine``: the smallest change of a network that explains measured responses."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from aligned.cli import output
from aligned.cli.output import Device
from aligned.cli.tables import print_table
from aligned.files import lock, new_folder

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aligned.cli.inputs import Inputs
    from aligned.knowledge import KnowledgeBase
    from aligned.refine import Refinement

__all__ = ["add_to"]

_SHOWN = 10


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command()(refine)


def refine(
    data: str = typer.Option(..., "--data", help="demo, ecoli, a folder, or a .h5ad file."),
    kb: str = typer.Option(
        "", "--kb", help="Edges (source,target,sign); default: the network the data bring."
    ),
    out: str = typer.Option(..., "--out", help="Folder for the refined network."),
    k: int = typer.Option(None, "--k", min=1, help="Longest path; default: the data's yardstick."),
    rule: str = typer.Option(
        "", "--rule", help="boolean or majority; default: the data's yardstick."
    ),
    rows: str = typer.Option("train", "--rows", help="Conditions that are evidence: train or all."),
    candidates: str = typer.Option(
        "known", "--candidates", help="Who may gain targets: known regulators, or perturbed genes."
    ),
    penalty: str = typer.Option("l1", "--penalty", help="l1, or frobenius (a baseline)."),
    edit_cost: str = typer.Option("auto", "--edit-cost", help="Cells an edit must explain."),
    seed: int = typer.Option(
        0, "--seed", min=0, help="Seed of the check against shuffled responses."
    ),
    device: Device = typer.Option(Device.auto, "--device", help="Where the relaxation runs."),
    force: bool = typer.Option(False, "--force", help="Replace an earlier run in --out."),
) -> None:
    """Refine a network with measured responses, without a model.

    The folder holds edges.csv (the refined network), edits.csv (what changed, by how much it
    helps), weights.csv (relaxed weights), history.csv and run.json. Where the network agrees with
    the responses no better than with shuffled ones, nothing is changed, and it says so.

    Example: aligned refine --data demo --out runs/refined --k 2
    """
    from aligned.cli.inputs import read_inputs
    from aligned.knowledge import Rule
    from aligned.neural import pick_device
    from aligned.records import run_record, write_record
    from aligned.refine import RefineConfig
    from aligned.refine import refine as refine_network

    started, target = time.monotonic(), output.absolute(out)
    cost = _edit_cost(edit_cost)
    where = str(pick_device(device.value))
    if rows not in ("train", "all"):
        raise ValueError(f"--rows {rows!r} is not a choice; use train or all.")
    with lock(target):
        output.check_folder(target, force)
        inputs = read_inputs(data, kb)
        closure = inputs.closure(k, rule)
        x, y, observed = _evidence(inputs, rows)
        found = refine_network(
            inputs.kb,
            x,
            y,
            Rule(**closure),
            observed,
            candidates=candidates,
            penalty=penalty,
            edit_cost=cost,
            seed=seed,
            config=RefineConfig(device=where, progress=sys.stderr.isatty()),
        )
        asked = {
            "command": "refine",
            "data": data,
            "kb": kb or None,
            **closure,
            "rows": rows,
            "candidates": candidates,
            "penalty": penalty,
            "edit_cost": found.edit_cost,
            "seed": seed,
        }
        seconds = time.monotonic() - started
        with new_folder(target) as part:
            found.kb.to_edges().to_csv(part / "edges.csv", index=False)
            found.edits.to_csv(part / "edits.csv", index=False)
            found.weights.to_csv(part / "weights.csv", index=False)
            found.history.to_csv(part / "history.csv", index=False)
            record = run_record(asked, inputs.data, inputs.kb, seconds, device=where)
            write_record({**record, "note": found.note}, part / "run.json")
    _report(inputs.kb, found, target)


def _edit_cost(text: str) -> float | str:
    if text == "auto":
        return text
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"--edit-cost {text!r}; give a number of cells, or auto.") from None


def _evidence(
    inputs: Inputs, rows: str
) -> tuple[object, npt.NDArray[np.int8], npt.NDArray[np.bool_]]:
    """Perturbations, responses and mask over all genes of the network, of the chosen conditions."""
    import numpy as np

    from aligned.data.rows import Rows

    every = Rows.of(inputs.data, inputs.kb)
    split = inputs.data.obs["split"].astype(str).to_numpy()
    chosen = np.flatnonzero((split == "train") | (rows == "all"))
    if not len(chosen):
        raise ValueError('no condition has obs["split"] == "train"; use --rows all.')
    taken = every.take(chosen)
    columns = inputs.kb.columns(list(map(str, inputs.data.var_names)))
    y = np.zeros(taken.x.shape, dtype=np.int8)
    observed = np.zeros(taken.x.shape, dtype=bool)
    y[:, columns], observed[:, columns] = taken.y, taken.observed
    return taken.x, y, observed


def _report(kb: KnowledgeBase, found: Refinement, target: Path) -> None:
    edits = found.edits
    kinds = {
        "edges before": kb.n_edges,
        "edges after": found.kb.n_edges,
        "pairs added": int((edits["before"] == "0").sum()),
        "pairs dropped": int((edits["after"] == "0").sum()),
        "signs changed": int(((edits["before"] != "0") & (edits["after"] != "0")).sum()),
        "cells unexplained, before": round(found.objective_before, 1),
        "cells and edits paid, after": round(found.objective_after, 1),
    }
    for what, count in kinds.items():
        typer.echo(f"{what + ':':<29} {count:g}")
    typer.echo(f"note: {found.note}")
    if len(edits):
        best = edits.head(_SHOWN)[["source", "target", "before", "after", "gain", "n_cells"]]
        for column in ("source", "target"):
            best[column] = [kb.names.get(gene, gene) for gene in best[column]]
        typer.echo(f"the {len(best)} most useful of {len(edits)} edits:")
        print_table(best, digits=3)
    typer.echo(f"network: {target / 'edges.csv'}")
