"""Train State (Adduri et al. 2025) on the folds of `prepare.py`; write one table of effects.

    .venv-rivals/bin/python workflow/rivals/train_state.py build/rivals/demo --steps 1000

Runs in the environment of ``requirements.lock``; needs no network and no weights: the transition
model is trained from scratch on log-normalised expression, by the tool's own commands ``state tx
train`` and ``state tx infer``. A perturbation is described by the gene sets of its genes (what
GEARS gets too) and by the genes themselves, as far as training perturbs them. ``state.csv.gz``:
``fold, condition, gene, effect``; effect is the mean of the predicted cells less the mean of the
cells predicted for the control, for the conditions that are not trained on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
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
    parser.add_argument("--steps", type=int, default=1000, help="training steps")
    parser.add_argument("--hidden", type=int, default=128, help="hidden size, a multiple of 64")
    parser.add_argument("--layers", type=int, default=4, help="transformer layers")
    parser.add_argument("--set-size", type=int, default=32, help="cells that see each other")
    parser.add_argument("--batch", type=int, default=8, help="sets of cells per step")
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    begin = time.monotonic()
    cells, roles = read(given.folder)
    cells.obs["cell_type"], cells.obs["gem_group"] = "cells", "all"
    terms = pd.read_csv(given.folder / "terms.csv", dtype=str)
    parts = [one_fold(cells, terms, f, r, given) for f, r in roles.groupby("fold")]
    leave("state", "arc-state", pd.concat(parts, ignore_index=True), given, begin)


def one_fold(
    cells: ad.AnnData,
    terms: pd.DataFrame,
    fold: str,
    roles: pd.DataFrame,
    given: argparse.Namespace,
) -> pd.DataFrame:
    """Train on the cells of train, keep the step that is best on val, predict all others."""
    train = sorted(set(roles.loc[roles["role"] == "train", "label"]))
    val = sorted(set(roles.loc[roles["role"] == "val", "label"]) - set(train))
    held = roles[roles["role"] != "train"]
    held = held[~held["label"].isin(train)]
    control = cells[cells.obs["condition"] == "ctrl"]
    with tempfile.TemporaryDirectory() as scratch:
        here = Path(scratch)
        (here / "cells").mkdir()
        seen = cells[cells.obs["condition"].isin([*train, *val, "ctrl"])]
        seen.copy().write_h5ad(here / "cells" / "cells.h5ad")
        torch.save(features([*roles["label"].unique(), "ctrl"], train, terms), here / "features.pt")
        (here / "split.toml").write_text(
            f'[datasets]\nours = "{here / "cells"}"\n[training]\nours = "train"\n'
            f'[fewshot."ours.cells"]\nval = {json.dumps(val)}\ntest = []\n'
        )
        settings = {
            "data.kwargs.toml_config_path": here / "split.toml",
            "data.kwargs.perturbation_features_file": here / "features.pt",
            "data.kwargs.output_space": "gene",
            "data.kwargs.pert_col": "condition",
            "data.kwargs.control_pert": "ctrl",
            "data.kwargs.num_workers": 0,
            "data.kwargs.pin_memory": False,
            "model.kwargs.cell_set_len": given.set_size,
            "model.kwargs.hidden_dim": given.hidden,
            "model.kwargs.transformer_backbone_kwargs.intermediate_size": 4 * given.hidden,
            "model.kwargs.transformer_backbone_kwargs.num_hidden_layers": given.layers,
            "model.kwargs.transformer_backbone_kwargs.num_attention_heads": given.hidden // 64,
            "model.kwargs.transformer_backbone_kwargs.num_key_value_heads": given.hidden // 64,
            "training.batch_size": given.batch,
            "training.lr": given.lr,
            "training.max_steps": given.steps,
            "training.val_freq": max(1, given.steps // 15),
            "training.train_seed": given.seed,
            "output_dir": here,
            "name": "run",
            "use_wandb": "false",
        }
        state("tx", "train", *(f"{k}={v}" for k, v in settings.items()))
        asked = [*sorted(set(held["label"])), "ctrl"]
        # all control cells once per condition, labelled as this condition
        query = ad.concat(dict.fromkeys(asked, control), label="condition", index_unique="-")
        query.write_h5ad(here / "query.h5ad")
        state(
            *("tx", "infer", "--adata", here / "query.h5ad", "--output", here / "found.h5ad"),
            *("--model-dir", here / "run", "--checkpoint", here / "run/checkpoints/best.ckpt"),
            *("--pert-col", "condition", "--seed", given.seed, "--quiet"),
        )
        found = ad.read_h5ad(here / "found.h5ad")
    means = pd.DataFrame(found.X).groupby(found.obs["condition"].to_numpy()).mean()
    effects = means - means.loc["ctrl"]
    return pd.concat(
        [
            one_condition(fold, row.condition, cells, effects.loc[row.label].to_numpy())
            for row in held.itertuples()
        ],
        ignore_index=True,
    )


def features(labels: list[str], train: list[str], terms: pd.DataFrame) -> dict[str, torch.Tensor]:
    """A vector per condition: gene sets, one unit vector per gene; its genes, as far as trained."""
    perturbed = [sorted(set(label.split("+")) - {"ctrl"}) for label in labels]
    known = sorted({g for label in train for g in label.split("+")} - {"ctrl"})
    table = pd.crosstab(terms["gene"], terms["term"]).clip(upper=1)
    table = table.div(np.sqrt(table.sum(axis=1)), axis=0)
    sets = table.reindex(sorted({g for genes in perturbed for g in genes})).fillna(0.0)
    return {
        label: torch.tensor(
            np.concatenate(
                [sets.loc[genes].to_numpy().sum(axis=0), [float(g in genes) for g in known]]
            ),
            dtype=torch.float32,
        )
        for label, genes in zip(labels, perturbed, strict=True)
    }


def state(*words: object) -> None:
    """Run a command of the tool; its output is shown when it fails."""
    done = subprocess.run(
        [Path(sys.executable).with_name("state"), *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=os.environ | {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"},  # it reads its own checkpoint
    )
    if done.returncode:
        raise SystemExit(f"{done.stdout[-4000:]}\nstate {words[1]} failed")


if __name__ == "__main__":
    main()
