"""``aligned score``: predictions against data and knowledge."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from aligned.cli import output
from aligned.cli.output import Device
from aligned.cli.tables import print_table

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from aligned.cli.inputs import Inputs
    from aligned.cli.predictions import Placed

    Bool = npt.NDArray[np.bool_]
    Score = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float64]]

__all__ = ["add_to"]

_SAMPLES = 1000


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command()(score)


def score(
    predictions: str = typer.Argument(
        help="Long table condition,gene,prediction (.csv, .tsv, .parquet), or .h5ad."
    ),
    data: str = typer.Option(..., "--data", help="demo, ecoli, a folder, or a .h5ad file."),
    kb: str = typer.Option(
        "", "--kb", help="Edges (source,target,sign); default: the network the data bring."
    ),
    column: str = typer.Option(
        "", "--column", help="Column or layer to score; default prediction or fused, or X."
    ),
    threshold: float = typer.Option(
        None, "--threshold", help="Call continuous predictions up or down beyond ± this."
    ),
    split: str = typer.Option(
        "", "--split", help="Conditions to score: test, train or all; default test if any."
    ),
    k: int = typer.Option(None, "--k", min=1, help="Longest path; default: the data's yardstick."),
    rule: str = typer.Option(
        "", "--rule", help="boolean or majority; default: the data's yardstick."
    ),
    gamma: float = typer.Option(2.0, "--gamma", help="Exponent of balanced consistency."),
    out: str = typer.Option("", "--out", help="The scores as .csv, .tsv or .parquet."),
    seed: int = typer.Option(0, "--seed", min=0, help="Seed of the bootstrap."),
    device: Device = typer.Option(
        None, "--device", help="Accepted everywhere; scores are counted on the CPU."
    ),
    force: bool = typer.Option(False, "--force", help="Replace an existing --out."),
) -> None:
    """Score predictions: data consistency, knowledge consistency and their balance.

    Beside them the perturbation field's overlap of called and changed genes, share of calls that
    are right and direction; and what calling every gene unchanged scores on the same cells.

    Conditions go by name, or by perturbation (crp-,fnr+), genes by id or name. What was not
    predicted is not scored, and told; an unknown condition or gene is an error. Intervals: 95%,
    from a bootstrap over perturbed genes. A perturbed gene's own cell never counts.

    Example: aligned score calls.csv --data ecoli --threshold 0.5
    """
    from aligned.cli.inputs import read_inputs
    from aligned.cli.predictions import call, place, read_predictions
    from aligned.records import run_record, write_record

    started, target = time.monotonic(), output.absolute(out) if out else None
    if target is not None:
        output.check_file(target, force)
    if split not in ("", "train", "test", "all"):
        raise ValueError(f"--split {split!r} is not a choice; use test, train or all.")
    called = call(read_predictions(Path(predictions).expanduser(), column), threshold)
    inputs = read_inputs(data, kb)
    closure = inputs.closure(k, rule)
    placed = place(called, inputs.data, inputs.kb)
    kept, chosen = _chosen(inputs, placed, split)
    table, cells = _scores(inputs, placed, kept, closure, gamma, seed)
    print_table(table[["score", "value", "low", "high", "no_change", "cells"]], digits=3)
    typer.echo(f"yardstick:  the network as given, k = {closure['k']}, {closure['rule']}")
    _report_coverage(inputs, placed, kept, chosen, cells)
    if target is None:
        return
    output.write_table(table, target)
    asked: dict[str, Any] = {
        "command": "score",
        "predictions": predictions,
        "data": data,
        "kb": kb or None,
        "column": column or None,
        "threshold": threshold,
        "split": chosen,
        **closure,
        "gamma": gamma,
        "seed": seed,
    }
    record = run_record(asked, inputs.data, inputs.kb, time.monotonic() - started, device="cpu")
    write_record(record, target.with_name(target.name + ".run.json"), [target])
    typer.echo(f"scores:     {target}")


def _chosen(inputs: Inputs, placed: Placed, split: str) -> tuple[npt.NDArray[np.intp], str]:
    """Rows to score: predicted conditions of the split, by default the held-out ones if any."""
    import numpy as np

    splits = inputs.data.obs["split"].astype(str).to_numpy()
    chosen = split or ("test" if (splits == "test").any() else "all")
    wanted = (splits == chosen) | (chosen == "all")
    kept = np.flatnonzero(wanted & placed.predicted.any(axis=1))
    if not len(kept):
        raise ValueError(
            f"none of the {int(wanted.sum())} conditions of split {chosen!r} is predicted; add "
            "--split all to score every condition, or predict these."
        )
    return kept, chosen


def _scores(
    inputs: Inputs,
    placed: Placed,
    kept: npt.NDArray[np.intp],
    closure: dict[str, Any],
    gamma: float,
    seed: int,
) -> tuple[pd.DataFrame, Bool]:
    import numpy as np
    import pandas as pd

    from aligned import scores
    from aligned.data.rows import Rows

    #: The perturbation field's scores: of called and changed genes.
    field: dict[str, Score] = {
        "overlap": scores.called_overlap,
        "precision": scores.called_precision,
        "direction": scores.direction_accuracy,
    }
    rows = Rows.of(inputs.data, inputs.kb).take(kept)
    calls, cells = placed.calls[kept], placed.predicted[kept] & rows.counted
    if not cells.any():
        raise ValueError("no predicted cell was measured; predict measured genes.")
    columns = inputs.kb.columns(list(map(str, inputs.data.var_names)))
    said = inputs.kb.deduction(rows.x, **closure)
    delta, reached = said.delta[:, columns], said.reached[:, columns]
    drawn = scores.bootstrap_weights(list(rows.groups), _SAMPLES, seed)
    drawn = np.vstack([np.ones_like(drawn[:1]), drawn])

    def sampled(
        score: Score, truth: npt.NDArray[np.int8], counted: Bool, said: npt.NDArray[np.int8]
    ) -> npt.NDArray[np.float64]:
        """The score of all rows, then of every bootstrap sample."""
        return scores.resampled(score, scores.confusion(truth, said, counted), drawn)

    def scores_of(said: npt.NDArray[np.int8]) -> dict[str, npt.NDArray[np.float64]]:
        f_d = sampled(scores.f1_from_confusion, rows.y, cells, said)
        f_k = sampled(scores.f1_from_confusion, delta, cells, said)
        return {
            "f_d": f_d,
            "f_k": f_k,
            "f_k, reached": sampled(scores.f1_from_confusion, delta, cells & reached, said),
            "balanced": np.asarray(scores.balanced_consistency(f_d, f_k, gamma)),
            **{name: sampled(score, rows.y, cells, said) for name, score in field.items()},
        }

    values, nothing = scores_of(calls), scores_of(np.zeros_like(calls))
    single = len(set(rows.groups)) < 2

    def quantile(samples: npt.NDArray[np.float64], share: float) -> float:
        """Of the samples in which the score is defined; nan where it never is."""
        known = samples[np.isfinite(samples)]
        return np.nan if single or not len(known) else float(np.quantile(known, share))

    table = [
        {
            "score": name,
            "value": float(v[0]),
            "low": quantile(v[1:], 0.025),
            "high": quantile(v[1:], 0.975),
            "no_change": float(nothing[name][0]),
            "cells": int((cells & reached if name == "f_k, reached" else cells).sum()),
            "conditions": len(kept),
            "groups": len(set(rows.groups)),
            **closure,
        }
        for name, v in values.items()
    ]
    return pd.DataFrame(table), cells


def _report_coverage(
    inputs: Inputs, placed: Placed, kept: npt.NDArray[np.intp], chosen: str, cells: Bool
) -> None:
    import numpy as np

    from aligned.data.rows import Rows

    data = inputs.data
    splits = data.obs["split"].astype(str).to_numpy()
    wanted = np.flatnonzero((splits == chosen) | (chosen == "all"))
    missing = data.obs_names[np.setdiff1d(wanted, kept)]
    genes = data.var_names[~placed.predicted[kept].any(axis=0)]
    countable = int(Rows.of(data, inputs.kb).take(wanted).counted.sum())
    outside = int(placed.predicted.any(axis=1).sum()) - len(kept)
    what = "all conditions" if chosen == "all" else f"{chosen} conditions"
    typer.echo(f"scored:     {int(cells.sum())} of {countable} measured cells of {what}")
    for names, kind in ((missing, "conditions"), (genes, "measured genes")):
        if len(names):
            typer.echo(f"missing:    {len(names)} {kind} without a prediction: {_some(names)}")
    if placed.not_measured:
        few = _some(placed.not_measured)
        typer.echo(f"left out:   {len(placed.not_measured)} predicted genes not measured: {few}")
    if outside:
        typer.echo(f"left out:   {outside} predicted conditions of other splits (--split all)")


def _some(names: Any) -> str:
    listed = list(map(str, names))
    return ", ".join(listed[:5]) + (", …" if len(listed) > 5 else "")
