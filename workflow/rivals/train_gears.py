"""Train GEARS (Roohani et al. 2024) on the folds of `prepare.py`; write one table of effects.

    .venv-rivals/bin/python workflow/rivals/train_gears.py build/rivals/demo

Runs in the environment of ``requirements.lock``; needs no network: the gene-to-GO table that GEARS
would download is written from ``terms.csv``. ``gears.csv.gz``: ``fold, condition, gene, effect``;
effect is the predicted mean expression less the control's, for the val and test conditions.
"""

from __future__ import annotations

import argparse
import os
import pickle
import tempfile
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import torch
from shared import leave, one_condition, read


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of prepare.py")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    given.folder, begin = given.folder.resolve(), time.monotonic()
    cells, roles = read(given.folder)
    parts = [one_fold(cells.copy(), f, rows, given) for f, rows in roles.groupby("fold")]
    leave("gears", "cell-gears", pd.concat(parts, ignore_index=True), given, begin)


def one_fold(
    cells: ad.AnnData, fold: str, roles: pd.DataFrame, given: argparse.Namespace
) -> pd.DataFrame:
    """Train without the cells of val and test, predict both."""
    from gears import GEARS, PertData

    # GEARS picks rows of a sparse matrix by a pandas mask; today's SciPy asks it for nonzero()
    pd.Series.nonzero = lambda mask: mask.to_numpy().nonzero()
    torch.manual_seed(given.seed)
    np.random.seed(given.seed)  # noqa: NPY002 (GEARS draws from the global generators)
    known = set(cells.obs["condition"])
    roles = roles[roles["label"].isin(known)].drop_duplicates(["label", "role"])
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        Path("data").mkdir()  # where GEARS keeps its graph of terms
        genes_of = (
            pd.read_csv(given.folder / "terms.csv", dtype=str).groupby("gene")["term"].agg(set)
        )
        perturbed = {g for label in roles["label"] for g in label.split("+")} - {"ctrl"}
        genes = set(cells.var["gene_name"]) | perturbed
        # a gene of no set gets a term of its own, so that it can be perturbed at all
        terms = {g: genes_of.get(g, set()) | {f"gene {g}"} for g in sorted(genes)}
        Path("gears").mkdir()
        Path("gears/gene2go_all.pkl").write_bytes(pickle.dumps(terms))
        data = PertData("gears", default_pert_graph=False)
        data.new_data_process("cells", adata=cells)
        splits = {
            role: sorted(roles.loc[roles["role"] == role, "label"])
            for role in ("train", "val", "test")
        }
        splits["train"] = [*splits["train"], "ctrl"]
        Path("splits.pkl").write_bytes(pickle.dumps(splits))
        data.prepare_split("custom", split_dict_path="splits.pkl")
        data.get_dataloader(batch_size=given.batch, test_batch_size=128)
        model = GEARS(data, device=given.device)
        model.model_initialize(hidden_size=given.hidden)
        model.dataloader.pop("test_loader", None)  # its own scores are not wanted
        model.train(epochs=given.epochs, lr=1e-3)
        control = np.asarray(cells[cells.obs["condition"] == "ctrl"].X.mean(axis=0)).ravel()
        parts = []
        for row in roles[roles["role"] != "train"].itertuples():
            asked = [g for g in row.label.split("+") if g != "ctrl"]
            found = model.predict([asked])["_".join(asked)]
            parts.append(one_condition(fold, row.condition, cells, found - control))
        os.chdir(given.folder)
    return pd.concat(parts, ignore_index=True)


if __name__ == "__main__":
    main()
