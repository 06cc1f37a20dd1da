"""Compute our measures of a perturbation with cell-eval too; write one table of both.

    .venv-rivals/bin/python workflow/rivals/check_metrics.py build/rivals/norman OUT

OUT: ``results/norman/rivals``, where compare.py has left the predictions. Runs in the environment
of ``requirements.lock``, on GEARS' predictions of the test conditions: graded effects, and calls
(as many cells as changed in the measurement). A measure may break ties by the order of conditions
or genes, so it is computed in this order and in the reverse one.
``cell_eval.csv``: ``measure, input, n, ours, cell_eval, cell_eval_reversed, max_difference``; means
over conditions; the difference is the largest of one condition, in the first order.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import anndata as ad
import numpy as np
import pandas as pd
import polars as pl
from cell_eval._types import PerturbationAnndataPair, initialize_de_comparison
from cell_eval.metrics import metrics_registry

ROOT = Path(__file__).resolve().parents[2]


def _module(name: str) -> ModuleType:
    """A module of the package, which is not installed here; these need NumPy alone."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "aligned" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


files, metrics = _module("files"), _module("metrics")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of prepare.py, with responses")
    parser.add_argument("out", type=Path, help="folder with gears.csv.gz; gets cell_eval.csv")
    given = parser.parse_args()
    table = compared(*inputs(given.folder, given.out / "gears.csv.gz"))
    out, run = given.out / "cell_eval.csv", given.out / "run.json"
    files.write_file(out, lambda part: table.to_csv(part, index=False, float_format="%.6f"))
    record = json.loads(run.read_text(encoding="utf-8"))
    record = files.sealed(record, {**record.get("files", {}), out.name: files.sha256_of(out)})
    files.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", run)
    print(table.to_string(index=False))


def inputs(folder: Path, predictions: Path) -> tuple[np.ndarray, ...]:
    """Measured calls and log fold changes, predicted calls and effects; (conditions, genes)."""
    data = ad.read_h5ad(folder / "data" / "data.h5ad")
    roles = pd.read_csv(folder / "folds.csv", dtype=str)
    test = roles.loc[roles["role"] == "test", ["fold", "condition"]]
    found = pd.read_csv(predictions, dtype={"fold": str, "condition": str, "gene": str})
    effects = (
        found.merge(test, on=["fold", "condition"])
        .pivot(index="condition", columns="gene", values="effect")
        .reindex(index=data.obs_names, columns=data.var_names)
        .fillna(0.0)
        .to_numpy()
    )
    y, change = np.asarray(data.X), np.nan_to_num(np.asarray(data.layers["logfc"], dtype=float))
    tau = np.quantile(np.abs(effects), 1 - np.mean(y != 0))
    calls = np.where(np.abs(effects) > tau, np.sign(effects), 0)
    return y.astype(np.int8), change, calls.astype(np.int8), effects


def compared(
    y: np.ndarray, change: np.ndarray, calls: np.ndarray, effects: np.ndarray
) -> pd.DataFrame:
    """One row per measure and input; see the head of the file."""
    counts = metrics.confusion(y, calls)
    both = np.abs(y * calls).sum(axis=1)
    changed, called = (y != 0).sum(axis=1), (calls != 0).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        recall, precision = both / changed, np.where(called > 0, both / called, 0.0)
    ways = (slice(None), slice(None, None, -1))
    de = [by_calls(y[:, way], calls[:, way]) for way in ways]
    n_union = changed + called - both
    rows = [
        row("direction among changed and called genes", "calls",
            metrics.direction_accuracy(counts), *(d["de_direction_match"] for d in de)),
        row("recall of changed genes", "calls", recall, *(d["de_sig_genes_recall"] for d in de)),
        row("overlap of called and changed genes (Jaccard)", "calls",
            metrics.called_overlap(counts),
            *(d["de_sig_genes_recall"] * changed / n_union for d in de)),
        row("precision, signs ignored", "calls", precision, *(d["precision_at_N"] for d in de)),
    ]  # fmt: skip
    everywhere, alone = np.ones_like(y, dtype=bool), np.eye(len(y), dtype=bool)
    for name, truth, guess in (("graded effects", change, effects), ("calls", y, calls)):
        ours = metrics.discrimination(guess, truth, everywhere, alone)
        found = [by_effects(truth[way], guess[way])[way] for way in ways]
        rows.append(row("discrimination by cosine", name, ours, *found))
    return pd.DataFrame(rows)


def row(measure: str, name: str, ours: np.ndarray, *found: np.ndarray) -> dict[str, object]:
    """Means over the conditions where both say something."""
    use = np.isfinite(ours) & np.isfinite(found[0]) & np.isfinite(found[1])
    return {
        "measure": measure,
        "input": name,
        "n": int(use.sum()),
        "ours": ours[use].mean(),
        "cell_eval": found[0][use].mean(),
        "cell_eval_reversed": found[1][use].mean(),
        "max_difference": np.abs(ours - found[0])[use].max(),
    }


def by_calls(y: np.ndarray, calls: np.ndarray) -> dict[str, np.ndarray]:
    """cell-eval's measures of differential expression; a call is a gene of FDR 0, others have 1.

    Of the prediction only the called genes are handed over: among them our direction is counted.
    """

    def table(values: np.ndarray, every: bool) -> pl.DataFrame:
        where = np.argwhere((values != 0) | every)
        fold = values[tuple(where.T)].astype(float)
        return pl.DataFrame(
            {
                "target": [f"c{i:03d}" for i, _ in where],
                "feature": [f"g{j:03d}" for _, j in where],
                "log2_fold_change": fold,
                "p_value": 1.0 - np.abs(fold),
                "fdr": 1.0 - np.abs(fold),
            }
        )

    spoken = np.flatnonzero((calls != 0).any(axis=1))
    pair = initialize_de_comparison(table(y[spoken], True), table(calls[spoken], False))
    found = {}
    for name in ("de_direction_match", "de_sig_genes_recall", "precision_at_N"):
        values = metrics_registry.compute(name, pair)
        found[name] = np.full(len(y), np.nan)
        found[name][spoken] = [values.get(f"c{i:03d}", np.nan) for i in range(len(spoken))]
    return found


def by_effects(truth: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """cell-eval's discrimination, brought from a share of all conditions to one of the others."""
    names = [*(f"c{i:03d}" for i in range(len(truth))), "control"]
    pair = []
    for values in (truth, guess):
        cells = ad.AnnData(np.vstack([values, np.zeros(values.shape[1])]).astype(np.float64))
        cells.obs["condition"] = names
        pair.append(cells)
    both = PerturbationAnndataPair(
        real=pair[0], pred=pair[1], pert_col="condition", control_pert="control"
    )
    values = metrics_registry.compute("discrimination_score_cosine", both)
    n = len(truth)
    return 1 - (1 - np.array([values[name] for name in names[:-1]])) * n / (n - 1)


if __name__ == "__main__":
    main()
