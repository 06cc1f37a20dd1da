"""Splits that mean something: new perturbations, new controls, or new conditions of known ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from scipy.sparse.csgraph import connected_components

from aligned.data.contract import SPLITS, perturbed_genes

__all__ = ["SPLIT_KINDS", "folds", "linked_conditions", "with_split"]

SPLIT_KINDS = ("perturbation", "control_safe", "condition", "transfer")

Labels = npt.NDArray[np.intp]


def folds(
    data: AnnData, split: str = "perturbation", n_folds: int = 5, seed: int = 0
) -> pd.DataFrame:
    """Assign every condition to train, test or excluded, once per fold.

    Parameters
    ----------
    data : AnnData
        Perturbation data.
    split : {"perturbation", "control_safe", "condition", "transfer"}
        ``perturbation``: genes are dealt to folds (seeded shuffle, then those with most conditions
        first); a condition is tested in the fold of its first gene (in the order of
        ``uns["genes"]``) and excluded from training in every other fold that holds any of its
        genes. ``control_safe``: all conditions linked by a perturbed gene *or* a shared control
        sample (``obs["controls"]``, where there is one) stay together; whole groups are dealt,
        largest first to the smallest fold, without chance. ``condition``: single conditions are
        dealt (seeded shuffle), so the same perturbation may be seen in training under another
        condition, and with the same controls: an easier question, to be shown apart.
        ``transfer``: as ``perturbation`` for conditions in which a gene is over-expressed; all
        others (knock-outs, knock-downs) are trained on in every fold and never tested, so a tested
        gene may have been seen, the other way.
    n_folds : int
        Number of folds, at least 2.
    seed : int
        Seed of the shuffle; ``control_safe`` needs none.

    Returns
    -------
    DataFrame
        One row per condition, columns ``"0"``, ``"1"``, ...: train, test or excluded.

    Raises
    ------
    ValueError
        Unknown split, fewer than 2 folds, a fold without test conditions, or ``transfer`` without
        an over-expression.

    Examples
    --------
    >>> import anndata, numpy as np, scipy.sparse as sp
    >>> x = sp.csr_matrix(np.array([[-1, 0], [1, 0], [0, -1]], dtype="int8"))
    >>> toy = anndata.AnnData(np.zeros((3, 1), "int8"), obsm={"perturbation": x})
    >>> folds(toy, n_folds=2).to_numpy().tolist()
    [['test', 'train'], ['test', 'train'], ['train', 'test']]
    """
    if split not in SPLIT_KINDS:
        raise ValueError(f"split={split!r} is not a choice; use one of {', '.join(SPLIT_KINDS)}.")
    if n_folds < 2:
        raise ValueError(f"n_folds={n_folds} leaves nothing to train on; use 2 or more.")
    genes = perturbed_genes(data)
    if split in ("perturbation", "transfer"):
        asked = _with_over_expression(data) if split == "transfer" else np.ones(len(genes), bool)
        fold_of_gene = _deal_genes([genes[i] for i in np.flatnonzero(asked)], n_folds, seed)
        dealt = [row if ask else row[:0] for row, ask in zip(genes, asked, strict=True)]
        tested = np.array([fold_of_gene[row[0]] if len(row) else -1 for row in dealt], np.intp)
        held = [{fold_of_gene[g] for g in row} for row in dealt]
    elif split == "condition":
        order = np.random.default_rng(seed).permutation(data.n_obs)
        tested = np.empty(data.n_obs, dtype=np.intp)
        tested[order] = np.arange(data.n_obs) % n_folds
        held = [{int(fold)} for fold in tested]
    else:
        tested = _deal_groups(linked_conditions(data), n_folds)
        held = [{int(fold)} for fold in tested]
    _refuse_empty_folds(tested, n_folds, split, data)
    table = {
        str(fold): [
            "test" if fold == own else "excluded" if fold in mine else "train"
            for own, mine in zip(tested, held, strict=True)
        ]
        for fold in range(n_folds)
    }
    return pd.DataFrame(table, index=data.obs_names)


def linked_conditions(data: AnnData) -> Labels:
    """Group conditions linked, directly or in steps, by a perturbed gene or a control sample.

    Returns
    -------
    ndarray of int, shape (b,)
        Number of the group of each condition, counted in order of first appearance.
    """
    rows, keys = [], []
    for i, genes in enumerate(perturbed_genes(data)):
        rows += [i] * len(genes)
        keys += [f"gene {gene}" for gene in genes]
    if "controls" in data.obs:
        for i, controls in enumerate(data.obs["controls"].astype(object).fillna("")):
            samples = [sample for sample in str(controls).split(";") if sample]
            rows += [i] * len(samples)
            keys += [f"control {sample}" for sample in samples]
    columns, values = pd.factorize(np.array(keys, dtype=object))
    shape = (data.n_obs, len(values))
    member = sp.csr_array((np.ones(len(rows), dtype=np.int32), (rows, columns)), shape=shape)
    _, label = connected_components(member @ member.T, directed=False)
    return np.asarray(pd.factorize(label)[0], dtype=np.intp)


def with_split(data: AnnData, column: pd.Series) -> AnnData:
    """Return a copy of the data whose ``obs["split"]`` is one column of `folds`.

    Parameters
    ----------
    data : AnnData
        Perturbation data.
    column : Series
        train, test or excluded for every condition, indexed by its name.

    Raises
    ------
    ValueError
        A condition is missing, or an entry is not a split.
    """
    missing = data.obs_names.difference(column.index)
    if len(missing):
        raise ValueError(
            f"the split says nothing about condition {missing[0]!r} ({len(missing)} such); "
            "use a column of folds(data), or index your own by condition name."
        )
    wrong = column[~column.isin(SPLITS)]
    if len(wrong):
        raise ValueError(
            f"the split of condition {wrong.index[0]!r} is {wrong.iloc[0]!r}; "
            f"use one of {', '.join(SPLITS)}."
        )
    copy = data.copy()
    copy.obs["split"] = column.reindex(data.obs_names).astype(str)
    return copy


def _with_over_expression(data: AnnData) -> npt.NDArray[np.bool_]:
    """Whether a condition over-expresses any gene; at least one does."""
    found = np.asarray((sp.csr_array(data.obsm["perturbation"]) > 0).sum(axis=1)).ravel() > 0
    if not found.any():
        raise ValueError(
            "split='transfer' asks about over-expressions, and no condition has one; "
            "use split='perturbation'."
        )
    return found


def _deal_genes(genes: list[Labels], n_folds: int, seed: int) -> dict[int, int]:
    """Deal perturbed genes to folds: most tested conditions first, ties in shuffled order."""
    every = np.unique(np.concatenate(genes))
    order = np.random.default_rng(seed).permutation(every)
    tested = {int(g): 0 for g in every}
    for row in genes:
        tested[int(row[0])] += 1
    load = [(0, 0)] * n_folds  # conditions tested, genes held
    fold_of_gene = {}
    for gene in sorted((int(g) for g in order), key=lambda g: -tested[g]):
        fold = min(range(n_folds), key=lambda f: load[f])
        fold_of_gene[gene] = fold
        load[fold] = (load[fold][0] + tested[gene], load[fold][1] + 1)
    return fold_of_gene


def _deal_groups(group: Labels, n_folds: int) -> Labels:
    """Deal whole groups to folds, the largest first, each to the smallest fold so far."""
    sizes = np.bincount(group)
    load = np.zeros(n_folds, dtype=np.intp)
    fold_of_group = np.zeros(len(sizes), dtype=np.intp)
    for number in np.argsort(-sizes, kind="stable"):
        fold = int(load.argmin())
        fold_of_group[number] = fold
        load[fold] += sizes[number]
    return fold_of_group[group]


def _refuse_empty_folds(tested: Labels, n_folds: int, split: str, data: AnnData) -> None:
    empty = np.flatnonzero(np.bincount(tested[tested >= 0], minlength=n_folds) == 0)
    if not len(empty):
        return
    filled = n_folds - len(empty)
    what = {
        "perturbation": "perturbed first genes",
        "transfer": "over-expressed first genes",
        "condition": "places to test",
        "control_safe": "groups of conditions linked by a gene or a control",
    }[split]
    mend = f"use n_folds={filled} or fewer" if filled > 1 else "use another split"
    raise ValueError(
        f"fold {empty[0]} of split={split!r} would test no condition: {data.n_obs} conditions make "
        f"only {filled} {what}; {mend}."
    )
