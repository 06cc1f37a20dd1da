"""Whom to trust, cell by cell: how likely the network is right there, learned and calibrated."""

from __future__ import annotations

import copy

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from aligned.context import ContextModel
from aligned.data import Rows
from aligned.decisions import inner_folds
from aligned.knowledge import Rule

__all__ = ["Trust", "cross_fitted", "trust"]

Int8 = npt.NDArray[np.int8]
Index = npt.NDArray[np.intp]
Float32 = npt.NDArray[np.float32]

#: Inner folds of whole groups; with at most ``FEW`` groups each is a fold of its own.
N_INNER, FEW = 3, 6
#: Cells of either outcome below which trust is left as the model gives it.
ENOUGH = 10


def cross_fitted(model: ContextModel, train: Rows, inner: Index) -> Float32:
    """Probabilities (b, 3, m) of each training condition by a model that did not see its fold.

    Parameters
    ----------
    model : ContextModel
        Settings; it is copied, not changed.
    train : Rows
    inner : array of int, shape (b,)
        Fold of each condition, as by `aligned.decisions.inner_folds`.
    """
    p = np.empty((len(train), 3, train.y.shape[1]), dtype=np.float32)
    for fold in np.unique(inner):
        own, rest = np.flatnonzero(inner == fold), np.flatnonzero(inner != fold)
        p[own] = copy.copy(model).fit(train.take(rest)).probabilities(train.take(own))
    return p


def trust(
    p: Float32, delta: Int8, scale: tuple[float, float] = (1.0, 0.0), everywhere: bool = False
) -> Float32:
    """Trust in the network per cell: ``w_ij = P(y_ij = δ_ij | φ_ij)``.

    Parameters
    ----------
    p : array, shape (b, 3, m)
        Probabilities of down, unchanged and up.
    delta : array of int8, shape (b, m)
        What the network deduces.
    scale : (float, float)
        Slope and intercept that calibrate the log-odds where the network speaks, see `Trust`.
    everywhere : bool
        Where the network is silent: P(y_ij = 0), else ½.

    Returns
    -------
    ndarray of float32, shape (b, m)

    Examples
    --------
    >>> p = np.array([[[0.1, 0.3], [0.2, 0.6], [0.7, 0.1]]], dtype=np.float32)
    >>> trust(p, np.array([[1, 0]], dtype=np.int8))
    array([[0.7, 0.5]], dtype=float32)
    """
    slope, intercept = scale
    said = np.where(delta > 0, p[:, 2], p[:, 0]).astype(np.float64)
    w = expit(slope * logit(np.clip(said, 1e-6, 1 - 1e-6)) + intercept)
    silent = p[:, 1] if everywhere else np.float32(0.5)
    return np.where(delta != 0, w, silent).astype(np.float32)


class Trust:
    """Calibrated trust per cell, from training conditions only.

    The model's probabilities are cross-fitted on inner folds of whole groups (each group a fold of
    its own where there are few); two numbers, slope and intercept of the log-odds, then make them
    agree with how often the network was right in those folds.

    Parameters
    ----------
    model : ContextModel
    rule : Rule
        Closure of the deduction δ that is trusted or not.
    everywhere : bool
        See `trust`.

    Attributes
    ----------
    out_of_fold : ndarray of float32, shape (b, 3, m)
        Cross-fitted probabilities of the training conditions.
    scale : (float, float)
        Slope and intercept.

    Raises
    ------
    ValueError
        All training conditions belong to one group.
    """

    def __init__(
        self, model: ContextModel, rule: Rule | None = None, everywhere: bool = False
    ) -> None:
        self.model, self.rule, self.everywhere = model, rule or Rule(1), everywhere

    def fit(self, train: Rows) -> Trust:
        """Cross-fit and calibrate; then fit the model to all training conditions."""
        groups = len(set(train.groups))
        count = groups if groups <= FEW else N_INNER
        inner = inner_folds(train.groups, count, self.model.seed)
        self.out_of_fold = cross_fitted(self.model, train, inner)
        delta = self._deduce(train)
        self.scale = _calibration(self.out_of_fold, train, delta)
        self.of_train = trust(self.out_of_fold, delta, self.scale, self.everywhere)
        self.model = copy.copy(self.model).fit(train)
        return self

    def weights(self, rows: Rows) -> Float32:
        """w of conditions that were not trained on, float32 of shape (b, m)."""
        p = self.model.probabilities(rows)
        return trust(p, self._deduce(rows), self.scale, self.everywhere)

    def _deduce(self, rows: Rows) -> Int8:
        context = self.model.context
        return context.kb.deduce(rows.x, self.rule)[:, context.columns]


def _calibration(p: Float32, train: Rows, delta: Int8) -> tuple[float, float]:
    """Slope (at least 0) and intercept of log-odds that fit how often the network was right."""
    cells = train.counted & (delta != 0)
    right = (train.y == delta)[cells]
    if min(right.sum(), (~right).sum()) < ENOUGH:
        return 1.0, 0.0
    odds = logit(np.clip(np.where(delta > 0, p[:, 2], p[:, 0])[cells], 1e-6, 1 - 1e-6))
    line = LogisticRegression(C=1.0).fit(odds[:, None].astype(np.float64), right)
    slope = float(line.coef_.item())
    if slope <= 0:  # the model tells nothing apart: the share that was right
        return 0.0, float(logit(right.mean()))
    return slope, float(line.intercept_.item())
