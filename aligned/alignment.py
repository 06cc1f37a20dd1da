"""The adapter: who is right, gene by gene — the model's prediction or the deduction?

``ȳ_i = ŷ_i`` where ``a_i = 0`` and ``δ_i`` where ``a_i = 1``. Per condition (row), over its m
observed cells, the choice ``a`` costs

``L_a(a; x) = C_i·‖δ - ȳ‖_0 + C_l·max(‖a‖_0 - K, 0) + C_w·(wᵀ(1-a) + (1-w)ᵀa)``, ``K = ⌊θm⌋``.

Fusion, loss and optimum take NumPy arrays (or lists) and torch tensors alike, and return what they
were given: each is written once, in the operators that both share. The trust ``w`` holds one number
per gene, shape (m,), or one per cell, shape (b, m).
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
    "fuse",
    "gene_weights",
    "local_gradient",
    "moving_average",
    "normalised_regret",
    "optimal_adapter",
    "reinforce_gradient",
]

Float = npt.NDArray[np.float64]
Tensor = torch.Tensor


def fuse(y_hat: Any, delta: Any, a: Any) -> Any:
    """Fusion ``ȳ = a·δ + (1 - a)·ŷ``: the deduction where ``a`` is 1, the prediction elsewhere.

    Parameters
    ----------
    y_hat, delta, a : array or tensor of one shape
        Prediction and deduction in {-1, 0, 1}, choices in {0, 1}.

    Returns
    -------
    array or tensor of int8

    Examples
    --------
    >>> fuse([1, 0, -1], [0, 1, 1], [0, 1, 0]).tolist()
    [1, 1, -1]
    """
    y_hat, delta, a = _as_int8(y_hat, delta, a)
    return a * delta + (1 - a) * y_hat


# ------------------------------------------------------------------------------ at the door


def _as_int8(*arrays: Any) -> tuple[Any, ...]:
    """Tensors stay tensors, all else becomes an array; int8, of one shape."""
    cells = tuple(
        v.to(torch.int8) if isinstance(v, Tensor) else np.asarray(v).astype(np.int8, copy=False)
        for v in arrays
    )
    if len({tuple(c.shape) for c in cells}) > 1:
        shapes = ", ".join(str(tuple(c.shape)) for c in cells)
        raise ValueError(f"choices, predictions and deductions differ in shape ({shapes}).")
    return cells


def _rows(observed: Any, *arrays: Any) -> tuple[Any, ...]:
    """Observed cells (all, if None) and the other arrays as rows, shape (b, m)."""
    cells = [v.reshape(-1, v.shape[-1]) for v in _as_int8(*arrays)]
    if observed is None:
        return (cells[0] == cells[0], *cells)
    seen = observed if isinstance(observed, Tensor) else np.atleast_2d(np.asarray(observed, bool))
    return (seen, *cells)


def _checked_weights(w: Any, shape: tuple[int, ...]) -> Any:
    """Weights in double precision, so that sums over genes are good to the last digit."""
    weights = w.double() if isinstance(w, Tensor) else np.asarray(w, dtype=np.float64)
    if tuple(weights.shape) not in (tuple(shape), tuple(shape[1:])):
        raise ValueError(
            f"w has shape {tuple(weights.shape)}; give one weight per gene, shape ({shape[1]},), "
            f"or one per cell, shape {tuple(shape)}."
        )
    if not ((weights >= 0) & (weights <= 1)).all():
        raise ValueError("w holds a value outside [0, 1]; weights are degrees of trust.")
    return weights


def allowed_cells(delta: Any, observed: Any, config: Config) -> Any:
    """Where symbols may be used: a mask of observed cells, with ``speak_only`` those where δ ≠ 0.

    Parameters
    ----------
    delta, observed : array or tensor, shape (b, m)
    config : Config
        ``speak_only``.
    """
    return observed & (delta != 0) if config.speak_only else observed


# --------------------------------------------------------------------------------------- loss


def _budget(observed: Any, theta: float, w: Any) -> Any:
    """``K = floor(θ·m + 1e-9)`` per row, m = observed cells; in the (double) precision of w."""
    return (theta * observed.sum(axis=-1, dtype=w.dtype) + 1e-9) // 1


def adapter_loss(
    a: Any, y_hat: Any, delta: Any, w: Any, config: Config, observed: Any | None = None
) -> Any:
    """The adapter's loss ``L_a`` of each condition (the paper's Eq. 4).

    Parameters
    ----------
    a : array or tensor in {0, 1}, shape (b, m)
        Choices. With ``config.speak_only`` only choices that are 0 wherever δ is 0 are allowed;
        the loss is the formula for any ``a``, the restriction is `optimal_adapter`'s.
    y_hat, delta : array or tensor of int, shape (b, m)
        Prediction and deduction.
    w : array or tensor, shape (m,) or (b, m)
        Trust in symbols per gene, or per cell, in [0, 1].
    config : Config
        ``c_inc, c_len, c_weight, theta``.
    observed : array or tensor of bool, shape (b, m), optional
        Cells that count.

    Returns
    -------
    array or tensor of float64, shape (b,)

    Examples
    --------
    >>> adapter_loss([[0, 1]], [[0, 0]], [[1, 1]], [0.5, 0.5], Config(theta=0.0)).tolist()
    [8.0]
    """
    seen, a, y_hat, delta = _rows(observed, a, y_hat, delta)
    w = _checked_weights(w, delta.shape)
    inconsistency = ((delta != fuse(y_hat, delta, a)) & seen).sum(axis=1)
    excess = (a * seen).sum(axis=1) - _budget(seen, config.theta, w)
    weight = ((w * (1 - a) + (1 - w) * a) * seen).sum(axis=1)
    length = excess * (excess > 0)
    return config.c_inc * inconsistency + config.c_len * length + config.c_weight * weight


def _gain(differ: Any, w: Any, config: Config) -> Any:
    """``g_i = C_i[ŷ_i ≠ δ_i] + C_w(2w_i - 1)``: what choosing symbols saves, length aside."""
    return config.c_inc * differ + config.c_weight * (2 * w - 1)


def optimal_adapter(
    y_hat: Any, delta: Any, w: Any, config: Config, observed: Any | None = None
) -> Any:
    """The choices that minimise ``L_a`` exactly, for a fixed prediction.

    Rank the genes by gain ``g_i = C_i[ŷ_i ≠ δ_i] + C_w(2w_i - 1)``; take those with ``g_i > 0`` up
    to K of them, and beyond K those with ``g_i > C_l``. With ``config.speak_only``, only genes with
    ``δ_i ≠ 0`` are candidates.

    Parameters
    ----------
    As for `adapter_loss`.

    Returns
    -------
    array or tensor of int8 in {0, 1}, shape (b, m)

    Examples
    --------
    >>> optimal_adapter([[0, 0]], [[1, 0]], [0.5, 0.5], Config(theta=1.0)).tolist()
    [[1, 0]]
    """
    seen, y_hat, delta = _rows(observed, y_hat, delta)
    w = _checked_weights(w, delta.shape)
    gain = _gain(y_hat != delta, w, config) * allowed_cells(delta, seen, config)
    budget = _budget(seen, config.theta, w)
    if not ((gain > 0).sum(axis=1) > budget).any():  # no rank is beyond K
        return _as_int8(gain > 0)[0]
    rank = (-gain).argsort(stable=True).argsort()
    return _as_int8(gain > config.c_len * (rank >= budget[:, None]))[0]


def normalised_regret(
    a: Any, y_hat: Any, delta: Any, w: Any, config: Config, observed: Any | None = None
) -> float:
    """Regret of choices, summed over rows: 0 = optimal, 1 = no better than never using symbols.

    ``(L_a(a) - L_a(a*)) / (L_a(0) - L_a(a*))``; nan where not using symbols is already optimal.
    """
    best = optimal_adapter(y_hat, delta, w, config, observed)
    losses = [
        float(adapter_loss(choice, y_hat, delta, w, config, observed).sum())
        for choice in (a, best, 0 * best)
    ]
    span = losses[2] - losses[1]
    return (losses[0] - losses[1]) / span if span > 0 else float("nan")


# ---------------------------------------------------------------------------------- learning


def _draw(cells: Tensor, generator: torch.Generator) -> Tensor:
    """Choices of the adapter, one per logit: 1 with probability ``σ(logit)``."""
    p = torch.sigmoid(cells.detach())
    return torch.rand(p.shape, generator=generator, device=p.device) < p


def _at(w: Tensor, row: Tensor, gene: Tensor) -> Tensor:
    """Weights of single cells, from one per gene or one per cell."""
    return w[gene] if w.ndim == 1 else w[row, gene]


def reinforce_gradient(
    cells: Tensor,
    row: Tensor,
    gene: Tensor,
    y_hat: Tensor,
    delta: Tensor,
    w: Tensor,
    observed: Tensor,
    config: Config,
    generator: torch.Generator,
    baseline: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """REINFORCE (Williams 1992): ``(L_a - baseline)·∇log f_a(a)``, summed over rows.

    Parameters
    ----------
    cells : tensor, shape (cells,)
        Logits of ``f_a`` at the cells where symbols may be used (`allowed_cells`).
    row, gene : tensor of int, shape (cells,)
        Where these cells lie.
    y_hat, delta : tensor of int8, shape (b, m)
        Prediction and deduction.
    w : tensor, shape (m,) or (b, m)
    observed : tensor of bool, shape (b, m)
    config : Config
    generator : torch.Generator
        Draws the choices.
    baseline : tensor scalar, optional
        The `moving_average` of earlier losses; none at first.

    Returns
    -------
    (tensor scalar, tensor of shape (b,))
        A surrogate whose gradient is an unbiased estimate of that of ``E_a[L_a]``, and the losses
        `adapter_loss` of the choices drawn.
    """
    drawn = _draw(cells, generator)
    a = torch.zeros_like(delta)
    a[row, gene] = drawn.to(a.dtype)
    losses = adapter_loss(a, y_hat, delta, w, config, observed)
    sign = drawn.to(cells.dtype) * 2 - 1
    log_prob = torch.nn.functional.logsigmoid(sign * cells)
    advantage = losses if baseline is None else losses - baseline
    return (advantage[row].to(cells.dtype) * log_prob).sum(), losses


def moving_average(baseline: Tensor | None, losses: Tensor) -> Tensor:
    """The baseline after these losses: nine parts of what it was, one of their mean."""
    mean = losses.mean()
    return mean if baseline is None else 0.9 * baseline + 0.1 * mean


def local_gradient(
    cells: Tensor,
    row: Tensor,
    gene: Tensor,
    y_hat: Tensor,
    delta: Tensor,
    w: Tensor,
    observed: Tensor,
    config: Config,
    generator: torch.Generator,
) -> Tensor:
    """``Σ_i D_i·∇p_i``: what each choice changes, given all others, times the slope of its p.

    Switching cell i from 0 to 1 while the other draws stay changes ``L_a`` by exactly
    ``D_i = -C_i[ŷ_i ≠ δ_i] + C_w(1 - 2w_i) + C_l·[‖a_-i‖_0 + 1 > K]``.

    Parameters
    ----------
    As for `reinforce_gradient`, without a baseline: there is almost no variance to be taken away.

    Returns
    -------
    tensor scalar
        A surrogate whose gradient is an unbiased estimate of that of ``E_a[L_a]``, over all rows.
    """
    a = _draw(cells, generator).to(cells.dtype)
    used = a.new_zeros(len(delta)).index_add_(0, row, a)
    over = (used[row] - a + 1) > _budget(observed, config.theta, w.double()).to(a.dtype)[row]
    differ, trust = y_hat[row, gene] != delta[row, gene], _at(w, row, gene)
    over, differ, trust = (v.to(cells.dtype) for v in (over, differ, trust))
    change = config.c_len * over - _gain(differ, trust, config)
    return (change * torch.sigmoid(cells)).sum()


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

    - ``conflicts``: ``(agree + ½) / (agree + conflict + 1)``, on *training* conditions only. A
      conflict is ``y ≠ δ`` wherever the deduction speaks, "unchanged" included (``"gene"``);
      ``"full"`` counts only cells where labelled data speak, too;
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
    spoken = counted & (delta != 0)
    if config.weights == "full":
        spoken &= y != 0
    agree, conflict = (spoken & (y == delta)).sum(axis=0), (spoken & (y != delta)).sum(axis=0)
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
