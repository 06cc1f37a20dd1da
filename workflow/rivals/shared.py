"""What the scripts that train a tool share: spelling of conditions, what they leave behind."""

from __future__ import annotations

import argparse
import json
import time
from importlib.metadata import version

import pandas as pd
import torch


def ordered(label: str) -> str:
    """One spelling per condition: ``A+B`` sorted, ``A+ctrl``, ``ctrl``."""
    genes = sorted(g for g in label.split("+") if g not in ("ctrl", "control"))
    if not genes:
        return "ctrl"
    return "+".join(genes) if len(genes) > 1 else f"{genes[0]}+ctrl"


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
