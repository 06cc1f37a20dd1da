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
from aligned.data.contract import check_overlap, validate
from aligned.data.rows import Rows
from aligned.decisions import CLOSURES, objective
from aligned.knowledge import KnowledgeBase, Rule
from aligned.scores import data_consistency

__all__ = ["CLOSURES", "SCORES", "Problem", "choose_closure"]

Int8 = npt.NDArray[np.int8]

#: The predictions that are scored, and what each one is.
SCORES = {
    "neural": "the model's own call",
    "integrated": "its fusion with what the current network deduces, by the adapter",
}


@dataclass(frozen=True)
class Problem:
    """Everything a fit needs, drawn from training conditions only (test labels: for scores)."""

    genes: tuple[str, ...]
    measured: tuple[str, ...]
    train: Rows
    test: Rows
    unlabelled: sp.csr_array
    closing: Rule
    tried: pd.DataFrame
    w: npt.NDArray[np.float64]
    kb: KnowledgeBase
    yardstick: Rule

    def yardstick_of(self, rows: Rows) -> Int8:
        """What the original network deduces for these rows under the yardstick's closure."""
        return _deduce(self.kb, rows, self.yardstick, self.measured)

    @classmethod
    def build(
        cls, data: AnnData, kb: KnowledgeBase, config: Config, yardstick: Rule | None
    ) -> Problem:
        """Check data and network, and derive what is fitted before any model is trained."""
        validate(data)
        check_overlap(data, kb)
        _same_genes(data, kb)
        measured = tuple(map(str, data.var_names))
        rows = Rows.of(data, kb)
        split = data.obs["split"].astype(str).to_numpy()
        train, test = (rows.take(np.flatnonzero(split == s)) for s in ("train", "test"))
        if len(train) == 0:
            raise ValueError(
                'no condition has obs["split"] == "train"; mark the training conditions so '
                "(`aligned.data.folds` deals them)."
            )
        tried = choose_closure(train, kb, measured, config, yardstick)
        best = tried.iloc[int(tried["objective"].to_numpy().argmax())]
        closing = Rule(int(best["k"]), str(best["rule"]), config.alpha, config.margin)
        columns = kb.columns(measured)
        in_degree = kb.state.count_nonzero(axis=0)[columns]
        go = data.var["go_count"].to_numpy(float) if "go_count" in data.var else None
        weights = gene_weights(
            train.y,
            _deduce(kb, train, closing, measured),
            train.counted,
            in_degree,
            go,
            config,
        )
        unlabelled = _unlabelled(train, test, kb, config)
        return cls(
            kb.genes,
            measured,
            train,
            test,
            unlabelled,
            closing,
            tried,
            weights.w,
            kb,
            yardstick or closing,
        )


def choose_closure(
    train: Rows,
    kb: KnowledgeBase,
    measured: tuple[str, ...],
    config: Config,
    yardstick: Rule | None,
) -> pd.DataFrame:
    """Score each admissible closure's deductions on the training conditions.

    Deductions see no labels, so no inner fold is needed. Columns ``k, rule, f_d, speaks`` (share of
    cells with δ ≠ 0) and ``objective``, simplest closure first; the best row is the choice. Where
    the objective is balance and no yardstick is named, ``f_d`` decides: every closure agrees with
    itself.
    """
    rows = []
    said = None if yardstick is None else _deduce(kb, train, yardstick, measured)
    for k, rule in _admissible(config):
        delta = _deduce(kb, train, Rule(k, rule, config.alpha, config.margin), measured)
        f_d = data_consistency(delta, train.y, train.counted)
        speaks = float((delta != 0)[train.counted].mean())
        goal = f_d
        if said is not None:
            goal = objective(delta, train.y, train.counted, said, config)
        rows.append({"k": k, "rule": rule, "f_d": f_d, "speaks": speaks, "objective": goal})
    return pd.DataFrame(rows)


def _admissible(config: Config) -> list[tuple[int, str]]:
    options = [
        (k, rule)
        for k, rule in CLOSURES
        if config.k in ("auto", k) and config.rule in ("auto", rule)
    ]
    if options:
        return options
    rules = ["boolean", "majority"] if config.rule == "auto" else [config.rule]
    return [(int(config.k), rule) for rule in rules]


def _deduce(kb: KnowledgeBase, rows: Rows, closing: Rule, measured: tuple[str, ...]) -> Int8:
    return kb.deduce(rows.x, closing)[:, kb.columns(measured)]


def _same_genes(data: AnnData, kb: KnowledgeBase) -> None:
    if list(kb.genes) != list(map(str, data.uns["genes"])):
        raise ValueError(
            'the network\'s genes are not data.uns["genes"], in that order; build it with '
            'KnowledgeBase.from_edges(edges, genes=data.uns["genes"]).'
        )


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
