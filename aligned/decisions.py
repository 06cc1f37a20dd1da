"""From probabilities to calls: thresholds, and the objective they are tuned for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from aligned.config import Config
from aligned.scores import balanced_consistency, data_consistency

__all__ = ["CLOSURES", "best_threshold", "class_frequencies", "decide", "inner_folds", "objective"]

Int8 = npt.NDArray[np.int8]
Bool = npt.NDArray[np.bool_]
Float32 = npt.NDArray[np.float32]

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

#: Shares of cells called that the threshold search tries.
CALLED_SHARES = np.geomspace(0.0005, 0.5, 30)


def decide(p: Float32, tau: float | None) -> Int8:
    """Responses from probabilities: ±1 where the likelier of up and down exceeds ``tau``.

    Parameters
    ----------
    p : array, shape (b, 3, m)
        Probabilities of down, unchanged, up.
    tau : float or None
        Threshold; None takes the most probable class (the paper's rule).

    Returns
    -------
    ndarray of int8, shape (b, m)

    Examples
    --------
    >>> p = np.array([[[0.3], [0.6], [0.1]]], dtype=np.float32)
    >>> decide(p, None).item(), decide(p, 0.2).item()
    (0, -1)
    """
    if tau is None:
        return (p.argmax(axis=1) - 1).astype(np.int8)
    down, up = p[:, 0], p[:, 2]
    sign = np.where(up > down, 1, -1)
    return np.where(np.maximum(up, down) > tau, sign, 0).astype(np.int8)


def objective(prediction: Int8, y: Int8, counted: Bool, yardstick: Int8, config: Config) -> float:
    """The configured objective of a prediction: data consistency, or balanced consistency.

    Parameters
    ----------
    prediction, y, yardstick : array of int8, shape (b, m)
        Prediction, measured response, and what a network deduces.
    counted : array of bool, shape (b, m)
        Cells that count.
    config : Config
        ``objective`` and ``gamma``.
    """
    f_d = data_consistency(prediction, y, counted)
    if config.objective == "f_d":
        return f_d
    f_k = data_consistency(prediction, yardstick, counted)  # what is deduced stands for the data
    return float(balanced_consistency(f_d, f_k, config.gamma))


def best_threshold(
    p: Float32,
    y: Int8,
    counted: Bool,
    yardstick: Int8,
    config: Config,
    finish: Callable[[Int8], Int8] | None = None,
) -> float:
    """τ that maximises the objective on conditions that the probabilities were not fitted to.

    Parameters
    ----------
    p : array, shape (b, 3, m)
        Probabilities of held-out conditions.
    y, counted, yardstick, config
        As in `objective`.
    finish : callable, optional
        From the call to the prediction that is scored (a fusion, say); default: the call itself.
    """
    strength = np.maximum(p[:, 0], p[:, 2])
    grid = np.unique(np.quantile(strength[counted], 1 - CALLED_SHARES))
    scores = []
    for tau in grid:
        called = decide(p, float(tau))
        prediction = called if finish is None else finish(called)
        scores.append(objective(prediction, y, counted, yardstick, config))
    return float(grid[int(np.argmax(scores))])


def inner_folds(groups: npt.NDArray[np.object_], count: int, seed: int) -> npt.NDArray[np.intp]:
    """Deal groups of training conditions to inner folds, largest first to the smallest fold.

    Parameters
    ----------
    groups : array of str, shape (b,)
        Group of each condition; a group is never split.
    count : int
        Folds wanted; fewer where there are fewer groups.
    seed : int
        Order among groups of equal size.

    Returns
    -------
    ndarray of int, shape (b,)

    Raises
    ------
    ValueError
        There are fewer than two groups.
    """
    names = sorted(set(groups))
    count = min(count, len(names))
    if count < 2:
        raise ValueError(
            "all training conditions belong to one group (one perturbed gene), so no inner fold "
            "can choose a threshold; add conditions, or set decision='argmax'."
        )
    size = {g: int((groups == g).sum()) for g in names}
    order = np.random.default_rng(seed).permutation(len(names))
    load, fold_of = [0] * count, {}
    for g in sorted((names[i] for i in order), key=lambda g: -size[g]):
        smallest = load.index(min(load))
        fold_of[g], load[smallest] = smallest, load[smallest] + size[g]
    return np.array([fold_of[g] for g in groups], dtype=np.intp)


def class_frequencies(
    y: npt.ArrayLike, observed: npt.ArrayLike, prior: float = 2.0
) -> npt.NDArray[np.float64]:
    """Per-gene frequencies of down / unchanged / up, smoothed towards the overall ones.

    Parameters
    ----------
    y : array of int, shape (b, m)
    observed : array of bool, shape (b, m)
    prior : float
        Weight of the overall frequencies, in conditions.

    Returns
    -------
    ndarray of float64, shape (3, m), columns sum to 1
    """
    y, observed = np.asarray(y), np.asarray(observed, dtype=bool)
    counts = np.stack([((y == c) & observed).sum(axis=0) for c in (-1, 0, 1)]).astype(np.float64)
    overall = (counts.sum(axis=1) + 1) / (counts.sum() + 3)
    total = counts + prior * overall[:, None]
    return np.asarray(total / total.sum(axis=0))
