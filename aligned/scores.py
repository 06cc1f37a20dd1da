"""Scores: data, knowledge and balanced consistency, and what is drawn from confusion counts.

Every macro-F1 here is a function of a 3 × 3 table of counts (truth × prediction), and such tables
add up over conditions. So one pass over the cells gives the pooled score, the score per condition,
and a bootstrap over conditions without touching a cell again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from aligned.knowledge import KnowledgeBase, Rule

__all__ = [
    "balanced_consistency",
    "bootstrap_weights",
    "called_overlap",
    "called_precision",
    "confusion",
    "data_consistency",
    "direction_accuracy",
    "discrimination",
    "f1_from_confusion",
    "knowledge_consistency",
    "precision_recall",
    "resampled",
]

Float = npt.NDArray[np.float64]


def confusion(
    truth: npt.ArrayLike, prediction: npt.ArrayLike, counted: npt.ArrayLike | None = None
) -> npt.NDArray[np.int64]:
    """Confusion counts of each condition.

    Parameters
    ----------
    truth, prediction : array of int, shape (b, m)
        Ternary responses.
    counted : array of bool, shape (b, m), optional
        Cells to count; default all.

    Returns
    -------
    ndarray of int64, shape (b, 3, 3)
        ``[i, t, p]``: cells of condition i with truth ``t - 1`` and prediction ``p - 1``.

    Raises
    ------
    ValueError
        Shapes differ, or an entry is not -1, 0 or 1.

    Examples
    --------
    >>> confusion([[1, 0, -1]], [[1, 0, 0]]).sum(axis=0).tolist()
    [[0, 1, 0], [0, 1, 0], [0, 0, 1]]
    """
    truth, prediction = _ternary("truth", truth), _ternary("prediction", prediction)
    if truth.shape != prediction.shape:
        raise ValueError(
            f"the prediction has shape {prediction.shape}, the response {truth.shape}; both need "
            "one row per condition and one column per measured gene, in the same order."
        )
    code = 3 * (truth + np.int8(1)) + prediction + np.int8(1)
    if counted is not None:
        mask = np.atleast_2d(np.asarray(counted, dtype=bool))
        if mask.shape != code.shape:
            raise ValueError(
                f"`observed` has shape {mask.shape}, the response {code.shape}; they must match."
            )
        code = np.where(mask, code, np.int8(9))
    row = np.arange(len(code), dtype=np.int32)[:, None] * 10
    counts = np.bincount((code + row).ravel(), minlength=10 * len(code)).reshape(-1, 10)
    return counts[:, :9].reshape(-1, 3, 3)


def _ternary(what: str, values: npt.ArrayLike) -> npt.NDArray[np.int8]:
    array = np.atleast_2d(np.asarray(values))
    if array.dtype == np.int8 and (not array.size or (array.min() >= -1 and array.max() <= 1)):
        return array
    if not np.isin(array, (-1, 0, 1)).all():
        bad = array[~np.isin(array, (-1, 0, 1))][0]
        raise ValueError(
            f"the {what} holds {bad}; scores need -1 (down), 0 (unchanged) or 1 (up), with "
            "unmeasured cells set to 0 and marked in `observed`."
        )
    return array.astype(np.int8)


def f1_from_confusion(counts: npt.ArrayLike) -> Float:
    """Macro-F1 over {-1, 0, 1} from confusion counts of shape (..., 3, 3); shape (...).

    A class with neither truth nor prediction scores 0 (scikit-learn's
    ``labels=[-1, 0, 1], zero_division=0``).

    Examples
    --------
    >>> float(f1_from_confusion(np.diag([2, 5, 3])))
    1.0
    """
    c = np.asarray(counts, dtype=np.float64)
    hits = np.diagonal(c, axis1=-2, axis2=-1)
    total = c.sum(axis=-1) + c.sum(axis=-2)
    f1 = np.divide(2 * hits, total, out=np.zeros_like(hits), where=total > 0)
    return f1.mean(axis=-1)


def precision_recall(counts: npt.ArrayLike) -> tuple[Float, Float]:
    """Precision and recall of the classes -1, 0, 1 from counts (..., 3, 3); two (..., 3)."""
    c = np.asarray(counts, dtype=np.float64)
    hits = np.diagonal(c, axis1=-2, axis2=-1)
    called, present = c.sum(axis=-2), c.sum(axis=-1)
    precision = np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)
    recall = np.divide(hits, present, out=np.zeros_like(hits), where=present > 0)
    return precision, recall


def data_consistency(
    y_pred: npt.ArrayLike, y: npt.ArrayLike, observed: npt.ArrayLike | None = None
) -> float:
    """Data consistency ``F_d``: macro-F1 of the prediction against measured responses.

    Parameters
    ----------
    y_pred, y : array of int, shape (b, m)
        Predicted and measured responses in {-1, 0, 1}.
    observed : array of bool, shape (b, m), optional
        Cells to score. Leave out unmeasured cells *and* the perturbed genes' own
        (`KnowledgeBase.scored_cells` gives this mask).

    Returns
    -------
    float
        Macro-F1 over the three classes, all cells pooled.

    Examples
    --------
    >>> data_consistency([[1, 0, -1, 0]], [[1, 0, -1, 0]])
    1.0
    """
    return float(f1_from_confusion(confusion(y, y_pred, observed).sum(axis=0)))


def knowledge_consistency(
    y_pred: npt.ArrayLike,
    kb: KnowledgeBase,
    x: object,
    genes: Sequence[str] | None = None,
    k: int | Rule = 5,
    rule: str = "boolean",
    observed: npt.ArrayLike | None = None,
) -> float:
    """Knowledge consistency ``F_k``: macro-F1 of the prediction against what a network deduces.

    Always name the network you pass: the original, the refined or a held-out one (the
    *yardstick*). The perturbed genes' own cells are skipped.

    Parameters
    ----------
    y_pred : array of int, shape (b, m)
        Predicted responses.
    kb : KnowledgeBase
        The yardstick.
    x : array or sparse, shape (b, n)
        Perturbations, columns as ``kb.genes``.
    genes : sequence of str, optional
        The m columns of ``y_pred``; needed where they are not all genes of the network.
    k, rule
        The yardstick's closure, as in `KnowledgeBase.closure`.
    observed : array of bool, shape (b, m), optional
        Cells to score besides.

    Raises
    ------
    ValueError
        A gene is unknown, a shape is wrong, a value is not ternary.

    Examples
    --------
    >>> import pandas as pd
    >>> from aligned.knowledge import KnowledgeBase
    >>> edges = pd.DataFrame({"source": ["a", "a"], "target": ["b", "c"], "sign": [1, -1]})
    >>> kb = KnowledgeBase.from_edges(edges)
    >>> round(knowledge_consistency([[-1, -1, 1]], kb, [[-1, 0, 0]], k=1), 3)
    0.667
    """
    delta = kb.deduce(x, k, rule)[:, kb.columns(genes)]
    return data_consistency(y_pred, delta, kb.scored_cells(x, genes, observed))


def balanced_consistency(
    fd: npt.ArrayLike, fk: npt.ArrayLike, gamma: float = 2.0, weight: float = 0.5
) -> npt.NDArray[np.float64] | float:
    """Balanced consistency ``F1_balance = (w·F_d^-γ + (1-w)·F_k^-γ)^(-1/γ)``.

    A power mean that leans to the smaller of the two, the more so the larger γ; 0 if either is 0,
    nan if either is undefined.

    Parameters
    ----------
    fd, fk : float or array
        Data and knowledge consistency in [0, 1].
    gamma : float
        Exponent, above 0. The paper's 2 is the default.
    weight : float
        Weight of ``fd``, strictly between 0 and 1; ½ in the paper.

    Examples
    --------
    >>> round(balanced_consistency(0.3878, 0.5348), 3)
    0.444
    >>> balanced_consistency(0.0, 0.9)
    0.0
    """
    if not 0 < gamma < np.inf:
        raise ValueError(f"gamma is {gamma}; give a number above 0 (the paper uses 2).")
    if not 0 < weight < 1:
        raise ValueError(f"weight is {weight}; it is F_d's share: give a number between 0 and 1.")
    d, k = np.broadcast_arrays(np.asarray(fd, dtype=float), np.asarray(fk, dtype=float))
    if ((d < 0) | (d > 1) | (k < 0) | (k > 1)).any():
        raise ValueError("data and knowledge consistency are F1 scores: give numbers from 0 to 1.")
    both = (d > 0) & (k > 0)
    safe_d, safe_k = np.where(both, d, 1.0), np.where(both, k, 1.0)
    low = np.minimum(safe_d, safe_k)  # factored out: powers of small numbers would overflow
    terms = weight * (safe_d / low) ** -gamma + (1 - weight) * (safe_k / low) ** -gamma
    mean = low * terms ** (-1 / gamma)
    result = np.where(both, mean, np.where(np.isnan(d + k), np.nan, 0.0))
    return float(result) if result.ndim == 0 else result


def bootstrap_weights(groups: Sequence[object], n: int, seed: int) -> npt.NDArray[np.int64]:
    """How often each row is drawn in each of ``n`` bootstrap samples of whole groups.

    Parameters
    ----------
    groups : sequence, length b
        Group of each row (all conditions of one knock-out, say); groups are drawn with
        replacement, their rows together.
    n : int
        Number of samples.
    seed : int
        Seed; the same seed pairs two methods scored on the same rows.

    Returns
    -------
    ndarray of int64, shape (n, b)

    Examples
    --------
    >>> bootstrap_weights(["a", "a", "b"], n=2, seed=0).shape
    (2, 3)
    """
    _, member = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    n_groups = int(member.max(initial=-1)) + 1
    if n_groups == 0:
        raise ValueError("there is no row to resample; give at least one condition.")
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=n)
    return drawn[:, member].astype(np.int64)


def resampled(
    score: Callable[[npt.NDArray[np.int64]], Float],
    counts: npt.NDArray[np.int64],
    weights: npt.NDArray[np.int64],
) -> Float:
    """Score of every weighted resampling of rows; nan where a sample holds no cell to score.

    Parameters
    ----------
    score : callable
        From counts of shape (n, 3, 3) to (n,): `f1_from_confusion` and its like.
    counts : array of int, shape (b, 3, 3)
        Confusion counts of each row.
    weights : array of int, shape (n, b)
        How often each row is drawn (`bootstrap_weights`).

    Examples
    --------
    >>> counts = confusion([[1, 0, -1], [0, 0, 0]], [[1, 0, -1], [0, 0, 0]], [[1] * 3, [0] * 3])
    >>> resampled(f1_from_confusion, counts, np.array([[1, 1], [0, 2]])).tolist()
    [1.0, nan]
    """
    total = (weights @ counts.reshape(len(counts), 9)).reshape(-1, 3, 3)
    return np.where(total.any(axis=(1, 2)), score(total), np.nan)


def called_overlap(counts: npt.ArrayLike) -> Float:
    """Jaccard index of the genes called and the genes changed, signs ignored; shape (...).

    From counts of shape (..., 3, 3). 0 where nothing is called and nothing changed.

    Examples
    --------
    >>> c = confusion([[1, 1, 0, -1]], [[1, -1, 1, 0]]).sum(axis=0)
    >>> float(called_overlap(c))  # two of the four genes that are called or changed are both
    0.5
    """
    c = np.asarray(counts, dtype=np.float64)
    return _share(_both(c), c.sum(axis=(-2, -1)) - c[..., 1, 1], 0.0)


def called_precision(counts: npt.ArrayLike) -> Float:
    """Share of the calls, up and down, that are right; nan where nothing is called.

    From counts of shape (..., 3, 3).

    Examples
    --------
    >>> c = confusion([[1, 1, 0, -1]], [[1, -1, 1, 0]]).sum(axis=0)
    >>> round(float(called_precision(c)), 3)
    0.333
    """
    c = np.asarray(counts, dtype=np.float64)
    return _share(c[..., 0, 0] + c[..., 2, 2], c[..., :, [0, 2]].sum(axis=(-2, -1)), np.nan)


def direction_accuracy(counts: npt.ArrayLike) -> Float:
    """Share of right directions among the genes that changed and are called; nan without any.

    From counts of shape (..., 3, 3).

    Examples
    --------
    >>> c = confusion([[1, 1, 0, -1]], [[1, -1, 1, 0]]).sum(axis=0)
    >>> float(direction_accuracy(c))
    0.5
    """
    c = np.asarray(counts, dtype=np.float64)
    return _share(c[..., 0, 0] + c[..., 2, 2], _both(c), np.nan)


def discrimination(
    prediction: npt.ArrayLike,
    y: npt.ArrayLike,
    counted: npt.ArrayLike,
    alike: npt.ArrayLike,
) -> Float:
    """Perturbation discrimination: does a prediction resemble its own response, not another's?

    All responses of the same conditions are ranked by their cosine with the prediction, over the
    cells counted in both. Ties count half, so that a prediction that is the same for all
    conditions scores about ½, and one that calls nothing exactly ½.

    Parameters
    ----------
    prediction, y : array of int, shape (b, m)
        Predicted and measured responses.
    counted : array of bool, shape (b, m)
        Cells to compare.
    alike : array of bool, shape (b, b)
        Conditions of the same perturbation: they are not held against each other.

    Returns
    -------
    ndarray of float64, shape (b,)
        Share of the other conditions whose response is less similar: 1 is best, ½ chance; nan
        where there is no other perturbation.

    Examples
    --------
    >>> y = [[1, 0], [0, 1], [0, -1]]
    >>> discrimination(y, y, np.ones((3, 2)), np.eye(3)).tolist()
    [1.0, 1.0, 1.0]
    """
    seen = np.asarray(counted, dtype=np.float64)
    p, truth = np.asarray(prediction) * seen, np.asarray(y) * seen
    norm = np.sqrt((p**2 @ seen.T) * (seen @ (truth**2).T))
    cosine = np.divide(p @ truth.T, norm, out=np.zeros_like(norm), where=norm > 0).round(12)
    own = np.diagonal(cosine)[:, None]
    other = ~(np.asarray(alike, dtype=bool) | np.eye(len(p), dtype=bool))
    wins = ((cosine < own) + 0.5 * (cosine == own)) * other
    return _share(wins.sum(axis=1), other.sum(axis=1), np.nan)


def _both(c: Float) -> Float:
    """Cells that changed and are called, whatever their signs."""
    return np.asarray(c[..., [0, 2], :][..., [0, 2]].sum(axis=(-2, -1)))


def _share(part: npt.ArrayLike, whole: npt.ArrayLike, empty: float) -> Float:
    top, base = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    return np.divide(top, base, out=np.full_like(top, empty), where=base > 0)
