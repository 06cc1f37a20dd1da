"""The plain dense reference: n × n matrices, four products per level, gradients by autograd.

Written to be read, and to be slow in the way a first implementation is: every gene has a row.
"""

from __future__ import annotations

import torch

__all__ = ["boolean_closure", "loss_and_gradient", "proximal_step", "spread"]

Tensor = torch.Tensor


def spread(rows: Tensor, reg: Tensor) -> Tensor:
    """Rows of the regulators, shape (..., r, n), as n × n matrices with zeros elsewhere."""
    whole = rows.new_zeros(*rows.shape[:-2], rows.shape[-1], rows.shape[-1])
    whole[..., reg, :] = rows
    return whole


def boolean_closure(pos: Tensor, neg: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Boolean closure over paths of length 1..k of matrices of 0 and 1, shape (n, n)."""
    r_pos, r_neg = pos, neg
    for _ in range(k - 1):
        longer_pos = ((pos + pos @ r_pos + neg @ r_neg) > 0).to(pos.dtype)
        longer_neg = ((neg + pos @ r_neg + neg @ r_pos) > 0).to(neg.dtype)
        if torch.equal(longer_pos, r_pos) and torch.equal(longer_neg, r_neg):
            break
        r_pos, r_neg = longer_pos, longer_neg
    return r_pos, r_neg


def relaxed_closure(p: Tensor, n: Tensor, k: int, alpha: float) -> tuple[Tensor, Tensor]:
    """Relaxed closure of nonnegative weights, both of shape (n, n)."""
    r_pos, r_neg = p, n
    for _ in range(k - 1):
        r_pos, r_neg = (
            p + alpha * (p @ r_pos + n @ r_neg),
            n + alpha * (p @ r_neg + n @ r_pos),
        )
    return r_pos, r_neg


def loss_and_gradient(
    weight: Tensor, rows: Tensor, target: Tensor, mass: Tensor, k: int, alpha: float, t: float
) -> tuple[float, Tensor]:
    """The refinement's fit and its gradient, for weights ``P`` and ``N`` of shape (2, n, n).

    ``target, mass`` have one row per perturbed gene of ``rows``.
    """
    leaf = weight.detach().requires_grad_(True)
    r_pos, r_neg = relaxed_closure(leaf[0], leaf[1], k, alpha)
    effect = (1 - torch.exp(-t * r_pos)) - (1 - torch.exp(-t * r_neg))
    residual = effect[rows].clamp(-1.0, 1.0) - target
    loss = 0.5 * (mass * residual**2).sum()
    (gradient,) = torch.autograd.grad(loss, leaf)
    return float(loss.detach()), gradient


def proximal_step(
    weight: Tensor, gradient: Tensor, step: float, anchor: Tensor, lam: float
) -> Tensor:
    """Gradient step, soft threshold towards the anchor, clip at 0."""
    moved = weight - step * gradient - anchor
    kept = torch.sign(moved) * (moved.abs() - step * lam).clamp(min=0.0)
    return (anchor + kept).clamp(min=0.0)
