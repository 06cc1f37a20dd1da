"""Baselines without learning: nothing, frequencies, chance, and the network as it stands."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aligned.data import Rows
from aligned.decisions import CLOSURES, class_frequencies
from aligned.knowledge import KnowledgeBase, Rule
from companion.rivals.base import Baseline

__all__ = [
    "DirectEdges",
    "DirectEdgesElseFrequencies",
    "Frequencies",
    "KnowledgeOnly",
    "NoChange",
    "RandomCalls",
    "SharedControl",
    "else_direct_edges",
]

Int8 = npt.NDArray[np.int8]
Bool = npt.NDArray[np.bool_]
Float32 = npt.NDArray[np.float32]

DIRECT = Rule(1)


def else_direct_edges(
    called: Int8, rows: Rows, kb: KnowledgeBase, columns: npt.NDArray[np.intp]
) -> Int8:
    """The direct edges where they speak, ``called`` elsewhere: "KB, else ..." of any method.

    Parameters
    ----------
    called : ndarray of int8, shape (b, m)
        Any method's prediction.
    rows : Rows
        The conditions; only ``x`` is looked at.
    kb : KnowledgeBase
    columns : ndarray of int, shape (m,)
        Column of each measured gene, ``kb.columns(measured)``.

    Returns
    -------
    ndarray of int8, shape (b, m)
    """
    said = kb.deduce(rows.x, DIRECT)[:, columns]
    return np.where(said != 0, said, called).astype(np.int8)


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

    def settled(self, train: Rows, rows: Rows) -> tuple[Bool, Int8] | None:
        return np.ones(rows.y.shape, bool), self._deduce(rows, DIRECT)

    @property
    def copies_yardstick(self) -> bool:
        return self.yardstick.get("k") == 1


class DirectEdgesElseFrequencies(Frequencies):
    """A direct edge where there is one, class frequencies elsewhere."""

    name = "direct edges, else frequencies"
    description = "deduction with k = 1 where it speaks, class frequencies elsewhere, tuned"

    def settled(self, train: Rows, rows: Rows) -> tuple[Bool, Int8] | None:
        said = self._deduce(rows, DIRECT)
        return said != 0, said


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


class KnowledgeOnly(Baseline):
    """The network's deduction, at the closure that serves the training conditions best."""

    name = "KB only"
    description = "deduction at the closure that is best on the training conditions, no other data"
    #: Closures tried (k, rule), simplest first, whatever closure ``config`` gives the model.
    settings = CLOSURES

    def settled(self, train: Rows, rows: Rows) -> tuple[Bool, Int8] | None:
        return np.ones(rows.y.shape, bool), self._deduce(rows, self._closing())

    @property
    def copies_yardstick(self) -> bool:
        mine, (k, rule) = self.yardstick, self.setting
        return mine.get("k") == k and (k == 1 or mine.get("rule", "boolean") == rule)

    def _closing(self) -> Rule:
        k, rule = self.setting
        return Rule(k, rule, self.config.alpha, self.config.margin)


class RandomCalls(Baseline):
    """Chance: each cell drawn at the overall rates of down, unchanged and up in training."""

    name = "random calls at the training rates"
    description = "every cell drawn at the overall class frequencies of the training conditions"

    def settled(self, train: Rows, rows: Rows) -> tuple[Bool, Int8] | None:
        seen = train.y[train.counted]
        down, up = float((seen == -1).mean()), float((seen == 1).mean())
        drawn = np.random.default_rng([self.config.seed, 11]).random(rows.y.shape)
        called = np.where(drawn < down, -1, np.where(drawn >= 1 - up, 1, 0)).astype(np.int8)
        return np.ones(rows.y.shape, bool), called
