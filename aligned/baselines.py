"""Trivial rivals behind one interface, tuned as carefully as the model.

Every baseline has `fit` on training conditions and `predict` for others. Those with a threshold
choose it as the model does: on inner folds of whole perturbations, for the same objective.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from aligned.config import Config
from aligned.datasets.rows import Rows
from aligned.decisions import best_threshold, class_frequencies, decide, inner_folds
from aligned.knowledge import KnowledgeBase

__all__ = [
    "BASELINES",
    "Baseline",
    "DirectEdges",
    "DirectEdgesElseFrequencies",
    "Frequencies",
    "NoChange",
    "SharedControl",
]

Int8 = npt.NDArray[np.int8]
Float32 = npt.NDArray[np.float32]


class Baseline:
    """Common ground: probabilities from training conditions, a threshold, a last step.

    Parameters
    ----------
    kb : KnowledgeBase
        The network the method may look at.
    measured : tuple of str
        The m measured genes.
    yardstick : mapping
        ``k`` and ``rule`` of the closure that knowledge consistency is measured with.
    config : Config
        ``objective``, ``gamma``, ``seed``.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    #: True where the method uses what no honest method may know.
    leakage: ClassVar[bool] = False

    def __init__(
        self,
        kb: KnowledgeBase,
        measured: tuple[str, ...],
        yardstick: Mapping[str, object],
        config: Config,
    ) -> None:
        self.kb, self.columns, self.config = kb, kb.columns(measured), config
        self.yardstick = dict(yardstick)
        self.tau: float | None = None

    def fit(self, train: Rows) -> Baseline:
        """Keep the training conditions and tune the threshold, if there is one."""
        self.train = train
        inner = inner_folds(train.groups, 3, self.config.seed)
        parts, order = [], []
        for fold in range(int(inner.max()) + 1):
            rows = np.flatnonzero(inner == fold)
            p = self.probabilities(train.take(np.flatnonzero(inner != fold)), train.take(rows))
            if p is None:
                return self
            parts.append(p)
            order.append(rows)
        held = train.take(np.concatenate(order))
        said = self._deduce(held, self.yardstick)
        self.tau = best_threshold(
            np.concatenate(parts),
            held.y,
            held.counted,
            said,
            self.config,
            lambda called: self.finish(called, held),
        )
        return self

    def predict(self, rows: Rows) -> Int8:
        """Predict responses, int8 of shape (b, m)."""
        p = self.probabilities(self.train, rows)
        called = np.zeros(rows.y.shape, np.int8) if p is None else decide(p, self.tau)
        return self.finish(called, rows)

    def probabilities(self, train: Rows, rows: Rows) -> Float32 | None:
        """Probabilities (b, 3, m) for ``rows`` from ``train``; None: nothing to tune."""
        return None

    def finish(self, called: Int8, rows: Rows) -> Int8:
        """From calls to the prediction."""
        return called

    def _deduce(self, rows: Rows, closing: Mapping[str, object]) -> Int8:
        return self.kb.deduce(rows.x, **closing)[:, self.columns]  # type: ignore[arg-type]


class NoChange(Baseline):
    """Nothing responds."""

    name, description = "no change", "every gene unchanged"


class Frequencies(Baseline):
    """How often a gene went up or down in the training conditions, whatever was perturbed."""

    name = "class frequencies"
    description = "per-gene class frequencies of the training conditions, threshold tuned"

    def probabilities(self, train: Rows, rows: Rows) -> Float32 | None:
        p = class_frequencies(train.y, train.observed).astype(np.float32)
        return np.broadcast_to(p, (len(rows), *p.shape)).copy()


class DirectEdges(Baseline):
    """The network's direct edges, and nothing else."""

    name, description = "direct edges only", "deduction with k = 1, no data at all"

    def finish(self, called: Int8, rows: Rows) -> Int8:
        return self._deduce(rows, {"k": 1, "rule": "boolean"})


class DirectEdgesElseFrequencies(Frequencies):
    """A direct edge where there is one, class frequencies elsewhere."""

    name = "direct edges, else frequencies"
    description = "deduction with k = 1 where it speaks, class frequencies elsewhere, tuned"

    def finish(self, called: Int8, rows: Rows) -> Int8:
        said = self._deduce(rows, {"k": 1, "rule": "boolean"})
        return np.where(said != 0, said, called).astype(np.int8)


class SharedControl(Baseline):
    """Leakage, not a rival: the mean response of training conditions that share a control.

    It knows nothing of the perturbed gene; whatever it scores comes from the noise and the medium
    of the shared control samples. Conditions that share none get the class frequencies.
    """

    name = "mean of conditions sharing a control"
    description = "leakage line: class frequencies among training conditions with a shared control"
    leakage = True

    def probabilities(self, train: Rows, rows: Rows) -> Float32 | None:
        overall = class_frequencies(train.y, train.observed)
        result = np.empty((len(rows), *overall.shape), dtype=np.float32)
        for i, mine in enumerate(rows.controls):
            near = np.array([bool(mine & other) for other in train.controls], dtype=bool)
            result[i] = (
                class_frequencies(train.y[near], train.observed[near], prior=0.5)
                if near.any()
                else overall
            )
        return result


#: All baselines by name, in the order of the tables.
BASELINES: dict[str, type[Baseline]] = {
    b.name: b
    for b in (NoChange, Frequencies, DirectEdges, DirectEdgesElseFrequencies, SharedControl)
}
