"""What one fit works on: the data as arrays, the closure, the weights, the unlabelled inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from aligned.alignment import gene_weights
from aligned.config import Config
from aligned.datasets.contract import check_overlap, validate
from aligned.knowledge import KnowledgeBase
from aligned.metrics import data_consistency

__all__ = ["CLOSURES", "Closing", "Problem", "choose_closure"]

Int8 = npt.NDArray[np.int8]
Bool = npt.NDArray[np.bool_]

#: Closures tried by ``k="auto"`` / ``rule="auto"``, simplest first.
CLOSURES: tuple[tuple[int, str], ...] = (
    (1, "boolean"),
    (2, "boolean"),
    (2, "majority"),
    (3, "boolean"),
    (3, "majority"),
    (5, "boolean"),
    (5, "majority"),
)


@dataclass(frozen=True)
class Closing:
    """A closure's settings, in one piece: ``kb.deduce(x, **closing.kwargs)``."""

    k: int
    rule: str
    alpha: float = 0.5
    margin: float = 0.0

    @property
    def kwargs(self) -> dict[str, object]:
        """The settings as keyword arguments of `KnowledgeBase.deduce` and friends."""
        return {"k": self.k, "rule": self.rule, "alpha": self.alpha, "margin": self.margin}


@dataclass(frozen=True)
class Rows:
    """Conditions as arrays: inputs x (b, n), responses y, observed and counted cells (b, m)."""

    names: pd.Index
    x: sp.csr_array
    y: Int8
    observed: Bool
    counted: Bool
    groups: npt.NDArray[np.object_]

    def take(self, chosen: npt.NDArray[np.intp]) -> Rows:
        """These rows, in this order."""
        return Rows(
            self.names[chosen],
            self.x[chosen],
            self.y[chosen],
            self.observed[chosen],
            self.counted[chosen],
            self.groups[chosen],
        )

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Problem:
    """Everything a fit needs, drawn from training conditions only (test labels: for scores)."""

    genes: tuple[str, ...]
    measured: tuple[str, ...]
    train: Rows
    test: Rows
    unlabelled: sp.csr_array
    closing: Closing
    tried: pd.DataFrame
    w: npt.NDArray[np.float64]

    @classmethod
    def build(cls, data: AnnData, kb: KnowledgeBase, config: Config) -> Problem:
        """Check data and network, and derive what is fitted before any network is trained."""
        validate(data)
        check_overlap(data, kb)
        _same_genes(data, kb)
        measured = tuple(map(str, data.var_names))
        rows = _rows(data, kb, measured)
        split = data.obs["split"].astype(str).to_numpy()
        train, test = (rows.take(np.flatnonzero(split == s)) for s in ("train", "test"))
        if len(train) == 0:
            raise ValueError(
                'no condition has obs["split"] == "train"; mark the training conditions so '
                "(`aligned.datasets.folds` deals them)."
            )
        tried = choose_closure(train, kb, measured, config)
        best = tried.iloc[int(tried["f_d"].to_numpy().argmax())]
        closing = Closing(int(best["k"]), str(best["rule"]), config.alpha, config.margin)
        columns = kb.columns(measured)
        in_degree = np.asarray((kb.r_pos + kb.r_neg).sum(axis=0)).ravel()[columns]
        go = data.var["go_count"].to_numpy(float) if "go_count" in data.var else None
        weights = gene_weights(
            train.y,
            kb.deduce(train.x, **closing.kwargs)[:, columns],  # type: ignore[arg-type]
            train.counted,
            in_degree,
            go,
            config,
        )
        unlabelled = _unlabelled(train, test, kb, config)
        return cls(kb.genes, measured, train, test, unlabelled, closing, tried, weights.w)


def choose_closure(
    train: Rows, kb: KnowledgeBase, measured: tuple[str, ...], config: Config
) -> pd.DataFrame:
    """Data consistency of each admissible closure's deductions on the training conditions.

    The network has not seen these labels, so no inner fold is needed. Columns ``k, rule, f_d,
    speaks`` (share of cells with δ ≠ 0), simplest closure first; the best row is the choice.
    """
    options = [
        (k, rule)
        for k, rule in CLOSURES
        if config.k in ("auto", k) and config.rule in ("auto", rule)
    ]
    if not options:
        rules = ["boolean", "majority"] if config.rule == "auto" else [config.rule]
        options = [(int(config.k), rule) for rule in rules]
    columns = kb.columns(measured)
    rows = []
    for k, rule in options:
        delta = kb.deduce(train.x, k, rule, alpha=config.alpha, margin=config.margin)[:, columns]
        f_d = data_consistency(delta, train.y, train.counted)
        speaks = float((delta != 0)[train.counted].mean())
        rows.append({"k": k, "rule": rule, "f_d": f_d, "speaks": speaks})
    return pd.DataFrame(rows)


def _same_genes(data: AnnData, kb: KnowledgeBase) -> None:
    if list(kb.genes) != list(map(str, data.uns["genes"])):
        raise ValueError(
            'the network\'s genes are not data.uns["genes"], in that order; build it with '
            'KnowledgeBase.from_edges(edges, genes=data.uns["genes"]).'
        )


def _rows(data: AnnData, kb: KnowledgeBase, measured: tuple[str, ...]) -> Rows:
    x = sp.csr_array(data.obsm["perturbation"]).astype(np.int8)
    y = np.asarray(data.X.toarray() if sp.issparse(data.X) else data.X).astype(np.int8)
    observed = np.asarray(data.layers["observed"], dtype=bool)
    first = [kb.genes[row.indices.min()] for row in (x[[i]] for i in range(x.shape[0]))]
    groups = data.obs["group"].astype(str).to_numpy() if "group" in data.obs else np.array(first)
    counted = kb.scored_cells(x, measured, observed)
    return Rows(data.obs_names, x, y, observed, counted, groups.astype(object))


def _unlabelled(train: Rows, test: Rows, kb: KnowledgeBase, config: Config) -> sp.csr_array:
    """Single perturbations of all regulators, with each sign that occurs in the training data."""
    signs = np.unique(train.x.data)
    r, n = len(kb.regulators), len(kb.genes)
    blocks = [
        sp.csr_array((np.full(r, s, np.int8), (np.arange(r), kb.regulator_index)), shape=(r, n))
        for s in signs
    ]
    if config.unlabelled == "regulators+heldout" and len(test):
        blocks.append(test.x)
    return sp.csr_array(sp.vstack(blocks, format="csr")).astype(np.int8)
