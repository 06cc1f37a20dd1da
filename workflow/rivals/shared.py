"""What the scripts that train a tool share: what they read, and what they leave behind."""

from __future__ import annotations

import argparse
import json
import time
from importlib.metadata import version
from pathlib import Path

import anndata as ad
import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
import torch


def read(folder: Path) -> tuple[ad.AnnData, pd.DataFrame]:
    """Cells, sparse, and ``folds.csv``; ``roles["label"]`` is spelt as the cells' condition."""
    cells = ad.read_h5ad(folder / "cells.h5ad")
    cells.X = sp.csr_matrix(cells.X, dtype=np.float32)
    cells.obs["condition"] = [ordered(c) for c in cells.obs["condition"].astype(str)]
    roles = pd.read_csv(folder / "folds.csv", dtype=str)
    return cells, roles.assign(label=[ordered(g) for g in roles["genes"]])


def ordered(label: str) -> str:
    """One spelling per condition: ``A+B`` sorted, ``A+ctrl``, ``ctrl``."""
    genes = sorted(g for g in label.split("+") if g not in ("ctrl", "control"))
    if not genes:
        return "ctrl"
    return "+".join(genes) if len(genes) > 1 else f"{genes[0]}+ctrl"


def one_condition(
    fold: str, condition: str, cells: ad.AnnData, effect: npt.ArrayLike
) -> pd.DataFrame:
    """Predicted effects of one condition: ``fold, condition, gene, effect``."""
    genes = cells.var["gene_name"].to_numpy()
    return pd.DataFrame({"fold": fold, "condition": condition, "gene": genes, "effect": effect})


def leave(
    name: str, package: str, table: pd.DataFrame, given: argparse.Namespace, begin: float
) -> None:
    """Write ``NAME.csv.gz`` (the effects) and ``NAME.json`` (version, settings, seconds)."""
    record = {
        "tool": package,
        "version": version(package),
        "torch": torch.__version__,
        "seconds": round(time.monotonic() - begin, 1),
        "settings": {k: v for k, v in vars(given).items() if k != "folder"},
    }
    part = given.folder / f"{name}.partial.csv.gz"
    table.to_csv(part, index=False, float_format="%.4g")
    (given.folder / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n")
    part.rename(given.folder / f"{name}.csv.gz")
    print(given.folder / f"{name}.csv.gz", record["seconds"], "s")
