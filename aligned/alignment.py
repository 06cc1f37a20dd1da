"""The adapter: who is right, gene by gene — the network's prediction or the deduction?

``ȳ_i = ŷ_i`` where ``a_i = 0`` and ``δ_i`` where ``a_i = 1``. Per condition (row), over its m
observed cells, the choice ``a`` costs

``L_a(a; x) = C_i·‖δ - ȳ‖_0 + C_l·max(‖a‖_0 - K, 0) + C_w·(wᵀ(1-a) + (1-w)ᵀa)``, ``K = ⌊θm⌋``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from aligned.config import Config

__all__ = [
    "GeneWeights",
    "adapter_loss",
    "allowed_cells",
    "cell_gradient",
    "fuse",
    "gene_weights",
    "normalised_regret",
    "optimal_adapter",
]

Float = npt.NDArray[np.float64]
Int8 = npt.NDArray[np.int8]
Bool = npt.NDArray[np.bool_]


def fuse(y_hat: npt.ArrayLike, delta: npt.ArrayLike, a: npt.ArrayLike) -> Int8:
    """Fusion ``ȳ``: the deduction where ``a`` is 1, the network's prediction elsewhere.

    Examples
    --------
    >>> fuse([1, 0, -1], [0, 1, 1], [0, 1, 0]).tolist()
    [1, 1, -1]
    """
    return np.where(np.asarray(a, dtype=bool), delta, y_hat).astype(np.int8)


# --------------------------------------------------------------------------------------- loss


def _budget(observed: Any, theta: float) -> Any:
    """``K = floor(θ·m + 1e-9)`` per row; m = observed cells."""
    return np.floor(theta * observed.sum(axis=-1) + 1e-9)


def _as_cells(*arrays: npt.ArrayLike) -> tuple[npt.NDArray[Any], ...]:
    cells = [np.atleast_2d(np.asarray(v)) for v in arrays]
    if len({c.shape for c in cells}) > 1:
        shapes = ", ".join(str(c.shape) for c in cells)
        raise ValueError(f"choices, predictions and deductions differ in shape ({shapes}).")
    return tuple(cells)


def _checked_weights(w: npt.ArrayLike, m: int) -> Float:
    weights = np.asarray(w, dtype=np.float64)
    if weights.shape != (m,):
        raise ValueError(f"w has shape {weights.shape}; give one weight per gene, shape ({m},).")
    if not ((weights >= 0) & (weights <= 1)).all():
        raise ValueError("w holds a value outside [0, 1]; weights are degrees of trust.")
    return weights


def adapter_loss(
    a: npt.ArrayLike,
    y_hat: npt.ArrayLike,
    delta: npt.ArrayLike,
    w: npt.ArrayLike,
    config: Config,
    observed: npt.ArrayLike | None = None,
) -> Float:
    """The adapter's loss ``L_a`` of each condition (the paper's Eq. 4).

    Parameters
    ----------
    a : array in {0, 1}, shape (b, m)
        Choices. With ``config.speak_only`` only choices that are 0 wherever δ is 0 are allowed;
        the loss is the formula for any ``a``, the restriction is `optimal_adapter`'s.
    y_hat, delta : array of int, shape (b, m)
        Prediction and deduction.
    w : array, shape (m,)
        Trust in symbols per gene, in [0, 1].
    config : Config
        ``c_inc, c_len, c_weight, theta``.
    observed : array of bool, shape (b, m), optional
        Cells that count.

    Returns
    -------
    ndarray of float64, shape (b,)

    Examples
    --------
    >>> adapter_loss([[0, 1]], [[0, 0]], [[1, 1]], [0.5, 0.5], Config(theta=0.0)).tolist()
    [8.0]
    """
    a, y_hat, delta = _as_cells(a, y_hat, delta)
    weights = _checked_weights(w, a.shape[1])
    seen = np.ones(a.shape, bool) if observed is None else np.atleast_2d(np.asarray(observed, bool))
    y_bar = np.where(a == 1, delta, y_hat)
    inconsistency = ((delta != y_bar) & seen).sum(axis=1)
    used = ((a == 1) & seen).sum(axis=1)
    length = np.maximum(used - _budget(seen, config.theta), 0)
    weight = (np.where(a == 1, 1 - weights, weights) * seen).sum(axis=1)
    total = config.c_inc * inconsistency + config.c_len * length + config.c_weight * weight
    return np.asarray(total, dtype=np.float64)


def _gains(y_hat: Any, delta: Any, w: Float, config: Config) -> Float:
    """``g_i = C_i[ŷ_i ≠ δ_i] + C_w(2w_i - 1)``: what choosing symbols saves, length aside."""
    return np.asarray(config.c_inc * (y_hat != delta) + config.c_weight * (2 * w - 1))


def optimal_adapter(
    y_hat: npt.ArrayLike,
    delta: npt.ArrayLike,
    w: npt.ArrayLike,
    config: Config,
    observed: npt.ArrayLike | None = None,
) -> Int8:
    """The choices that minimise ``L_a`` exactly, for a fixed prediction.

    Rank the genes by gain ``g_i = C_i[ŷ_i ≠ δ_i] + C_w(2w_i - 1)``; take those with ``g_i > 0`` up
    to K of them, and beyond K those with ``g_i > C_l``. With ``config.speak_only``, only genes with
    ``δ_i ≠ 0`` are candidates.

    Parameters
    ----------
    As for `adapter_loss`.

    Returns
    -------
    ndarray of int8 in {0, 1}, shape (b, m)

    Examples
    --------
    >>> optimal_adapter([[0, 0]], [[1, 0]], [0.5, 0.5], Config(theta=1.0)).tolist()
    [[1, 0]]
    """
    y_hat, delta = _as_cells(y_hat, delta)
    weights = _checked_weights(w, y_hat.shape[1])
    seen = (
        np.ones(y_hat.shape, bool)
        if observed is None
        else np.atleast_2d(np.asarray(observed, bool))
    )
    allowed = seen & (delta != 0) if config.speak_only else seen
    gain = np.where(allowed, _gains(y_hat, delta, weights, config), -np.inf)
    rank = np.empty(gain.shape, dtype=np.intp)
    order = np.argsort(-gain, axis=1, kind="stable")
    np.put_along_axis(rank, order, np.arange(gain.shape[1])[None, :], axis=1)
    price = np.where(rank < _budget(seen, config.theta)[:, None], 0.0, config.c_len)
    return (gain > price).astype(np.int8)


def normalised_regret(
    a: npt.ArrayLike,
    y_hat: npt.ArrayLike,
    delta: npt.ArrayLike,
    w: npt.ArrayLike,
    config: Config,
    observed: npt.ArrayLike | None = None,
) -> float:
    """Regret of choices, summed over rows: 0 = optimal, 1 = no better than never using symbols.

    ``(L_a(a) - L_a(a*)) / (L_a(0) - L_a(a*))``; nan where not using symbols is already optimal.
    """
    best = optimal_adapter(y_hat, delta, w, config, observed)
    losses = [
        adapter_loss(choice, y_hat, delta, w, config, observed).sum()
        for choice in (a, best, np.zeros_like(best))
    ]
    span = losses[2] - losses[1]
    return float((losses[0] - losses[1]) / span) if span > 0 else float("nan")


# ---------------------------------------------------------------------------------- learning


def allowed_cells(
    delta: torch.Tensor, observed: torch.Tensor, config: Config
) -> tuple[torch.Tensor, torch.Tensor]:
    """Row and gene of every cell where symbols may be used: two tensors of shape (cells,)."""
    allowed = observed & (delta != 0) if config.speak_only else observed
    row, gene = allowed.nonzero(as_tuple=True)
    return row, gene


def cell_gradient(
    cells: torch.Tensor,
    row: torch.Tensor,
    gene: torch.Tensor,
    y_hat: torch.Tensor,
    delta: torch.Tensor,
    w: torch.Tensor,
    observed: torch.Tensor,
    config: Config,
    generator: torch.Generator,
    baseline: torch.Tensor | float = 0.0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """A scalar whose gradient estimates that of ``E_a[L_a]``, summed over rows.

    Parameters
    ----------
    cells : tensor, shape (cells,)
        Logits of ``f_a`` where symbols may be used (`allowed_cells`).
    row, gene : tensor of int, shape (cells,)
        Place of each.
    y_hat, delta : tensor of int, shape (b, m)
    w : tensor, shape (m,)
    observed : tensor of bool, shape (b, m)
    config : Config
        ``estimator`` is ``"local"`` or ``"reinforce"``.
    generator : torch.Generator
        Draws the actions.
    baseline : float or tensor, shape (b,)
        Baseline of ``reinforce``: a moving average of earlier losses.

    Returns
    -------
    (tensor scalar, tensor of shape (b,))
        The surrogate to differentiate, and the losses of the drawn actions.

    Notes
    -----
    ``local``: given the other draws, switching gene i from 0 to 1 changes the loss by exactly
    ``D_i = -C_i[ŷ_i ≠ δ_i] + C_w(1 - 2w_i) + C_l·[‖a_-i‖_0 + 1 > K]``, and ``Σ_i D_i ∇p_i`` is an
    unbiased gradient.
    ``reinforce``: ``(L_a - baseline) ∇log f_a(a)`` (Williams 1992).
    """
    p = torch.sigmoid(cells)
    draws = torch.rand(p.shape, generator=generator, device=p.device)
    a = draws < p.detach()
    differ = (y_hat != delta) & observed
    gain = config.c_inc * differ[row, gene] + config.c_weight * (2 * w[gene] - 1)

    def per_row(values: torch.Tensor) -> torch.Tensor:
        return w.new_zeros(len(delta)).index_add_(0, row, values.to(w.dtype))

    # in double precision: θ·m in float32 can fall below a whole number
    budget = torch.floor(config.theta * observed.sum(dim=1).double() + 1e-9).to(w.dtype)
    used = per_row(a)
    silent = config.c_inc * differ.sum(dim=1) + config.c_weight * (observed.to(w.dtype) @ w)
    losses = silent - per_row(gain * a) + config.c_len * torch.clamp(used - budget, min=0)
    if config.estimator == "reinforce":
        sign = a.to(p.dtype) * 2 - 1
        log_prob = torch.nn.functional.logsigmoid(sign * cells)
        return ((losses - baseline)[row].detach() * log_prob).sum(), losses.detach()
    over = (used[row] - a.to(w.dtype) + 1) > budget[row]
    change = config.c_len * over - gain
    return (change.detach() * p).sum(), losses.detach()


# ----------------------------------------------------------------------------------- weights


@dataclass(frozen=True)
class GeneWeights:
    """Trust ``w`` in symbols per gene, and the parts it is the mean of (each of shape (m,))."""

    w: Float
    parts: dict[str, Float]


def gene_weights(
    y: npt.ArrayLike,
    delta: npt.ArrayLike,
    counted: npt.ArrayLike,
    in_degree: npt.ArrayLike,
    go_counts: npt.ArrayLike | None,
    config: Config,
) -> GeneWeights:
    """Weights ``w ∈ [0, 1]^m``: high for genes that are well characterised.

    ``w`` is the mean of the parts that are switched on (and known):

    - ``conflicts``: ``(agree + ½) / (agree + conflict + 1)``, counted where labelled data and
      deduction both speak; on *training* conditions only;
    - ``go``: ``log(1 + GO annotations) / max``;
    - ``grn``: ``log(1 + in-degree in the network) / max``.

    Parameters
    ----------
    y, delta : array of int, shape (b, m)
        Training responses and deductions.
    counted : array of bool, shape (b, m)
        Observed cells, perturbed genes' own left out.
    in_degree : array, shape (m,)
    go_counts : array, shape (m,), or None
        None, or nan for a gene: the part is left out (of that gene).
    config : Config
        ``weights``, ``use_conflicts``, ``use_go``, ``use_grn``, ``seed``.

    Raises
    ------
    ValueError
        No part is left.
    """
    y, delta, counted = np.asarray(y), np.asarray(delta), np.asarray(counted, dtype=bool)
    m = y.shape[1]
    if config.weights == "constant":
        return GeneWeights(np.full(m, 0.5), {})
    if config.weights == "random":
        return GeneWeights(np.asarray(np.random.default_rng(config.seed).random(m)), {})
    both = counted & (y != 0) & (delta != 0)
    agree, conflict = (both & (y == delta)).sum(axis=0), (both & (y != delta)).sum(axis=0)
    parts: dict[str, Float] = {}
    if config.use_conflicts:
        parts["conflicts"] = (agree + 0.5) / (agree + conflict + 1.0)
    if config.use_go and go_counts is not None:
        parts["go"] = _log_share(go_counts)
    if config.use_grn:
        parts["grn"] = _log_share(in_degree)
    if not parts:
        raise ValueError(
            "no part of the weights w is left; switch on use_conflicts, use_go (needs GO counts) "
            "or use_grn, or set weights='constant'."
        )
    table = np.stack(list(parts.values()))
    known = np.isfinite(table)
    total = np.where(known, table, 0.0).sum(axis=0)
    mean = total / np.maximum(known.sum(axis=0), 1)
    return GeneWeights(np.asarray(np.where(known.any(axis=0), mean, 0.5)), parts)


def _log_share(counts: npt.ArrayLike) -> Float:
    logs: Float = np.log1p(np.asarray(counts, dtype=np.float64))
    top = float(np.nanmax(logs, initial=0.0))
    return logs / top if top > 0 else logs
