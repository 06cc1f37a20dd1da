"""From a file of cells to a data set of conditions."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from aligned.cells.calling import Groups, Rules, Tested, call, compare, share_called
from aligned.cells.design import Design, Reading, batches, gene_names, read_design
from aligned.cells.labels import choose_control, choose_key, column, select
from aligned.cells.matrix import Scale, blocks, survey
from aligned.cells.source import CellFile, open_cells
from aligned.data.bundle import DEFAULT_YARDSTICK
from aligned.data.contract import validate
from aligned.data.identifiers import mismatch
from aligned.data.splits import folds, with_split

__all__ = ["Imported", "import_cells"]

Bool = npt.NDArray[np.bool_]
_FOLDS = 5
#: A median log2 fold change beyond this is worth a note.
_SHIFT = 0.1


@dataclass(frozen=True)
class Imported:
    """What `import_cells` returns.

    Attributes
    ----------
    data : AnnData
        Conditions × genes, as `aligned.validate` asks; ``layers["fdr"]`` and ``obs["n_cells"]``
        beside.
    conditions : DataFrame
        ``condition, cells, replicates, up, down``: a row per condition, own genes not counted.
    thresholds : DataFrame
        ``fdr, log2fc, called, up``: what other thresholds would call.
    card : dict
        What was read and done; plain values.
    notes : tuple of str
        What the reader should know.
    """

    data: AnnData
    conditions: pd.DataFrame
    thresholds: pd.DataFrame
    card: dict[str, Any]
    notes: tuple[str, ...]


def import_cells(
    path: str | Path,
    reading: Reading | None = None,
    rules: Rules | None = None,
    *,
    seed: int = 0,
    scratch: str | Path | None = None,
) -> Imported:
    """Call the response of every perturbation in a file of single cells.

    Parameters
    ----------
    path : str or Path
        ``.h5ad``: cells × genes, raw counts or log-normalised values. It is read in slices.
    reading : Reading, optional
        Columns, labels and cells.
    rules : Rules, optional
        When a gene counts as changed.
    seed : int
        Seed of the split into training and test.
    scratch : str or Path, optional
        Folder for temporary files of 12 bytes per non-zero entry; default: the system's.

    Returns
    -------
    Imported

    Raises
    ------
    FileNotFoundError, ValueError
        There is no such file; or what is wrong in it, where, and how to mend it.
    """
    reading, rules = reading or Reading(), rules or Rules()
    with open_cells(path, reading.layer) as file:
        chosen = select(file.obs, reading.where).to_numpy()
        obs = file.obs.loc[chosen]
        key = reading.condition_key or choose_key(obs, reading.control)
        control = choose_control(obs, key, reading.control)
        labels = column(obs, key, "--condition-key")
        names, keep, said = gene_names(file, reading, labels)
        design = read_design(obs, labels, control, names[keep], reading, rules)
        chosen[np.flatnonzero(chosen)[design.of_cell < 0]] = False
        used = design.of_cell >= 0
        groups = Groups(design.of_cell[used], batches(obs.loc[used], reading.batch_key))
        scale = survey(file, chosen)
        with tempfile.TemporaryDirectory(dir=scratch, prefix=".cells-") as folder:
            found = list(_tested(file, chosen, scale, groups, Path(folder), keep))
        tested = Tested(
            *(
                np.concatenate([getattr(part, name) for part in found], axis=1)
                for name in Tested.__dataclass_fields__
            )
        )
        ids = file.var.index.astype(str).to_numpy()[keep]
    data, fdr, own = _as_anndata(tested, design, groups, names[keep], ids, rules)
    counted = data.layers["observed"] & ~own
    measured = pd.Index(names[keep]).isin(data.var_names)
    thresholds = share_called(_of(tested, measured), fdr[:, measured], rules, counted)
    data = _split(data, seed)
    conditions = _table(data, own)
    expected = _own_direction(data, own)
    card = {
        "title": f"Single cells of {Path(path).name}",
        "what": "Called from single cells by `aligned data import`, each perturbation against the "
        "control cells of the same file.",
        "source": Path(path).name,
        "condition_key": key,
        "control": control,
        "where": list(reading.where),
        "matrix": str(scale),
        "test": "Wilcoxon rank-sum with ties, Benjamini-Hochberg over the observed genes",
        **asdict(rules),
        "n_cells": len(groups.of_cell),
        "n_control": int(groups.sizes[0]),
        "batch_key": reading.batch_key,
        "seed": int(seed),
        "n_genes_measured": data.n_vars,
        "n_genes_too_rare": int(keep.sum()) - data.n_vars,
        "changed_share": round(float((data.X[counted] != 0).mean()), 6),
        "own_gene_measured": int(own.any(axis=1).sum()),
        "own_gene_as_expected": expected,
        "yardstick": dict(DEFAULT_YARDSTICK),
    }
    notes = (*said, *design.notes, *_doubts(data, card))
    return Imported(data, conditions, thresholds, card, notes)


# ---------------------------------------------------------------------------------- the parts


def _tested(
    file: CellFile, chosen: Bool, scale: Scale, groups: Groups, folder: Path, keep: Bool
) -> Iterator[Tested]:
    for start, stop, values in blocks(file, chosen, scale, folder):
        kept = values[:, np.flatnonzero(keep[start:stop])]
        yield compare(sp.csc_matrix(kept), groups, scale.base)


def _of(tested: Tested, genes: Bool) -> Tested:
    return Tested(*(getattr(tested, name)[:, genes] for name in Tested.__dataclass_fields__))


def _as_anndata(
    tested: Tested,
    design: Design,
    groups: Groups,
    names: npt.NDArray,
    ids: npt.NDArray,
    rules: Rules,
) -> tuple[AnnData, npt.NDArray, Bool]:
    """The data set; the false discovery rates of all genes; and which cells are own genes."""
    ternary, fdr, observed = call(tested, rules)
    ever = observed.any(axis=0)
    if not ever.any():
        raise ValueError(
            f"no gene is seen in {rules.min_seen} cells of a condition and the controls; lower "
            "--min-seen."
        )
    measured = [str(name) for name in names[ever]]
    every = list(dict.fromkeys([*measured, *(gene for row in design.genes for gene in row)]))
    place = {gene: j for j, gene in enumerate(every)}
    x = sp.lil_matrix((len(design.genes), len(every)), dtype=np.int8)
    for i, (row, sign) in enumerate(zip(design.genes, design.signs, strict=True)):
        for gene in row:
            x[i, place[gene]] = sign
    mark = {-1: "-", 1: "+"}
    obs = pd.DataFrame(
        {
            "perturbation": [
                ",".join(gene + mark[sign] for gene in row)
                for row, sign in zip(design.genes, design.signs, strict=True)
            ],
            "n_replicates": np.maximum(groups.replicates.sum(axis=1), 1),
            "n_cells": groups.sizes[1:],
            "split": "train",
        },
        index=["+".join(row) for row in design.genes],
    )
    var = pd.DataFrame(index=pd.Index(measured))
    if (ids != names).any():
        var["id"] = ids[ever]
    data = AnnData(ternary[:, ever], obs=obs, var=var)
    data.layers["observed"] = observed[:, ever]
    for name, values in (("logfc", tested.logfc), ("fdr", fdr)):
        data.layers[name] = np.where(observed, values, np.nan)[:, ever].astype(np.float32)
    data.uns["genes"] = np.array(every, dtype=str)
    data.obsm["perturbation"] = sp.csr_matrix(x)
    validate(data)
    return data, fdr, x.tocsr()[:, : len(measured)].toarray() != 0


def _split(data: AnnData, seed: int) -> AnnData:
    """One fold held out, by perturbed gene; few perturbations stay in training altogether."""
    genes = sp.csr_array(data.obsm["perturbation"])
    first = {int(genes[[i]].indices.min()) for i in range(data.n_obs)}
    for n_folds in range(min(_FOLDS, len(first)), 1, -1):
        try:
            return with_split(data, folds(data, n_folds=n_folds, seed=seed)["0"])
        except ValueError:  # doubles can leave a fold without a tested condition
            continue
    return data


def _table(data: AnnData, own: Bool) -> pd.DataFrame:
    calls = np.where(own, 0, data.X)
    return pd.DataFrame(
        {
            "condition": data.obs_names.to_numpy(),
            "cells": data.obs["n_cells"].to_numpy(),
            "replicates": data.obs["n_replicates"].to_numpy(),
            "up": (calls > 0).sum(axis=1),
            "down": (calls < 0).sum(axis=1),
        }
    )


def _own_direction(data: AnnData, own: Bool) -> int:
    """Conditions whose perturbed, measured genes all moved as the kind of perturbation says."""
    signs = sp.csr_array(data.obsm["perturbation"])[:, : data.n_vars].toarray()
    moved = np.sign(np.nan_to_num(data.layers["logfc"]))
    return int((((moved == signs) | ~own).all(axis=1) & own.any(axis=1)).sum())


def _doubts(data: AnnData, card: dict[str, Any]) -> Iterator[str]:
    measured, expected = card["own_gene_measured"], card["own_gene_as_expected"]
    if measured >= 4 and expected < measured / 2:
        yield (
            f"the perturbed gene itself moves the expected way in {expected} of {measured} "
            "conditions only; is --kind right?"
        )
    shift = np.nanmedian(np.where(data.layers["observed"], data.layers["logfc"], np.nan), axis=1)
    shifted = np.flatnonzero(np.abs(shift) > _SHIFT)
    if len(shifted):
        worst = shifted[np.abs(shift[shifted]).argmax()]
        yield (
            f"in {len(shifted)} of {data.n_obs} conditions the median gene moves by more than "
            f"{_SHIFT:g} (log2; most in {data.obs_names[worst]}: {shift[worst]:+.2f}): a few "
            "strong genes have changed the totals, or the cells differ in more than the "
            "perturbation; raise --log2fc above that, or take small changes there as unproven."
        )
    if not measured:
        genes = np.asarray(data.uns["genes"])[np.unique(data.obsm["perturbation"].indices)]
        why = mismatch(map(str, genes), map(str, data.var_names))
        hint = f": {why}" if why else ""
        yield f"none of the {len(genes)} perturbed genes is measured{hint}."
