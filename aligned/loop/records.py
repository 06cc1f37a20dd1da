"""What is written down after every phase: predictions on the scored rows, and all metrics."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from aligned.data.rows import Rows
from aligned.knowledge import KnowledgeBase, Rule
from aligned.loop.problem import Problem
from aligned.scores import balanced_consistency, confusion, f1_from_confusion

__all__ = ["Phase", "Prediction", "Yardsticks"]

Int8 = npt.NDArray[np.int8]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Prediction:
    """Predictions for b conditions; columns are the m measured genes.

    Attributes
    ----------
    neural, symbolic, fused : ndarray of int8, shape (b, m)
        The model's call, the current knowledge base's deduction, and their fusion.
    adapter : ndarray of int8 in {0, 1}, shape (b, m)
        1 where the deduction was preferred: ``fused = adapter ? symbolic : neural``.
    probabilities : ndarray of float32, shape (b, m, 3)
        The model's probabilities of down, unchanged, up.
    genes : tuple of str
        The m columns.
    """

    neural: Int8
    symbolic: Int8
    adapter: Int8
    fused: Int8
    probabilities: npt.NDArray[np.float32]
    genes: tuple[str, ...]

    def to_frame(self, conditions: list[str]) -> pd.DataFrame:
        """Long table ``condition, gene, neural, symbolic, adapter, fused, p_down, p_up``."""
        b, m = self.neural.shape
        return pd.DataFrame(
            {
                "condition": np.repeat(conditions, m),
                "gene": np.tile(self.genes, b),
                "neural": self.neural.ravel(),
                "symbolic": self.symbolic.ravel(),
                "adapter": self.adapter.ravel(),
                "fused": self.fused.ravel(),
                "p_down": self.probabilities[:, :, 0].ravel(),
                "p_up": self.probabilities[:, :, 2].ravel(),
            }
        )


@dataclass(frozen=True)
class Yardsticks:
    """The knowledge bases that predictions are held against, with the closure used for all.

    ``original`` is the network as given, ``refined`` the one at hand, ``heldout`` (where some edges
    were hidden) the complete one, scored where it differs from the visible one.
    """

    closing: Rule
    original: KnowledgeBase
    complete: KnowledgeBase | None = None

    def deduce(self, kb: KnowledgeBase, rows: Rows, genes: tuple[str, ...]) -> Int8:
        """What a network says of these rows and genes under the yardsticks' closure."""
        return kb.deduce(rows.x, self.closing)[:, kb.columns(genes)]

    def deductions(
        self, rows: Rows, refined: KnowledgeBase | None, genes: tuple[str, ...]
    ) -> dict[str, tuple[Int8, Bool]]:
        """Yardstick -> (deduction, cells to score) on these rows; ``refined`` only if given."""
        columns = self.original.columns(genes)
        whole = self.original.deduction(rows.x, self.closing)
        original, reached = whole.delta[:, columns], whole.reached[:, columns]
        result = {
            "original": (original, rows.counted),
            "original, reached": (original, rows.counted & reached),
        }
        if refined is not None:
            same = refined is self.original
            result["refined"] = (
                original if same else self.deduce(refined, rows, genes),
                rows.counted,
            )
        if self.complete is not None:
            complete = self.deduce(self.complete, rows, genes)
            result["heldout"] = (complete, rows.counted & (complete != original))
        return result


@dataclass
class Phase:
    """One finished phase: its stage, predictions on the scored rows, net edits so far, scores."""

    stage: str
    predictions: dict[str, Int8]
    n_edits: int
    confusions: dict[tuple[str, str], npt.NDArray[np.int64]]
    history: pd.DataFrame = field(repr=False)


def score_phase(
    stage: str,
    predictions: dict[str, Int8],
    rows: Rows,
    kb: KnowledgeBase,
    n_edits: int,
    problem: Problem,
    yardsticks: Yardsticks,
    gamma: float,
    scored_on: str,
) -> Phase:
    """Score one phase's predictions against the data and every yardstick."""
    against = yardsticks.deductions(rows, kb, problem.measured)
    confusions: dict[tuple[str, str], npt.NDArray[np.int64]] = {}
    table = []
    for score, prediction in predictions.items():
        data = confusion(rows.y, prediction, rows.counted)
        confusions[score, "data"] = data
        f_d = float(f1_from_confusion(data.sum(axis=0)))
        for yardstick, (delta, cells) in against.items():
            counts = confusion(delta, prediction, cells)
            confusions[score, yardstick] = counts
            f_k = float(f1_from_confusion(counts.sum(axis=0)))
            table.append(
                {
                    "stage": stage,
                    "score": score,
                    "yardstick": yardstick,
                    "f_d": f_d,
                    "f_k": f_k,
                    "balanced": float(balanced_consistency(f_d, f_k, gamma)),
                    "n_edits": n_edits,
                    "n_cells": int(cells.sum()),
                    "rows": scored_on,
                }
            )
    return Phase(stage, predictions, n_edits, confusions, pd.DataFrame(table))
