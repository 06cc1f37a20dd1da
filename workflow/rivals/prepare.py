"""Write what another tool needs to train on our split: cells, folds, gene sets.

    python workflow/rivals/prepare.py demo build/rivals/demo
    python workflow/rivals/prepare.py norman build/rivals/norman

Runs in the main environment. ``cells.h5ad``: log-normalised cells, ``obs["condition"]`` as GEARS
writes it. ``folds.csv``: ``fold, condition, genes, role``; role is train, val (its measurements
choose the epoch and the threshold), test, or excluded (shares a gene with a test condition).
``terms.csv``: ``gene, term``. ``data/``: the responses and the network that everything is scored
with (`aligned.load` reads the folder).
"""

from __future__ import annotations

import dataclasses
import shutil
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import anndata as ad
import gseapy as gp
import numpy as np
import pandas as pd
import scanpy as sc
import typer

import aligned as al
from aligned.cells import Reading, import_cells
from aligned.data import Bundle, fetch, folds, save
from aligned.data.rows import Rows
from aligned.knowledge import KnowledgeBase

#: Cells per condition that are simulated for the demo, and their seed.
CELLS, SEED = 40, 1
#: Share of the training perturbations whose measurements choose epoch and threshold.
VAL = 0.2


class Source(StrEnum):
    """Cells to train on."""

    DEMO = "demo"
    NORMAN = "norman"


def main(
    source: Annotated[Source, typer.Argument(help="demo, or norman: a subset of real cells.")],
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    n_folds: Annotated[int, typer.Option(help="Folds of whole perturbations.")] = 3,
    seed: Annotated[int, typer.Option(help="Seed of the folds.")] = 0,
) -> None:
    """Write cells, folds, gene sets and responses into one folder, all or nothing."""
    cells, bundle = demo() if source is Source.DEMO else norman()
    part = out.with_name(out.name + ".partial")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    cells.write_h5ad(part / "cells.h5ad")
    labels_of(bundle, n_folds, seed).to_csv(part / "folds.csv", index=False)
    terms = [(g, name) for name, genes in bundle.gene_sets.items() for g in genes]
    pd.DataFrame(terms, columns=["gene", "term"]).to_csv(part / "terms.csv", index=False)
    save(bundle, part / "data")
    shutil.rmtree(out, ignore_errors=True)
    part.rename(out)
    print(out)


def demo() -> tuple[ad.AnnData, Bundle]:
    """The demo's knock-outs: simulated cells, and the responses of the study as it is."""
    made, bundle = al.simulate(n_genes=400, n_regulators=60, seed=0), al.load("demo")
    cells = made.cells(n_cells=CELLS, seed=SEED)
    names = sorted(set(cells.obs["perturbation"]) - {"control"})
    return normalised(cells), dataclasses.replace(bundle, data=bundle.data[names].copy())


def norman() -> tuple[ad.AnnData, Bundle]:
    """Real cells (log-normalised in the file), CollecTRI between the genes of the data."""
    name = "norman2019_subset.h5ad"
    path = fetch(name)[name]
    where = Reading(where=["dataset=norman19"])
    data = import_cells(path, where).data
    human = al.load("human_tf")
    genes = list(map(str, data.uns["genes"]))
    known = set(genes)
    edges = human.kb.to_edges()
    edges = edges[edges["source"].isin(known) & edges["target"].isin(known)]
    kb = KnowledgeBase.from_edges(edges, genes=genes)
    terms = gp.parser.read_gmt(str(fetch("human_tf")["go_biological_process_2021.gmt"]))
    counts = pd.Series([g for name in terms for g in terms[name]]).value_counts()
    bundle = Bundle(
        data=data,
        kb=kb,
        other_kb=None,
        go_counts=counts.reindex(genes).fillna(0).astype(int),
        gene_sets={name: kept for name, of in terms.items() if (kept := sorted(known & set(of)))},
        card={"title": "Norman et al. 2019, a subset of the cells"},
        yardstick={"k": 1, "rule": "boolean"},
    )
    cells = ad.read_h5ad(path)
    cells = cells[cells.obs["dataset"].astype(str) == "norman19"].copy()
    cells.var["gene_name"] = cells.var_names
    cells.obs["cell_type"] = "K562"
    return cells, bundle


def normalised(cells: ad.AnnData) -> ad.AnnData:
    """Counts to log1p of the median total."""
    cells = cells.copy()
    sc.pp.normalize_total(cells)
    sc.pp.log1p(cells)
    return cells


def labels_of(bundle: Bundle, n_folds: int, seed: int) -> pd.DataFrame:
    """Role of every condition in every fold, and its perturbed genes joined by +."""
    rows = Rows.of(bundle.data, bundle.kb)
    genes = np.asarray(bundle.kb.genes)
    label = ["+".join(sorted(genes[rows.x[[i]].indices])) for i in range(len(rows))]
    table = folds(bundle.data, "perturbation", n_folds, seed)
    parts = []
    for fold in table.columns:
        role = table[fold].astype(str).to_numpy().copy()
        train = sorted({g for g, r in zip(rows.groups, role, strict=True) if r == "train"})
        rng = np.random.default_rng([seed, int(fold)])
        held = set(rng.permutation(train)[: max(1, round(VAL * len(train)))])
        role[[r == "train" and g in held for g, r in zip(rows.groups, role, strict=True)]] = "val"
        names = list(bundle.data.obs_names)
        parts.append(pd.DataFrame({"fold": fold, "condition": names, "genes": label, "role": role}))
    return pd.concat(parts, ignore_index=True)


if __name__ == "__main__":
    typer.run(main)
