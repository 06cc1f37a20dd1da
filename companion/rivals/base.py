"""What all baselines have in common: `fit` on training conditions, nested tuning, `predict`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from aligned.config import Config
from aligned.data import Rows
from aligned.decisions import best_threshold, decide, inner_folds, objective
from aligned.knowledge import KnowledgeBase, Rule

__all__ = ["N_INNER", "Baseline", "blind"]

Int8 = npt.NDArray[np.int8]
Bool = npt.NDArray[np.bool_]
Float32 = npt.NDArray[np.float32]

#: Inner folds of whole perturbations, as many as the model's.
N_INNER = 3


class Baseline:
    """Common ground: probabilities from training conditions, a threshold, cells that are settled.

    The threshold, and a setting where the method has one, are chosen on inner folds of whole
    perturbations for ``config.objective``, as the model's are.

    Parameters
    ----------
    kb : KnowledgeBase
        The network the method may look at.
    measured : sequence of str
        The m measured genes.
    yardstick : mapping
        ``k`` and ``rule`` of the closure that knowledge consistency is measured with.
    config : Config
        ``objective``, ``gamma``, ``seed``, ``alpha``, ``margin``.
    genome : sequence of str, optional
        The measured genes as they lie on the genome
        (`aligned.data.controls.genomic_order`); without it no method uses neighbours.

    Attributes
    ----------
    tau : float or None
        The threshold; None: there is none.
    setting : object
        The chosen one of `settings`.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    #: True where the method uses what no honest method may know.
    leakage: ClassVar[bool] = False
    #: What is tried on the inner folds, the plainest first (it wins ties).
    settings: ClassVar[tuple[Any, ...]] = (None,)

    def __init__(
        self,
        kb: KnowledgeBase,
        measured: Sequence[str],
        yardstick: Mapping[str, object],
        config: Config,
        genome: Sequence[str] | None = None,
    ) -> None:
        self.kb, self.columns, self.config = kb, kb.columns(measured), config
        self.measured, self.genome = tuple(measured), genome
        self.yardstick = dict(yardstick)
        self.tau: float | None = None
        self.setting: Any = self.settings[0]

    def fit(self, train: Rows) -> Baseline:
        """Keep the training conditions; tune the setting and the threshold, if there are any."""
        self.train = train
        inner = inner_folds(train.groups, N_INNER, self.config.seed)
        held = [np.flatnonzero(inner == fold) for fold in range(int(inner.max()) + 1)]
        rows = train.take(np.concatenate(held))
        said = self._deduce(rows, Rule(**self.yardstick))  # type: ignore[arg-type]
        tried: list[tuple[float, Any, float | None]] = []
        for setting in self.settings:
            self.setting = setting
            tau, score = self._tune(train, held, rows, said)
            tried.append((score, setting, tau))
        _, self.setting, self.tau = max(tried, key=lambda t: t[0])
        return self

    def predict(self, rows: Rows) -> Int8:
        """Predict responses, int8 of shape (b, m); the labels in ``rows`` are not looked at."""
        hidden = blind(rows)
        p = self.probabilities(self.train, hidden)
        called = np.zeros(rows.y.shape, np.int8) if p is None else decide(p, self.tau)
        return _replaced(called, self.settled(self.train, hidden))

    def probabilities(self, train: Rows, rows: Rows) -> Float32 | None:
        """Probabilities (b, 3, m) for ``rows`` from ``train``; None: there is no threshold."""
        return None

    def settled(self, train: Rows, rows: Rows) -> tuple[Bool, Int8] | None:
        """Cells (b, m) that no threshold decides, and what they are; None: there are none."""
        return None

    @property
    def copies_yardstick(self) -> bool:
        """True where the prediction *is* the yardstick's deduction: F_k is 1 by definition."""
        return False

    def _tune(
        self, train: Rows, held: list[npt.NDArray[np.intp]], rows: Rows, said: Int8
    ) -> tuple[float | None, float]:
        """Threshold of the present setting, and its objective on the held-out inner folds."""
        everything = np.arange(len(train))
        p: list[Float32] = []
        fixed: list[tuple[Bool, Int8]] = []
        for own in held:
            rest, asked = train.take(np.setdiff1d(everything, own)), blind(train.take(own))
            probabilities, settled = self.probabilities(rest, asked), self.settled(rest, asked)
            if probabilities is not None:
                p.append(probabilities)
            if settled is not None:
                fixed.append(settled)
        joined = (
            (np.concatenate([f[0] for f in fixed]), np.concatenate([f[1] for f in fixed]))
            if fixed
            else None
        )
        tau, called = None, np.zeros(rows.y.shape, np.int8)
        if p:
            together = np.concatenate(p)
            tau = best_threshold(
                together, rows.y, rows.counted, said, self.config, lambda c: _replaced(c, joined)
            )
            called = decide(together, tau)
        prediction = _replaced(called, joined)
        return tau, objective(prediction, rows.y, rows.counted, said, self.config)

    def _deduce(self, rows: Rows, closing: Rule) -> Int8:
        return self.kb.deduce(rows.x, closing)[:, self.columns]


def blind(rows: Rows) -> Rows:
    """The same conditions without their labels: nothing measured, nothing counted."""
    nothing = np.zeros(rows.y.shape, bool)
    return dataclasses.replace(rows, y=nothing.astype(np.int8), observed=nothing, counted=nothing)


def _replaced(called: Int8, settled: tuple[Bool, Int8] | None) -> Int8:
    return called if settled is None else np.where(settled[0], settled[1], called).astype(np.int8)
